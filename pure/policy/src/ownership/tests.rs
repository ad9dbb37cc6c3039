//! Graphs of owners: sums, chains, circles, nominees, and what is not known.

use super::*;

/// A dossier of organisations `a`, `b`, `c`…, with these places and interests.
fn dossier(places: &[(&str, &str)], interests: &[&str]) -> Dossier {
    let organisations: Vec<String> = places
        .iter()
        .map(|(id, country)| {
            let place = |basis: &str| match *country {
                "" => format!("{{\"basis\": \"{basis}\", \"unknown\": \"not read\"}}"),
                country => format!(
                    "{{\"basis\": \"{basis}\", \"country\": \"{country}\", \"source\": \"r\", \
                     \"as_of\": \"2026-01-01\"}}"
                ),
            };
            format!(
                "{{\"id\": \"{id}\", \"name\": \"{id}\", \"places\": [{}, {}]}}",
                place("registered"),
                place("headquarters")
            )
        })
        .collect();
    let interests: Vec<String> = interests
        .iter()
        .map(|row| format!("{{{row}, \"source\": \"r\", \"as_of\": \"2026-01-01\"}}"))
        .collect();
    let text = format!(
        "{{\"format\": \"candor-dossier/1\", \"prepared_by\": \"t\", \"as_of\": \"2026-01-01\", \
         \"product\": {{\"name\": \"p\", \"vendor\": \"a\"}}, \
         \"sources\": [{{\"id\": \"r\", \"title\": \"R\", \"kind\": \"official-register\", \
         \"date\": \"2026-01-01\"}}], \"organisations\": [{}], \"interests\": [{}]}}",
        organisations.join(","),
        interests.join(",")
    );
    Dossier::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn reach(dossier: &Dossier, threshold_percent: u32) -> Vec<char> {
    let day = Date::parse("2026-06-01").unwrap();
    let own = |organisation: &Organisation| {
        own_places(dossier, organisation, (&|country| country == "RU", day))
    };
    let ownership = Ownership::compute(dossier, &own, (threshold_percent * 100, day));
    (0..dossier.organisations.len())
        .map(|place| match ownership.of(place) {
            Control::Certain(_) => 'y',
            Control::Possible(_) => '?',
            Control::No => 'n',
        })
        .collect()
}

fn owns(of: &str, by: &str, percent: &str) -> String {
    format!("\"of\": \"{of}\", \"by\": \"{by}\", \"kind\": \"owns\", \"percent\": {percent}")
}

#[test]
fn half_in_sum_and_through_others_is_control() {
    let (first, second, third) = (
        owns("a", "b", "30"),
        owns("a", "c", "20"),
        owns("b", "c", "50"),
    );
    let rest = [
        owns("a", "dispersed", "50"),
        owns("b", "dispersed", "50"),
        owns("c", "dispersed", "100"),
    ];
    let mut rows: Vec<&str> = vec![&first, &second, &third];
    rows.extend(rest.iter().map(String::as_str));
    let places = [("a", "GB"), ("b", "GB"), ("c", "RU")];
    assert_eq!(reach(&dossier(&places, &rows), 50), ['y', 'y', 'y']);
    assert_eq!(reach(&dossier(&places, &rows), 51), ['n', 'n', 'y']);
    let less = owns("b", "c", "49.99");
    let rows: Vec<&str> = rows
        .iter()
        .map(|row| if *row == third { &less } else { *row })
        .collect();
    assert_eq!(
        reach(&dossier(&places, &rows), 50)[1],
        '?',
        "a hundredth of a percent is not known"
    );
}

#[test]
fn what_is_not_known_stays_possible() {
    let places = [("a", "GB"), ("b", "")];
    let rows = [owns("a", "b", "60"), owns("a", "dispersed", "40")];
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    assert_eq!(reach(&dossier(&places, &rows), 50), ['?', '?']);
    let rows = [owns("a", "b", "40"), owns("a", "dispersed", "60")];
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    assert_eq!(reach(&dossier(&places, &rows), 50), ['n', '?']);
    assert_eq!(
        reach(&dossier(&[("a", "GB")], &[]), 50),
        ['?'],
        "no owner is known"
    );
}

#[test]
fn an_interest_that_has_expired_or_is_yet_to_come_stays_possible_and_controls_nothing() {
    let whole = owns("a", "dispersed", "100");
    let rest = owns("b", "dispersed", "100");
    for (kind, days, reached) in [
        ("controls", "", 'y'),
        ("controls", ", \"expires\": \"2026-05-31\"", '?'),
        ("controls", ", \"expires\": \"2026-06-01\"", 'y'),
    ] {
        let row = format!("\"of\": \"a\", \"by\": \"b\", \"kind\": \"{kind}\"{days}");
        let dossier = dossier(&[("a", "GB"), ("b", "RU")], &[&whole, &rest, &row]);
        assert_eq!(reach(&dossier, 50)[0], reached, "{days}");
    }
    let places = [("a", "GB")];
    let expired = format!("{whole}, \"expires\": \"2026-05-31\"");
    assert_eq!(reach(&dossier(&places, &[&expired]), 50), ['?']);
    let mut later = dossier(&places, &[&whole]);
    assert_eq!(reach(&later, 50), ['n']);
    later.interests[0].as_of = Date::parse("2026-06-02");
    assert_eq!(reach(&later, 50), ['?']);
}

#[test]
fn a_circle_without_an_owner_outside_stays_possible() {
    let places = [("a", "GB"), ("b", "NL")];
    let rows = [owns("a", "b", "100"), owns("b", "a", "100")];
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    assert_eq!(reach(&dossier(&places, &rows), 50), ['?', '?']);
}

#[test]
fn nominees_and_unknown_interests_stay_possible_and_appointments_control() {
    let whole = owns("a", "dispersed", "100");
    let with = |row: &str| {
        let dispersed = owns("b", "dispersed", "100");
        reach(
            &dossier(&[("a", "GB"), ("b", "RU")], &[&whole, &dispersed, row]),
            50,
        )[0]
    };
    assert_eq!(
        with("\"of\": \"a\", \"by\": \"b\", \"kind\": \"appoints\""),
        'y'
    );
    assert_eq!(
        with("\"of\": \"a\", \"by\": \"b\", \"kind\": \"controls\""),
        'y'
    );
    assert_eq!(
        with("\"of\": \"a\", \"unknown\": \"x\", \"kind\": \"unknown\""),
        '?'
    );
    assert_eq!(
        with("\"of\": \"a\", \"by\": \"natural-persons\", \"kind\": \"nominee\", \"percent\": 60"),
        '?'
    );
    assert_eq!(
        with("\"of\": \"a\", \"by\": \"natural-persons\", \"kind\": \"nominee\", \"percent\": 10"),
        'n'
    );
}

#[test]
fn votes_count_beside_ownership() {
    let rows = [
        owns("a", "dispersed", "100"),
        "\"of\": \"a\", \"by\": \"b\", \"kind\": \"votes\", \"percent\": 51".to_owned(),
    ];
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    assert_eq!(
        reach(&dossier(&[("a", "GB"), ("b", "RU")], &rows), 50)[0],
        'y'
    );
}

#[test]
fn long_chains_and_wide_graphs_end() {
    let ids: Vec<String> = (0..500).map(|n| format!("o{n}")).collect();
    let mut places: Vec<(&str, &str)> = vec![("a", "GB")];
    places.extend(ids.iter().map(|id| (id.as_str(), "GB")));
    places.push(("end", "RU"));
    let mut rows: Vec<String> = places
        .windows(2)
        .map(|pair| owns(pair[0].0, pair[1].0, "100"))
        .collect();
    rows.push(owns("end", "dispersed", "100"));
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    assert!(
        reach(&dossier(&places, &rows), 50)
            .iter()
            .all(|reach| *reach == 'y')
    );
}
