//! A file that is more than one thing: it is unpacked as each, and which parts were looked at
//! already is remembered, so that none is looked at twice.

use std::ops::Range;

use proto::{Budget, Reason};
use unpack::identify::UnpackFn;
use unpack::{
    Content, Flow, Format, Listed, Member, Members, Role, Source, identify_beside, is_zip,
    unpack_zip, zip_directories,
};

use crate::scan::FileScan;

impl FileScan<'_, '_> {
    /// Unpacks a container, and what else it is: readers of zip begin at the end, and some formats
    /// leave their first bytes to whatever reader likes them.
    pub(crate) fn container(
        &mut self,
        source: &dyn Source,
        (format, unpack): (&Format, UnpackFn),
        budget: &mut Budget,
    ) {
        let mut taken = Taken::default();
        self.unpacked(source, budget, |nested, budget| {
            unpack(source, budget, &mut taken.noting(nested))
        });
        if format.has_free_begin() {
            let also = identify_beside(source, format).unwrap_or_default();
            let is_other = |format: &&Format| !is_zip(format);
            let other = also.into_iter().find(is_other).map(|format| format.role);
            if let Some(Role::Container(unpack)) = other {
                self.also_container(source, unpack, budget);
            }
        }
        if !is_zip(format) {
            self.zip_beside(source, &taken, budget);
        }
    }

    /// Unpacks the zip archive that an object of another format also is, unless that lies in one
    /// of its members.
    fn zip_beside(&mut self, source: &dyn Source, taken: &Taken, budget: &mut Budget) {
        let directories = match zip_directories(source) {
            Ok(directories) => directories,
            Err(error) => return self.read_error(&error),
        };
        if directories.iter().all(|directory| taken.covers(directory)) {
            return;
        }
        self.unpacked(source, budget, |nested, budget| {
            let mut troubles = unpack_zip(source, budget, &mut Behind::new(nested));
            // An archive that the format keeps in pieces looks like a damaged one from here.
            troubles.retain(|trouble| trouble.reason != Reason::Malformed);
            troubles
        });
    }

    /// Unpacks a container in whose gaps other containers may stand: what else the file is counts
    /// too, and what archives lie inside it.
    pub(crate) fn container_with_gaps(
        &mut self,
        source: &dyn Source,
        (format, unpack): (&Format, UnpackFn),
        budget: &mut Budget,
    ) {
        let mut taken = Taken::default();
        self.unpacked(source, budget, |nested, budget| {
            unpack(source, budget, &mut taken.noting(nested))
        });
        let also = identify_beside(source, format).unwrap_or_default();
        let end = self.also(source, (&also, &mut taken), budget);
        self.embedded(source, (end, &taken), budget);
    }

    /// Unpacks what else an object is; gives where that begins, unless it has gaps itself. Of
    /// those without gaps the first has all that lies behind its beginning.
    pub(crate) fn also(
        &mut self,
        source: &dyn Source,
        (also, taken): (&[&'static Format], &mut Taken),
        budget: &mut Budget,
    ) -> u64 {
        let mut end = source.size_bytes();
        let gaps = also.iter().filter(|format| format.leaves_gaps());
        let whole = also.iter().find(|format| !format.leaves_gaps());
        for format in gaps.chain(whole) {
            match format.role {
                Role::Container(unpack) if format.leaves_gaps() => {
                    self.unpacked(source, budget, |nested, budget| {
                        unpack(source, budget, &mut taken.noting(nested))
                    });
                }
                Role::Container(unpack) => {
                    end = self.also_container(source, unpack, budget).min(end);
                }
                Role::Unsupported | Role::Executable(_) | Role::Leaf => {
                    let text = format!(
                        "the file is also {}, which is not unpacked yet",
                        format.name
                    );
                    self.note(Reason::Unsupported, &text);
                }
            }
        }
        end
    }

    /// Unpacks an executable as a container; gives where that begins. What lies before it was
    /// looked at as part of the whole.
    fn also_container(
        &mut self,
        source: &dyn Source,
        unpack: UnpackFn,
        budget: &mut Budget,
    ) -> u64 {
        let mut start = 0;
        self.unpacked(source, budget, |nested, budget| {
            let mut behind = Behind::new(nested);
            let troubles = unpack(source, budget, &mut behind);
            start = behind.start();
            troubles
        });
        start
    }
}

/// Takes the members of a file that is a container too, without the file itself: only what lies
/// before the first member begins at the file's first byte.
pub(crate) struct Behind<'b> {
    nested: &'b mut dyn Members,
    start: u64,
}

impl<'b> Behind<'b> {
    pub(crate) fn new(nested: &'b mut dyn Members) -> Self {
        Self { nested, start: 0 }
    }

    /// Where the container begins.
    pub(crate) fn start(&self) -> u64 {
        self.start
    }
}

impl Members for Behind<'_> {
    fn member(&mut self, member: Member<'_>, budget: &mut Budget) -> Flow {
        match member.content {
            Content::Range {
                offset: 0,
                size_bytes,
            } => {
                self.start = size_bytes;
                Flow::Continue
            }
            _ => self.nested.member(member, budget),
        }
    }

    fn listed(&mut self, listed: &Listed<'_>, budget: &mut Budget) {
        self.nested.listed(listed, budget);
    }

    fn passwords(&self) -> &[&[u8]] {
        self.nested.passwords()
    }
}

/// The parts of a file that were members as they are.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    parts: Vec<Range<u64>>,
}

impl Taken {
    /// Notes each part that becomes a member.
    pub(crate) fn noting<'t>(&'t mut self, nested: &'t mut dyn Members) -> Noting<'t> {
        Noting {
            taken: self,
            nested,
        }
    }

    /// Whether a member holds all of a part.
    pub(crate) fn covers(&self, part: &Range<u64>) -> bool {
        let holds = |one: &Range<u64>| one.start <= part.start && part.end <= one.end;
        self.parts.iter().any(holds)
    }

    /// Whether a member began or went on here.
    pub(crate) fn has(&self, offset: u64) -> bool {
        self.parts.iter().any(|part| part.contains(&offset))
    }
}

/// Passes members on, and notes where they lay.
pub(crate) struct Noting<'t> {
    taken: &'t mut Taken,
    nested: &'t mut dyn Members,
}

impl Members for Noting<'_> {
    fn member(&mut self, member: Member<'_>, budget: &mut Budget) -> Flow {
        if let Content::Range { offset, size_bytes } = member.content {
            let part = offset..offset.saturating_add(size_bytes);
            self.taken.parts.push(part);
        }
        self.nested.member(member, budget)
    }

    fn listed(&mut self, listed: &Listed<'_>, budget: &mut Budget) {
        self.nested.listed(listed, budget);
    }

    fn passwords(&self) -> &[&[u8]] {
        self.nested.passwords()
    }
}
