//! Which subsignatures have to be searched for so that no rule is missed.
//!
//! A *cover* is a set of subsignatures of which one matches wherever the rule fires. A part of an
//! expression that can hold without a match (`=0`, `<X`) has none.

use super::Step;

/// What is known of one value on the stack.
#[derive(Clone, Debug)]
struct Known {
    /// Its cheapest cover, in order.
    cover: Option<Vec<u8>>,
    /// Covers of the terms that are joined by `|` only, where each is one subsignature.
    choices: Option<Vec<u8>>,
    cost: u64,
}

/// The cheapest cover of a program. `cover_of` gives a subsignature's own cover: itself, or the
/// subsignatures that it depends on, or `None` where it can't be searched for. `cost` is what
/// searching for one costs.
pub(crate) fn cover(
    program: &[Step],
    cover_of: &dyn Fn(u8) -> Option<Vec<u8>>,
    cost: &dyn Fn(u8) -> u64,
) -> Option<Vec<u8>> {
    let known = |cover: Option<Vec<u8>>, choices: Option<Vec<u8>>| Known {
        cost: cover.as_deref().map_or(u64::MAX, |subs| total(subs, cost)),
        cover,
        choices,
    };
    let mut stack: Vec<Known> = Vec::new();
    for step in program {
        let next = match step {
            Step::Leaf(_, Some(condition)) if !condition.needs_a_match() => known(None, None),
            Step::Leaf(sub, _) => {
                let own = cover_of(*sub);
                let simple = own.as_deref() == Some(&[*sub]);
                let choices = simple.then(|| vec![*sub]);
                known(own, choices)
            }
            Step::And => {
                let (right, left) = (stack.pop()?, stack.pop()?);
                let rank = |known: &Known| (known.cover.is_none(), known.cost);
                let best = if rank(&right) < rank(&left) {
                    right
                } else {
                    left
                };
                Known {
                    choices: None,
                    ..best
                }
            }
            Step::Or => {
                let (right, left) = (stack.pop()?, stack.pop()?);
                let both = |a: Option<Vec<u8>>, b: Option<Vec<u8>>| Some(union(a?, b?));
                known(
                    both(left.cover, right.cover),
                    both(left.choices, right.choices),
                )
            }
            Step::Block(condition, distinct) => {
                let inner = stack.pop()?;
                match inner.choices {
                    _ if !condition.needs_a_match() && *distinct == 0 => known(None, None),
                    Some(choices) => known(Some(without_costliest(choices, *distinct, cost)), None),
                    // Conditions such as `<X` count subsignatures that hold without a match.
                    None if !condition.needs_a_match() => known(None, None),
                    None => known(inner.cover, None),
                }
            }
        };
        stack.push(next);
    }
    stack.pop()?.cover
}

fn total(subs: &[u8], cost: &dyn Fn(u8) -> u64) -> u64 {
    subs.iter()
        .fold(0, |total, sub| total.saturating_add(cost(*sub)))
}

fn union(mut left: Vec<u8>, right: Vec<u8>) -> Vec<u8> {
    left.extend(right);
    left.sort_unstable();
    left.dedup();
    left
}

/// Where so many different ones have to match, all but one of them can be missing from a cover.
fn without_costliest(mut subs: Vec<u8>, distinct: u32, cost: &dyn Fn(u8) -> u64) -> Vec<u8> {
    subs.sort_by_key(|sub| (cost(*sub), *sub));
    let spare = usize::try_from(distinct).unwrap_or(usize::MAX);
    let kept = subs.len().saturating_sub(spare.saturating_sub(1));
    subs.truncate(kept);
    subs.sort_unstable();
    subs
}

#[cfg(test)]
mod tests {
    use super::super::expression::parse;
    use super::*;

    /// Subsignature 9 can't be searched for, 8 depends on 0; each costs 10 and its number.
    fn covered(expression: &str) -> Option<Vec<u8>> {
        let cover_of = |sub: u8| match sub {
            9 => None,
            8 => Some(vec![0]),
            _ => Some(vec![sub]),
        };
        let program = parse(expression.as_bytes()).unwrap();
        cover(&program, &cover_of, &|sub| 10 + u64::from(sub))
    }

    #[test]
    fn of_what_all_must_hold_the_cheapest_is_enough() {
        assert_eq!(covered("2&1&3"), Some(vec![1]));
        assert_eq!(covered("9&(1|2)"), Some(vec![1, 2]));
        assert_eq!(covered("3=0&2"), Some(vec![2]));
        assert_eq!(covered("(0|1)&4"), Some(vec![4]));
    }

    #[test]
    fn of_what_one_must_hold_all_are_needed() {
        assert_eq!(covered("2|1|3"), Some(vec![1, 2, 3]));
        assert_eq!(covered("2|9"), None);
        assert_eq!(covered("2|1=0"), None);
        assert_eq!(covered("8|1>3"), Some(vec![0, 1]));
    }

    #[test]
    fn a_condition_that_no_match_fulfils_has_no_cover() {
        for expression in ["0=0", "0<3", "(0|1)=0", "(0&1)<2", "(0<3|1)<9,1"] {
            assert_eq!(covered(expression), None, "{expression}");
        }
    }

    #[test]
    fn distinct_counts_leave_out_the_costliest() {
        assert_eq!(covered("(0|1|2|3)>1,3"), Some(vec![0, 1]));
        assert_eq!(covered("(0|1|2|3)<9,3"), Some(vec![0, 1]));
        assert_eq!(covered("(0|1|2|3)>5"), Some(vec![0, 1, 2, 3]));
        assert_eq!(covered("(8|1|2)>1,3"), Some(vec![0, 1, 2]));
        assert_eq!(covered("(0|0|1)>1,3"), Some(vec![]));
    }

    /// Whatever matches, a rule that fires has a match in its cover.
    #[test]
    fn a_rule_that_fires_has_a_match_in_its_cover() {
        let expressions = [
            "0&1|2",
            "(0|1)>1,2&2=0|3",
            "(0&1|2>1)=3|(1|3)<4,1",
            "((0|1)<3|2)=2",
            "(0|1<2)>0",
            "(0|1|2|3)>2,2",
            "(0=1|1&2)>1,2",
        ];
        for expression in expressions {
            let Some(subs) = covered(expression) else {
                continue;
            };
            let program = parse(expression.as_bytes()).unwrap();
            for counts in 0..256u64 {
                let count = |sub: u8| (counts >> (2 * sub)) & 3;
                if super::super::value::fires(&program, &count) {
                    assert!(
                        subs.iter().any(|sub| count(*sub) > 0),
                        "{expression} {counts:x}"
                    );
                }
            }
        }
    }
}
