//! Other tools' evidence as records: what it says, how whoever says it could know, and no more.
//!
//! What is not signed by somebody independent is the vendor's word, whatever its form. What is
//! bound to no file by SHA-256 says nothing of a build, and yields no record. What a document says
//! beyond what is read here is named, never guessed.

mod cyclonedx;
mod openvex;
mod sigstore;
mod slsa;
mod spdx;

use crate::json::{self, Json};
use crate::statement::Statement;
use crate::{
    Artifact, Confidence, Counter, Date, Fact, Method, Party, Predicate, Record, Sha256Digest,
    Signer, Subject, Value,
};

pub(crate) use sigstore::{Opened, open as open_sigstore};

/// Items of one list that are kept.
const ITEMS_MAX: usize = 20_000;
/// The longest item.
const ITEM_CHARS_MAX: usize = 300;

/// What a document says.
#[derive(Clone, Debug, Default)]
pub struct Read {
    /// Its form: `cyclonedx`, `spdx`…
    pub kind: &'static str,
    /// What it says of its subject.
    pub records: Vec<Record>,
    /// What is worth knowing beside that.
    pub notes: Vec<String>,
}

/// The records of a statement whose predicate is somebody else's; `None` where it is not known.
#[must_use]
pub fn of_statement(statement: &Statement, signers: &[Signer]) -> Option<Result<Read, String>> {
    let reader = Reader {
        artifacts: statement.artifacts.clone(),
        is_independent: signers.iter().any(|one| one.party != Party::Vendor),
        signer: signers.first().map(|signer| signer.name.clone()),
    };
    let said = &statement.predicate;
    let kind = statement.predicate_type.trim_end_matches('/');
    Some(match kind {
        "https://slsa.dev/provenance/v1" => slsa::v1(said, &reader),
        "https://slsa.dev/provenance/v0.2" => slsa::v02(said, &reader),
        "https://cyclonedx.org/bom" => cyclonedx::read(said, &reader),
        "https://spdx.dev/Document" => spdx::read(said, &reader),
        _ if kind.starts_with("https://cyclonedx.org/bom/v1.") => cyclonedx::read(said, &reader),
        _ if kind.starts_with("https://spdx.dev/Document/v") => spdx::read(said, &reader),
        _ if kind.starts_with("https://openvex.dev/ns") => openvex::read(said, &reader),
        _ => return None,
    })
}

/// The records of a document that nobody signed.
pub fn of_document(bytes: &[u8]) -> Result<Read, String> {
    let json = json::parse(bytes)
        .map_err(|error| format!("it is neither an archive nor JSON that is read here: {error}"))?;
    let reader = Reader::default();
    if json.text_at("bomFormat") == Some("CycloneDX") {
        return cyclonedx::read(&json, &reader);
    }
    if spdx::is_one(&json) {
        return spdx::read(&json, &reader);
    }
    let context = json.text_at("@context").unwrap_or_default();
    if context.starts_with("https://openvex.dev/ns") {
        return openvex::read(&json, &reader);
    }
    if json.text_at("_type").is_some() {
        return unsigned_statement(bytes);
    }
    Err(
        "it is no document that is read here: bundles, DSSE envelopes, in-toto statements, \
         CycloneDX, SPDX, OpenVEX and Sigstore bundles are"
            .to_owned(),
    )
}

/// A statement outside an envelope.
fn unsigned_statement(bytes: &[u8]) -> Result<Read, String> {
    let statement = Statement::parse(bytes)?;
    if statement.predicate_type == crate::statement::RECORDS_TYPE {
        return Ok(Read {
            kind: "unsigned statement",
            records: statement.records()?,
            notes: Vec::new(),
        });
    }
    of_statement(&statement, &[]).unwrap_or_else(|| {
        let kind: String = statement.predicate_type.chars().take(100).collect();
        Err(format!("its predicate is {kind:?}"))
    })
}

/// What is known before a document is looked at: who signed it, and of which files it speaks.
#[derive(Clone, Debug, Default)]
struct Reader {
    artifacts: Vec<Artifact>,
    is_independent: bool,
    signer: Option<String>,
}

/// What all records of one document have in common.
struct Author<'a> {
    product: String,
    artifacts: Vec<Artifact>,
    name: &'a str,
    day: Option<Date>,
    method: Method,
}

impl Reader {
    /// The files that the document is about: those of its statement, else its own.
    fn artifacts_or(&self, own: Vec<Artifact>) -> Vec<Artifact> {
        match self.artifacts.is_empty() {
            true => own,
            false => self.artifacts.clone(),
        }
    }

    /// How whoever says it knows it.
    fn method(&self, of_independent: Method) -> Method {
        match self.is_independent {
            true => of_independent,
            false => Method::VendorStated,
        }
    }

    /// Who says it: whoever signed it, not whoever the document names.
    fn name<'a>(&'a self, claimed: &'a str) -> &'a str {
        let claimed = if claimed.trim().is_empty() {
            "unnamed"
        } else {
            claimed
        };
        self.signer.as_deref().unwrap_or(claimed)
    }
}

impl Author<'_> {
    /// Adds what a list says, if it says anything and is bound to a file.
    fn say(&self, read: &mut Read, predicate: &str, items: Vec<String>) {
        let Some(predicate) = Predicate::parse(predicate) else {
            return;
        };
        if items.is_empty() || self.artifacts.is_empty() {
            return;
        }
        let mut items = items;
        items.sort();
        items.dedup();
        if items.len() > ITEMS_MAX {
            let left_out = items.len().saturating_sub(ITEMS_MAX);
            read.notes
                .push(format!("{left_out} items of {predicate} are left out"));
            items.truncate(ITEMS_MAX);
        }
        read.records.push(self.record(predicate, Fact::List(items)));
    }

    fn record(&self, predicate: Predicate, fact: Fact) -> Record {
        Record {
            subject: Subject {
                product: self.product.clone(),
                artifacts: self.artifacts.clone(),
                configuration: None,
                rule_release: None,
                region: None,
            },
            predicate,
            organisation: None,
            value: Value::Known(fact),
            asserted_by: item(self.name),
            method: self.method,
            evidence: Vec::new(),
            // Without a date it may be of any age.
            as_of: self.day.unwrap_or(Date::EARLIEST),
            expires: None,
            confidence: Confidence::Medium,
            counter: Vec::<Counter>::new(),
        }
    }

    /// What the reader should know of what was not said.
    fn note_gaps(&self, read: &mut Read) {
        if self.artifacts.is_empty() {
            let why = "it is bound to no file by SHA-256, so that it says nothing of your build";
            read.notes.push(why.to_owned());
        }
        if self.day.is_none() {
            read.notes
                .push("it has no date, and may be of any age".to_owned());
        }
    }
}

/// A text of somebody else, no longer than it needs to be.
fn item(text: &str) -> String {
    let text: String = text.chars().take(ITEM_CHARS_MAX).collect();
    match text.trim().is_empty() {
        true => "unnamed".to_owned(),
        false => text,
    }
}

/// A file by name and the text of its digest.
fn artifact(name: &str, sha256: &str) -> Option<Artifact> {
    Some(Artifact {
        name: item(name),
        sha256: Sha256Digest::parse(sha256)?,
    })
}

/// `name` with `@version` behind it, where there is one.
fn versioned(name: &str, version: Option<&str>) -> String {
    match version.filter(|version| !version.is_empty()) {
        Some(version) => item(&format!("{name}@{version}")),
        None => item(name),
    }
}

fn day_at(json: &Json, key: &str) -> Option<Date> {
    json.text_at(key).and_then(Date::of_timestamp)
}

#[cfg(test)]
mod tests;
