//! All of an object's bytes in memory, where a regular expression asks for them.

use proto::{Budget, Reason};
use unpack::{ReadError, Source};

use crate::hashes::Trouble;

/// Bytes read between two looks at the clock.
const STEP_BYTES: usize = 1 << 20;

/// An object, read into memory when it is first asked for.
pub(crate) struct Bytes<'o> {
    object: (&'o dyn Source, u64),
    loaded: Option<Vec<u8>>,
}

impl<'o> Bytes<'o> {
    /// The first `total` bytes of an object.
    pub(crate) fn new(object: (&'o dyn Source, u64)) -> Self {
        Self {
            object,
            loaded: None,
        }
    }

    /// The object itself.
    pub(crate) fn object(&self) -> (&'o dyn Source, u64) {
        self.object
    }

    /// All bytes.
    pub(crate) fn all(&mut self, budget: &mut Budget) -> Result<&[u8], Trouble> {
        let (source, total) = self.object;
        let total = usize::try_from(total.min(source.size_bytes()))
            .map_err(|_| Trouble::Limit(Reason::LimitMemory))?;
        if let Some(whole) = source.whole() {
            return Ok(whole.get(..total).unwrap_or(whole));
        }
        if self.loaded.is_none() {
            self.loaded = Some(load(source, total, budget)?);
        }
        Ok(self.loaded.as_deref().unwrap_or_default())
    }

    /// Gives the memory back.
    pub(crate) fn discard(self, budget: &mut Budget) {
        if let Some(loaded) = self.loaded {
            budget.release_memory(loaded.len() as u64);
        }
    }
}

fn load(source: &dyn Source, total: usize, budget: &mut Budget) -> Result<Vec<u8>, Trouble> {
    budget.hold_memory(total as u64).map_err(Trouble::Limit)?;
    let mut bytes = Vec::new();
    let loaded = fill(source, total, &mut bytes, budget);
    if loaded.is_err() {
        budget.release_memory(total as u64);
    }
    loaded.map(|()| bytes)
}

fn fill(
    source: &dyn Source,
    total: usize,
    bytes: &mut Vec<u8>,
    budget: &mut Budget,
) -> Result<(), Trouble> {
    while bytes.len() < total {
        budget.check_time().map_err(Trouble::Limit)?;
        let at = bytes.len();
        let step = total.saturating_sub(at).min(STEP_BYTES);
        bytes.resize(at.saturating_add(step), 0);
        let fresh = bytes.get_mut(at..).unwrap_or_default();
        let count = source.read_at(at as u64, fresh).map_err(Trouble::Read)?;
        if count < step {
            return Err(Trouble::Read(ReadError::Shrank));
        }
    }
    Ok(())
}
