//! `candor decide --portfolio`: many systems and many products, and what has to be decided again.

use std::collections::BTreeMap;

use policy::{Dossier, Grounds, System};
use proto::Question;

use crate::answer::Answer;
use crate::decide::{day, evidence_for, pack, read};
use crate::files::{self, File};

/// Decides each product on each system. Ends with 0: each decision is in the table.
pub(crate) fn decide_all(question: &Question, files: &[File]) -> Result<String, String> {
    let as_of = day(question)?;
    let systems = read(files, "systems", System::parse_list)?.ok_or("there are no systems")?;
    let pack = pack(question, files, as_of)?;
    let dossiers = dossiers(question, files)?;
    // Evidence is about one build and one system; in a table it is judged for the first of each.
    let (Some(system), Some(dossier)) = (systems.first(), dossiers.first()) else {
        return Err("there is no dossier".to_owned());
    };
    let (evidence, _) = evidence_for((system, dossier), question, files)?;
    let grounds = Grounds {
        dossiers: &dossiers,
        evidence: &evidence,
        pack: &pack,
        as_of,
    };
    let rows = policy::portfolio(&systems, &grounds);
    let earlier = earlier(files)?;
    let before = |system: &str, product: &str| {
        earlier
            .get(&(system.to_owned(), product.to_owned()))
            .cloned()
    };
    let reopened = policy::reopened(&systems, (&rows, &grounds), &before);
    let mut text = vec![format!(
        "Pack {} as of {as_of}. No legal reader has signed it.",
        pack.id
    )];
    for row in &rows {
        let name = systems.get(row.system).map_or("", |system| &system.name);
        for (outcome, dossier) in row.outcomes.iter().zip(&dossiers) {
            text.push(format!("{outcome:<16} {name}: {}", dossier.product));
        }
    }
    if !earlier.is_empty() {
        text.push(format!("reopened: {}", reopened.len()));
    }
    for row in &reopened {
        text.push(format!(
            "reopened: {}: {} was {} and is {}",
            row.system, row.product, row.before, row.now
        ));
    }
    let node = policy::portfolio_to_json(&systems, (&rows, &grounds), &reopened);
    let report: serde_json::Value =
        serde_json::from_str(&policy::write_json(&node)).map_err(|error| error.to_string())?;
    Answer {
        exit: 0,
        text,
        report,
    }
    .to_json()
}

fn dossiers(question: &Question, files: &[File]) -> Result<Vec<Dossier>, String> {
    let mut dossiers = Vec::new();
    for file in files.iter().filter(|file| file.part == "dossier") {
        let bytes = files::small(std::slice::from_ref(file), "dossier")?.unwrap_or_default();
        let label = &file.label;
        let text = String::from_utf8(bytes).map_err(|_| format!("{label}: it is no text"))?;
        dossiers.push(Dossier::parse(&text).map_err(|error| format!("{label}: {error}"))?);
    }
    for setting in question
        .settings
        .iter()
        .filter(|setting| setting.key == "dossier")
    {
        let mut known = policy::shipped_dossiers().iter();
        let (name, text) = known
            .find(|(name, _)| *name == setting.value)
            .ok_or("there is no file and no built-in dossier with that name")?;
        dossiers.push(Dossier::parse(text).map_err(|error| format!("{name}: {error}"))?);
    }
    Ok(dossiers)
}

/// The outcomes of an earlier table, by system and product.
fn earlier(files: &[File]) -> Result<BTreeMap<(String, String), String>, String> {
    let Some(node) = read(files, "earlier", policy::parse_json)? else {
        return Ok(BTreeMap::new());
    };
    let decisions = node
        .member("decisions")
        .ok_or("the earlier table has no `decisions`")?;
    let rows = decisions.items().iter().map(|row| {
        let text = |key: &str| {
            row.member(key)
                .and_then(policy::Node::as_text)
                .map(str::to_owned)
        };
        Some(((text("system")?, text("product")?), text("outcome")?))
    });
    rows.collect::<Option<_>>()
        .ok_or_else(|| "the earlier table has a row without system, product or outcome".to_owned())
}
