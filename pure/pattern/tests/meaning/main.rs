//! What patterns mean, compared with PCRE2 itself; without `pcre2test` only our own two engines are
//! compared, and the test says so.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that can't go on should say where"
)]

mod bounds;
mod generate;
mod oracle;
mod real;
mod table;

use pattern::{Flags, Match, Pattern, PatternError, Stop};

use oracle::{Answer, Case};

/// More than any small case needs; a few catastrophic ones are given up.
const STEPS_MAX: u64 = 2_000_000;

/// What came of many cases.
#[derive(Debug, Default)]
struct Tally {
    compared: usize,
    refused: usize,
    unsupported: usize,
    given_up: usize,
}

/// Looks at every case with both engines and the oracle.
fn compare(cases: &[Case]) -> Tally {
    let answers = oracle::ask(cases);
    if answers.is_none() {
        println!("skipped: the comparison of patterns with PCRE2 (pcre2test is not installed)");
    }
    let mut tally = Tally::default();
    for (index, case) in cases.iter().enumerate() {
        let answer = answers.as_ref().map(|answers| &answers[index]);
        compare_one(case, answer, &mut tally);
    }
    tally
}

fn compare_one(case: &Case, answer: Option<&Answer>, tally: &mut Tally) {
    let compiled = Pattern::compile(&case.pattern, case.flags);
    let pattern = match (compiled, answer) {
        (Err(PatternError::Malformed { .. }), Some(Answer::Refused(_)) | None) => {
            tally.refused += 1;
            return;
        }
        (Err(PatternError::Unsupported { .. }), _) => {
            tally.unsupported += 1;
            return;
        }
        // Lookbehinds of several lengths are taken by PCRE2 10.43.
        (Ok(_), Some(Answer::Refused(125))) => return,
        (Ok(pattern), Some(Answer::Matches(_)) | None) => pattern,
        (ours, theirs) => panic!("{case}: ours {:?}, theirs {theirs:?}", ours.map(|_| ())),
    };
    let plain = Pattern::compile(&case.pattern, case.flags).expect("it did once");
    let plain = plain.without_filter();
    for (index, (subject, from)) in case.subjects.iter().enumerate() {
        let ours = find(&pattern, subject, *from);
        let backtracked = find(&plain, subject, *from);
        let (Ok(ours), Ok(backtracked)) = (ours, backtracked) else {
            tally.given_up += 1;
            continue;
        };
        assert_eq!(
            ours,
            backtracked,
            "{case}, subject {subject:?} from {from}: the engines differ ({:?})",
            pattern.engine()
        );
        let Some(Answer::Matches(theirs)) = answer else {
            continue;
        };
        match theirs[index] {
            Some(theirs) => assert_eq!(
                ours.map(|found| (found.start, found.end)),
                theirs,
                "{case}, subject {:?} from {from}: ours, theirs",
                String::from_utf8_lossy(subject)
            ),
            None => tally.given_up += 1,
        }
        tally.compared += 1;
    }
}

fn find(pattern: &Pattern, subject: &[u8], from: usize) -> Result<Option<Match>, Stop> {
    let mut left = STEPS_MAX;
    pattern.find_at(subject, from, &mut |steps| {
        left = left.checked_sub(steps).ok_or(Stop::Steps)?;
        Ok(())
    })
}

#[test]
fn random_patterns_mean_what_they_mean_to_pcre2() {
    let count = match std::env::var("CANDOR_PATTERNS") {
        Ok(count) => count.parse().expect("a number of patterns"),
        Err(_) => 6_000,
    };
    let mut tally = Tally::default();
    for batch in 0..count / 2_000 {
        let cases = generate::cases(batch, 2_000);
        let more = compare(&cases);
        tally.compared += more.compared;
        tally.refused += more.refused;
        tally.unsupported += more.unsupported;
        tally.given_up += more.given_up;
    }
    println!("{tally:?}");
    let looked_at = tally.compared + tally.refused + tally.unsupported;
    assert!(tally.given_up * 50 < looked_at.max(50), "{tally:?}");
}

fn flags_of(letters: &str) -> Flags {
    letters.chars().fold(Flags::NONE, |flags, letter| {
        flags
            | match letter {
                'i' => Flags::CASELESS,
                's' => Flags::DOT_ALL,
                'm' => Flags::MULTILINE,
                'x' => Flags::EXTENDED,
                'A' => Flags::ANCHORED,
                'E' => Flags::DOLLAR_END_ONLY,
                'U' => Flags::UNGREEDY,
                other => panic!("no flag {other}"),
            }
    })
}
