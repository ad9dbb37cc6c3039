//! zisofs: a file in an ISO 9660 image that the kernel shows decompressed. Blocks of zlib, holes
//! where nothing is stored. It refuses the second version, which names other compressions.

use proto::{Budget, Reason};

use crate::Source;
use crate::decode::deflate::unzlib;
use crate::fields::u32_le;
use crate::identify::{Format, Role};
use crate::input::{Input, read_part};
use crate::members::{Members, Stop, Trouble, Troubles};
use crate::output::{Output, Tally};

/// What such a file begins with.
pub(super) const MAGIC: &[u8] = b"\x37\xe4\x53\x96\xc9\xdb\xd6\x07";
const SECOND_MAGIC: &[u8] = b"\xef\x22\x55\xa1\xbc\x1b\x95\xa0";
const HEADER_BYTES: usize = 16;
const BLOCK_LOGS: std::ops::RangeInclusive<u8> = 15..=17;
const NAME: &[u8] = b"(zisofs)";
const ZEROS: [u8; 4096] = [0; 4096];
const ENDS_EARLY: &str = "compressed data ends early";

/// zisofs files.
pub(super) static FORMATS: [Format; 2] = [
    Format {
        name: "zisofs",
        detect: |probe| probe.head.starts_with(MAGIC),
        role: Role::Container(unpack),
    },
    Format {
        name: "zisofs2",
        detect: |probe| probe.head.starts_with(SECOND_MAGIC),
        role: Role::Unsupported,
    },
];

fn unpack(source: &dyn Source, budget: &mut Budget, members: &mut dyn Members) -> Vec<Trouble> {
    let mut troubles = Troubles::default();
    let mut output = Output::new(Tally::new(source.size_bytes()));
    if let Err(stop) = blocks(source, &mut output, budget) {
        troubles.note(0, stop);
    }
    output.hand_over(NAME, members, budget);
    troubles.into_vec()
}

fn blocks(source: &dyn Source, output: &mut Output, budget: &mut Budget) -> Result<(), Stop> {
    let head = read_part(source, 0, HEADER_BYTES)?;
    let early = || Stop::malformed(ENDS_EARLY);
    let size = u64::from(u32_le(&head, 8).ok_or_else(early)?);
    let header_bytes = u64::from(*head.get(12).ok_or_else(early)?).saturating_mul(4);
    let log = *head.get(13).ok_or_else(early)?;
    if !BLOCK_LOGS.contains(&log) {
        return Err(Stop::malformed("zisofs header is damaged"));
    }
    let block_bytes = 1u64.wrapping_shl(u32::from(log));
    let mut pointers = Input::new(source, header_bytes, u64::MAX);
    let mut begin = pointer(&mut pointers)?;
    let mut left = size;
    let mut damage = Ok(());
    while left > 0 {
        let end = pointer(&mut pointers)?;
        let expected = left.min(block_bytes);
        match block(source, (begin, end), expected, (&mut *output, &mut *budget)) {
            Err(stop) if stop.reason == Reason::Malformed => damage = damage.and(Err(stop)),
            decoded => decoded?,
        }
        left = left.saturating_sub(expected);
        begin = end;
    }
    damage
}

fn pointer(pointers: &mut Input<'_>) -> Result<u64, Stop> {
    let pointer = u32_le(pointers.at_least(4)?, 0).ok_or(Stop::malformed(ENDS_EARLY))?;
    pointers.consume(4);
    Ok(u64::from(pointer))
}

fn block(
    source: &dyn Source,
    (begin, end): (u64, u64),
    expected: u64,
    (output, budget): (&mut Output, &mut Budget),
) -> Result<(), Stop> {
    let bytes_in = source.size_bytes();
    if begin == end {
        return zeros(expected, bytes_in, output, budget);
    }
    let size = end
        .checked_sub(begin)
        .ok_or(Stop::malformed("zisofs blocks overlap"))?;
    let mut input = Input::new(source, begin, size);
    // A block of its own, so that its proportion is no other's.
    let mut block = Output::new(Tally::new(bytes_in));
    let decoded = unzlib(&mut input, &mut block, budget);
    let pushed = output.push(block.bytes(), budget, bytes_in);
    let is_whole = block.bytes().len() as u64 == expected;
    block.discard(budget);
    pushed?;
    decoded?;
    match is_whole {
        true => Ok(()),
        false => Err(Stop::malformed("size of a block does not match")),
    }
}

fn zeros(count: u64, bytes_in: u64, output: &mut Output, budget: &mut Budget) -> Result<(), Stop> {
    let mut left = count;
    while left > 0 {
        let now = usize::try_from(left).unwrap_or(usize::MAX).min(ZEROS.len());
        output.push(ZEROS.get(..now).unwrap_or_default(), budget, bytes_in)?;
        left = left.saturating_sub(now as u64);
    }
    Ok(())
}
