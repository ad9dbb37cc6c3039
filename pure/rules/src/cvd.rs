//! The header of a CVD, CLD or CUD container, and its signature.
//!
//! A container is a header of 512 bytes, `ClamAV-VDB:time:version:signatures:level:md5:dsig:
//! builder:seconds`, and then a tar archive, usually compressed by gzip. The legacy signature is
//! RSA over the MD5 of everything after the header: the `dsig` text is an integer in digits of six
//! bits, least significant first, and the MD5 is its power modulo the public key's modulus. A
//! container with a good signature is one that ClamAV's publisher made; MD5 limits what that says.

use md5::{Digest as _, Md5};
use num_bigint::BigUint;

use crate::hash::to_hex;

/// The header's length.
pub const HEADER_BYTES: usize = 512;

/// The public key of ClamAV's publisher, in decimal.
const MODULUS: &str = "11864099555164534260307000165845318975152777441202774374659940574324314260746414\
    47673610606406558447497607888900222834249227624889175655510024677711096695981894\
    10434699034532232228621591089508178591428456220796841621637175567590476666928698\
    770143328137383952820383197532047771780196576957695822641224262693037";
const EXPONENT: u32 = 100_001_027;

/// What a container's header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// When it was built, as it says.
    pub time: String,
    /// Its version.
    pub version: u32,
    /// How many signatures it says that it holds.
    pub signatures: u64,
    /// Who built it.
    pub builder: String,
    /// Whether its signature is good.
    pub signature: SignatureState,
}

/// What is known of a container's signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignatureState {
    /// The publisher's key made it, over this very body.
    Verified,
    /// Not, and why.
    NotVerified(String),
}

/// Reads the header of a container and checks its signature; `None` where it is no container.
#[must_use]
pub fn read(container: &[u8]) -> Option<(Header, &[u8])> {
    let (head, body) = container.split_at_checked(HEADER_BYTES)?;
    let text = head.strip_prefix(b"ClamAV-VDB:")?;
    let text = String::from_utf8_lossy(text.trim_ascii_end()).into_owned();
    // The time holds colons of its own in some containers, so fields are counted from the end.
    let mut fields: Vec<&str> = text.split(':').collect();
    let has_seconds = fields.len() > 7;
    let mut last = || fields.pop().map(str::to_string);
    if has_seconds {
        last()?;
    }
    let builder = last()?;
    let dsig = last()?;
    let md5 = last()?;
    let _level = last()?;
    let signatures = last()?.parse().ok()?;
    let version = last()?.parse().ok()?;
    let time = fields.join(":");
    let signature = check(&md5, &dsig, body);
    Some((
        Header {
            time,
            version,
            signatures,
            builder,
            signature,
        },
        body,
    ))
}

fn check(md5: &str, dsig: &str, body: &[u8]) -> SignatureState {
    let actual: [u8; 16] = Md5::digest(body).into();
    let refused = |why: &str| SignatureState::NotVerified(why.to_string());
    if !to_hex(&actual).eq_ignore_ascii_case(md5) {
        return refused("the body's MD5 is not the one in the header");
    }
    let Some(signature) = decode(dsig) else {
        return refused(
            "it has no signature that can be read (locally changed or built databases have none)",
        );
    };
    let Some(modulus) = BigUint::parse_bytes(MODULUS.as_bytes(), 10) else {
        return refused("the public key could not be read");
    };
    let opened = signature
        .modpow(&BigUint::from(EXPONENT), &modulus)
        .to_bytes_be();
    if opened.len() > actual.len() {
        return refused("the signature was not made by the publisher's key");
    }
    let missing = actual.len().saturating_sub(opened.len());
    let (zeros, rest) = actual.split_at_checked(missing).unwrap_or((&[], &actual));
    if zeros.iter().all(|byte| *byte == 0) && rest == opened {
        SignatureState::Verified
    } else {
        refused("the signature was made for another body or by another key")
    }
}

/// A signature of 1024 bits has 171 digits; a longer text is no signature.
const DSIG_DIGITS_MAX: usize = 256;

fn decode(dsig: &str) -> Option<BigUint> {
    if dsig.len() < 100 || dsig.len() > DSIG_DIGITS_MAX {
        return None;
    }
    dsig.bytes()
        .rev()
        .try_fold(BigUint::default(), |number, digit| {
            let value = match digit {
                b'a'..=b'z' => digit.checked_sub(b'a'),
                b'A'..=b'Z' => digit
                    .checked_sub(b'A')
                    .and_then(|value| value.checked_add(26)),
                b'0'..=b'9' => digit
                    .checked_sub(b'0')
                    .and_then(|value| value.checked_add(52)),
                b'+' => Some(62),
                b'/' => Some(63),
                _ => None,
            }?;
            Some(shifted(&number) | BigUint::from(value))
        })
}

#[expect(
    clippy::arithmetic_side_effects,
    reason = "the digits are bounded, so the number is"
)]
fn shifted(number: &BigUint) -> BigUint {
    number << 6u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_that_was_built_at_home_is_not_verified() {
        let body = b"not a tar archive";
        let mut container = format!(
            "ClamAV-VDB:24 Nov 2026 10-50 -0400:7:2:90:{}:x:me:1",
            to_hex(&Md5::digest(body))
        )
        .into_bytes();
        container.resize(HEADER_BYTES, b' ');
        container.extend(body);
        let (header, read_body) = read(&container).unwrap();
        assert_eq!(
            (header.version, header.signatures, read_body),
            (7, 2, &body[..])
        );
        assert_eq!(header.time, "24 Nov 2026 10-50 -0400");
        let SignatureState::NotVerified(why) = header.signature else {
            panic!()
        };
        assert!(why.contains("no signature"), "{why}");
    }

    #[test]
    fn every_truncation_is_refused_or_not_verified() {
        let mut container = b"ClamAV-VDB:t:7:2:90:00:x:me:1".to_vec();
        container.resize(HEADER_BYTES, b' ');
        for cut in 0..container.len() {
            assert!(read(&container[..cut]).is_none());
        }
        let (header, _) = read(&container).unwrap();
        assert_ne!(header.signature, SignatureState::Verified);
    }
}
