//! All bytes of an object at once: mail is read in more than one way, which needs to go back.

use proto::Budget;

use crate::Source;
use crate::input::read_part;
use crate::members::{Stop, Troubles};

/// The bytes of an object, or as many as the memory allows.
pub(crate) struct Whole<'s> {
    at_hand: Option<&'s [u8]>,
    read: Vec<u8>,
    held: u64,
}

impl<'s> Whole<'s> {
    /// Takes them where they are at hand, else reads them; notes what is left out. Half of the
    /// memory is left for what comes out.
    pub(crate) fn read(
        source: &'s dyn Source,
        budget: &mut Budget,
        troubles: &mut Troubles,
    ) -> Self {
        let mut whole = Self {
            at_hand: source.whole(),
            read: Vec::new(),
            held: 0,
        };
        if whole.at_hand.is_some() {
            return whole;
        }
        let size = source.size_bytes();
        let count = size.min(budget.memory_left() / 2);
        if count < size {
            troubles.note(count, Stop::from(proto::Reason::LimitMemory));
        }
        if let Err(reason) = budget.hold_memory(count) {
            troubles.note(0, reason);
            return whole;
        }
        whole.held = count;
        match read_part(source, 0, usize::try_from(count).unwrap_or(usize::MAX)) {
            Ok(bytes) => whole.read = bytes,
            Err(error) => troubles.note(0, error),
        }
        whole
    }

    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.at_hand.unwrap_or(&self.read)
    }

    /// Gives the memory back.
    pub(crate) fn release(self, budget: &mut Budget) {
        budget.release_memory(self.held);
    }
}
