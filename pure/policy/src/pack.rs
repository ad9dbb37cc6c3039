//! A policy pack: whose rules, over which facts, with which parameters. Data, read strictly.
//!
//! A rule without a citation, an authority and the way its source was read is refused.

use sha2::{Digest, Sha256};

use crate::catalogue::FactName;
use crate::date::Date;
use crate::decide::Outcome;
use crate::logic::Condition;
use crate::node::{Fields, Node, ReadError, list, text};
use crate::toml_reader;

/// Packs with more facts can't be looked at in every state.
pub(crate) const FACTS_MAX: usize = 15;
const RULES_MAX: usize = 64;
/// So many facts may be named in all conditions together.
const TERMS_MAX: usize = 2048;
/// A decision without another term is looked at again after so many days.
const DECISION_DAYS: u32 = 90;
const RISK_DAYS: u32 = 90;
const PERCENT_DEFAULT: u32 = 50;

/// What stands behind a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authority {
    /// A law.
    Law,
    /// An order or a decision that binds those whom it addresses.
    Order,
    /// Advice of a national authority.
    NationalAdvice,
    /// What a department decided for itself.
    DepartmentDefault,
}

/// How the source was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sourcing {
    /// Its own text.
    Original,
    /// What others wrote about it. Such a rule can't decide alone.
    PressReport,
}

/// What a rule asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Nothing speaks against it.
    NoObjection,
    /// Only with something in place.
    Conditions,
    /// Better not.
    AdvisedAgainst,
    /// Not allowed.
    Prohibited,
}

/// A rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name within the pack.
    pub id: String,
    /// What it says, in one line.
    pub title: String,
    pub(crate) when: Condition,
    /// The condition as the pack writes it.
    pub when_text: String,
    /// What it asks for.
    pub effect: Effect,
    /// What stands behind it.
    pub authority: Authority,
    /// Where it is written.
    pub citation: String,
    /// How that was read.
    pub sourcing: Sourcing,
    /// Where our reading goes beyond the source.
    pub beyond_source: Option<String>,
    /// What must be put in place.
    pub conditions: Vec<String>,
    /// The first day that it holds.
    pub effective_from: Option<Date>,
    /// The last day that it holds.
    pub effective_to: Option<Date>,
}

/// A state that the pack lists, and why.
#[derive(Clone, Debug)]
pub(crate) struct ListedState {
    pub(crate) country: String,
    pub(crate) compels: bool,
    pub(crate) offensive: bool,
}

/// An organisation that an order names.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) names: Vec<String>,
    pub(crate) order: String,
    /// It holds for government systems only.
    pub(crate) is_for_government: bool,
}

/// What must hold of the pack's own outcomes, in every state.
#[derive(Clone, Debug)]
pub(crate) struct Must {
    pub(crate) when: Condition,
    pub(crate) when_text: String,
    pub(crate) at_least: Outcome,
}

/// A pack.
#[derive(Clone, Debug)]
pub struct Pack {
    /// Its name.
    pub id: String,
    /// What it is, in one line.
    pub title: String,
    /// The version of its text.
    pub version: String,
    /// The country whose rules these are.
    pub jurisdiction: String,
    /// SHA-256 of its text, in hexadecimal.
    pub sha256: String,
    /// The first day for which it can be asked.
    pub effective_from: Date,
    /// The legal reader who signed it; so far nobody.
    pub legal_reader: Option<String>,
    /// What it does not say, or where its sources could not be read.
    pub notes: Vec<String>,
    /// Its facts, in order.
    pub facts: Vec<FactName>,
    /// Its rules, in order.
    pub rules: Vec<Rule>,
    /// For how many days a decision holds.
    pub decision_days: u32,
    /// For how many days a risk may be accepted.
    pub risk_days_max: u32,
    /// Keys of those who may accept a risk, as `NAME` and hexadecimal Ed25519.
    pub risk_owners: Vec<(String, String)>,
    pub(crate) states: Vec<ListedState>,
    /// From this share on, in hundredths of a percent, an owner controls.
    pub(crate) control_share: u32,
    pub(crate) named: Vec<Named>,
    pub(crate) musts: Vec<Must>,
}

pub(crate) const PACK_KEYS: &[&str] = &[
    "id",
    "title",
    "version",
    "jurisdiction",
    "effective_from",
    "legal_reader",
    "notes",
    "facts",
    "decision_days",
    "risk_acceptance_days_max",
    "control_threshold_percent",
    "risk_owner",
    "state",
    "named",
    "rule",
    "must",
];
pub(crate) const RULE_KEYS: &[&str] = &[
    "id",
    "title",
    "when",
    "effect",
    "authority",
    "citation",
    "sourcing",
    "beyond_source",
    "conditions",
    "effective_from",
    "effective_to",
];
pub(crate) const STATE_KEYS: &[&str] = &["country", "compels", "offensive", "citation"];
pub(crate) const NAMED_KEYS: &[&str] = &["names", "order", "scope"];
pub(crate) const MUST_KEYS: &[&str] = &["when", "at_least"];
pub(crate) const OWNER_KEYS: &[&str] = &["name", "key"];

