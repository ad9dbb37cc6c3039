//! What the worker asks of an engine for YARA rules. It has none of its own: the program that has
//! one hands it over, so that this one is not built from it.

use std::collections::BTreeMap;
use std::ops::Range;

use kernel::map::Map;
use proto::{Definition, DefinitionValue, Match};
use rules::YaraFailure;

/// Compiles and runs YARA rules.
pub trait YaraEngine: Sync {
    /// Called once before the jail stands: what takes a system call that the jail does not allow.
    fn prepare(&self);

    /// Arranges and compiles sources, which come in the order of their labels. What does not
    /// compile is among a source's failures.
    fn compile<'a>(
        &self,
        texts: &[YaraText<'a>],
        definitions: &[Definition],
    ) -> Result<YaraOutcome<'a>, String>;

    /// Compiles sources that were arranged before.
    fn compile_again(
        &self,
        sources: &[YaraPlaced<'_>],
        definitions: &[Definition],
    ) -> Result<YaraCode, String>;

    /// Opens what was compiled, which begins at a place in the file. The bytes are trusted as far
    /// as this process is: its jail is what holds whoever could change them.
    fn open(&self, code: Map, start: usize) -> Result<Box<dyn YaraScan>, String>;
}

/// Rules that are loaded.
pub trait YaraScan {
    /// Looks at an object; gives the rules that match, in the order of their compilation.
    fn look(&mut self, bytes: &[u8], hit: &mut dyn FnMut(YaraHit<'_>)) -> Result<(), String>;
}

/// A source as it was handed over.
#[derive(Clone, Copy, Debug)]
pub struct YaraText<'a> {
    /// Its label.
    pub label: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// A source whose namespace is known.
#[derive(Clone, Copy, Debug)]
pub struct YaraPlaced<'a> {
    /// The source.
    pub text: YaraText<'a>,
    /// The namespace.
    pub namespace: &'a str,
}

/// What sources compile to.
#[derive(Debug)]
pub struct YaraOutcome<'a> {
    /// The sources, in the order of compilation.
    pub sources: Vec<YaraSource<'a>>,
    /// The rules together.
    pub code: YaraCode,
}

/// Compiled rules.
#[derive(Debug)]
pub struct YaraCode {
    /// How many there are.
    pub rules: u64,
    /// What [`YaraEngine::open`] takes.
    pub bytes: Vec<u8>,
}

/// A source and what became of it.
#[derive(Debug)]
pub struct YaraSource<'a> {
    /// The source.
    pub text: YaraText<'a>,
    /// The namespace of its rules.
    pub namespace: String,
    /// The rules that compiled.
    pub rules: Vec<YaraDeclared>,
    /// What did not.
    pub failures: Vec<YaraFailure>,
    /// Labels of sources with the same text, which were not taken again.
    pub copies: Vec<&'a str>,
}

/// A rule as its source declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct YaraDeclared {
    /// Its name.
    pub name: String,
    /// Where its text lies.
    pub range: Range<u32>,
    /// The line of its name, from 1.
    pub line: u32,
    /// Whether it is private.
    pub is_private: bool,
    /// Whether it is global.
    pub is_global: bool,
}

/// A rule that matched.
#[derive(Clone, Debug)]
pub struct YaraHit<'r> {
    /// Its namespace.
    pub namespace: &'r str,
    /// Its name.
    pub name: &'r str,
    /// Its first matches.
    pub matches: Vec<Match>,
}

/// Definitions of which the later ones of a name count.
#[must_use]
pub fn merged(definitions: impl IntoIterator<Item = Definition>) -> Vec<Definition> {
    let by_name: BTreeMap<String, DefinitionValue> = definitions
        .into_iter()
        .map(|definition| (definition.name, definition.value))
        .collect();
    let back = |(name, value)| Definition { name, value };
    by_name.into_iter().map(back).collect()
}
