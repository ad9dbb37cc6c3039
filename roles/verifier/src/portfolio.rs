//! `candor decide --portfolio`: many systems and many products, and what has to be decided again.

use std::collections::{BTreeMap, BTreeSet};

use policy::{Dossier, Grounds, PortfolioRow, System};
use proto::Question;

use crate::answer::Answer;
use crate::decide::{day, pack, read};
use crate::evidence_for::{Judge, bounded};
use crate::files::{self, File};

/// Decides each product on each system. Ends with 0: each decision is in the table.
pub(crate) fn decide_all(question: &Question, files: &[File]) -> Result<String, String> {
    let as_of = day(question)?;
    let systems = read(files, "systems", System::parse_list)?.ok_or("there are no systems")?;
    let pack = pack(question, files, as_of)?;
    let dossiers = dossiers(question, files)?;
    if systems.is_empty() || dossiers.is_empty() {
        return Err("there is no dossier".to_owned());
    }
    let grounds = Grounds {
        dossiers: &dossiers,
        evidence: &[],
        pack: &pack,
        as_of,
    };
    let mut judge = Judge::new(question, files)?;
    let (rows, notes) = match judge.has_nothing() {
        true => (policy::portfolio(&systems, &grounds), Vec::new()),
        false => by_pair(&systems, &grounds, &mut judge)?,
    };
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
    text.extend(notes.iter().cloned());
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
    let mut report: serde_json::Value =
        serde_json::from_str(&policy::write_json(&node)).map_err(|error| error.to_string())?;
    if let Some(report) = report.as_object_mut() {
        report.insert("warnings".to_owned(), notes.into());
    }
    Answer {
        exit: 0,
        text,
        report,
    }
    .to_json()
}

/// Decides each pair by itself: evidence is about one build and one system, and each system's own
/// signers judge it.
fn by_pair(
    systems: &[System],
    grounds: &Grounds<'_>,
    judge: &mut Judge,
) -> Result<(Vec<PortfolioRow>, Vec<String>), String> {
    let mut rows = Vec::new();
    let mut notes = BTreeSet::new();
    for (place, system) in systems.iter().enumerate() {
        let mut outcomes = Vec::new();
        for dossier in grounds.dossiers {
            let (evidence, told) = judge.judge(system, dossier)?;
            notes.extend(told);
            let pair = Grounds {
                dossiers: std::slice::from_ref(dossier),
                evidence: &evidence,
                ..*grounds
            };
            let row = policy::portfolio(std::slice::from_ref(system), &pair);
            outcomes.extend(row.into_iter().flat_map(|row| row.outcomes));
        }
        rows.push(PortfolioRow {
            system: place,
            outcomes,
        });
    }
    Ok((rows, bounded(notes.into_iter().collect())))
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
