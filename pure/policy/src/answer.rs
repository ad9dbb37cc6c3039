//! A decision as one JSON value, `docs/schema/decision.schema.json`.

use crate::acceptance::AcceptanceState;
use crate::counterfactual::{Change, ChangeSet};
use crate::decide::{Case, Decision, rule_at};
use crate::node::{Entry, Node, Value};
use crate::view::{Line, View, sentence};

/// The format's name.
const FORMAT: &str = "candor-decision/1";

/// The decision as a value.
#[must_use]
pub fn to_json(case: &Case<'_>, decision: &Decision) -> Node {
    let view = View::new(case, decision);
    table([
        ("format", text(FORMAT)),
        ("outcome", text(decision.outcome.as_str())),
        ("exit_code", number(u32::from(decision.outcome.exit_code()))),
        ("headline", text(&view.headline)),
        ("as_of", text(&decision.as_of.to_string())),
        ("expires", text(&decision.expires.to_string())),
        ("product", text(&view.product)),
        (
            "fictional",
            Node::new(Value::Bool(case.dossier.is_fictional)),
        ),
        ("dossier_sha256", text(&case.dossier.sha256)),
        ("system", text(&case.system.name)),
        ("system_sha256", text(&case.system.sha256)),
        ("system_name_sha256", text(&case.system.name_sha256())),
        ("pack", pack(case)),
        ("about_system", lines(&view.system)),
        ("questions", lines(&view.questions)),
        ("who_can_compel", lines(&view.compel)),
        ("checked_by", texts(&view.checked)),
        (
            "rules",
            list(decision.rules.iter().filter_map(|fired| rule(case, fired))),
        ),
        ("facts", list(decision.facts.iter().map(fact))),
        ("conditions", texts(&view.conditions)),
        ("would_better", sets(case, &decision.counterfactuals.better)),
        ("would_worsen", sets(case, &decision.counterfactuals.worse)),
        (
            "may_be_prohibited",
            Node::new(Value::Bool(decision.may_be_prohibited)),
        ),
        ("by_law", Node::new(Value::Bool(decision.by_law))),
        ("going_ahead", text(&view.anyway)),
        ("risk_acceptance", acceptance(decision)),
        ("not_known", texts(&view.unknown)),
        ("contradicted", texts(&view.contradicted)),
        ("vendor_reply", text(&view.reply)),
        ("notes", texts(&view.warnings)),
    ])
}

fn pack(case: &Case<'_>) -> Node {
    let pack = case.pack;
    table([
        ("id", text(&pack.id)),
        ("version", text(&pack.version)),
        ("title", text(&pack.title)),
        ("sha256", text(&pack.sha256)),
        (
            "legal_reader",
            pack.legal_reader.as_deref().map_or(null(), text),
        ),
    ])
}

fn rule(case: &Case<'_>, fired: &crate::decide::FiredRule) -> Option<Node> {
    let rule = rule_at(case.pack, fired.place)?;
    Some(table([
        ("id", text(&rule.id)),
        ("title", text(&rule.title)),
        ("value", text(fired.value.as_str())),
        ("effect", text(rule.effect.as_str())),
        ("authority", text(rule.authority.as_str())),
        ("sourcing", text(rule.sourcing.as_str())),
        ("citation", text(&rule.citation)),
        (
            "beyond_source",
            rule.beyond_source.as_deref().map_or(null(), text),
        ),
        ("in_force", Node::new(Value::Bool(fired.in_force))),
        ("decided", Node::new(Value::Bool(fired.decided))),
        ("condition", text(&rule.when_text)),
    ]))
}

fn fact(fact: &crate::facts::FactFinding) -> Node {
    let because = fact.because.iter().map(|reason| {
        table([
            ("text", text(&reason.text)),
            ("known", text(reason.known.as_str())),
        ])
    });
    table([
        ("id", text(fact.name.id())),
        ("area", text(fact.name.area().as_str())),
        ("value", text(fact.truth.as_str())),
        ("sentence", text(&crate::view::value_sentence(fact))),
        ("because", list(because)),
        ("missing", texts(&fact.missing)),
        ("shown_by", texts(&fact.parties)),
        (
            "expires",
            fact.expires.map_or(null(), |last| text(&last.to_string())),
        ),
    ])
}

fn sets(case: &Case<'_>, sets: &[ChangeSet]) -> Node {
    list(sets.iter().map(|set| {
        let changes = set.changes.iter().map(|change| {
            let (fact, by) = match change {
                Change::Fact(fact, _) => (text(fact.id()), text(fact.changer().as_str())),
                Change::ReadOriginal(_) => (null(), text("you")),
            };
            table([
                ("fact", fact),
                ("by", by),
                ("text", text(&sentence(case, *change))),
            ])
        });
        table([
            ("outcome", text(set.outcome.as_str())),
            ("changes", list(changes)),
        ])
    }))
}

fn acceptance(decision: &Decision) -> Node {
    match &decision.acceptance {
        None => null(),
        Some(AcceptanceState::InForce(by, until)) => table([
            ("in_force", Node::new(Value::Bool(true))),
            ("by", text(by)),
            ("until", text(&until.to_string())),
        ]),
        Some(AcceptanceState::Refused(why)) => table([
            ("in_force", Node::new(Value::Bool(false))),
            ("why", text(why)),
        ]),
    }
}

fn lines(lines: &[Line]) -> Node {
    list(lines.iter().map(|line| {
        table([
            ("label", text(&line.label)),
            ("text", text(&line.text)),
            ("known", text(&line.known)),
        ])
    }))
}

pub(crate) fn null() -> Node {
    Node::new(Value::Null)
}

pub(crate) fn text(value: &str) -> Node {
    Node::new(Value::Text(value.to_owned()))
}

pub(crate) fn number(value: u32) -> Node {
    Node::new(Value::Number(value.to_string()))
}

pub(crate) fn texts(values: &[String]) -> Node {
    list(values.iter().map(|value| text(value)))
}

pub(crate) fn list(items: impl Iterator<Item = Node>) -> Node {
    Node::new(Value::List(items.collect()))
}

pub(crate) fn table<const N: usize>(entries: [(&str, Node); N]) -> Node {
    let entries = entries.into_iter().map(|(key, node)| Entry {
        key: key.to_owned(),
        node,
    });
    Node::new(Value::Table(entries.collect()))
}

/// A portfolio as one value, `docs/schema/portfolio.schema.json`.
#[must_use]
pub fn portfolio_to_json(
    systems: &[crate::system::System],
    (rows, grounds): (
        &[crate::portfolio::PortfolioRow],
        &crate::portfolio::Grounds<'_>,
    ),
    reopened: &[crate::portfolio::Reopened],
) -> Node {
    let rows = rows.iter().flat_map(|row| {
        let system = systems.get(row.system);
        let system = system.map_or("", |system| system.name.as_str());
        row.outcomes
            .iter()
            .zip(grounds.dossiers)
            .map(move |(outcome, dossier)| {
                table([
                    ("system", text(system)),
                    ("product", text(&dossier.product)),
                    ("outcome", text(outcome.as_str())),
                ])
            })
    });
    let reopened = reopened.iter().map(|row| {
        table([
            ("system", text(&row.system)),
            ("product", text(&row.product)),
            ("before", text(&row.before)),
            ("now", text(row.now.as_str())),
        ])
    });
    table([
        ("format", text("candor-portfolio/1")),
        ("as_of", text(&grounds.as_of.to_string())),
        ("pack", text(&grounds.pack.id)),
        ("pack_sha256", text(&grounds.pack.sha256)),
        ("decisions", list(rows)),
        ("reopened", list(reopened)),
    ])
}
