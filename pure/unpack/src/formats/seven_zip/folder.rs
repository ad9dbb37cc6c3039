//! Decodes a folder of a 7z archive: its coders from the packed streams to the one output. What
//! came out before damage is kept. It refuses what is encrypted and coders it does not know.

use lzma_rust2::filter::StreamFilter;
use lzma_rust2::filter::bcj2::Bcj2Reader;
use lzma_rust2::{FilterConfig, FilterType};
use proto::{Budget, Reason};

use crate::Source;
use crate::decode::lzma::{Lzma, unlzma2};
use crate::decode::ppmd::{read_all, unppmd_7z};
use crate::decode::xz::{DAMAGED, ENDS_EARLY};
use crate::decode::{bzip2::bunzip2, deflate, lz4::unlz4, zstd::unzstd};
use crate::fields::u32_le;
use crate::formats::seven_zip::START_BYTES;
use crate::formats::seven_zip::header::{AES, Coder, Folder, Streams};
use crate::formats::streams::Decode;
use crate::input::Input;
use crate::members::Stop;
use crate::output::{Output, Tally};

/// Four input buffers.
const BCJ2_STATE_BYTES: u64 = 4 * (256 << 10);
const BCJ2_INPUTS: usize = 4;

/// Decoded bytes, and why there are no more.
pub(crate) struct Stage {
    pub(crate) output: Output,
    pub(crate) ended: Result<(), Stop>,
}

/// A folder under way.
pub(crate) struct Decoding<'a> {
    pub(crate) source: &'a dyn Source,
    pub(crate) streams: &'a Streams<'a>,
    pub(crate) folder: &'a Folder<'a>,
    pub(crate) tally: Tally,
    /// Coders whose output was taken: each can be taken once.
    taken: u32,
}

/// What a coder reads.
enum Feed {
    Packed { offset: u64, size_bytes: u64 },
    Decoded(Output),
}

impl<'a> Decoding<'a> {
    pub(crate) fn new(
        source: &'a dyn Source,
        streams: &'a Streams<'a>,
        folder: &'a Folder<'a>,
        tally: Tally,
    ) -> Self {
        Self {
            source,
            streams,
            folder,
            tally,
            taken: 0,
        }
    }

    /// Where the members lie in the archive, if they are stored as they are.
    pub(crate) fn stored(&self) -> Option<(u64, u64)> {
        match self.folder.coders.as_slice() {
            [coder] if matches!(coder.method, [0] | []) => {
                let (offset, size) = self.packed(coder.first_input)?;
                Some((offset, size.min(coder.size_bytes)))
            }
            _ => None,
        }
    }

    /// Decodes the folder.
    pub(crate) fn all(&mut self, budget: &mut Budget) -> Stage {
        match self.folder.main() {
            Some((main, _)) => self.stage(main, budget),
            None => self.nothing(Stop::malformed("7z header is damaged")),
        }
    }

    /// The output of one coder.
    fn stage(&mut self, index: usize, budget: &mut Budget) -> Stage {
        let bit = u32::try_from(index)
            .ok()
            .and_then(|index| 1u32.checked_shl(index));
        let folder = self.folder;
        let (Some(bit), Some(coder)) = (bit, folder.coders.get(index)) else {
            return self.nothing(Stop::malformed("7z header is damaged"));
        };
        if self.taken & bit != 0 {
            return self.nothing(Stop::malformed("coders of a folder go in a circle"));
        }
        self.taken |= bit;
        let mut feeds = Vec::new();
        let mut fed = Ok(());
        let inputs = coder.first_input..coder.first_input.saturating_add(coder.inputs);
        for input in inputs {
            match self.feed(input, budget) {
                Ok((feed, ended)) => {
                    feeds.push(feed);
                    // What a damaged input gives is decoded as far as it goes.
                    fed = fed.and(ended);
                }
                Err(stop) => {
                    fed = fed.and(Err(stop));
                    break;
                }
            }
        }
        let mut stage = match feeds.len() == coder.inputs {
            true => self.run(coder, &mut feeds, budget),
            false => self.nothing(Stop::malformed("7z header is damaged")),
        };
        stage.ended = fed.and(stage.ended);
        for feed in feeds {
            if let Feed::Decoded(output) = feed {
                output.discard(budget);
            }
        }
        stage
    }

