//! Everything that must not be seen, ready to be found in bytes, plain or under a repeating key.
//!
//! Any 16 bytes of a secret count. Wherever 16 bytes begin, a multiple of 11 is among their first 11
//! places, and 6 bytes from there are among the 16: so each place of a secret is indexed by its 6
//! bytes, and only every eleventh place of what is searched is looked up. A key that is repeated (by exclusive or, or by addition) vanishes from
//! the differences of bytes that are as far apart as the key is long: the same search in those
//! differences finds a secret under any such key, and then tells the key.

use canary::{Document, WINDOW_BYTES, digests};

/// The longest repeating key that is seen through.
const KEY_BYTES_MAX: usize = 16;
/// Bytes that are looked at in one domain before the next, so that its filters stay near.
const BLOCK_BYTES: usize = STRIDE_BYTES * 32_768;
const GRAM_BYTES: usize = 6;
const STRIDE_BYTES: usize = WINDOW_BYTES - GRAM_BYTES + 1;
/// The first filter of a domain stays in the nearest cache: 32 KiB, which is one bit in fifteen.
const NEAR_BITS: u32 = 18;
const FAR_BITS: u32 = 20;
/// A window with fewer different values is no secret of ours.
const DISTINCT_MIN: usize = 5;
/// Places with the same 6 bytes that are compared; secrets are random, so there is mostly one.
const SAME_GRAM_MAX: usize = 16;

/// What is searched for.
#[derive(Debug)]
pub struct Needles {
    needles: Vec<Needle>,
    domains: Vec<Index>,
}

/// One secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needle {
    /// The document's file name.
    pub document: String,
    /// What of it.
    pub part: String,
    bytes: Vec<u8>,
    shape: Shape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Secret,
    Reversed,
    Digest,
}

/// How a secret was hidden in the bytes where it was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Disguise {
    /// Not at all.
    None,
    /// Last byte first.
    Reversed,
    /// A repeating key was combined by exclusive or.
    Xor(Vec<u8>),
    /// A repeating key was added, byte by byte.
    Add(Vec<u8>),
}

/// Where something was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match<'n> {
    /// What.
    pub needle: &'n Needle,
    /// How it was hidden.
    pub disguise: Disguise,
    /// The first byte's place.
    pub offset: usize,
    /// How many bytes.
    pub length: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Domain {
    Plain,
    Xor(usize),
    Subtract(usize),
}

/// The places of all secrets in one domain, by their 6 bytes.
#[derive(Debug)]
struct Index {
    domain: Domain,
    /// A bit for each gram, and another in a larger table that few look-ups reach.
    near: Filter,
    far: Filter,
    grams: Vec<Gram>,
}

/// A set of bits by a hash.
#[derive(Debug)]
struct Filter {
    words: Vec<u64>,
    shift: u32,
    factor: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Gram {
    value: u64,
    needle: u32,
    offset: u32,
}

impl Needles {
    /// What must not be seen of these documents.
    #[must_use]
    pub fn new(documents: &[Document]) -> Self {
        let needles: Vec<Needle> = documents.iter().flat_map(needles_of).collect();
        let lags = 1..=KEY_BYTES_MAX;
        let domains = [Domain::Plain]
            .into_iter()
            .chain(lags.clone().map(Domain::Xor))
            .chain(lags.map(Domain::Subtract));
        Self {
            domains: domains.map(|domain| Index::new(domain, &needles)).collect(),
            needles,
        }
    }

    /// Finds every secret in `haystack`, and hands over each.
    pub fn find<'n>(&'n self, haystack: &[u8], found: &mut dyn FnMut(Match<'n>)) {
        let mut done = vec![0_usize; self.domains.len()];
        let mut start = 0_usize;
        while start < haystack.len() {
            for (index, done) in self.domains.iter().zip(&mut done) {
                index.find_in_block(haystack, start, &mut |at, value| {
                    if at < *done {
                        return;
                    }
                    if let Some((one, end)) = self.verified(index, haystack, (at, value)) {
                        *done = end;
                        if let Some(one) = one {
                            found(one);
                        }
                    }
                });
            }
            start = start.saturating_add(BLOCK_BYTES);
        }
    }

