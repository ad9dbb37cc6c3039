//! YARA sources in a pack: what was put in comes out, and damage does no harm.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

use rules::{
    Compiler, IgnoreList, Kind, Pack, YaraCompiled, YaraFailure, YaraRule, describe_dropped,
    describe_rule, describe_sources,
};

const SHARED: &str = "rule One { condition: true }\nprivate rule Two { condition: One }\n";
const OWN: &str = "/* x */ global rule One { condition: false }";

fn rule(name: &'static str, text: &str, part: &str) -> YaraRule<'static> {
    let start = text.find(part).unwrap();
    let end = start + part.len();
    YaraRule {
        name,
        range: u32::try_from(start).unwrap()..u32::try_from(end).unwrap(),
        line: 1,
        private: part.starts_with("private"),
    }
}

fn pack() -> Vec<u8> {
    let mut ignores = IgnoreList::default();
    ignores.add("x.ign2", b"Quiet\n");
    let mut compiler = Compiler::new(ignores);
    let shared = [
        rule("One", SHARED, "rule One { condition: true }"),
        rule("Two", SHARED, "private rule Two { condition: One }"),
    ];
    let failures = [YaraFailure {
        line: 7,
        why: "unknown identifier".to_string(),
    }];
    let quiet = "rule Quiet { condition: true }";
    let sources = [
        ("a.yar", SHARED, "default", &shared[..], &failures[..]),
        (
            "q.yar",
            quiet,
            "default",
            &[rule("Quiet", quiet, quiet)],
            &[],
        ),
        (
            "b.yar",
            OWN,
            "b.yar",
            &[rule("One", OWN, "global rule One { condition: false }")],
            &[],
        ),
        ("empty.yar", "broken", "default", &[], &failures[..]),
    ];
    for (label, text, namespace, rules, failures) in sources {
        let text = text.as_bytes();
        let compiled = YaraCompiled {
            label,
            text,
            namespace,
            rules,
            failures,
        };
        compiler.add_yara(&compiled).unwrap();
    }
    compiler.note_same_yara("c.yar", 2);
    compiler.set_definitions(b"definitions".to_vec());
    let mut bytes = Vec::new();
    let written = compiler.finish::<()>(&mut |piece| {
        bytes.extend_from_slice(piece);
        Ok(())
    });
    written.unwrap();
    bytes
}

#[test]
fn sources_and_rules_come_out_as_they_went_in() {
    let bytes = pack();
    let pack = Pack::open(&bytes).unwrap();
    let sources: Vec<_> = pack
        .yara_sources()
        .map(|source| (source.label, source.namespace, source.text))
        .collect();
    let expected: [(&[u8], &[u8], &[u8]); 3] = [
        (b"a.yar", b"default", SHARED.as_bytes()),
        (b"q.yar", b"default", b"rule Quiet { condition: true }"),
        (b"b.yar", b"b.yar", OWN.as_bytes()),
    ];
    assert_eq!(sources, expected);
    assert_eq!(pack.yara_definitions(), b"definitions");
    assert_eq!((pack.yara_rules(), pack.signatures()), (4, 2));
    let one = pack.yara_rule("default", "One").unwrap();
    assert_eq!(pack.rule(one).unwrap().kind, Kind::Yara);
    assert_eq!(
        pack.rule_text(one).unwrap(),
        b"rule One { condition: true }"
    );
    let own = pack.yara_rule("b.yar", "One").unwrap();
    assert_ne!(one, own);
    assert_eq!(
        pack.rule_text(own).unwrap(),
        b"global rule One { condition: false }"
    );
    for silent in ["Two", "Quiet", "None", ""] {
        assert_eq!(pack.yara_rule("default", silent), None, "{silent}");
    }
}

#[test]
fn each_rule_is_counted_and_each_failure_told() {
    let bytes = pack();
    let pack = Pack::open(&bytes).unwrap();
    let rows: Vec<_> = describe_sources(&pack)
        .into_iter()
        .map(|row| (row.label, row.lines, row.compiled, row.ignored))
        .collect();
    let expected = [
        ("a.yar", 3, 2, 0),
        ("b.yar", 1, 1, 0),
        ("c.yar", 2, 0, 0),
        ("empty.yar", 1, 0, 0),
        ("q.yar", 1, 0, 1),
    ];
    assert_eq!(
        rows,
        expected.map(|(label, lines, compiled, ignored)| {
            (label.to_string(), lines, compiled, ignored)
        })
    );
    let mut lines = Vec::new();
    describe_dropped(&pack, &mut |line| lines.push(line));
    assert_eq!(
        lines,
        [
            "a.yar:7: unknown identifier",
            "empty.yar:7: unknown identifier"
        ]
    );
    let mut lines = Vec::new();
    assert_eq!(describe_rule(&pack, "One", &mut |line| lines.push(line)), 2);
    assert!(lines.contains(&"text    rule One { condition: true }".to_string()));
}

#[test]
fn a_damaged_pack_gives_missed_rules_and_nothing_worse() {
    let bytes = pack();
    let look = |bytes: &[u8]| {
        let Ok(pack) = Pack::open(bytes) else {
            return;
        };
        let _ = pack.yara_sources().count();
        let _ = pack.yara_definitions();
        for name in ["One", "Two", "Zero"] {
            if let Some(rule) = pack.yara_rule("default", name) {
                let _ = pack.rule_text(rule);
            }
        }
    };
    for at in 0..bytes.len() {
        for flip in [1u8, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[at] ^= flip;
            look(&changed);
        }
        look(&bytes[..at]);
    }
}

#[test]
fn a_pack_without_yara_has_none() {
    let mut bytes = Vec::new();
    let written = Compiler::new(IgnoreList::default()).finish::<()>(&mut |piece| {
        bytes.extend_from_slice(piece);
        Ok(())
    });
    written.unwrap();
    let pack = Pack::open(&bytes).unwrap();
    assert_eq!((pack.yara_rules(), pack.yara_sources().count()), (0, 0));
    assert_eq!(pack.yara_rule("default", "One"), None);
}