    fn nothing(&self, stop: Stop) -> Stage {
        Stage {
            output: Output::new(self.tally),
            ended: Err(stop),
        }
    }

    fn feed(
        &mut self,
        input: usize,
        budget: &mut Budget,
    ) -> Result<(Feed, Result<(), Stop>), Stop> {
        let bound = self.folder.bound.iter().find(|(bound, _)| *bound == input);
        if let Some((_, coder)) = bound {
            let stage = self.stage(*coder, budget);
            return Ok((Feed::Decoded(stage.output), stage.ended));
        }
        let packed = self.packed(input);
        let (offset, size_bytes) = packed.ok_or(Stop::malformed("packed stream is missing"))?;
        Ok((Feed::Packed { offset, size_bytes }, Ok(())))
    }

    /// Where the packed stream lies that an input takes.
    fn packed(&self, input: usize) -> Option<(u64, u64)> {
        let place = self.folder.packed.iter().position(|one| *one == input)?;
        let place = self.folder.first_packed.checked_add(place)?;
        let (offset, size) = self.streams.packed.get(place)?;
        Some((offset.saturating_add(START_BYTES), *size))
    }

    fn run(&self, coder: &Coder<'_>, feeds: &mut [Feed], budget: &mut Budget) -> Stage {
        if let (Some(filter), [feed]) = (filter(coder), &mut *feeds) {
            return self.filtered(filter, coder.size_bytes, feed, budget);
        }
        let sources: Vec<_> = feeds
            .iter()
            .map(|feed| match feed {
                Feed::Packed { .. } => None,
                Feed::Decoded(output) => Some(output.bytes()),
            })
            .collect();
        let mut inputs: Vec<Input<'_>> = feeds
            .iter()
            .zip(&sources)
            .map(|(feed, decoded)| match (feed, decoded) {
                (Feed::Packed { offset, size_bytes }, _) => {
                    Input::new(self.source, *offset, *size_bytes)
                }
                (Feed::Decoded(_), Some(bytes)) => Input::whole(bytes),
                (Feed::Decoded(_), None) => Input::new(self.source, 0, 0),
            })
            .collect();
        let mut output = Output::new(self.tally);
        let ended = if coder.method == BCJ2 && inputs.len() == BCJ2_INPUTS {
            bcj2(inputs, coder.size_bytes, (&mut output, &mut *budget))
        } else if let [input] = inputs.as_mut_slice() {
            decode(coder, input, (&mut output, &mut *budget))
        } else {
            Err(unknown(coder.method))
        };
        let is_short = (output.bytes().len() as u64) < coder.size_bytes;
        let ended = match ended {
            Ok(()) if is_short => Err(Stop::malformed(ENDS_EARLY)),
            ended => ended,
        };
        Stage { output, ended }
    }

    /// Filters work in place.
    fn filtered(
        &self,
        filter: Result<FilterConfig, Stop>,
        size_bytes: u64,
        feed: &mut Feed,
        budget: &mut Budget,
    ) -> Stage {
        let filter = filter.and_then(|filter| {
            StreamFilter::new(&filter).map_err(|_| Stop::unsupported("7z filter is unknown"))
        });
        let mut filter = match filter {
            Ok(filter) => filter,
            Err(stop) => return self.nothing(stop),
        };
        let (mut output, copied) = match feed {
            Feed::Decoded(output) => (std::mem::replace(output, Output::new(self.tally)), Ok(())),
            Feed::Packed {
                offset,
                size_bytes: packed,
            } => {
                let mut input = Input::new(self.source, *offset, *packed);
                let mut output = Output::new(self.tally);
                let copied = copy(&mut input, size_bytes, (&mut output, budget));
                (output, copied)
            }
        };
        filter.decode(output.bytes_mut());
        Stage {
            output,
            ended: copied,
        }
    }
}

const BCJ2: &[u8] = b"\x03\x03\x01\x1b";

