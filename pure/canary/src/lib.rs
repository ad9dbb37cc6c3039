//! Canary documents: files that look like an office's, each with secrets that occur nowhere else.
//!
//! A run's documents come from its seed and nothing else, so that the analyst makes them again and
//! knows every byte that must not leave. Every 16 bytes of a secret are unique among all runs: what
//! is found is no accident. It writes and never reads: nothing here parses anything.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::arithmetic_side_effects
    )
)]

mod archive;
mod base64;
mod digests;
mod mail;
mod office;
mod pdf;
mod pictures;
mod random;
mod texts;

use lab::plan::{DocumentKind, Documents, Marking};

pub use digests::{Digest, digests};
use random::Random;

/// The shortest part of a secret that is searched for, and that is unique.
pub const WINDOW_BYTES: usize = 16;

/// A document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its file's name, a secret itself.
    pub name: String,
    /// Its kind.
    pub kind: DocumentKind,
    /// The protective marking that it bears.
    pub marking: Option<Marking>,
    /// The file.
    pub bytes: Vec<u8>,
    /// What of it must not be seen elsewhere.
    pub secrets: Vec<Secret>,
}

/// A part of a document that occurs nowhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// What it is, in a few words.
    pub part: &'static str,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A document without its name.
#[derive(Debug, Default)]
struct Body {
    bytes: Vec<u8>,
    secrets: Vec<Secret>,
    extension: &'static str,
}

/// The documents of the run with this seed, in the order of the plan's kinds.
#[must_use]
pub fn documents(seed: &[u8; 32], wanted: &Documents) -> Vec<Document> {
    let kinds = wanted.by_kind().into_iter();
    let kinds = kinds.flat_map(|(kind, count)| (0..count).map(move |number| (kind, number)));
    let markings: Vec<Marking> = wanted.markings.iter().copied().collect();
    let mut next_marking = markings.iter().cycle();
    kinds
        .map(|(kind, number)| document(seed, (kind, number), next_marking.next().copied()))
        .collect()
}

/// The seed of a run, where all seeds come from one.
#[must_use]
pub fn derived_seed(base: &[u8; 32], run: &str) -> [u8; 32] {
    let mut random = Random::new(base, &format!("seed of run {run}"));
    random.array()
}

fn document(
    seed: &[u8; 32],
    (kind, number): (DocumentKind, u32),
    marking: Option<Marking>,
) -> Document {
    let mut random = Random::new(seed, &format!("{kind:?} {number}"));
    let stem = random.word(20);
    let banner = marking.map_or("", |marking| banner(marking, number));
    let mut body = match kind {
        DocumentKind::Text => texts::text(banner, &mut random),
        DocumentKind::Docx => office::docx(banner, &mut random),
        DocumentKind::Xlsx => office::xlsx(banner, &mut random),
        DocumentKind::Pdf => pdf::pdf(banner, &mut random),
        DocumentKind::Eml => mail::eml(banner, &mut random),
        DocumentKind::Jpeg => pictures::jpeg(banner, &mut random),
        DocumentKind::Png => pictures::png(banner, &mut random),
        DocumentKind::Zip => archive::zip_in_zip(banner, &mut random),
        DocumentKind::Source => texts::source(banner, &mut random),
        DocumentKind::Key => texts::key(&mut random),
        DocumentKind::Csv => texts::csv(banner, &mut random),
        DocumentKind::Detected => texts::detected(banner, number, &mut random),
    };
    let name = format!("{}-{stem}.{}", purpose(kind), body.extension);
    body.secrets.push(Secret {
        part: "file name",
        bytes: stem.into_bytes(),
    });
    Document {
        name,
        kind,
        marking,
        bytes: body.bytes,
        secrets: body.secrets,
    }
}

fn purpose(kind: DocumentKind) -> &'static str {
    match kind {
        DocumentKind::Text => "minutes",
        DocumentKind::Docx => "briefing",
        DocumentKind::Xlsx => "budget",
        DocumentKind::Pdf => "assessment",
        DocumentKind::Eml => "message",
        DocumentKind::Jpeg => "photograph",
        DocumentKind::Png => "diagram",
        DocumentKind::Zip => "archive",
        DocumentKind::Source => "module",
        DocumentKind::Key => "server",
        DocumentKind::Csv => "contacts",
        DocumentKind::Detected => "received",
    }
}

fn banner(marking: Marking, number: u32) -> &'static str {
    match (marking, number % 3) {
        (Marking::Uk, 0) => "OFFICIAL-SENSITIVE",
        (Marking::Uk, 1) => "SECRET UK EYES ONLY",
        (Marking::Uk, _) => "OFFICIAL-SENSITIVE [PERSONAL]",
        (Marking::Us, 0) => "CUI//SP-PRVCY//NOFORN",
        (Marking::Us, 1) => "SECRET//NOFORN",
        (Marking::Us, _) => "CUI//SP-CTI",
        (Marking::Eu, 0) => "RESTREINT UE/EU RESTRICTED",
        (Marking::Eu, 1) => "LIMITE",
        (Marking::Eu, _) => "CONFIDENTIEL UE/EU CONFIDENTIAL",
    }
}

#[cfg(test)]
mod tests;
