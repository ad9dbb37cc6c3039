//! A trust policy: whose keys count for what, and what must be shown of which build.
//!
//! It is the evaluator's own file. Nothing in it has a default that lets more through: a policy
//! that asks nothing, trusts nobody or is about nothing is refused.

use seal::PublicKey;
use serde::{Deserialize, Serialize};

use crate::envelope::{Envelope, TRUST_POLICY};
use crate::json;
use crate::{Artifact, Date, Fact, Method, Party, Predicate, Record, Sha256Digest, Signer};

/// The form that is read.
pub const TRUST_FORMAT: &str = "candor-trust-1";
/// Keys in one policy at most.
const KEYS_MAX: usize = 256;
/// Steps in one policy at most.
const STEPS_MAX: usize = 1_024;

/// A policy.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TrustPolicy {
    /// [`TRUST_FORMAT`].
    pub format: String,
    /// Its name, for people.
    pub name: String,
    /// The last day on which it may be used.
    #[serde(default)]
    pub expires: Option<Date>,
    /// What the evidence must be about.
    pub subject: TrustSubject,
    /// Whose keys count.
    pub signers: Vec<TrustedSigner>,
    /// What must be shown.
    pub steps: Vec<Step>,
    /// What an envelope means that is signed by nobody in `signers`.
    #[serde(default)]
    pub unknown_signers: Strictness,
    /// What a statement means whose type or predicate is not known here.
    #[serde(default)]
    pub unknown_predicates: Strictness,
    /// Whether everything that a counted record rests on must be in the bundle.
    #[serde(default)]
    pub attachments: Attachments,
}

/// What happens with what is not understood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strictness {
    /// The whole is refused.
    #[default]
    Refuse,
    /// It is named, and counts as unknown.
    Ignore,
}

/// Whether what a record rests on must be there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attachments {
    /// A record whose evidence is missing does not count.
    #[default]
    Required,
    /// It counts, and what is missing is named.
    Optional,
}

/// What the evidence must be about.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TrustSubject {
    /// The files as the evaluator holds them; a record must be about all of them.
    pub artifacts: Vec<Artifact>,
    /// Their configuration, where that matters.
    #[serde(default)]
    pub configuration: Option<Sha256Digest>,
    /// Their rules, where that matters.
    #[serde(default)]
    pub rule_release: Option<String>,
    /// Where they were got, where that matters.
    #[serde(default)]
    pub region: Option<String>,
}

/// Somebody whose keys count.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedSigner {
    /// Their name.
    pub name: String,
    /// Their keys, each as PEM or 64 hexadecimal digits.
    pub keys: Vec<String>,
    /// What they are to the product's maker.
    pub party: Party,
    /// What they may speak about; everything without it.
    #[serde(default)]
    pub predicates: Option<Vec<Predicate>>,
    /// By which methods; all without it.
    #[serde(default)]
    pub methods: Option<Vec<Method>>,
}

/// Something that must be shown.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// What must be known.
    pub predicate: Predicate,
    /// What it must be; anything known without it.
    #[serde(default)]
    pub value: Option<Fact>,
    /// Who may show it: names in `signers`.
    pub signers: Vec<String>,
    /// How many of them must.
    #[serde(default = "one")]
    pub at_least: usize,
    /// How they may know; any method that is fit for the predicate without it.
    #[serde(default)]
    pub methods: Option<Vec<Method>>,
    /// How old their knowledge may be.
    #[serde(default)]
    pub age_days_max: Option<i64>,
}

fn one() -> usize {
    1
}

/// Why a policy can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustError {
    /// It is not written as a policy is.
    Malformed(String),
    /// It asks nothing, trusts nobody, or is about nothing.
    Empty(String),
    /// It is not signed by the key that must have signed it.
    BadSignature(String),
    /// Its time is over.
    Expired(Date),
}

