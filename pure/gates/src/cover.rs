//! Which few literals a search must look for, so that no object that a rule could match goes by.
//! Refuses a choice where none is certain.

use crate::formula::Formula;
use crate::literal::{Literal, Way};

/// Literals of which one is in every object that makes a formula true.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cover {
    pub(crate) literals: Vec<u32>,
    /// How rare the least rare is.
    rarity: u32,
}

/// What covers are chosen among.
pub(crate) struct Known<'k> {
    pub(crate) literals: &'k [Literal],
    /// The covers of the rules before.
    pub(crate) rules: &'k [Option<Cover>],
}

impl Known<'_> {
    /// The best cover of what must be true, if it has one.
    pub(crate) fn cover(&self, formula: &Formula) -> Option<Cover> {
        match formula {
            Formula::Unknown
            | Formula::Not(_)
            | Formula::Stands { .. }
            | Formula::Compare { .. } => None,
            Formula::Literal(number) => {
                let literal = self.literals.get(usize::try_from(*number).ok()?)?;
                let rarity = match literal.way() {
                    Way::Run { .. } => literal.rarity(),
                    // A search at every place costs more than some more formulas.
                    Way::Gram => literal.rarity().wrapping_shr(2),
                    Way::Seed => return None,
                };
                Some(Cover {
                    literals: vec![*number],
                    rarity,
                })
            }
            Formula::Rule(number) => self.rules.get(usize::try_from(*number).ok()?)?.clone(),
            Formula::AtLeast { count, of } => {
                // Where so many must be true, one is among any that leave fewer than those out.
                let left_out = usize::try_from(count.checked_sub(1)?).ok()?;
                let wanted = of.len().checked_sub(left_out)?;
                let mut covers: Vec<_> = of.iter().filter_map(|one| self.cover(one)).collect();
                covers.sort_by_key(|cover| (std::cmp::Reverse(cover.rarity), cover.literals.len()));
                if covers.len() < wanted || wanted == 0 {
                    return None;
                }
                covers.truncate(wanted);
                let rarity = covers.iter().map(|cover| cover.rarity).min()?;
                let mut literals: Vec<u32> = covers
                    .into_iter()
                    .flat_map(|cover| cover.literals)
                    .collect();
                literals.sort_unstable();
                literals.dedup();
                Some(Cover { literals, rarity })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::literal::Masked;

    fn cover(formula: &Formula) -> Option<Vec<u32>> {
        let literals = ["abcd", "abcdef!?", "abcdefg"].map(|text| Literal {
            bytes: text.bytes().map(Masked::exact).collect(),
            before: Vec::new(),
            behind: Vec::new(),
        });
        let rules = [Some(Cover {
            literals: vec![7],
            rarity: 1,
        })];
        let known = Known {
            literals: &literals,
            rules: &rules,
        };
        known.cover(formula).map(|cover| cover.literals)
    }

    #[test]
    fn the_rarest_that_suffice_are_chosen() {
        let three = || (0..3).map(Formula::Literal).collect::<Vec<_>>();
        assert_eq!(cover(&Formula::all(three())), Some(vec![1]));
        assert_eq!(cover(&Formula::any(three())), Some(vec![0, 1, 2]));
        assert_eq!(cover(&Formula::at_least(2, three())), Some(vec![1, 2]));
        let with_unknown = vec![Formula::Unknown, Formula::Literal(0)];
        assert_eq!(cover(&Formula::all(with_unknown.clone())), Some(vec![0]));
        assert_eq!(cover(&Formula::any(with_unknown)), None);
        let rule = Formula::all(vec![Formula::Rule(0), Formula::Rule(1)]);
        assert_eq!(cover(&rule), Some(vec![7]));
    }
}
