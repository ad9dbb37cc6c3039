//! YARA rules in a pack: their sources as they were given, the namespace of each, and which rules
//! in them report. What they compile to is no part of a pack.
//!
//! ```text
//! head         source count u32, rule count u32, definitions' length u32, zero u32
//! sources      for each, in the order of compilation: label u32, namespace u32, text u32, into the
//!              texts
//! rules        for each: source u32, start u32, length u32, rule u32 (none: it never reports)
//! order        the rules' numbers u32, by namespace and name
//! definitions  bytes that their writer reads
//! ```

use std::cmp::Ordering;

use super::{Arena, Pack, RuleId, SectionId, le_u32, record};
use crate::CompileError;

const HEAD_BYTES: usize = 16;
const SOURCE_BYTES: usize = 12;
const RULE_BYTES: usize = 16;
const ORDER_BYTES: usize = 4;
/// A rule that never reports: a private one, or one that an ignore list names.
const NO_RULE: u32 = u32::MAX;

/// A YARA source as it lies in the pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct YaraSource<'a> {
    /// Its label.
    pub label: &'a [u8],
    /// The namespace that its rules are in.
    pub namespace: &'a [u8],
    /// Its text.
    pub text: &'a [u8],
}

/// YARA rules on their way into a pack.
#[derive(Debug, Default)]
pub(crate) struct YaraTables {
    sources: Vec<u8>,
    source_count: u32,
    rules: Vec<u8>,
    rule_count: u32,
    keys: Vec<(String, String, u32)>,
    pub(crate) definitions: Vec<u8>,
}

/// One rule's place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct YaraPlace<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    pub(crate) start: u32,
    pub(crate) length: u32,
    pub(crate) rule: Option<RuleId>,
}

impl YaraTables {
    /// Adds a source; its rules follow.
    pub(crate) fn add_source(
        &mut self,
        label: u32,
        (namespace, text): (&[u8], &[u8]),
        texts: &mut Arena,
    ) -> Result<(), CompileError> {
        self.source_count = self
            .source_count
            .checked_add(1)
            .ok_or(CompileError::TooLarge)?;
        for field in [label, texts.push_long(namespace)?, texts.push_long(text)?] {
            self.sources.extend(field.to_le_bytes());
        }
        Ok(())
    }

    /// Adds a rule of the last source.
    pub(crate) fn add_rule(&mut self, place: YaraPlace<'_>) -> Result<(), CompileError> {
        let source = self.source_count.saturating_sub(1);
        let number = self.rule_count;
        self.rule_count = number.checked_add(1).ok_or(CompileError::TooLarge)?;
        let rule = place.rule.map_or(NO_RULE, |rule| rule.0);
        for field in [source, place.start, place.length, rule] {
            self.rules.extend(field.to_le_bytes());
        }
        let key = (place.namespace.to_string(), place.name.to_string(), number);
        self.keys.push(key);
        Ok(())
    }

    /// The number that the next rule gets.
    pub(crate) fn next_rule(&self) -> u32 {
        self.rule_count
    }

    pub(crate) fn into_bytes(mut self) -> Vec<u8> {
        if self.source_count == 0 && self.definitions.is_empty() {
            return Vec::new();
        }
        self.keys.sort();
        let length = u32::try_from(self.definitions.len()).unwrap_or(0);
        let mut bytes = Vec::new();
        for field in [self.source_count, self.rule_count, length, 0] {
            bytes.extend(field.to_le_bytes());
        }
        bytes.extend(self.sources);
        bytes.extend(self.rules);
        for (_, _, number) in self.keys {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(self.definitions);
        bytes
    }
}

/// The section's parts.
#[derive(Clone, Copy, Debug, Default)]
struct Parts<'a> {
    sources: &'a [u8],
    rules: &'a [u8],
    order: &'a [u8],
    definitions: &'a [u8],
}

impl<'a> Parts<'a> {
    fn read(section: &'a [u8]) -> Option<Self> {
        let size = |at, bytes: usize| {
            usize::try_from(le_u32(section, at)?)
                .ok()?
                .checked_mul(bytes)
        };
        let left = section.get(HEAD_BYTES..)?;
        let (sources, left) = left.split_at_checked(size(0, SOURCE_BYTES)?)?;
        let (rules, left) = left.split_at_checked(size(4, RULE_BYTES)?)?;
        let (order, left) = left.split_at_checked(size(4, ORDER_BYTES)?)?;
        let definitions = left.get(..size(8, 1)?)?;
        Some(Self {
            sources,
            rules,
            order,
            definitions,
        })
    }
}