impl TrustError {
    /// Its name, which never changes.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "bad-policy",
            Self::Empty(_) => "empty-policy",
            Self::BadSignature(_) => "bad-policy-signature",
            Self::Expired(_) => "policy-expired",
        }
    }
}

impl std::fmt::Display for TrustError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Malformed(why) => write!(f, "the policy can't be read: {why}"),
            Self::Empty(why) => write!(f, "the policy would let anything through: {why}"),
            Self::BadSignature(why) => write!(f, "the policy's signature is not good: {why}"),
            Self::Expired(day) => write!(f, "the policy ended on {day}"),
        }
    }
}

/// A policy that was read and can be used.
#[derive(Clone, Debug)]
pub struct Trust {
    /// What it says.
    pub policy: TrustPolicy,
    /// The digest of its file.
    pub sha256: Sha256Digest,
    /// The key that signed it, where one had to.
    pub signed_by: Option<String>,
    keys: Vec<PublicKey>,
    owners: Vec<usize>,
}

impl Trust {
    /// Reads a policy. Where a key is given the policy must be an envelope that this key signed.
    pub fn read(file: &[u8], key: Option<&PublicKey>, day: Date) -> Result<Self, TrustError> {
        let malformed = |why: &dyn std::fmt::Display| TrustError::Malformed(why.to_string());
        let json = json::parse(file).map_err(|error| malformed(&error))?;
        let is_signed = json.at("payloadType").is_some();
        let policy = match (is_signed, key) {
            (true, Some(key)) => opened(&json, key)?,
            (true, None) => {
                let why = "it is signed, and no key was named; use --policy-key";
                return Err(TrustError::BadSignature(why.to_owned()));
            }
            (false, Some(_)) => {
                return Err(TrustError::BadSignature("it is not signed".to_owned()));
            }
            (false, None) => json.canonical(),
        };
        let policy: TrustPolicy =
            serde_json::from_slice(&policy).map_err(|error| malformed(&error))?;
        let (keys, owners) = checked(&policy, day)?;
        Ok(Self {
            policy,
            sha256: Sha256Digest::of(file),
            signed_by: key.map(|key| key.id().to_string()),
            keys,
            owners,
        })
    }

    /// Every key that counts.
    #[must_use]
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// Whose key stands at this place.
    #[must_use]
    pub fn owner(&self, place: usize) -> Option<Signer> {
        let owner = self.policy.signers.get(*self.owners.get(place)?)?;
        Some(Signer {
            name: owner.name.clone(),
            key_id: self.keys.get(place)?.id().to_string(),
            party: owner.party,
        })
    }

    /// Whether this signer may say such a thing.
    #[must_use]
    pub fn entitles(&self, signer: &Signer, record: &Record) -> bool {
        let mut known = self.policy.signers.iter();
        let Some(known) = known.find(|known| known.name == signer.name) else {
            return false;
        };
        let predicates = known.predicates.as_ref();
        let methods = known.methods.as_ref();
        let by = |method: Method| methods.is_none_or(|list| list.contains(&method));
        // What the maker calls an observation is its word, and its admission is not lost by that.
        let is_word = signer.party == Party::Vendor && !is_makers_method(record.method);
        predicates.is_none_or(|list| list.contains(&record.predicate))
            && (by(record.method) || is_word && by(Method::VendorStated))
    }

    /// Keeps those who may say it. Nobody on the maker's side observes or reproduces, that is what
    /// independent means: such a record is the maker's word where nobody else signed it, and is not
    /// the maker's where somebody else did.
    pub(crate) fn keep_entitled(&self, signers: &mut Vec<Signer>, record: &mut Record) {
        signers.retain(|signer| self.entitles(signer, record));
        if signers.is_empty() || is_makers_method(record.method) {
            return;
        }
        match signers.iter().all(|signer| signer.party == Party::Vendor) {
            true => record.method = Method::VendorStated,
            false => signers.retain(|signer| signer.party != Party::Vendor),
        }
    }
}