const EFFECTS: &[(&str, Effect)] = &[
    ("no-objection", Effect::NoObjection),
    ("conditions", Effect::Conditions),
    ("advised-against", Effect::AdvisedAgainst),
    ("prohibited", Effect::Prohibited),
];
const OUTCOMES: &[(&str, Outcome)] = &[
    ("conditions", Outcome::Conditions),
    ("needs-evidence", Outcome::NeedsEvidence),
    ("advised-against", Outcome::AdvisedAgainst),
    ("prohibited", Outcome::Prohibited),
];
const AUTHORITIES: &[(&str, Authority)] = &[
    ("law", Authority::Law),
    ("order", Authority::Order),
    ("national-advice", Authority::NationalAdvice),
    ("department-default", Authority::DepartmentDefault),
];
const SOURCINGS: &[(&str, Sourcing)] = &[
    ("original", Sourcing::Original),
    ("press-report", Sourcing::PressReport),
];

impl Pack {
    /// Reads a pack from TOML.
    pub fn parse(source: &str) -> Result<Self, ReadError> {
        let node = toml_reader::parse(source)?;
        crate::persons::refuse(&node)?;
        let fields = Fields::new(&node, PACK_KEYS)?;
        let facts = facts(fields.required("facts")?)?;
        let rules = rules(fields.required("rule")?, &facts)?;
        let musts = fields.list("must")?.iter().map(|node| must(node, &facts));
        let musts: Vec<Must> = musts.collect::<Result<_, _>>()?;
        bounded(&rules, &musts)?;
        let percent = fields.optional_count("control_threshold_percent")?;
        let percent = percent.unwrap_or(PERCENT_DEFAULT);
        if !(1..=100).contains(&percent) {
            return Err(ReadError::whole(
                "`control_threshold_percent` is from 1 to 100",
            ));
        }
        let jurisdiction = fields.text("jurisdiction")?;
        check_country(&jurisdiction, fields.line())?;
        Ok(Self {
            id: fields.text("id")?,
            title: fields.text("title")?,
            version: fields.text("version")?,
            jurisdiction,
            sha256: sha256(source.as_bytes()),
            effective_from: fields.date("effective_from")?,
            legal_reader: fields.optional_text("legal_reader")?,
            notes: fields.texts("notes")?,
            musts,
            facts,
            rules,
            decision_days: fields
                .optional_count("decision_days")?
                .unwrap_or(DECISION_DAYS),
            risk_days_max: fields
                .optional_count("risk_acceptance_days_max")?
                .unwrap_or(RISK_DAYS),
            risk_owners: fields
                .list("risk_owner")?
                .iter()
                .map(risk_owner)
                .collect::<Result<_, _>>()?,
            states: fields
                .list("state")?
                .iter()
                .map(state)
                .collect::<Result<_, _>>()?,
            control_share: percent.saturating_mul(100),
            named: fields
                .list("named")?
                .iter()
                .map(named)
                .collect::<Result<_, _>>()?,
        })
    }

    /// Whether a pack asks for this fact.
    #[must_use]
    pub fn place(&self, fact: FactName) -> Option<usize> {
        self.facts.iter().position(|known| *known == fact)
    }
}

/// SHA-256 in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

fn facts(node: &Node) -> Result<Vec<FactName>, ReadError> {
    let mut facts = Vec::new();
    for item in list(node)? {
        let id = text(item)?;
        let fact = FactName::from_id(&id)
            .ok_or_else(|| ReadError::at(item.line, format!("`{id}` is no fact that is known")))?;
        if facts.contains(&fact) {
            return Err(ReadError::at(item.line, format!("`{id}` is listed twice")));
        }
        facts.push(fact);
    }
    if facts.is_empty() || facts.len() > FACTS_MAX {
        return Err(ReadError::at(
            node.line,
            format!(
                "a pack has from 1 to {FACTS_MAX} facts, so that every state of them can be \
                 looked at; this one has {}",
                facts.len()
            ),
        ));
    }
    Ok(facts)
}

fn rules(node: &Node, facts: &[FactName]) -> Result<Vec<Rule>, ReadError> {
    let mut rules: Vec<Rule> = Vec::new();
    for item in list(node)? {
        let rule = rule(item, facts)?;
        if rules.iter().any(|other| other.id == rule.id) {
            return Err(ReadError::at(
                item.line,
                format!("there are two rules `{}`", rule.id),
            ));
        }
        rules.push(rule);
    }
    if rules.is_empty() || rules.len() > RULES_MAX {
        return Err(ReadError::at(
            node.line,
            format!("a pack has from 1 to {RULES_MAX} rules"),
        ));
    }
    Ok(rules)
}

/// Every state of the facts is looked at, and in each of them every condition.
fn bounded(rules: &[Rule], musts: &[Must]) -> Result<(), ReadError> {
    let rules = rules.iter().map(|rule| rule.when.terms());
    let musts = musts.iter().map(|must| must.when.terms());
    let terms = rules.chain(musts).fold(0usize, usize::saturating_add);
    match terms > TERMS_MAX {
        true => Err(ReadError::whole(format!(
            "the pack's conditions name {terms} facts in all; more than {TERMS_MAX} are not read"
        ))),
        false => Ok(()),
    }
}

