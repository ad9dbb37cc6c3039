//! What a page, a text and a JSON object say of one decision: the same sentences, put together
//! once. Every line says how it is known; what is not known is a line too.

use crate::acceptance::AcceptanceState;
use crate::catalogue::{Changer, FactName, Side};
use crate::counterfactual::{Change, ChangeSet};
use crate::decide::{Case, Decision, Outcome, rule_at};
use crate::dossier::{Basis, Dossier, PointHolder};
use crate::facts::{FactFinding, derive};
use crate::logic::Truth;
use crate::pack::{Rule, Sourcing};

/// Said on everything: nobody who may say so has read the packs.
pub(crate) const NO_LEGAL_READER: &str =
    "No legal reader has signed this pack. The official decides, not Candor.";

/// A question and its answer.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) label: String,
    pub(crate) text: String,
    pub(crate) known: String,
}

/// One decision in sentences.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) headline: String,
    pub(crate) product: String,
    pub(crate) system: Vec<Line>,
    pub(crate) questions: Vec<Line>,
    pub(crate) compel: Vec<Line>,
    pub(crate) checked: Vec<String>,
    pub(crate) why: Vec<Line>,
    pub(crate) conditions: Vec<String>,
    pub(crate) better: Vec<String>,
    pub(crate) worse: Vec<String>,
    pub(crate) anyway: String,
    pub(crate) unknown: Vec<String>,
    pub(crate) contradicted: Vec<String>,
    pub(crate) reply: String,
    pub(crate) reader: String,
    pub(crate) warnings: Vec<String>,
}

impl View {
    pub(crate) fn new(case: &Case<'_>, decision: &Decision) -> Self {
        let dossier = case.dossier;
        Self {
            headline: headline(decision),
            product: product(dossier),
            system: system(case),
            questions: questions(case),
            compel: compel(dossier),
            checked: checked(case, decision),
            why: why(case, decision),
            conditions: decision.conditions.clone(),
            better: sets(case, &decision.counterfactuals.better),
            worse: sets(case, &decision.counterfactuals.worse),
            anyway: anyway(decision),
            unknown: unknown(decision),
            contradicted: contradicted(decision),
            reply: dossier
                .vendor_reply
                .clone()
                .unwrap_or_else(|| "the dossier does not say whether it was asked".to_owned()),
            reader: match &case.pack.legal_reader {
                Some(name) => format!("The pack names a legal reader: {name}."),
                None => NO_LEGAL_READER.to_owned(),
            },
            warnings: warnings(case),
        }
    }
}

fn headline(decision: &Decision) -> String {
    let better = &decision.counterfactuals.better;
    let curable = better.iter().any(|set| {
        set.changes
            .iter()
            .all(|change| matches!(change, Change::Fact(fact, _) if fact.changer() == Changer::You))
    });
    let open = match decision.may_be_prohibited {
        true => "; a rule may still prohibit it",
        false => "",
    };
    match decision.outcome {
        Outcome::NoObjection => "NO OBJECTION".to_owned(),
        Outcome::Conditions => "ONLY WITH CONDITIONS".to_owned(),
        Outcome::NeedsEvidence => format!("NOT YET: EVIDENCE IS NEEDED{open}"),
        Outcome::AdvisedAgainst if curable => {
            format!("NO, NOT AS CONFIGURED: ADVISED AGAINST, AND CURABLE{open}")
        }
        Outcome::AdvisedAgainst => format!("NO: ADVISED AGAINST{open}"),
        Outcome::Prohibited => "NO: PROHIBITED".to_owned(),
        Outcome::OutOfScope => "THIS PACK DOES NOT SAY: THAT IS NO REASSURANCE".to_owned(),
    }
}

fn product(dossier: &Dossier) -> String {
    let version = match &dossier.version {
        Some(version) => format!(" {version}"),
        None => ", no version named".to_owned(),
    };
    let build = match dossier.artifacts.as_slice() {
        [] => "no build named".to_owned(),
        [only] => format!("sha256 {}", short(only)),
        [first, rest @ ..] => format!("sha256 {} and {} more files", short(first), rest.len()),
    };
    format!("{}{version} ({build})", dossier.product)
}

/// Enough of a digest for a person to compare.
pub(crate) fn short(digest: &str) -> String {
    let start: String = digest.chars().take(12).collect();
    format!("{start}…")
}

fn system(case: &Case<'_>) -> Vec<Line> {
    let system = case.system;
    let line = |label: &str, text: String| Line {
        label: label.to_owned(),
        text,
        known: format!("said by {}", system.information_owner),
    };
    let markings = match system.markings.is_empty() {
        true => String::new(),
        false => format!("–{}", system.markings.join(" ")),
    };
    let harm = match system.state_access_would_harm {
        Some(true) => "yes",
        Some(false) => "no",
        None => "not said",
    };
    vec![
        line(
            "Information",
            format!("{}{markings}", system.classification),
        ),
        line(
            "Would a hostile state's access harm national security?",
            harm.to_owned(),
        ),
        line(
            "Whose",
            format!("{}, {}", system.sector_word(), system.jurisdiction),
        ),
        line("For", system.function.clone()),
    ]
}

