//! The gate: every check in order, each with its result and its time, one verdict at the end.

use std::io::Write;
use std::time::{Duration, Instant};

use crate::workspace::Workspace;
use crate::{
    Problems, bpf, claims, fuzz, generate, graph, licences, repro, run_tests, tidy, toolchain,
};

/// How far the gate goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Everything.
    Whole,
    /// Without what has to run the tests.
    Quick,
}

type Check = fn(&Workspace) -> Result<Problems, String>;

struct Step {
    name: &'static str,
    check: Check,
    needs: Extent,
}

const STEPS: &[Step] = &[
    step("toolchain", toolchain::pinned, Extent::Quick),
    step("format", toolchain::formatted, Extent::Quick),
    step("clippy", toolchain::linted, Extent::Quick),
    step("graph", graph::check, Extent::Quick),
    step("generated files", generate::check, Extent::Quick),
    step("tidy", tidy::check, Extent::Quick),
    step("licences", licences::check, Extent::Quick),
    step("bpf", bpf::check, Extent::Quick),
    step("tests", run_tests::run, Extent::Whole),
    step("claims", claims::check, Extent::Whole),
    step("fuzz", fuzz::check, Extent::Whole),
    step("same bytes", repro::check, Extent::Whole),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Held,
    Failed,
    NotRun,
}

/// Runs the steps and prints the summary; what failed is returned by name.
pub(crate) fn run(workspace: &Workspace, extent: Extent) -> Result<Problems, String> {
    Ok(run_steps(workspace, STEPS, extent, &mut std::io::stdout()))
}

/// Whether the gate takes this step, for those who point at it as evidence.
pub(crate) fn has_step(name: &str) -> bool {
    STEPS.iter().any(|step| step.name == name)
}

fn run_steps(
    workspace: &Workspace,
    steps: &[Step],
    extent: Extent,
    out: &mut impl Write,
) -> Problems {
    let mut lines = Vec::new();
    let mut failed: Vec<&str> = Vec::new();
    for step in steps {
        // Tests of a checkout that already failed would only bury the reason.
        let skipped =
            step.needs == Extent::Whole && (extent == Extent::Quick || !failed.is_empty());
        let started = Instant::now();
        let outcome = match skipped {
            true => Outcome::NotRun,
            false => run_step(workspace, step, out),
        };
        if outcome == Outcome::Failed {
            failed.push(step.name);
        }
        lines.push(summary_line(step.name, outcome, started.elapsed()));
    }
    say(out, &format!("\n{}", lines.join("\n")));
    if !failed.is_empty() {
        return vec![format!("the gate is shut: {}", failed.join(", "))];
    }
    say(out, "the gate is open");
    Problems::new()
}

const fn step(name: &'static str, check: Check, needs: Extent) -> Step {
    Step { name, check, needs }
}

fn run_step(workspace: &Workspace, step: &Step, out: &mut impl Write) -> Outcome {
    say(out, &format!("== {}", step.name));
    let problems = (step.check)(workspace).unwrap_or_else(|error| vec![error]);
    for problem in &problems {
        say(out, problem);
    }
    match problems.is_empty() {
        true => Outcome::Held,
        false => Outcome::Failed,
    }
}

/// A reader that went away must not end the gate: its exit status still counts.
fn say(out: &mut impl Write, line: &str) {
    let _ = writeln!(out, "{line}");
}

fn summary_line(name: &str, outcome: Outcome, elapsed: Duration) -> String {
    let word = match outcome {
        Outcome::Held => "ok",
        Outcome::Failed => "FAILED",
        Outcome::NotRun => return format!("{name:<16} not run"),
    };
    format!("{name:<16} {word:<8} {:>6.1} s", elapsed.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(_: &Workspace) -> Result<Problems, String> {
        Ok(Problems::new())
    }

    fn fails(_: &Workspace) -> Result<Problems, String> {
        Err("broken".to_owned())
    }

    fn panics(_: &Workspace) -> Result<Problems, String> {
        panic!("this step must not run");
    }

    #[test]
    fn one_failure_shuts_the_gate_and_spares_the_tests() {
        let workspace = Workspace::load().expect("cargo metadata");
        let steps = [
            step("one", fails, Extent::Quick),
            step("two", holds, Extent::Quick),
            step("three", panics, Extent::Whole),
        ];
        let mut shown = Vec::new();
        let said = run_steps(&workspace, &steps, Extent::Whole, &mut shown);
        assert_eq!(said, ["the gate is shut: one"]);
        let shown = String::from_utf8(shown).expect("text");
        assert!(shown.contains("one              FAILED"), "{shown}");
        assert!(shown.contains("three            not run"), "{shown}");
    }

    #[test]
    fn quick_leaves_the_tests_out() {
        let workspace = Workspace::load().expect("cargo metadata");
        let steps = [
            step("one", holds, Extent::Quick),
            step("two", panics, Extent::Whole),
        ];
        let mut shown = Vec::new();
        assert!(run_steps(&workspace, &steps, Extent::Quick, &mut shown).is_empty());
        assert!(shown.ends_with(b"the gate is open\n"));
    }

    #[test]
    fn the_gate_has_every_check() {
        let names: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
        let expected = "toolchain format clippy graph generated-files tidy licences bpf tests claims fuzz same-bytes";
        assert_eq!(
            names
                .join(" ")
                .replace("generated files", "generated-files")
                .replace("same bytes", "same-bytes"),
            expected
        );
    }
}
