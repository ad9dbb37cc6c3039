//! The answers as one HTML page: no script, nothing fetched, readable aloud and on A4.

use std::fmt::Write;

use lab::Answers;
use lab::answers::{Answer, Collects, Known, PhaseEnd, Place, Pointer, Verdict};

const STYLE: &str = "body{font:11pt/1.45 Georgia,serif;max-width:60em;margin:2em auto;padding:0 1em;color:#111;background:#fff}h1{font-size:1.6em}h2{font-size:1.25em;border-bottom:1px solid #555;margin-top:2em}table{border-collapse:collapse;width:100%;margin:.6em 0}th,td{border:1px solid #777;padding:.25em .5em;text-align:left;vertical-align:top;overflow-wrap:anywhere}th{background:#eee}.outcome{border:2px solid #111;padding:.6em 1em}.where{font:8.5pt monospace;color:#333}caption{text-align:left;font-weight:bold;padding:.3em 0}@page{size:A4;margin:18mm}@media print{body{margin:0;max-width:none;font-size:10pt}h2{break-after:avoid}tr{break-inside:avoid}}";

/// The page.
#[must_use]
pub fn html(answers: &Answers) -> String {
    let mut page = Page(String::new());
    page.raw("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<title>What ");
    page.text(&answers.product);
    page.raw(" was seen to do</title>\n<style>");
    page.raw(STYLE);
    page.raw("</style>\n</head>\n<body>\n<main>\n");
    head(&mut page, answers);
    collects(&mut page, answers);
    could_collect(&mut page, answers);
    changes(&mut page, answers);
    controls(&mut page, answers);
    declared(&mut page, answers);
    record(&mut page, answers);
    page.raw("</main>\n</body>\n</html>\n");
    page.0
}

/// The cells of one thing.
type Row<T> = fn(&T) -> Vec<String>;

struct Page(String);

impl Page {
    fn raw(&mut self, markup: &str) {
        self.0.push_str(markup);
    }

    fn text(&mut self, text: &str) {
        for letter in text.chars() {
            match letter {
                '&' => self.raw("&amp;"),
                '<' => self.raw("&lt;"),
                '>' => self.raw("&gt;"),
                '"' => self.raw("&quot;"),
                letter if letter.is_control() => self.raw("\u{fffd}"),
                letter => self.0.push(letter),
            }
        }
    }

    fn heading(&mut self, text: &str) {
        self.element("h2", text);
    }

    fn element(&mut self, name: &str, text: &str) {
        // Writing to a string does not fail.
        let _ = write!(self.0, "<{name}>");
        self.text(text);
        let _ = writeln!(self.0, "</{name}>");
    }

    fn list(&mut self, items: &[String]) {
        if items.is_empty() {
            self.element("p", "Nothing.");
            return;
        }
        self.raw("<ul>\n");
        for item in items {
            self.element("li", item);
        }
        self.raw("</ul>\n");
    }

    fn table(&mut self, caption: &str, columns: &[&str], rows: Vec<Vec<String>>) {
        self.raw("<table>\n");
        self.element("caption", caption);
        if rows.is_empty() {
            self.raw("<tbody><tr><td>Nothing was seen.</td></tr></tbody></table>\n");
            return;
        }
        self.raw("<thead><tr>");
        for column in columns {
            self.raw("<th scope=\"col\">");
            self.text(column);
            self.raw("</th>");
        }
        self.raw("</tr></thead>\n<tbody>\n");
        for row in rows {
            self.raw("<tr>");
            for cell in row {
                self.element("td", &cell);
            }
            self.raw("</tr>\n");
        }
        self.raw("</tbody></table>\n");
    }

    /// A table of what is known, or why it is not.
    fn answer<T>(
        &mut self,
        caption: &str,
        columns: &[&str],
        (answer, row): (&Answer<Vec<T>>, Row<T>),
    ) {
        match &answer.known {
            Known::Value(all) => self.table(caption, columns, all.iter().map(row).collect()),
            Known::Unknown(why) => self.element("p", &format!("{caption}: unknown, since {why}.")),
        }
    }

    fn yes_or_no(&mut self, question: &str, answer: &Answer<bool>) {
        let words = match &answer.known {
            Known::Value(true) => "yes".to_owned(),
            Known::Value(false) => "no".to_owned(),
            Known::Unknown(why) => format!("unknown, since {why}"),
        };
        self.element("p", &format!("{question} {words}."));
    }
}

