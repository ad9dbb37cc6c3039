//! The YARA rules' part of a scan: each object whole, and what is known so far told first.

use proto::{Budget, FINDINGS_MAX, Match, Reason};
use rules::RuleId;
use sha2::{Digest as _, Sha256};
use unpack::Source;

use super::FileScan;
use super::findings::rule_ref;
use crate::yara::YaraScan;

impl FileScan<'_, '_> {
    /// Runs the YARA rules, where there are any, on the whole object.
    pub(super) fn run_yara(&mut self, source: &dyn Source, budget: &mut Budget) {
        let Some(yara) = self.yara.take() else {
            return;
        };
        let mut in_time = budget.check_time();
        if in_time.is_ok() {
            match source.whole() {
                Some(bytes) => self.run_yara_on(&mut **yara, source, bytes),
                None => self.read_for_yara(&mut **yara, source, budget),
            }
            in_time = budget.check_time();
        }
        self.yara = Some(yara);
        if let Err(reason) = in_time {
            self.note(reason, "the YARA rules take longer than the limit allows");
        }
    }

    fn read_for_yara(&mut self, yara: &mut dyn YaraScan, source: &dyn Source, budget: &mut Budget) {
        let size_bytes = source.size_bytes();
        if let Err(reason) = budget.hold_memory(size_bytes) {
            let text = "YARA rules need the whole object in memory, which is more than the limit \
                        allows";
            self.note(reason, text);
            return;
        }
        let mut bytes = vec![0; usize::try_from(size_bytes).unwrap_or(0)];
        match source.read_at(0, &mut bytes) {
            Ok(count) => self.run_yara_on(yara, source, bytes.get(..count).unwrap_or_default()),
            Err(error) => self.read_error(&error),
        }
        budget.release_memory(size_bytes);
    }

    fn run_yara_on(&mut self, yara: &mut dyn YaraScan, source: &dyn Source, bytes: &[u8]) {
        self.announce();
        let all_matches = self.options.all_matches;
        let mut hits: Vec<(RuleId, Vec<Match>)> = Vec::new();
        let mut omitted = 0u64;
        let pack = self.pack;
        let looked = yara.look(bytes, &mut |hit| {
            // One that an ignore list names runs, since others may build on it, and never reports.
            let Some(id) = pack.yara_rule(hit.namespace, hit.name) else {
                return;
            };
            if hits.is_empty() || (all_matches && hits.len() < FINDINGS_MAX) {
                hits.push((id, hit.matches));
            } else if all_matches {
                omitted = omitted.saturating_add(1);
            }
        });
        for (id, matches) in hits {
            let text = self.pack.rule_text(id).unwrap_or_default();
            let rule = rule_ref(self.pack, id, Sha256::digest(&text).into());
            self.found(source, (id, rule), matches);
        }
        self.verdict.findings_omitted = self.verdict.findings_omitted.saturating_add(omitted);
        if let Err(error) = looked {
            let text = format!("the YARA rules could not be run on it: {error}");
            self.note(Reason::Unsupported, &text);
        }
    }

    /// Says what is known so far, where that is more than was said before.
    fn announce(&mut self) {
        let known = self
            .verdict
            .findings
            .len()
            .saturating_add(self.verdict.details.len());
        if known > self.announced {
            self.announced = known;
            (self.announce)(&self.verdict);
        }
    }
}
