//! Names to leave out: `.ign2` (`Name` or `Name:MD5-of-the-line`) and the older `.ign`
//! (`file:line:Name`, of which the name decides).

use std::collections::BTreeMap;

use md5::{Digest as _, Md5};

use crate::hash::Digest;

/// Signatures that a database says to ignore.
#[derive(Debug, Default)]
pub struct IgnoreList {
    /// For each name: any line (`None`), or only the lines with these digests.
    names: BTreeMap<Vec<u8>, Option<Vec<[u8; 16]>>>,
}

impl IgnoreList {
    /// Adds the lines of an `.ign` or `.ign2` file; gives how many it took.
    pub fn add(&mut self, label: &str, text: &[u8]) -> u64 {
        let old_form = label.to_ascii_lowercase().ends_with(".ign");
        let mut taken = 0u64;
        for line in text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii) {
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            taken = taken.saturating_add(1);
            if old_form {
                let name = line.rsplit(|byte| *byte == b':').next().unwrap_or(line);
                self.names.insert(name.to_vec(), None);
            } else {
                self.add_name(line);
            }
        }
        taken
    }

    /// Whether the signature with this name and this text is left out.
    #[must_use]
    pub fn covers(&self, name: &[u8], text: &[u8]) -> bool {
        match self.names.get(name) {
            None => false,
            Some(None) => true,
            Some(Some(digests)) => {
                let digest: [u8; 16] = Md5::digest(text).into();
                digests.contains(&digest)
            }
        }
    }

    fn add_name(&mut self, line: &[u8]) {
        let mut halves = line.rsplitn(2, |byte| *byte == b':');
        let last = halves.next().unwrap_or(line);
        match (halves.next(), Digest::from_hex(last)) {
            (Some(name), Some(Digest::Md5(digest))) => {
                if let Some(digests) = self
                    .names
                    .entry(name.to_vec())
                    .or_insert_with(|| Some(Vec::new()))
                {
                    digests.push(digest);
                }
            }
            _ => {
                self.names.insert(line.to_vec(), None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_digest_covers_only_that_line() {
        let mut list = IgnoreList::default();
        // printf '%s' 'the line' | md5sum
        list.add(
            "a.ign2",
            b"Plain\nPinned:24af725fd61cd994f8e31e144f11b33e\n# note\n",
        );
        assert!(list.covers(b"Plain", b"anything"));
        assert!(!list.covers(b"Plai", b"anything"));
        assert!(list.covers(b"Pinned", b"the line"));
        assert!(!list.covers(b"Pinned", b"another line"));
    }

    #[test]
    fn the_old_form_ends_in_the_name() {
        let mut list = IgnoreList::default();
        assert_eq!(list.add("b.ign", b"main.db:17:Some.Name-1\n"), 1);
        assert!(list.covers(b"Some.Name-1", b""));
    }
}
