//! A stream's bytes: where they lie, decrypted and through their filters. Where the length and
//! the word `endstream` disagree, the longer of the two is taken: it has the shorter in it.

use proto::{Budget, Reason};

use crate::formats::pdf::Document;
use crate::formats::pdf::crypt::{Cipher, Method};
use crate::formats::pdf::filters::{Filter, Stage};
use crate::formats::pdf::lex::is_space;
use crate::formats::pdf::plan::Plan;
use crate::formats::pdf::survey::Found;
use crate::input::{Input, read_part};
use crate::members::Stop;
use crate::output::Output;

/// How much white space may stand before the word that ends a stream.
const SPACE_BYTES_MAX: usize = 16;
/// How far behind the word `stream` its line may end.
const LINE_BYTES_MAX: usize = 128;

/// Where a stream's bytes may begin, and where they end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) starts: Vec<u64>,
    pub(super) end: u64,
    /// Whether something says where they end.
    pub(super) is_ended: bool,
}

/// One way to see a stream.
#[derive(Debug)]
pub(super) enum View {
    /// As it is stored.
    Stored,
    Decoded(Output),
}

/// How a stream is encrypted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Locked {
    pub(super) method: Method,
    pub(super) number: u32,
    pub(super) generation: u16,
}

impl Document<'_> {
    /// Where the bytes of the stream lie whose word `stream` ends at `data`.
    pub(super) fn place(&self, data: u64, lengths: &[u64]) -> Result<Place, Stop> {
        let head = read_part(self.source, data, LINE_BYTES_MAX)?;
        let starts = starts(&head);
        let starts: Vec<u64> = starts
            .iter()
            .map(|skipped| data.saturating_add(*skipped as u64))
            .collect();
        let start = starts.first().copied().unwrap_or(data);
        let size = self.source.size_bytes();
        let ends: Vec<u64> = lengths
            .iter()
            .map(|length| start.saturating_add(*length))
            .filter(|end| *end <= size)
            .collect();
        let mut sound = None;
        for end in &ends {
            if self.is_end(*end)? {
                sound = sound.max(Some(*end));
            }
        }
        if let Some(end) = sound {
            return Ok(Place {
                starts,
                end,
                is_ended: true,
            });
        }
        let marks = self.survey.stream_ends.list();
        let next = marks.partition_point(|mark| *mark < start);
        let marked = match marks.get(next) {
            Some(mark) => Some(self.before_line_end(start, *mark)?),
            None => None,
        };
        let longest = ends.iter().copied().max().max(marked);
        Ok(Place {
            starts,
            end: longest.unwrap_or(size),
            is_ended: longest.is_some(),
        })
    }

    /// Decodes a stream; what came out comes with what was wrong, if all else failed too.
    pub(super) fn decoded(
        &mut self,
        place: &Place,
        chain: &[Stage],
        locked: Option<Locked>,
        budget: &mut Budget,
    ) -> Result<(View, Option<Stop>), Stop> {
        let mut best: Option<(Output, Stop)> = None;
        for start in &place.starts {
            let range = (*start, place.end.saturating_sub(*start));
            for locked in [locked, None]
                .into_iter()
                .skip(usize::from(locked.is_none()))
            {
                let cipher = locked.and_then(|locked| self.cipher(locked));
                if cipher.is_none() && chain.first().is_none_or(ends_chain) {
                    return Ok((
                        View::Stored,
                        best.map(|(output, stop)| {
                            output.discard(budget);
                            stop
                        }),
                    ));
                }
                if let Err(stop) = self.stored.spend_bytes(range.1) {
                    best.into_iter().for_each(|(output, _)| {
                        output.discard(budget);
                    });
                    return Err(stop);
                }
                let (output, stop) = self.run(range, chain, cipher, budget);
                let Some(stop) = stop else {
                    best.into_iter().for_each(|(output, _)| {
                        output.discard(budget);
                    });
                    return Ok((View::Decoded(output), None));
                };
                let is_over = stop.is_limit() || stop.reason != Reason::Malformed;
                let is_better = best
                    .as_ref()
                    .is_none_or(|(known, _)| output.bytes().len() > known.bytes().len());
                let other = match is_better || is_over {
                    true => best.replace((output, stop)).map(|(output, _)| output),
                    false => Some(output),
                };
                if let Some(output) = other {
                    // A try costs, whatever becomes of it.
                    budget.spend_bytes(output.bytes().len() as u64).ok();
                    output.discard(budget);
                }
                if is_over {
                    return Ok(split(best));
                }
            }
        }
        Ok(match split(best) {
            // Without the key, what comes out is nothing.
            (View::Decoded(output), stop) if output.bytes().is_empty() || self.is_locked => {
                output.discard(budget);
                (View::Stored, stop)
            }
            view => view,
        })
    }

    /// One try: whatever comes out, and what was wrong first.
    fn run(
        &mut self,
        (start, size_bytes): (u64, u64),
        chain: &[Stage],
        cipher: Option<Cipher>,
        budget: &mut Budget,
    ) -> (Output, Option<Stop>) {
        let source = self.source;
        let tally = &mut self.tally;
        let mut wrong: Option<Stop> = None;
        let mut current: Option<Output> = None;
        let mut step =
            |current: &mut Option<Output>, budget: &mut Budget, decode: &mut Decode<'_>| {
                let mut output = Output::new(*tally);
                let decoded = match current.take() {
                    None => {
                        let mut input = Input::new(source, start, size_bytes);
                        decode(&mut input, &mut output, budget)
                    }
                    Some(before) => {
                        let bytes = before.bytes();
                        let decoded = decode(&mut Input::whole(&bytes), &mut output, budget);
                        let count = bytes.len() as u64;
                        before.discard(budget);
                        // What came out half way counts, or filters behind it could hide a bomb.
                        let spent = budget.spend_bytes(count).and(tally.add(count, budget));
                        spent.map_err(Stop::from).and(decoded)
                    }
                };
                *current = Some(output);
                if let Err(stop) = decoded {
                    let is_over = stop.reason != Reason::Malformed;
                    wrong = wrong.take().filter(|_| !is_over).or(Some(stop));
                    return !is_over;
                }
                true
            };
        let mut goes_on = true;
        if let Some(mut cipher) = cipher {
            goes_on = step(&mut current, budget, &mut |input, output, budget| {
                cipher.decrypt(input, output, budget)
            });
        }
        for stage in chain.iter().take_while(|stage| !ends_chain(stage)) {
            if goes_on && stage.filter != Filter::Crypt {
                goes_on = step(&mut current, budget, &mut |input, output, budget| {
                    stage.filter.decode(input, output, budget)
                });
            }
            if let (true, Some(predictor)) = (goes_on, stage.predictor) {
                goes_on = step(&mut current, budget, &mut |input, output, budget| {
                    predictor.undo(input, output, budget)
                });
            }
        }
        (current.unwrap_or_else(|| Output::new(self.tally)), wrong)
    }

    fn cipher(&self, locked: Locked) -> Option<Cipher> {
        let keys = self.keys.as_ref()?;
        keys.cipher(locked.method, locked.number, locked.generation)
    }

    /// Whether the word that ends a stream stands here.
    fn is_end(&self, offset: u64) -> Result<bool, Stop> {
        let near = read_part(self.source, offset, SPACE_BYTES_MAX.saturating_add(9))?;
        let space = near.iter().take_while(|byte| is_space(**byte)).count();
        let word = near.get(space..).unwrap_or_default();
        Ok(word.starts_with(b"endstream") || word.starts_with(b"endobj"))
    }

    /// The line end before `endstream` is no part of the data.
    fn before_line_end(&self, start: u64, mark: u64) -> Result<u64, Stop> {
        let near = read_part(self.source, mark.saturating_sub(2), 2)?;
        let count = match near.as_slice() {
            b"\r\n" => 2,
            [_, b'\n' | b'\r'] => 1,
            _ => 0,
        };
        Ok(mark.saturating_sub(count).max(start))
    }
}

