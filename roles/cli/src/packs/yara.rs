//! What a pack's YARA rules compile to, kept for the workers of this machine.
//!
//! ```text
//! header   magic "CANDORYX", length u64, the key, the SHA-256 of what follows, zeros to 128 bytes
//! the rest what the compiling worker wrote
//! ```
//!
//! The key says for which pack, definitions and worker program it is. A file that is another's, was
//! cut or was changed is not believed, and made again. Whoever could write the cache could hide a
//! detection, so it is held to what the cache is held to.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use proto::{Definition, Encode, YARA_HEADER_BYTES};
use rustix::fs::Mode;
use sha2::{Digest, Sha256};

use super::cache::{Cache, add_file, keep_newest, open_own};
use crate::digest::{self, Sha256Bytes};
use crate::escape::hex;
use crate::failure::Failure;
use crate::partial::{Existing, Partial, remove_stale};

const MAGIC: &[u8; 8] = b"CANDORYX";
const KEPT: usize = 4;

/// Which rules, and for which program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct YaraKey(Sha256Bytes);

impl YaraKey {
    /// Of a pack, and of definitions that go before its own.
    pub(crate) fn of(
        pack: &Sha256Bytes,
        definitions: &[Definition],
        worker: &Path,
    ) -> Result<Self, Failure> {
        let mut digest = Sha256::new();
        digest.update("candor yara 1\n");
        digest.update(pack);
        digest.update(definitions.to_vec().to_message());
        let program = std::fs::File::open(worker)
            .and_then(kernel::file::stat)
            .map_err(|error| Failure::at(worker, &error))?;
        add_file(&mut digest, worker, &program);
        Ok(Self(digest.finalize().into()))
    }

    fn file_name(&self) -> String {
        format!("{}.yara", hex(&self.0))
    }
}

/// Compiled rules on their way into the cache.
pub(crate) struct YaraPartial(Partial);

impl YaraPartial {
    pub(crate) fn start(cache: &Cache) -> io::Result<Self> {
        remove_stale(cache.yara())?;
        Partial::create(cache.yara()).map(Self)
    }

    /// For the worker that writes.
    pub(crate) fn output(&self) -> io::Result<OwnedFd> {
        self.0.file().try_clone().map(OwnedFd::from)
    }

    /// Keeps what was written; gives a descriptor that can't change it.
    pub(crate) fn keep(self, cache: &Cache, key: &YaraKey) -> io::Result<OwnedFd> {
        let length = kernel::file::stat(self.0.file())?
            .size_bytes
            .saturating_sub(YARA_HEADER_BYTES);
        let header = header(
            key,
            length,
            &digest::of_file_from(self.0.file(), YARA_HEADER_BYTES)?,
        );
        kernel::file::write_all_at(self.0.file(), 0, &header)?;
        rustix::fs::fchmod(self.0.file(), Mode::RUSR | Mode::WUSR)?;
        self.0.keep(key.file_name(), Existing::Replace)?;
        keep_newest(cache.yara(), KEPT)?;
        open_own(cache.yara(), &key.file_name())
    }
}

/// What was kept under this key, if it is still what it was.
pub(crate) fn find(cache: &Cache, key: &YaraKey) -> Option<OwnedFd> {
    let file = open_own(cache.yara(), &key.file_name()).ok()?;
    let size_bytes = kernel::file::stat(&file).ok()?.size_bytes;
    let length = size_bytes.checked_sub(YARA_HEADER_BYTES)?;
    let sha256 = digest::of_file_from(&file, YARA_HEADER_BYTES).ok()?;
    let expected = header(key, length, &sha256);
    let mut found = vec![0; expected.len()];
    kernel::file::read_at(&file, 0, &mut found).ok()?;
    (found == expected).then_some(file)
}

fn header(key: &YaraKey, length: u64, sha256: &Sha256Bytes) -> Vec<u8> {
    let mut header = MAGIC.to_vec();
    header.extend(length.to_le_bytes());
    header.extend(key.0);
    header.extend(sha256);
    header.resize(usize::try_from(YARA_HEADER_BYTES).unwrap_or(0), 0);
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn kept(cache: &Cache, key: &YaraKey) -> std::path::PathBuf {
        let partial = YaraPartial::start(cache).unwrap();
        let output = partial.output().unwrap();
        kernel::file::write_all_at(&output, YARA_HEADER_BYTES, b"compiled").unwrap();
        partial.keep(cache, key).unwrap();
        cache.path().join("yara").join(key.file_name())
    }

    fn key(pack: u8, definitions: &[Definition]) -> YaraKey {
        YaraKey::of(&[pack; 32], definitions, Path::new("/bin/true")).unwrap()
    }

    #[test]
    fn compiled_rules_are_found_again_as_they_were() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open_at(&dir.path().join("candor")).unwrap();
        let key = key(1, &[]);
        assert!(find(&cache, &key).is_none());
        let path = kept(&cache, &key);
        let file = find(&cache, &key).unwrap();
        assert!(kernel::file::write_all_at(&file, 0, b"x").is_err());
        let rights = fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(rights, 0o600);
    }

    #[test]
    fn any_change_of_a_byte_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open_at(&dir.path().join("candor")).unwrap();
        let key = key(1, &[]);
        let path = kept(&cache, &key);
        let whole = fs::read(&path).unwrap();
        for at in [0, 9, 20, 50, 100, 128, whole.len() - 1] {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(&path, changed).unwrap();
            assert!(find(&cache, &key).is_none(), "at {at}");
        }
        for length in [0, 127, 128, whole.len() - 1] {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(find(&cache, &key).is_none(), "cut at {length}");
        }
        fs::write(&path, &whole).unwrap();
        assert!(find(&cache, &key).is_some());
    }

    #[test]
    fn the_rules_of_another_pack_or_definition_are_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open_at(&dir.path().join("candor")).unwrap();
        let path = kept(&cache, &key(1, &[]));
        let definition = crate::define::parse("a=1").unwrap();
        for other in [key(2, &[]), key(1, &[definition])] {
            assert!(find(&cache, &other).is_none());
            let foreign = path.with_file_name(other.file_name());
            fs::copy(&path, foreign).unwrap();
            assert!(find(&cache, &other).is_none());
        }
    }
}
