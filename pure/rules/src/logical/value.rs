//! What a postfix program makes of the counts of its subsignatures.

use super::Step;

/// What a part of an expression stands for.
#[derive(Clone, Copy, Debug, Default)]
struct Value {
    holds: bool,
    matches: u64,
    /// One bit for each subsignature.
    subs: u64,
}

/// Whether the program holds. A program that no compiler wrote does not.
#[must_use]
pub fn fires(program: &[Step], count: &dyn Fn(u8) -> u64) -> bool {
    may_fire(program, &|sub| Some(count(sub)))
}

/// Whether the program may hold once all counts are known.
#[must_use]
pub fn may_fire(program: &[Step], count: &dyn Fn(u8) -> Option<u64>) -> bool {
    let mut stack: Vec<Option<Value>> = Vec::with_capacity(program.len());
    for step in program {
        let Some(value) = next(*step, &mut stack, count) else {
            return false;
        };
        stack.push(value.map(Value::settled));
    }
    matches!(stack.as_slice(), [value] if value.is_none_or(|value| value.holds))
}

/// The outer option is a program that makes no sense, the inner one a value that is not known.
fn next(
    step: Step,
    stack: &mut Vec<Option<Value>>,
    count: &dyn Fn(u8) -> Option<u64>,
) -> Option<Option<Value>> {
    let mut two = || Some((stack.pop()?, stack.pop()?));
    Some(match step {
        Step::Leaf(sub, condition) => count(sub).map(|matches| Value {
            holds: condition.map_or(matches > 0, |condition| condition.holds(matches)),
            matches,
            subs: 1u64.wrapping_shl(u32::from(sub)),
        }),
        Step::And => match two()? {
            (Some(right), Some(left)) => Some(Value {
                holds: left.holds && right.holds,
                ..both(left, right)
            }),
            (Some(value), None) | (None, Some(value)) if !value.holds => Some(Value::default()),
            _ => None,
        },
        Step::Or => {
            let (right, left) = two()?;
            right.zip(left).map(|(right, left)| both(left, right))
        }
        Step::Block(condition, distinct) => {
            let inner = stack.pop()?;
            // To what encloses it, a block is a number of matches of no subsignature.
            inner.map(|inner| Value {
                holds: condition.holds(inner.matches) && inner.subs.count_ones() >= distinct,
                matches: inner.matches,
                subs: 0,
            })
        }
    })
}

impl Value {
    /// What does not hold stands for nothing.
    fn settled(self) -> Self {
        if self.holds { self } else { Self::default() }
    }
}

/// A value that does not hold stands for nothing already.
fn both(left: Value, right: Value) -> Value {
    Value {
        holds: left.holds || right.holds,
        matches: left.matches.saturating_add(right.matches),
        subs: left.subs | right.subs,
    }
}

#[cfg(test)]
mod tests {
    use super::super::expression::parse;
    use super::*;

    fn fires_with(expression: &str, counts: [u64; 3]) -> bool {
        let program = parse(expression.as_bytes()).unwrap();
        fires(&program, &|sub| counts[usize::from(sub)])
    }

    /// What clamscan 1.4.6 does with these.
    #[test]
    fn counts_are_summed_over_what_holds() {
        for (expression, counts, expected) in [
            ("(0|1)=2", [1, 1, 0], true),
            ("(0&1)=2", [2, 0, 0], false),
            ("(0|1)=2,2", [2, 0, 0], false),
            ("(0&1)=0", [1, 0, 0], true),
            ("(0|1)<3,1", [0, 0, 0], false),
            ("(0=1|1=2)=3", [1, 2, 0], true),
            ("(0=1|1)>1", [2, 1, 0], false),
            ("(0=0&1>0)", [0, 3, 0], true),
            ("((0|1)=2|1=3)=3", [3, 3, 0], true),
            ("(0<1|2>3)<2,1", [0, 1, 0], true),
            ("0=1&1=1|0=2", [2, 0, 0], false),
            ("(2|(0&2|2)>1|2=3)>0,2", [1, 0, 1], false),
        ] {
            assert_eq!(fires_with(expression, counts), expected, "{expression}");
        }
    }

    #[test]
    fn what_is_not_known_rules_out_nothing() {
        for (expression, known, expected) in [
            ("0&1", [Some(0), None, None], false),
            ("0&1", [Some(1), None, None], true),
            ("0|1", [Some(0), None, None], true),
            ("0&(1|2)", [Some(1), None, Some(0)], true),
            ("(0&1)=0", [Some(0), None, None], true),
            ("(0&1)=0", [None, None, None], true),
            ("(0&1)>0&2", [None, Some(0), Some(1)], false),
        ] {
            let program = parse(expression.as_bytes()).unwrap();
            let count = |sub: u8| known[usize::from(sub)];
            assert_eq!(
                may_fire(&program, &count),
                expected,
                "{expression} {known:?}"
            );
        }
    }

    #[test]
    fn a_program_that_no_compiler_wrote_does_not_fire() {
        for program in [
            &[][..],
            &[Step::And],
            &[Step::Leaf(0, None), Step::Or],
            &[Step::Leaf(0, None), Step::Leaf(200, None)],
        ] {
            assert!(!fires(program, &|_| 1));
        }
    }
}
