//! A product's dossier: which organisation stands at which control point, who owns it, where that
//! was read, and what is not known and why. Persons have no place in it but as a group without
//! names.

mod read;

use crate::catalogue::FactName;
use crate::date::Date;
use crate::json;
use crate::node::{Fields, Node, ReadError, Value};
use crate::pack::{check_country, sha256};

use read::{Names, digests, each, ids, interest, organisation, point, source, statement};

/// Rows of each kind; a dossier of a real product has a few dozen.
const ROWS_MAX: usize = 2048;

/// Where something was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// A company register or a filing that the law asks for.
    OfficialRegister,
    /// What a court found or was told under oath.
    CourtRecord,
    /// A government's own publication.
    GovernmentPublication,
    /// What the vendor says of itself.
    Vendor,
    /// Newspapers and blogs.
    Press,
    /// A test by somebody else.
    IndependentTest,
    /// What whoever wrote the dossier saw.
    OwnObservation,
    /// Made up, in a dossier that is made up.
    Fiction,
}

/// A source.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its name within the dossier.
    pub id: String,
    /// What it is.
    pub title: String,
    /// What kind of source it is.
    pub kind: SourceKind,
    /// When it was published.
    pub date: Date,
    /// Where it can be read.
    pub url: Option<String>,
}

/// A country, or why none is known.
#[derive(Clone, Debug)]
pub struct Place {
    /// How it binds the organisation.
    pub basis: Basis,
    /// The country's code, or why it is not known.
    pub country: Result<String, String>,
    /// Where that was read.
    pub source: Option<usize>,
    /// From when on.
    pub as_of: Option<Date>,
    /// The last day on which it counts.
    pub expires: Option<Date>,
}

/// How a country binds an organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// It is registered there.
    Registered,
    /// It is run from there.
    Headquarters,
    /// That country's law reaches it for another reason.
    SubjectToLaw,
    /// It has offices with staff there.
    Staff,
}

/// An organisation.
#[derive(Clone, Debug)]
pub struct Organisation {
    /// Its name within the dossier.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its Legal Entity Identifier.
    pub lei: Option<String>,
    /// The countries that bind it.
    pub places: Vec<Place>,
    /// Whether the places of its staff are all there are.
    pub staff_complete: bool,
}

/// Who holds an interest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// An organisation of the dossier.
    Organisation(usize),
    /// People. Who they are and where they come from is not asked.
    NaturalPersons,
    /// Shareholders of a listed company who do not act together.
    Dispersed,
    /// Not known, for this reason.
    Unknown(String),
}

/// What an interest gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InterestKind {
    /// A share of the ownership.
    Owns,
    /// A share of the votes.
    Votes,
    /// It appoints those who decide.
    Appoints,
    /// It controls by law or contract.
    Controls,
    /// It holds for somebody else, who is not known.
    Nominee,
    /// Not known what.
    Unknown,
}

/// An interest in an organisation. Shares are in hundredths of a percent.
#[derive(Clone, Debug)]
pub struct Interest {
    /// In which organisation.
    pub of: usize,
    /// Who holds it.
    pub by: Holder,
    /// What it gives.
    pub kind: InterestKind,
    /// The least share that it may be.
    pub share_min: u32,
    /// The greatest share that it may be.
    pub share_max: u32,
    /// Where that was read.
    pub source: Option<usize>,
    /// From when on.
    pub as_of: Option<Date>,
    /// The last day on which it counts.
    pub expires: Option<Date>,
}

/// Who stands at a control point.
#[derive(Clone, Debug)]
pub struct ControlPoint {
    /// Which one.
    pub point: Point,
    /// Who: an organisation, nobody, or not known for a reason.
    pub by: PointHolder,
    /// What exactly.
    pub what: Option<String>,
    /// Where it happens.
    pub country: Option<String>,
    /// Where that was read.
    pub source: Option<usize>,
    /// From when on.
    pub as_of: Option<Date>,
    /// The last day on which it counts.
    pub expires: Option<Date>,
}

/// Who stands at a point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PointHolder {
    /// An organisation of the dossier.
    Organisation(usize),
    /// Nobody: there is no such thing.
    Nobody,
    /// Not known, for this reason.
    Unknown(String),
}

