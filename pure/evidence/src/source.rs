//! Where bytes come from: a file that somebody else opened, or memory.

use sha2::{Digest, Sha256};

use crate::Sha256Digest;

/// Bytes at places.
pub trait Source {
    /// How many there are.
    fn size_bytes(&self) -> u64;

    /// Fills the buffer from a place on; fewer bytes mean that they end there.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, String>;
}

impl Source for &[u8] {
    fn size_bytes(&self) -> u64 {
        u64::try_from(self.len()).unwrap_or(u64::MAX)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, String> {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = self.get(offset..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }
}

/// A stretch of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Where it begins.
    pub offset: u64,
    /// How long it is.
    pub size_bytes: u64,
}

/// A stretch, read into memory. It is not longer than `bytes_max`, or refused.
pub(crate) fn read_range(
    source: &dyn Source,
    range: Range,
    bytes_max: u64,
) -> Result<Vec<u8>, String> {
    if range.size_bytes > bytes_max {
        return Err(format!(
            "it is {} bytes long, and at most {bytes_max} are read",
            range.size_bytes
        ));
    }
    let end = range.offset.saturating_add(range.size_bytes);
    if end > source.size_bytes() {
        return Err("it is cut short".to_owned());
    }
    let length = usize::try_from(range.size_bytes).map_err(|error| error.to_string())?;
    let mut bytes = vec![0; length];
    match source.read_at(range.offset, &mut bytes)? {
        count if count == length => Ok(bytes),
        _ => Err("it is cut short".to_owned()),
    }
}

/// How much is hashed at once.
const WINDOW_BYTES: usize = 1 << 20;

/// The digest of a stretch.
pub(crate) fn digest_range(
    source: &dyn Source,
    range: Range,
    window: &mut Vec<u8>,
) -> Result<Sha256Digest, String> {
    window.resize(WINDOW_BYTES, 0);
    let mut digest = Sha256::new();
    let mut at = range.offset;
    let mut left = range.size_bytes;
    while left > 0 {
        let wanted = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(window.len());
        let part = window.get_mut(..wanted).unwrap_or_default();
        let count = source.read_at(at, part)?;
        if count != wanted {
            return Err("it is cut short".to_owned());
        }
        digest.update(&*part);
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        at = at.saturating_add(count);
        left = left.saturating_sub(count);
    }
    Ok(Sha256Digest::from_bytes(digest.finalize().into()))
}
