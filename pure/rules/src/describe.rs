//! Answers about a pack, in lines that people read.

use sha2::{Digest as _, Sha256};

use crate::hash::to_hex;
use crate::pack::Pack;
use crate::report::{self, PendingRow, SourceRow};

/// What became of each source's lines.
#[must_use]
pub fn describe_sources(pack: &Pack<'_>) -> Vec<SourceRow> {
    report::decode(pack.report_bytes())
}

/// Each dropped line that was kept, as `source:line: reason`.
pub fn describe_dropped(pack: &Pack<'_>, out: &mut dyn FnMut(String)) {
    let mut kept = 0u64;
    for (source, line, why) in pack.dropped_lines() {
        kept = kept.saturating_add(1);
        let label = lossy(pack.source_label(source).unwrap_or_default());
        let why = lossy(why);
        out(if line == 0 {
            format!("{label}: {why}")
        } else {
            format!("{label}:{line}: {why}")
        });
    }
    let more = pack.dropped().saturating_sub(kept);
    if more > 0 {
        out(format!("and {more} more, which were counted but not kept"));
    }
}

/// The text and the provenance of every rule with this name; gives how many there are.
pub fn describe_rule(pack: &Pack<'_>, name: &str, out: &mut dyn FnMut(String)) -> u64 {
    let mut found = 0u64;
    for id in pack.rules_named(name.as_bytes()) {
        let Some(rule) = pack.rule(id) else {
            continue;
        };
        if found > 0 {
            out(String::new());
        }
        found = found.saturating_add(1);
        let text = pack.rule_text(id).unwrap_or_default();
        let source = lossy(pack.source_label(rule.source).unwrap_or_default());
        out(format!("name    {name}"));
        out(format!(
            "kind    {} ({})",
            rule.kind.as_str(),
            meaning(rule.kind)
        ));
        out(format!("source  {source}, line {}", rule.line));
        out(format!("sha256  {}", to_hex(&Sha256::digest(&text))));
        let text = lossy(&text);
        for (head, line) in std::iter::once("text")
            .chain(std::iter::repeat(""))
            .zip(text.lines())
        {
            out(format!("{head:8}{line}").trim_end().to_string());
        }
    }
    found
}

impl SourceRow {
    /// Lines of a list, all reasons together.
    #[must_use]
    pub fn total(rows: &[PendingRow]) -> u64 {
        rows.iter()
            .fold(0u64, |total, row| total.saturating_add(row.lines))
    }
}

fn meaning(kind: crate::Kind) -> &'static str {
    use crate::Kind;
    match kind {
        Kind::Hdb | Kind::Hsb => "digest of a whole file",
        Kind::Hdu | Kind::Hsu => "digest of a whole file, potentially unwanted",
        Kind::Mdb | Kind::Msb => "digest of a PE section",
        Kind::Mdu | Kind::Msu => "digest of a PE section, potentially unwanted",
        Kind::Imp => "digest of a PE import table",
        Kind::Fp | Kind::Sfp => "a file that no signature may flag",
        Kind::Ndb => "body signature",
        Kind::Ndu => "body signature, potentially unwanted",
        Kind::Yara => "YARA rule",
        Kind::Ldb => "logical signature",
        Kind::Ldu => "logical signature, potentially unwanted",
        Kind::Cdb => "what a container says of a member",
        Kind::Zmd => "what a zip says of a member",
        Kind::Crb => "a certificate that a file carries",
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
