//! How each fact of the catalogue follows from the system, the dossier and the evidence.
//!
//! What speaks against the product counts from any source that is named and dated. What speaks for
//! it counts only from somebody independent, by a method that can show it, on the build that
//! customers get. Where both were shown the fact is contradicted, and stays so.

mod compulsion;

use evidence::{Fact, Held, Standing, Value};

use crate::catalogue::{Area, FactName, Side};
use crate::date::Date;
use crate::decide::Case;
use crate::dossier::{Basis, Organisation, Point, PointHolder, counts};
use crate::logic::Truth;
use crate::ownership::{Control, Own, Ownership, own_places};
use crate::pack::{ListedState, Named, Pack};
use crate::system::{Sector, Tier};

/// How something is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Whoever owns the information says so.
    Owner,
    /// Somebody saw it, and signed.
    Observed,
    /// Somebody did it again, and signed.
    Reproduced,
    /// A document says so.
    Documented,
    /// The vendor says so.
    Stated,
}

impl Known {
    /// The word that is printed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "said by the system's owner",
            Self::Observed => "observed",
            Self::Reproduced => "reproduced",
            Self::Documented => "documented",
            Self::Stated => "stated by the vendor",
        }
    }
}

/// One thing that speaks for a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// What was found.
    pub text: String,
    /// How it is known.
    pub known: Known,
    /// Which value it speaks for.
    pub side: Side,
}

/// A fact's value and where it comes from.
#[derive(Clone, Debug)]
pub struct FactFinding {
    /// The fact.
    pub name: FactName,
    /// Its value.
    pub truth: Truth,
    /// What it follows from.
    pub because: Vec<Reason>,
    /// What was there and does not count, and what is missing.
    pub missing: Vec<String>,
    /// The last day on which this holds.
    pub expires: Option<Date>,
    /// Independent parties that showed it: one is a single lab.
    pub parties: Vec<String>,
}

/// A fact's value in a case.
#[must_use]
pub fn derive(fact: FactName, case: &Case<'_>) -> FactFinding {
    let mut found = Found::new(fact, case.dossier.stale(case.as_of));
    match fact.area() {
        Area::System => system_fact(&mut found, case),
        Area::Product => product_fact(&mut found, case),
        Area::Compulsion => compulsion::compulsion_fact(&mut found, case),
        Area::Conduct => statements(&mut found, case),
        Area::Lab => {
            statements(&mut found, case);
            lab_points(&mut found, case);
            lab_evidence(&mut found, case);
        }
        Area::Containment => containment(&mut found, case),
    }
    found.finish()
}

/// A finding in the making.
struct Found {
    finding: FactFinding,
    /// Why nothing in the dossier may reassure.
    stale: Option<&'static str>,
}

impl Found {
    fn new(name: FactName, stale: Option<&'static str>) -> Self {
        let is_dossiers = matches!(
            name.area(),
            Area::Product | Area::Compulsion | Area::Conduct
        );
        Self {
            stale: stale.filter(|_| is_dossiers),
            finding: FactFinding {
                name,
                truth: Truth::Unknown,
                because: Vec::new(),
                missing: Vec::new(),
                expires: None,
                parties: Vec::new(),
            },
        }
    }

    fn says(&mut self, side: Side, known: Known, text: impl Into<String>) {
        if let Some(why) = self.stale
            && side != self.finding.name.adverse_side()
        {
            return self.missing(why);
        }
        let text = text.into();
        self.finding.because.push(Reason { text, known, side });
    }

    fn owner(&mut self, value: Option<bool>, missing: &str) {
        match value {
            Some(value) => {
                let side = side(value);
                let text = self.finding.name.sentence(side);
                self.says(side, Known::Owner, text);
            }
            None => self.missing(missing),
        }
    }

    fn missing(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.finding.missing.contains(&text) {
            self.finding.missing.push(text);
        }
    }

    fn expires(&mut self, last: Option<Date>) {
        let Some(last) = last else {
            return;
        };
        let earlier = self.finding.expires.is_none_or(|known| last < known);
        if earlier {
            self.finding.expires = Some(last);
        }
    }