macro_rules! points {
    ($($name:ident $id:literal $doc:literal,)*) => {
        /// A control point.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Point {
            $(#[doc = $doc] $name,)*
        }

        /// Every control point, as it is spelt.
        pub(crate) const POINTS: &[(&str, Point)] = &[$(($id, Point::$name)),*];
    };
}

points! {
    SignsRelease "signs_release" "Whose key signs releases.",
    SignsRules "signs_rules" "Whose key signs rules.",
    CanPushCode "can_push_code" "Who can change its code.",
    CanPushRules "can_push_rules" "Who can change its rules.",
    CanCommand "can_command" "Who can give it commands.",
    HostsUpdate "hosts_update" "Who hosts its updates.",
    HostsTelemetry "hosts_telemetry" "Who receives what it sends.",
    ProcessesSamples "processes_samples" "Who processes samples.",
    BuildsAt "builds_at" "Who builds it.",
    MaintainsComponent "maintains_component" "Who maintains a part of it.",
    LicensesEngineFrom "licenses_engine_from" "Whose engine is in it.",
}

/// Something said of the product, which counts only where it speaks against it.
#[derive(Clone, Debug)]
pub struct Statement {
    /// The fact.
    pub fact: FactName,
    /// Its value, or why there is none.
    pub value: Result<bool, String>,
    /// What exactly.
    pub note: String,
    /// Where that was read.
    pub source: Option<usize>,
    /// From when on.
    pub as_of: Option<Date>,
    /// The last day on which it counts.
    pub expires: Option<Date>,
}

/// A dossier.
#[derive(Clone, Debug)]
pub struct Dossier {
    /// SHA-256 of the file.
    pub sha256: String,
    /// The product's name.
    pub product: String,
    /// Its version, where the dossier is of one.
    pub version: Option<String>,
    /// Whether it is an antivirus.
    pub is_antivirus: Option<bool>,
    /// The digests of the build that it is of.
    pub artifacts: Vec<String>,
    /// Digest of the configuration that it is of.
    pub configuration: Option<String>,
    /// The rules that it is of.
    pub rule_release: Option<String>,
    /// Where customers of this one get it.
    pub region: Option<String>,
    /// Place of the vendor in the list of organisations.
    pub vendor: usize,
    /// Who wrote it.
    pub prepared_by: String,
    /// The day for which it was written.
    pub as_of: Date,
    /// The last day on which it counts.
    pub expires: Option<Date>,
    /// Made up.
    pub is_fictional: bool,
    /// What the dossier is silent on.
    pub notes: Vec<String>,
    /// What the vendor answered, or that it was asked and did not.
    pub vendor_reply: Option<String>,
    /// Sources.
    pub sources: Vec<Source>,
    /// Organisations.
    pub organisations: Vec<Organisation>,
    /// Interests.
    pub interests: Vec<Interest>,
    /// Control points.
    pub points: Vec<ControlPoint>,
    /// Statements.
    pub statements: Vec<Statement>,
}

pub(crate) const DOSSIER_KEYS: &[&str] = &[
    "format",
    "product",
    "prepared_by",
    "as_of",
    "expires",
    "fictional",
    "notes",
    "vendor_reply",
    "sources",
    "organisations",
    "interests",
    "control_points",
    "statements",
];
pub(crate) const PRODUCT_KEYS: &[&str] = &[
    "name",
    "version",
    "kind",
    "artifacts",
    "configuration",
    "rule_release",
    "region",
    "vendor",
];
pub(crate) const SOURCE_KEYS: &[&str] = &["id", "title", "kind", "date", "url"];
pub(crate) const ORGANISATION_KEYS: &[&str] = &["id", "name", "lei", "places", "staff_complete"];
pub(crate) const PLACE_KEYS: &[&str] =
    &["basis", "country", "unknown", "source", "as_of", "expires"];
pub(crate) const INTEREST_KEYS: &[&str] = &[
    "of",
    "by",
    "unknown",
    "kind",
    "percent",
    "percent_min",
    "percent_max",
    "source",
    "as_of",
    "expires",
];
pub(crate) const POINT_KEYS: &[&str] = &[
    "point", "by", "unknown", "what", "country", "source", "as_of", "expires",
];
pub(crate) const STATEMENT_KEYS: &[&str] = &[
    "fact", "value", "unknown", "note", "source", "as_of", "expires",
];

