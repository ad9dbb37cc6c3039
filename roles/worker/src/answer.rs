//! Answers questions about a pack, in lines that people read.

use proto::{Describe, MESSAGE_BYTES_MAX, Reply};
use rules::{Pack, PendingRow, SourceRow, describe_dropped, describe_rule, describe_sources};

use crate::serve::totals;

/// Sends the answer's lines and then its end.
pub(crate) fn answer(
    pack: &Pack<'_>,
    question: &Describe,
    send: &mut dyn FnMut(Reply) -> Result<(), String>,
) -> Result<(), String> {
    let mut lines = Lines {
        waiting: Vec::new(),
        bytes: 0,
        send,
        failed: None,
    };
    let trouble = match question {
        Describe::Show => {
            show(pack, &mut lines);
            None
        }
        Describe::Dropped => {
            describe_dropped(pack, &mut |line| lines.push(line));
            None
        }
        Describe::Explain(name) => {
            let found = describe_rule(pack, name, &mut |line| lines.push(line));
            (found == 0).then(|| format!("no rule is named {name}"))
        }
    };
    lines.flush();
    match lines.failed {
        Some(why) => Err(why),
        None => send(Reply::TextEnd(trouble)),
    }
}

/// Lines on their way, sent in messages that are not too long.
struct Lines<'a> {
    waiting: Vec<String>,
    bytes: usize,
    send: &'a mut dyn FnMut(Reply) -> Result<(), String>,
    failed: Option<String>,
}

/// A line's share of a message; a rule's text may be longer and is then cut into several.
const LINE_BYTES_MAX: usize = 16 << 10;

impl Lines<'_> {
    fn push(&mut self, line: String) {
        if line.len() > LINE_BYTES_MAX {
            let (head, tail) = line.split_at(line.floor_char_boundary(LINE_BYTES_MAX));
            self.push(head.to_string());
            self.push(tail.to_string());
            return;
        }
        if self.bytes.saturating_add(line.len()) > MESSAGE_BYTES_MAX / 2 {
            self.flush();
        }
        self.bytes = self.bytes.saturating_add(line.len()).saturating_add(8);
        self.waiting.push(line);
    }

    fn flush(&mut self) {
        self.bytes = 0;
        let lines = std::mem::take(&mut self.waiting);
        if self.failed.is_none() && !lines.is_empty() {
            self.failed = (self.send)(Reply::Text(lines)).err();
        }
    }
}

/// The table of what became of each source's lines.
fn show(pack: &Pack<'_>, lines: &mut Lines<'_>) {
    let rows = gathered(describe_sources(pack));
    let width = rows
        .iter()
        .map(|row| row.label.len())
        .max()
        .unwrap_or(6)
        .clamp(6, 60);
    lines.push(format!(
        "{:width$}  {:>10}  {:>10}  {:>8}  {:>8}  {:>8}  {:>8}  kind",
        "source", "lines", "compiled", "ignored", "pending", "left out", "dropped"
    ));
    let mut sums = [0u64; 6];
    for row in &rows {
        let [pending, left_out, dropped] = totals(row);
        let numbers = [
            row.lines,
            row.compiled,
            row.ignored,
            pending,
            left_out,
            dropped,
        ];
        sums.iter_mut()
            .zip(numbers)
            .for_each(|(sum, number)| *sum = sum.saturating_add(number));
        lines.push(table_row(&row.label, width, numbers, &row.kind));
        reasons(row, lines);
    }
    lines.push(table_row("total", width, sums, ""));
    lines.push(format!("{} signatures can fire", pack.signatures()));
}

/// Containers hold one file for each bytecode signature: one row is enough for all of them.
fn gathered(rows: Vec<SourceRow>) -> Vec<SourceRow> {
    let mut gathered: Vec<SourceRow> = Vec::new();
    for mut row in rows {
        if row.kind == "bytecode"
            && let Some((container, _)) = row.label.split_once('/')
        {
            row.label = format!("{container}/*.cbc");
        }
        match gathered.last_mut() {
            Some(last) if last.label == row.label && row.kind == "bytecode" => {
                last.lines = last.lines.saturating_add(row.lines);
                for (sum, more) in last.left_out.iter_mut().zip(&row.left_out) {
                    sum.lines = sum.lines.saturating_add(more.lines);
                }
            }
            _ => gathered.push(row),
        }
    }
    gathered
}

fn table_row(label: &str, width: usize, numbers: [u64; 6], kind: &str) -> String {
    let [total, compiled, ignored, pending, left_out, dropped] = numbers;
    format!(
        "{label:width$}  {total:>10}  {compiled:>10}  {ignored:>8}  {pending:>8}  {left_out:>8}  \
         {dropped:>8}  {kind}"
    )
    .trim_end()
    .to_string()
}

fn reasons(row: &SourceRow, lines: &mut Lines<'_>) {
    let mut list = |title: &str, rows: &[PendingRow]| {
        for reason in rows {
            lines.push(format!("    {title}: {} × {}", reason.lines, reason.why));
        }
    };
    list("pending", &row.pending);
    list("left out", &row.left_out);
    list("dropped", &row.dropped);
    for text in [&row.note, &row.warning] {
        if !text.is_empty() {
            lines.push(format!("    {text}"));
        }
    }
}