/// Whether the maker can know something in this way.
fn is_makers_method(method: Method) -> bool {
    matches!(method, Method::VendorStated | Method::Documented)
}

fn opened(json: &json::Json, key: &PublicKey) -> Result<Vec<u8>, TrustError> {
    let bad = |why: &str| TrustError::BadSignature(why.to_owned());
    let envelope = Envelope::from_json(json).map_err(|why| bad(&why))?;
    if envelope.payload_type != TRUST_POLICY {
        return Err(bad("the envelope holds no policy"));
    }
    if envelope.signed_by(std::slice::from_ref(key)).is_empty() {
        return Err(bad("it is not by the key that was named"));
    }
    // Each key once, inside the payload too.
    let inside = json::parse(&envelope.payload);
    let inside = inside.map_err(|error| TrustError::Malformed(error.to_string()))?;
    Ok(inside.canonical())
}

fn checked(policy: &TrustPolicy, day: Date) -> Result<(Vec<PublicKey>, Vec<usize>), TrustError> {
    let empty = |why: String| Err(TrustError::Empty(why));
    if policy.format != TRUST_FORMAT {
        let why = format!("`format` is not {TRUST_FORMAT:?}");
        return Err(TrustError::Malformed(why));
    }
    if let Some(last) = policy.expires.filter(|last| *last < day) {
        return Err(TrustError::Expired(last));
    }
    if policy.subject.artifacts.is_empty() {
        return empty("`subject.artifacts` names no file".to_owned());
    }
    if policy.signers.is_empty() {
        return empty("`signers` names nobody".to_owned());
    }
    if policy.steps.is_empty() {
        return empty("`steps` asks for nothing".to_owned());
    }
    if policy.steps.len() > STEPS_MAX {
        return Err(TrustError::Malformed("there are too many steps".to_owned()));
    }
    for step in &policy.steps {
        check_step(policy, step)?;
    }
    keys_of(policy)
}

fn check_step(policy: &TrustPolicy, step: &Step) -> Result<(), TrustError> {
    let name = &step.name;
    if step.signers.is_empty() || step.at_least == 0 {
        let why = format!("the step {name:?} asks nobody for anything");
        return Err(TrustError::Empty(why));
    }
    if step.methods.as_ref().is_some_and(Vec::is_empty) {
        let why = format!("the step {name:?} takes no method, so that it can't be met");
        return Err(TrustError::Malformed(why));
    }
    if step.age_days_max.is_some_and(|most| most < 0) {
        let why = format!("the step {name:?}: `age_days_max` is less than 0");
        return Err(TrustError::Malformed(why));
    }
    for wanted in &step.signers {
        if !policy.signers.iter().any(|known| known.name == *wanted) {
            let why = format!("the step {name:?} names {wanted:?}, who is not in `signers`");
            return Err(TrustError::Malformed(why));
        }
    }
    let mut wanted: Vec<_> = step.signers.iter().collect();
    wanted.sort();
    wanted.dedup();
    if step.at_least > wanted.len() {
        let why = format!("the step {name:?} asks for more signers than it names");
        return Err(TrustError::Malformed(why));
    }
    Ok(())
}

