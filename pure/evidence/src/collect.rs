//! Opens what it was handed: bundles, single envelopes, envelopes a line, other tools' documents.
//!
//! It checks form and digests, and no signature. What it can't read is named and kept out.

use std::collections::{BTreeMap, BTreeSet};

use crate::Sha256Digest;
use crate::archive::{self, Member};
use crate::envelope::Envelope;
use crate::foreign::{Opened, open_sigstore};
use crate::json::{self, Json};
use crate::refusal::{Named, Refusal};
use crate::source::{Range, Source, digest_range, read_range};

/// The longest envelope.
pub const ENVELOPE_BYTES_MAX: u64 = 16 << 20;
/// The longest document of another tool.
pub const DOCUMENT_BYTES_MAX: u64 = 64 << 20;
/// All envelopes and documents together.
pub const READ_BYTES_MAX: u64 = 128 << 20;
/// The manifest's name in a bundle.
pub const MANIFEST: &str = "bundle.json";
/// The manifest's form; bundles of `candor lab` have the same.
pub const MANIFEST_FORMAT: i64 = 1;
/// Where a bundle keeps its envelopes.
pub const STATEMENTS: &str = "statements/";
/// Where a bundle keeps other tools' documents.
pub const DOCUMENTS: &str = "documents/";

/// A file that was handed over.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// What it is called in what is told.
    pub label: &'a str,
    /// Its bytes.
    pub source: &'a dyn Source,
}

/// An envelope and where it was.
#[derive(Clone, Debug)]
pub struct FoundEnvelope {
    /// The file, and the member or line in it.
    pub place: String,
    /// The envelope.
    pub envelope: Envelope,
}

