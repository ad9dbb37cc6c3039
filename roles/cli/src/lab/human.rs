//! The four answers in a few lines that somebody understands at three in the morning. Everything
//! that comes from a product is made safe for a terminal first.

use lab::answers::{Answer, Answers, Known, UpdateTried, Verdict};

use crate::escape::visible;
use crate::quantity::{counted, rounded_size};

/// How many of a list are named.
const NAMED_MAX: usize = 3;

/// The text.
pub(super) fn text(answers: &Answers) -> String {
    let mut text = Text::default();
    text.head(answers);
    text.collects(answers);
    text.could_collect(answers);
    text.can_be_changed(answers);
    text.controls(answers);
    text.gaps(answers);
    text.lines
}

#[derive(Default)]
struct Text {
    lines: String,
}

impl Text {
    fn line(&mut self, line: &str) {
        self.lines.push_str(&visible(line));
        self.lines.push('\n');
    }

    fn head(&mut self, answers: &Answers) {
        let version = answers.version.as_deref().unwrap_or("version unknown");
        self.line(&format!("{} ({})", answers.product, version.trim()));
        self.line(&match answers.outcome.verdict {
            Verdict::NoFlowSeen => "NO FLOW SEEN for the triggers in this plan".to_owned(),
            Verdict::CanaryFound => "A SECRET LEFT THE ENCLOSURE".to_owned(),
            Verdict::NotConclusive => "NOT CONCLUSIVE".to_owned(),
        });
        for reason in &answers.outcome.reasons {
            self.line(&format!("  {reason}"));
        }
        self.line(&format!(
            "  plan \"{}\": {}, {} recorded whole; phases: {}",
            answers.plan,
            counted(answers.pairs.into(), "pair of runs", "pairs of runs"),
            counted(answers.complete_runs.into(), "run", "runs"),
            listed(&answers.triggers, answers.triggers.len()),
        ));
        self.phases(answers);
    }

    /// How each phase ended: a scanner that fails each time looks as quiet as an honest one.
    fn phases(&mut self, answers: &Answers) {
        let all = u64::from(answers.pairs).saturating_mul(2);
        let all = counted(all, "run", "runs");
        for phase in &answers.phases {
            let ends: Vec<String> = phase
                .ends
                .iter()
                .map(|one| format!("{} in {} of {all}", one.end, one.runs))
                .collect();
            self.line(&format!("  {}: {}", phase.phase, listed(&ends, NAMED_MAX)));
        }
    }

    fn collects(&mut self, answers: &Answers) {
        let collects = &answers.collects;
        self.line("1. What does it collect?");
        self.answer("secrets that left", &collects.canaries, |hits| {
            let hits: Vec<String> = hits
                .iter()
                .map(|hit| {
                    let how = match hit.encodings.is_empty() {
                        true => "in plain".to_owned(),
                        false => hit.encodings.join(" in "),
                    };
                    let to = hit.name.as_deref().unwrap_or(&hit.remote);
                    format!(
                        "{} of {} ({how}) in {} to {to}",
                        hit.part, hit.document, hit.carrier
                    )
                })
                .collect();
            listed(&hits, NAMED_MAX)
        });
        self.answer("spoke with", &collects.endpoints, |endpoints| {
            let endpoints: Vec<String> = endpoints
                .iter()
                .map(|one| {
                    let name = one.names.first().unwrap_or(&one.address);
                    let sent = rounded_size(one.sent_bytes);
                    format!("{name} {}/{} ({sent} sent)", one.port, one.protocol)
                })
                .collect();
            listed(&endpoints, NAMED_MAX)
        });
        self.answer("names its installation", &collects.identifiers, |found| {
            let found: Vec<String> = found
                .iter()
                .map(|one| format!("{} to {}", one.place, one.remote))
                .collect();
            listed(&found, NAMED_MAX)
        });
        self.answer("read", &collects.files_read, |classes| {
            let classes: Vec<String> = classes
                .iter()
                .map(|one| format!("{} ({})", one.class, counted(one.files, "file", "files")))
                .collect();
            listed(&classes, classes.len())
        });
        self.answer("wrote or changed", &collects.written, |written| {
            let written: Vec<String> = written.iter().map(|one| one.path.to_string()).collect();
            listed(&written, NAMED_MAX)
        });
        self.answer("ran", &collects.executed, |executed| {
            let executed: Vec<String> = executed.iter().map(|one| one.path.to_string()).collect();
            listed(&executed, NAMED_MAX)
        });
        self.answer("privileged operations", &collects.privileges, |used| {
            let used: Vec<String> = used
                .iter()
                .map(|one| {
                    let times = counted(one.times, "time", "times");
                    format!("{} ({times}: {})", one.operation, one.example)
                })
                .collect();
            listed(&used, used.len())
        });
    }

