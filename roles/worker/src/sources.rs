//! The sources of a compilation, and what is inside their containers.

use proto::{Budget, Limits, Reason, Unlimited};
use rules::SourceKind;
use rules::cvd::{self, SignatureState};
use sha2::{Digest as _, Sha256};
use std::os::fd::OwnedFd;
use unpack::{Content, Flow, Member, Members, Role, Source, SubSource, identify};

use crate::file_source::FileSource;

/// No source file is longer, and no container's archive.
const SOURCE_BYTES_MAX: u64 = 1 << 30;
/// Bytes held in memory at the same time: small files, and what containers hold.
const HELD_TEXT_BYTES_MAX: u64 = 3 << 29;
/// Files above this size are kept open and read when their turn comes.
const HELD_BYTES_MIN: u64 = 16 << 20;
/// Files kept open at the same time.
const HELD_FILES_MAX: usize = 128;

/// One source: a signature file, or a member of a container.
pub(crate) struct SourceText {
    pub(crate) label: String,
    text: Text,
}

enum Text {
    Read(Vec<u8>),
    Held(OwnedFd),
    Unusable(String),
}

/// What a container says of itself.
pub(crate) struct ContainerNote {
    pub(crate) label: String,
    pub(crate) note: String,
    /// Why its signature is not verified; empty where it is.
    pub(crate) warning: String,
}

/// Everything that was handed over.
#[derive(Default)]
pub(crate) struct Sources {
    pub(crate) texts: Vec<SourceText>,
    pub(crate) containers: Vec<ContainerNote>,
    held_files: usize,
    held_bytes: u64,
}

impl SourceText {
    /// What tells texts of one label apart.
    fn sha256(&self) -> [u8; 32] {
        match self.read() {
            Ok(bytes) => Sha256::digest(&bytes).into(),
            Err(why) => Sha256::digest(why).into(),
        }
    }

    /// Its bytes, or why there are none.
    pub(crate) fn read(&self) -> Result<std::borrow::Cow<'_, [u8]>, String> {
        match &self.text {
            Text::Read(bytes) => Ok(bytes.into()),
            Text::Held(file) => read_whole(file).map(Into::into),
            Text::Unusable(why) => Err(why.clone()),
        }
    }
}

impl Sources {
    /// Takes a file.
    pub(crate) fn add(&mut self, label: String, file: OwnedFd) {
        let is_container = SourceKind::of(&label) == SourceKind::Container;
        let is_large =
            kernel::file::stat(&file).is_ok_and(|stat| stat.size_bytes >= HELD_BYTES_MIN);
        if is_large && !is_container && self.held_files < HELD_FILES_MAX {
            self.held_files = self.held_files.saturating_add(1);
            self.push(label, Text::Held(file));
            return;
        }
        let bytes = match read_whole(&file) {
            Ok(bytes) => bytes,
            Err(why) => {
                self.refuse(label, why);
                return;
            }
        };
        match is_container {
            true => self.add_container(label, &bytes),
            false => self.hold(label, bytes),
        }
    }

    /// The order in which sources are compiled depends on them alone; a file that came twice
    /// counts once.
    pub(crate) fn sort(&mut self) {
        self.texts.sort_by(|a, b| a.label.cmp(&b.label));
        // Few share a label: only those are read to be told apart.
        for same in self.texts.chunk_by_mut(|a, b| a.label == b.label) {
            if same.len() > 1 {
                same.sort_by_cached_key(SourceText::sha256);
            }
        }
        self.texts
            .dedup_by(|a, b| a.label == b.label && a.sha256() == b.sha256());
        self.containers
            .sort_by(|a, b| (&a.label, &a.note).cmp(&(&b.label, &b.note)));
        self.containers
            .dedup_by(|a, b| a.label == b.label && a.note == b.note);
    }

    /// Keeps a text in memory until its turn comes.
    fn hold(&mut self, label: String, bytes: Vec<u8>) {
        let total = self.held_bytes.saturating_add(bytes.len() as u64);
        if total > HELD_TEXT_BYTES_MAX {
            self.refuse(label, "the sources come to more than 1.5 GiB".to_string());
            return;
        }
        self.held_bytes = total;
        self.push(label, Text::Read(bytes));
    }

    fn refuse(&mut self, label: String, why: String) {
        self.push(label, Text::Unusable(why));
    }

    fn push(&mut self, label: String, text: Text) {
        self.texts.push(SourceText { label, text });
    }

