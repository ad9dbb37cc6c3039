//! Ed25519 keys: made from a seed, kept in PKCS#8 and SPKI files as OpenSSL writes them.
//!
//! A public key is read from PEM, from 64 hexadecimal digits, or from base64 of its 32 bytes.
//! Refuses encrypted keys and every other algorithm by name.

use std::fmt;

use ed25519_dalek::{Signature, Signer};
use sha2::{Digest, Sha256};

use crate::{base64, hex};

/// A private key's length.
pub const SEED_BYTES: usize = 32;
/// A signature's length.
pub const SIGNATURE_BYTES: usize = 64;

/// PKCS#8 (RFC 8410) up to the 32 bytes of the seed.
const PKCS8_HEAD: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];
/// SubjectPublicKeyInfo (RFC 8410) up to the 32 bytes of the key.
const SPKI_HEAD: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];
const PRIVATE: &str = "PRIVATE KEY";
const PUBLIC: &str = "PUBLIC KEY";

/// Why a key can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// It is none of the forms that are read.
    Form,
    /// It is PEM of something else: a certificate, an encrypted key, another algorithm.
    Kind,
    /// Its bytes are no point on the curve, or a weak one.
    Weak,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => {
                "this is no Ed25519 key: PEM as `candor evidence keygen` and `openssl genpkey \
                 -algorithm ed25519` write it is read, and a public key also as 64 hexadecimal \
                 digits"
            }
            Self::Kind => {
                "this key is encrypted or of another algorithm; only plain Ed25519 is read"
            }
            Self::Weak => "these bytes are no usable Ed25519 key",
        })
    }
}

impl std::error::Error for KeyError {}

/// A key's identity: the SHA-256 of its SubjectPublicKeyInfo.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId(String);

impl KeyId {
    /// Its 64 hexadecimal digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What checks signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey(ed25519_dalek::VerifyingKey);

impl PublicKey {
    /// A key from PEM, hexadecimal digits or base64.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        if text.starts_with("-----") {
            let der = pem(text, PUBLIC)?;
            let bytes = der.strip_prefix(&SPKI_HEAD).ok_or(KeyError::Kind)?;
            return Self::from_slice(bytes);
        }
        if let Some(bytes) = hex::decode(text) {
            return Self::from_bytes(&bytes);
        }
        Self::from_slice(&base64::decode(text).ok_or(KeyError::Form)?)
    }

    /// A key from its 32 bytes. One with which anything verifies is refused.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::Weak)?;
        if key.is_weak() {
            return Err(KeyError::Weak);
        }
        Ok(Self(key))
    }

    fn from_slice(bytes: &[u8]) -> Result<Self, KeyError> {
        Self::from_bytes(bytes.try_into().map_err(|_| KeyError::Form)?)
    }

    /// Its 32 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// Its PEM file.
    #[must_use]
    pub fn to_pem(&self) -> String {
        to_pem(PUBLIC, &[&SPKI_HEAD[..], self.0.as_bytes()].concat())
    }

    /// Its identity.
    #[must_use]
    pub fn id(&self) -> KeyId {
        let digest = Sha256::new()
            .chain_update(SPKI_HEAD)
            .chain_update(self.0.as_bytes())
            .finalize();
        KeyId(hex::encode(&digest))
    }

    /// Whether this signature is this key's over these bytes. Strict: a signature that some
    /// verifiers take and others refuse is refused.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.0.verify_strict(message, &signature).is_ok())
    }
}

/// What signs. Its bytes are cleared when it goes.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public().id())
    }
}

impl SigningKey {
    /// The key that these random bytes are.
    #[must_use]
    pub fn from_seed(seed: &[u8; SEED_BYTES]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// A key from its PKCS#8 PEM file.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let der = pem(text.trim(), PRIVATE)?;
        let seed = der.strip_prefix(&PKCS8_HEAD).ok_or(KeyError::Kind)?;
        Ok(Self::from_seed(
            seed.try_into().map_err(|_| KeyError::Kind)?,
        ))
    }

    /// Its PKCS#8 PEM file.
    #[must_use]
    pub fn to_pem(&self) -> String {
        to_pem(PRIVATE, &[&PKCS8_HEAD[..], self.0.as_bytes()].concat())
    }

    /// The key that checks what it signs.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Its signature over these bytes.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        self.0.sign(message).to_bytes()
    }
}

fn pem(text: &str, label: &str) -> Result<Vec<u8>, KeyError> {
    let text = text.strip_prefix("-----BEGIN ").ok_or(KeyError::Form)?;
    let (found, rest) = text.split_once("-----").ok_or(KeyError::Form)?;
    if found != label {
        return Err(KeyError::Kind);
    }
    let end = format!("-----END {label}-----");
    let (body, after) = rest.split_once(end.as_str()).ok_or(KeyError::Form)?;
    if !after.trim().is_empty() {
        return Err(KeyError::Form);
    }
    let body: String = body.chars().filter(|sign| !sign.is_whitespace()).collect();
    base64::decode(&body).ok_or(KeyError::Form)
}

fn to_pem(label: &str, der: &[u8]) -> String {
    // Both files are one line of base64.
    let body = base64::encode(der);
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_vector_of_rfc_8032_holds() {
        let seed = hex::decode("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
        let key = SigningKey::from_seed(&seed.unwrap());
        assert_eq!(
            hex::encode(&key.public().to_bytes()),
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
        );
        let signature = key.sign(b"");
        assert!(hex::encode(&signature).starts_with("e5564300c360ac729086e2cc806e828a"));
        assert!(key.public().verifies(b"", &signature));
        assert!(!key.public().verifies(b"x", &signature));
        assert!(!key.public().verifies(b"", &signature[..63]));
    }

    #[test]
    fn keys_come_back_from_their_files() {
        let key = SigningKey::from_seed(&[7; 32]);
        let again = SigningKey::parse(&key.to_pem()).unwrap();
        assert_eq!(again.public(), key.public());
        let public = key.public();
        let digits = hex::encode(&public.to_bytes());
        let letters = base64::encode(&public.to_bytes());
        for text in [public.to_pem(), digits, letters] {
            assert_eq!(PublicKey::parse(&text), Ok(public), "{text}");
        }
    }

    #[test]
    fn other_keys_are_named() {
        let key = SigningKey::from_seed(&[7; 32]);
        assert_eq!(PublicKey::parse(&key.to_pem()), Err(KeyError::Kind));
        assert!(SigningKey::parse(&key.public().to_pem()).is_err());
        assert_eq!(PublicKey::parse("hello"), Err(KeyError::Form));
        assert_eq!(PublicKey::parse(""), Err(KeyError::Form));
        let twice = format!("{}{}", key.public().to_pem(), key.public().to_pem());
        assert_eq!(PublicKey::parse(&twice), Err(KeyError::Form));
        let rsa = "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n";
        assert!(matches!(SigningKey::parse(rsa), Err(KeyError::Kind)));
    }

    #[test]
    fn a_key_with_which_anything_verifies_is_refused() {
        let mut neutral = [0; 32];
        neutral[0] = 1;
        assert_eq!(PublicKey::from_bytes(&neutral), Err(KeyError::Weak));
    }
}
