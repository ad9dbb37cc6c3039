//! Arranged sources into groups of YARA-X rules, and what became of each rule.

use std::collections::{BTreeMap, BTreeSet};

use proto::{Definition, DefinitionValue};
use rules::YaraFailure;
use worker::yara::{YaraCode, merged};
use yara_x::errors::{CompileError, VariableError};
use yara_x::{Compiler, Rules, SourceCode};

use crate::arrange::{Arranged, SHARED};
use crate::bundle::{self, GroupCode};
use crate::group::{Grouped, Place, group};

/// Names that many published rules expect, as scanners that set them call them. No local path
/// travels to a worker, so they are empty unless the user says otherwise.
pub(crate) const USUAL: [&str; 5] = ["extension", "filename", "filepath", "filetype", "owner"];
/// What is kept of a compiler's message.
const WHY_CHARS_MAX: usize = 300;
/// The group of a rule that is not there.
const NO_GROUP: u32 = u32::MAX;

/// Compiles. What fails goes from a source's rules to its failures; nothing is left out silently.
pub(crate) fn compile(
    sources: &mut [Arranged<'_>],
    definitions: &[Definition],
) -> Result<YaraCode, String> {
    let Grouped {
        gates,
        rules,
        mut group_of,
        groups,
    } = group(sources, definitions);
    check_imports(sources, definitions)?;
    // By namespace and name, the first rule's number.
    let mut numbers: BTreeMap<(String, String), usize> = BTreeMap::new();
    for (number, place) in rules.iter().enumerate() {
        if let Some(name) = name_of(sources, *place) {
            numbers.entry(name).or_insert(number);
        }
    }
    let mut there: BTreeSet<usize> = BTreeSet::new();
    let mut codes = Vec::new();
    for members in &groups {
        let members: Vec<Place> = members
            .iter()
            .filter_map(|at| rules.get(*at))
            .copied()
            .collect();
        let compiled = compile_group(sources, &members, definitions)?;
        let own = compiled.iter().map(|rule| {
            let name = (rule.namespace().to_string(), rule.identifier().to_string());
            numbers.get(&name).copied()
        });
        let own: Vec<usize> = own.map(|number| number.unwrap_or(usize::MAX)).collect();
        there.extend(own.iter().filter(|number| **number < rules.len()));
        codes.push(GroupCode {
            code: compiled
                .serialize()
                .map_err(|error| format!("the compiled YARA rules can't be told: {error}"))?,
            places: own
                .iter()
                .map(|number| u32::try_from(*number).unwrap_or(u32::MAX))
                .collect(),
        });
    }
    for (number, group) in group_of.iter_mut().enumerate() {
        if !there.contains(&number) {
            *group = NO_GROUP;
        }
    }
    let names = there
        .iter()
        .filter_map(|number| name_of(sources, *rules.get(*number)?));
    let names: BTreeSet<(String, String)> = names.collect();
    sort_out(sources, &names);
    let count = u32::try_from(there.len()).unwrap_or(u32::MAX);
    Ok(YaraCode {
        rules: there.len() as u64,
        bytes: bundle::write(&codes, count, &gates.finish(&group_of)),
    })
}

fn name_of(sources: &[Arranged<'_>], place: Place) -> Option<(String, String)> {
    let source = sources.get(place.source)?;
    let rule = source.rules.get(place.rule)?;
    Some((source.namespace.clone(), rule.name.clone()))
}

/// Compiles some rules, each source's together.
fn compile_group(
    sources: &mut [Arranged<'_>],
    members: &[Place],
    definitions: &[Definition],
) -> Result<Rules, String> {
    let mut compiler = compiler(definitions)?;
    let mut modules: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut imported: BTreeSet<String> = BTreeSet::new();
    let mut before = 0;
    for own in members.chunk_by(|one, other| one.source == other.source) {
        let Some(first) = own.first() else { continue };
        // A module that a source of a namespace imports is known to all after it.
        for source in sources.get(before..=first.source).into_iter().flatten() {
            let known = modules.entry(source.namespace.clone()).or_default();
            known.extend(source.imports.iter().map(|(module, _)| module.clone()));
        }
        before = first.source.saturating_add(1);
        let Some(source) = sources.get_mut(first.source) else {
            continue;
        };
        if source.namespace != SHARED {
            compiler.new_namespace(&source.namespace);
        }
        if !source.is_broken {
            let known = modules.get(&source.namespace);
            let words = own
                .iter()
                .filter_map(|place| source.words.get(place.rule))
                .flatten();
            let used = words.filter(|word| known.is_some_and(|known| known.contains(*word)));
            imported.extend(used.cloned());
        }
        add(&mut compiler, source, (own, &imported));
    }
    Ok(compiler.build())
}

/// Gives the compiler these rules of a source, and what they import.
fn add(
    compiler: &mut Compiler<'_>,
    source: &mut Arranged<'_>,
    (own, modules): (&[Place], &BTreeSet<String>),
) {
    let mut code = String::new();
    // Where each piece starts here, and where in the source.
    let mut pieces: Vec<(usize, usize)> = Vec::new();
    if source.is_broken {
        code.push_str(&source.code);
        pieces.push((0, 0));
    } else {
        for module in modules {
            code.push_str(&format!("import \"{module}\"\n"));
        }
        for rule in own.iter().filter_map(|place| source.rules.get(place.rule)) {
            let place = |offset| usize::try_from(offset).unwrap_or(usize::MAX);
            let range = place(rule.range.start)..place(rule.range.end);
            pieces.push((code.len(), range.start));
            code.push_str(source.code.get(range).unwrap_or_default());
            code.push('\n');
        }
    }
    let before = compiler.errors().len();
    // The errors are taken from the list, since there may be several.
    let _ = compiler.add_source(SourceCode::from(code.as_str()));
    for error in compiler.errors().iter().skip(before) {
        let failure = failure(source, error, &|at| {
            let piece = pieces.iter().rev().find(|(start, _)| *start <= at);
            piece.map_or(0, |(start, own)| at - start + own)
        });
        // A rule that others need is compiled with each of them.
        if !source.failures.contains(&failure) {
            source.failures.push(failure);
        }
    }
}

/// What is imported and not there, which is told once, whether a rule uses it or not.
fn check_imports(sources: &mut [Arranged<'_>], definitions: &[Definition]) -> Result<(), String> {
    let mut known: BTreeMap<String, bool> = BTreeMap::new();
    for source in sources.iter_mut().filter(|source| !source.is_broken) {
        for (module, start) in source.imports.clone() {
            if known.get(&module) == Some(&true) {
                continue;
            }
            let mut compiler = compiler(definitions)?;
            let code = format!("import \"{module}\"\n");
            let _ = compiler.add_source(SourceCode::from(code.as_str()));
            known.insert(module, compiler.errors().is_empty());
            let at = usize::try_from(start).unwrap_or(usize::MAX);
            let errors = compiler.errors().iter();
            let failures: Vec<_> = errors
                .map(|error| failure(source, error, &|_| at))
                .collect();
            source.failures.extend(failures);
        }
    }
    Ok(())
}

fn compiler(definitions: &[Definition]) -> Result<Compiler<'static>, String> {
    let mut compiler = Compiler::new();
    compiler
        .relaxed_re_syntax(true)
        .enable_includes(false)
        .switch_all_warnings(false);
    let usual = USUAL.map(|name| Definition {
        name: name.to_string(),
        value: DefinitionValue::Text(String::new()),
    });
    for definition in merged(usual.into_iter().chain(definitions.iter().cloned())) {
        let name = definition.name.as_str();
        define(&mut compiler, &definition)
            .map_err(|error| format!("the definition of {name} is not one for YARA: {error}"))?;
    }
    Ok(compiler)
}

fn define(compiler: &mut Compiler<'_>, definition: &Definition) -> Result<(), VariableError> {
    let name = definition.name.as_str();
    match &definition.value {
        DefinitionValue::Integer(value) => compiler.define_global(name, *value),
        DefinitionValue::Float(bits) => compiler.define_global(name, f64::from_bits(*bits)),
        DefinitionValue::Boolean(value) => compiler.define_global(name, *value),
        DefinitionValue::Text(value) => compiler.define_global(name, value.as_str()),
    }
    .map(|_| ())
}

/// A failure at the place in the source that a place in the code stands for.
fn failure(
    source: &Arranged<'_>,
    error: &CompileError,
    place: &dyn Fn(usize) -> usize,
) -> YaraFailure {
    let label = error.labels().next();
    let line = label.as_ref().map_or(1, |label| {
        source.line_of(u32::try_from(place(label.span().start())).unwrap_or(0))
    });
    let detail = label.map_or(String::new(), |label| label.text().to_string());
    let words = match detail.is_empty() {
        true => error.title().to_string(),
        false => format!("{}: {detail}", error.title()),
    };
    let words: Vec<&str> = words.split_whitespace().collect();
    YaraFailure {
        line,
        why: words.join(" ").chars().take(WHY_CHARS_MAX).collect(),
    }
}

/// Keeps the rules that are there, and has a failure for each that is not.
fn sort_out(sources: &mut [Arranged<'_>], there: &BTreeSet<(String, String)>) {
    for source in sources {
        let mut seen = BTreeSet::new();
        let declared = std::mem::take(&mut source.rules);
        for (at, rule) in declared.iter().enumerate() {
            let is_there = there.contains(&(source.namespace.clone(), rule.name.clone()));
            if is_there && seen.insert(rule.name.as_str()) {
                source.rules.push(rule.clone());
                continue;
            }
            let next = declared.get(at.saturating_add(1));
            let end = next.map_or(u32::MAX, |next| source.line_of(next.range.start));
            let start = source.line_of(rule.range.start);
            let is_told = source
                .failures
                .iter()
                .any(|failure| failure.line >= start && failure.line <= end);
            if !is_told {
                source.failures.push(YaraFailure {
                    line: rule.line,
                    why: format!("rule {} did not compile", rule.name),
                });
            }
        }
        source
            .failures
            .sort_by(|a, b| (a.line, &a.why).cmp(&(b.line, &b.why)));
    }
}