/// The format's name.
pub(crate) const FORMAT: &str = "candor-dossier/1";

pub(crate) const SOURCE_KINDS: &[(&str, SourceKind)] = &[
    ("official-register", SourceKind::OfficialRegister),
    ("court-record", SourceKind::CourtRecord),
    ("government-publication", SourceKind::GovernmentPublication),
    ("vendor", SourceKind::Vendor),
    ("press", SourceKind::Press),
    ("independent-test", SourceKind::IndependentTest),
    ("own-observation", SourceKind::OwnObservation),
    ("fiction", SourceKind::Fiction),
];
pub(crate) const BASES: &[(&str, Basis)] = &[
    ("registered", Basis::Registered),
    ("headquarters", Basis::Headquarters),
    ("subject-to-law", Basis::SubjectToLaw),
    ("staff", Basis::Staff),
];
pub(crate) const INTEREST_KINDS: &[(&str, InterestKind)] = &[
    ("owns", InterestKind::Owns),
    ("votes", InterestKind::Votes),
    ("appoints", InterestKind::Appoints),
    ("controls", InterestKind::Controls),
    ("nominee", InterestKind::Nominee),
    ("unknown", InterestKind::Unknown),
];

impl Dossier {
    /// Reads a dossier from JSON.
    pub fn parse(source: &str) -> Result<Self, ReadError> {
        let node = json::parse(source)?;
        crate::persons::refuse(&node)?;
        Self::from_node(&node, sha256(source.as_bytes()))
    }

    fn from_node(node: &Node, sha256: String) -> Result<Self, ReadError> {
        let fields = Fields::new(node, DOSSIER_KEYS)?;
        if fields.text("format")? != FORMAT {
            return Err(ReadError::at(
                fields.required("format")?.line,
                format!("this is no dossier: `format` is not \"{FORMAT}\""),
            ));
        }
        for key in [
            "sources",
            "organisations",
            "interests",
            "control_points",
            "statements",
        ] {
            if fields.list(key)?.len() > ROWS_MAX {
                return Err(ReadError::at(
                    fields.required(key)?.line,
                    format!("`{key}` has more than {ROWS_MAX} rows"),
                ));
            }
        }
        let sources: Vec<Source> = each(fields.list("sources")?, source)?;
        let mut names = Names {
            sources: ids(&sources, |source| &source.id),
            organisations: Vec::new(),
        };
        let organisations: Vec<Organisation> = each(fields.list("organisations")?, |node| {
            organisation(node, &names)
        })?;
        names.organisations = ids(&organisations, |organisation| &organisation.id);
        let product = Fields::new(fields.required("product")?, PRODUCT_KEYS)?;
        let kinds = [("antivirus", true), ("other", false)];
        Ok(Self {
            sha256,
            product: product.text("name")?,
            version: product.optional_text("version")?,
            is_antivirus: product.optional_word("kind", &kinds)?,
            artifacts: digests(product.list("artifacts")?)?,
            configuration: product.optional_text("configuration")?,
            rule_release: product.optional_text("rule_release")?,
            region: product.optional_text("region")?,
            vendor: names.organisation(product.required("vendor")?)?,
            prepared_by: fields.text("prepared_by")?,
            as_of: fields.date("as_of")?,
            expires: fields.optional_date("expires")?,
            is_fictional: fields.optional_bool("fictional")?.unwrap_or(false),
            notes: fields.texts("notes")?,
            vendor_reply: fields.optional_text("vendor_reply")?,
            interests: each(fields.list("interests")?, |node| interest(node, &names))?,
            points: each(fields.list("control_points")?, |node| point(node, &names))?,
            statements: each(fields.list("statements")?, |node| statement(node, &names))?,
            sources,
            organisations,
        })
    }

    /// The organisation's name.
    #[must_use]
    pub fn organisation_name(&self, place: usize) -> &str {
        self.organisations
            .get(place)
            .map_or("an organisation that the dossier lacks", |found| {
                &found.name
            })
    }

    /// A source's title and date.
    #[must_use]
    pub fn source_title(&self, source: Option<usize>) -> String {
        match source.and_then(|place| self.sources.get(place)) {
            Some(source) => format!("{}, {}", source.title, source.date),
            None => "no source".to_owned(),
        }
    }

