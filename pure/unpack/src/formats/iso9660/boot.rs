//! El Torito: what a machine boots from. Such an image is often a file too, and sometimes none.

use proto::Budget;

use crate::fields::u32_le;
use crate::formats::damaged::hand_over_part;
use crate::formats::iso9660::record::word;
use crate::formats::iso9660::{Image, SECTOR};
use crate::input::read_part;
use crate::members::{Flow, Members, Stop};

const ENTRY_BYTES: usize = 32;
/// A sector has 64 entries; firmware reads no more.
const CATALOG_BYTES: usize = 2048;
const FLOPPIES: [u64; 3] = [1_228_800, 1_474_560, 2_949_120];
const VIRTUAL_SECTOR: u64 = 512;

impl Image<'_> {
    /// Hands over the images of a catalog that no file was.
    pub(super) fn boot_images(
        &mut self,
        catalog: u64,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        let offset = catalog.saturating_mul(SECTOR);
        let catalog = read_part(self.source, offset, CATALOG_BYTES)?;
        if catalog.first() != Some(&1) {
            let stop = Stop::malformed("boot catalog is damaged");
            self.troubles.note(offset, stop);
            return Ok(Flow::Continue);
        }
        // The first entry validates the catalog.
        for (number, entry) in catalog.chunks_exact(ENTRY_BYTES).enumerate().skip(1) {
            let Some((begin, size)) = self.place(entry) else {
                continue;
            };
            let covered = self.done.range((begin, size)..=(begin, u64::MAX)).next();
            if covered.is_some() || !self.is_new((begin, size), budget)? {
                continue;
            }
            let name = format!("(boot image {number})");
            let part = (begin, begin.saturating_add(size));
            if hand_over_part(name.as_bytes(), part, members, budget) == Flow::Stop {
                return Ok(Flow::Stop);
            }
        }
        Ok(Flow::Continue)
    }

    /// Where an entry's image is. Entries that are not marked as bootable are taken too.
    fn place(&self, entry: &[u8]) -> Option<(u64, u64)> {
        let (indicator, medium) = (*entry.first()?, *entry.get(1)?);
        let begin = u64::from(u32_le(entry, 8)?).saturating_mul(SECTOR);
        if !matches!(indicator, 0 | 0x88) || begin == 0 {
            return None;
        }
        let left = self.source.size_bytes().checked_sub(begin)?;
        let sectors = word(entry, 6);
        let size = match medium & 15 {
            kind @ 1..=3 => {
                let kind = usize::from(kind).saturating_sub(1);
                FLOPPIES.get(kind).copied().unwrap_or(left)
            }
            // UEFI takes all that follows where the count says nothing; so does a hard disk.
            0 if sectors > 1 => sectors.saturating_mul(VIRTUAL_SECTOR),
            _ => left,
        };
        Some((begin, size.min(left))).filter(|(_, size)| *size > 0)
    }
}