fn questions(case: &Case<'_>) -> Vec<Line> {
    let ask = |label: &str, facts: &[FactName]| {
        let found: Vec<FactFinding> = facts.iter().map(|fact| derive(*fact, case)).collect();
        Line {
            label: label.to_owned(),
            text: found
                .iter()
                .map(value_sentence)
                .collect::<Vec<_>>()
                .join("; "),
            known: known(&found),
        }
    };
    vec![
        ask("1 What does it collect?", &[FactName::CollectsContent]),
        ask("2 What could it collect?", &[FactName::CouldCollectContent]),
        ask(
            "3 What can be changed from outside?",
            &[
                FactName::ChangedFromOutside,
                FactName::UpdatesUnauthenticated,
            ],
        ),
        ask(
            "4 What do you control?",
            &[
                FactName::UpdateMirror,
                FactName::EgressRelay,
                FactName::AirGap,
            ],
        ),
    ]
}

/// A fact's value in a sentence.
pub(crate) fn value_sentence(fact: &FactFinding) -> String {
    let holds = fact.name.sentence(Side::Holds);
    match fact.truth {
        Truth::True => holds.to_owned(),
        Truth::False => fact.name.sentence(Side::Fails).to_owned(),
        Truth::Unknown => format!("UNKNOWN whether {holds}"),
        Truth::Contradicted => format!("CONTRADICTED whether {holds}"),
    }
}

fn known(facts: &[FactFinding]) -> String {
    let mut words: Vec<&str> = Vec::new();
    let mut parties: Vec<&str> = Vec::new();
    for fact in facts {
        for reason in &fact.because {
            let word = reason.known.as_str();
            if !words.contains(&word) {
                words.push(word);
            }
        }
        parties.extend(fact.parties.iter().map(String::as_str));
    }
    parties.sort_unstable();
    parties.dedup();
    let by = match parties.as_slice() {
        [] => String::new(),
        [one] => format!(" (single lab: {one})"),
        many => format!(" (replicated: {})", many.join(", ")),
    };
    match words.is_empty() {
        true => "not known".to_owned(),
        false => format!("{}{by}", words.join(", ")),
    }
}

fn compel(dossier: &Dossier) -> Vec<Line> {
    let mut lines = Vec::new();
    if let Some(vendor) = dossier.organisations.get(dossier.vendor) {
        let places = vendor
            .places
            .iter()
            .filter(|place| place.basis != Basis::Staff);
        let places: Vec<String> = places
            .map(|place| {
                let basis = crate::pack::word_of(crate::dossier::BASES, place.basis);
                match &place.country {
                    Ok(country) => format!("{basis} {country}"),
                    Err(reason) => format!("{basis} UNKNOWN ({reason})"),
                }
            })
            .collect();
        lines.push(Line {
            label: "Vendor".to_owned(),
            text: format!("{}: {}", vendor.name, places.join(", ")),
            known: "dossier".to_owned(),
        });
    }
    for row in &dossier.points {
        let by = match &row.by {
            PointHolder::Organisation(by) => dossier.organisation_name(*by).to_owned(),
            PointHolder::Nobody => "nobody".to_owned(),
            PointHolder::Unknown(reason) => format!("UNKNOWN ({reason})"),
        };
        lines.push(Line {
            label: row.point.as_str().replace('_', " "),
            text: by,
            known: match row.source {
                Some(_) => dossier.source_title(row.source),
                None => "not known".to_owned(),
            },
        });
    }
    lines
}

fn checked(case: &Case<'_>, decision: &Decision) -> Vec<String> {
    let mut parties: Vec<&str> = decision
        .facts
        .iter()
        .flat_map(|fact| fact.parties.iter().map(String::as_str))
        .collect();
    parties.sort_unstable();
    parties.dedup();
    let mut lines: Vec<String> = parties
        .iter()
        .map(|party| format!("{party} (evidence that counted)"))
        .collect();
    if lines.is_empty() {
        lines.push(match case.evidence.is_empty() {
            true => "nobody: no evidence was handed over".to_owned(),
            false => "nobody: none of the evidence that was handed over counts".to_owned(),
        });
    }
    lines.push(format!("dossier by {}", case.dossier.prepared_by));
    lines
}

fn why(case: &Case<'_>, decision: &Decision) -> Vec<Line> {
    let fired = decision.rules.iter().filter(|fired| fired.decided);
    let mut lines: Vec<Line> = fired
        .filter_map(|fired| {
            let rule = rule_at(case.pack, fired.place)?;
            Some(Line {
                label: format!("{} [{}]", rule.id, labels(rule)),
                text: format!("{}: {}", rule.title, because(fired.value)),
                known: source(rule),
            })
        })
        .collect();
    if lines.is_empty() {
        lines.push(Line {
            label: "no rule".to_owned(),
            text: "no rule of the pack concerns this product on this system".to_owned(),
            known: case.pack.title.clone(),
        });
    }
    lines
}

