//! Arranged sources into YARA-X rules, and what became of each rule.

use std::collections::BTreeSet;

use proto::{Definition, DefinitionValue};
use rules::YaraFailure;
use worker::yara::merged;
use yara_x::errors::{CompileError, VariableError};
use yara_x::{Compiler, Rules, SourceCode};

use crate::arrange::{Arranged, SHARED};

/// Names that many published rules expect, as scanners that set them call them. No local path
/// travels to a worker, so they are empty unless the user says otherwise.
const USUAL: [&str; 5] = ["extension", "filename", "filepath", "filetype", "owner"];
/// What is kept of a compiler's message.
const WHY_CHARS_MAX: usize = 300;

/// Compiles. What fails goes from a source's rules to its failures; nothing is left out silently.
pub(crate) fn compile(
    sources: &mut [Arranged<'_>],
    definitions: &[Definition],
) -> Result<Rules, String> {
    let mut compiler = compiler(definitions)?;
    for source in sources.iter_mut() {
        if source.namespace != SHARED {
            compiler.new_namespace(&source.namespace);
        }
        let before = compiler.errors().len();
        // The errors are taken from the list, since there may be several.
        let _ = compiler.add_source(SourceCode::from(source.code.as_ref()));
        let errors = compiler.errors().iter().skip(before);
        let found: Vec<_> = errors.map(|error| failure(source, error)).collect();
        source.failures.extend(found);
    }
    let rules = compiler.build();
    sort_out(sources, &rules);
    Ok(rules)
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

fn failure(source: &Arranged<'_>, error: &CompileError) -> YaraFailure {
    let label = error.labels().next();
    let line = label.as_ref().map_or(1, |label| {
        source.line_of(u32::try_from(label.span().start()).unwrap_or(0))
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
fn sort_out(sources: &mut [Arranged<'_>], rules: &Rules) {
    let there: BTreeSet<(&str, &str)> = rules
        .iter()
        .map(|rule| (rule.namespace(), rule.identifier()))
        .collect();
    for source in sources {
        let mut seen = BTreeSet::new();
        let declared = std::mem::take(&mut source.rules);
        for (at, rule) in declared.iter().enumerate() {
            let is_there = there.contains(&(source.namespace.as_str(), rule.name.as_str()));
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
