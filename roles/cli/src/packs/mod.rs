//! Which signatures a scan uses, made ready: chosen, compiled in a worker where need be, and kept.
//! Reads no signature itself.

mod cache;
mod sources;
mod trust;
mod yara;

use std::io::Seek;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use pool::{Compilation, PoolError};
use proto::Definition;

use crate::args::PackChoice;
use crate::define;
use crate::digest::{self, Sha256Bytes};
use crate::escape::escaped_path;
use crate::failure::{Failure, plain};
use crate::program;
use crate::walk::FileId;

pub(crate) use cache::{Cache, Key};
pub(crate) use sources::Sources;
pub(crate) use trust::{Judgement, judge, nothing_can_fire, pending_lines, unverified};
use yara::{YaraKey, YaraPartial};

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
    /// What its YARA rules compile to, where that is known already.
    pub(crate) yara: Option<OwnedFd>,
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

/// Makes a pack ready. The definitions are for YARA rules.
pub(crate) fn prepare(origin: Origin, definitions: &[Definition]) -> Result<ReadyPack, Failure> {
    define::check(definitions)?;
    let maker = Maker {
        definitions,
        cache: Cache::open(),
    };
    match &origin {
        Origin::File(path) | Origin::Installed(path) => maker.pack_in_file(origin.clone(), path),
        Origin::Named(paths) => maker.pack_of_sources(&origin, Sources::collect(paths)?),
        Origin::Freshclam(path) => {
            let sources = Sources::collect(std::slice::from_ref(path))?;
            maker.pack_of_sources(&origin, sources)
        }
        Origin::Starter => maker.pack_of_sources(&origin, Sources::starter()?),
    }
}

/// Compiles the YARA rules of a pack that has some, and keeps the result where it can.
pub(crate) fn compile_yara(
    pack: &ReadyPack,
    definitions: &[Definition],
) -> Result<OwnedFd, Failure> {
    let maker = Maker {
        definitions,
        cache: Cache::open(),
    };
    maker.yara_of(pack)
}

/// The cache's directory, which no scan looks into.
pub(crate) fn cache_id() -> Option<FileId> {
    Cache::open().ok().map(|cache| cache.id())
}

/// Where the cache is, or why there is none.
pub(crate) fn cache_state() -> Result<PathBuf, String> {
    Cache::open().map(|cache| cache.path().to_owned())
}

/// What packs are made with.
struct Maker<'a> {
    definitions: &'a [Definition],
    cache: Result<Cache, String>,
}

/// A pack that was compiled or found.
struct Kept {
    file: OwnedFd,
    sha256: Sha256Bytes,
    yara: Option<OwnedFd>,
}