    /// The match around a place, and where it ends; no match but an end where what is there is
    /// plain, and another domain's to tell.
    fn verified<'n>(
        &'n self,
        index: &Index,
        haystack: &[u8],
        (at, value): (usize, u64),
    ) -> Option<(Option<Match<'n>>, usize)> {
        let from = index.grams.partition_point(|gram| gram.value < value);
        let same = index.grams.get(from..)?.iter();
        let same = same.take_while(|gram| gram.value == value);
        for gram in same.take(SAME_GRAM_MAX) {
            let needle = self.needles.get(usize::try_from(gram.needle).ok()?)?;
            let there = usize::try_from(gram.offset).ok()?;
            let Some((offset, place, length)) =
                extended(index.domain, (haystack, at), (&needle.bytes, there))
            else {
                continue;
            };
            if !is_diverse(index.domain, haystack, (offset, length)) {
                continue;
            }
            let end = offset.saturating_add(length);
            let disguise = disguise(index.domain, (haystack, offset), (needle, place));
            let found = disguise.map(|disguise| Match {
                needle,
                disguise,
                offset,
                length: length.saturating_add(lag(index.domain)),
            });
            return Some((found, end));
        }
        None
    }
}

impl Index {
    fn new(domain: Domain, needles: &[Needle]) -> Self {
        let mut grams = Vec::new();
        let in_domain = needles
            .iter()
            .zip(0_u32..)
            .filter(|(needle, _)| domain == Domain::Plain || needle.shape == Shape::Secret);
        for (needle, number) in in_domain {
            let bytes = transformed(domain, &needle.bytes);
            for (window, offset) in bytes.windows(GRAM_BYTES).zip(0_u32..) {
                grams.push(Gram {
                    value: load(window, 0),
                    needle: number,
                    offset,
                });
            }
        }
        grams.sort_unstable();
        let mut index = Self {
            domain,
            near: Filter::new(NEAR_BITS, 0x9e37_79b9_7f4a_7c15),
            far: Filter::new(FAR_BITS, 0xd6e8_feb8_6659_fd93),
            grams: Vec::new(),
        };
        for gram in &grams {
            index.near.mark(gram.value);
            index.far.mark(gram.value);
        }
        index.grams = grams;
        index
    }

    /// Hands over each place of a block, and its 6 bytes, that the filter lets through.
    fn find_in_block(&self, haystack: &[u8], start: usize, found: &mut dyn FnMut(usize, u64)) {
        let lag = lag(self.domain);
        match self.domain {
            Domain::Plain => self.walk(haystack, start, found, |at| load(haystack, at)),
            Domain::Xor(_) => self.walk(haystack, start, found, |at| {
                load(haystack, at) ^ load(haystack, at.wrapping_add(lag))
            }),
            Domain::Subtract(_) => self.walk(haystack, start, found, |at| {
                subtracted(load(haystack, at.wrapping_add(lag)), load(haystack, at))
            }),
        }
    }

    #[inline]
    fn walk(
        &self,
        haystack: &[u8],
        start: usize,
        found: &mut dyn FnMut(usize, u64),
        value: impl Fn(usize) -> u64,
    ) {
        let end = start.saturating_add(BLOCK_BYTES).min(haystack.len());
        let mut at = start;
        while at < end {
            let value = value(at) & GRAM_MASK;
            if self.near.has(value) && self.far.has(value) {
                found(at, value);
            }
            at = at.wrapping_add(STRIDE_BYTES);
        }
    }
}

impl Filter {
    fn new(bits: u32, factor: u64) -> Self {
        let words = 1_usize.wrapping_shl(bits.saturating_sub(6));
        Self {
            words: vec![0; words],
            shift: 64_u32.saturating_sub(bits),
            factor,
        }
    }

    #[inline]
    fn place(&self, value: u64) -> (usize, u32) {
        let bit = value.wrapping_mul(self.factor).wrapping_shr(self.shift);
        let word = usize::try_from(bit.wrapping_shr(6)).unwrap_or_default();
        (word, u32::try_from(bit & 63).unwrap_or_default())
    }

    fn mark(&mut self, value: u64) {
        let (word, bit) = self.place(value);
        if let Some(word) = self.words.get_mut(word) {
            *word |= 1_u64.wrapping_shl(bit);
        }
    }

    #[inline]
    fn has(&self, value: u64) -> bool {
        let (word, bit) = self.place(value);
        let word = self.words.get(word).copied().unwrap_or_default();
        word.wrapping_shr(bit) & 1 == 1
    }
}