fn keys_of(policy: &TrustPolicy) -> Result<(Vec<PublicKey>, Vec<usize>), TrustError> {
    let mut keys = Vec::new();
    let mut owners = Vec::new();
    let mut names = Vec::new();
    for (at, signer) in policy.signers.iter().enumerate() {
        let name = &signer.name;
        let wrong = |why: &dyn std::fmt::Display| {
            Err(TrustError::Malformed(format!("signer {name:?}: {why}")))
        };
        if names.contains(&name) {
            return wrong(&"the name stands twice");
        }
        names.push(name);
        if signer.keys.is_empty() {
            return Err(TrustError::Empty(format!("signer {name:?} has no key")));
        }
        for text in &signer.keys {
            let key = match PublicKey::parse(text) {
                Ok(key) => key,
                Err(error) => return wrong(&error),
            };
            // One key for two names would let one party stand for two.
            if keys.contains(&key) {
                return wrong(&"the key stands twice");
            }
            keys.push(key);
            owners.push(at);
        }
        if keys.len() > KEYS_MAX {
            return wrong(&"there are too many keys");
        }
    }
    Ok((keys, owners))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::{key, sealed};
    use crate::verify::tests::policy;

    fn day() -> Date {
        Date::parse("2026-11-24").unwrap()
    }

    fn error(text: &str) -> TrustError {
        Trust::read(text.as_bytes(), None, day()).unwrap_err()
    }

    #[test]
    fn a_policy_that_lets_anything_through_is_refused() {
        let whole = policy();
        assert!(Trust::read(whole.as_bytes(), None, day()).is_ok());
        let json: serde_json::Value = serde_json::from_str(&whole).unwrap();
        for (pointer, key, value) in [
            ("", "steps", serde_json::json!([])),
            ("", "signers", serde_json::json!([])),
            ("/subject", "artifacts", serde_json::json!([])),
            ("/steps/0", "signers", serde_json::json!([])),
            ("/steps/0", "at_least", serde_json::json!(0)),
            ("/signers/0", "keys", serde_json::json!([])),
        ] {
            let mut changed = json.clone();
            changed.pointer_mut(pointer).unwrap()[key] = value;
            let error = error(&changed.to_string());
            assert_eq!(error.name(), "empty-policy", "{pointer} {key}: {error}");
        }
        assert_eq!(error("{}").name(), "bad-policy");
        assert_eq!(error("").name(), "bad-policy");
    }

    #[test]
    fn a_policy_that_contradicts_itself_is_refused() {
        let whole = policy();
        for (from, to, why) in [
            ("candor-trust-1", "candor-trust-2", "format"),
            ("\"at_least\": 1", "\"at_least\": 2", "more signers"),
            (
                "\"signers\": [\"Lab A\"]",
                "\"signers\": [\"Lab X\"]",
                "Lab X",
            ),
            ("\"attachments\"", "\"attachment\"", "attachment"),
            ("canary_left", "canary_flew", "canary_flew"),
            ("\"at_least\": 1", "\"age_days_max\": -1", "age_days_max"),
        ] {
            assert!(whole.contains(from), "{from}");
            let error = error(&whole.replacen(from, to, 1));
            assert!(error.to_string().contains(why), "{error}");
        }
        let shared = seal::hex::encode(&key(b'A').public().to_bytes());
        let other = seal::hex::encode(&key(b'B').public().to_bytes());
        let error = error(&whole.replace(&other, &shared));
        assert!(error.to_string().contains("key stands twice"), "{error}");
    }

    #[test]
    fn a_policys_signature_is_asked_for_and_checked() {
        let owner = key(b'O');
        let signed = sealed(TRUST_POLICY, policy().as_bytes(), &[key(b'O')]);
        let public = owner.public();
        let good = Trust::read(signed.as_bytes(), Some(&public), day()).unwrap();
        assert_eq!(good.signed_by, Some(public.id().to_string()));
        let by_other = sealed(TRUST_POLICY, policy().as_bytes(), &[key(b'X')]);
        let of_other_type = sealed(crate::envelope::IN_TOTO, policy().as_bytes(), &[key(b'O')]);
        for (file, key) in [
            (by_other.as_str(), Some(&public)),
            (of_other_type.as_str(), Some(&public)),
            (policy().as_str(), Some(&public)),
            (signed.as_str(), None),
        ] {
            let error = Trust::read(file.as_bytes(), key, day()).unwrap_err();
            assert_eq!(error.name(), "bad-policy-signature", "{error}");
        }
    }

    #[test]
    fn a_policy_ends() {
        let ended = policy().replacen("{", "{\"expires\": \"2026-11-23\",", 1);
        assert_eq!(error(&ended).name(), "policy-expired");
    }
}