/// Another tool's document and where it was.
#[derive(Clone, Debug)]
pub struct FoundDocument {
    /// The file, and the member in it.
    pub place: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Collected {
    /// Envelopes, in order.
    pub envelopes: Vec<FoundEnvelope>,
    /// Documents that nobody signed.
    pub documents: Vec<FoundDocument>,
    /// Digests of everything that was there.
    pub attached: BTreeSet<Sha256Digest>,
    /// How many files and members were looked at.
    pub members: u64,
    /// How many bytes were hashed.
    pub hashed_bytes: u64,
    /// What is worth knowing and decides nothing.
    pub notes: Vec<String>,
    /// What is wrong.
    pub refusals: Vec<Refusal>,
}

/// Opens them all.
pub fn collect(inputs: &[Input<'_>]) -> Collected {
    let mut collector = Collector {
        left_bytes: READ_BYTES_MAX,
        ..Collector::default()
    };
    for input in inputs {
        collector.input(*input);
    }
    collector.found
}

#[derive(Default)]
struct Collector {
    found: Collected,
    window: Vec<u8>,
    left_bytes: u64,
}

impl Collector {
    fn input(&mut self, input: Input<'_>) {
        if archive::is_archive(input.source) {
            if let Err(why) = self.bundle(input) {
                self.refuse(Named::Malformed, input.label, why);
            }
            return;
        }
        let whole = Range {
            offset: 0,
            size_bytes: input.source.size_bytes(),
        };
        self.digest(input, whole, input.label);
        match self.read(input.source, whole, DOCUMENT_BYTES_MAX) {
            Ok(bytes) => self.file(input.label, bytes),
            Err(why) => self.refuse(Named::Malformed, input.label, why),
        }
    }

    /// A file that is no archive: an envelope, envelopes a line, or a document.
    fn file(&mut self, label: &str, bytes: Vec<u8>) {
        let is_envelope = |json: &Json| json.at("payloadType").is_some();
        match json::parse(&bytes) {
            Ok(json) if is_envelope(&json) => self.envelope(label, &json),
            Ok(json) if let Some(opened) = open_sigstore(&json) => self.sigstore(label, opened),
            Ok(_) => self.document(label, bytes),
            Err(_) if starts_as_lines(&bytes) => self.lines(label, &bytes),
            // Not JSON: a format in text, or nothing that is known; the readers say.
            Err(_) => self.document(label, bytes),
        }
    }

    fn lines(&mut self, label: &str, bytes: &[u8]) {
        for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let place = format!("{label}, line {}", at.saturating_add(1));
            match json::parse(line) {
                Ok(json) => self.envelope(&place, &json),
                Err(error) => self.refuse(Named::Malformed, &place, error.to_string()),
            }
        }
    }

    fn envelope(&mut self, place: &str, json: &Json) {
        match Envelope::from_json(json) {
            Ok(envelope) => self.found.envelopes.push(FoundEnvelope {
                place: place.to_owned(),
                envelope,
            }),
            Err(why) => self.refuse(Named::Malformed, place, why),
        }
    }

    fn sigstore(&mut self, place: &str, opened: Result<Opened, String>) {
        match opened {
            Ok(opened) => {
                let notes = opened.notes.into_iter();
                let notes = notes.map(|note| format!("{place}: {note}"));
                self.found.notes.extend(notes);
                let envelopes = opened.envelope.into_iter();
                self.found
                    .envelopes
                    .extend(envelopes.map(|envelope| FoundEnvelope {
                        place: place.to_owned(),
                        envelope,
                    }));
            }
            Err(why) => self.refuse(Named::Malformed, place, why),
        }
    }

    fn document(&mut self, place: &str, bytes: Vec<u8>) {
        self.found.documents.push(FoundDocument {
            place: place.to_owned(),
            bytes,
        });
    }

    fn bundle(&mut self, input: Input<'_>) -> Result<(), String> {
        let members = archive::members(input.source)?;
        let (manifest, others) = match members.split_last() {
            Some((last, others)) if last.name == MANIFEST => (last, others),
            _ => return Err(format!("its last member is not {MANIFEST}")),
        };
        let listed = self.read(input.source, manifest.range, ENVELOPE_BYTES_MAX)?;
        let mut listed = manifest_of(&listed)?;
        for member in others {
            let place = format!("{}: {}", input.label, member.name);
            let Some(digest) = self.digest(input, member.range, &place) else {
                continue;
            };
            match listed.remove(&member.name) {
                None => {
                    let why = format!("it is not in {MANIFEST}");
                    self.refuse(Named::MemberUnlisted, &place, why);
                }
                Some(wanted) if wanted != (digest, member.range.size_bytes) => {
                    let why = format!("it is not the file that {MANIFEST} lists");
                    self.refuse(Named::DigestMismatch, &place, why);
                }
                Some(_) => self.member(input, member, &place),
            }
        }
        for name in listed.keys().take(64) {
            let place = format!("{}: {name}", input.label);
            let why = format!("{MANIFEST} lists it and it is not there");
            self.refuse(Named::MemberMissing, &place, why);
        }
        Ok(())
    }

    fn member(&mut self, input: Input<'_>, member: &Member, place: &str) {
        let is_statement = member.name.starts_with(STATEMENTS);
        if !is_statement && !member.name.starts_with(DOCUMENTS) {
            return;
        }
        let bytes_max = match is_statement {
            true => ENVELOPE_BYTES_MAX,
            false => DOCUMENT_BYTES_MAX,
        };
        match self.read(input.source, member.range, bytes_max) {
            Ok(bytes) if is_statement => match json::parse(&bytes) {
                Ok(json) => self.envelope(place, &json),
                Err(error) => self.refuse(Named::Malformed, place, error.to_string()),
            },
            Ok(bytes) => self.file(place, bytes),
            Err(why) => self.refuse(Named::Malformed, place, why),
        }
    }

    fn digest(&mut self, input: Input<'_>, range: Range, place: &str) -> Option<Sha256Digest> {
        self.found.members = self.found.members.saturating_add(1);
        match digest_range(input.source, range, &mut self.window) {
            Ok(digest) => {
                let hashed = self.found.hashed_bytes.saturating_add(range.size_bytes);
                self.found.hashed_bytes = hashed;
                self.found.attached.insert(digest);
                Some(digest)
            }
            Err(why) => {
                self.refuse(Named::Malformed, place, why);
                None
            }
        }
    }

    fn read(
        &mut self,
        source: &dyn Source,
        range: Range,
        bytes_max: u64,
    ) -> Result<Vec<u8>, String> {
        let bytes = read_range(source, range, bytes_max.min(self.left_bytes))?;
        self.left_bytes = self.left_bytes.saturating_sub(range.size_bytes);
        Ok(bytes)
    }

    fn refuse(&mut self, name: Named, place: &str, text: String) {
        Refusal::add(&mut self.found.refusals, name, place, text);
    }
}

fn starts_as_lines(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    json::parse(first).is_ok_and(|json| json.at("payloadType").is_some())
}

/// The members that a manifest lists, with digest and length.
fn manifest_of(bytes: &[u8]) -> Result<BTreeMap<String, (Sha256Digest, u64)>, String> {
    let in_manifest = |why: &str| format!("{MANIFEST}: {why}");
    let json = json::parse(bytes).map_err(|error| in_manifest(&error.to_string()))?;
    let mut listed = BTreeMap::new();
    if json.at("format") != Some(&Json::Integer(MANIFEST_FORMAT)) {
        return Err(in_manifest(
            "its `format` is not 1, the only one that is read",
        ));
    }
    if !matches!(json.at("members"), Some(Json::List(_))) {
        return Err(in_manifest("it has no list `members`"));
    }
    for member in json.items_at("members") {
        let name = member.text_at("name");
        let digest = member.text_at("sha256").and_then(Sha256Digest::parse);
        let size_bytes = match member.at("size_bytes") {
            Some(Json::Integer(size)) => u64::try_from(*size).ok(),
            _ => None,
        };
        let (Some(name), Some(digest), Some(size_bytes)) = (name, digest, size_bytes) else {
            return Err(in_manifest(
                "a member lacks `name`, `sha256` or `size_bytes`",
            ));
        };
        let before = listed.insert(name.to_owned(), (digest, size_bytes));
        if before.is_some() {
            return Err(in_manifest(&format!("it lists {name:?} twice")));
        }
    }
    Ok(listed)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::archive::tests::archive;

    /// A bundle of these members with its manifest.
    pub(crate) fn bundle(members: &[(&str, &[u8])]) -> Vec<u8> {
        let rows: Vec<String> = members
            .iter()
            .map(|(name, content)| {
                format!(
                    r#"{{"name":"{name}","sha256":"{}","size_bytes":{}}}"#,
                    Sha256Digest::of(content),
                    content.len()
                )
            })
            .collect();
        let manifest = format!(r#"{{"format":1,"members":[{}]}}"#, rows.join(","));
        let mut members = members.to_vec();
        members.push((MANIFEST, manifest.as_bytes()));
        archive(&members)
    }

    fn names(bytes: &[u8]) -> Vec<&'static str> {
        let input = Input {
            label: "b",
            source: &bytes,
        };
        let found = collect(&[input]);
        found.refusals.iter().map(|one| one.name.as_str()).collect()
    }

    #[test]
    fn a_bundle_is_what_its_manifest_says() {
        let whole = bundle(&[("a", b"one"), ("blobs/b", b"two")]);
        assert!(names(&whole).is_empty());
        let input = Input {
            label: "b",
            source: &whole.as_slice(),
        };
        let found = collect(&[input]);
        assert!(found.attached.contains(&Sha256Digest::of(b"two")));
        assert_eq!(found.hashed_bytes, 6);
    }

    #[test]
    fn what_the_manifest_does_not_say_is_named() {
        let manifest = br#"{"format":1,"members":[{"name":"x","sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size_bytes":0}]}"#;
        let other = archive(&[("a", b"one"), (MANIFEST, manifest)]);
        assert_eq!(names(&other), ["member-unlisted", "member-missing"]);
        let changed = archive(&[("x", b"one"), (MANIFEST, manifest)]);
        assert_eq!(names(&changed), ["digest-mismatch"]);
        assert_eq!(names(&archive(&[("a", b"one")])), ["malformed"]);
        assert_eq!(
            names(&archive(&[(MANIFEST, br#"{"members":[]}"#)])),
            ["malformed"]
        );
        assert_eq!(
            names(&archive(&[(MANIFEST, manifest), ("z", b"")])),
            ["malformed"]
        );
    }

    #[test]
    fn envelopes_may_come_one_a_line() {
        let line = r#"{"payloadType":"x","payload":"","signatures":[{"sig":""}]}"#;
        let text = format!("{line}\n\n{line}\nno\n");
        let input = Input {
            label: "lines",
            source: &text.as_bytes(),
        };
        let found = collect(&[input]);
        assert_eq!(found.envelopes.len(), 2);
        assert_eq!(found.envelopes[1].place, "lines, line 3");
        assert_eq!(found.refusals.len(), 1);
    }
}