fn rule(node: &Node, facts: &[FactName]) -> Result<Rule, ReadError> {
    let fields = Fields::new(node, RULE_KEYS)?;
    let effect = fields.word("effect", EFFECTS)?;
    let conditions = fields.texts("conditions")?;
    if (effect == Effect::Conditions) == conditions.is_empty() {
        return Err(ReadError::at(
            node.line,
            "a rule with the effect `conditions` names them in `conditions`, and no other does",
        ));
    }
    let citation = fields.text("citation")?;
    if citation.trim().is_empty() {
        return Err(ReadError::at(node.line, "`citation` says nothing"));
    }
    let when_text = fields.text("when")?;
    Ok(Rule {
        id: fields.text("id")?,
        title: fields.text("title")?,
        when: condition(fields.required("when")?, facts)?,
        when_text,
        effect,
        authority: fields.word("authority", AUTHORITIES)?,
        citation,
        sourcing: fields.word("sourcing", SOURCINGS)?,
        beyond_source: fields.optional_text("beyond_source")?,
        conditions,
        effective_from: fields.optional_date("effective_from")?,
        effective_to: fields.optional_date("effective_to")?,
    })
}

fn condition(node: &Node, facts: &[FactName]) -> Result<Condition, ReadError> {
    let place = |id: &str| {
        let fact = FactName::from_id(id)?;
        facts.iter().position(|known| *known == fact)
    };
    Condition::parse(&text(node)?, &place).map_err(|why| ReadError::at(node.line, why))
}

fn must(node: &Node, facts: &[FactName]) -> Result<Must, ReadError> {
    let fields = Fields::new(node, MUST_KEYS)?;
    Ok(Must {
        when: condition(fields.required("when")?, facts)?,
        when_text: fields.text("when")?,
        at_least: fields.word("at_least", OUTCOMES)?,
    })
}

fn state(node: &Node) -> Result<ListedState, ReadError> {
    let fields = Fields::new(node, STATE_KEYS)?;
    let country = fields.text("country")?;
    check_country(&country, node.line)?;
    fields.required("citation")?;
    Ok(ListedState {
        country,
        compels: fields.optional_bool("compels")?.unwrap_or(false),
        offensive: fields.optional_bool("offensive")?.unwrap_or(false),
    })
}

fn named(node: &Node) -> Result<Named, ReadError> {
    let fields = Fields::new(node, NAMED_KEYS)?;
    Ok(Named {
        names: fields.texts("names")?,
        order: fields.text("order")?,
        is_for_government: fields.word("scope", &[("everyone", false), ("government", true)])?,
    })
}

pub(crate) fn risk_owner(node: &Node) -> Result<(String, String), ReadError> {
    let fields = Fields::new(node, OWNER_KEYS)?;
    Ok((fields.text("name")?, key(fields.required("key")?)?))
}

/// An Ed25519 key in hexadecimal.
pub(crate) fn key(node: &Node) -> Result<String, ReadError> {
    let key = text(node)?.to_ascii_lowercase();
    let is_hex = key.len() == 64 && key.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then_some(key).ok_or_else(|| {
        ReadError::at(
            node.line,
            "a key is 64 hexadecimal digits, an Ed25519 public key",
        )
    })
}

/// What is written for a country and is not its code.
const MISTAKEN: &[(&str, &str)] = &[
    ("UK", "GB"),
    ("EL", "GR"),
    ("EN", "GB"),
    ("SU", "RU"),
    ("YU", "RS"),
];

/// Codes that stand for no one country.
const UNASSIGNED: &[&str] = &["AA", "OO", "ZZ"];

/// Two capital letters of ISO 3166.
pub(crate) fn check_country(country: &str, line: u32) -> Result<(), ReadError> {
    let is_code = country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase());
    if !is_code {
        return Err(ReadError::at(
            line,
            format!("`{country}` is no country code of two capital letters, as in \"GB\""),
        ));
    }
    if let Some((_, right)) = MISTAKEN.iter().find(|(wrong, _)| *wrong == country) {
        return Err(ReadError::at(
            line,
            format!("`{country}` is not the country's code; did you mean \"{right}\"?"),
        ));
    }
    match UNASSIGNED.contains(&country) {
        true => Err(ReadError::at(
            line,
            format!("`{country}` is no country code that is assigned"),
        )),
        false => Ok(()),
    }
}

impl Effect {
    /// The word that packs use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        word_of(EFFECTS, self)
    }
}

impl Authority {
    /// The word that packs use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        word_of(AUTHORITIES, self)
    }
}

impl Sourcing {
    /// The word that packs use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        word_of(SOURCINGS, self)
    }
}

pub(crate) fn word_of<T: PartialEq>(words: &[(&'static str, T)], meaning: T) -> &'static str {
    let found = words.iter().find(|(_, known)| *known == meaning);
    found.map_or("", |(word, _)| word)
}
