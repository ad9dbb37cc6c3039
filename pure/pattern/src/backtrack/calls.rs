//! What goes on in registers: loops with a count, calls of groups, and what groups captured.

use std::mem::size_of;

use super::{BYTES_PER_STEP, Frame, Machine, Onward, Way, after};
use crate::error::Stop;
use crate::program::{FRAME, KEEP, Loop, Pc, Register, captured};
use crate::tree::{Case, Mode};

/// 2 MiB of registers that calls give back.
const FRAME_WORDS_MAX: usize = (2 << 20) / size_of::<usize>();
/// What a call takes beside them.
const FRAME_WORDS: usize = size_of::<Frame>() / size_of::<usize>();

impl Machine<'_, '_> {
    pub(super) fn test_loop(&mut self, of: &Loop, pc: Pc, at: usize) -> Result<Onward, Stop> {
        let count = self.register(of.count);
        let is_full = of.max.is_some_and(|max| count >= max);
        if is_full {
            return Ok(Some((of.exit, at)));
        }
        if count >= of.min {
            if of.mode == Mode::Lazy {
                self.choose(Way::Round, pc, at, at)?;
                return Ok(Some((of.exit, at)));
            }
            self.choose(Way::Here, of.exit, at, at)?;
        }
        self.enter(of, pc, at)
    }

    /// Begins one more round of a loop.
    pub(super) fn enter(&mut self, of: &Loop, pc: Pc, at: usize) -> Result<Onward, Stop> {
        let count = self.register(of.count).saturating_add(1);
        self.put(of.count, count)?;
        self.put(of.mark, at)?;
        Ok(Some((pc.saturating_add(1), at)))
    }

    /// Whether an endless loop ends because a round matched nothing.
    pub(super) fn is_over(&self, of: &Loop, at: usize) -> bool {
        of.max.is_none() && self.register(of.mark) == at && self.register(of.count) >= of.min
    }

    /// A group matched: what it captured ends here.
    pub(super) fn close(&mut self, group: u32, opened: Register, at: usize) -> Result<(), Stop> {
        let start = self.register(opened);
        self.put(captured(group), start)?;
        self.put(after(captured(group)), at)
    }

    pub(super) fn call(
        &mut self,
        group: u32,
        target: Pc,
        pc: Pc,
        at: usize,
    ) -> Result<Onward, Stop> {
        let registers = self.stacks.registers.clone().into_boxed_slice();
        self.meter.pass(registers.len(), BYTES_PER_STEP)?;
        let words = registers.len().saturating_add(FRAME_WORDS);
        let held = self.stacks.frames.len().saturating_mul(words);
        if held > FRAME_WORDS_MAX {
            return Err(Stop::Memory);
        }
        let frame = self.stacks.frames.len();
        self.stacks.frames.push(Frame {
            group,
            back: pc.saturating_add(1),
            registers,
        });
        self.put(FRAME, frame)?;
        Ok(Some((target, at)))
    }

    /// Ends a call of this group, if one is under way: what it captured is undone.
    pub(super) fn come_back(&mut self, group: u32, pc: Pc, at: usize) -> Result<Onward, Stop> {
        let frame = self.stacks.frames.get(self.register(FRAME));
        let Some(frame) = frame.filter(|frame| frame.group == group) else {
            return Ok(Some((pc.saturating_add(1), at)));
        };
        let back = frame.back;
        let registers = frame.registers.clone();
        self.meter.pass(registers.len(), BYTES_PER_STEP)?;
        for (register, value) in registers.iter().enumerate() {
            // `\K` holds beyond the call.
            if register != KEEP && self.register(register) != *value {
                self.put(register, *value)?;
            }
        }
        Ok(Some((back, at)))
    }

    pub(super) fn is_called(&self, group: Option<u32>) -> bool {
        let frame = self.stacks.frames.get(self.register(FRAME));
        frame.is_some_and(|frame| group.is_none_or(|group| group == frame.group))
    }

    pub(super) fn capture(&self, group: u32) -> Option<&[u8]> {
        let (start, end) = (captured(group), after(captured(group)));
        self.bytes.get(self.register(start)..self.register(end))
    }

    /// Where what a group captured ends once more, if it is here.
    pub(super) fn repeats(
        &mut self,
        group: u32,
        case: Case,
        at: usize,
    ) -> Result<Option<usize>, Stop> {
        let Some(captured) = self.capture(group) else {
            return Ok(None);
        };
        let length = captured.len();
        let end = at.saturating_add(length);
        let is_same = self.bytes.get(at..end).is_some_and(|here| match case {
            Case::Exact => here == captured,
            Case::Folded => here.eq_ignore_ascii_case(captured),
        });
        self.meter.pass(length, BYTES_PER_STEP)?;
        Ok(is_same.then_some(end))
    }
}