    /// Whether what a source says may reassure about who can be compelled.
    pub(crate) fn is_fit(&self, source: Option<usize>) -> bool {
        let kind = source.and_then(|place| self.sources.get(place));
        kind.is_some_and(|source| match source.kind {
            SourceKind::OfficialRegister
            | SourceKind::CourtRecord
            | SourceKind::GovernmentPublication => true,
            // A made-up dossier shows how a register's entry would count.
            SourceKind::Fiction => self.is_fictional,
            SourceKind::Vendor
            | SourceKind::Press
            | SourceKind::IndependentTest
            | SourceKind::OwnObservation => false,
        })
    }
}

/// Whether a row from one day to another counts on a day.
pub(crate) fn counts((first, last): (Option<Date>, Option<Date>), as_of: Date) -> bool {
    first.is_none_or(|first| first <= as_of) && last.is_none_or(|last| as_of <= last)
}

impl Dossier {
    /// Why nothing of it may reassure on a day, if it may not.
    pub(crate) fn stale(&self, as_of: Date) -> Option<&'static str> {
        if self.as_of > as_of {
            return Some("the dossier is of a later day");
        }
        (!counts((None, self.expires), as_of)).then_some("the dossier has expired")
    }
}

/// Hundredths of a percent in the whole.
pub(crate) const WHOLE: u32 = 10_000;

/// A number of percent, to two places.
pub(crate) fn share(node: &Node) -> Result<u32, ReadError> {
    let wrong = || ReadError::at(node.line, "a share is a number from 0 to 100, as in 93.1");
    let Value::Number(digits) = &node.value else {
        return Err(wrong());
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_plain = [whole, part]
        .iter()
        .all(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()));
    let hundredths: String = part.chars().chain("00".chars()).take(2).collect();
    let whole: u32 = whole.parse().map_err(|_| wrong())?;
    let hundredths: u32 = hundredths.parse().map_err(|_| wrong())?;
    let share = whole.saturating_mul(100).saturating_add(hundredths);
    (is_plain && share <= WHOLE)
        .then_some(share)
        .ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"{
 "format": "candor-dossier/1", "prepared_by": "a test", "as_of": "2026-11-01",
 "product": {"name": "P", "vendor": "v"},
 "sources": [{"id": "s", "title": "T", "kind": "press", "date": "2026-01-01"}],
 "organisations": [{"id": "v", "name": "V", "places": [
   {"basis": "registered", "country": "GB", "source": "s", "as_of": "2026-01-01"}]}],
 "interests": [{"of": "v", "unknown": "not public", "kind": "owns", "percent": 93.1}]
}"#;

    #[test]
    fn a_dossier_is_read() {
        let dossier = Dossier::parse(SMALL).unwrap();
        assert_eq!(dossier.organisation_name(dossier.vendor), "V");
        assert_eq!(dossier.interests[0].share_min, 9310);
        assert_eq!(
            dossier.interests[0].by,
            Holder::Unknown("not public".to_owned())
        );
    }

    #[test]
    fn what_is_wrong_is_refused_with_its_place() {
        for (from, to, why) in [
            (
                "\"of\": \"v\"",
                "\"of\": \"w\"",
                "line 7: there is no organisation `w`",
            ),
            (
                "\"source\": \"s\"",
                "\"source\": \"t\"",
                "there is no source `t`",
            ),
            ("\"source\": \"s\", ", "", "`source` is missing"),
            ("93.1", "193.1", "0 to 100"),
            ("\"GB\"", "\"Britain\"", "country code"),
            ("\"kind\": \"owns\"", "\"kind\": \"own\"", "none of owns"),
            (
                "\"unknown\": \"not public\"",
                "\"unknown\": \" \"",
                "with a reason",
            ),
            ("\"percent\"", "\"precent\"", "did you mean `percent`?"),
            (
                "\"name\": \"V\"",
                "\"name\": \"V\", \"nationality\": \"XX\"",
                "comes from",
            ),
        ] {
            assert!(SMALL.contains(from), "{from}");
            let refused = Dossier::parse(&SMALL.replacen(from, to, 1)).unwrap_err();
            assert!(refused.to_string().contains(why), "{to}: {refused}");
        }
    }

    #[test]
    fn every_truncation_is_refused() {
        for end in 0..SMALL.len() {
            assert!(Dossier::parse(&SMALL[..end]).is_err());
        }
    }
}
