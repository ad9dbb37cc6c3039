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
    let mut stack: Vec<Value> = Vec::with_capacity(program.len());
    for step in program {
        let Some(value) = next(*step, &mut stack, count) else {
            return false;
        };
        stack.push(if value.holds { value } else { Value::default() });
    }
    matches!(stack.as_slice(), [value] if value.holds)
}

fn next(step: Step, stack: &mut Vec<Value>, count: &dyn Fn(u8) -> u64) -> Option<Value> {
    Some(match step {
        Step::Leaf(sub, condition) => {
            let matches = count(sub);
            Value {
                holds: condition.map_or(matches > 0, |condition| condition.holds(matches)),
                matches,
                subs: 1u64.wrapping_shl(u32::from(sub)),
            }
        }
        Step::And => {
            let (right, left) = (stack.pop()?, stack.pop()?);
            Value {
                holds: left.holds && right.holds,
                ..both(left, right)
            }
        }
        Step::Or => {
            let (right, left) = (stack.pop()?, stack.pop()?);
            both(left, right)
        }
        Step::Block(condition, distinct) => {
            let inner = stack.pop()?;
            Value {
                holds: condition.holds(inner.matches) && inner.subs.count_ones() >= distinct,
                ..inner
            }
        }
    })
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
        ] {
            assert_eq!(fires_with(expression, counts), expected, "{expression}");
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
