//! Many systems and many products at once: a table of outcomes, and what has to be decided again
//! since last time.

use crate::date::Date;
use crate::decide::{Case, Outcome, outcome_of};
use crate::dossier::Dossier;
use crate::facts::derive;
use crate::logic::Truth;
use crate::pack::Pack;
use crate::system::System;
use evidence::Held;

/// A system and its outcomes, one for each product.
#[derive(Clone, Debug)]
pub struct PortfolioRow {
    /// Place of the system.
    pub system: usize,
    /// Outcomes in the order of the dossiers.
    pub outcomes: Vec<Outcome>,
}

/// What the portfolio is decided by.
#[derive(Clone, Copy, Debug)]
pub struct Grounds<'g> {
    /// Products.
    pub dossiers: &'g [Dossier],
    /// Evidence.
    pub evidence: &'g [Held],
    /// The rules.
    pub pack: &'g Pack,
    /// The day.
    pub as_of: Date,
}

/// Decides each product on each system.
#[must_use]
pub fn portfolio(systems: &[System], grounds: &Grounds<'_>) -> Vec<PortfolioRow> {
    // What depends on the product alone is derived once for each product, and so for systems.
    let (of_system, of_product): (Vec<_>, Vec<_>) = grounds
        .pack
        .facts
        .iter()
        .enumerate()
        .partition(|(_, fact)| depends_on_system(**fact));
    let Some(first) = systems.first() else {
        return Vec::new();
    };
    let products: Vec<Vec<Truth>> = grounds
        .dossiers
        .iter()
        .map(|dossier| {
            let case = grounds.case(first, dossier);
            of_product
                .iter()
                .map(|(_, fact)| derive(**fact, &case).truth)
                .collect()
        })
        .collect();
    let Some(any) = grounds.dossiers.first() else {
        return Vec::new();
    };
    let rows = systems.iter().enumerate().map(|(place, system)| {
        let case = grounds.case(system, any);
        let own: Vec<Truth> = of_system
            .iter()
            .map(|(_, fact)| derive(**fact, &case).truth)
            .collect();
        let outcomes = products.iter().map(|product| {
            let mut values = vec![Truth::Unknown; grounds.pack.facts.len()];
            let parts = of_system
                .iter()
                .zip(&own)
                .chain(of_product.iter().zip(product));
            for ((place, _), value) in parts {
                if let Some(slot) = values.get_mut(*place) {
                    *slot = *value;
                }
            }
            outcome_of(grounds.pack, &values, grounds.as_of)
        });
        PortfolioRow {
            system: place,
            outcomes: outcomes.collect(),
        }
    });
    rows.collect()
}

fn depends_on_system(fact: crate::catalogue::FactName) -> bool {
    use crate::catalogue::Area;
    matches!(fact.area(), Area::System | Area::Containment)
}

impl<'g> Grounds<'g> {
    fn case(&self, system: &'g System, dossier: &'g Dossier) -> Case<'g> {
        Case {
            system,
            dossier,
            evidence: self.evidence,
            evidence_notes: &[],
            pack: self.pack,
            acceptance: None,
            as_of: self.as_of,
        }
    }
}

/// A decision that does not stand any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reopened {
    /// The system's name.
    pub system: String,
    /// The product's name.
    pub product: String,
    /// What was said.
    pub before: String,
    /// What is said now.
    pub now: Outcome,
}

/// What was decided otherwise before, what must move first standing first: the worst outcome, then
/// the highest classification, then new purchases before what is there, then most installations.
#[must_use]
pub fn reopened(
    systems: &[System],
    (rows, grounds): (&[PortfolioRow], &Grounds<'_>),
    before: &dyn Fn(&str, &str) -> Option<String>,
) -> Vec<Reopened> {
    let mut found = Vec::new();
    for row in rows {
        let Some(system) = systems.get(row.system) else {
            continue;
        };
        for (outcome, dossier) in row.outcomes.iter().zip(grounds.dossiers) {
            let Some(said) = before(&system.name, &dossier.product) else {
                continue;
            };
            if said != outcome.as_str() {
                let installations = system.installation.installations.unwrap_or(0);
                let key = (
                    outcome.bit(),
                    system.tier,
                    system.installation.is_new,
                    installations,
                );
                let reopened = Reopened {
                    system: system.name.clone(),
                    product: dossier.product.clone(),
                    before: said,
                    now: *outcome,
                };
                found.push((key, reopened));
            }
        }
    }
    found.sort_by(|(one, _), (other, _)| other.cmp(one));
    found.into_iter().map(|(_, reopened)| reopened).collect()
}
