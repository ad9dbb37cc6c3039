//! Members of a file that is more than one thing: which parts were looked at already, so that none
//! is looked at twice.

use std::ops::Range;

use proto::Budget;
use unpack::{Content, Flow, Member, Members};

/// Takes the members of a file that is a container too, without the file itself: only what lies
/// before the first member begins at the file's first byte.
pub(crate) struct Behind<'b> {
    nested: &'b mut dyn Members,
    start: u64,
}

impl<'b> Behind<'b> {
    pub(crate) fn new(nested: &'b mut dyn Members) -> Self {
        Self { nested, start: 0 }
    }

    /// Where the container begins.
    pub(crate) fn start(&self) -> u64 {
        self.start
    }
}

impl Members for Behind<'_> {
    fn member(&mut self, member: Member<'_>, budget: &mut Budget) -> Flow {
        match member.content {
            Content::Range {
                offset: 0,
                size_bytes,
            } => {
                self.start = size_bytes;
                Flow::Continue
            }
            _ => self.nested.member(member, budget),
        }
    }

    fn passwords(&self) -> &[&[u8]] {
        self.nested.passwords()
    }
}

/// The parts of a file that were members as they are.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    parts: Vec<Range<u64>>,
}

impl Taken {
    /// Notes each part that becomes a member.
    pub(crate) fn noting<'t>(&'t mut self, nested: &'t mut dyn Members) -> Noting<'t> {
        Noting {
            taken: self,
            nested,
        }
    }

    /// Whether a member holds all of a part.
    pub(crate) fn covers(&self, part: &Range<u64>) -> bool {
        let holds = |one: &Range<u64>| one.start <= part.start && part.end <= one.end;
        self.parts.iter().any(holds)
    }

    /// Whether a member began or went on here.
    pub(crate) fn has(&self, offset: u64) -> bool {
        self.parts.iter().any(|part| part.contains(&offset))
    }
}

/// Passes members on, and notes where they lay.
pub(crate) struct Noting<'t> {
    taken: &'t mut Taken,
    nested: &'t mut dyn Members,
}

impl Members for Noting<'_> {
    fn member(&mut self, member: Member<'_>, budget: &mut Budget) -> Flow {
        if let Content::Range { offset, size_bytes } = member.content {
            let part = offset..offset.saturating_add(size_bytes);
            self.taken.parts.push(part);
        }
        self.nested.member(member, budget)
    }

    fn passwords(&self) -> &[&[u8]] {
        self.nested.passwords()
    }
}
