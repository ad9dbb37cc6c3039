//! What a container says of its members, whether they can be unpacked or not.

use std::collections::BTreeSet;

use proto::Budget;
use rules::RuleId;
use unpack::Listed;

use super::findings::rule_ref;
use super::{FileScan, short_name};

impl FileScan<'_, '_> {
    /// Tells of the rules that fire on what a container of this size says. Each is told once for a
    /// container, and none but the first unless all are wanted.
    pub(super) fn listed(
        &mut self,
        (listed, container_bytes): (&Listed<'_>, u64),
        fired: &mut BTreeSet<RuleId>,
        budget: &mut Budget,
    ) {
        if !self.options.all_matches && !fired.is_empty() {
            return;
        }
        let hits = match self.listings.examine(listed, container_bytes, budget) {
            Ok(hits) => hits,
            Err(reason) => {
                self.note(
                    reason,
                    "looking at names in containers takes more than the limit allows",
                );
                return;
            }
        };
        let wanted = match self.options.all_matches {
            true => usize::MAX,
            false => 1,
        };
        self.path.push(short_name(listed.name));
        for hit in hits.into_iter().take(wanted) {
            if fired.insert(hit.rule) {
                let rule = rule_ref(self.pack, hit.rule, hit.text_sha256);
                let nothing: &[u8] = &[];
                self.found(&nothing, (hit.rule, rule), hit.matches);
            }
        }
        self.path.pop();
    }
}
