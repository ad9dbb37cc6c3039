//! A regular expression into the literals that it can't match without. One that this crate's
//! parser and YARA-X's could read differently is not read at all.

use regex_syntax::ast::parse::ParserBuilder;
use regex_syntax::hir::literal::{ExtractKind, Extractor};
use regex_syntax::hir::translate::TranslatorBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};
use yara_x_parser::ast::Regexp;

use crate::literal::Masked;
use crate::pattern::{Form, Need};

/// Deeper parts of an expression are not looked at.
const DEPTH_MAX: u32 = 32;

/// What is repeated so often is written out.
const REPEATED_MAX: u32 = 8;
/// Where what is known within is as rare as this, only a few beginnings are worth a search.
const RARE_ENOUGH: u32 = 20;
const FEW_BEGINNINGS: usize = 8;
/// A part with more beginnings than this is not read by them.
const BEGINNINGS_MAX: usize = 64;

/// What must be there in one form.
pub(crate) fn need(regexp: &Regexp<'_>, form: Form, nocase: bool) -> Need {
    let mut parser = ParserBuilder::new().empty_min_range(true).build();
    let Ok(parsed) = parser.parse(regexp.src) else {
        return Need::Unknown;
    };
    let read = |nocase: bool| {
        TranslatorBuilder::new()
            .unicode(false)
            .utf8(false)
            .case_insensitive(nocase)
            .dot_matches_new_line(regexp.dot_matches_new_line)
            .build()
            .translate(regexp.src, &parsed)
    };
    let nocase = nocase || regexp.case_insensitive;
    let (Ok(folded), Ok(plain)) = (read(nocase), read(false)) else {
        return Need::Unknown;
    };
    let mut runs = Runs::new(form);
    runs.take(&folded, 0);
    let mut needs = vec![runs.into_need()];
    let most = match needs.iter().any(|need| need.rarity() >= RARE_ENOUGH) {
        true => FEW_BEGINNINGS,
        false => BEGINNINGS_MAX,
    };
    // What matches in any case matches as it is written once its letters have the right case, so
    // that it begins and ends in one of these ways.
    for kind in [ExtractKind::Prefix, ExtractKind::Suffix] {
        let byte = if nocase {
            Masked::folded
        } else {
            Masked::exact
        };
        needs.push(edges(&plain, (kind, most), &|bytes| {
            let bytes: Vec<_> = bytes.iter().copied().map(byte).collect();
            Need::bytes(&form.apply_masked(&bytes))
        }));
    }
    Need::all(needs)
}

/// Whether it certainly does not match a text without characters.
pub(crate) fn needs_any_byte(regexp: &Regexp<'_>) -> bool {
    let parsed = ParserBuilder::new()
        .empty_min_range(true)
        .build()
        .parse(regexp.src);
    let mut translator = TranslatorBuilder::new().unicode(false).utf8(false).build();
    let parsed = parsed.map(|parsed| translator.translate(regexp.src, &parsed));
    let Ok(Ok(parsed)) = parsed else { return false };
    let least = parsed.properties().minimum_len();
    least.is_some_and(|bytes| bytes > 0)
}

/// How a match begins, or ends.
fn edges(hir: &Hir, (kind, most): (ExtractKind, usize), need: &dyn Fn(&[u8]) -> Need) -> Need {
    let mut extractor = Extractor::new();
    extractor
        .kind(kind)
        .limit_class(4)
        .limit_repeat(4)
        .limit_literal_len(16)
        .limit_total(most);
    let found = extractor.extract(hir);
    match found.literals() {
        Some(literals) => Need::any(literals.iter().map(|one| need(one.as_bytes())).collect()),
        None => Need::Unknown,
    }
}

/// Bytes that follow each other, as far as they are known.
struct Runs {
    form: Form,
    needs: Vec<Need>,
    run: Vec<Masked>,
}

impl Runs {
    fn new(form: Form) -> Self {
        Self {
            form,
            needs: Vec::new(),
            run: Vec::new(),
        }
    }

