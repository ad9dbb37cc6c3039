//! The sectors of a compound file: its header, its allocation tables, and the chains in them
//! (MS-CFB 2.2 to 2.4). What the header counts is not believed: chains are followed to their end,
//! and none has more links than the file has sectors.

use proto::Budget;

use crate::Source;
use crate::fields::{u16_le, u32_le};
use crate::formats::ole2::extents::{Extents, Stream};
use crate::input::{Input, read_part};
use crate::members::{Stop, Troubles};

pub(crate) const HEADER_BYTES: usize = 512;
/// Streams shorter than this are in the mini stream, whatever the header says.
pub(crate) const MINI_CUTOFF_BYTES: u64 = 4096;
const DIFAT_IN_HEADER: usize = 109;
const DIFAT_AT: usize = 76;
const SECTOR_SHIFT: u16 = 9;
const SECTOR_SHIFT_V4: u16 = 12;
const MINI_SHIFT: u16 = 6;
/// Sector numbers from here on are marks: the end of a chain, a free sector.
const MARKS: u32 = 0xffff_fffa;
const END: u32 = 0xffff_fffe;
const FREE: u32 = 0xffff_ffff;
const LINK_BYTES: u64 = 4;

/// What the header says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) sector_bytes: u64,
    mini_sector_bytes: u64,
    pub(crate) directory: u32,
    pub(crate) mini_cutoff_bytes: u64,
    mini_fat: u32,
    difat: u32,
}

impl Header {
    /// Parses the header; odd sizes are noted, and the usual ones taken in their place.
    pub(crate) fn parse(bytes: &[u8], troubles: &mut Troubles) -> Option<Self> {
        let shift = match u16_le(bytes, 30)? {
            shift @ (SECTOR_SHIFT | SECTOR_SHIFT_V4) => shift,
            shift => {
                troubles.note(30, Stop::malformed("sector size is out of range"));
                match shift {
                    7..=16 => shift,
                    _ => SECTOR_SHIFT,
                }
            }
        };
        let mini_shift = match u16_le(bytes, 32)? {
            mini_shift @ MINI_SHIFT => mini_shift,
            mini_shift => {
                troubles.note(32, Stop::malformed("mini sector size is out of range"));
                match mini_shift {
                    4.. if mini_shift < shift => mini_shift,
                    _ => MINI_SHIFT,
                }
            }
        };
        Some(Self {
            sector_bytes: 1u64.wrapping_shl(u32::from(shift)),
            mini_sector_bytes: 1u64.wrapping_shl(u32::from(mini_shift)),
            directory: u32_le(bytes, 48)?,
            mini_cutoff_bytes: u64::from(u32_le(bytes, 56)?),
            mini_fat: u32_le(bytes, 60)?,
            difat: u32_le(bytes, 68)?,
        })
    }
}

/// Which table holds a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Sectors of the file.
    Sectors,
    /// Mini sectors of the mini stream.
    Mini,
}

/// A chain that was followed.
pub(crate) struct Chain {
    pub(crate) extents: Extents,
    /// Why it has fewer bytes than it should.
    pub(crate) stop: Option<Stop>,
}

/// The allocation tables.
pub(crate) struct Sectors<'a> {
    source: &'a dyn Source,
    header: Header,
    fat: Vec<u32>,
    mini_fat: Vec<u32>,
    mini_stream: Extents,
    held: u64,
}

impl<'a> Sectors<'a> {
    /// Without tables yet.
    pub(crate) fn new(source: &'a dyn Source, header: Header) -> Self {
        Self {
            source,
            header,
            fat: Vec::new(),
            mini_fat: Vec::new(),
            mini_stream: Extents::default(),
            held: 0,
        }
    }

