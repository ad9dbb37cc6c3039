//! Logical expressions: from text to a postfix program.
//!
//! The grammar is what clamscan 1.4.6 does with some thirty thousand generated expressions: no
//! operator binds tighter than another. What no parenthesis encloses is read from the right
//! (`a&b|c` is `a&(b|c)`); what one encloses is cut at its last operator, and what is left of that
//! is again read from the right.

use crate::hash::LineTrouble;

/// How a count is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Comparison {
    /// `=X`.
    Equal = 0,
    /// `>X`.
    More = 1,
    /// `<X`.
    Fewer = 2,
}

/// A condition on a count of matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// How it is compared.
    pub comparison: Comparison,
    /// With what.
    pub count: u32,
}

impl Condition {
    /// Whether a count fulfils it.
    #[must_use]
    pub fn holds(self, count: u64) -> bool {
        let bound = u64::from(self.count);
        match self.comparison {
            Comparison::Equal => count == bound,
            Comparison::More => count > bound,
            Comparison::Fewer => count < bound,
        }
    }

    /// Whether it can only hold where there is a match.
    pub(crate) fn needs_a_match(self) -> bool {
        !self.holds(0)
    }
}

/// One step of a postfix program, which works on a stack of values.
///
/// A value says whether it holds, how many matches it stands for, and of which subsignatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Puts a subsignature on the stack: it holds where its count fulfils the condition, or is not
    /// zero. Where it does not hold, it stands for no match and no subsignature.
    Leaf(u8, Option<Condition>),
    /// Joins the two values on top: matches and subsignatures of both, where both hold.
    And,
    /// Joins the two values on top: matches and subsignatures of those that hold.
    Or,
    /// Replaces the value on top, which stands for no match where it does not hold: it holds where
    /// its matches fulfil the condition and are of at least so many subsignatures. It stands for
    /// its matches, but for no subsignature.
    Block(Condition, u32),
}

/// Subsignatures of one rule.
pub(crate) const SUBSIGNATURES_MAX: usize = 64;
/// Terms of one expression, so that a stack of as many values is enough.
pub const TERMS_MAX: usize = 1024;
const DEPTH_MAX: u32 = 128;

const WRONG: LineTrouble = LineTrouble::Dropped("the logical expression is not of a known form");

/// Parses an expression whose subsignatures are numbered below a bound.
pub(crate) fn parse(text: &[u8]) -> Result<Vec<Step>, LineTrouble> {
    let mut reader = Reader {
        left: text,
        terms: 0,
    };
    let terms = reader.terms(Place::Outermost, DEPTH_MAX)?;
    if reader.left.is_empty() {
        Ok(terms.program)
    } else {
        Err(WRONG)
    }
}

/// The highest subsignature that the program names.
pub(crate) fn highest(steps: &[Step]) -> Option<u8> {
    let leaves = steps.iter().filter_map(|step| match step {
        Step::Leaf(sub, _) => Some(*sub),
        Step::And | Step::Or | Step::Block(..) => None,
    });
    leaves.max()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Outermost,
    Enclosed,
}

struct Terms {
    program: Vec<Step>,
    joined: Joined,
}

/// Whether there is an operator between terms.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Joined {
    No,
    Yes,
}

struct Reader<'a> {
    left: &'a [u8],
    terms: usize,
}

