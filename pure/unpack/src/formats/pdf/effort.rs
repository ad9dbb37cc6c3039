//! How often the bytes of one document may be read again: objects that lie inside each other
//! would otherwise cost the square of what they take.

use std::cell::Cell;

use proto::Reason;

use crate::members::Stop;

/// The least that one look costs.
const LOOK_BYTES: u64 = 64;

/// Bytes that may still be looked at.
#[derive(Debug)]
pub(super) struct Effort {
    left: Cell<u64>,
}

impl Effort {
    pub(super) fn new(bytes: u64) -> Self {
        Self {
            left: Cell::new(bytes),
        }
    }

    /// Spends a look at some bytes.
    pub(super) fn spend(&self, bytes: usize) -> Result<(), Stop> {
        self.spend_bytes((bytes as u64).max(LOOK_BYTES))
    }

    /// Spends bytes.
    pub(super) fn spend_bytes(&self, bytes: u64) -> Result<(), Stop> {
        match self.left.get().checked_sub(bytes) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => Err(Stop {
                reason: Reason::LimitWork,
                text: "objects lie inside each other so often that they are not all looked at"
                    .into(),
            }),
        }
    }
}
