//! The trust stores of the enclosure, with the gateway's certificate in them: the machine's own
//! stores and one certificate more, put in place before anything runs, so that they are not taken
//! for the product's doing. Stores in formats of their own (NSS, Java) are left as they are: what
//! trusts those alone refuses the gateway, and the record shows that as a refusal.

use std::fs;
use std::path::{Path, PathBuf};

/// What OpenSSL and GnuTLS read on Debian, and all that the variables below point to.
const MAIN: &str = "/etc/ssl/certs/ca-certificates.crt";
/// Stores of the same format that other systems and programs have.
const OTHERS: [&str; 5] = [
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/usr/lib/python3/dist-packages/certifi/cacert.pem",
    "/usr/lib/python3/dist-packages/pip/_vendor/certifi/cacert.pem",
    "/usr/share/nodejs/ca-certificates.crt",
];
/// Variables by which programs are pointed to a store.
const VARIABLES: [&str; 5] = [
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
];

/// The stores: path, content, permissions.
pub(crate) fn stores(certificate: &str) -> Vec<(PathBuf, Vec<u8>, u32)> {
    let mut stores = vec![(
        PathBuf::from(MAIN),
        with(Path::new(MAIN), certificate),
        0o644,
    )];
    for path in OTHERS {
        // A link leads to a store that is listed itself, or to one that is changed where it is.
        let Ok(path) = fs::canonicalize(path) else {
            continue;
        };
        if !stores.iter().any(|(known, _, _)| *known == path) {
            let content = with(&path, certificate);
            stores.push((path, content, 0o644));
        }
    }
    stores
}

/// Variables for everything that is started.
pub(crate) fn environment() -> Vec<(String, String)> {
    VARIABLES
        .map(|name| (name.to_owned(), MAIN.to_owned()))
        .to_vec()
}

fn with(path: &Path, certificate: &str) -> Vec<u8> {
    let mut store = fs::read(path).unwrap_or_default();
    if store.last().is_some_and(|last| *last != b'\n') {
        store.push(b'\n');
    }
    store.extend_from_slice(certificate.as_bytes());
    store
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_store_holds_the_certificate_and_what_it_held() {
        let stores = stores("the certificate\n");
        assert_eq!(stores[0].0, Path::new(MAIN));
        for (path, content, _) in stores {
            let before = fs::read(path).unwrap_or_default();
            assert!(content.starts_with(&before));
            assert!(content.ends_with(b"the certificate\n"));
        }
    }
}