impl Reader<'_> {
    /// Terms with operators between them, as one program.
    fn terms(&mut self, place: Place, depth_left: u32) -> Result<Terms, LineTrouble> {
        let mut program = self.term(depth_left)?;
        let mut operators = Vec::new();
        let mut joined = Joined::No;
        while let Some(operator) = self.operator() {
            let mut term = self.term(depth_left)?;
            // Cut at the last operator: all that came before is complete.
            let last = !matches!(self.left.first(), Some(b'&' | b'|'));
            if last && place == Place::Enclosed {
                program.extend(operators.drain(..).rev());
            }
            program.append(&mut term);
            operators.push(operator);
            joined = Joined::Yes;
        }
        program.extend(operators.into_iter().rev());
        Ok(Terms { program, joined })
    }

    fn operator(&mut self) -> Option<Step> {
        let operator = match self.left.first()? {
            b'&' => Step::And,
            b'|' => Step::Or,
            _ => return None,
        };
        self.skip();
        Some(operator)
    }

    fn term(&mut self, depth_left: u32) -> Result<Vec<Step>, LineTrouble> {
        self.left = self.left.trim_ascii_start();
        self.terms = self.terms.saturating_add(1);
        if self.terms > TERMS_MAX {
            return Err(LineTrouble::Dropped("the logical expression is too long"));
        }
        if self.left.first() != Some(&b'(') {
            let sub = self.number().ok_or(WRONG)?;
            let sub = u8::try_from(sub).ok();
            let sub = sub.filter(|sub| usize::from(*sub) < SUBSIGNATURES_MAX);
            let sub = sub.ok_or(LineTrouble::Dropped("more than 64 subsignatures"))?;
            return Ok(vec![Step::Leaf(sub, self.leaf_condition()?)]);
        }
        self.skip();
        let depth_left = depth_left.checked_sub(1).ok_or(LineTrouble::Dropped(
            "the logical expression is nested too deep",
        ))?;
        let Terms {
            mut program,
            joined,
        } = self.terms(Place::Enclosed, depth_left)?;
        if self.left.first() != Some(&b')') {
            return Err(WRONG);
        }
        self.skip();
        self.left = self.left.trim_ascii_start();
        if let Some((condition, distinct)) = self.condition()? {
            // The peer refuses `(0)=1` and `((0|1))=1`.
            if joined == Joined::No {
                return Err(LineTrouble::Dropped("a count behind a single term"));
            }
            program.push(Step::Block(condition, distinct));
            self.left = self.left.trim_ascii_start();
        }
        Ok(program)
    }

    /// The condition behind a single subsignature, of which `,Y` says nothing. Like the peer, this
    /// passes over what else stands there: real signatures have `3,4`.
    fn leaf_condition(&mut self) -> Result<Option<Condition>, LineTrouble> {
        let mut found = None;
        while let Some(next) = self.left.first() {
            match next {
                b'&' | b'|' | b'(' | b')' => break,
                b'=' | b'<' | b'>' => found = self.condition()?,
                _ => self.skip(),
            }
        }
        Ok(found.map(|(condition, _)| condition))
    }

    /// `=X`, `>X` or `<X`, each with `,Y`. Of several, the last one counts.
    fn condition(&mut self) -> Result<Option<(Condition, u32)>, LineTrouble> {
        let mut found = None;
        while let Some(comparison) = self.comparison() {
            found = Some((comparison, None, 0));
            if let Some(count) = self.number() {
                found = Some((comparison, Some(count), self.distinct()));
            }
        }
        match found {
            None => Ok(None),
            Some((_, None, _)) => Err(WRONG),
            Some((comparison, Some(count), distinct)) => {
                Ok(Some((Condition { comparison, count }, distinct)))
            }
        }
    }

    fn comparison(&mut self) -> Option<Comparison> {
        let comparison = match self.left.first()? {
            b'=' => Comparison::Equal,
            b'>' => Comparison::More,
            b'<' => Comparison::Fewer,
            _ => return None,
        };
        self.skip();
        Some(comparison)
    }

    fn distinct(&mut self) -> u32 {
        if self.left.first() != Some(&b',') {
            return 0;
        }
        self.skip();
        self.number().unwrap_or(0)
    }

    /// The digits behind any blanks.
    fn number(&mut self) -> Option<u32> {
        self.left = self.left.trim_ascii_start();
        let digits = self.left.iter().take_while(|byte| byte.is_ascii_digit());
        let (digits, rest) = self.left.split_at_checked(digits.count())?;
        self.left = rest;
        if digits.is_empty() {
            return None;
        }
        Some(digits.iter().fold(0u32, |number, digit| {
            number
                .saturating_mul(10)
                .saturating_add(u32::from(digit.wrapping_sub(b'0')))
        }))
    }

    fn skip(&mut self) {
        self.left = self.left.get(1..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(program: &[Step]) -> String {
        let condition = |condition: Condition| {
            let sign = ["=", ">", "<"][condition.comparison as usize];
            format!("{sign}{}", condition.count)
        };
        let step = |step: &Step| match step {
            Step::Leaf(sub, None) => sub.to_string(),
            Step::Leaf(sub, Some(bound)) => format!("{sub}{}", condition(*bound)),
            Step::And => "&".to_string(),
            Step::Or => "|".to_string(),
            Step::Block(bound, distinct) => format!("{},{distinct}", condition(*bound)),
        };
        program.iter().map(step).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn operators_bind_from_the_right_outside_and_at_the_last_one_inside() {
        for (expression, expected) in [
            ("0", "0"),
            ("0&1|2", "0 1 2 | &"),
            ("0|1&2", "0 1 2 & |"),
            ("(0&1|2)", "0 1 & 2 |"),
            ("(0&1|2&3)", "0 1 2 | & 3 &"),
            ("(0|1)>1,2&2=0", "0 1 | >1,2 2=0 &"),
            ("((0|1)<3|2)=2", "0 1 | <3,0 2 | =2,0"),
            ("0>=2", "0=2"),
            ("0>1,5 & (1)", "0>1 1 &"),
            ("0=2,&1", "0=2 1 &"),
            ("3,4", "3"),
            ("0x=3y|1 2", "0=3 1 |"),
        ] {
            assert_eq!(text(&parse(expression.as_bytes()).unwrap()), expected);
        }
    }

    #[test]
    fn what_the_peer_refuses_is_dropped() {
        for expression in [
            "",
            "0&",
            "(0",
            "0)",
            "()0",
            "(0)1",
            "0(1)",
            "!0",
            "(0)=1",
            "((0|1))=1",
            "0=",
            "64",
            "(0=1)>1",
            "0&&1",
        ] {
            assert!(parse(expression.as_bytes()).is_err(), "{expression}");
        }
    }

    #[test]
    fn neither_depth_nor_length_is_without_bounds() {
        let deep = format!("{}0{}", "(".repeat(100_000), ")".repeat(100_000));
        assert!(parse(deep.as_bytes()).is_err());
        assert!(parse("0|".repeat(100_000).as_bytes()).is_err());
        assert!(parse("(0".repeat(100_000).as_bytes()).is_err());
        let long = "0|".repeat(TERMS_MAX - 1) + "0";
        assert_eq!(parse(long.as_bytes()).unwrap().len(), 2 * TERMS_MAX - 1);
    }
}
