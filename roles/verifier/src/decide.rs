//! `candor decide`: a system, a dossier, evidence and a pack become a decision.

use evidence::collect::{Input, collect};
use evidence::envelope::Envelope;
use evidence::trust::{
    Attachments, Step, Strictness, TRUST_FORMAT, Trust, TrustPolicy, TrustSubject, TrustedSigner,
};
use evidence::verify::{read_unverified, verify};
use evidence::{Artifact, Held, Predicate, Sha256Digest, json};
use policy::{Acceptance, Case, Date, Dossier, Pack, System};
use proto::Question;
use seal::PublicKey;

use crate::answer::Answer;
use crate::files::{self, File};
use crate::verify::day_of;

/// What a signed acceptance of risk is sent as.
const RISK_ACCEPTANCE: &str = "application/vnd.candor.risk-acceptance+json";
/// Notes on evidence that are told.
const NOTES_MAX: usize = 20;

/// Decides, and says why.
pub(crate) fn decide(question: &Question, files: &[File]) -> Result<String, String> {
    let as_of = day(question)?;
    let system = read(files, "system", System::parse)?.ok_or("there is no system file")?;
    let dossier = dossier(question, files)?;
    let pack = pack(question, files, as_of)?;
    let (evidence, notes) = evidence_for((&system, &dossier), question, files)?;
    let acceptance = acceptance(files, (&pack, &system))?;
    let case = Case {
        system: &system,
        dossier: &dossier,
        evidence: &evidence,
        evidence_notes: &notes,
        pack: &pack,
        acceptance: acceptance.as_ref(),
        as_of,
    };
    let decision = policy::decide(&case);
    let exit = decision.outcome.exit_code();
    if question.setting("form") == Some("html") {
        let report = policy::to_html(&case, &decision);
        let text = Vec::new();
        return Answer { exit, text, report }.to_json();
    }
    let text = match question.setting("explain") {
        None => policy::to_text(&case, &decision),
        Some(rule) => policy::explain(&case, &decision, rule).ok_or_else(|| {
            let rules: Vec<&str> = pack.rules.iter().map(|rule| rule.id.as_str()).collect();
            let rules = rules.join(", ");
            format!(
                "the pack {} has no such rule; its rules are {rules}",
                pack.id
            )
        })?,
    };
    let report = policy::write_json(&policy::to_json(&case, &decision));
    let report: serde_json::Value = serde_json::from_str(&report).map_err(|e| e.to_string())?;
    Answer { exit, text, report }.to_json()
}

/// The day of the question, as packs count days.
pub(crate) fn day(question: &Question) -> Result<Date, String> {
    let day = day_of(question)?.to_string();
    Date::parse(&day).ok_or_else(|| format!("{day} is no day"))
}

/// A small file, read by its reader; its name goes before what is wrong with it.
pub(crate) fn read<T>(
    files: &[File],
    part: &str,
    reader: impl Fn(&str) -> Result<T, policy::ReadError>,
) -> Result<Option<T>, String> {
    let Some(bytes) = files::small(files, part)? else {
        return Ok(None);
    };
    let label = label(files, part);
    let text = String::from_utf8(bytes).map_err(|_| format!("{label}: it is no text in UTF-8"))?;
    let read = reader(&text).map_err(|error| format!("{label}: {error}"))?;
    Ok(Some(read))
}

fn label<'f>(files: &'f [File], part: &'f str) -> &'f str {
    let file = files.iter().find(|file| file.part == part);
    file.map_or(part, |file| &file.label)
}

fn dossier(question: &Question, files: &[File]) -> Result<Dossier, String> {
    if let Some(dossier) = read(files, "dossier", Dossier::parse)? {
        return Ok(dossier);
    }
    let name = question.setting("dossier").ok_or("there is no dossier")?;
    let text = built_in(policy::shipped_dossiers(), ("dossier", name))?;
    Dossier::parse(text).map_err(|error| format!("{name}: {error}"))
}

/// The pack, after it was looked at in every state where it is not built in. Those that are were
/// looked at when this program was tested.
pub(crate) fn pack(question: &Question, files: &[File], as_of: Date) -> Result<Pack, String> {
    let pack = match read(files, "pack", Pack::parse)? {
        Some(pack) => {
            policy::model_check(&pack, as_of).map_err(|breach| {
                format!("{}: the pack is refused: {breach}", label(files, "pack"))
            })?;
            pack
        }
        None => {
            let name = question.setting("pack").ok_or("there is no policy pack")?;
            let text = built_in(policy::shipped_packs(), ("policy pack", name))?;
            Pack::parse(text).map_err(|error| format!("{name}: {error}"))?
        }
    };
    match as_of < pack.effective_from {
        false => Ok(pack),
        true => Err(format!(
            "the pack {} holds from {} on, and --as-of is {as_of}",
            pack.id, pack.effective_from
        )),
    }
}