    fn take(&mut self, hir: &Hir, depth: u32) {
        let deeper = depth.saturating_add(1);
        if depth > DEPTH_MAX {
            return self.end();
        }
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Literal(literal) => {
                self.run
                    .extend(literal.0.iter().copied().map(Masked::exact));
            }
            HirKind::Class(class) => match in_common(class) {
                Some(byte) => self.run.push(byte),
                None => self.end(),
            },
            HirKind::Capture(capture) => self.take(&capture.sub, deeper),
            HirKind::Concat(parts) => parts.iter().for_each(|part| self.take(part, deeper)),
            HirKind::Repetition(repetition) => {
                let is_fixed = repetition.max == Some(repetition.min);
                let is_byte = matches!(repetition.sub.kind(), HirKind::Class(_));
                if is_fixed && is_byte && repetition.min <= REPEATED_MAX {
                    for _ in 0..repetition.min {
                        self.take(&repetition.sub, deeper);
                    }
                    return;
                }
                self.end();
                if repetition.min > 0 {
                    self.take(&repetition.sub, deeper);
                    self.end();
                }
            }
            HirKind::Alternation(branches) => {
                self.end();
                let of_branch = |branch: &Hir| {
                    let mut runs = Self::new(self.form);
                    runs.take(branch, deeper);
                    runs.into_need()
                };
                let needs = branches.iter().map(of_branch).collect();
                self.needs.push(Need::any(needs));
            }
        }
    }

    fn end(&mut self) {
        let run = self.form.apply_masked(&std::mem::take(&mut self.run));
        self.needs.push(Need::bytes(&run));
    }

    fn into_need(mut self) -> Need {
        self.end();
        Need::all(self.needs)
    }
}

/// What the bytes of a class have in common.
fn in_common(class: &Class) -> Option<Masked> {
    let Class::Bytes(class) = class else {
        return None;
    };
    let bytes = class
        .ranges()
        .iter()
        .flat_map(|range| range.start()..=range.end());
    bytes.map(Masked::exact).reduce(Masked::joined)
}

#[cfg(test)]
mod tests {
    use super::*;
    use yara_x_parser::ast::{AST, Pattern};

    fn needs(pattern: &str) -> Need {
        let text = format!("rule a {{ strings: $a = {pattern} condition: $a }}");
        let ast = AST::from(text.as_str());
        let rule = ast.rules().next().unwrap();
        let found = &rule.patterns.as_ref().unwrap()[0];
        assert!(matches!(found, Pattern::Regexp(_)));
        Need::of(found)
    }

    fn literal(bytes: &[u8]) -> Need {
        let bytes: Vec<_> = bytes.iter().copied().map(Masked::exact).collect();
        Need::bytes(&bytes)
    }

    #[test]
    fn runs_of_known_bytes_are_needed() {
        assert_eq!(needs("/abcd[0-9]+x/"), literal(b"abcd"));
        assert_eq!(needs("/(a.?b)c?d/"), Need::Unknown);
        assert_eq!(needs("/(secret)?/"), Need::Unknown);
        assert_eq!(needs("/secret|abc/"), Need::Unknown);
        assert_eq!(needs("/\\bsecret$/"), literal(b"secret"));
        assert_eq!(needs("/wxyz/ wide"), literal(b"w\0x\0y\0z\0"));
    }

    #[test]
    fn a_class_is_needed_in_the_bits_that_its_bytes_share() {
        let mut bytes: Vec<_> = b"wx".iter().copied().map(Masked::exact).collect();
        bytes.push(Masked {
            value: 0x30,
            mask: 0xf0,
        });
        bytes.extend([Masked::exact(b'y'), Masked::exact(b'z')]);
        let expected = Need::bytes(&bytes);
        assert_eq!(needs("/wx[0-9]yz/"), expected);
        let bytes: Vec<_> = b"1-secret".iter().copied().map(Masked::folded).collect();
        assert_eq!(needs("/1-secret/i"), Need::bytes(&bytes));
    }

    #[test]
    fn one_beginning_or_branch_is_needed() {
        let either = |one: &[u8], other: &[u8]| Need::Any(vec![literal(one), literal(other)]);
        assert_eq!(
            needs("/(secret|public)[a-z]/"),
            either(b"secret", b"public")
        );
        assert_eq!(needs("/(ldap|rmi):/"), either(b"ldap:", b"rmi:"));
        let Need::Any(forms) = needs("/po\\^?wz/i") else {
            unreachable!()
        };
        assert_eq!(forms.len(), 2);
    }
}