    fn finish(mut self) -> FactFinding {
        let has = |side| {
            self.finding
                .because
                .iter()
                .any(|reason| reason.side == side)
        };
        self.finding.truth = match (has(Side::Holds), has(Side::Fails)) {
            (true, false) => Truth::True,
            (false, true) => Truth::False,
            (true, true) => Truth::Contradicted,
            (false, false) => Truth::Unknown,
        };
        self.finding
    }
}

fn side(value: bool) -> Side {
    match value {
        true => Side::Holds,
        false => Side::Fails,
    }
}

fn system_fact(found: &mut Found, case: &Case<'_>) {
    let system = case.system;
    let installation = &system.installation;
    match found.finding.name {
        FactName::SecretOrAbove => found.owner(Some(system.tier >= Tier::Secret), ""),
        FactName::StateAccessWouldHarm => found.owner(
            system.state_access_would_harm,
            "the information owner has not said whether a hostile state's access would harm \
             national security (`state_access_would_harm_national_security`)",
        ),
        FactName::WidenedScopeBody => {
            let by_sector = match system.sector {
                Sector::CentralGovernment
                | Sector::WiderPublic
                | Sector::CriticalInfrastructure => true,
                Sector::Private | Sector::Individual => false,
            };
            let exposed = system.exposure.as_ref().map(|words| !words.is_empty());
            found.owner(
                if by_sector { Some(true) } else { exposed },
                "what makes it a likely target (`exposure`; `[]` says that nothing does)",
            );
        }
        FactName::Government => {
            found.owner(Some(system.sector == Sector::CentralGovernment), "");
        }
        FactName::SystemInJurisdiction => {
            found.owner(Some(system.jurisdiction == case.pack.jurisdiction), "");
        }
        FactName::NewPurchase => found.owner(
            installation.is_new,
            "whether the product is there already (`installation.status`)",
        ),
        FactName::RemovalIsRisky => {
            let incumbent = installation.is_new.map(|is_new| !is_new);
            let risky = match (
                installation.substitute_available,
                installation.removal_is_dangerous,
            ) {
                (Some(false), _) | (_, Some(true)) => Some(true),
                (Some(true), Some(false)) => Some(false),
                _ => None,
            };
            let both = match (incumbent, risky) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            };
            found.owner(
                both,
                "whether the product can be taken away (`installation.substitute_available` and \
                 `risk_of_removal`)",
            );
        }
        _ => {}
    }
}

fn product_fact(found: &mut Found, case: &Case<'_>) {
    let antivirus = case.dossier.is_antivirus;
    if found.finding.name == FactName::Antivirus {
        match antivirus {
            Some(value) => {
                let side = side(value);
                let text = found.finding.name.sentence(side);
                found.says(side, Known::Documented, text);
            }
            None => found.missing("what kind of product it is (`product.kind`)"),
        }
        return;
    }
    statements(found, case);
    if antivirus == Some(true) && found.finding.because.is_empty() {
        found.says(
            Side::Holds,
            Known::Documented,
            "an antivirus reads every file that it guards: that is what it is for",
        );
    }
}

/// What the dossier says outright. Only what speaks against the product counts.
fn statements(found: &mut Found, case: &Case<'_>) {
    let name = found.finding.name;
    let dossier = case.dossier;
    for row in dossier.statements.iter().filter(|row| row.fact == name) {
        let from = dossier.source_title(row.source);
        match &row.value {
            Err(reason) => found.missing(reason.clone()),
            Ok(_) if !counts((row.as_of, row.expires), case.as_of) => {
                found.missing(format!("what {from} says does not hold on that day"));
            }
            Ok(value) if side(*value) == name.adverse_side() => {
                let known = match row.source.and_then(|place| dossier.sources.get(place)) {
                    Some(source) if source.kind == crate::dossier::SourceKind::Vendor => {
                        Known::Stated
                    }
                    _ => Known::Documented,
                };
                let text = format!("{} ({from})", row.note);
                found.says(side(*value), known, text);
                found.expires(row.expires);
            }
            Ok(value) if name.area() == Area::Conduct && dossier.is_fit(row.source) => {
                let text = format!("{} ({from})", row.note);
                found.says(side(*value), Known::Documented, text);
                found.expires(row.expires);
            }
            Ok(_) => found.missing(format!(
                "{from} speaks for it, and a dossier can't reassure about what a product does"
            )),
        }
    }
}

