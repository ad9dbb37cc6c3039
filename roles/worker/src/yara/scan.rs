//! Compiled rules, loaded once and run on one object after another.

use proto::{MATCHES_MAX, Match};
use yara_x::{Rules, ScanError, Scanner};

/// Sets the process up for the interpreter: what takes a system call that the jail does not allow.
pub fn prepare() {
    wasmtime::Engine::tls_eager_initialize();
}

/// Rules that are loaded, for as long as the process lives.
#[derive(Clone, Copy)]
pub struct YaraRules {
    rules: &'static Rules,
}

/// Runs rules.
pub struct YaraScanner {
    scanner: Scanner<'static>,
}

/// A rule that matched.
pub(crate) struct YaraHit {
    pub(crate) namespace: &'static str,
    pub(crate) name: &'static str,
    pub(crate) matches: Vec<Match>,
}

impl YaraRules {
    /// Loads what a compiling worker wrote. The bytes are trusted as far as this process is: its
    /// jail is what holds whoever could change them.
    pub fn load(compiled: &[u8]) -> Result<Self, String> {
        let rules = Rules::deserialize(compiled)
            .map_err(|error| format!("the compiled YARA rules can't be loaded: {error}"))?;
        // They serve until the process ends; taking them apart then would only take time.
        let rules = Box::leak(Box::new(rules));
        Ok(Self { rules })
    }

    /// A scanner.
    #[must_use]
    pub fn scanner(self) -> YaraScanner {
        YaraScanner {
            scanner: Scanner::new(self.rules),
        }
    }
}

impl YaraScanner {
    /// Looks at an object; gives the rules that match, in the order of their compilation.
    pub(crate) fn look(
        &mut self,
        bytes: &[u8],
        hit: &mut dyn FnMut(YaraHit),
    ) -> Result<(), ScanError> {
        let results = self.scanner.scan(bytes)?;
        for rule in results.matching_rules() {
            hit(YaraHit {
                namespace: rule.namespace(),
                name: rule.identifier(),
                matches: matches_of(&rule),
            });
        }
        Ok(())
    }
}

/// The first of a rule's matches, each pattern's in turn.
fn matches_of(rule: &yara_x::Rule<'_, '_>) -> Vec<Match> {
    let matches = rule.patterns().flat_map(|pattern| pattern.matches());
    let place = |found: yara_x::Match<'_, '_>| {
        let range = found.range();
        Match {
            offset: range.start as u64,
            length: range.len() as u64,
        }
    };
    matches.take(MATCHES_MAX).map(place).collect()
}
