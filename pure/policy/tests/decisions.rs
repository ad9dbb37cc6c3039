//! The golden matrices in `docs/decisions`: every shipped dossier on every shipped system under
//! every shipped pack. A change of a pack or a dossier shows here, line by line.
//!
//! Written anew by: `CANDOR_WRITE=1 cargo test -p policy --test decisions`.
#![expect(clippy::expect_used, reason = "helpers of tests fail as tests do")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use policy::{Case, Date, Dossier, Pack, System, decide};

const DAY: &str = "2026-11-24";

#[test]
fn every_decision_is_the_one_that_was_reviewed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/decisions");
    let write = std::env::var_os("CANDOR_WRITE").is_some();
    for (name, text) in policy::shipped_packs() {
        let matrix = matrix(&Pack::parse(text).expect("a shipped pack"));
        let path = folder.join(format!("{name}.md"));
        if write {
            fs::write(&path, &matrix).expect("the folder is there");
        }
        let reviewed = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            reviewed == matrix,
            "{}: not what is decided now:\n{matrix}",
            path.display()
        );
    }
}

fn matrix(pack: &Pack) -> String {
    let mut text = format!(
        "# {}\n\nPack `{}`, version {}, as of {DAY}. Written by a test from the shipped dossiers and \
         systems; reviewed line by line. No legal reader has signed the pack.\n\n\
         | system | product | outcome | decided by | expires |\n|---|---|---|---|---|\n",
        pack.title, pack.id, pack.version
    );
    for (_, system) in policy::shipped_systems() {
        let system = System::parse(system).expect("a shipped system");
        let mut silent = 0;
        for (_, dossier) in policy::shipped_dossiers() {
            let dossier = Dossier::parse(dossier).expect("a shipped dossier");
            let decision = decide(&Case {
                system: &system,
                dossier: &dossier,
                evidence: &[],
                evidence_notes: &[],
                pack,
                acceptance: None,
                as_of: Date::parse(DAY).expect("a day"),
            });
            let decided = decision.rules.iter().filter(|fired| fired.decided);
            let decided: Vec<String> = decided
                .map(|fired| {
                    let rule = &pack.rules[fired.place];
                    format!("{} {}", rule.id, fired.value)
                })
                .collect();
            if decision.outcome == policy::Outcome::OutOfScope {
                silent += 1;
                continue;
            }
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} |",
                system.name,
                dossier.product,
                decision.outcome,
                decided.join(", "),
                decision.expires
            );
        }
        if silent > 0 {
            let _ = writeln!(
                text,
                "| {} | {silent} products | out-of-scope | no rule | |",
                system.name
            );
        }
    }
    text
}
