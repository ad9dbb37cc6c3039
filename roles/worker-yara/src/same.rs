//! What rules behind gates say, beside what all rules together say: of objects made of the rules'
//! own patterns, and of the rules' own files.

use std::fs;
use std::path::PathBuf;

use kernel::file::memory_file;
use proto::Definition;
use worker::yara::{YaraEngine, YaraText};
use yara_x::{Compiler, Scanner, SourceCode};
use yara_x_parser::ast::{AST, HexSubPattern, HexToken, Pattern, Rule};

use crate::YaraX;
use crate::arrange::{SHARED, arrange};
use crate::compile::USUAL;

/// A rule by its namespace and name.
type Name = (String, String);

/// The rule files of a set, where it is there.
fn rule_files(set: &str) -> Vec<(String, String)> {
    let Some(shared) = std::env::var_os("CANDOR_SHARED") else {
        println!("skipped: gates over {set} (no CANDOR_SHARED)");
        return Vec::new();
    };
    let mut folders = vec![PathBuf::from(shared).join("signatures/yara").join(set)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let is_rules = path.extension().is_some_and(|kind| kind == "yar");
            if path.is_dir() {
                folders.push(path);
            } else if is_rules && let Ok(text) = fs::read_to_string(&path) {
                let label = path.file_name().unwrap().to_string_lossy().into_owned();
                files.push((label, text));
            }
        }
    }
    files.sort();
    files
}

/// All rules in one piece, as they were arranged.
fn together(texts: &[YaraText<'_>]) -> yara_x::Rules {
    let mut compiler = Compiler::new();
    compiler.relaxed_re_syntax(true).enable_includes(false);
    for name in USUAL {
        compiler.define_global(name, "").unwrap();
    }
    for source in arrange(texts) {
        if source.namespace != SHARED {
            compiler.new_namespace(&source.namespace);
        }
        let _ = compiler.add_source(SourceCode::from(source.code.as_ref()));
    }
    compiler.build()
}

fn assert_same(files: &[(String, String)], objects: impl Iterator<Item = Vec<u8>>) -> usize {
    let text = |(label, text): &'_ (String, String)| (label.clone(), text.clone());
    let files: Vec<_> = files.iter().map(text).collect();
    let texts: Vec<_> = files
        .iter()
        .map(|(label, text)| YaraText {
            label,
            bytes: text.as_bytes(),
        })
        .collect();
    let all = together(&texts);
    let code = YaraX
        .compile(&texts, &Vec::<Definition>::new())
        .unwrap()
        .code;
    assert_eq!(code.rules, all.iter().len() as u64);
    let file = memory_file("yara").unwrap();
    kernel::file::write_all_at(&file, 0, &code.bytes).unwrap();
    let map = kernel::map::Map::read_only(&file).unwrap();
    let mut gated = YaraX.open(map, 0).unwrap();
    let mut scanner = Scanner::new(&all);
    let mut agreed = 0;
    for object in objects {
        let results = scanner.scan(&object).unwrap();
        let expected: Vec<Name> = results
            .matching_rules()
            .map(|rule| (rule.namespace().to_owned(), rule.identifier().to_owned()))
            .collect();
        let mut found: Vec<Name> = Vec::new();
        gated
            .look(&object, &mut |hit| {
                found.push((hit.namespace.to_owned(), hit.name.to_owned()));
            })
            .unwrap();
        let (mut sorted, mut wanted) = (found.clone(), expected.clone());
        sorted.sort();
        wanted.sort();
        assert_eq!(sorted, wanted, "{}", String::from_utf8_lossy(&object));
        agreed += expected.len();
    }
    agreed
}

/// Beginnings that many conditions ask for.
const HEADS: [&[u8]; 4] = [b"", b"MZ", b"\x7fELF", b"<?php "];

/// Objects that hold the patterns of a rule, each once.
fn objects_of(rule: &Rule<'_>, number: usize) -> Vec<u8> {
    let mut object = HEADS
        .get(number % HEADS.len())
        .copied()
        .unwrap_or_default()
        .to_vec();
    object.resize(object.len() + 64, b'.');
    for pattern in rule.patterns.iter().flatten() {
        object.extend(sample(pattern, number));
        object.extend(b"\0\n");
    }
    object
}

fn sample(pattern: &Pattern<'_>, number: usize) -> Vec<u8> {
    let bytes = match pattern {
        Pattern::Text(text) => {
            let bytes = text.text.value.to_vec();
            match pattern.modifiers().nocase() {
                Some(_) if number.is_multiple_of(2) => bytes.to_ascii_uppercase(),
                _ => bytes,
            }
        }
        Pattern::Hex(hex) => {
            let mut bytes = Vec::new();
            hex_sample(&hex.sub_patterns, number, &mut bytes);
            bytes
        }
        // Whatever it matches, it is often what it looks like.
        Pattern::Regexp(regexp) => regexp.regexp.src.replace('\\', "").into_bytes(),
    };
    let key = match pattern.modifiers().xor() {
        Some(yara_x_parser::ast::PatternModifier::Xor { start, end, .. }) => {
            start + u8::try_from(number % 256).unwrap() % (end - start).max(1)
        }
        _ => 0,
    };
    let wide = pattern.modifiers().wide().is_some();
    let ascii = pattern.modifiers().ascii().is_some();
    let bytes = match wide && (!ascii || number.is_multiple_of(3)) {
        true => bytes.iter().flat_map(|byte| [*byte, 0]).collect(),
        false => bytes,
    };
    bytes.iter().map(|byte| byte ^ key).collect()
}

fn hex_sample(tokens: &HexSubPattern, number: usize, bytes: &mut Vec<u8>) {
    for token in tokens.iter() {
        match token {
            HexToken::Byte(byte) => bytes.push(byte.value | (!byte.mask & 0x37)),
            HexToken::NotByte(byte) => bytes.push(!byte.value),
            HexToken::Jump(jump) => {
                let length = jump.start.unwrap_or(0) as usize;
                bytes.resize(bytes.len() + length, 0x31);
            }
            HexToken::Alternative(found) => {
                let branches = &found.alternatives;
                hex_sample(&branches[number % branches.len()], number, bytes);
            }
        }
    }
}

/// For each rule in so many an object of its own.
fn made_of(files: &[(String, String)], step: usize) -> Vec<Vec<u8>> {
    let mut objects = Vec::new();
    let mut number = 0;
    for (_, text) in files {
        let tree = AST::from(text.as_str());
        for rule in tree.rules() {
            number += 1;
            if number % step == 0 {
                objects.push(objects_of(rule, number / step));
            }
        }
    }
    objects
}

#[test]
fn gates_are_open_for_what_matches_of_signature_base() {
    let files = rule_files("signature-base");
    if files.is_empty() {
        return;
    }
    let objects = made_of(&files, 29);
    let own = files
        .iter()
        .step_by(9)
        .map(|(_, text)| text.as_bytes().to_vec());
    let agreed = assert_same(&files, objects.iter().cloned().chain(own));
    println!("{} objects, {agreed} matches agree", objects.len());
    assert!(agreed > 150, "{agreed}");
}

#[test]
fn gates_are_open_for_what_matches_of_yara_rules() {
    let files = rule_files("yara-rules");
    if files.is_empty() {
        return;
    }
    let objects = made_of(&files, 61);
    let own = files
        .iter()
        .step_by(25)
        .map(|(_, text)| text.as_bytes().to_vec());
    let agreed = assert_same(&files, objects.iter().cloned().chain(own));
    println!("{} objects, {agreed} matches agree", objects.len());
    assert!(agreed > 150, "{agreed}");
}