/// Whoever can push or command can change it: no look at the product is needed for that.
fn lab_points(found: &mut Found, case: &Case<'_>) {
    if found.finding.name != FactName::ChangedFromOutside {
        return;
    }
    let dossier = case.dossier;
    let pushing = [Point::CanPushCode, Point::CanPushRules, Point::CanCommand];
    for row in dossier
        .points
        .iter()
        .filter(|row| pushing.contains(&row.point))
    {
        if let PointHolder::Organisation(by) = row.by
            && counts((row.as_of, row.expires), case.as_of)
        {
            let text = format!(
                "{}: {} ({})",
                row.point.as_str(),
                dossier.organisation_name(by),
                dossier.source_title(row.source)
            );
            found.says(Side::Holds, Known::Documented, text);
        }
    }
}

fn lab_evidence(found: &mut Found, case: &Case<'_>) {
    match found.finding.name {
        FactName::CollectsContent => {
            flags(found, case, ("canary_left", true));
            flags(found, case, ("traffic_depends_on_content", true));
            lists(found, case, "collects");
        }
        FactName::CouldCollectContent => lists(found, case, "could_collect"),
        FactName::ChangedFromOutside => {
            flags(found, case, ("update_ran_new_code", true));
            nobody_pushes(found, case);
        }
        FactName::UpdatesUnauthenticated => {
            flags(found, case, ("update_channel_authenticated", false));
        }
        FactName::BuildVerified => flags(found, case, ("reproducible_build", true)),
        _ => {}
    }
}

/// Evidence that says yes or no; `holds_if` is the answer for which the fact holds. That an update
/// was not seen to run code, or that traffic did not depend on documents, reassures about nothing.
fn flags(found: &mut Found, case: &Case<'_>, (predicate, holds_if): (&str, bool)) {
    let one_sided = ["update_ran_new_code", "traffic_depends_on_content"].contains(&predicate);
    for held in counting(found, case, &[predicate]) {
        if let Value::Known(Fact::Flag(value)) = held.record.value {
            let side = side(value == holds_if);
            if one_sided && side == Side::Fails {
                continue;
            }
            evidence_says(found, (held, side), predicate);
        }
    }
}

/// Evidence that lists what was seen: content among it speaks against the product.
fn lists(found: &mut Found, case: &Case<'_>, predicate: &'static str) {
    for held in counting(found, case, &[predicate]) {
        let Value::Known(Fact::List(kinds)) = &held.record.value else {
            continue;
        };
        let content = kinds
            .iter()
            .any(|kind| kind.contains("content") || kind.contains("files"));
        match (content, kinds.is_empty()) {
            (true, _) => evidence_says(found, (held, Side::Holds), predicate),
            (false, true) => evidence_says(found, (held, Side::Fails), predicate),
            (false, false) => {}
        }
    }
}

/// Only where nobody can push code, rules or commands does nothing from outside change it.
fn nobody_pushes(found: &mut Found, case: &Case<'_>) {
    let mut shown = Vec::new();
    for predicate in ["can_push_code", "can_push_rules", "can_command"] {
        for held in counting(found, case, &[predicate]) {
            match &held.record.value {
                Value::Known(Fact::List(by)) if by.is_empty() => shown.push((predicate, held)),
                Value::Known(Fact::List(_) | Fact::Text(_) | Fact::Flag(true)) => {
                    evidence_says(found, (held, Side::Holds), predicate);
                }
                _ => {}
            }
        }
    }
    let all = ["can_push_code", "can_push_rules", "can_command"]
        .iter()
        .all(|wanted| {
            shown
                .iter()
                .any(|(predicate, held)| predicate == wanted && held.may_reassure())
        });
    if all {
        for (predicate, held) in shown {
            evidence_says(found, (held, Side::Fails), predicate);
        }
    }
}

/// Evidence with one of these predicates that counts; of the rest the reason is kept.
fn counting<'c>(found: &mut Found, case: &Case<'c>, predicates: &[&str]) -> Vec<&'c Held> {
    let mut counting = Vec::new();
    for held in case.evidence {
        if !predicates.contains(&held.record.predicate.name()) {
            continue;
        }
        match standing(held, case) {
            Ok(()) => counting.push(held),
            Err(why) => found.missing(format!(
                "{} by {} does not count: {why}",
                held.record.predicate, held.record.asserted_by
            )),
        }
    }
    counting
}

