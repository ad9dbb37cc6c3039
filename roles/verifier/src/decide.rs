//! `candor decide`: a system, a dossier, evidence and a pack become a decision.

use evidence::envelope::Envelope;
use evidence::json;
use policy::{Acceptance, Case, Date, Dossier, Pack, System};
use proto::Question;
use seal::PublicKey;

use crate::answer::Answer;
use crate::evidence_for::Judge;
use crate::files::{self, File};
use crate::verify::day_of;

/// What a signed acceptance of risk is sent as.
const RISK_ACCEPTANCE: &str = "application/vnd.candor.risk-acceptance+json";

/// Decides, and says why.
pub(crate) fn decide(question: &Question, files: &[File]) -> Result<String, String> {
    let as_of = day(question)?;
    let system = read(files, "system", System::parse)?.ok_or("there is no system file")?;
    let dossier = dossier(question, files)?;
    let pack = pack(question, files, as_of)?;
    let mut judge = Judge::new(question, files)?;
    let (evidence, notes) = judge.judge(&system, &dossier)?;
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
