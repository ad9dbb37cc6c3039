//! The certificates that a PE file carries against those that a database blocks.

use proto::{Budget, Reason};
use rules::Pack;
use sha1::{Digest as _, Sha1};
use sha2::Sha256;
use unpack::{Certificate, CertificateStop, ReadError, Source};

use crate::scanner::Hit;

/// The rules that fire on the certificates of a PE file, and what kept them from being read.
#[must_use]
pub fn blocked_certificates(
    pack: &Pack<'_>,
    source: &dyn Source,
    budget: &mut Budget,
) -> (Vec<Hit>, Option<CertificateTrouble>) {
    if pack.blocked_certificates().next().is_none() {
        return (Vec::new(), None);
    }
    let carried = match unpack::certificates(source, budget) {
        Ok(carried) => carried,
        Err(CertificateStop::Limit(reason)) => {
            return (Vec::new(), Some(CertificateTrouble::Limit(reason)));
        }
        Err(CertificateStop::Read(error)) => {
            return (Vec::new(), Some(CertificateTrouble::Read(error)));
        }
    };
    let mut hits: Vec<Hit> = Vec::new();
    for certificate in &carried {
        match of_one(pack, certificate, budget) {
            Ok(found) => hits.extend(found),
            Err(reason) => return (hits, Some(CertificateTrouble::Limit(reason))),
        }
    }
    hits.sort_by_key(|hit| hit.rule);
    hits.dedup_by_key(|hit| hit.rule);
    (hits, None)
}

/// What kept certificates from being looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateTrouble {
    /// A limit.
    Limit(Reason),
    /// The file.
    Read(ReadError),
}

fn of_one(
    pack: &Pack<'_>,
    certificate: &Certificate,
    budget: &mut Budget,
) -> Result<Vec<Hit>, Reason> {
    let subject: [u8; 20] = Sha1::digest(&certificate.subject).into();
    let serial: [u8; 20] = Sha1::digest(&certificate.serial).into();
    let mut hits = Vec::new();
    for blocked in pack.blocked_certificates() {
        budget.spend_work(1)?;
        let fits = blocked.subject == subject
            && blocked.serial.is_none_or(|wanted| wanted == serial)
            && blocked.modulus == certificate.modulus;
        if fits {
            let text = pack.rule_text(blocked.rule).unwrap_or_default();
            hits.push(Hit {
                rule: blocked.rule,
                text_sha256: Sha256::digest(&text).into(),
                matches: Vec::new(),
            });
        }
    }
    Ok(hits)
}
