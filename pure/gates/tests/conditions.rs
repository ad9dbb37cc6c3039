//! Conditions of every shape, and for which objects their gates are open.
#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helping functions too"
)]

use std::collections::BTreeMap;

use gates::{GateBuilder, Gates, Passage, RuleGate, Scope};
use yara_x_parser::ast::AST;

const STRINGS: &str =
    "$a1 = \"secret-one\" $a2 = \"secret-two\" $b = { 90 91 92 93 [2-4] ab cd ef 01 }";

#[derive(Default)]
struct Names(BTreeMap<String, u32>);

impl Scope for Names {
    fn rule_named(&self, name: &str) -> Option<u32> {
        self.0.get(name).copied()
    }

    fn text_named(&self, name: &str) -> Option<&str> {
        match name {
            "filename" => Some(""),
            "place" => Some("mail"),
            _ => None,
        }
    }
}

/// The classes of rules, and which of them are open for each object.
fn open(rules: &str, objects: &[&[u8]]) -> (Vec<RuleGate>, Vec<Vec<u32>>) {
    let tree = AST::from(rules);
    assert!(tree.errors().is_empty(), "{rules}: {:?}", tree.errors());
    let mut names = Names::default();
    let mut builder = GateBuilder::default();
    let mut classes = Vec::new();
    for (number, rule) in (0u32..).zip(tree.rules()) {
        classes.push(builder.add(rule, &names));
        names.0.insert(rule.identifier.name.to_string(), number);
    }
    let groups: Vec<u32> = (0..).take(classes.len()).collect();
    let table = builder.finish(&groups);
    let gates = Gates::open(&table).unwrap();
    let mut passage = Passage::default();
    let opened = objects
        .iter()
        .map(|object| gates.groups(object, &mut passage).to_vec());
    (classes, opened.collect())
}

/// Whether the gate of one rule with this condition is open for an object.
fn is_open(condition: &str, object: &[u8]) -> bool {
    let rule = format!("rule r {{ strings: {STRINGS} condition: {condition} }}");
    open(&rule, &[object]).1[0] == [0]
}

/// Each condition is closed for the first kind of object and open for the second.
fn assert_all(conditions: &[&str], closed: &[&[u8]], opened: &[&[u8]]) {
    for condition in conditions {
        for object in closed {
            assert!(!is_open(condition, object), "{condition} for {object:?}");
        }
        for object in opened {
            assert!(is_open(condition, object), "{condition} for {object:?}");
        }
    }
}

const NOTHING: &[u8] = b"nothing of it is here";
const ONE: &[u8] = b"....secret-one....";
const BOTH: &[u8] = b"....secret-one....secret-two";
const HEX: &[u8] = b"..\x90\x91\x92\x93..\xab\xcd\xef\x01";

#[test]
fn one_pattern_opens_what_needs_one() {
    let conditions = [
        "$a1",
        "$a1 at 4",
        "$a1 in (0..100)",
        "#a1 > 0",
        "#a1 >= 1",
        "#a1 == 2",
        "0 < #a1",
        "#a1 != 0",
        "#a1 in (0..filesize) > 1",
        "#a1 + 0 > #b",
        "@a1 < 100",
        "@a1[1] == 4",
        "!a1 > 1 or false",
        "uint16(@a1) == 1",
        "any of ($a*)",
        "1 of ($a1, $b)",
        "50% of ($a*)",
        "for any of ($a*) : ( $ at 4 )",
        "for any of them : ( # > 0 and @ < 100 )",
        "for any i in (1..#a1) : ( @a1[i] > 1 )",
        "for any i in (0, 1) : ( $a1 at i )",
        "$a1 and not $a2",
        "$a1 and (undefined_name or $a1)",
        "$a1 or $a2",
        "with x = @a1 : ( x > 1 and $a1 )",
        "defined @a1",
    ];
    assert_all(&conditions, &[NOTHING, b"", b"secret-on"], &[ONE, BOTH]);
}

#[test]
fn several_patterns_open_what_needs_them() {
    let conditions = [
        "$a1 and $a2",
        "all of ($a*)",
        "2 of them",
        "2 of ($a*)",
        "for all of ($a*) : ( $ )",
        "for 2 of them : ( # > 0 )",
        "#a1 * #a2 > 0",
        "@a1 < @a2",
        "@a2 - @a1 == 14",
    ];
    assert_all(&conditions, &[NOTHING, ONE], &[BOTH]);
    assert_all(&["$b", "3 of them or $b"], &[NOTHING, BOTH], &[HEX]);
}

