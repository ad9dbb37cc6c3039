//! The evidence for one system and one dossier, judged by the keys that the system file names: what
//! is about the product against the dossier's build, what is about the system against its name.

use std::collections::BTreeMap;
use std::rc::Rc;

use evidence::collect::{Collected, Input, collect};
use evidence::trust::{
    Attachments, Step, Strictness, TRUST_FORMAT, Trust, TrustPolicy, TrustSubject, TrustedSigner,
};
use evidence::verify::{Verified, read_unverified, verify};
use evidence::{Artifact, Held, Predicate, Sha256Digest, Standing};
use policy::{Dossier, System};
use proto::Question;

use crate::files::File;
use crate::verify::day_of;

/// Notes on evidence that are told.
const NOTES_MAX: usize = 20;
/// Judgements that are kept: a table needs one for each build and one for the system at hand.
const KEPT_MAX: usize = 64;
/// The step of the policy that is made of a system's signers. What is said of it is nobody's
/// business: the pack asks for what is needed.
const STEP: &str = "anything";

/// What was handed over, opened once, and the judgements of it that were made.
pub(crate) struct Judge {
    day: evidence::Date,
    /// Nothing where nothing was handed over.
    found: Option<Collected>,
    kept: BTreeMap<Vec<u8>, Rc<Verified>>,
}

impl Judge {
    /// Opens what was handed over.
    pub(crate) fn new(question: &Question, files: &[File]) -> Result<Self, String> {
        let inputs: Vec<Input<'_>> = files
            .iter()
            .filter(|file| file.part == "bundle")
            .map(|file| Input {
                label: &file.label,
                source: file,
            })
            .collect();
        Ok(Self {
            day: day_of(question)?,
            found: (!inputs.is_empty()).then(|| collect(&inputs)),
            kept: BTreeMap::new(),
        })
    }

    /// Whether nothing was handed over.
    pub(crate) fn has_nothing(&self) -> bool {
        self.found.is_none()
    }

    /// The records with their standing for this pair, and what has to be told of them.
    pub(crate) fn judge(
        &mut self,
        system: &System,
        dossier: &Dossier,
    ) -> Result<(Vec<Held>, Vec<String>), String> {
        let Some(found) = &self.found else {
            return Ok((Vec::new(), Vec::new()));
        };
        if system.signers.is_empty() {
            let read = read_unverified(found);
            let mut notes =
                vec!["the system file names no `[[signer]]`: no evidence counts".to_owned()];
            let told = read.troubles.iter().chain(&read.notes);
            notes.extend(told.map(|note| format!("evidence: {note}")));
            return Ok((read.records, bounded(notes)));
        }
        let of_product = self.verified(system, product_subject(dossier)?)?;
        let of_system = self.verified(system, system_subject(system)?)?;
        let is_of_system = |held: &&Held| policy::is_about_system(held.record.predicate.name());
        let products = of_product.records.iter().filter(|held| !is_of_system(held));
        let systems = of_system.records.iter().filter(is_of_system);
        let records: Vec<Held> = products.chain(systems).cloned().collect();
        let notes = told(&of_product, &of_system, &records);
        Ok((records, bounded(notes)))
    }

    fn verified(&mut self, system: &System, subject: TrustSubject) -> Result<Rc<Verified>, String> {
        let policy = trust(system, subject)?;
        let text = serde_json::to_vec(&policy).map_err(|error| error.to_string())?;
        if let Some(known) = self.kept.get(&text) {
            return Ok(Rc::clone(known));
        }
        let trust = Trust::read(&text, None, self.day)
            .map_err(|error| format!("the system file's signers: {error}"))?;
        let found = self.found.as_ref().ok_or("there is no evidence")?;
        let verified = Rc::new(verify(&trust, self.day, found));
        if self.kept.len() >= KEPT_MAX {
            self.kept.clear();
        }
        self.kept.insert(text, Rc::clone(&verified));
        Ok(verified)
    }
}

