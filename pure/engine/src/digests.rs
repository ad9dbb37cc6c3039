//! The digests of an object, computed side by side as its bytes go by.

use rules::DigestKind;
use sha1::{Digest as _, Sha1};
use sha2::Sha256;

use crate::ahead::Begun;
use crate::md5::Md5;

/// Which digests are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) md5: bool,
    pub(crate) sha1: bool,
    pub(crate) sha256: bool,
}

impl Wanted {
    pub(crate) fn add(&mut self, kind: DigestKind) {
        match kind {
            DigestKind::Md5 => self.md5 = true,
            DigestKind::Sha1 => self.sha1 = true,
            DigestKind::Sha256 => self.sha256 = true,
        }
    }

    pub(crate) fn any(self) -> bool {
        self.md5 || self.sha1 || self.sha256
    }
}

/// Digests under way.
pub(crate) struct Digesting {
    md5: Option<Md5>,
    /// Bytes that are in the MD5 already.
    ahead: u64,
    sha1: Option<Sha1>,
    sha256: Option<Sha256>,
}

/// Digests done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Digests {
    pub(crate) md5: Option<[u8; 16]>,
    pub(crate) sha1: Option<[u8; 20]>,
    pub(crate) sha256: Option<[u8; 32]>,
}

impl Digesting {
    pub(crate) fn new(wanted: Wanted) -> Self {
        Self::after(wanted, None)
    }

    /// The same where the MD5 was begun.
    pub(crate) fn after(wanted: Wanted, begun: Option<Begun>) -> Self {
        let md5 = begun.map_or_else(Md5::default, |begun| begun.0);
        Self {
            ahead: md5.length_bytes(),
            md5: wanted.md5.then_some(md5),
            sha1: wanted.sha1.then(Sha1::new),
            sha256: wanted.sha256.then(Sha256::new),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        if let Some(md5) = &mut self.md5 {
            let ahead = usize::try_from(self.ahead).unwrap_or(usize::MAX);
            let ahead = ahead.min(bytes.len());
            self.ahead = self.ahead.saturating_sub(ahead as u64);
            md5.update(bytes.get(ahead..).unwrap_or_default());
        }
        if let Some(sha1) = &mut self.sha1 {
            sha1.update(bytes);
        }
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
    }

    pub(crate) fn finish(self) -> Digests {
        Digests {
            md5: self.md5.map(Md5::finish),
            sha1: self.sha1.map(|digest| digest.finalize().into()),
            sha256: self.sha256.map(|digest| digest.finalize().into()),
        }
    }
}

impl Digests {
    /// The digest of this kind, if it was computed.
    pub(crate) fn of(&self, kind: DigestKind) -> Option<rules::Digest> {
        match kind {
            DigestKind::Md5 => self.md5.map(rules::Digest::Md5),
            DigestKind::Sha1 => self.sha1.map(rules::Digest::Sha1),
            DigestKind::Sha256 => self.sha256.map(rules::Digest::Sha256),
        }
    }
}