fn decode(
    coder: &Coder<'_>,
    input: &mut Input<'_>,
    (output, budget): (&mut Output, &mut Budget),
) -> Result<(), Stop> {
    let size = coder.size_bytes;
    let stream: Decode = match coder.method {
        b"" | b"\0" => return copy(input, size, (output, budget)),
        b"\x03\x01\x01" => {
            let lzma = Lzma::from_properties(coder.properties, Some(size));
            let lzma = lzma.ok_or(Stop::malformed(DAMAGED))?;
            return lzma.decode(input, output, budget);
        }
        b"\x21" => {
            let dictionary_bytes = lzma2_dictionary_bytes(coder.properties)?;
            return unlzma2(dictionary_bytes, size, input, (output, budget));
        }
        b"\x03\x04\x01" => return unppmd_7z(coder.properties, size, input, (output, budget)),
        b"\x04\x01\x08" => deflate::inflate,
        b"\x04\x01\x09" => deflate::inflate64,
        b"\x04\x02\x02" => bunzip2,
        b"\x04\xf7\x11\x01" => unzstd,
        b"\x04\xf7\x11\x04" => unlz4,
        AES => {
            return Err(Stop {
                reason: Reason::Encrypted,
                text: "members are encrypted".into(),
            });
        }
        method => return Err(unknown(method)),
    };
    // Some writers pack in several streams, one after the other.
    loop {
        let before = input.left();
        stream(input, output, budget)?;
        let is_full = output.bytes().len() as u64 >= size;
        if is_full || input.left() == 0 || input.left() == before {
            return Ok(());
        }
    }
}

fn unknown(method: &[u8]) -> Stop {
    let digits: String = method.iter().map(|byte| format!("{byte:02x}")).collect();
    Stop::unsupported(format!("7z method {digits} is not supported"))
}

fn copy(
    input: &mut Input<'_>,
    size_bytes: u64,
    (output, budget): (&mut Output, &mut Budget),
) -> Result<(), Stop> {
    let mut left = size_bytes;
    while left > 0 {
        let consumed = input.consumed();
        let chunk = input.peek()?;
        let count = chunk.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        if count == 0 {
            return Err(Stop::malformed(ENDS_EARLY));
        }
        output.push(chunk.get(..count).unwrap_or_default(), budget, consumed)?;
        input.consume(count);
        left = left.saturating_sub(count as u64);
    }
    Ok(())
}

/// The filter that a coder is, if it is one.
fn filter(coder: &Coder<'_>) -> Option<Result<FilterConfig, Stop>> {
    let filter_type = match coder.method {
        b"\x03" => FilterType::Delta,
        b"\x04" | b"\x03\x03\x01\x03" => FilterType::BcjX86,
        b"\x05" | b"\x03\x03\x02\x05" => FilterType::BcjPpc,
        b"\x06" | b"\x03\x03\x04\x01" => FilterType::BcjIa64,
        b"\x07" | b"\x03\x03\x05\x01" => FilterType::BcjArm,
        b"\x08" | b"\x03\x03\x07\x01" => FilterType::BcjArmThumb,
        b"\x09" | b"\x03\x03\x08\x05" => FilterType::BcjSparc,
        b"\x0a" => FilterType::BcjArm64,
        b"\x0b" => FilterType::BcjRiscv,
        _ => return None,
    };
    let property = match (filter_type, coder.properties) {
        (FilterType::Delta, [distance, ..]) => Some(u32::from(*distance).saturating_add(1)),
        (FilterType::Delta, []) => Some(1),
        (_, []) => Some(0),
        (_, properties) => u32_le(properties, 0),
    };
    let config = property.map(|property| FilterConfig {
        filter_type,
        property,
    });
    Some(config.ok_or(Stop::malformed(DAMAGED)))
}

fn lzma2_dictionary_bytes(properties: &[u8]) -> Result<u32, Stop> {
    match properties {
        [40] => Ok(u32::MAX),
        [code @ 0..=39] => {
            let mantissa = 2u32 | u32::from(code & 1);
            let exponent = u32::from(code.wrapping_shr(1)).saturating_add(11);
            Ok(mantissa.wrapping_shl(exponent))
        }
        _ => Err(Stop::malformed(DAMAGED)),
    }
}

fn bcj2(
    inputs: Vec<Input<'_>>,
    size_bytes: u64,
    (output, budget): (&mut Output, &mut Budget),
) -> Result<(), Stop> {
    budget.hold_memory(BCJ2_STATE_BYTES)?;
    let decoded = read_all(
        Bcj2Reader::new(inputs, size_bytes),
        Some(size_bytes),
        (output, budget),
    );
    budget.release_memory(BCJ2_STATE_BYTES);
    decoded
}