    fn could_collect(&mut self, answers: &Answers) {
        self.line("2. What could it collect?");
        self.line(&format!("  {}", answers.could_collect.reach));
    }

    fn can_be_changed(&mut self, answers: &Answers) {
        let changed = &answers.can_be_changed;
        self.line("3. What can be changed by a command from outside?");
        let is_known = |tried: &&UpdateTried| tried.outcome.as_value().is_some();
        let (known, unknown): (Vec<_>, Vec<_>) = changed.updates.iter().partition(is_known);
        let unknown: Vec<String> = unknown.iter().map(|tried| tried.phase.clone()).collect();
        if !unknown.is_empty() {
            self.line(&format!(
                "  unknown, since it was not tried or the record lacks it: {}",
                listed(&unknown, unknown.len())
            ));
        }
        for tried in known {
            self.answer(&tried.phase, &tried.outcome, |outcome| {
                let took = match outcome.changed_something {
                    true => "took something",
                    false => "took nothing",
                };
                format!("{took}; {}", outcome.command)
            });
        }
        self.answer("new code ran", &changed.new_code_ran, yes_or_no);
        self.line(&format!("  {}", changed.consequence));
    }

    fn controls(&mut self, answers: &Answers) {
        let controls = &answers.controls;
        self.line("4. What control is there?");
        self.answer(
            "works without a network",
            &controls.works_without_network,
            yes_or_no,
        );
        self.answer(
            "its speech can be read",
            &controls.can_be_inspected,
            yes_or_no,
        );
        self.answer("switches that stop flows", &controls.switches, |switches| {
            listed(switches, NAMED_MAX)
        });
        let declared = &answers.declared;
        self.answer(
            "flows that its maker does not declare",
            &declared.undeclared_flows,
            |flows| listed(flows, NAMED_MAX),
        );
    }

    fn gaps(&mut self, answers: &Answers) {
        for gap in &answers.gaps {
            let runs = counted(gap.runs.into(), "run", "runs");
            self.line(&format!("missing from the record of {runs}: {}", gap.what));
        }
        for limit in &answers.limits {
            self.line(&format!("note: {limit}"));
        }
    }

    fn answer<T>(&mut self, what: &str, answer: &Answer<T>, tell: impl Fn(&T) -> String) {
        let told = match &answer.known {
            Known::Value(value) => tell(value),
            Known::Unknown(reason) => format!("unknown: {reason}"),
        };
        self.line(&format!("  {what}: {told}"));
    }
}

fn yes_or_no(value: &bool) -> String {
    match value {
        true => "yes",
        false => "no",
    }
    .to_owned()
}

/// Some of a list, and how many more there are.
fn listed(items: &[String], named_max: usize) -> String {
    if items.is_empty() {
        return "nothing".to_owned();
    }
    let named: Vec<&str> = items.iter().take(named_max).map(String::as_str).collect();
    let named = named.join(", ");
    match items.len().checked_sub(named_max) {
        Some(more @ 1..) => format!("{named} and {more} more"),
        _ => named,
    }
}
