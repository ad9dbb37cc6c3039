//! Sigstore bundles, as cosign writes them, without a network.
//!
//! An envelope in one is checked by the policy's keys like any other. A certificate that lived ten
//! minutes proves nothing here: whose it says it is, is told and not believed.

use super::item;
use crate::envelope::Envelope;
use crate::json::Json;

/// What a bundle holds.
pub(crate) struct Opened {
    /// Its envelope, where it has one.
    pub(crate) envelope: Option<Envelope>,
    /// What is worth knowing.
    pub(crate) notes: Vec<String>,
}

/// Opens one; `None` where it is something else.
pub(crate) fn open(json: &Json) -> Option<Result<Opened, String>> {
    let kind = json.text_at("mediaType")?;
    if !kind.starts_with("application/vnd.dev.sigstore.bundle") {
        return None;
    }
    let mut notes = Vec::new();
    let material = json.at("verificationMaterial");
    if let Some(certificate) = material.and_then(certificate) {
        let names = alternative_names(&certificate);
        let names = match names.is_empty() {
            true => "it names nobody".to_owned(),
            false => format!("it names {}", names.join(", ")),
        };
        notes.push(format!(
            "it is signed with a short-lived certificate, which is not verified without a network; \
             {names}"
        ));
    }
    let Some(inside) = json.at("dsseEnvelope") else {
        notes.push("it is a signature over a file and says nothing of it".to_owned());
        return Some(Ok(Opened {
            envelope: None,
            notes,
        }));
    };
    Some(Envelope::from_json(inside).map(|envelope| Opened {
        envelope: Some(envelope),
        notes,
    }))
}

fn certificate(material: &Json) -> Option<Vec<u8>> {
    let single = material.at("certificate");
    let chain = material.at("x509CertificateChain");
    let first = single.or_else(|| chain?.items_at("certificates").next())?;
    seal::base64::decode(first.text_at("rawBytes")?)
}

/// The mail addresses and addresses of a certificate's subjectAltName, as far as they are found
/// without reading the rest of it.
fn alternative_names(der: &[u8]) -> Vec<String> {
    const NAME: [u8; 5] = [0x06, 0x03, 0x55, 0x1d, 0x11];
    const MAIL: u8 = 0x81;
    const ADDRESS: u8 = 0x86;
    let place = der.windows(NAME.len()).position(|window| window == NAME);
    let Some(rest) = place.and_then(|place| der.get(place.saturating_add(NAME.len())..)) else {
        return Vec::new();
    };
    let rest = rest.strip_prefix(&[0x01, 0x01, 0xff]).unwrap_or(rest);
    let list = inside(rest, 0x04).and_then(|(octets, _)| inside(octets, 0x30));
    let mut names = Vec::new();
    let mut left = list.map_or(&[][..], |(list, _)| list);
    while let Some(kind) = left.first().copied() {
        let Some((value, rest)) = inside(left, kind) else {
            break;
        };
        if matches!(kind, MAIL | ADDRESS) && names.len() < 8 {
            names.push(item(&String::from_utf8_lossy(value)));
        }
        left = rest;
    }
    names
}

/// The content of the value with this tag that begins here, and what follows it.
fn inside(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = der.split_first()?;
    let (length, rest) = rest.split_first()?;
    if *found != tag {
        return None;
    }
    let (length, rest) = match *length {
        short @ 0..=0x7f => (usize::from(short), rest),
        0x81 => {
            let (length, rest) = rest.split_first()?;
            (usize::from(*length), rest)
        }
        0x82 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}