fn built_in<'t>(
    list: &'t [(&'t str, &'t str)],
    (what, name): (&str, &str),
) -> Result<&'t str, String> {
    let found = list.iter().find(|(known, _)| *known == name);
    found.map(|(_, text)| *text).ok_or_else(|| {
        let known: Vec<&str> = list.iter().map(|(known, _)| *known).collect();
        format!(
            "there is no file and no built-in {what} with that name; built in are {}",
            known.join(", ")
        )
    })
}

/// The evidence, judged by the keys that the system file names: what is about the product against
/// the dossier's build, what is about the system against the system's name.
pub(crate) fn evidence_for(
    (system, dossier): (&System, &Dossier),
    question: &Question,
    files: &[File],
) -> Result<(Vec<Held>, Vec<String>), String> {
    let day = day_of(question)?;
    let inputs: Vec<Input<'_>> = files
        .iter()
        .filter(|file| file.part == "bundle")
        .map(|file| Input {
            label: &file.label,
            source: file,
        })
        .collect();
    if inputs.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let found = collect(&inputs);
    if system.signers.is_empty() {
        let note = "the system file names no `[[signer]]`: no evidence counts".to_owned();
        return Ok((read_unverified(&found).records, vec![note]));
    }
    let of_product = trust(system, product_subject(dossier)?)?;
    let of_system = trust(system, system_subject(system)?)?;
    let trust_of = |policy: &TrustPolicy| {
        let text = serde_json::to_vec(policy).map_err(|error| error.to_string())?;
        Trust::read(&text, None, day).map_err(|error| format!("the system file's signers: {error}"))
    };
    let product = verify(&trust_of(&of_product)?, day, found);
    let system_found = verify(&trust_of(&of_system)?, day, collect(&inputs));
    let is_of_system = |held: &&Held| policy::is_about_system(held.record.predicate.name());
    let mut records: Vec<Held> = product
        .records
        .iter()
        .filter(|held| !is_of_system(held))
        .cloned()
        .collect();
    records.extend(system_found.records.iter().filter(is_of_system).cloned());
    let refusals = product.refusals.iter().filter(|refusal| {
        // The other of both judgements is about these.
        refusal.name.as_str() != "wrong-subject" && refusal.name.as_str() != "missing-step"
    });
    let notes = refusals
        .take(NOTES_MAX)
        .map(|refusal| format!("evidence: {}: {}", refusal.place, refusal.text));
    Ok((records, notes.collect()))
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
            name: "anything".to_owned(),
            predicate,
            value: None,
            signers: names,
            at_least: 1,
            methods: None,
            age_days_max: None,
        }],
        unknown_signers: Strictness::Ignore,
        unknown_predicates: Strictness::Ignore,
        attachments: Attachments::Optional,
    })
}

/// A signed acceptance of risk, with the keys of risk owners that signed it.
fn acceptance(
    files: &[File],
    (pack, system): (&Pack, &System),
) -> Result<Option<Acceptance>, String> {
    let Some(bytes) = files::small(files, "acceptance")? else {
        return Ok(None);
    };
    let label = label(files, "acceptance");
    let at = |why: &dyn std::fmt::Display| format!("{label}: {why}");
    let json = json::parse(&bytes).map_err(|error| at(&error))?;
    let envelope = Envelope::from_json(&json).map_err(|why| at(&why))?;
    if envelope.payload_type != RISK_ACCEPTANCE {
        return Err(at(&format!("its payload is not {RISK_ACCEPTANCE}")));
    }
    let named: Vec<&String> = pack
        .risk_owners
        .iter()
        .chain(&system.risk_owners)
        .map(|(_, key)| key)
        .collect();
    let keys = named.iter().map(|key| PublicKey::parse(key));
    let keys: Vec<PublicKey> = keys.collect::<Result<_, _>>().map_err(|error| at(&error))?;
    let signed = envelope.signed_by(&keys);
    let signed_by = signed
        .into_iter()
        .filter_map(|place| named.get(place).map(|key| (*key).clone()))
        .collect();
    let text = String::from_utf8(envelope.payload).map_err(|_| at(&"its payload is no text"))?;
    let acceptance = Acceptance::parse(&text, signed_by).map_err(|error| at(&error))?;
    Ok(Some(acceptance))
}
