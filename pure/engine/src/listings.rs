//! What containers say of their members against the rules about it.

use proto::{Budget, Reason};
use rules::ere::Threads;
use rules::{ContainerType, MemberFacts, Pack};
use sha2::{Digest as _, Sha256};
use unpack::{Listed, Lister};

use crate::scanner::Hit;

/// Rules looked at, and bytes of a name searched, for one step of work.
const CHECKS_A_STEP: u64 = 16;

/// Looks at what containers say, with one set of buffers.
pub struct Listings<'p> {
    pack: &'p Pack<'p>,
    rules: u64,
    threads: Threads,
}

impl<'p> Listings<'p> {
    /// For the rules of a pack.
    #[must_use]
    pub fn new(pack: &'p Pack<'p>) -> Self {
        Self {
            pack,
            rules: pack.metadata_rules().count() as u64,
            threads: Threads::default(),
        }
    }

    /// The rules that fire on what a container of this size says of a member.
    pub fn examine(
        &mut self,
        listed: &Listed<'_>,
        container_bytes: u64,
        budget: &mut Budget,
    ) -> Result<Vec<Hit>, Reason> {
        let mut hits = Vec::new();
        if self.rules == 0 {
            return Ok(hits);
        }
        budget.spend_work(self.rules.wrapping_div(CHECKS_A_STEP).saturating_add(1))?;
        let facts = MemberFacts {
            container: container_type(listed.lister),
            container_bytes,
            name: listed.name,
            packed_bytes: listed.packed_bytes,
            size_bytes: listed.size_bytes,
            is_encrypted: listed.is_encrypted,
            position: listed.position,
        };
        for rule in self.pack.metadata_rules().filter(|rule| rule.fits(&facts)) {
            if let Some(pattern) = rule.pattern {
                let length = facts.name.len();
                budget.spend_work((length as u64).wrapping_div(CHECKS_A_STEP))?;
                if !pattern.may_match(facts.name) {
                    continue;
                }
                let steps = pattern.steps_max(length);
                budget.spend_work(steps.wrapping_div(CHECKS_A_STEP))?;
                if !pattern.is_match(facts.name, &mut self.threads) {
                    continue;
                }
            }
            let text = self.pack.rule_text(rule.rule).unwrap_or_default();
            hits.push(Hit {
                rule: rule.rule,
                text_sha256: Sha256::digest(&text).into(),
                matches: Vec::new(),
            });
        }
        Ok(hits)
    }
}

fn container_type(lister: Lister) -> ContainerType {
    match lister {
        Lister::Zip => ContainerType::Zip,
        Lister::Word => ContainerType::Word,
        Lister::Excel => ContainerType::Excel,
        Lister::PowerPoint => ContainerType::PowerPoint,
        Lister::SevenZip => ContainerType::SevenZip,
        Lister::Cabinet => ContainerType::Cabinet,
        Lister::PosixTar => ContainerType::PosixTar,
        Lister::OldTar => ContainerType::OldTar,
        Lister::CpioOld => ContainerType::CpioOld,
        Lister::CpioOdc => ContainerType::CpioOdc,
        Lister::CpioNewc => ContainerType::CpioNewc,
        Lister::CpioCrc => ContainerType::CpioCrc,
        Lister::Mail => ContainerType::Mail,
        Lister::Html => ContainerType::Html,
    }
}