/// Whether evidence counts: as it was verified, and once more by its dates and its build.
fn standing(held: &Held, case: &Case<'_>) -> Result<(), String> {
    let record = &held.record;
    // Without what it rests on it can't reassure; what it says against the product is not lost.
    if !matches!(held.standing, Standing::Counts | Standing::EvidenceMissing) {
        return Err(held.standing.to_string());
    }
    let on = |date: &evidence::Date| Date::parse(&date.to_string());
    if record
        .expires
        .as_ref()
        .and_then(on)
        .is_some_and(|last| last < case.as_of)
    {
        return Err("expired".to_owned());
    }
    if on(&record.as_of).is_none_or(|first| case.as_of < first) {
        return Err("its time has not begun".to_owned());
    }
    let wanted = match is_about_system(record.predicate.name()) {
        true => vec![case.system.name_sha256()],
        false => case.dossier.artifacts.clone(),
    };
    let shown: Vec<String> = record
        .subject
        .artifacts
        .iter()
        .map(|artifact| artifact.sha256.to_string())
        .collect();
    let same = !wanted.is_empty()
        && wanted
            .iter()
            .all(|digest| shown.iter().any(|shown| shown.ends_with(digest.as_str())));
    same.then_some(())
        .ok_or_else(|| "it is about another build than the dossier".to_owned())
}

/// Whether evidence with this predicate is about the system and not about the product.
#[must_use]
pub fn is_about_system(predicate: &str) -> bool {
    ["update_mirror", "egress_relay", "air_gap"].contains(&predicate)
}

fn evidence_says(found: &mut Found, (held, side): (&Held, Side), what: &str) {
    let record = &held.record;
    let adverse = side == found.finding.name.adverse_side();
    if !adverse && !held.may_reassure() {
        found.missing(format!(
            "{what} by {} can't reassure: it takes somebody independent, a method that shows it, and what it \
             rests on",
            record.asserted_by
        ));
        return;
    }
    let known = match record.method {
        evidence::Method::Observed => Known::Observed,
        evidence::Method::Reproduced => Known::Reproduced,
        evidence::Method::Documented => Known::Documented,
        evidence::Method::VendorStated => Known::Stated,
    };
    let text = format!(
        "{what}: {}, by {} on {}",
        value_text(&record.value),
        record.asserted_by,
        record.as_of
    );
    found.says(side, known, text);
    if !found.finding.parties.contains(&record.asserted_by) {
        found.finding.parties.push(record.asserted_by.clone());
    }
    let last = record.expires.as_ref();
    found.expires(last.and_then(|date| Date::parse(&date.to_string())));
}

fn value_text(value: &Value) -> String {
    match value {
        Value::Known(fact) => fact.to_string(),
        Value::Unknown(reason) => format!("unknown ({reason})"),
    }
}

/// A containment that is only claimed is unknown; that it is absent needs no proof.
fn containment(found: &mut Found, case: &Case<'_>) {
    let claimed = &case.system.containment;
    let (claim, predicate) = match found.finding.name {
        FactName::UpdateMirror => (claimed.update_mirror, "update_mirror"),
        FactName::EgressRelay => (claimed.egress_relay, "egress_relay"),
        FactName::AirGap => (claimed.air_gap, "air_gap"),
        _ => return,
    };
    if claim == Some(false) {
        let text = found.finding.name.sentence(Side::Fails);
        found.says(Side::Fails, Known::Owner, text);
    }
    for held in counting(found, case, &[predicate]) {
        if let Value::Known(Fact::Flag(value)) = held.record.value {
            evidence_says(found, (held, side(value)), predicate);
        }
    }
    if found.finding.because.is_empty() {
        found.missing(match claim {
            Some(true) => "it is claimed, and no evidence shows it",
            _ => "nobody says whether it is there",
        });
    }
}

impl Point {
    /// As dossiers spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        crate::pack::word_of(crate::dossier::POINTS, self)
    }
}
