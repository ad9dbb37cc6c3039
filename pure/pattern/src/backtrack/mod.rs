//! Runs a program by backtracking, on a stack of its own. Each step is counted and memory is
//! bounded: what a pattern makes of an input is as hostile as both of them.

mod calls;
mod runs;

use std::mem::size_of;

use crate::error::Stop;
use crate::meter::Meter;
use crate::program::{FRAME, KEEP, Pc, Place, Program, Register, Step};
use crate::search::Match;
use crate::tree::Assertion;

/// 6 MiB of places to come back to.
const CHOICES_MAX: usize = (6 << 20) / size_of::<Choice>();
/// 4 MiB of values that registers had before.
const TRAIL_MAX: usize = (4 << 20) / size_of::<(Register, usize)>();
/// So many bytes that are only passed over cost one step.
const BYTES_PER_STEP: usize = 8;
/// What a register holds before anything was put there.
const UNSET: usize = usize::MAX;

/// A place to come back to.
#[derive(Clone, Copy, Debug)]
struct Choice {
    pc: Pc,
    at: usize,
    /// The last place that may be tried, where there are several.
    bound: usize,
    trail: u32,
    frames: u32,
    way: Way,
}

/// What is tried next from a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The step, from the same place.
    Here,
    /// The step after a run, from an earlier place.
    Shorter,
    /// The same from a later place.
    Longer,
    /// The step, from the next place.
    Next,
    /// One more round of a loop.
    Round,
}

/// A call that is under way.
#[derive(Debug)]
struct Frame {
    group: u32,
    back: Pc,
    registers: Box<[usize]>,
}

/// What the backtracker holds, kept from one attempt to the next.
#[derive(Debug, Default)]
pub(crate) struct Stacks {
    registers: Vec<usize>,
    choices: Vec<Choice>,
    trail: Vec<(Register, usize)>,
    frames: Vec<Frame>,
}

/// Tries to match at one place after another.
pub(crate) struct Machine<'s, 'm> {
    pub(crate) program: &'s Program,
    pub(crate) bytes: &'s [u8],
    /// Where the search began.
    pub(crate) search_start: usize,
    pub(crate) stacks: &'s mut Stacks,
    pub(crate) meter: &'s mut Meter<'m>,
}

/// Where to go on: a step and a place. Nothing where this way is a dead end.
type Onward = Option<(Pc, usize)>;

impl Machine<'_, '_> {
    /// The match that begins here, if one does.
    pub(crate) fn match_at(&mut self, start: usize) -> Result<Option<Match>, Stop> {
        self.meter.step()?;
        if let Some(first) = &self.program.first
            && !self
                .bytes
                .get(start)
                .is_some_and(|byte| holds(first, *byte))
        {
            return Ok(None);
        }
        self.clear()?;
        let (mut pc, mut at) = (0, start);
        loop {
            self.meter.step()?;
            let Some(step) = self.program.steps.get(pc) else {
                return Ok(None);
            };
            if let (Step::Match, true) = (step, self.register(FRAME) == UNSET) {
                let kept = self.register(KEEP);
                return Ok(Some(Match {
                    start: if kept == UNSET { start } else { kept },
                    end: at,
                }));
            }
            let onward = match self.take(step, pc, at)? {
                Some(onward) => Some(onward),
                None => self.back()?,
            };
            match onward {
                Some(onward) => (pc, at) = onward,
                None => return Ok(None),
            }
        }
    }

    fn clear(&mut self) -> Result<(), Stop> {
        let stacks = &mut *self.stacks;
        stacks.choices.clear();
        stacks.trail.clear();
        stacks.frames.clear();
        stacks.registers.clear();
        stacks.registers.resize(self.program.registers, UNSET);
        self.meter.pass(self.program.registers, BYTES_PER_STEP)
    }

    fn register(&self, register: Register) -> usize {
        let value = self.stacks.registers.get(register);
        value.copied().unwrap_or(UNSET)
    }

    fn put(&mut self, register: Register, value: usize) -> Result<(), Stop> {
        let Some(place) = self.stacks.registers.get_mut(register) else {
            return Ok(());
        };
        // Nobody comes back to where there was no choice.
        if !self.stacks.choices.is_empty() {
            if self.stacks.trail.len() >= TRAIL_MAX {
                return Err(Stop::Memory);
            }
            self.stacks.trail.push((register, *place));
        }
        *place = value;
        Ok(())
    }

