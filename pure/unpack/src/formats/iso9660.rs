//! ISO 9660: every volume's tree of directories, with the names of Rock Ridge and of Joliet, and
//! what a machine boots from. Files are parts of the image where they lie, each once however many
//! names it has; where a field states two things in its two byte orders, both are looked at. The
//! area before the descriptors, in which any other format fits, is a member too. UDF, which may be
//! beside it or alone, is in [`udf`].

mod boot;
mod record;
mod udf;
mod walk;

use std::collections::BTreeSet;

use proto::Budget;

use crate::Source;
use crate::fields::{u16_le, u32_le};
use crate::formats::damaged::hand_over_part;
use crate::formats::iso9660::record::{RECORD_BYTES, Record};
use crate::formats::streams::{AFTER_END, skip_zeros};
use crate::identify::{Format, Probe, Role};
use crate::input::{Input, read_part};
use crate::members::{Flow, Members, Stop, Trouble, Troubles};
use crate::output::Tally;

pub(super) const SECTOR: u64 = 2048;
const SECTOR_BYTES: usize = 2048;
const FIRST_DESCRIPTOR: u64 = 16;
/// Images have a handful.
const DESCRIPTORS_MAX: u64 = 64;
const MAGIC: &[u8] = b"CD001";
const UDF_MAGIC: &[u8] = b"BEA01";
const SYSTEM_AREA: &[u8] = b"(system area)";
const DONE_BYTES: u64 = 64;
const ENDS_EARLY: &str = "image ends early";

/// ISO 9660 and UDF images.
pub(super) static FORMATS: [Format; 2] = [
    Format {
        name: "iso9660",
        detect: |probe| begins_with(probe, MAGIC),
        role: Role::Container(unpack),
    },
    Format {
        name: "udf",
        detect: |probe| begins_with(probe, UDF_MAGIC),
        role: Role::Container(unpack),
    },
];

fn begins_with(probe: &Probe<'_>, magic: &[u8]) -> bool {
    probe.head.get(32_769..32_774) == Some(magic)
}

fn unpack(source: &dyn Source, budget: &mut Budget, members: &mut dyn Members) -> Vec<Trouble> {
    let mut image = Image {
        source,
        tally: Tally::new(source.size_bytes()),
        done: BTreeSet::new(),
        held: 0,
        troubles: Troubles::default(),
    };
    if let Err(stop) = image.all(budget, members) {
        image.troubles.note(0, stop);
    }
    budget.release_memory(image.held);
    image.troubles.into_vec()
}

struct Image<'a> {
    source: &'a dyn Source,
    tally: Tally,
    /// Begin and size of every part that was handed over.
    done: BTreeSet<(u64, u64)>,
    held: u64,
    troubles: Troubles,
}

/// A tree of directories.
struct Volume {
    root: Record,
    block_bytes: u64,
    /// Whether names are in UTF-16.
    is_joliet: bool,
}

/// What the descriptors say.
#[derive(Default)]
struct Descriptors {
    volumes: Vec<Volume>,
    /// Sectors of the catalogs of what a machine boots from.
    catalogs: Vec<u64>,
    size_bytes: u64,
    has_udf: bool,
}

impl Image<'_> {
    fn all(&mut self, budget: &mut Budget, members: &mut dyn Members) -> Result<(), Stop> {
        if self.system_area(budget, members)? == Flow::Stop {
            return Ok(());
        }
        let descriptors = self.descriptors(budget)?;
        if descriptors.volumes.is_empty() && !descriptors.has_udf {
            self.troubles
                .note(0, Stop::malformed("no volume is described"));
        }
        if descriptors.size_bytes > self.source.size_bytes() {
            self.troubles.note(0, Stop::malformed(ENDS_EARLY));
        }
        for volume in descriptors.volumes {
            if self.tree(&volume, budget, members)? == Flow::Stop {
                return Ok(());
            }
        }
        if descriptors.has_udf && self.udf(budget, members)? == Flow::Stop {
            return Ok(());
        }
        for catalog in descriptors.catalogs {
            if self.boot_images(catalog, budget, members)? == Flow::Stop {
                return Ok(());
            }
        }
        let mut rest = Input::new(self.source, descriptors.size_bytes, u64::MAX);
        if descriptors.size_bytes > 0 && rest.left() > 0 && skip_zeros(&mut rest, budget)? {
            let part = (rest.offset(), self.source.size_bytes());
            hand_over_part(AFTER_END, part, members, budget);
        }
        Ok(())
    }

    fn system_area(
        &mut self,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        let end = FIRST_DESCRIPTOR.saturating_mul(SECTOR);
        let end = end.min(self.source.size_bytes());
        let mut area = Input::new(self.source, 0, end);
        match skip_zeros(&mut area, budget)? {
            true => Ok(hand_over_part(SYSTEM_AREA, (0, end), members, budget)),
            false => Ok(Flow::Continue),
        }
    }

    fn descriptors(&self, budget: &Budget) -> Result<Descriptors, Stop> {
        let mut found = Descriptors::default();
        for place in 0..DESCRIPTORS_MAX {
            budget.check_time()?;
            let sector = FIRST_DESCRIPTOR.saturating_add(place);
            let offset = sector.saturating_mul(SECTOR);
            let bytes = read_part(self.source, offset, SECTOR_BYTES)?;
            match bytes.get(1..6) {
                Some(magic) if magic == MAGIC => found.add(&bytes),
                // UDF begins where the descriptors of this format end.
                Some(b"BEA01" | b"NSR02" | b"NSR03") => found.has_udf = true,
                Some(b"TEA01" | b"BOOT2") => {}
                _ => break,
            }
        }
        Ok(found)
    }

    /// Whether a part is to be looked at: it was not yet.
    fn is_new(&mut self, (begin, size): (u64, u64), budget: &mut Budget) -> Result<bool, Stop> {
        let is_new = self.done.insert((begin, size));
        if is_new {
            budget.hold_memory(DONE_BYTES)?;
            self.held = self.held.saturating_add(DONE_BYTES);
        }
        Ok(is_new)
    }
}

impl Descriptors {
    fn add(&mut self, bytes: &[u8]) {
        match bytes.first() {
            Some(0) if bytes.get(7..30) == Some(b"EL TORITO SPECIFICATION") => {
                let catalog = u32_le(bytes, 71).map(u64::from);
                self.catalogs.extend(catalog);
            }
            Some(1 | 2) => {
                if let Some((volume, size_bytes)) = volume(bytes) {
                    self.volumes.push(volume);
                    self.size_bytes = self.size_bytes.max(size_bytes);
                }
            }
            _ => {}
        }
    }
}

fn volume(bytes: &[u8]) -> Option<(Volume, u64)> {
    let block_bytes = match u16_le(bytes, 128)? {
        size @ (512 | 1024) => u64::from(size),
        _ => SECTOR,
    };
    let escapes = bytes.get(88..91)?;
    let is_supplementary = bytes.first() == Some(&2);
    let is_joliet = is_supplementary && matches!(escapes, b"%/@" | b"%/C" | b"%/E");
    let (root, _) = Record::parse(bytes.get(156..)?.get(..RECORD_BYTES)?)?;
    let size_bytes = u64::from(u32_le(bytes, 80)?).saturating_mul(block_bytes);
    let volume = Volume {
        root,
        block_bytes,
        is_joliet,
    };
    Some((volume, size_bytes))
}
