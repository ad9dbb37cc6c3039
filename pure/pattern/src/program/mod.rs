//! A pattern as steps for the backtracker.

mod first;
mod write;

pub(crate) use write::compile;

use crate::set::ByteSet;
use crate::tree::{Assertion, Case, Mode};
use first::Steps;

/// An index of a step.
pub(crate) type Pc = usize;
/// An index of a register.
pub(crate) type Register = usize;

/// Holds the call that is under way.
pub(crate) const FRAME: Register = 0;
/// Holds where the match begins, once `\K` said so.
pub(crate) const KEEP: Register = 1;

/// A set as a table.
pub(crate) type Table = Box<[bool; 256]>;

/// One step.
#[derive(Debug)]
pub(crate) enum Step {
    Byte(u8),
    /// One byte of this set.
    Set(usize),
    Literal(Box<[u8]>),
    Run(Run),
    Jump(Pc),
    /// Goes on with the first; with the second where that fails.
    Split(Pc, Pc),
    Assert(Assertion),
    Keep,
    /// Remembers where it is.
    Mark(Register),
    /// A group's end: what it captured reaches from what the register holds.
    Close {
        group: u32,
        opened: Register,
    },
    /// Comes back from a call of this group, if one is under way.
    Return(u32),
    Call {
        group: u32,
        target: Pc,
    },
    Reference {
        group: u32,
        case: Case,
    },
    /// Goes there where nothing was matched since the mark.
    IfEmpty {
        mark: Register,
        exit: Pc,
    },
    LoopStart(Register),
    LoopTest(Loop),
    LoopEnd {
        head: Pc,
        of: Loop,
    },
    AtomicBegin(Register),
    AtomicEnd(Register),
    /// What follows is looked for from here, and if it isn't there, `otherwise` is next.
    AroundBegin {
        at: Place,
        otherwise: Option<Pc>,
    },
    AroundEnd(Place),
    /// It is there, and shouldn't be: goes there, or fails.
    AroundRefuse {
        at: Place,
        exit: Option<Pc>,
    },
    /// Goes back so many bytes.
    Back {
        min: usize,
        max: usize,
    },
    /// Fails unless a look behind came back to where it began.
    AtOrigin(Register),
    IfCaptured {
        group: u32,
        otherwise: Pc,
    },
    IfCalled {
        group: Option<u32>,
        otherwise: Pc,
    },
    Fail,
    Match,
}

/// Repetition of one byte of a set.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) set: usize,
    pub(crate) min: usize,
    pub(crate) max: usize,
    pub(crate) mode: Mode,
    /// What the byte after it must be one of, if that is known.
    pub(crate) next: Option<Next>,
}

/// The bytes that may come next.
#[derive(Debug)]
pub(crate) struct Next {
    pub(crate) table: Table,
    pub(crate) single: Option<u8>,
}

/// Repetition with a count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loop {
    pub(crate) count: Register,
    pub(crate) mark: Register,
    pub(crate) min: usize,
    pub(crate) max: Option<usize>,
    pub(crate) mode: Mode,
    pub(crate) exit: Pc,
}

/// Where a look around keeps how many choices there were, and the place that it began at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) choices: Register,
    pub(crate) origin: Register,
}

/// A compiled tree.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) steps: Vec<Step>,
    pub(crate) sets: Vec<Table>,
    /// Whether a set holds every byte.
    pub(crate) full: Vec<bool>,
    pub(crate) registers: usize,
    /// The bytes that a match may begin with; unknown where it may be empty.
    pub(crate) first: Option<Table>,
}

/// Where a group's captured range begins; its end is in the next one.
pub(crate) fn captured(group: u32) -> Register {
    usize::try_from(group)
        .unwrap_or(usize::MAX)
        .saturating_mul(2)
}

impl Program {
    fn new(mut steps: Vec<Step>, sets: &[ByteSet], registers: usize) -> Self {
        let nexts: Vec<Option<ByteSet>> = (0..steps.len())
            .map(|pc| match steps.get(pc) {
                Some(Step::Run(_)) => Steps::new(&steps, sets).first(pc.saturating_add(1)),
                _ => None,
            })
            .collect();
        let first = Steps::new(&steps, sets).first(0);
        for (step, next) in steps.iter_mut().zip(nexts) {
            if let (Step::Run(run), Some(next)) = (step, next) {
                run.next = (next != ByteSet::ALL).then(|| Next {
                    table: next.table(),
                    single: next.single(),
                });
            }
        }
        Self {
            first: first.map(|set| set.table()),
            full: sets.iter().map(|set| *set == ByteSet::ALL).collect(),
            sets: sets.iter().map(ByteSet::table).collect(),
            steps,
            registers,
        }
    }
}
