//! The bundle as one file of bytes: its members, each held against the manifest.
//!
//! It refuses a bundle that is damaged, cut off or says something else than its manifest: answers
//! about bytes that nobody vouches for would be worth nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use lab::bundle::{FORMAT, MANIFEST, Manifest};
use lab::ustar::{BLOCK_BYTES, padding};
use sha2::{Digest, Sha256};

/// More members than any recording has.
const MEMBERS_MAX: usize = 100_000;

/// Why a bundle is not answered about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub(crate) String);

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the bundle is refused: {}", self.0)
    }
}

impl std::error::Error for Refused {}

/// A bundle whose members are what its manifest says.
#[derive(Debug)]
pub struct Bundle<'a> {
    manifest: Manifest,
    members: BTreeMap<String, &'a [u8]>,
}

impl<'a> Bundle<'a> {
    /// Reads a bundle and checks every digest.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn open(bytes: &'a [u8]) -> Result<Self, Refused> {
        let mut ordered = members(bytes)?;
        let Some((last, manifest)) = ordered.pop() else {
            return Err(Refused("it is empty".to_owned()));
        };
        if last != MANIFEST {
            return Err(Refused(format!(
                "its last member is not {MANIFEST}: it may be cut off"
            )));
        }
        let manifest: Manifest = serde_json::from_slice(manifest)
            .map_err(|error| Refused(format!("{MANIFEST} can't be read: {error}")))?;
        if manifest.format != FORMAT {
            return Err(Refused(format!(
                "its format is {}, and this program reads {FORMAT}",
                manifest.format
            )));
        }
        check(&manifest, &ordered)?;
        Ok(Self {
            manifest,
            members: ordered.into_iter().collect(),
        })
    }

    /// What it says of itself.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// A member's bytes.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&'a [u8]> {
        self.members.get(name).copied()
    }
}

fn check(manifest: &Manifest, members: &[(String, &[u8])]) -> Result<(), Refused> {
    if manifest.members.len() != members.len() {
        return Err(Refused(format!(
            "it has {} members, and its manifest lists {}",
            members.len(),
            manifest.members.len()
        )));
    }
    for (entry, (name, bytes)) in manifest.members.iter().zip(members) {
        if entry.name != *name {
            return Err(Refused(format!(
                "{name} stands where its manifest lists another member"
            )));
        }
        let digest: String = Sha256::digest(bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        if entry.sha256 != digest || u64::try_from(bytes.len()) != Ok(entry.size_bytes) {
            return Err(Refused(format!("{name} is not what its manifest says")));
        }
    }
    Ok(())
}

/// Names and bytes, in the bundle's order.
type Members<'a> = Vec<(String, &'a [u8])>;

fn members(bytes: &[u8]) -> Result<Members<'_>, Refused> {
    let mut members: Members<'_> = Vec::new();
    let mut names = BTreeSet::new();
    let mut rest = bytes;
    let mut size_from_pax = None;
    loop {
        let Some((header, after)) = rest.split_at_checked(BLOCK_BYTES) else {
            return Err(Refused(
                "it ends before its end mark: it is cut off".to_owned(),
            ));
        };
        if header.iter().all(|byte| *byte == 0) {
            return ended(rest, members);
        }
        let (name, size, kind) = fields(header).ok_or_else(|| {
            Refused(format!(
                "the header behind member {} is damaged",
                members.len()
            ))
        })?;
        let size = size_from_pax.take().unwrap_or(size);
        let body = usize::try_from(size)
            .ok()
            .and_then(|size| after.get(..size));
        let whole = body.and_then(|body| body.len().checked_add(padding(size)));
        let next = whole.and_then(|whole| after.get(whole..));
        let (Some(body), Some(next)) = (body, next) else {
            return Err(Refused(format!("{name} is cut off")));
        };
        let padding = after.get(body.len()..after.len().saturating_sub(next.len()));
        if padding.unwrap_or_default().iter().any(|byte| *byte != 0) {
            return Err(Refused(format!("something is hidden behind {name}")));
        }
        match kind {
            b'x' => size_from_pax = Some(pax_size(body)?),
            b'0' => {
                if members.len() >= MEMBERS_MAX || !names.insert(name.clone()) {
                    return Err(Refused(format!("{name} is one member too many")));
                }
                members.push((name, body));
            }
            _ => return Err(Refused(format!("{name} is no plain member"))),
        }
        rest = next;
    }
}

/// Nothing but zeros may follow.
fn ended<'a>(rest: &[u8], members: Members<'a>) -> Result<Members<'a>, Refused> {
    if rest.len() < BLOCK_BYTES.saturating_mul(2) || rest.iter().any(|byte| *byte != 0) {
        return Err(Refused(
            "something else follows its end mark, or half of that is missing".to_owned(),
        ));
    }
    Ok(members)
}

fn fields(header: &[u8]) -> Option<(String, u64, u8)> {
    let name = header.get(..100)?;
    let length = name
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(name.len());
    let name = std::str::from_utf8(name.get(..length)?).ok()?.to_owned();
    let expected = lab::ustar::header(&name, 0).ok()?;
    // But for size, kind and sum, the header is ours, byte for byte.
    let same = |from: usize, to: usize| header.get(from..to) == expected.get(from..to);
    if !(same(0, 124) && same(136, 148) && same(157, BLOCK_BYTES)) {
        return None;
    }
    let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
    let stored = header.get(148..156)?;
    let blanked: u64 = stored.iter().map(|byte| u64::from(*byte)).sum();
    let sum = sum.checked_sub(blanked)?.checked_add(8 * 32)?;
    (octal(stored)? == sum).then_some(())?;
    Some((name, octal(header.get(124..136)?)?, *header.get(156)?))
}

fn octal(field: &[u8]) -> Option<u64> {
    let digits = field.iter().take_while(|byte| byte.is_ascii_digit());
    let text: String = digits.map(|digit| char::from(*digit)).collect();
    u64::from_str_radix(&text, 8).ok()
}

fn pax_size(body: &[u8]) -> Result<u64, Refused> {
    let text = std::str::from_utf8(body).unwrap_or_default();
    let size = text
        .split_once(" size=")
        .and_then(|(_, size)| size.trim_end().parse().ok());
    size.ok_or_else(|| Refused("an extended header has no size".to_owned()))
}
