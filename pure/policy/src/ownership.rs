//! Who is within a state's reach: by where an organisation is registered or run, and by whoever
//! owns or controls it, through any number of companies.
//!
//! Two answers for each organisation: certainly within reach, and possibly. What is not known, held
//! by a nominee, or owned in a circle stays possible; only a register takes it away.

use crate::date::Date;
use crate::dossier::{Basis, Dossier, Holder, Interest, InterestKind, Organisation, WHOLE, counts};

/// What is known of an organisation by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Own {
    /// It is within reach, and why.
    Within(String),
    /// It is not, and fit sources say so.
    Outside,
    /// Not known, and what is missing.
    Open(String),
}

/// Whether an organisation is within reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// Certainly, and why.
    Certain(String),
    /// Possibly, and what would have to be shown.
    Possible(String),
    /// No.
    No,
}

/// Who is within reach.
#[derive(Clone, Debug)]
pub struct Ownership {
    reach: Vec<Control>,
}

impl Ownership {
    /// Computes it; from `threshold` hundredths of a percent on, an owner controls.
    #[must_use]
    pub fn compute(
        dossier: &Dossier,
        own: &dyn Fn(&Organisation) -> Own,
        (threshold, as_of): (u32, Date),
    ) -> Self {
        let graph = Graph {
            dossier,
            own: dossier.organisations.iter().map(own).collect(),
            interests: by_organisation(dossier),
            threshold,
            as_of,
        };
        let certain = graph.certain();
        let possible = graph.possible();
        let reach = (0..dossier.organisations.len()).map(|place| {
            match (certain.get(place), possible.get(place)) {
                (Some(Some(why)), _) => Control::Certain(why.clone()),
                (_, Some(true)) => Control::Possible(graph.missing(place, &possible)),
                _ => Control::No,
            }
        });
        Self {
            reach: reach.collect(),
        }
    }

    /// What holds of an organisation.
    #[must_use]
    pub fn of(&self, organisation: usize) -> Control {
        self.reach
            .get(organisation)
            .cloned()
            .unwrap_or_else(|| Control::Possible("the dossier lacks it".to_owned()))
    }
}

/// What an organisation's own places say about countries that `is_listed` names.
pub(crate) fn own_places(
    dossier: &Dossier,
    organisation: &Organisation,
    (is_listed, as_of): (&dyn Fn(&str) -> bool, Date),
) -> Own {
    let places = organisation.places.iter();
    let places = places.filter(|place| place.basis != Basis::Staff);
    let mut registered = false;
    let mut run_from = false;
    let mut missing = Vec::new();
    for place in places {
        if !counts((place.as_of, place.expires), as_of) {
            missing.push("what was said of its places does not hold on that day".to_owned());
            continue;
        }
        match &place.country {
            Ok(country) if is_listed(country) => {
                return Own::Within(format!(
                    "{} is {} {country} ({})",
                    organisation.name,
                    phrase(place.basis),
                    dossier.source_title(place.source)
                ));
            }
            Ok(_) if !dossier.is_fit(place.source) => missing.push(format!(
                "that it is {} elsewhere is known only from {}",
                phrase(place.basis),
                dossier.source_title(place.source)
            )),
            Ok(_) => {
                registered |= place.basis == Basis::Registered;
                run_from |= place.basis == Basis::Headquarters;
            }
            Err(reason) => missing.push(reason.clone()),
        }
    }
    if !registered {
        missing.push("where it is registered".to_owned());
    }
    if !run_from {
        missing.push("where it is run from".to_owned());
    }
    match missing.is_empty() {
        true => Own::Outside,
        false => Own::Open(format!("{}: {}", organisation.name, missing.join("; "))),
    }
}

fn phrase(basis: Basis) -> &'static str {
    match basis {
        Basis::Registered => "registered in",
        Basis::Headquarters => "run from",
        Basis::SubjectToLaw => "subject to the law of",
        Basis::Staff => "with staff in",
    }
}

struct Graph<'d> {
    dossier: &'d Dossier,
    own: Vec<Own>,
    interests: Vec<Vec<&'d Interest>>,
    threshold: u32,
    as_of: Date,
}

/// What has expired stays in the lists: it controls nothing any more, and may have been renewed.
fn by_organisation(dossier: &Dossier) -> Vec<Vec<&Interest>> {
    let mut lists = vec![Vec::new(); dossier.organisations.len()];
    for interest in &dossier.interests {
        if let Some(list) = lists.get_mut(interest.of) {
            list.push(interest);
        }
    }
    lists
}

