//! Which signatures a scan uses, made ready: chosen, compiled in a worker where need be, and kept.
//! Reads no signature itself.

mod cache;
mod sources;
mod trust;

use std::io::Seek;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use pool::PoolError;

use crate::args::PackChoice;
use crate::digest::{self, Sha256Bytes};
use crate::escape::escaped_path;
use crate::failure::{Failure, plain};
use crate::walk::FileId;

pub(crate) use cache::{Cache, Key};
pub(crate) use sources::Sources;
pub(crate) use trust::{Judgement, judge, nothing_can_fire, pending_lines, unverified};

/// Private memory that a compilation may take.
pub(crate) const COMPILE_DATA_BYTES_MAX: u64 = 5 << 30;

const INSTALLED: &str = "/var/lib/candor/current.pack";
const FRESHCLAM: &str = "/var/lib/clamav";

/// Where the signatures come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// `--pack FILE`.
    File(PathBuf),
    /// The installed pack.
    Installed(PathBuf),
    /// `--db PATH…`.
    Named(Vec<PathBuf>),
    /// What freshclam keeps.
    Freshclam(PathBuf),
    /// The pack inside this program.
    Starter,
}

/// A pack, ready for workers.
#[derive(Debug)]
pub(crate) struct ReadyPack {
    /// Read-only, or sealed.
    pub(crate) file: OwnedFd,
    pub(crate) sha256: Sha256Bytes,
    pub(crate) origin: Origin,
    /// Files in the directories that are of no known kind.
    pub(crate) ignored: Vec<PathBuf>,
    /// What is worth saying, in detail.
    pub(crate) notes: Vec<String>,
}

impl Origin {
    /// The first of: what was named, the installed pack, freshclam's signatures, the starter pack.
    pub(crate) fn choose(choice: &PackChoice) -> Self {
        if !choice.db.is_empty() {
            return Self::Named(choice.db.clone());
        }
        match &choice.pack {
            Some(pack) if pack.as_os_str() == "starter" => Self::Starter,
            Some(pack) => Self::File(pack.clone()),
            None if Path::new(INSTALLED).exists() => Self::Installed(INSTALLED.into()),
            None if sources::holds_any(Path::new(FRESHCLAM)) => Self::Freshclam(FRESHCLAM.into()),
            None => Self::Starter,
        }
    }

    pub(crate) fn is_starter(&self) -> bool {
        *self == Self::Starter
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", escaped_path(path)),
            Self::Installed(path) => write!(f, "{} (installed)", escaped_path(path)),
            Self::Freshclam(path) => write!(f, "{} (kept by freshclam)", escaped_path(path)),
            Self::Named(paths) => {
                let names: Vec<_> = paths.iter().map(|path| escaped_path(path)).collect();
                f.write_str(&names.join(", "))
            }
            Self::Starter => f.write_str("the starter pack"),
        }
    }
}

/// Makes a pack ready.
pub(crate) fn prepare(origin: Origin, worker: &Path) -> Result<ReadyPack, Failure> {
    let cache = Cache::open();
    match &origin {
        Origin::File(path) | Origin::Installed(path) => from_file(origin.clone(), path, &cache),
        Origin::Named(paths) => {
            let sources = Sources::collect(paths)?;
            from_sources(origin, sources, worker, &cache)
        }
        Origin::Freshclam(path) => {
            let sources = Sources::collect(std::slice::from_ref(path))?;
            from_sources(origin, sources, worker, &cache)
        }
        Origin::Starter => from_sources(origin, Sources::starter()?, worker, &cache),
    }
}

/// The cache's directory, which no scan looks into.
pub(crate) fn cache_id() -> Option<FileId> {
    Cache::open().ok().map(|cache| cache.id())
}

/// Where the cache is, or why there is none.
pub(crate) fn cache_state() -> Result<PathBuf, String> {
    Cache::open().map(|cache| cache.path().to_owned())
}