fn places(pointers: &[Pointer]) -> String {
    let shown = pointers.iter().take(3).map(|pointer| match pointer.place {
        Place::Line(line) => format!("{} line {line}", pointer.member),
        Place::Packet(packet) => format!("{} packet {packet}", pointer.member),
        Place::Whole(()) => pointer.member.clone(),
    });
    shown.collect::<Vec<_>>().join("; ")
}

fn declared_word(declared: Option<bool>) -> String {
    match declared {
        Some(true) => "declared",
        Some(false) => "not declared",
        None => "nothing declared",
    }
    .to_owned()
}

fn head(page: &mut Page, answers: &Answers) {
    page.element("h1", &format!("What {} was seen to do", answers.product));
    let verdict = match answers.outcome.verdict {
        Verdict::NoFlowSeen => "No flow seen",
        Verdict::CanaryFound => "A canary left the enclosure",
        Verdict::NotConclusive => "Not conclusive",
    };
    page.raw("<section class=\"outcome\" aria-label=\"Outcome\">\n");
    page.element("p", &format!("Outcome: {verdict}."));
    page.list(&answers.outcome.reasons);
    page.raw("</section>\n");
    let version = answers.version.as_deref().unwrap_or("unknown");
    page.element(
        "p",
        &format!(
            "Version: {version}. Plan: {}. {} pairs of runs, {} runs complete. Tried: {}.",
            answers.plan,
            answers.pairs,
            answers.complete_runs,
            answers.triggers.join(", ")
        ),
    );
    let rows = answers.phases.iter().flat_map(|phase| {
        let row = |end: &PhaseEnd| vec![phase.phase.clone(), end.end.clone(), end.runs.to_string()];
        phase.ends.iter().map(row)
    });
    let rows = rows.collect();
    page.table("How the phases ended", &["Phase", "End", "Runs"], rows);
    page.heading("What this does not say");
    page.list(&answers.limits);
}

fn collects(page: &mut Page, answers: &Answers) {
    page.heading("1. What does it collect?");
    let collects = &answers.collects;
    page.answer(
        "Secrets of the documents that left",
        &[
            "What",
            "Encoded as",
            "How",
            "With",
            "Phase",
            "Runs",
            "Where",
        ],
        (&collects.canaries, |hit| {
            let whom = hit.name.clone().unwrap_or_else(|| hit.remote.clone());
            vec![
                format!("{} of {}", hit.part, hit.document),
                hit.encodings.join(", "),
                hit.carrier.clone(),
                whom,
                hit.phase.clone().unwrap_or_default(),
                hit.runs.to_string(),
                places(&hit.pointers),
            ]
        }),
    );
    spoke(page, collects);
    on_the_machine(page, collects);
}

fn spoke(page: &mut Page, collects: &Collects) {
    page.answer(
        "With whom it spoke",
        &[
            "Over",
            "Address",
            "Names",
            "Sent",
            "Received",
            "Runs",
            "Protection",
            "Declared",
            "Where",
        ],
        (&collects.endpoints, |one| {
            vec![
                one.protocol.clone(),
                format!("{} port {}", one.address, one.port),
                one.names.join(", "),
                one.sent_bytes.to_string(),
                one.received_bytes.to_string(),
                one.runs.to_string(),
                one.protection.clone(),
                declared_word(one.declared),
                places(&one.pointers),
            ]
        }),
    );
    page.answer(
        "Values that name an installation",
        &[
            "To",
            "Place",
            "Example",
            "Different values",
            "Runs",
            "Where",
        ],
        (&collects.identifiers, |one| {
            vec![
                one.remote.clone(),
                one.place.clone(),
                one.example.to_string(),
                one.values.to_string(),
                one.runs.to_string(),
                places(&one.pointers),
            ]
        }),
    );
}