impl Graph<'_> {
    /// The least set: grows from those that are within reach by themselves.
    fn certain(&self) -> Vec<Option<String>> {
        let mut certain: Vec<Option<String>> = self
            .own
            .iter()
            .map(|own| match own {
                Own::Within(why) => Some(why.clone()),
                Own::Outside | Own::Open(_) => None,
            })
            .collect();
        loop {
            let mut grew = false;
            for place in 0..certain.len() {
                if matches!(certain.get(place), Some(None))
                    && let Some(why) = self.is_controlled(place, &certain)
                    && let Some(slot) = certain.get_mut(place)
                {
                    *slot = Some(why);
                    grew = true;
                }
            }
            if !grew {
                return certain;
            }
        }
    }

    fn is_controlled(&self, place: usize, certain: &[Option<String>]) -> Option<String> {
        let mut sums = [0u32; 2];
        let mut holders: Vec<&str> = Vec::new();
        let mut because = "";
        for interest in self.interests.get(place)?.iter() {
            let Holder::Organisation(by) = interest.by else {
                continue;
            };
            if !self.counts(interest) {
                continue;
            }
            let Some(Some(why)) = certain.get(by) else {
                continue;
            };
            because = why;
            holders.push(self.dossier.organisation_name(by));
            let slot = match interest.kind {
                InterestKind::Owns => sums.first_mut(),
                InterestKind::Votes => sums.last_mut(),
                InterestKind::Appoints | InterestKind::Controls => {
                    return Some(self.sentence(place, (&holders, "controls"), because));
                }
                InterestKind::Nominee | InterestKind::Unknown => None,
            };
            if let Some(sum) = slot {
                *sum = sum.saturating_add(interest.share_min);
            }
        }
        let sum = sums.iter().copied().max().unwrap_or(0);
        (sum >= self.threshold).then(|| {
            let held = format!("holds at least {} % of", percent(sum));
            self.sentence(place, (&holders, &held), because)
        })
    }

    fn sentence(&self, place: usize, (holders, verb): (&[&str], &str), because: &str) -> String {
        format!(
            "{} {verb} {}; {because}",
            holders.join(" with "),
            self.dossier.organisation_name(place)
        )
    }

    /// The greatest set: shrinks by those that fit sources take out of it.
    fn possible(&self) -> Vec<bool> {
        let mut possible = vec![true; self.own.len()];
        loop {
            let mut shrank = false;
            for place in 0..possible.len() {
                if possible.get(place) == Some(&true) && !self.may_be_controlled(place, &possible) {
                    if let Some(slot) = possible.get_mut(place) {
                        *slot = false;
                    }
                    shrank = true;
                }
            }
            if !shrank {
                return possible;
            }
        }
    }

    fn may_be_controlled(&self, place: usize, possible: &[bool]) -> bool {
        if self.own.get(place) != Some(&Own::Outside) {
            return true;
        }
        let Some(interests) = self.interests.get(place) else {
            return true;
        };
        if interests
            .iter()
            .any(|interest| self.gives_control(interest) && self.may_be(interest, possible))
        {
            return true;
        }
        let votes = interests
            .iter()
            .any(|interest| interest.kind == InterestKind::Votes);
        self.open_share((place, InterestKind::Owns), possible) >= self.threshold
            || (votes && self.open_share((place, InterestKind::Votes), possible) >= self.threshold)
    }

    fn counts(&self, interest: &Interest) -> bool {
        counts((interest.as_of, interest.expires), self.as_of)
    }

    fn gives_control(&self, interest: &Interest) -> bool {
        match interest.kind {
            InterestKind::Appoints | InterestKind::Controls | InterestKind::Unknown => true,
            InterestKind::Nominee => interest.share_max >= self.threshold,
            InterestKind::Owns | InterestKind::Votes => false,
        }
    }

    fn may_be(&self, interest: &Interest, possible: &[bool]) -> bool {
        match &interest.by {
            _ if interest.kind == InterestKind::Nominee || !self.counts(interest) => true,
            Holder::Organisation(by) => {
                possible.get(*by) != Some(&false) || !self.dossier.is_fit(interest.source)
            }
            Holder::NaturalPersons | Holder::Dispersed => !self.dossier.is_fit(interest.source),
            Holder::Unknown(_) => true,
        }
    }

    /// The share that is not shown to be out of reach.
    fn open_share(&self, (place, kind): (usize, InterestKind), possible: &[bool]) -> u32 {
        let shown = self
            .interests
            .get(place)
            .into_iter()
            .flatten()
            .filter(|interest| interest.kind == kind && !self.may_be(interest, possible))
            .fold(0u32, |sum, interest| sum.saturating_add(interest.share_min));
        WHOLE.saturating_sub(shown)
    }

    fn missing(&self, place: usize, possible: &[bool]) -> String {
        if let Some(Own::Open(missing)) = self.own.get(place) {
            return missing.clone();
        }
        let open = self.open_share((place, InterestKind::Owns), possible);
        let reasons: Vec<&str> = self
            .interests
            .get(place)
            .into_iter()
            .flatten()
            .filter(|interest| self.may_be(interest, possible))
            .map(|interest| match &interest.by {
                _ if !self.counts(interest) => "what was said of it does not hold on that day",
                Holder::Unknown(reason) => reason.as_str(),
                Holder::Organisation(by) => self.dossier.organisation_name(*by),
                Holder::NaturalPersons => "people, from a source that is no register",
                Holder::Dispersed => "the market, from a source that is no register",
            })
            .collect();
        let held = match reasons.is_empty() {
            true => String::new(),
            false => format!(" (held by: {})", reasons.join(", ")),
        };
        format!(
            "{}: {} % of it is not shown to be out of reach{held}",
            self.dossier.organisation_name(place),
            percent(open)
        )
    }
}

/// Hundredths of a percent, as a number of percent.
pub(crate) fn percent(share: u32) -> String {
    let part = share.checked_rem(100).unwrap_or(0);
    match part {
        0 => (share / 100).to_string(),
        part => format!("{}.{part:02}", share / 100),
    }
}

#[cfg(test)]
mod tests;