fn from_file(
    origin: Origin,
    path: &Path,
    cache: &Result<Cache, String>,
) -> Result<ReadyPack, Failure> {
    let at = |error: std::io::Error| Failure::at(path, &error);
    let file = kernel::file::open_for_scan(path, kernel::file::Follow::Links).map_err(at)?;
    let stat = kernel::file::stat(&file).map_err(at)?;
    if stat.kind != kernel::file::FileKind::Regular {
        let shown = escaped_path(path);
        return Err(Failure::said(format!(
            "{shown}: not a pack; for signatures that are not compiled: --db {shown}"
        )));
    }
    let key = Key::of_file(path, &stat);
    let known = cache.as_ref().ok().and_then(|cache| cache.digest(&key));
    let sha256 = match known {
        Some(digest) => digest,
        None => {
            let digest = digest::of_file(&file).map_err(at)?;
            if let Ok(cache) = cache
                && kernel::file::stat(&file).map_err(at)? == stat
                && cache::is_settled(&stat)
            {
                // Only a saving: it is computed again where it can't be kept.
                let _ = cache.remember_digest(&key, digest);
            }
            digest
        }
    };
    Ok(ReadyPack {
        file,
        sha256,
        origin,
        ignored: Vec::new(),
        notes: Vec::new(),
    })
}

fn from_sources(
    origin: Origin,
    sources: Sources,
    worker: &Path,
    cache: &Result<Cache, String>,
) -> Result<ReadyPack, Failure> {
    let ignored = sources.ignored.clone();
    let key = Key::of_sources(&sources, worker)?;
    let mut notes = Vec::new();
    let kept = match cache {
        Ok(cache) => match cache.find(&key) {
            Some(found) => Ok(found),
            None => cached(&sources, worker, cache, &key)?,
        },
        Err(why) => Err(why.clone()),
    };
    let (file, sha256) = match kept {
        Ok(found) => found,
        Err(why) => {
            notes.push(format!("the compiled pack is not kept: {why}"));
            in_memory(sources, worker)?
        }
    };
    Ok(ReadyPack {
        file,
        sha256,
        origin,
        ignored,
        notes,
    })
}

type Kept = (OwnedFd, Sha256Bytes);

/// Compiles into the cache. The inner error says why the cache could not take it.
fn cached(
    sources: &Sources,
    worker: &Path,
    cache: &Cache,
    key: &Key,
) -> Result<Result<Kept, String>, Failure> {
    let partial = match cache.partial() {
        Ok(partial) => partial,
        Err(error) => return Ok(Err(plain(&error))),
    };
    let output = match partial.file().try_clone() {
        Ok(output) => output,
        Err(error) => return Ok(Err(plain(&error))),
    };
    compile(sources.reopened()?, worker, output.into())?;
    // A source that changed meanwhile must not be found again under what it was.
    let lasting = sources.is_unchanged().then_some(key);
    Ok(cache.keep(partial, lasting).map_err(|error| plain(&error)))
}

fn in_memory(sources: Sources, worker: &Path) -> Result<Kept, Failure> {
    let made = |error: std::io::Error| {
        Failure::said(format!(
            "no memory for the compiled pack: {}",
            plain(&error)
        ))
    };
    let output = kernel::file::memory_file("candor-pack").map_err(made)?;
    compile(
        sources.reopened()?,
        worker,
        output.try_clone().map_err(made)?,
    )?;
    kernel::file::seal(&output).map_err(made)?;
    let sha256 = digest::of_file(&output).map_err(made)?;
    let mut file = std::fs::File::from(output);
    file.rewind().map_err(made)?;
    Ok((file.into(), sha256))
}

/// Compiles sources in a worker of its own.
pub(crate) fn compile(
    sources: Vec<(String, OwnedFd)>,
    worker: &Path,
    output: OwnedFd,
) -> Result<pool::Compiled, Failure> {
    pool::compile(worker, sources, output, COMPILE_DATA_BYTES_MAX)
        .map_err(|error| Failure::said(error.to_string()))
}

/// A worker's failure; where it refused the pack, with the pack's name.
pub(crate) fn failure_with(origin: &Origin, error: &PoolError) -> Failure {
    match error {
        PoolError::Refused(_) | PoolError::Unanswered(_) => {
            Failure::said(format!("{origin}: {error}"))
        }
        other => Failure::said(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_wins() {
        let named = PackChoice {
            db: vec!["/srv/db".into()],
            pack: None,
        };
        assert_eq!(
            Origin::choose(&named),
            Origin::Named(vec!["/srv/db".into()])
        );
        let starter = PackChoice {
            db: Vec::new(),
            pack: Some("starter".into()),
        };
        assert!(Origin::choose(&starter).is_starter());
        let file = PackChoice {
            db: Vec::new(),
            pack: Some("./starter".into()),
        };
        assert_eq!(Origin::choose(&file), Origin::File("./starter".into()));
    }
}
