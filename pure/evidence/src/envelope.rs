//! DSSE envelopes: a payload, its type, and signatures over both.
//!
//! The payload comes out with the keys whose signatures are good. What the envelope says of its
//! keys is a hint and decides nothing.

use seal::{PublicKey, pae};

use crate::json::{self, Json};

/// What in-toto statements are sent as.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";
/// What a signed policy is sent as.
pub const TRUST_POLICY: &str = "application/vnd.candor.trust+json";
/// Signatures of one envelope that are looked at.
const SIGNATURES_MAX: usize = 32;

/// An envelope, before anybody looked at its signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The payload's type.
    pub payload_type: String,
    /// The payload.
    pub payload: Vec<u8>,
    /// Its signatures.
    pub signatures: Vec<EnvelopeSignature>,
}

/// One signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvelopeSignature {
    /// What the envelope says of the key; empty where it says nothing.
    pub key_hint: String,
    /// The signature's bytes.
    pub bytes: Vec<u8>,
}

impl Envelope {
    /// Reads one from JSON. Keys that DSSE does not know are passed over, as it asks.
    pub fn from_json(json: &Json) -> Result<Self, String> {
        let text = |key: &'static str| {
            json.text_at(key)
                .ok_or_else(|| format!("it has no `{key}`"))
        };
        let payload_type = text("payloadType")?.to_owned();
        let payload = seal::base64::decode(text("payload")?).ok_or("`payload` is no base64")?;
        let mut signatures = Vec::new();
        for signature in json.items_at("signatures") {
            let bytes = signature.text_at("sig").and_then(seal::base64::decode);
            signatures.push(EnvelopeSignature {
                key_hint: signature.text_at("keyid").unwrap_or_default().to_owned(),
                bytes: bytes.ok_or("a signature's `sig` is no base64")?,
            });
        }
        if signatures.is_empty() {
            return Err("it has no signatures".to_owned());
        }
        if signatures.len() > SIGNATURES_MAX {
            return Err(format!("it has more than {SIGNATURES_MAX} signatures"));
        }
        Ok(Self {
            payload_type,
            payload,
            signatures,
        })
    }

    /// Reads one from the bytes of a file.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let json = json::parse(bytes).map_err(|error| error.to_string())?;
        Self::from_json(&json)
    }

    /// Which of these keys signed it, by their places, each once.
    #[must_use]
    pub fn signed_by(&self, keys: &[PublicKey]) -> Vec<usize> {
        let message = pae(&self.payload_type, &self.payload);
        let mut found = Vec::new();
        for (at, key) in keys.iter().enumerate() {
            let mut signatures = self.signatures.iter();
            if signatures.any(|signature| key.verifies(&message, &signature.bytes)) {
                found.push(at);
            }
        }
        found
    }

    /// Whether a signature says that it is by this key and is not.
    #[must_use]
    pub fn falsely_names(&self, key: &PublicKey) -> bool {
        let id = key.id();
        let message = pae(&self.payload_type, &self.payload);
        let mut named = self.signatures.iter();
        named.any(|one| one.key_hint == id.as_str() && !key.verifies(&message, &one.bytes))
    }
}

#[cfg(test)]
mod tests {
    use seal::SigningKey;

    use super::*;

    fn signed(key: &SigningKey) -> Envelope {
        Envelope {
            payload_type: IN_TOTO.to_owned(),
            payload: b"{}".to_vec(),
            signatures: vec![EnvelopeSignature {
                key_hint: key.public().id().as_str().to_owned(),
                bytes: key.sign(&pae(IN_TOTO, b"{}")).to_vec(),
            }],
        }
    }

    #[test]
    fn a_signature_is_found_whatever_the_hint_says() {
        let key = SigningKey::from_seed(&[1; 32]);
        let other = SigningKey::from_seed(&[2; 32]);
        let keys = [other.public(), key.public()];
        let mut envelope = signed(&key);
        assert_eq!(envelope.signed_by(&keys), [1]);
        assert!(!envelope.falsely_names(&keys[1]));
        envelope.signatures[0].key_hint = keys[0].id().as_str().to_owned();
        assert_eq!(envelope.signed_by(&keys), [1]);
        assert!(envelope.falsely_names(&keys[0]));
    }

    #[test]
    fn a_changed_payload_or_type_is_signed_by_nobody() {
        let key = SigningKey::from_seed(&[1; 32]);
        let mut envelope = signed(&key);
        envelope.payload = b"[]".to_vec();
        assert!(envelope.signed_by(&[key.public()]).is_empty());
        let mut envelope = signed(&key);
        envelope.payload_type = TRUST_POLICY.to_owned();
        assert!(envelope.signed_by(&[key.public()]).is_empty());
    }

    #[test]
    fn what_is_no_envelope_is_named() {
        for (text, why) in [
            ("{}", "payloadType"),
            (
                r#"{"payloadType":"x","payload":"?","signatures":[]}"#,
                "base64",
            ),
            (
                r#"{"payloadType":"x","payload":"","signatures":[]}"#,
                "no signatures",
            ),
            (
                r#"{"payloadType":"x","payload":"","signatures":[{}]}"#,
                "sig",
            ),
            (r#"{"payloadType":"x","payloadType":"y"}"#, "twice"),
        ] {
            let error = Envelope::parse(text.as_bytes()).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