fn needles_of(document: &Document) -> Vec<Needle> {
    let needle = |part: &str, bytes: Vec<u8>, shape| Needle {
        document: document.name.clone(),
        part: part.to_owned(),
        bytes,
        shape,
    };
    let mut needles = Vec::new();
    for secret in &document.secrets {
        let mut reversed = secret.bytes.clone();
        reversed.reverse();
        needles.push(needle(secret.part, secret.bytes.clone(), Shape::Secret));
        needles.push(needle(secret.part, reversed, Shape::Reversed));
    }
    let digests = digests(document).into_iter();
    needles.extend(digests.map(|digest| needle(&digest.part, digest.bytes, Shape::Digest)));
    needles
}

const GRAM_MASK: u64 = (1 << (8 * GRAM_BYTES)) - 1;

/// The eight bytes at a place; what there is of them, then zeros, at the end.
#[inline]
fn load(bytes: &[u8], at: usize) -> u64 {
    match bytes.get(at..).and_then(<[u8]>::first_chunk) {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => load_last(bytes.get(at..).unwrap_or_default()),
    }
}

#[cold]
fn load_last(bytes: &[u8]) -> u64 {
    let mut first = [0; 8];
    for (place, byte) in first.iter_mut().zip(bytes) {
        *place = *byte;
    }
    u64::from_le_bytes(first)
}

/// Eight differences, each modulo 256.
#[inline]
fn subtracted(left: u64, right: u64) -> u64 {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    (left | HIGH).wrapping_sub(right & !HIGH) ^ ((left ^ !right) & HIGH)
}

fn lag(domain: Domain) -> usize {
    match domain {
        Domain::Plain => 0,
        Domain::Xor(lag) | Domain::Subtract(lag) => lag,
    }
}

/// A place's value in a domain.
#[inline]
fn value_at(domain: Domain, bytes: &[u8], at: usize) -> Option<u8> {
    let here = *bytes.get(at)?;
    let later = *bytes.get(at.checked_add(lag(domain))?)?;
    Some(match domain {
        Domain::Plain => here,
        Domain::Xor(_) => here ^ later,
        Domain::Subtract(_) => later.wrapping_sub(here),
    })
}

fn transformed(domain: Domain, bytes: &[u8]) -> Vec<u8> {
    let places = 0..bytes.len();
    places.map_while(|at| value_at(domain, bytes, at)).collect()
}

/// How far both agree around two places: where that begins in each, and how long it is; nothing
/// where that is too short to mean anything.
fn extended(
    domain: Domain,
    (haystack, at): (&[u8], usize),
    (needle, there): (&[u8], usize),
) -> Option<(usize, usize, usize)> {
    let same = |left: usize, right: usize| {
        let value = value_at(domain, haystack, left);
        value.is_some() && value == value_at(domain, needle, right)
    };
    let back = (1..=at.min(there))
        .take_while(|back| same(at.saturating_sub(*back), there.saturating_sub(*back)))
        .count();
    let ahead = (0..needle.len().saturating_sub(there))
        .take_while(|ahead| same(at.saturating_add(*ahead), there.saturating_add(*ahead)))
        .count();
    let length = back.saturating_add(ahead);
    let offset = at.saturating_sub(back);
    (length >= WINDOW_BYTES).then(|| (offset, there.saturating_sub(back), length))
}

/// Whether what was matched has enough different values: what repeats matches by accident.
fn is_diverse(domain: Domain, haystack: &[u8], (offset, length): (usize, usize)) -> bool {
    let end = offset.saturating_add(length.min(64));
    let mut seen = [false; 256];
    for value in (offset..end).filter_map(|at| value_at(domain, haystack, at)) {
        if let Some(seen) = seen.get_mut(usize::from(value)) {
            *seen = true;
        }
    }
    seen.iter().filter(|seen| **seen).count() >= DISTINCT_MIN
}

