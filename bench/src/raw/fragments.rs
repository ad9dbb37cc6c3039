//! The fragments that raw matching is measured with.
//!
//! Real ones first: of each logical signature the subsignature with the rarest anchor, of each body
//! signature the whole, where they are plain hexadecimal with wildcards, gaps and `*`, and have
//! eight static bytes in a row. The rest is put together of two pieces cut from programs, 16 to 48
//! bytes in all: their bytes are as common as those of programs, and no good program has both in a
//! row, as none has what a signature was made for. Real anchors are rare, so one is kept only where
//! most bytes of both are seen nearly nowhere else in what it is cut from, and where the frozen
//! statistics call it rare too. The same inputs give the same fragments.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rules::body::Literal;

use crate::corpus::Numbers;

/// Fragments as hexadecimal text, the real ones first.
pub(crate) struct Fragments {
    pub(crate) lines: Vec<String>,
    /// How many of them are of real signatures.
    pub(crate) real: usize,
}

/// No fragment is kept whose anchor is expected to make so many second looks in 2^32 places; the
/// median of real ones is about 5,000.
const COST_MAX: u64 = 1 << 22;
/// Of a fragment that is cut.
const CUT_COST_MAX: u64 = 30_000;
/// Eight bytes that are cut may be seen so often in what they are cut from.
const SEEN_MAX: u8 = 3;

impl Fragments {
    /// So many fragments: the real ones of a directory, and others cut from some bytes.
    pub(crate) fn gather(
        count: usize,
        signatures: Option<&Path>,
        programs: &[u8],
    ) -> Result<Self, String> {
        let mut lines = match signatures {
            Some(directory) => real(directory)?,
            None => Vec::new(),
        };
        // So that fewer of them are as mixed as all.
        let mut numbers = Numbers::new(7);
        for index in (1..lines.len()).rev() {
            lines.swap(index, numbers.below(index + 1));
        }
        lines.truncate(count);
        let real = lines.len();
        let mut known: BTreeSet<String> = lines.iter().cloned().collect();
        let seen = Seen::of(programs);
        let mut tries = 0usize;
        while lines.len() < count {
            tries += 1;
            if tries > 200 * count + 1_000_000 {
                return Err(format!(
                    "{count} rare fragments can't be cut from so few bytes"
                ));
            }
            let mut half = || {
                let length = 8 + numbers.below(17);
                let at = numbers.below(programs.len().saturating_sub(length));
                &programs[at..at + length]
            };
            let halves = [half(), half()];
            let cut = halves.concat();
            let hex = to_hex(&cut);
            let is_rare = halves.iter().all(|half| seen.is_rare(half));
            if is_rare && anchor_cost(&cut) < CUT_COST_MAX && known.insert(hex.clone()) {
                lines.push(hex);
            }
        }
        Ok(Self { lines, real })
    }

    /// The first of them as a `.ndb` file.
    pub(crate) fn ndb(&self, count: usize) -> String {
        let numbered = self.lines.iter().take(count).enumerate();
        numbered
            .map(|(index, hex)| format!("Raw.{index}:0:*:{hex}\n"))
            .collect()
    }

    /// The static bytes of the first of them, in the order of the fragments.
    pub(crate) fn texts(&self, count: usize) -> Vec<Vec<u8>> {
        let longest = |hex: &String| runs(hex).into_iter().max_by_key(Vec::len);
        self.lines.iter().take(count).filter_map(longest).collect()
    }
}

/// How often eight bytes are seen, by a hash.
struct Seen(Vec<u8>);

impl Seen {
    const BITS: u32 = 28;

    fn of(bytes: &[u8]) -> Self {
        let mut counts = vec![0u8; 1 << Self::BITS];
        for window in bytes.array_windows::<8>() {
            let count = &mut counts[Self::place(*window)];
            *count = count.saturating_add(1);
        }
        Self(counts)
    }

    fn is_rare(&self, cut: &[u8]) -> bool {
        let windows = cut.array_windows::<8>();
        let rare = windows
            .clone()
            .filter(|window| self.0[Self::place(**window)] <= SEEN_MAX);
        rare.count() * 10 >= windows.len() * 7
    }

