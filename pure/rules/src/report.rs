//! What became of each source's lines, as it is kept in the pack.

use std::collections::BTreeMap;

/// Lines of one source that wait for something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingRow {
    /// What they wait for, or why they are left out.
    pub why: String,
    /// How many they are.
    pub lines: u64,
}

/// What became of one source's lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceRow {
    /// Its name.
    pub label: String,
    /// What its lines are: `ndb`, `hdb`, `ignore list`…
    pub kind: String,
    /// Lines that are neither empty nor comments.
    pub lines: u64,
    /// Lines that became rules, or took effect.
    pub compiled: u64,
    /// Lines that an ignore list names.
    pub ignored: u64,
    /// Lines not compiled yet.
    pub pending: Vec<PendingRow>,
    /// Lines left out for good: for other engines, or of a kind that is never run.
    pub left_out: Vec<PendingRow>,
    /// Wrong lines.
    pub dropped: Vec<PendingRow>,
    /// What else there is to say: a container's time and version.
    pub note: String,
    /// What is wrong with the source as a whole: a container that is not verified, and why.
    pub warning: String,
}

/// Counts while a source is compiled.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) lines: u64,
    pub(crate) compiled: u64,
    pub(crate) ignored: u64,
    pub(crate) pending: BTreeMap<String, u64>,
    pub(crate) left_out: BTreeMap<String, u64>,
    pub(crate) dropped: BTreeMap<String, u64>,
    pub(crate) note: String,
    pub(crate) warning: String,
}

impl Tally {
    pub(crate) fn into_row(self, label: &str, kind: &str) -> SourceRow {
        let rows = |counts: BTreeMap<String, u64>| {
            counts
                .into_iter()
                .map(|(why, lines)| PendingRow { why, lines })
                .collect()
        };
        SourceRow {
            label: label.to_string(),
            kind: kind.to_string(),
            lines: self.lines,
            compiled: self.compiled,
            ignored: self.ignored,
            pending: rows(self.pending),
            left_out: rows(self.left_out),
            dropped: rows(self.dropped),
            note: self.note,
            warning: self.warning,
        }
    }
}

/// Adds one to a count.
pub(crate) fn count(counts: &mut BTreeMap<String, u64>, why: &str) {
    if let Some(total) = counts.get_mut(why) {
        *total = total.saturating_add(1);
    } else {
        counts.insert(why.to_string(), 1);
    }
}

/// Writes the rows: strings behind u32 lengths, counts as u64, lists behind u32 counts.
pub(crate) fn encode(rows: &[SourceRow]) -> Vec<u8> {
    let mut out = length(rows.len()).to_vec();
    for row in rows {
        for text in [&row.label, &row.kind, &row.note, &row.warning] {
            put_text(&mut out, text);
        }
        for number in [row.lines, row.compiled, row.ignored] {
            out.extend(number.to_le_bytes());
        }
        for list in [&row.pending, &row.left_out, &row.dropped] {
            out.extend(length(list.len()));
            for pending in list {
                put_text(&mut out, &pending.why);
                out.extend(pending.lines.to_le_bytes());
            }
        }
    }
    out
}

/// Reads the rows; those before a damaged one are kept.
pub(crate) fn decode(bytes: &[u8]) -> Vec<SourceRow> {
    let mut left = bytes;
    let count = take_u32(&mut left).unwrap_or(0);
    (0..count).map_while(|_| take_row(&mut left)).collect()
}

fn take_row(left: &mut &[u8]) -> Option<SourceRow> {
    let (label, kind) = (take_text(left)?, take_text(left)?);
    let (note, warning) = (take_text(left)?, take_text(left)?);
    let (lines, compiled, ignored) = (take_u64(left)?, take_u64(left)?, take_u64(left)?);
    let (pending, left_out, dropped) = (take_list(left)?, take_list(left)?, take_list(left)?);
    Some(SourceRow {
        label,
        kind,
        lines,
        compiled,
        ignored,
        pending,
        left_out,
        dropped,
        note,
        warning,
    })
}

fn take_list(left: &mut &[u8]) -> Option<Vec<PendingRow>> {
    let count = take_u32(left)?;
    (0..count)
        .map(|_| {
            Some(PendingRow {
                why: take_text(left)?,
                lines: take_u64(left)?,
            })
        })
        .collect()
}

fn length(count: usize) -> [u8; 4] {
    u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes()
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend(length(text.len()));
    out.extend(text.as_bytes());
}

fn take_text(left: &mut &[u8]) -> Option<String> {
    let length = usize::try_from(take_u32(left)?).ok()?;
    let (text, rest) = left.split_at_checked(length)?;
    *left = rest;
    Some(String::from_utf8_lossy(text).into_owned())
}

fn take_u32(left: &mut &[u8]) -> Option<u32> {
    let (bytes, rest) = left.split_first_chunk()?;
    *left = rest;
    Some(u32::from_le_bytes(*bytes))
}

fn take_u64(left: &mut &[u8]) -> Option<u64> {
    let (bytes, rest) = left.split_first_chunk()?;
    *left = rest;
    Some(u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_read_back_and_damage_ends_them() {
        let mut tally = Tally {
            lines: 3,
            compiled: 1,
            note: "n".to_string(),
            ..Tally::default()
        };
        count(&mut tally.pending, "a");
        count(&mut tally.pending, "a");
        count(&mut tally.dropped, "b");
        let row = tally.into_row("x.ndb", "ndb");
        let bytes = encode(&[row.clone(), row.clone()]);
        assert_eq!(decode(&bytes), [row.clone(), row]);
        for cut in 0..bytes.len() {
            assert!(decode(&bytes[..cut]).len() < 2);
        }
    }
}
