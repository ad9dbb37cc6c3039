//! What a pack is good for: whether its containers are the publisher's, and whether anything in it
//! can fire. What nobody named must be beyond doubt; what a user named is used, and said loudly.

use proto::PackSummary;

use super::Origin;
use crate::escape::{escaped_path, visible};
use crate::quantity::counted;

/// How the compiler begins what it says of a container; the lines here say it themselves.
const SAID_ANYWAY: &str = "signature NOT verified: ";

/// What becomes of a scan with a pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    Use,
    /// The starter pack takes its place, and why.
    FallBack(String),
    /// There is no scan, and why.
    Refuse(String),
}

/// A container whose publisher's signature is not good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unverified {
    pub(crate) container: String,
    pub(crate) why: String,
}

/// Whether a pack may be scanned with.
pub(crate) fn judge(origin: &Origin, summary: &PackSummary) -> Judgement {
    if let Origin::Freshclam(directory) = origin
        && let Some(found) = unverified(summary).iter().find(|found| found.is_signed())
    {
        let path = escaped_path(&directory.join(&found.container));
        let directory = escaped_path(directory);
        return Judgement::Refuse(format!(
            "{path}: its publisher's signature is not good: {}; fetch it again with freshclam, or \
             use it all the same: --db {directory}",
            found.why
        ));
    }
    if summary.signatures > 0 {
        return Judgement::Use;
    }
    let why = nothing_can_fire(origin, summary);
    match origin {
        Origin::Installed(_) | Origin::Freshclam(_) => {
            Judgement::FallBack(format!("{why}; only the starter signatures are used"))
        }
        Origin::File(_) | Origin::Named(_) | Origin::Starter => Judgement::Refuse(why),
    }
}

/// The containers that are not verified.
pub(crate) fn unverified(summary: &PackSummary) -> Vec<Unverified> {
    let split = |text: &String| {
        let (container, why) = text.split_once(": ").unwrap_or((text, "no reason given"));
        Unverified {
            container: visible(container),
            why: visible(why.strip_prefix(SAID_ANYWAY).unwrap_or(why)),
        }
    };
    summary.unverified.iter().map(split).collect()
}

impl Unverified {
    /// Whether it is of the kind that only its publisher makes; freshclam makes the others here.
    pub(crate) fn is_signed(&self) -> bool {
        self.container.ends_with(".cvd")
    }
}

/// `daily.cvd (why)`.
impl std::fmt::Display for Unverified {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.container, self.why)
    }
}

/// Why a pack without signatures finds nothing.
pub(crate) fn nothing_can_fire(origin: &Origin, summary: &PackSummary) -> String {
    let mut text = format!("no signature in {origin} can fire");
    let mut parts = Vec::new();
    for row in summary.pending.iter().take(3) {
        let lines = counted(row.count, "line", "lines");
        let (source, why) = (visible(&row.source), visible(&row.why));
        parts.push(format!("{lines} of {source} not yet compiled ({why})"));
    }
    if summary.pending.len() > parts.len() {
        parts.push("and more".to_owned());
    }
    if summary.dropped > 0 {
        parts.push(format!(
            "{} dropped",
            counted(summary.dropped, "line", "lines")
        ));
    }
    if !parts.is_empty() {
        text.push_str(": ");
        text.push_str(&parts.join(", "));
    }
    text
}

/// Lines that no engine of this version runs yet.
pub(crate) fn pending_lines(summary: &PackSummary) -> u64 {
    let counts = summary.pending.iter().map(|row| row.count);
    counts.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::PendingKind;

    fn summary(signatures: u64, unverified: &[&str]) -> PackSummary {
        PackSummary {
            signatures,
            unverified: unverified.iter().map(|&text| text.to_owned()).collect(),
            ..PackSummary::default()
        }
    }

    fn freshclam() -> Origin {
        Origin::Freshclam("/var/lib/clamav".into())
    }

    fn named() -> Origin {
        Origin::Named(vec!["/srv/db".into()])
    }

    #[test]
    fn an_unverified_cvd_that_nobody_named_is_refused() {
        let changed = summary(7, &["daily.cvd: signature NOT verified: another body"]);
        let Judgement::Refuse(why) = judge(&freshclam(), &changed) else {
            panic!("it was used");
        };
        for part in [
            "/var/lib/clamav/daily.cvd: ",
            "not good: another body;",
            "freshclam",
            "--db /var/lib/clamav",
        ] {
            assert!(why.contains(part), "{part:?} in {why}");
        }
        assert_eq!(judge(&named(), &changed), Judgement::Use);
        let local = summary(7, &["daily.cld: signature NOT verified: none"]);
        assert_eq!(judge(&freshclam(), &local), Judgement::Use);
        assert_eq!(unverified(&local)[0].to_string(), "daily.cld (none)");
    }

    #[test]
    fn a_pack_in_which_nothing_can_fire_is_never_scanned_with() {
        let mut empty = summary(0, &[]);
        empty.pending.push(PendingKind {
            source: "bytecode.cvd/1.cbc".into(),
            count: 1,
            why: "bytecode is never run".into(),
        });
        let Judgement::Refuse(why) = judge(&named(), &empty) else {
            panic!("it was used");
        };
        let said = "no signature in /srv/db can fire: 1 line of bytecode.cvd/1.cbc not yet \
                    compiled (bytecode is never run)";
        assert_eq!(why, said);
        let fallen = judge(&freshclam(), &empty);
        assert!(matches!(fallen, Judgement::FallBack(why) if why.contains("starter")));
        let file = Origin::File("x.pack".into());
        assert!(matches!(judge(&file, &empty), Judgement::Refuse(_)));
    }

    #[test]
    fn counts_of_a_worker_that_lies_do_not_overflow() {
        let row = PendingKind {
            source: "a".into(),
            count: u64::MAX,
            why: "b".into(),
        };
        let boast = PackSummary {
            pending: vec![row.clone(), row],
            ..PackSummary::default()
        };
        assert_eq!(pending_lines(&boast), u64::MAX);
    }
}