#[test]
fn bytes_and_size_open_what_needs_them() {
    assert_all(
        &[
            "uint16(0) == 0x5a4d",
            "uint16be(0) == 0x4d5a and filesize < 1KB",
            "0x5a4d == uint16(0) and filesize > 3",
            "uint8(uint8(2)) == 0x58",
            "uint16(0) & 0xff == 0x4d and uint8(1) == 0x5a",
            "int16(0) - 1 == 0x5a4c",
            "uint16(0) ^ 0x5a4d == 0 and (uint8(0) << 1) >> 1 == 0x4d",
            "pe.is_pe",
            "pe.imphash() == \"x\"",
            "pe.sections[0].name == \".text\"",
            "pe.number_of_sections > 3",
            "pe.version_info[\"A\"] contains \"b\"",
            "pe.imports(\"kernel32.dll\")",
            "dotnet.is_dotnet",
            "for any section in pe.sections : ( section.name == \"x\" )",
        ],
        &[NOTHING, b"", b"M", b"\x7fELF...."],
        &[b"MZ\x04\0X"],
    );
    // Of an object that is too short the comparison has no value, and so has its opposite.
    let not = ["not uint16(0) != 0x5a4d"];
    assert_all(&not, &[NOTHING, b"\x7fELF...."], &[b"MZ\x04\0X", b""]);
    assert_all(
        &["elf.type == elf.ET_EXEC", "uint32(0) == 0x464c457f"],
        &[b"MZ\x04\0X"],
        &[b"\x7fELF...."],
    );
}

#[test]
fn what_is_not_understood_is_open() {
    let conditions = [
        "true",
        "not $a1",
        "not all of them",
        "none of them",
        "0 of them",
        "#a1 == 0",
        "#a1 < 5",
        "#a1 >= 0",
        "#a1 != 1",
        "undefined_name",
        "undefined_name or $a1",
        "for all i in (1..#a1) : ( @a1[i] > 1 )",
        "for any of them : ( not $ )",
        "math.entropy(0, filesize) > 7",
        "not pe.is_pe",
        "not defined @a1",
        "pe.MACHINE_I386 == 0x14c",
        "pe.rich_signature.toolid(1) == 0",
        "filesize + 9223372036854775807 < 0",
        "uint16(0) != 0x5a4d",
        "for any name in (\"a\", \"b\") : ( name == \"a\" )",
        "filename == \"\"",
        "place == \"mail\"",
        "filename != \"a\"",
        "place contains \"ai\"",
        "filename matches /a*/",
    ];
    assert_all(&conditions, &[], &[NOTHING]);
}

#[test]
fn texts_from_outside_are_known() {
    let conditions = [
        "false",
        "filename == \"a\"",
        "filename contains \"a\"",
        "filename matches /a+/",
        "place == \"other\"",
        "place != \"mail\"",
        "not filename == \"\"",
    ];
    assert_all(&conditions, &[NOTHING, ONE], &[]);
}

#[test]
fn rules_are_open_with_the_rules_that_they_need() {
    let rules = "
        rule a { strings: $a = \"secret-one\" condition: $a }
        rule b { condition: a and filesize < 100 }
        rule c { condition: not a }
        rule d { condition: 1 of (a, b) }
        rule e { condition: for any a in (1, 2) : ( a == 2 ) }";
    let (classes, opened) = open(rules, &[NOTHING, ONE]);
    use RuleGate::{Anchored, Open};
    assert_eq!(classes, [Anchored, Anchored, Open, Anchored, Open]);
    assert_eq!(opened, [vec![2, 4], vec![0, 1, 2, 3, 4]]);
}

#[test]
fn a_long_chain_of_rules_and_a_deep_condition_end() {
    let mut rules = "rule r0 { strings: $a = \"secret-one\" condition: $a }\n".to_string();
    for number in 1..2000 {
        rules += &format!("rule r{number} {{ condition: r{} }}\n", number - 1);
    }
    let (classes, opened) = open(&rules, &[NOTHING, ONE]);
    assert_eq!(classes[1], RuleGate::Anchored);
    assert_eq!(opened[1].len(), 2000);
    let deep = format!("{}$a1{}", "(true and ".repeat(200), ")".repeat(200));
    assert!(is_open(&deep, ONE));
}

#[test]
fn one_object_leaves_nothing_to_the_next() {
    let rule = format!("rule r {{ strings: {STRINGS} condition: all of ($a*) }}");
    let two: &[u8] = b"secret-two";
    let (_, opened) = open(&rule, &[BOTH, ONE, two, NOTHING, BOTH]);
    assert_eq!(opened, [vec![0], vec![], vec![], vec![], vec![0]]);
}

#[test]
fn a_damaged_table_is_refused_or_read_within_its_bounds() {
    let rule = format!("rule r {{ strings: {STRINGS} condition: 2 of them and filesize < 9 }}");
    let tree = AST::from(rule.as_str());
    let mut builder = GateBuilder::default();
    builder.add(tree.rules().next().unwrap(), &Names::default());
    let table = builder.finish(&[0]);
    let mut passage = Passage::default();
    for at in (0..40).chain(table.len() - 400..table.len()) {
        let mut damaged = table.clone();
        damaged[at] ^= 0xff;
        if let Some(gates) = Gates::open(&damaged) {
            gates.groups(BOTH, &mut passage);
        }
        if let Some(gates) = Gates::open(&table[..at]) {
            gates.groups(BOTH, &mut passage);
        }
    }
}
