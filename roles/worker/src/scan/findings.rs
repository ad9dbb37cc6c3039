//! What a verdict tells of each finding: the rule, where it lies, and the bytes that matched.

use engine::Examined;
use proto::{FINDINGS_MAX, Finding, MATCH_BYTES_MAX, Match, RuleRef};
use rules::{Pack, RuleId};
use unpack::Source;

use super::{FileScan, RULE_NAME_BYTES_MAX};

impl FileScan<'_, '_> {
    /// Tells what was found in an object, and what kept it from being looked at wholly.
    pub(crate) fn take(&mut self, source: &dyn Source, examined: &Examined) {
        if let Some(error) = &examined.read_error {
            self.read_error(error);
        }
        if let Some(reason) = examined.limit {
            self.note(
                reason,
                "looking for signatures takes more than the limit allows",
            );
        }
        for hit in &examined.hits {
            let rule = rule_ref(self.pack, hit.rule, hit.text_sha256);
            self.found(source, (hit.rule, rule), hit.matches.clone());
        }
    }

    pub(super) fn found(
        &mut self,
        source: &dyn Source,
        (id, rule): (RuleId, RuleRef),
        matches: Vec<Match>,
    ) {
        if self.verdict.findings.len() >= FINDINGS_MAX {
            self.verdict.findings_omitted = self.verdict.findings_omitted.saturating_add(1);
            return;
        }
        self.verdict.findings.push(Finding {
            name: rule_name(self.pack, id),
            rule,
            member: self.path.clone(),
            match_bytes: self.match_bytes(source, &matches),
            matches,
        });
    }

    /// The first bytes of each match, where the caller asked to see them.
    fn match_bytes(&self, source: &dyn Source, matches: &[Match]) -> Vec<Vec<u8>> {
        let shown = |place: &Match| {
            let length = usize::try_from(place.length).unwrap_or(usize::MAX);
            let mut bytes = vec![0; length.min(MATCH_BYTES_MAX)];
            let count = source.read_at(place.offset, &mut bytes).unwrap_or(0);
            bytes.truncate(count);
            bytes
        };
        match self.shows_bytes {
            true => matches.iter().map(shown).collect(),
            false => Vec::new(),
        }
    }
}

fn rule_name(pack: &Pack<'_>, id: RuleId) -> String {
    let name = pack.rule(id).map(|rule| rule.name).unwrap_or_default();
    bounded_text(&name)
}

fn bounded_text(bytes: &[u8]) -> String {
    let kept = bytes.get(..RULE_NAME_BYTES_MAX).unwrap_or(bytes);
    String::from_utf8_lossy(kept).into_owned()
}

pub(super) fn rule_ref(pack: &Pack<'_>, id: RuleId, sha256: [u8; 32]) -> RuleRef {
    let Some(rule) = pack.rule(id) else {
        return RuleRef::default();
    };
    let label = pack.source_label(rule.source).unwrap_or_default();
    RuleRef {
        kind: rule.kind.as_str().to_string(),
        source: bounded_text(label),
        line: rule.line,
        sha256,
    }
}