/// What is wrong first, then what speaks against records, what is missing and what is no evidence.
fn told(of_product: &Verified, of_system: &Verified, records: &[Held]) -> Vec<String> {
    let step = format!("step {STEP:?}");
    let refusals = of_product
        .refusals
        .iter()
        // The other of both judgements is about these.
        .filter(|refusal| !["wrong-subject", "missing-step"].contains(&refusal.name.as_str()))
        .map(|refusal| format!("{}: {}", refusal.place, refusal.text));
    let missing = records
        .iter()
        .filter(|held| held.standing == Standing::EvidenceMissing)
        .map(|held| {
            format!(
                "{}: {} can't reassure: what it rests on is not in the bundle",
                held.found_in, held.record.predicate
            )
        });
    let notes = of_product.notes.iter().chain(&of_system.notes);
    let notes = notes.filter(|note| !note.starts_with(&step)).cloned();
    let all = refusals.chain(missing).chain(notes);
    all.map(|note| format!("evidence: {note}")).collect()
}

/// Each once, and no more than are read.
pub(crate) fn bounded(notes: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    let mut left_out: usize = 0;
    for note in notes {
        if kept.contains(&note) {
            continue;
        }
        match kept.len() < NOTES_MAX {
            true => kept.push(note),
            false => left_out = left_out.saturating_add(1),
        }
    }
    if left_out > 0 {
        kept.push(format!("evidence: {left_out} more notes are not told"));
    }
    kept
}

fn product_subject(dossier: &Dossier) -> Result<TrustSubject, String> {
    let digest = |text: &str| {
        Sha256Digest::parse(text).ok_or_else(|| format!("{text:?} in the dossier is no SHA-256"))
    };
    let artifacts = dossier.artifacts.iter().map(|text| {
        Ok(Artifact {
            name: "a file of the product".to_owned(),
            sha256: digest(text)?,
        })
    });
    let mut artifacts: Vec<Artifact> = artifacts.collect::<Result<_, String>>()?;
    if artifacts.is_empty() {
        // A dossier that names no build: no evidence is about it.
        artifacts.push(Artifact {
            name: "no build is named".to_owned(),
            sha256: Sha256Digest::of(b"no build is named"),
        });
    }
    Ok(TrustSubject {
        artifacts,
        configuration: dossier.configuration.as_deref().map(digest).transpose()?,
        rule_release: dossier.rule_release.clone(),
        region: dossier.region.clone(),
    })
}

fn system_subject(system: &System) -> Result<TrustSubject, String> {
    let sha256 = Sha256Digest::parse(&system.name_sha256()).ok_or("a digest is none")?;
    Ok(TrustSubject {
        artifacts: vec![Artifact {
            name: system.name.clone(),
            sha256,
        }],
        configuration: None,
        rule_release: None,
        region: None,
    })
}

/// The system's signers as a trust policy. It asks for nothing: what is missing is the pack's
/// business.
fn trust(system: &System, subject: TrustSubject) -> Result<TrustPolicy, String> {
    let signers: Vec<TrustedSigner> = system
        .signers
        .iter()
        .map(|signer| TrustedSigner {
            name: signer.name.clone(),
            keys: vec![signer.key.clone()],
            party: signer.party,
            predicates: None,
            methods: None,
        })
        .collect();
    let names = signers.iter().map(|signer| signer.name.clone()).collect();
    let predicate = Predicate::parse("vendor_claim").ok_or("a predicate is missing")?;
    Ok(TrustPolicy {
        format: TRUST_FORMAT.to_owned(),
        name: system.name.clone(),
        expires: None,
        subject,
        signers,
        steps: vec![Step {
            name: STEP.to_owned(),
            predicate,
            value: None,
            signers: names,
            at_least: 1,
            methods: None,
            age_days_max: None,
        }],
        unknown_signers: Strictness::Ignore,
        unknown_predicates: Strictness::Ignore,
        attachments: Attachments::Required,
    })
}
