//! gzip, bzip2 and zstd inside scripts, as self-extracting installers have them. Their magics are
//! too short to look for everywhere, and what proves them is that they decode.

use proto::{Budget, Reason};

use crate::Source;
use crate::formats::streams::Streams;
use crate::formats::{bzip2, gzip, zstd};
use crate::input::Input;
use crate::members::Stop;
use crate::output::{Output, Tally};

/// As much comes out of no other bytes by chance.
const PROOF_BYTES: usize = 256;

/// What a byte that was read on trial costs, in steps of work: trials that begin at every place of
/// a file and go on to its end must end as a limit.
const TRIAL_WORK: u64 = 4;

/// The magics, as far as they are the same for all.
pub(crate) const MAGICS: [&[u8]; 3] = [b"\x1f\x8b\x08", b"BZh", b"\x28\xb5\x2f\xfd"];

/// `None` where no stream begins; else where the last of those ends that follow each other, if
/// they are whole.
#[expect(
    clippy::option_option,
    reason = "whether it is one, and whether it says where it ends, are two questions"
)]
pub(crate) fn end(
    source: &dyn Source,
    offset: u64,
    budget: &mut Budget,
) -> Result<Option<Option<u64>>, Stop> {
    let mut input = Input::new(source, offset, u64::MAX);
    let head = input.at_least(8)?;
    let formats = [&gzip::STREAMS, &bzip2::STREAMS, &zstd::STREAMS];
    let Some(streams) = formats.into_iter().find(|streams| (streams.begins)(head)) else {
        return Ok(None);
    };
    let mut output = Output::new(Tally::new(source.size_bytes()));
    let ended = decode_all(streams, &mut input, (&mut output, &mut *budget));
    let out = output.bytes().len();
    output.discard(budget);
    budget.spend_work(input.consumed().saturating_mul(TRIAL_WORK))?;
    Ok(match ended {
        Ok(()) => Some(Some(input.offset())),
        // Whoever unpacks it says what is wrong, or which limit it is.
        Err(_) if out >= PROOF_BYTES => Some(None),
        Err(stop) if matches!(stop.reason, Reason::Malformed | Reason::Unsupported) => None,
        Err(_) => Some(None),
    })
}

fn decode_all(
    streams: &Streams<'_>,
    input: &mut Input<'_>,
    (output, budget): (&mut Output, &mut Budget),
) -> Result<(), Stop> {
    loop {
        (streams.decode)(input, output, budget)?;
        if !(streams.begins)(input.at_least(8)?) {
            return Ok(());
        }
    }
}
