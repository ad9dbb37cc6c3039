//! Who can be made to do what: from the dossier's owners, control points and places.

use super::*;

pub(super) fn compulsion_fact(found: &mut Found, case: &Case<'_>) {
    match found.finding.name {
        FactName::ListedStateControl => vendor_reach(found, case, &|_| true),
        FactName::ListedStateCompels => vendor_reach(found, case, &|state| state.compels),
        FactName::ListedStateOffensive => vendor_reach(found, case, &|state| state.offensive),
        FactName::ListedStateCanPush => points(found, case, PUSHING, REQUIRED_PUSHING),
        FactName::ListedStateComponent => points(found, case, COMPONENTS, REQUIRED_COMPONENTS),
        FactName::ListedStateStaff => staff(found, case),
        FactName::NamedInOrder => named(found, case, &|order| !order.is_for_government),
        FactName::NamedInGovernmentOrder => named(found, case, &|order| order.is_for_government),
        _ => {}
    }
    statements(found, case);
    found.expires(case.dossier.expires);
}

fn listed<'p>(
    pack: &'p Pack,
    wanted: &'p dyn Fn(&ListedState) -> bool,
) -> impl Fn(&str) -> bool + 'p {
    move |country: &str| {
        let mut states = pack.states.iter();
        states.any(|state| state.country == country && wanted(state))
    }
}

fn reach(case: &Case<'_>, wanted: &dyn Fn(&ListedState) -> bool) -> Ownership {
    let is_listed = listed(case.pack, wanted);
    let own = |organisation: &Organisation| {
        own_places(case.dossier, organisation, (&is_listed, case.as_of))
    };
    Ownership::compute(case.dossier, &own, (case.pack.control_share, case.as_of))
}

fn vendor_reach(found: &mut Found, case: &Case<'_>, wanted: &dyn Fn(&ListedState) -> bool) {
    match reach(case, wanted).of(case.dossier.vendor) {
        Control::Certain(why) => found.says(Side::Holds, Known::Documented, why),
        Control::Possible(missing) => found.missing(missing),
        Control::No => {
            let side = Side::Fails;
            let text = found.finding.name.sentence(side);
            found.says(side, Known::Documented, text);
        }
    }
}

const PUSHING: &[Point] = &[
    Point::SignsRelease,
    Point::SignsRules,
    Point::CanPushCode,
    Point::CanPushRules,
    Point::CanCommand,
    Point::HostsUpdate,
];
/// Without these nothing is known about who can change the product.
const REQUIRED_PUSHING: &[Point] = &[
    Point::SignsRelease,
    Point::SignsRules,
    Point::CanPushCode,
    Point::CanPushRules,
    Point::CanCommand,
];
const COMPONENTS: &[Point] = &[
    Point::LicensesEngineFrom,
    Point::MaintainsComponent,
    Point::BuildsAt,
];
const REQUIRED_COMPONENTS: &[Point] = COMPONENTS;

fn points(found: &mut Found, case: &Case<'_>, wanted: &[Point], required: &[Point]) {
    let dossier = case.dossier;
    let reach = reach(case, &|_| true);
    let mut is_open = false;
    for point in required {
        let stands = dossier
            .points
            .iter()
            .any(|row| row.point == *point && counts((row.as_of, row.expires), case.as_of));
        if !stands {
            is_open = true;
            found.missing(format!("who stands at `{}`", point.as_str()));
        }
    }
    for row in dossier
        .points
        .iter()
        .filter(|row| wanted.contains(&row.point))
    {
        if !counts((row.as_of, row.expires), case.as_of) {
            is_open = true;
            found.missing(format!(
                "what was said of `{}` does not hold on that day",
                row.point.as_str()
            ));
            continue;
        }
        let from = dossier.source_title(row.source);
        match &row.by {
            PointHolder::Unknown(reason) => {
                is_open = true;
                found.missing(format!("{}: {reason}", row.point.as_str()));
            }
            PointHolder::Nobody => is_open |= unfit(found, case, (row.point, row.source)),
            PointHolder::Organisation(by) => match reach.of(*by) {
                Control::Certain(why) => {
                    let name = dossier.organisation_name(*by);
                    let text = format!("{}: {name} ({from}); {why}", row.point.as_str());
                    found.says(Side::Holds, Known::Documented, text);
                }
                Control::Possible(missing) => {
                    is_open = true;
                    found.missing(missing);
                }
                Control::No => is_open |= unfit(found, case, (row.point, row.source)),
            },
        }
        let here = row.country.as_deref();
        if here.is_some_and(|country| listed(case.pack, &|_| true)(country)) {
            let text = format!(
                "{} happens in {} ({from})",
                row.point.as_str(),
                here.unwrap_or("")
            );
            found.says(Side::Holds, Known::Documented, text);
        }
    }
    if !is_open && found.finding.because.is_empty() {
        let text = found.finding.name.sentence(Side::Fails);
        found.says(Side::Fails, Known::Documented, text);
    }
}