/// A rule's record.
struct Record<'a> {
    name: &'a [u8],
    namespace: &'a [u8],
    text: &'a [u8],
    rule: Option<RuleId>,
}

impl<'a> Pack<'a> {
    /// How many YARA rules there are, private ones included.
    #[must_use]
    pub fn yara_rules(&self) -> u64 {
        let head = self.section(SectionId::Yara);
        le_u32(head, 4).map_or(0, u64::from)
    }

    /// The YARA sources, in the order in which they compile.
    pub fn yara_sources(&self) -> impl Iterator<Item = YaraSource<'a>> + '_ {
        let count = le_u32(self.section(SectionId::Yara), 0).unwrap_or(0);
        (0..count).map_while(|index| self.yara_source(index))
    }

    /// What was put in with [`crate::Compiler::set_definitions`].
    #[must_use]
    pub fn yara_definitions(&self) -> &'a [u8] {
        self.yara_parts().definitions
    }

    /// The rule that reports for the YARA rule with this namespace and name, if one does.
    #[must_use]
    pub fn yara_rule(&self, namespace: &str, name: &str) -> Option<RuleId> {
        let wanted = (namespace.as_bytes(), name.as_bytes());
        let parts = self.yara_parts();
        let mut low = 0u32;
        let mut high = u32::try_from(parts.order.len().checked_div(ORDER_BYTES)?).ok()?;
        while low < high {
            let middle = low.midpoint(high);
            let number = le_u32(record(parts.order, middle, ORDER_BYTES)?, 0)?;
            let found = self.yara_record(number)?;
            match (found.namespace, found.name).cmp(&wanted) {
                Ordering::Equal => return found.rule,
                Ordering::Less => low = middle.checked_add(1)?,
                Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// The text of the YARA rule with this number.
    pub(crate) fn yara_text(&self, number: u32) -> Option<&'a [u8]> {
        Some(self.yara_record(number)?.text)
    }

    fn yara_parts(&self) -> Parts<'a> {
        Parts::read(self.section(SectionId::Yara)).unwrap_or_default()
    }

    fn yara_source(&self, index: u32) -> Option<YaraSource<'a>> {
        let fields = record(self.yara_parts().sources, index, SOURCE_BYTES)?;
        Some(YaraSource {
            label: self.text(le_u32(fields, 0)?)?,
            namespace: self.text(le_u32(fields, 4)?)?,
            text: self.text(le_u32(fields, 8)?)?,
        })
    }

    fn yara_record(&self, number: u32) -> Option<Record<'a>> {
        let fields = record(self.yara_parts().rules, number, RULE_BYTES)?;
        let source = self.yara_source(le_u32(fields, 0)?)?;
        let start = usize::try_from(le_u32(fields, 4)?).ok()?;
        let end = start.checked_add(usize::try_from(le_u32(fields, 8)?).ok()?)?;
        let text = source.text.get(start..end)?;
        let rule = le_u32(fields, 12).filter(|rule| *rule != NO_RULE);
        Some(Record {
            name: name_in(text)?,
            namespace: source.namespace,
            text,
            rule: rule.map(RuleId),
        })
    }
}

/// The name that a rule's text declares: what follows the word `rule`, outside comments.
fn name_in(text: &[u8]) -> Option<&[u8]> {
    let mut left = text;
    loop {
        left = left.trim_ascii_start();
        if let Some(comment) = left.strip_prefix(b"//") {
            let end = comment.iter().position(|byte| *byte == b'\n')?;
            left = comment.get(end..)?;
        } else if let Some(comment) = left.strip_prefix(b"/*") {
            let end = comment.windows(2).position(|pair| pair == b"*/")?;
            left = comment.get(end.checked_add(2)?..)?;
        } else {
            let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
            let length = left.iter().take_while(|byte| is_name(byte)).count();
            let (word, rest) = left.split_at_checked(length.max(1))?;
            if !matches!(word, b"rule" | b"private" | b"global") {
                return Some(word);
            }
            left = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rules_name_is_found_behind_words_and_comments() {
        assert_eq!(name_in(b"rule a { }"), Some(&b"a"[..]));
        assert_eq!(
            name_in(b"private global /* rule x */ rule // y\n  b_1:tag {"),
            Some(&b"b_1"[..])
        );
        assert_eq!(name_in(b"rule /* open"), None);
        assert_eq!(name_in(b"rule"), None);
    }
}
