//! A signature file. The first line names its kind, the rest is the file: every line of it is
//! compiled or counted, each rule shows the very line that it was, the pack that comes out opens,
//! is the same every time, and can be scanned with.

use ::rules::cvd::{self, Header};
use ::rules::{
    Compiler, IgnoreList, Kind, Pack, SourceRow, describe_dropped, describe_rule, describe_sources,
};
use proto::{Budget, Limits, Unlimited};

use super::{Target, is_chosen, packs};

/// How many rules are asked for by name: each such question reads all rules.
const EXPLAINED_MAX: u32 = 4;

/// Compiles the input.
pub(super) fn check(_: &Target, input: &[u8]) {
    let (label, text) = file(input);
    let bytes = compiled(&label, text);
    let pack = Pack::open(&bytes).expect("a pack that was just written opens");
    for row in describe_sources(&pack) {
        counted(&row);
    }
    shown(&pack, text);
    let mut budget = Budget::new(Limits::default(), Unlimited::clock_ms);
    packs::scan(&pack, text, &mut budget);
    if is_chosen(input) {
        assert!(bytes == compiled(&label, text), "a pack depends on chance");
    }
}

/// Reads the input as a container of signature files.
pub(super) fn check_container(_: &Target, input: &[u8]) {
    let Some((header, body)) = cvd::read(input) else {
        return;
    };
    assert_eq!(body.len().checked_add(cvd::HEADER_BYTES), Some(input.len()));
    let Header { signature, .. } = header;
    assert_ne!(
        signature,
        cvd::SignatureState::Verified,
        "nobody but the publisher can make this"
    );
}

/// The pack of one signature file.
pub(crate) fn compiled(label: &str, text: &[u8]) -> Vec<u8> {
    let mut compiler = Compiler::new(IgnoreList::default());
    compiler.add(label, text).expect("it is small");
    let mut bytes = Vec::new();
    let length = compiler
        .finish::<()>(&mut |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })
        .expect("memory can be written");
    assert_eq!(length, bytes.len() as u64);
    bytes
}

/// The label that the first line stands for, and the lines after it.
fn file(input: &[u8]) -> (String, &[u8]) {
    let end = input.iter().position(|byte| *byte == b'\n');
    let end = end.unwrap_or(input.len());
    let (first, rest) = input.split_at(end);
    let text = rest.get(1..).unwrap_or_default();
    let kinds = Kind::ALL;
    let named = kinds
        .into_iter()
        .find(|kind| kind.as_str().as_bytes() == first);
    let chosen = usize::from(first.first().copied().unwrap_or_default()) % kinds.len();
    let kind = named.or_else(|| kinds.get(chosen).copied());
    let extension = kind.map_or("ndb", Kind::as_str);
    (format!("fuzz.{extension}"), text)
}

fn counted(row: &SourceRow) {
    let lists = [&row.pending, &row.left_out, &row.dropped];
    let elsewhere = lists.iter().flat_map(|rows| rows.iter());
    let sum: u64 = elsewhere.map(|pending| pending.lines).sum();
    assert_eq!(
        row.lines,
        sum + row.compiled + row.ignored,
        "a line was neither compiled nor counted"
    );
}

/// Each rule's text is the line that it says that it comes from.
fn shown(pack: &Pack<'_>, text: &[u8]) {
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    for id in pack.rule_ids() {
        let rule = pack.rule(id).expect("each rule can be read");
        let index = usize::try_from(rule.line)
            .ok()
            .and_then(|line| line.checked_sub(1));
        let line = index.and_then(|index| lines.get(index));
        let line = line.expect("a rule comes from a line").trim_ascii_end();
        let told = pack.rule_text(id).expect("each rule has a text");
        assert!(told == line, "a rule's text is not its line");
        if id.0 < EXPLAINED_MAX
            && let Ok(name) = std::str::from_utf8(&rule.name)
        {
            let found = describe_rule(pack, name, &mut |_| ());
            assert!(found > 0, "a rule is not found by its name");
        }
    }
    describe_dropped(pack, &mut |_| ());
}
