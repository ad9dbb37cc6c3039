//! Plans that are read and refused.

use super::*;

#[test]
fn the_built_in_plans_come_back_from_their_files() {
    for plan in [Plan::scan_only().unwrap(), Plan::every_phase().unwrap()] {
        assert!(plan.pairs >= PAIRS_CONCLUSIVE);
        let again = Plan::parse("again", &plan.to_toml().unwrap()).unwrap();
        assert_eq!(again, plan);
    }
}

#[test]
fn the_full_plan_has_every_phase_once() {
    let plan = Plan::every_phase().unwrap();
    let names: BTreeSet<PhaseName> = plan.phases.iter().map(|phase| phase.name).collect();
    assert_eq!(names.len(), plan.phases.len());
    assert_eq!(names.len(), 14);
}

#[test]
fn a_phase_that_does_not_exist_is_refused_with_the_nearest() {
    let text = include_str!("../plan.toml").replace("name = \"scan\"", "name = \"scam\"");
    let mistake = Plan::parse("PLAN.toml", &text).unwrap_err();
    // The line of its table.
    assert_eq!(mistake.line, Some(24));
    assert!(
        mistake.message.contains("did you mean \"scan\""),
        "{mistake}"
    );
}

#[test]
fn plans_that_say_nothing_are_refused() {
    for (text, expected) in [
        ("name='x'\n[documents]\ntext=1\n", "no [[phase]]"),
        (
            "name='x'\n[documents]\n[[phase]]\nname='scan'\ncommand='scan'\nseconds=1\n",
            "from 1 to 1000 documents",
        ),
        (
            "name='x'\npairs=0\n[documents]\ntext=1\n[[phase]]\nname='scan'\ncommand='scan'\nseconds=1\n",
            "pairs must be",
        ),
        (
            "name='x'\n[seeds]\npolicy='fixed'\n[documents]\ntext=1\n[[phase]]\nname='scan'\ncommand='scan'\nseconds=1\n",
            "64 hexadecimal digits",
        ),
    ] {
        let mistake = Plan::parse("PLAN.toml", text).unwrap_err();
        assert!(mistake.message.contains(expected), "{mistake}");
    }
}

#[test]
fn a_vendor_answer_fits_what_it_names() {
    let answer = VendorAnswer {
        host: Some("*.clamav.net".to_owned()),
        path: Some("/daily*".to_owned()),
        phases: vec![PhaseName::Update],
        ..VendorAnswer::default()
    };
    let asked = Asked {
        host: "database.clamav.net",
        path: "/daily.cvd",
        method: "GET",
        phase: Some(PhaseName::Update),
    };
    assert!(answer.fits(&asked));
    let misses = [
        Asked {
            host: "clamav.net",
            ..asked
        },
        Asked {
            host: "evilclamav.net",
            ..asked
        },
        Asked {
            path: "/main.cvd",
            ..asked
        },
        Asked {
            phase: Some(PhaseName::Scan),
            ..asked
        },
        Asked {
            phase: None,
            ..asked
        },
    ];
    for asked in misses {
        assert!(!answer.fits(&asked), "{asked:?}");
    }
}
