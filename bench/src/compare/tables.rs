//! Tables in Markdown, as they go into RESULTS.md.

use super::trees::Tree;

/// The columns of a comparison of CPU time.
pub(crate) const PACE: [&str; 7] = [
    "files",
    "MB",
    "count",
    "Candor: CPU s",
    "peer: CPU s",
    "Candor: MB/s | files/s",
    "peer / Candor",
];

/// A table that is printed once it is whole.
pub(crate) struct Table {
    title: String,
    columns: usize,
    lines: Vec<String>,
}

impl Table {
    /// One without rows.
    pub(crate) fn new(title: &str, columns: &[&str]) -> Self {
        let head = columns.iter().map(|column| column.replace(" | ", ", "));
        let head: Vec<String> = head.collect();
        Self {
            title: title.to_string(),
            columns: columns.len(),
            lines: vec![
                format!("| {} |", head.join(" | ")),
                format!("|{}", "---|".repeat(columns.len())),
            ],
        }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        debug_assert_eq!(cells.len(), self.columns);
        eprintln!("  {}: {}", self.title, cells.join("  "));
        self.lines.push(format!("| {} |", cells.join(" | ")));
    }

    /// Adds what two scanners took for one tree.
    pub(crate) fn pace(&mut self, tree: &Tree, peer: &str, ours_s: f64, theirs_s: f64) {
        self.row(vec![
            tree.name.to_string(),
            figure(tree.size_mb()),
            tree.count.to_string(),
            format!("{ours_s:.2}"),
            format!("{theirs_s:.2} ({peer})"),
            format!(
                "{}, {}",
                figure(tree.size_mb() / ours_s),
                figure(tree.count as f64 / ours_s)
            ),
            format!("**{:.1}**", theirs_s / ours_s),
        ]);
    }

    /// Prints it.
    pub(crate) fn print(&self) {
        println!("### {}\n\n{}\n", self.title, self.lines.join("\n"));
    }
}

/// A number with about three digits that matter.
pub(crate) fn figure(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}