/// How a match is hidden; nothing where its key changes nothing.
fn disguise(
    domain: Domain,
    (haystack, offset): (&[u8], usize),
    (needle, place): (&Needle, usize),
) -> Option<Disguise> {
    let pairs = || {
        let there = haystack.iter().skip(offset);
        let pairs = there.zip(needle.bytes.iter().skip(place));
        pairs.take(lag(domain))
    };
    let key: Vec<u8> = match domain {
        Domain::Plain if needle.shape == Shape::Reversed => return Some(Disguise::Reversed),
        Domain::Plain => return Some(Disguise::None),
        Domain::Xor(_) => pairs().map(|(there, plain)| there ^ plain).collect(),
        Domain::Subtract(_) => pairs()
            .map(|(there, plain)| there.wrapping_sub(*plain))
            .collect(),
    };
    if key.iter().all(|byte| *byte == 0) {
        return None;
    }
    Some(match domain {
        Domain::Subtract(_) => Disguise::Add(key),
        Domain::Plain | Domain::Xor(_) => Disguise::Xor(key),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use lab::Plan;

    fn documents() -> Vec<Document> {
        canary::documents(&[1; 32], &Plan::scan_only().unwrap().documents)
    }

    fn found(needles: &Needles, haystack: &[u8]) -> Vec<(Disguise, usize, usize)> {
        let mut all = Vec::new();
        needles.find(haystack, &mut |one| {
            all.push((one.disguise, one.offset, one.length))
        });
        all
    }

    #[test]
    fn any_16_bytes_of_any_secret_are_found_at_any_place() {
        let documents = documents();
        let needles = Needles::new(&documents);
        for document in &documents {
            for secret in &document.secrets {
                let windows = secret.bytes.windows(WINDOW_BYTES).enumerate();
                for (number, window) in windows.step_by(13) {
                    let mut haystack = vec![b'~'; number % 8 + 3];
                    let at = haystack.len();
                    haystack.extend(window);
                    haystack.extend(b"~~~~~");
                    // A letter beside it may belong to it by chance.
                    let all = found(&needles, &haystack);
                    assert_eq!(all.len(), 1, "{}", document.name);
                    let (disguise, offset, length) = &all[0];
                    assert_eq!(*disguise, Disguise::None);
                    assert!(*offset <= at && offset + length >= at + 16);
                }
            }
        }
    }

    #[test]
    fn fifteen_bytes_are_not_enough() {
        let documents = documents();
        let needles = Needles::new(&documents);
        let secret = &documents[0].secrets[0].bytes[40..55];
        assert!(found(&needles, &[b"~~~", secret, b"~~~~~~~~~~"].concat()).is_empty());
    }

    #[test]
    fn keys_up_to_16_bytes_are_seen_through_and_told() {
        let documents = documents();
        let needles = Needles::new(&documents);
        let secret = &documents[0].secrets[0].bytes[20..60];
        for length in 1..=16_usize {
            let key: Vec<u8> = (0..length)
                .map(|at| u8::try_from((at * 37 + 11) % 256).unwrap())
                .collect();
            let mut xored = b"head: ".to_vec();
            let mut added = xored.clone();
            xored.extend(
                secret
                    .iter()
                    .zip(key.iter().cycle())
                    .map(|(byte, key)| byte ^ key),
            );
            added.extend(
                secret
                    .iter()
                    .zip(key.iter().cycle())
                    .map(|(byte, key)| byte.wrapping_add(*key)),
            );
            assert!(
                found(&needles, &xored).contains(&(Disguise::Xor(key.clone()), 6, 40)),
                "{length}"
            );
            assert!(
                found(&needles, &added).contains(&(Disguise::Add(key), 6, 40)),
                "{length}"
            );
        }
    }

    #[test]
    fn reversed_secrets_and_raw_digests_are_found() {
        let documents = documents();
        let needles = Needles::new(&documents);
        let mut secret = documents[0].secrets[0].bytes[20..60].to_vec();
        secret.reverse();
        assert_eq!(found(&needles, &secret), [(Disguise::Reversed, 0, 40)]);
        for digest in digests(&documents[3]) {
            assert_eq!(
                found(&needles, &digest.bytes),
                [(Disguise::None, 0, digest.bytes.len())]
            );
        }
    }

    #[test]
    fn what_repeats_is_no_secret() {
        let needles = Needles::new(&documents());
        for byte in [0, b'a', 255] {
            assert!(found(&needles, &vec![byte; 100_000]).is_empty());
        }
        let counting: Vec<u8> = (0..100_000_u32)
            .map(|number| u8::try_from(number % 256).unwrap())
            .collect();
        assert!(found(&needles, &counting).is_empty());
    }
}
