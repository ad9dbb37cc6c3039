//! The enclosure's own certificate authority: what its trust stores are given, and the
//! certificates that it signs as names are asked for.
//!
//! Keys and certificates are the same for the same seed, so that two runs differ in nothing here.
//! Nobody outside an enclosure trusts it, and its key leaves this process in no form.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyUsagePurpose, PublicKeyData, SanType, SerialNumber, SignatureAlgorithm, date_time_ymd,
};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{NoServerSessionStorage, ServerConfig};
use rustls::{KeyLog, crypto};
use sha2::{Digest, Sha256};

/// More servers than a subject asks for; what was made before is then forgotten.
const CONFIGS_MAX: usize = 1024;
/// An authority and its servers outlast any clock that a plan sets.
const YEARS: (i32, i32) = (2000, 2049);
/// How long a name in a certificate may be; `ub-common-name` of RFC 5280.
const COMMON_NAME_CHARS_MAX: usize = 64;

/// The authority, and the servers' settings that it made.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, Key>,
    leaf: Key,
    provider: Arc<CryptoProvider>,
    key_log: Arc<dyn KeyLog>,
    configs: HashMap<Server, Arc<ServerConfig>>,
}

/// What a server's settings depend on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Server {
    /// The name or the address that it answers for.
    pub(crate) name: String,
    /// The protocol inside, where the client named some.
    pub(crate) protocol: Option<Vec<u8>>,
}

impl Authority {
    /// The authority of a seed. Session secrets go to `key_log`.
    pub(crate) fn new(seed: &[u8; 32], key_log: Arc<dyn KeyLog>) -> Result<Self, rcgen::Error> {
        let mut params = CertificateParams::default();
        let name = &mut params.distinguished_name;
        *name = rcgen::DistinguishedName::new();
        name.push(DnType::CommonName, lab::control::AUTHORITY_NAME);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        params.serial_number = Some(serial("authority", seed));
        date(&mut params);
        Ok(Self {
            issuer: CertifiedIssuer::self_signed(params, Key::derived("authority", seed))?,
            leaf: Key::derived("server", seed),
            provider: Arc::new(crypto::ring::default_provider()),
            key_log,
            configs: HashMap::new(),
        })
    }

    /// Its certificate, as trust stores take it.
    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// The settings of a server, with a certificate of its own.
    pub(crate) fn config(&mut self, server: &Server) -> Result<Arc<ServerConfig>, String> {
        if let Some(config) = self.configs.get(server) {
            return Ok(Arc::clone(config));
        }
        if self.configs.len() >= CONFIGS_MAX {
            self.configs.clear();
        }
        let config = Arc::new(self.make(server)?);
        self.configs.insert(server.clone(), Arc::clone(&config));
        Ok(config)
    }

    fn make(&self, server: &Server) -> Result<ServerConfig, String> {
        let certificate = self.certificate(&server.name).map_err(|e| e.to_string())?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.leaf.to_pkcs8()));
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .map_err(|error| error.to_string())?;
        config.alpn_protocols = server.protocol.clone().into_iter().collect();
        config.key_log = Arc::clone(&self.key_log);
        // A connection that resumes another one tells less about itself.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(config)
    }

    fn certificate(&self, name: &str) -> Result<CertificateDer<'static>, rcgen::Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        let common: String = name.chars().take(COMMON_NAME_CHARS_MAX).collect();
        params.distinguished_name.push(DnType::CommonName, common);
        params.subject_alt_names = vec![match name.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(name.try_into()?),
        }];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(serial(name, &self.leaf.seed));
        date(&mut params);
        Ok(params.signed_by(&self.leaf, &self.issuer)?.der().clone())
    }
}

fn date(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(YEARS.0, 1, 1);
    params.not_after = date_time_ymd(YEARS.1, 12, 31);
}

fn digest(what: &str, seed: &[u8; 32]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(seed);
    hash.update(what.as_bytes());
    hash.finalize().into()
}

/// Positive, and different for each name, since clients remember an issuer's serial numbers.
fn serial(what: &str, seed: &[u8; 32]) -> SerialNumber {
    let digest = digest(what, seed);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    bytes[0] = bytes[0] & 0x7f | 0x40;
    SerialNumber::from_slice(&bytes)
}

/// A key on P-256, which the oldest clients know. It signs by RFC 6979, so always the same.
struct Key {
    seed: [u8; 32],
    private: SigningKey,
    public: [u8; 65],
}

impl Key {
    fn derived(what: &str, seed: &[u8; 32]) -> Self {
        let mut bytes = digest(what, seed);
        loop {
            // All but one number in 2^32 is a key.
            if let Ok(private) = SigningKey::from_slice(&bytes) {
                let point = private.verifying_key().to_sec1_point(false);
                let mut public = [0; 65];
                public.copy_from_slice(point.as_bytes());
                return Self {
                    seed: *seed,
                    private,
                    public,
                };
            }
            bytes = digest(what, &bytes);
        }
    }

    /// RFC 5208 around RFC 5915, all of fixed length for this curve.
    fn to_pkcs8(&self) -> Vec<u8> {
        const HEAD: [u8; 36] = [
            0x30, 0x81, 0x87, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce,
            0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04,
            0x6d, 0x30, 0x6b, 0x02, 0x01, 0x01, 0x04, 0x20,
        ];
        const MIDDLE: [u8; 5] = [0xa1, 0x44, 0x03, 0x42, 0x00];
        let private = self.private.to_bytes();
        [&HEAD[..], private.as_slice(), &MIDDLE, &self.public].concat()
    }
}

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature: Signature = self.private.sign(message);
        Ok(signature.to_der().as_bytes().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct NoLog;

    impl KeyLog for NoLog {
        fn log(&self, _: &str, _: &[u8], _: &[u8]) {}
    }

    fn authority(seed: u8) -> Authority {
        Authority::new(&[seed; 32], Arc::new(NoLog)).unwrap()
    }

    #[test]
    fn the_same_seed_gives_the_same_certificates_and_another_seed_others() {
        let (one, same, other) = (authority(1), authority(1), authority(2));
        assert_eq!(one.pem(), same.pem());
        assert_ne!(one.pem(), other.pem());
        let certificate = |authority: &Authority| authority.certificate("a.example").unwrap();
        assert_eq!(certificate(&one), certificate(&same));
        assert_ne!(certificate(&one), certificate(&other));
    }

    #[test]
    fn any_name_and_any_address_gets_a_server() {
        let mut authority = authority(3);
        let long = "a.".repeat(120);
        for name in [
            "a.example",
            "198.18.0.1",
            "fd00::1",
            long.trim_end_matches('.'),
        ] {
            let server = Server {
                name: name.to_owned(),
                protocol: Some(b"http/1.1".to_vec()),
            };
            authority.config(&server).unwrap();
        }
        assert_eq!(authority.configs.len(), 4);
    }
}