fn because(value: Truth) -> &'static str {
    match value {
        Truth::True => "TRUE",
        Truth::False => "FALSE",
        Truth::Unknown => "CANNOT BE RULED OUT",
        Truth::Contradicted => "CONTRADICTED",
    }
}

/// A rule's authority, and how its source was read.
pub(crate) fn labels(rule: &Rule) -> String {
    let press = match rule.sourcing {
        Sourcing::Original => "",
        Sourcing::PressReport => ", from press report: cannot decide alone",
    };
    format!("{}{press}", rule.authority.as_str())
}

/// Where a rule is written, and where our reading goes beyond it.
pub(crate) fn source(rule: &Rule) -> String {
    match &rule.beyond_source {
        Some(beyond) => format!("{} Beyond the source: {beyond}", dotted(&rule.citation)),
        None => dotted(&rule.citation),
    }
}

fn dotted(text: &str) -> String {
    match text.ends_with('.') {
        true => text.to_owned(),
        false => format!("{text}."),
    }
}

fn sets(case: &Case<'_>, sets: &[ChangeSet]) -> Vec<String> {
    sets.iter()
        .map(|set| {
            let changes: Vec<String> = set
                .changes
                .iter()
                .map(|change| sentence(case, *change))
                .collect();
            format!("{}: {}", set.outcome, changes.join("; AND "))
        })
        .collect()
}

/// A change, with whoever could bring it about.
pub(crate) fn sentence(case: &Case<'_>, change: Change) -> String {
    match change {
        Change::ReadOriginal(place) => {
            let rule = rule_at(case.pack, place);
            format!(
                "you: read the original text of {}, and it says what the press report says",
                rule.map_or("a rule", |rule| rule.id.as_str())
            )
        }
        Change::Fact(fact, side) => {
            let what = fact.sentence(side);
            let adverse = side == fact.adverse_side();
            match fact.changer() {
                Changer::You if adverse => format!("you: find that {what}"),
                Changer::You => format!("you: put in place, and show by evidence, that {what}"),
                Changer::InformationOwner => format!("the information owner: says that {what}"),
                who if adverse => format!(
                    "anybody with a source: shows that {what} (e.g. {})",
                    who.as_str()
                ),
                who => format!("{}: evidence would have to show that {what}", who.as_str()),
            }
        }
    }
}

fn anyway(decision: &Decision) -> String {
    if let Some(state) = &decision.acceptance {
        return match state {
            AcceptanceState::InForce(by, until) => {
                format!("The risk was accepted by {by} until {until}. The outcome stays as it is.")
            }
            AcceptanceState::Refused(why) => format!("The risk acceptance does not count: {why}."),
        };
    }
    match decision.outcome {
        Outcome::Prohibited => "Law or order prohibits it; no acceptance of risk goes over that.".to_owned(),
        _ if decision.by_law => "An order stands behind it; no acceptance of risk goes over that.".to_owned(),
        Outcome::AdvisedAgainst | Outcome::NeedsEvidence if decision.may_be_prohibited => {
            "A rule may still prohibit it: settle that first.".to_owned()
        }
        Outcome::AdvisedAgainst | Outcome::NeedsEvidence => {
            "No rule of this pack forbids it: the accountable official may sign a risk acceptance, which ends."
                .to_owned()
        }
        Outcome::Conditions => "Without the conditions this decision does not hold.".to_owned(),
        Outcome::NoObjection => "Nothing has to be accepted.".to_owned(),
        Outcome::OutOfScope => "Another pack, or a person, has to say.".to_owned(),
    }
}

fn unknown(decision: &Decision) -> Vec<String> {
    let open = decision
        .facts
        .iter()
        .filter(|fact| fact.truth == Truth::Unknown);
    open.map(|fact| {
        let sentence = fact.name.sentence(Side::Holds);
        match fact.missing.as_slice() {
            [] => format!("whether {sentence}"),
            missing => format!("whether {sentence}: {}", missing.join("; ")),
        }
    })
    .collect()
}

fn contradicted(decision: &Decision) -> Vec<String> {
    let open = decision
        .facts
        .iter()
        .filter(|fact| fact.truth == Truth::Contradicted);
    open.map(|fact| {
        let reasons: Vec<String> = fact
            .because
            .iter()
            .map(|reason| {
                let side = match reason.side {
                    Side::Holds => "for",
                    Side::Fails => "against",
                };
                format!("{side}: {} ({})", reason.text, reason.known.as_str())
            })
            .collect();
        format!(
            "whether {}: {}",
            fact.name.sentence(Side::Holds),
            reasons.join("; ")
        )
    })
    .collect()
}

fn warnings(case: &Case<'_>) -> Vec<String> {
    let mut warnings = Vec::new();
    if case.dossier.is_fictional {
        warnings.push("The dossier is made up.".to_owned());
    }
    if let Some(why) = case.dossier.stale(case.as_of) {
        warnings.push(format!("No word of it speaks for the product: {why}."));
    }
    warnings.extend(case.evidence_notes.iter().cloned());
    warnings.extend(case.pack.notes.iter().cloned());
    warnings
}