fn on_the_machine(page: &mut Page, collects: &Collects) {
    page.answer(
        "Files that it read",
        &["Class", "Files", "Bytes", "Examples", "Declared", "Where"],
        (&collects.files_read, |one| {
            let examples: Vec<&str> = one.examples.iter().map(lab::Escaped::as_str).collect();
            vec![
                one.class.clone(),
                one.files.to_string(),
                one.bytes.to_string(),
                examples.join(" "),
                declared_word(one.declared),
                places(&one.pointers),
            ]
        }),
    );
    page.answer(
        "Files that it wrote",
        &["Path", "What", "Runs", "Bytes", "Where"],
        (&collects.written, |one| {
            vec![
                one.path.to_string(),
                one.kind.clone(),
                one.runs.to_string(),
                one.size_bytes.to_string(),
                places(&one.pointers),
            ]
        }),
    );
    page.answer(
        "Programs that it ran",
        &["Path", "Times", "Written in the same run", "Where"],
        (&collects.executed, |one| {
            let new = if one.is_new { "yes" } else { "no" };
            vec![
                one.path.to_string(),
                one.times.to_string(),
                new.to_owned(),
                places(&one.pointers),
            ]
        }),
    );
    page.answer(
        "Privileged operations",
        &["Operation", "Times", "Example", "Declared", "Where"],
        (&collects.privileges, |one| {
            vec![
                one.operation.clone(),
                one.times.to_string(),
                one.example.to_string(),
                declared_word(one.declared),
                places(&one.pointers),
            ]
        }),
    );
}

fn could_collect(page: &mut Page, answers: &Answers) {
    page.heading("2. What could it collect?");
    let words = match &answers.could_collect.privilege.known {
        Known::Value(privilege) => format!("It ran as {privilege}."),
        Known::Unknown(why) => format!("Its privilege is unknown, since {why}."),
    };
    page.element("p", &words);
    page.element("p", &answers.could_collect.reach);
}

fn changes(page: &mut Page, answers: &Answers) {
    page.heading("3. What can be changed by a command from outside?");
    let rows = answers
        .can_be_changed
        .updates
        .iter()
        .map(|update| match &update.outcome.known {
            Known::Value(outcome) => {
                let changed = if outcome.changed_something {
                    "files changed"
                } else {
                    "nothing lasting changed"
                };
                vec![
                    update.phase.clone(),
                    outcome.command.clone(),
                    format!("{changed} ({} written)", outcome.files),
                    places(&update.outcome.pointers),
                ]
            }
            Known::Unknown(why) => vec![
                update.phase.clone(),
                "unknown".to_owned(),
                why.clone(),
                String::new(),
            ],
        });
    page.table(
        "Updates that were tried",
        &["Update", "Command", "Outcome", "Where"],
        rows.collect(),
    );
    page.yes_or_no(
        "Was a program run that an update wrote?",
        &answers.can_be_changed.new_code_ran,
    );
    page.element("p", &answers.can_be_changed.consequence);
}

fn controls(page: &mut Page, answers: &Answers) {
    page.heading("4. What controls are there?");
    page.yes_or_no(
        "Does it scan while no packet passes?",
        &answers.controls.works_without_network,
    );
    page.yes_or_no(
        "Can its encrypted speech be read by who runs it?",
        &answers.controls.can_be_inspected,
    );
    page.answer(
        "Switches that stop flows",
        &["Switch"],
        (&answers.controls.switches, |one| vec![one.clone()]),
    );
}

fn declared(page: &mut Page, answers: &Answers) {
    page.heading("Declared and seen");
    let declared = &answers.declared;
    page.answer(
        "Flows that nobody declared",
        &["Flow"],
        (&declared.undeclared_flows, |one| vec![one.clone()]),
    );
    page.answer(
        "Reads and privileges that nobody declared",
        &["What"],
        (&declared.undeclared_other, |one| vec![one.clone()]),
    );
    for (title, items) in [
        ("Declared and seen", &declared.seen),
        ("Declared and not seen", &declared.not_seen),
        (
            "Said by the maker and not tested here",
            &declared.untested_statements,
        ),
    ] {
        page.element("h3", title);
        page.list(items);
    }
}

fn record(page: &mut Page, answers: &Answers) {
    page.heading("The record");
    let words = match &answers.observers.known {
        Known::Value(agreement) => format!(
            "Both observers saw {} files; the tracepoints alone saw {}, fanotify alone {}. {}",
            agreement.both,
            agreement.only_tracepoints,
            agreement.only_fanotify,
            agreement.examples.join(" ")
        ),
        Known::Unknown(why) => format!("Whether the two observers agree is unknown, since {why}."),
    };
    page.element("p", &words);
    let gaps = answers
        .gaps
        .iter()
        .map(|gap| vec![gap.what.clone(), gap.runs.to_string()]);
    page.table("What is missing from it", &["What", "Runs"], gaps.collect());
    let detectors = answers
        .detectors
        .iter()
        .map(|one| format!("{} {}", one.name, one.version));
    page.list(&detectors.collect::<Vec<_>>());
}
