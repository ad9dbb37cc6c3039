//! Sources into namespaces and into an order.
//!
//! All sources share one namespace, so that a rule can build on a rule of another file, and come in
//! an order in which it finds it. A source has a namespace of its own where a rule of it has the
//! name of one that is there already, or is global: it would decide over rules of other authors.
//! An `include` means: that source comes first. It is taken from what was handed over, by its file
//! name, and never opened.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use rules::YaraFailure;
use worker::yara::{YaraDeclared, YaraSource, YaraText};
use yara_x_parser::Parser;
use yara_x_parser::cst::{CST, Event, Immutable, Node, NodeOrToken, SyntaxKind};

/// The namespace of all sources that don't need their own.
pub(crate) const SHARED: &str = "default";

/// A source with its place.
#[derive(Debug)]
pub(crate) struct Arranged<'a> {
    pub(crate) text: YaraText<'a>,
    pub(crate) namespace: String,
    /// What the compiler gets: the text, with blanks where it has an `include`.
    pub(crate) code: Cow<'a, str>,
    pub(crate) rules: Vec<YaraDeclared>,
    /// For each of its rules the words of its condition, some of which are other rules' names or
    /// modules'.
    pub(crate) words: Vec<BTreeSet<String>>,
    /// What it imports: the module, and where the statement begins.
    pub(crate) imports: Vec<(String, u32)>,
    /// Whether its parts can't be told from each other.
    pub(crate) is_broken: bool,
    pub(crate) failures: Vec<YaraFailure>,
    /// Labels of sources with the same text, which stand aside, once for each.
    pub(crate) copies: Vec<&'a str>,
    lines: Vec<u32>,
}

/// A source that was parsed.
struct Parsed<'a> {
    arranged: Arranged<'a>,
    includes: Vec<(u32, String)>,
}

/// Puts sources, which come in the order of their labels, where they compile.
pub(crate) fn arrange<'a>(texts: &[YaraText<'a>]) -> Vec<Arranged<'a>> {
    let mut sources: Vec<Parsed<'a>> = Vec::new();
    let mut known: BTreeMap<&[u8], usize> = BTreeMap::new();
    for text in texts {
        if let Some(first) = known.get(text.bytes).and_then(|at| sources.get_mut(*at)) {
            first.arranged.copies.push(text.label);
            continue;
        }
        known.insert(text.bytes, sources.len());
        sources.push(parse(*text));
    }
    let owners = choose_namespaces(&mut sources);
    let needs = needs(&mut sources, &owners);
    let mut places: Vec<(bool, usize)> = in_order(&needs)
        .into_iter()
        .map(|at| (sources.get(at).is_some_and(|one| !is_shared(one)), at))
        .collect();
    // The order within each half stays: a namespace can't be left and entered again.
    places.sort_by_key(|(is_own, _)| *is_own);
    let mut sources: Vec<Option<Parsed<'a>>> = sources.into_iter().map(Some).collect();
    let taken = places
        .into_iter()
        .filter_map(|(_, at)| sources.get_mut(at)?.take());
    taken.map(|source| source.arranged).collect()
}

/// A source whose namespace and place are known.
pub(crate) fn arranged_before<'a>(text: YaraText<'a>, namespace: &str) -> Arranged<'a> {
    Arranged {
        namespace: namespace.to_string(),
        ..parse(text).arranged
    }
}

impl<'a> Arranged<'a> {
    /// What is told of it.
    pub(crate) fn into_source(self) -> YaraSource<'a> {
        YaraSource {
            text: self.text,
            namespace: self.namespace,
            rules: self.rules,
            failures: self.failures,
            copies: self.copies,
        }
    }

    /// The line of a place in the text, from 1.
    pub(crate) fn line_of(&self, offset: u32) -> u32 {
        line_of(&self.lines, offset)
    }
}

fn is_shared(source: &Parsed<'_>) -> bool {
    source.arranged.namespace == SHARED
}