    fn add_container(&mut self, label: String, bytes: &[u8]) {
        let Some((header, body)) = cvd::read(bytes) else {
            let why = "it does not begin with the header of a ClamAV container".to_string();
            self.refuse(label, why);
            return;
        };
        let said = format!(
            "container version {} of {}, built by {}",
            header.version, header.time, header.builder
        );
        let verified = header.signature == SignatureState::Verified;
        let (note, warning) = match header.signature {
            SignatureState::Verified => (
                format!(
                    "{said}; signature verified with the ClamAV publisher's key (RSA over MD5)"
                ),
                String::new(),
            ),
            SignatureState::NotVerified(why) => (said, format!("signature NOT verified: {why}")),
        };
        self.containers.push(ContainerNote {
            label: label.clone(),
            note,
            warning,
        });
        let room = HELD_TEXT_BYTES_MAX.saturating_sub(self.held_bytes);
        let mut budget = Budget::new(container_limits(room), Unlimited::clock_ms);
        let troubles = self.expand(&label, body, &mut budget);
        for (reason, text) in troubles {
            // The publisher's archives end without tar's end marker; where the signature is good,
            // every byte that should be there is.
            if verified && reason == Reason::Malformed {
                continue;
            }
            self.refuse(label.clone(), text);
        }
    }

    /// Unpacks a container's body: a tar archive, usually compressed.
    fn expand(&mut self, label: &str, body: &[u8], budget: &mut Budget) -> Vec<(Reason, String)> {
        let mut collector = Collector {
            sources: self,
            label,
            container: body,
            troubles: Vec::new(),
        };
        collector.open(body, budget);
        collector.troubles
    }
}

/// Puts a container's members among the sources.
struct Collector<'a> {
    sources: &'a mut Sources,
    label: &'a str,
    container: &'a [u8],
    troubles: Vec<(Reason, String)>,
}

impl Collector<'_> {
    fn open(&mut self, body: &[u8], budget: &mut Budget) {
        let Ok(format) = identify(&body) else {
            self.refuse("its body can't be read");
            return;
        };
        match format.role {
            Role::Container(unpack) if matches!(format.name, "gzip" | "tar") => {
                if budget.enter().is_err() {
                    self.refuse("its body is nested too deep");
                    return;
                }
                let mut inner = Collector {
                    sources: self.sources,
                    label: self.label,
                    container: body,
                    troubles: Vec::new(),
                };
                let found = unpack(&body, budget, &mut inner);
                self.troubles.append(&mut inner.troubles);
                self.troubles.extend(
                    found
                        .into_iter()
                        .map(|trouble| (trouble.reason, trouble.text)),
                );
                budget.leave();
            }
            _ => self.refuse("its body is not a tar archive"),
        }
    }

    fn refuse(&mut self, why: &str) {
        self.troubles.push((Reason::Unsupported, why.to_string()));
    }
}

impl Members for Collector<'_> {
    fn member(&mut self, member: Member<'_>, budget: &mut Budget) -> Flow {
        let bytes = match member.content {
            Content::Bytes(bytes) => bytes.to_vec(),
            Content::Range { offset, size_bytes } => {
                let part = SubSource::new(&self.container, offset, size_bytes);
                let mut bytes = vec![0; usize::try_from(part.size_bytes()).unwrap_or(0)];
                if part.read_at(0, &mut bytes).is_err() {
                    self.refuse("a file inside it can't be read");
                    return Flow::Continue;
                }
                bytes
            }
        };
        if budget.spend_bytes(bytes.len() as u64).is_err() {
            self.refuse("it unpacks to more than there is room for (1 GiB, 1.5 GiB for all)");
            return Flow::Stop;
        }
        if identify(&bytes).is_ok_and(|format| format.name == "tar") {
            self.open(&bytes, budget);
            return Flow::Continue;
        }
        let name = String::from_utf8_lossy(member.name);
        let name = name.rsplit('/').next().unwrap_or_default();
        self.sources.hold(format!("{}/{name}", self.label), bytes);
        Flow::Continue
    }

    fn passwords(&self) -> &[&[u8]] {
        &[]
    }
}

fn container_limits(room_bytes: u64) -> Limits {
    Limits {
        bytes_max: SOURCE_BYTES_MAX.min(room_bytes),
        memory_bytes_max: SOURCE_BYTES_MAX,
        depth_max: 3,
        ..Limits::default()
    }
}

fn read_whole(file: &OwnedFd) -> Result<Vec<u8>, String> {
    let size_bytes = kernel::file::stat(file)
        .map_err(|error| error.to_string())?
        .size_bytes;
    if size_bytes > SOURCE_BYTES_MAX {
        return Err("it is larger than 1 GiB".to_string());
    }
    let mut bytes = vec![0; usize::try_from(size_bytes).unwrap_or(0)];
    FileSource { file, size_bytes }
        .read_at(0, &mut bytes)
        .map_err(|error| match error {
            unpack::ReadError::Shrank => "it became shorter while it was read".to_string(),
            unpack::ReadError::System(words) => words,
        })?;
    Ok(bytes)
}
