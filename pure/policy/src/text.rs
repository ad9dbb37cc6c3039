//! A decision as lines for a terminal, and why one rule did or did not fire.

use crate::decide::{Case, Decision, in_force};
use crate::logic::Truth;
use crate::view::{Line, View, labels, short, source, value_sentence};

/// The decision, answer first.
#[must_use]
pub fn to_text(case: &Case<'_>, decision: &Decision) -> Vec<String> {
    let view = View::new(case, decision);
    let mut lines = vec![
        format!(
            "MAY I RUN IT?  {} on \"{}\"",
            view.product, case.system.name
        ),
        format!("Decision: {} [{}]", view.headline, decision.outcome),
        format!("as of {}, expires {}", decision.as_of, decision.expires),
        format!(
            "Pack {} version {} (sha256 {}), dossier sha256 {}",
            case.pack.id,
            case.pack.version,
            short(&case.pack.sha256),
            short(&case.dossier.sha256)
        ),
        view.reader.clone(),
    ];
    part(&mut lines, "Your system", view.system.iter().map(line));
    part(
        &mut lines,
        "The four questions",
        view.questions.iter().map(line),
    );
    part(
        &mut lines,
        "Who can compel, sign and change",
        view.compel.iter().map(line),
    );
    part(&mut lines, "Checked by", view.checked.iter().cloned());
    part(&mut lines, "Why", view.why.iter().map(line));
    if !view.conditions.is_empty() {
        part(&mut lines, "Conditions", view.conditions.iter().cloned());
    }
    ending(&mut lines, &view);
    lines
}

/// What would change it, and what is not known.
fn ending(lines: &mut Vec<String>, view: &View) {
    let better = match view.better.is_empty() {
        true => vec!["nothing that evidence or you could change".to_owned()],
        false => view.better.clone(),
    };
    part(lines, "Would change it for the better", better.into_iter());
    if !view.worse.is_empty() {
        part(
            lines,
            "Would change it for the worse",
            view.worse.iter().cloned(),
        );
    }
    part(
        lines,
        "If you go ahead anyway",
        std::iter::once(view.anyway.clone()),
    );
    if !view.contradicted.is_empty() {
        part(lines, "Contradicted", view.contradicted.iter().cloned());
    }
    part(lines, "Not known, not tested", view.unknown.iter().cloned());
    part(
        lines,
        "The vendor's reply",
        std::iter::once(view.reply.clone()),
    );
    part(lines, "Notes", view.warnings.iter().cloned());
}

/// Why a rule fired or did not; `None` where the pack has no such rule.
#[must_use]
pub fn explain(case: &Case<'_>, decision: &Decision, id: &str) -> Option<Vec<String>> {
    let place = case.pack.rules.iter().position(|rule| rule.id == id)?;
    let rule = case.pack.rules.get(place)?;
    let fired = decision.rules.get(place)?;
    let state = match (in_force(rule, case.as_of), fired.value) {
        (false, _) => "is not in force on this day",
        (true, Truth::True) => "fired",
        (true, Truth::False) => "did not fire",
        (true, Truth::Unknown) => "may fire: what it needs is not known",
        (true, Truth::Contradicted) => "may fire: what it needs is contradicted",
    };
    let mut lines = vec![
        format!("{} {state}: {} [{}]", rule.id, rule.title, labels(rule)),
        format!("asks for: {}", rule.effect.as_str()),
        format!(
            "decided the outcome {}: {}",
            decision.outcome,
            yes(fired.decided)
        ),
        format!("condition: {}", rule.when_text),
        format!("source: {}", source(rule)),
    ];
    let mut places = Vec::new();
    rule.when.facts(&mut places);
    for place in places {
        let Some(fact) = decision.facts.get(place) else {
            continue;
        };
        lines.push(format!(
            "  {} is {}: {}",
            fact.name.id(),
            fact.truth,
            value_sentence(fact)
        ));
        for reason in &fact.because {
            lines.push(format!(
                "    because {} ({})",
                reason.text,
                reason.known.as_str()
            ));
        }
        for missing in &fact.missing {
            lines.push(format!("    not shown: {missing}"));
        }
    }
    Some(lines)
}

fn yes(value: bool) -> &'static str {
    match value {
        true => "yes",
        false => "no",
    }
}

fn part(lines: &mut Vec<String>, title: &str, rows: impl Iterator<Item = String>) {
    let before = lines.len();
    lines.push(String::new());
    lines.push(title.to_owned());
    lines.extend(rows.map(|row| format!("  {row}")));
    if lines.len() == before.saturating_add(2) {
        lines.push("  nothing".to_owned());
    }
}

fn line(line: &Line) -> String {
    format!("{}: {} [{}]", line.label, line.text, line.known)
}