fn unfit(found: &mut Found, case: &Case<'_>, (point, source): (Point, Option<usize>)) -> bool {
    let fit = case.dossier.is_fit(source);
    if !fit {
        found.missing(format!(
            "{} is known only from {}, which can't reassure",
            point.as_str(),
            case.dossier.source_title(source)
        ));
    }
    !fit
}

fn staff(found: &mut Found, case: &Case<'_>) {
    let dossier = case.dossier;
    let Some(vendor) = dossier.organisations.get(dossier.vendor) else {
        return;
    };
    let is_listed = listed(case.pack, &|_| true);
    let places = vendor.places.iter();
    let places: Vec<_> = places.filter(|place| place.basis == Basis::Staff).collect();
    let mut is_fit = vendor.staff_complete && !places.is_empty();
    for place in places {
        let from = dossier.source_title(place.source);
        match &place.country {
            _ if !counts((place.as_of, place.expires), case.as_of) => is_fit = false,
            Ok(country) if is_listed(country) => {
                let text = format!("{} has staff in {country} ({from})", vendor.name);
                found.says(Side::Holds, Known::Documented, text);
            }
            Ok(_) => is_fit &= dossier.is_fit(place.source),
            Err(reason) => {
                is_fit = false;
                found.missing(format!("where its staff are: {reason}"));
            }
        }
    }
    if is_fit && found.finding.because.is_empty() {
        let text = found.finding.name.sentence(Side::Fails);
        found.says(Side::Fails, Known::Documented, text);
    } else if found.finding.because.is_empty() {
        found.missing("a complete list, from a register or a filing, of where its staff are");
    }
}

/// Short first words are legal forms (`AO`, `JSC`), which many share.
const DISTINCT: usize = 4;

fn words(name: &str) -> Vec<String> {
    let name = name.to_lowercase();
    let words = name.split(|letter: char| !letter.is_alphanumeric());
    words
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Whether an organisation has the word of a listed name by which that is known.
fn is_like(organisation: &str, listed: &str) -> bool {
    let listed = words(listed);
    let distinct = listed.iter().find(|word| word.chars().count() >= DISTINCT);
    let theirs = words(organisation);
    distinct
        .or(listed.first())
        .is_some_and(|word| theirs.contains(word))
}

fn own_name(organisation: &Organisation, orders: &[&Named]) -> Own {
    let name = organisation.name.trim().to_lowercase();
    let mut alike = None;
    for order in orders {
        for listed in &order.names {
            if listed.trim().to_lowercase() == name {
                return Own::Within(format!("{} is named by {}", organisation.name, order.order));
            }
            if is_like(&organisation.name, listed) {
                alike = Some((listed, &order.order));
            }
        }
    }
    match alike {
        Some((listed, order)) => Own::Open(format!(
            "the name of {} is like that of {listed}, which {order} names: say whether it is the \
             same",
            organisation.name
        )),
        None => Own::Outside,
    }
}

fn named(found: &mut Found, case: &Case<'_>, wanted: &dyn Fn(&Named) -> bool) {
    let orders: Vec<&Named> = case
        .pack
        .named
        .iter()
        .filter(|order| wanted(order))
        .collect();
    let own = |organisation: &Organisation| own_name(organisation, &orders);
    let dossier = case.dossier;
    let reach = Ownership::compute(dossier, &own, (case.pack.control_share, case.as_of));
    let makers = dossier.points.iter();
    let makers: Vec<_> = makers
        .filter(|row| row.point == Point::LicensesEngineFrom)
        .collect();
    let mut is_open = false;
    if makers.is_empty() {
        is_open = true;
        found.missing("whose engine is in it (`licenses_engine_from`)");
    }
    let mut concerned = vec![dossier.vendor];
    for row in makers {
        if !counts((row.as_of, row.expires), case.as_of) {
            is_open = true;
            found.missing("whose engine is in it: what was said does not hold on that day");
            continue;
        }
        match &row.by {
            PointHolder::Organisation(by) => {
                concerned.push(*by);
                is_open |= unfit(found, case, (row.point, row.source));
            }
            PointHolder::Nobody => is_open |= unfit(found, case, (row.point, row.source)),
            PointHolder::Unknown(reason) => {
                is_open = true;
                found.missing(format!("whose engine is in it: {reason}"));
            }
        }
    }
    for organisation in concerned {
        match reach.of(organisation) {
            Control::Certain(why) => found.says(Side::Holds, Known::Documented, why),
            Control::Possible(missing) => {
                is_open = true;
                found.missing(missing);
            }
            Control::No => {}
        }
    }
    if !is_open && found.finding.because.is_empty() {
        let text = found.finding.name.sentence(Side::Fails);
        found.says(Side::Fails, Known::Documented, text);
    }
}