/// Gives each source its namespace; answers which source each shared rule is in.
fn choose_namespaces(sources: &mut [Parsed<'_>]) -> BTreeMap<String, usize> {
    let mut owners: BTreeMap<String, usize> = BTreeMap::new();
    let mut names: BTreeSet<String> = BTreeSet::from([SHARED.to_string()]);
    for (at, source) in sources.iter_mut().enumerate() {
        let arranged = &mut source.arranged;
        let is_own = arranged
            .rules
            .iter()
            .any(|rule| rule.is_global || owners.contains_key(&rule.name));
        if is_own {
            arranged.namespace = unused(&names, arranged.text.label);
            names.insert(arranged.namespace.clone());
        } else {
            let names = arranged.rules.iter().map(|rule| rule.name.clone());
            owners.extend(names.map(|name| (name, at)));
        }
    }
    owners
}

/// A name that no namespace has yet: the label, or the label and a number.
fn unused(names: &BTreeSet<String>, label: &str) -> String {
    let numbered = (2u32..).map(|number| format!("{label}#{number}"));
    std::iter::once(label.to_string())
        .chain(numbered)
        .find(|name| !names.contains(name))
        .unwrap_or_default()
}

/// For each source those that must come before it. An `include` of what is not there is a failure.
fn needs(sources: &mut [Parsed<'_>], owners: &BTreeMap<String, usize>) -> Vec<BTreeSet<usize>> {
    let mut by_name: BTreeMap<String, usize> = BTreeMap::new();
    for (at, source) in sources.iter().enumerate() {
        let labels = source.arranged.copies.iter().copied();
        for label in labels.chain([source.arranged.text.label]) {
            by_name.entry(file_name(label).to_string()).or_insert(at);
        }
    }
    let mut needs = Vec::new();
    for (at, source) in sources.iter_mut().enumerate() {
        let mut before: BTreeSet<usize> = source
            .arranged
            .words
            .iter()
            .flatten()
            .filter_map(|word| owners.get(word).copied())
            .collect();
        for (line, name) in &source.includes {
            match by_name.get(file_name(name)) {
                Some(found) => {
                    before.insert(*found);
                }
                None => source.arranged.failures.push(YaraFailure {
                    line: *line,
                    why: format!(
                        "include \"{name}\": no such file among the sources; name it as a source too"
                    ),
                }),
            }
        }
        before.remove(&at);
        needs.push(before);
    }
    needs
}

fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Open,
    Done,
}

/// Every number once, after what it needs; in a circle, somewhere.
fn in_order(needs: &[BTreeSet<usize>]) -> Vec<usize> {
    let mut states = vec![State::New; needs.len()];
    let mut order = Vec::with_capacity(needs.len());
    for root in 0..needs.len() {
        let mut waiting = vec![root];
        while let Some(top) = waiting.last().copied() {
            let Some(state) = states.get_mut(top) else {
                break;
            };
            match *state {
                State::New => {
                    *state = State::Open;
                    let before = needs.get(top).into_iter().flatten().rev().copied();
                    waiting.extend(before.filter(|need| states.get(*need) == Some(&State::New)));
                }
                State::Open => {
                    *state = State::Done;
                    order.push(top);
                    waiting.pop();
                }
                State::Done => {
                    waiting.pop();
                }
            }
        }
    }
    order
}

fn parse(text: YaraText<'_>) -> Parsed<'_> {
    let newlines = (0u32..).zip(text.bytes);
    let lines = newlines.filter(|(_, byte)| **byte == b'\n');
    let mut parsed = Parsed {
        arranged: Arranged {
            text,
            namespace: SHARED.to_string(),
            code: Cow::Borrowed(""),
            rules: Vec::new(),
            words: Vec::new(),
            imports: Vec::new(),
            is_broken: false,
            failures: Vec::new(),
            copies: Vec::new(),
            lines: lines.map(|(offset, _)| offset).collect(),
        },
        includes: Vec::new(),
    };
    match std::str::from_utf8(text.bytes) {
        Ok(code) => parsed.read(code),
        Err(error) => {
            let offset = u32::try_from(error.valid_up_to()).unwrap_or(u32::MAX);
            parsed.arranged.failures.push(YaraFailure {
                line: parsed.arranged.line_of(offset),
                why: "the file is not UTF-8 from here on".to_string(),
            });
        }
    }
    parsed
}

/// What some editors begin a file with, and no YARA parser knows.
const BYTE_ORDER_MARK: &str = "\u{feff}";
const MARK_PLACE: Range<usize> = 0..BYTE_ORDER_MARK.len();

impl<'a> Parsed<'a> {
    fn read(&mut self, code: &'a str) {
        self.arranged.code = match code.starts_with(BYTE_ORDER_MARK) {
            true => Cow::Owned(blanked(code, &[MARK_PLACE])),
            false => Cow::Borrowed(code),
        };
        // Text is UTF-8 here, the only thing that can be wrong.
        let Ok(tree) = CST::try_from(Parser::new(self.arranged.code.as_bytes())) else {
            return;
        };
        self.arranged.is_broken = tree
            .iter()
            .any(|event| matches!(event, Event::Error { .. }));
        let mut includes = Vec::new();
        for node in tree.root().children() {
            match node.kind() {
                SyntaxKind::RULE_DECL => self.rule(&node),
                SyntaxKind::IMPORT_STMT => {
                    let module = strings_in(&node).next().unwrap_or_default();
                    let start = offset(node.span().start());
                    self.arranged.imports.push((module, start));
                }
                SyntaxKind::INCLUDE_STMT => {
                    let span = node.span();
                    includes.push(span.start()..span.end());
                    let line = self.arranged.line_of(offset(span.start()));
                    let name = strings_in(&node).next().unwrap_or_default();
                    self.includes.push((line, name));
                }
                _ => {}
            }
        }
        if !includes.is_empty() {
            let blanked = blanked(&self.arranged.code, &includes);
            self.arranged.code = Cow::Owned(blanked);
        }
    }

    fn rule(&mut self, node: &Node<Immutable>) {
        let mut declared = YaraDeclared {
            name: String::new(),
            range: offset(node.span().start())..offset(node.span().end()),
            line: 0,
            is_private: false,
            is_global: false,
        };
        let mut words = BTreeSet::new();
        for part in node.children_with_tokens() {
            match part {
                NodeOrToken::Token(token)
                    if token.kind() == SyntaxKind::IDENT && declared.name.is_empty() =>
                {
                    declared.name = token.text().to_string();
                    declared.line = self.arranged.line_of(offset(token.span().start()));
                }
                NodeOrToken::Node(part) if part.kind() == SyntaxKind::RULE_MODS => {
                    let kinds = part.children_with_tokens().map(|token| token.kind());
                    for kind in kinds {
                        declared.is_private |= kind == SyntaxKind::PRIVATE_KW;
                        declared.is_global |= kind == SyntaxKind::GLOBAL_KW;
                    }
                }
                NodeOrToken::Node(part) if part.kind() == SyntaxKind::CONDITION_BLK => {
                    words.extend(words_in(&part));
                }
                _ => {}
            }
        }
        if !declared.name.is_empty() {
            self.arranged.rules.push(declared);
            self.arranged.words.push(words);
        }
    }
}

fn line_of(newlines: &[u32], offset: u32) -> u32 {
    let before = newlines.partition_point(|newline| *newline < offset);
    u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1)
}

fn offset(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

/// The same text with blanks in these places; lines stay where they are.
fn blanked(code: &str, places: &[Range<usize>]) -> String {
    let mut bytes = code.as_bytes().to_vec();
    for place in places {
        for byte in bytes.get_mut(place.clone()).into_iter().flatten() {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    }
    // The places are whole tokens, so what is left is UTF-8.
    String::from_utf8(bytes).unwrap_or_default()
}

/// The identifiers in a part of a rule, however deep.
fn words_in(node: &Node<Immutable>) -> Vec<String> {
    let mut words = Vec::new();
    let last = node.last_token().map(|token| token.span().end());
    let mut next = node.first_token();
    while let Some(token) = next {
        if token.kind() == SyntaxKind::IDENT {
            words.push(token.text().to_string());
        }
        next = match Some(token.span().end()) == last {
            true => None,
            false => token.next_token(),
        };
    }
    words
}

/// The text literals directly in a statement, without their quotes.
fn strings_in(node: &Node<Immutable>) -> impl Iterator<Item = String> {
    node.children_with_tokens().filter_map(|part| match part {
        NodeOrToken::Token(token) if token.kind() == SyntaxKind::STRING_LIT => {
            Some(token.text().trim_matches('"').to_string())
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arranged(sources: &[(&str, &str)]) -> Vec<(String, String)> {
        let texts: Vec<_> = sources
            .iter()
            .map(|(label, text)| YaraText {
                label,
                bytes: text.as_bytes(),
            })
            .collect();
        arrange(&texts)
            .into_iter()
            .map(|source| (source.text.label.to_string(), source.namespace))
            .collect()
    }

    fn shared(label: &str) -> (String, String) {
        (label.to_string(), SHARED.to_string())
    }

    #[test]
    fn what_is_needed_comes_first_and_a_circle_ends() {
        let chain = [
            ("a", "rule a { condition: b }"),
            ("b", "rule b { condition: c }"),
            ("c", "rule c { condition: true }"),
        ];
        assert_eq!(arranged(&chain), ["c", "b", "a"].map(shared));
        let circle = [
            ("a", "include \"b\"\nrule a { condition: true }"),
            ("b", "include \"c\"\nrule b { condition: a }"),
            ("c", "include \"a\""),
        ];
        assert_eq!(arranged(&circle), ["c", "b", "a"].map(shared));
        let itself = [("a", "include \"a\"\nrule a { condition: a }")];
        assert_eq!(arranged(&itself), ["a"].map(shared));
    }

    #[test]
    fn a_long_chain_needs_no_deep_stack() {
        let texts: Vec<_> = (0..20_000)
            .map(|number| format!("rule r{number} {{ condition: r{} }}", number + 1))
            .collect();
        let sources: Vec<_> = texts.iter().map(|text| ("x.yar", text.as_str())).collect();
        let order = arranged(&sources);
        assert_eq!(order.len(), sources.len());
        assert!(order.iter().all(|(_, namespace)| namespace == SHARED));
    }

    #[test]
    fn a_taken_name_or_a_global_rule_has_a_namespace_of_its_own() {
        let sources = [
            ("default", "global rule g { condition: true }"),
            ("x", "rule a { condition: true }"),
            ("y", "rule a { condition: false }"),
            ("y", "rule a { condition: 1 == 1 }"),
        ];
        let own = |label: &str, namespace: &str| (label.to_string(), namespace.to_string());
        let expected = [
            shared("x"),
            own("default", "default#2"),
            own("y", "y"),
            own("y", "y#2"),
        ];
        assert_eq!(arranged(&sources), expected);
    }

    #[test]
    fn rules_lie_where_their_text_is() {
        let text = "\u{feff}import \"pe\"\n// x\nprivate rule a : tag { condition: true }\n";
        let sources = [YaraText {
            label: "x",
            bytes: text.as_bytes(),
        }];
        let source = arrange(&sources).remove(0);
        let rule = &source.rules[0];
        let place = |offset| usize::try_from(offset).unwrap();
        let range = place(rule.range.start)..place(rule.range.end);
        assert_eq!(&text[range], "private rule a : tag { condition: true }");
        assert_eq!(
            (rule.line, rule.is_private, rule.is_global),
            (3, true, false)
        );
        assert!(source.code.starts_with("   import"));
    }
}