type Decode<'a> = dyn FnMut(&mut Input<'_>, &mut Output, &mut Budget) -> Result<(), Stop> + 'a;

impl Plan {
    /// Filters of a chain that nobody here knows.
    pub(super) fn unknown(chain: &[Stage]) -> Option<&str> {
        chain.iter().find_map(|stage| match &stage.filter {
            Filter::Unknown(name) => Some(name.as_str()),
            _ => None,
        })
    }
}

fn ends_chain(stage: &Stage) -> bool {
    matches!(stage.filter, Filter::Picture | Filter::Unknown(_))
}

fn split(best: Option<(Output, Stop)>) -> (View, Option<Stop>) {
    match best {
        Some((output, stop)) => (View::Decoded(output), Some(stop)),
        None => (View::Stored, None),
    }
}

/// Where data may begin behind the word `stream`, as readers differ on it: the likeliest first.
fn starts(head: &[u8]) -> Vec<usize> {
    let line_end = |at: usize| match head.get(at..).unwrap_or_default() {
        [b'\r', b'\n', ..] => Some(at.saturating_add(2)),
        [b'\r' | b'\n', ..] => Some(at.saturating_add(1)),
        _ => None,
    };
    let blanks = head
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .count();
    let space = head.iter().take_while(|byte| is_space(**byte)).count();
    let line = head.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
    let likely = [
        line_end(blanks),
        (line_end(0).is_none()).then_some(0),
        Some(space),
        line.and_then(line_end),
    ];
    let mut starts = Vec::new();
    for start in likely.into_iter().flatten() {
        if !starts.contains(&start) {
            starts.push(start);
        }
    }
    starts
}

/// Where a found object's cipher comes from.
impl Locked {
    pub(super) fn new(method: Method, found: &Found) -> Self {
        Self {
            method,
            number: found.number,
            generation: found.generation,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_may_begin_where_any_reader_begins_it() {
        assert_eq!(starts(b"\r\nx"), [2]);
        assert_eq!(starts(b"\nx"), [1]);
        assert_eq!(starts(b"\rx"), [1]);
        assert_eq!(starts(b"\n\nx"), [1, 2]);
        assert_eq!(starts(b"  \nx"), [3, 0]);
        assert_eq!(starts(b"x"), [0]);
        assert_eq!(starts(b"ab\nx"), [0, 3]);
        assert_eq!(starts(b" x"), [0, 1]);
        assert_eq!(starts(b""), [0]);
    }
}
