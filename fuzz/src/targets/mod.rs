//! The list of targets.

mod bodies;
mod containers;
mod evidence;
mod executables;
mod messages;
mod objects;
mod packs;
mod patterns;
mod rules;
mod views;

use std::fmt;

use unpack::formats::REGISTRY;
use unpack::identify::{FactsFn, UnpackFn};
use unpack::{ReadError, Role, Source};

use crate::memory::Allowance;

pub(crate) use messages::samples as message_samples;
pub(crate) use rules::compiled;

const MIB: usize = 1 << 20;

/// One place where hostile bytes come in.
pub struct Target {
    /// Its name: that of the format, where it is one.
    pub name: &'static str,
    pub(crate) check: fn(&Self, &[u8]),
    pub(crate) memory: Allowance,
    of_format: Option<OfFormat>,
}

#[derive(Clone, Copy)]
enum OfFormat {
    Container(UnpackFn),
    Executable(FactsFn),
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Target {
    /// Whether it is a format of `unpack`, whose seeds are in the corpus.
    #[must_use]
    pub fn is_format(&self) -> bool {
        self.of_format.is_some()
    }

    const fn new(name: &'static str, check: fn(&Self, &[u8]), memory: Allowance) -> Self {
        Self {
            name,
            check,
            memory,
            of_format: None,
        }
    }
}

/// Every target: the formats in the order of the registry, then the others.
#[must_use]
pub fn targets() -> Vec<Target> {
    let mut targets: Vec<Target> = Vec::new();
    for format in REGISTRY.iter().flat_map(|group| group.iter()) {
        let known = targets.iter().any(|known| known.name == format.name);
        if !known && let Some(target) = of_format(format.name, format.role) {
            targets.push(target);
        }
    }
    targets.extend([
        Target::new("objects", objects::check, allow(40, 16)),
        Target::new(
            "views",
            views::check,
            allow(2 * containers::MEMORY_MIB + 8, 64),
        ),
        Target::new("rules", rules::check, allow(64, 512)),
        Target::new("bodies", bodies::check, allow(64, 512)),
        Target::new("cvd", rules::check_container, allow(1, 64)),
        Target::new("packs", packs::check, allow(64, 512)),
        Target::new("patterns", patterns::check, allow(64, 4_096)),
        Target::new("evidence", evidence::check, allow(64, 512)),
        Target::new("messages", messages::check, allow(1, 512)),
    ]);
    targets
}

fn of_format(name: &'static str, role: Role) -> Option<Target> {
    let (check, memory, of_format): (fn(&Target, &[u8]), _, _) = match role {
        // Buffers that grow are counted twice while they are copied.
        Role::Container(unpack) => (
            containers::check,
            allow(2 * containers::MEMORY_MIB + 8, 16),
            OfFormat::Container(unpack),
        ),
        Role::Executable(facts) => (
            executables::check,
            allow(32, 64),
            OfFormat::Executable(facts),
        ),
        Role::Unsupported | Role::Leaf => return None,
    };
    Some(Target {
        name,
        check,
        memory,
        of_format: Some(of_format),
    })
}

const fn allow(mib: usize, per_byte: usize) -> Allowance {
    Allowance {
        fixed: mib * MIB,
        per_byte,
    }
}

/// The same bytes where they are not at hand: what is read of a file, part by part.
pub(crate) struct Unmapped<'a>(pub(crate) &'a [u8]);

impl Source for Unmapped<'_> {
    fn size_bytes(&self) -> u64 {
        self.0.size_bytes()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, ReadError> {
        self.0.read_at(offset, buffer)
    }
}

/// Whether this input is one of those, about one in eight, for which what is costly is checked too.
pub(crate) fn is_chosen(input: &[u8]) -> bool {
    let sum = input.iter().fold(input.len(), |sum, byte| {
        sum.wrapping_mul(31) ^ usize::from(*byte)
    });
    sum.is_multiple_of(8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_that_is_taken_apart_is_fuzzed() {
        let targets = targets();
        for format in REGISTRY.iter().flat_map(|group| group.iter()) {
            if matches!(format.role, Role::Container(_) | Role::Executable(_)) {
                let named = targets.iter().filter(|target| target.name == format.name);
                assert_eq!(named.count(), 1, "{}", format.name);
            }
        }
    }
}