    fn place(window: [u8; 8]) -> usize {
        let folded = u64::from_le_bytes(window) | 0x2020_2020_2020_2020;
        let hash = folded.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - Self::BITS);
        usize::try_from(hash).unwrap_or(0)
    }
}

fn real(directory: &Path) -> Result<Vec<String>, String> {
    let told = |error: std::io::Error| format!("{}: {error}", directory.display());
    let entries = fs::read_dir(directory).map_err(told)?.flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    let mut found = BTreeSet::new();
    for path in paths {
        let extension = path.extension().and_then(|name| name.to_str());
        let of_line: fn(&str) -> Option<String> = match extension {
            Some("ldb") => of_logical,
            Some("ndb") => of_body,
            _ => continue,
        };
        let text = fs::read(&path).map_err(told)?;
        found.extend(String::from_utf8_lossy(&text).lines().filter_map(of_line));
    }
    Ok(found.into_iter().collect())
}

fn of_logical(line: &str) -> Option<String> {
    let subsignatures = line.split(';').skip(3);
    let plain = subsignatures.filter_map(|text| {
        // An offset before it, but no modifier behind it.
        let (_, hex) = text.rsplit_once(':').unwrap_or(("", text));
        usable(hex)
    });
    plain.min().map(|(_, hex)| hex)
}

fn of_body(line: &str) -> Option<String> {
    usable(line.split(':').nth(3)?).map(|(_, hex)| hex)
}

/// The fragment, behind the cost of its anchor.
fn usable(hex: &str) -> Option<(u64, String)> {
    let is_plain = |c: char| c.is_ascii_hexdigit() || "?*{}-".contains(c);
    if !hex.chars().all(is_plain) {
        return None;
    }
    let runs = runs(hex);
    let long = runs.iter().filter(|run| run.len() >= 8);
    let cost = long.map(|run| anchor_cost(run)).min()?;
    let every_part_has_two = hex.split(['*', '{']).all(|part| {
        self::runs(part.split_once('}').map_or(part, |(_, rest)| rest))
            .iter()
            .any(|run| run.len() >= 2)
    });
    (cost < COST_MAX && every_part_has_two).then(|| (cost, hex.to_ascii_lowercase()))
}

fn anchor_cost(run: &[u8]) -> u64 {
    Literal::new(run).map_or(u64::MAX, |literal| literal.cost())
}

/// The static bytes of a fragment.
fn runs(hex: &str) -> Vec<Vec<u8>> {
    let mut runs = vec![Vec::new()];
    let mut rest = hex;
    while let Some(first) = rest.chars().next() {
        let pair = rest
            .get(..2)
            .and_then(|pair| u8::from_str_radix(pair, 16).ok());
        let taken = match (pair, first) {
            (Some(byte), _) => {
                if let Some(run) = runs.last_mut() {
                    run.push(byte);
                }
                rest = &rest[2..];
                continue;
            }
            (None, '{') => rest.find('}').map_or(rest.len(), |end| end + 1),
            (None, '*') => 1,
            (None, _) => 2.min(rest.len()),
        };
        runs.push(Vec::new());
        rest = &rest[taken..];
    }
    runs.retain(|run| !run.is_empty());
    runs
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_end_at_what_is_not_a_byte() {
        let runs = runs("6162??63*6465{4-9}6?6667");
        assert_eq!(
            runs,
            [
                b"ab".to_vec(),
                b"c".to_vec(),
                b"de".to_vec(),
                b"fg".to_vec()
            ]
        );
    }

    #[test]
    fn only_plain_fragments_of_eight_bytes_are_taken() {
        assert!(usable("d39baeb1c917e25b").is_some());
        assert!(usable("d39baeb1c917e2").is_none());
        assert!(usable("d39baeb1c917e25b(61|62)").is_none());
        assert!(usable("d39baeb1c917e25b*61").is_none());
        assert!(of_logical("N;Target:1;0;EP+0:d39baeb1c917e25b;6162").is_some());
        assert!(of_logical("N;Target:1;0;d39baeb1c917e25b::i").is_none());
    }
}
