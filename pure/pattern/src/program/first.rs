//! Which bytes may come first from a step on.

use super::{Pc, Step};
use crate::set::ByteSet;

/// So many steps are looked at; no answer is given beyond.
const STEPS_MAX: usize = 64;

/// Steps that are looked through once.
pub(super) struct Steps<'p> {
    steps: &'p [Step],
    sets: &'p [ByteSet],
    left: usize,
}

impl<'p> Steps<'p> {
    pub(super) fn new(steps: &'p [Step], sets: &'p [ByteSet]) -> Self {
        Self {
            steps,
            sets,
            left: STEPS_MAX,
        }
    }

    /// The bytes that may come first from this step on; nothing where none may, or where that would
    /// take long to know.
    pub(super) fn first(&mut self, mut pc: Pc) -> Option<ByteSet> {
        loop {
            self.left = self.left.checked_sub(1)?;
            let next = pc.saturating_add(1);
            pc = match self.steps.get(pc)? {
                Step::Byte(byte) => return Some(ByteSet::of(&[*byte])),
                Step::Set(set) => return self.sets.get(*set).copied(),
                Step::Literal(bytes) => return bytes.first().map(|byte| ByteSet::of(&[*byte])),
                Step::Run(run) => {
                    let set = self.sets.get(run.set).copied()?;
                    return match run.min {
                        0 => Some(set.union(self.first(next)?)),
                        _ => Some(set),
                    };
                }
                Step::Split(one, other) => {
                    let set = self.first(*one)?;
                    return Some(set.union(self.first(*other)?));
                }
                Step::Jump(target) => *target,
                Step::Fail => return Some(ByteSet::EMPTY),
                Step::Assert(_)
                | Step::Keep
                | Step::Mark(_)
                | Step::Close { .. }
                | Step::AtomicBegin(_) => next,
                // In a call, what comes next is where it was called.
                Step::Return(_) | Step::Match => return None,
                // What an atomic group took does not depend on what comes next.
                Step::AtomicEnd(_) => return None,
                Step::Call { .. }
                | Step::Reference { .. }
                | Step::IfEmpty { .. }
                | Step::LoopStart(_)
                | Step::LoopTest(_)
                | Step::LoopEnd { .. }
                | Step::AroundBegin { .. }
                | Step::AroundEnd(_)
                | Step::AroundRefuse { .. }
                | Step::Back { .. }
                | Step::AtOrigin(_)
                | Step::IfCaptured { .. }
                | Step::IfCalled { .. } => return None,
            };
        }
    }
}
