//! The certificates that an executable carries.

use engine::CertificateTrouble;
use proto::Budget;
use unpack::{Facts, Source, Structure};

use super::FileScan;
use super::findings::rule_ref;

impl FileScan<'_, '_> {
    /// Tells of the rules that block a certificate of a PE file.
    pub(super) fn certificates(
        &mut self,
        source: &dyn Source,
        facts: Option<&Facts>,
        budget: &mut Budget,
    ) {
        if facts.is_none_or(|facts| facts.structure != Structure::Pe) {
            return;
        }
        let (hits, trouble) = engine::blocked_certificates(self.pack, source, budget);
        match trouble {
            None => {}
            Some(CertificateTrouble::Read(error)) => self.read_error(&error),
            Some(CertificateTrouble::Limit(reason)) => {
                self.note(
                    reason,
                    "looking at certificates takes more than the limit allows",
                );
            }
        }
        let wanted = match self.options.all_matches {
            true => usize::MAX,
            false => 1,
        };
        for hit in hits.into_iter().take(wanted) {
            let rule = rule_ref(self.pack, hit.rule, hit.text_sha256);
            self.found(source, (hit.rule, rule), hit.matches);
        }
    }
}