impl Maker<'_> {
    fn pack_in_file(&self, origin: Origin, path: &Path) -> Result<ReadyPack, Failure> {
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
        let cache = self.cache.as_ref().ok();
        let sha256 = match cache.and_then(|cache| cache.digest(&key)) {
            Some(digest) => digest,
            None => {
                let digest = digest::of_file(&file).map_err(at)?;
                if let Some(cache) = cache
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
            yara: self.known_yara(&sha256, self.definitions)?,
            sha256,
            origin,
            ignored: Vec::new(),
            notes: Vec::new(),
        })
    }

    fn pack_of_sources(&self, origin: &Origin, sources: Sources) -> Result<ReadyPack, Failure> {
        let ignored = sources.ignored.clone();
        let compiler = sources.compiler()?;
        let key = Key::of_sources(&sources, self.definitions, &compiler)?;
        let mut notes = Vec::new();
        let kept = match &self.cache {
            Ok(cache) => match cache.find(&key) {
                // The definitions are in the pack.
                Some((file, sha256)) => Ok(Kept {
                    yara: self.known_yara(&sha256, &[])?,
                    file,
                    sha256,
                }),
                None => self.compiled_into(cache, &sources, &key)?,
            },
            Err(why) => Err(why.clone()),
        };
        let kept = match kept {
            Ok(found) => found,
            Err(why) => {
                notes.push(format!("the compiled pack is not kept: {why}"));
                self.compiled_in_memory(&sources)?
            }
        };
        Ok(ReadyPack {
            file: kept.file,
            sha256: kept.sha256,
            yara: kept.yara,
            origin: origin.clone(),
            ignored,
            notes,
        })
    }

    fn known_yara(
        &self,
        pack: &Sha256Bytes,
        definitions: &[Definition],
    ) -> Result<Option<OwnedFd>, Failure> {
        // Where the program is missing, that is told when a pack turns out to need it.
        let (Ok(cache), Ok(worker)) = (&self.cache, program::yara_worker()) else {
            return Ok(None);
        };
        let key = YaraKey::of(pack, definitions, &worker)?;
        Ok(yara::find(cache, &key))
    }

    /// Compiles into the cache. The inner error says why the cache could not take it.
    fn compiled_into(
        &self,
        cache: &Cache,
        sources: &Sources,
        key: &Key,
    ) -> Result<Result<Kept, String>, Failure> {
        let started = cache.partial().and_then(|partial| {
            let output = partial.file().try_clone()?;
            let yara = match sources.hold_yara() {
                true => Some(YaraPartial::start(cache)?),
                false => None,
            };
            let yara_output = yara.as_ref().map(YaraPartial::output).transpose()?;
            Ok((partial, output.into(), yara, yara_output))
        });
        let (partial, output, yara, yara_output) = match started {
            Ok(started) => started,
            Err(error) => return Ok(Err(plain(&error))),
        };
        let compiled = self.compile(sources, output, yara_output)?;
        // A source that changed meanwhile must not be found again under what it was.
        let lasting = sources.is_unchanged().then_some(key);
        let (file, sha256) = match cache.keep(partial, lasting) {
            Ok(kept) => kept,
            Err(error) => return Ok(Err(plain(&error))),
        };
        let yara = match yara.filter(|_| compiled.yara_bytes > 0) {
            Some(yara) => {
                let key = YaraKey::of(&sha256, &[], &program::yara_worker()?)?;
                yara.keep(cache, &key).ok()
            }
            None => None,
        };
        Ok(Ok(Kept { file, sha256, yara }))
    }

    fn compiled_in_memory(&self, sources: &Sources) -> Result<Kept, Failure> {
        let output = memory("candor-pack")?;
        let yara = match sources.hold_yara() {
            true => Some(memory("candor-yara")?),
            false => None,
        };
        let again = |file: &OwnedFd| file.try_clone().map_err(no_memory);
        let yara_output = yara.as_ref().map(again).transpose()?;
        let compiled = self.compile(sources, again(&output)?, yara_output)?;
        kernel::file::seal(&output).map_err(no_memory)?;
        let sha256 = digest::of_file(&output).map_err(no_memory)?;
        let mut file = std::fs::File::from(output);
        file.rewind().map_err(no_memory)?;
        let yara = yara.filter(|_| compiled.yara_bytes > 0);
        if let Some(yara) = &yara {
            kernel::file::seal(yara).map_err(no_memory)?;
        }
        Ok(Kept {
            file: file.into(),
            sha256,
            yara,
        })
    }

    fn compile(
        &self,
        sources: &Sources,
        pack: OwnedFd,
        yara: Option<OwnedFd>,
    ) -> Result<pool::Compiled, Failure> {
        let task = Compilation {
            sources: sources.reopened()?,
            definitions: self.definitions.to_vec(),
            pack,
            yara,
            data_bytes_max: COMPILE_DATA_BYTES_MAX,
        };
        compile(task, &sources.compiler()?)
    }

    fn yara_of(&self, pack: &ReadyPack) -> Result<OwnedFd, Failure> {
        // Those of a pack that was made here are in the pack.
        let definitions = match pack.origin {
            Origin::File(_) | Origin::Installed(_) => self.definitions,
            Origin::Named(_) | Origin::Freshclam(_) | Origin::Starter => &[],
        };
        let worker = program::yara_worker()?;
        let compile = |output: OwnedFd| {
            let file = pack.file.try_clone().map_err(no_memory)?;
            let task = (file, definitions.to_vec());
            pool::compile_yara(&worker, task, output, COMPILE_DATA_BYTES_MAX)
                .map_err(|error| failure_with(&pack.origin, &error))
        };
        if let Ok(cache) = &self.cache
            && let Ok(partial) = YaraPartial::start(cache)
            && let Ok(output) = partial.output()
        {
            compile(output)?;
            let key = YaraKey::of(&pack.sha256, definitions, &worker)?;
            if let Ok(kept) = partial.keep(cache, &key) {
                return Ok(kept);
            }
        }
        let output = memory("candor-yara")?;
        compile(output.try_clone().map_err(no_memory)?)?;
        kernel::file::seal(&output).map_err(no_memory)?;
        Ok(output)
    }
}

fn memory(name: &str) -> Result<OwnedFd, Failure> {
    kernel::file::memory_file(name).map_err(no_memory)
}

#[expect(clippy::needless_pass_by_value, reason = "it takes what map_err gives")]
fn no_memory(error: std::io::Error) -> Failure {
    Failure::said(format!(
        "no memory for the compiled pack: {}",
        plain(&error)
    ))
}

/// Compiles in a worker of its own.
pub(crate) fn compile(task: Compilation, worker: &Path) -> Result<pool::Compiled, Failure> {
    pool::compile(worker, task).map_err(|error| Failure::said(error.to_string()))
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
            ..PackChoice::default()
        };
        assert_eq!(
            Origin::choose(&named),
            Origin::Named(vec!["/srv/db".into()])
        );
        let starter = PackChoice {
            pack: Some("starter".into()),
            ..PackChoice::default()
        };
        assert!(Origin::choose(&starter).is_starter());
        let file = PackChoice {
            pack: Some("./starter".into()),
            ..PackChoice::default()
        };
        assert_eq!(Origin::choose(&file), Origin::File("./starter".into()));
    }
}