    fn choose(&mut self, way: Way, pc: Pc, at: usize, bound: usize) -> Result<(), Stop> {
        if self.stacks.choices.len() >= CHOICES_MAX {
            return Err(Stop::Memory);
        }
        self.stacks.choices.push(Choice {
            pc,
            at,
            bound,
            trail: u32::try_from(self.stacks.trail.len()).map_err(|_| Stop::Memory)?,
            frames: u32::try_from(self.stacks.frames.len()).map_err(|_| Stop::Memory)?,
            way,
        });
        Ok(())
    }

    /// Takes one step.
    fn take(&mut self, step: &Step, pc: Pc, at: usize) -> Result<Onward, Stop> {
        let next = pc.saturating_add(1);
        let here = Some((next, at));
        Ok(match step {
            Step::Byte(byte) => (self.bytes.get(at) == Some(byte)).then(|| (next, after(at))),
            Step::Set(set) => self.is_in(*set, at).then(|| (next, after(at))),
            Step::Literal(bytes) => {
                let end = at.saturating_add(bytes.len());
                (self.bytes.get(at..end) == Some(bytes)).then_some((next, end))
            }
            Step::Run(run) => return self.run(run, pc, at),
            Step::Jump(target) => Some((*target, at)),
            Step::Split(one, other) => {
                self.choose(Way::Here, *other, at, at)?;
                Some((*one, at))
            }
            Step::Assert(assertion) => self.asserts(*assertion, at).then_some((next, at)),
            Step::Keep => {
                self.put(KEEP, at)?;
                here
            }
            Step::Mark(register) => {
                self.put(*register, at)?;
                here
            }
            Step::Close { group, opened } => {
                self.close(*group, *opened, at)?;
                here
            }
            Step::Return(group) => return self.come_back(*group, pc, at),
            Step::Match => return self.come_back(0, pc, at),
            Step::Call { group, target } => return self.call(*group, *target, pc, at),
            Step::Reference { group, case } => {
                return Ok(self.repeats(*group, *case, at)?.map(|at| (next, at)));
            }
            Step::IfEmpty { mark, exit } => match self.register(*mark) == at {
                true => Some((*exit, at)),
                false => here,
            },
            Step::LoopStart(count) => {
                self.put(*count, 0)?;
                here
            }
            Step::LoopTest(of) => return self.test_loop(of, pc, at),
            Step::LoopEnd { head, of } => match self.is_over(of, at) {
                true => Some((of.exit, at)),
                false => Some((*head, at)),
            },
            Step::AtomicBegin(height) => {
                self.put(*height, self.stacks.choices.len())?;
                here
            }
            Step::AtomicEnd(height) => {
                self.cut(*height);
                here
            }
            Step::AroundBegin { .. }
            | Step::AroundEnd(_)
            | Step::AroundRefuse { .. }
            | Step::Back { .. }
            | Step::AtOrigin(_) => return self.look_around(step, pc, at),
            Step::IfCaptured { group, otherwise } => match self.capture(*group) {
                Some(_) => here,
                None => Some((*otherwise, at)),
            },
            Step::IfCalled { group, otherwise } => match self.is_called(*group) {
                true => here,
                false => Some((*otherwise, at)),
            },
            Step::Fail => None,
        })
    }

    fn look_around(&mut self, step: &Step, pc: Pc, at: usize) -> Result<Onward, Stop> {
        let next = pc.saturating_add(1);
        match step {
            Step::AroundBegin {
                at: place,
                otherwise,
            } => {
                self.put(place.choices, self.stacks.choices.len())?;
                self.put(place.origin, at)?;
                if let Some(otherwise) = otherwise {
                    self.choose(Way::Here, *otherwise, at, at)?;
                }
                Ok(Some((next, at)))
            }
            Step::AroundEnd(place) => {
                let origin = self.register(place.origin);
                self.cut(place.choices);
                Ok(Some((next, origin)))
            }
            Step::AroundRefuse { at: place, exit } => Ok(self.refuse(*place, *exit)),
            Step::Back { min, max } => {
                let Some(last) = at.checked_sub(*min) else {
                    return Ok(None);
                };
                let first = at.saturating_sub(*max);
                if first < last {
                    self.choose(Way::Next, next, first, last)?;
                }
                Ok(Some((next, first)))
            }
            Step::AtOrigin(origin) => Ok((self.register(*origin) == at).then_some((next, at))),
            _ => Ok(None),
        }
    }