    /// The file.
    pub(crate) fn source(&self) -> &'a dyn Source {
        self.source
    }

    /// Reads the table of sectors.
    pub(crate) fn read_fat(
        &mut self,
        head: &[u8],
        troubles: &mut Troubles,
        budget: &mut Budget,
    ) -> Result<(), Stop> {
        let sectors = self.sectors();
        self.hold(sectors.saturating_mul(LINK_BYTES), budget)?;
        let per_sector = self.header.sector_bytes / LINK_BYTES;
        let wanted = sectors.div_ceil(per_sector);
        let mut places = Vec::new();
        for at in 0..DIFAT_IN_HEADER {
            places.extend(u32_le(head, at.saturating_mul(4).saturating_add(DIFAT_AT)));
        }
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
        if wanted > places.len() {
            self.hold((wanted as u64).saturating_mul(LINK_BYTES), budget)?;
            if let Err(stop) = self.read_difat(&mut places, wanted, budget) {
                troubles.note(68, stop);
            }
        }
        places.truncate(wanted);
        while places.last() == Some(&FREE) {
            places.pop();
        }
        let sectors = usize::try_from(sectors).unwrap_or(usize::MAX);
        for place in places {
            budget.check_time()?;
            let bytes = match place {
                MARKS.. => Vec::new(),
                place => self.sector(place)?,
            };
            if (bytes.len() as u64) < self.header.sector_bytes {
                troubles.note(
                    0,
                    Stop::malformed("a part of the allocation table is missing"),
                );
            }
            for at in 0..usize::try_from(per_sector).unwrap_or(0) {
                let link = u32_le(&bytes, at.saturating_mul(4)).unwrap_or(END);
                if self.fat.len() < sectors {
                    self.fat.push(link);
                }
            }
        }
        Ok(())
    }

    /// Reads the table of mini sectors, and where they are.
    pub(crate) fn read_mini(
        &mut self,
        root: u32,
        troubles: &mut Troubles,
        budget: &mut Budget,
    ) -> Result<(), Stop> {
        if self.header.mini_fat < MARKS {
            let table = self.whole_chain(self.header.mini_fat, budget)?;
            if let Some(stop) = table.stop {
                troubles.note(60, stop);
            }
            let held = self.hold(table.extents.size_bytes(), budget);
            let read = held.and_then(|()| self.read_links(&table.extents, budget));
            table.extents.release(budget);
            self.mini_fat = read?;
        }
        if root < MARKS {
            let chain = self.whole_chain(root, budget)?;
            if let Some(stop) = chain.stop {
                troubles.note(0, stop);
            }
            self.mini_stream = chain.extents;
        }
        Ok(())
    }

    /// Follows a chain to its end, however long it should be.
    pub(crate) fn whole_chain(&self, start: u32, budget: &mut Budget) -> Result<Chain, Stop> {
        let mut chain = self.chain(start, u64::MAX, Place::Sectors, budget)?;
        // An end is what was looked for.
        chain.stop = chain.stop.filter(|stop| stop.text != ENDS_EARLY);
        Ok(chain)
    }

    /// Follows a chain for as many bytes as it should have.
    pub(crate) fn chain(
        &self,
        start: u32,
        size_bytes: u64,
        place: Place,
        budget: &mut Budget,
    ) -> Result<Chain, Stop> {
        let mut extents = Extents::default();
        let stop = match self.follow(start, size_bytes, place, (&mut extents, &mut *budget)) {
            Ok(stop) => stop,
            Err(stop) => {
                extents.release(budget);
                return Err(stop);
            }
        };
        Ok(Chain { extents, stop })
    }

    /// Where the last sector ends that is in use.
    pub(crate) fn end(&self) -> u64 {
        let used = self.fat.iter().rposition(|link| *link != FREE);
        let after = used.map_or(0, |last| (last as u64).saturating_add(1));
        after
            .saturating_add(1)
            .saturating_mul(self.header.sector_bytes)
    }

    /// Gives the memory back.
    pub(crate) fn release(self, budget: &mut Budget) {
        self.mini_stream.release(budget);
        budget.release_memory(self.held);
    }

    fn follow(
        &self,
        start: u32,
        size_bytes: u64,
        place: Place,
        (extents, budget): (&mut Extents, &mut Budget),
    ) -> Result<Option<Stop>, Stop> {
        let (table, links) = match place {
            Place::Sectors => (&self.fat, self.sectors()),
            Place::Mini => {
                let bytes = self.mini_stream.size_bytes();
                let minis = bytes
                    .checked_div(self.header.mini_sector_bytes)
                    .unwrap_or(0);
                (&self.mini_fat, minis.saturating_add(1))
            }
        };
        let mut next = start;
        for count in 0..=links {
            if count & 0xff == 0 {
                budget.check_time()?;
            }
            let left = size_bytes.saturating_sub(extents.size_bytes());
            if left == 0 {
                return Ok(None);
            }
            let Some((offset, bytes)) = self.sector_place(next, place) else {
                let known = next >= MARKS;
                let text = if known { ENDS_EARLY } else { LEADS_OUT };
                return Ok(Some(Stop::malformed(text)));
            };
            if count == links {
                break;
            }
            extents.push(offset, bytes.min(left), budget)?;
            let at = usize::try_from(next).unwrap_or(usize::MAX);
            next = table.get(at).copied().unwrap_or(END);
        }
        Ok(Some(Stop::malformed("chain of sectors has no end")))
    }

    /// Where a sector is in the file, and how much of it there is.
    fn sector_place(&self, sector: u32, place: Place) -> Option<(u64, u64)> {
        if sector >= MARKS {
            return None;
        }
        let sector = u64::from(sector);
        let (offset, left, most) = match place {
            Place::Sectors => {
                let most = self.header.sector_bytes;
                let offset = sector.saturating_add(1).saturating_mul(most);
                let left = self.source.size_bytes().saturating_sub(offset);
                (offset, left, most)
            }
            Place::Mini => {
                let most = self.header.mini_sector_bytes;
                let at = sector.saturating_mul(most);
                let (offset, left) = self.mini_stream.place(at)?;
                (offset, left, most)
            }
        };
        (left > 0).then_some((offset, left.min(most)))
    }

    /// Sectors that the file has.
    fn sectors(&self) -> u64 {
        let behind = self
            .source
            .size_bytes()
            .saturating_sub(self.header.sector_bytes);
        behind
            .div_ceil(self.header.sector_bytes)
            .min(u64::from(MARKS))
    }

    fn sector(&self, sector: u32) -> Result<Vec<u8>, Stop> {
        let offset = u64::from(sector).saturating_add(1);
        let offset = offset.saturating_mul(self.header.sector_bytes);
        let count = usize::try_from(self.header.sector_bytes).unwrap_or(0);
        Ok(read_part(self.source, offset, count)?)
    }

    /// The places of the table's sectors that the header has no room for.
    fn read_difat(
        &self,
        places: &mut Vec<u32>,
        wanted: usize,
        budget: &Budget,
    ) -> Result<(), Stop> {
        let mut next = self.header.difat;
        while places.len() < wanted && next < MARKS {
            budget.check_time()?;
            let bytes = self.sector(next)?;
            let links = bytes.len() / 4;
            let Some(last) = links.checked_sub(1).filter(|last| *last > 0) else {
                return Err(Stop::malformed("a part of the allocation table is missing"));
            };
            let link = |at: usize| u32_le(&bytes, at.saturating_mul(4));
            places.extend((0..last).filter_map(link));
            next = link(last).unwrap_or(END);
        }
        Ok(())
    }

    fn read_links(&self, table: &Extents, budget: &Budget) -> Result<Vec<u32>, Stop> {
        let stream = Stream {
            source: self.source,
            extents: table,
        };
        let mut input = Input::whole(&stream);
        let mut links = Vec::new();
        loop {
            budget.check_time()?;
            let bytes = input.at_least(4)?;
            let (whole, _) = bytes.as_chunks::<4>();
            if whole.is_empty() {
                return Ok(links);
            }
            links.extend(whole.iter().map(|link| u32::from_le_bytes(*link)));
            let taken = whole.len().saturating_mul(4);
            input.consume(taken);
        }
    }

    fn hold(&mut self, bytes: u64, budget: &mut Budget) -> Result<(), Stop> {
        // A list that grows may take twice what is in it.
        let bytes = bytes.saturating_mul(2);
        budget.hold_memory(bytes)?;
        self.held = self.held.saturating_add(bytes);
        Ok(())
    }
}

const ENDS_EARLY: &str = "chain of sectors ends early";
const LEADS_OUT: &str = "chain of sectors leads out of the file";
