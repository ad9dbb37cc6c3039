//! YARA sources that the caller compiled, into the pack: their texts, and what became of each rule.
//! Refuses to compile YARA itself: that takes an engine, and this crate has none.

use std::ops::Range;

use crate::compile::{CompileError, Compiler, Place};
use crate::pack::{RULE_TEXT_IN_YARA, YaraPlace};
use crate::report::Tally;
use crate::{Kind, RuleId};

/// A source with what became of it.
#[derive(Clone, Copy, Debug)]
pub struct YaraCompiled<'a> {
    /// Its label.
    pub label: &'a str,
    /// Its text, as it was given.
    pub text: &'a [u8],
    /// The namespace that its rules are in.
    pub namespace: &'a str,
    /// The rules that compiled.
    pub rules: &'a [YaraRule<'a>],
    /// What did not compile.
    pub failures: &'a [YaraFailure],
}

/// A rule that compiled.
#[derive(Clone, Debug)]
pub struct YaraRule<'a> {
    /// Its name.
    pub name: &'a str,
    /// Where its text lies in the source's.
    pub range: Range<u32>,
    /// The line of its name, from 1.
    pub line: u32,
    /// A private rule never reports.
    pub private: bool,
}

/// A rule, or a statement, that did not compile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct YaraFailure {
    /// The line, from 1.
    pub line: u32,
    /// Why.
    pub why: String,
}

impl Compiler {
    /// Takes a source, in the order of compilation.
    pub fn add_yara(&mut self, compiled: &YaraCompiled<'_>) -> Result<(), CompileError> {
        let source = self.add_label(compiled.label)?;
        let mut tally = Tally {
            lines: (compiled.rules.len() as u64).saturating_add(compiled.failures.len() as u64),
            ..Tally::default()
        };
        for failure in compiled.failures {
            self.drop_line(source, failure.line, &failure.why, &mut tally)?;
        }
        if !compiled.rules.is_empty() {
            let label = self.texts.push_long(compiled.label.as_bytes())?;
            let parts = (compiled.namespace.as_bytes(), compiled.text);
            self.yara.add_source(label, parts, &mut self.texts)?;
        }
        for rule in compiled.rules {
            let place = Place {
                kind: Kind::Yara,
                source,
                line: rule.line,
            };
            self.add_yara_rule(compiled, rule, (place, &mut tally))?;
        }
        self.rows.push(tally.into_row(compiled.label, "yara"));
        Ok(())
    }

    /// Says that a source has the same text as another and is not taken again.
    pub fn note_same_yara(&mut self, label: &str, rules: u64) {
        let mut tally = Tally {
            lines: rules,
            ..Tally::default()
        };
        if rules > 0 {
            let why = "the same text as another source".to_string();
            tally.left_out.insert(why, rules);
        }
        self.rows.push(tally.into_row(label, "yara"));
    }

    /// Keeps the values that the rules were compiled with, in the caller's own form.
    pub fn set_definitions(&mut self, bytes: Vec<u8>) {
        self.yara.definitions = bytes;
    }

    fn add_yara_rule(
        &mut self,
        compiled: &YaraCompiled<'_>,
        rule: &YaraRule<'_>,
        (place, tally): (Place, &mut Tally),
    ) -> Result<(), CompileError> {
        let place_in = |offset| usize::try_from(offset).unwrap_or(usize::MAX);
        let bounds = place_in(rule.range.start)..place_in(rule.range.end);
        let text = compiled.text.get(bounds).unwrap_or_default();
        // A rule that is ignored stays: others may be built on it. It only never reports.
        let ignored = self.ignores.covers(rule.name.as_bytes(), text);
        if ignored {
            tally.ignored = tally.ignored.saturating_add(1);
        } else {
            tally.compiled = tally.compiled.saturating_add(1);
        }
        let reports = !ignored && !rule.private;
        let id: Option<RuleId> = match reports {
            true => {
                let text = (self.yara.next_rule(), RULE_TEXT_IN_YARA);
                Some(self.add_rule(place, rule.name.as_bytes(), text)?)
            }
            false => None,
        };
        self.yara.add_rule(YaraPlace {
            namespace: compiled.namespace,
            name: rule.name,
            start: rule.range.start,
            length: rule.range.end.saturating_sub(rule.range.start),
            rule: id,
        })
    }
}