    /// Forgets the choices since the register was set.
    fn cut(&mut self, height: Register) {
        let height = self.register(height);
        self.stacks.choices.truncate(height);
    }

    fn refuse(&mut self, place: Place, exit: Option<Pc>) -> Onward {
        let origin = self.register(place.origin);
        let height = self.register(place.choices);
        if let (Some(exit), Some(choice)) = (exit, self.stacks.choices.get(height).copied()) {
            // What was captured in there is nobody's business.
            self.undo(choice);
            self.stacks.choices.truncate(height);
            return Some((exit, origin));
        }
        self.stacks.choices.truncate(height);
        None
    }

    fn undo(&mut self, to: Choice) {
        let length = usize::try_from(to.trail).unwrap_or(usize::MAX);
        while self.stacks.trail.len() > length {
            if let Some((register, value)) = self.stacks.trail.pop()
                && let Some(place) = self.stacks.registers.get_mut(register)
            {
                *place = value;
            }
        }
        let frames = usize::try_from(to.frames).unwrap_or(usize::MAX);
        self.stacks.frames.truncate(frames);
    }

    /// Goes back to the last choice that has something left to try.
    fn back(&mut self) -> Result<Onward, Stop> {
        while let Some(choice) = self.stacks.choices.last().copied() {
            self.meter.step()?;
            self.undo(choice);
            let next = choice.pc.saturating_add(1);
            let (pc, at) = match choice.way {
                Way::Here => {
                    self.stacks.choices.pop();
                    return Ok(Some((choice.pc, choice.at)));
                }
                Way::Round => {
                    self.stacks.choices.pop();
                    return match self.program.steps.get(choice.pc) {
                        Some(Step::LoopTest(of)) => self.enter(of, choice.pc, choice.at),
                        _ => Ok(None),
                    };
                }
                Way::Next => (choice.pc, Some(after(choice.at))),
                Way::Shorter => {
                    let to = choice.at.saturating_sub(1);
                    (next, self.last_before(choice.pc, choice.bound, to)?)
                }
                Way::Longer => (next, self.next_longer(choice.pc, choice.at, choice.bound)?),
            };
            match (at, self.stacks.choices.last_mut()) {
                (Some(at), Some(place)) if at != choice.bound => place.at = at,
                _ => {
                    self.stacks.choices.pop();
                }
            }
            if let Some(at) = at {
                return Ok(Some((pc, at)));
            }
        }
        Ok(None)
    }

    fn is_in(&self, set: usize, at: usize) -> bool {
        let table = self.program.sets.get(set);
        match (table, self.bytes.get(at)) {
            (Some(table), Some(byte)) => holds(table, *byte),
            _ => false,
        }
    }

    fn asserts(&self, assertion: Assertion, at: usize) -> bool {
        let end = self.bytes.len();
        let is_line_feed = |at: usize| self.bytes.get(at) == Some(&b'\n');
        let before = at.checked_sub(1);
        match assertion {
            Assertion::Start => at == 0,
            Assertion::LineStart => before.is_none_or(|before| is_line_feed(before) && at < end),
            Assertion::End => at == end,
            Assertion::EndOrLineFeed => at == end || (after(at) == end && is_line_feed(at)),
            Assertion::LineEnd => at == end || is_line_feed(at),
            Assertion::WordEdge => self.is_word_edge(at),
            Assertion::NotWordEdge => !self.is_word_edge(at),
            Assertion::SearchStart => at == self.search_start,
        }
    }

    fn is_word_edge(&self, at: usize) -> bool {
        let is_word = |at: usize| {
            let byte = self.bytes.get(at).copied();
            byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        at.checked_sub(1).is_some_and(is_word) != is_word(at)
    }
}

fn after(at: usize) -> usize {
    at.saturating_add(1)
}

fn holds(table: &[bool; 256], byte: u8) -> bool {
    table.get(usize::from(byte)).copied().unwrap_or(false)
}
