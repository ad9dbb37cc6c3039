//! Hostile patterns and hostile bytes: time and memory stay bounded, and a search that did not end
//! says so.

use std::time::Instant;

use pattern::{Engine, Flags, Match, Pattern, PatternError, Stop};

const STEPS_MAX: u64 = 5_000_000;

/// Searches everywhere; what came of it, and the steps that it took.
fn search(pattern: &str, flags: Flags, bytes: &[u8]) -> (Result<Option<Match>, Stop>, u64) {
    let pattern = Pattern::compile(pattern.as_bytes(), flags).expect(pattern);
    let mut taken = 0;
    let found = pattern.find_at(bytes, 0, &mut |steps| {
        taken += steps;
        match taken <= STEPS_MAX {
            true => Ok(()),
            false => Err(Stop::Steps),
        }
    });
    (found, taken)
}

#[test]
fn catastrophic_patterns_end_with_their_steps() {
    let bytes = "a".repeat(50_000);
    for pattern in [
        r"(?=(a+)+$)\1b",
        r"(a*)*\1b",
        r"(a|a)*+(?<=b)c|(a|aa)+\2$b",
        r"(?:(a+)a+\1)+b",
        r"(a)(?:\1|a\1?)*b",
        r"(?=a)(.*?.*?.*?.*?)\1b",
        r"(a?){100}(?=b)a{100}",
        r"(?(?=a)a+a+a+)\bb",
        r"(a(?1)?a?)b",
    ] {
        let started = Instant::now();
        let (found, taken) = search(pattern, Flags::NONE, bytes.as_bytes());
        assert!(
            matches!(found, Err(Stop::Steps | Stop::Memory) | Ok(None)),
            "{pattern}: {found:?}"
        );
        assert!(taken <= STEPS_MAX + 100_000, "{pattern}: {taken} steps");
        let elapsed = started.elapsed();
        assert!(elapsed.as_secs() < 20, "{pattern}: {elapsed:?}");
    }
    let (found, _) = search(r"(?=(a+)+$)\1b", Flags::NONE, &bytes.as_bytes()[..40]);
    assert_eq!(found, Ok(None), "no `b`, and nothing is tried");
    let subject = "a".repeat(200) + "b";
    let (found, _) = search(r"(?=(a+)+\d)\1b", Flags::NONE, subject.as_bytes());
    assert_eq!(found, Err(Stop::Steps), "this is the catastrophe");
}

#[test]
fn what_is_regular_takes_linear_time() {
    for pattern in [
        r"(?:a|a)*b",
        r"(?:a+)+b",
        r"(?:a|aa)+b",
        r"(?:x+x+)+y",
        r"(?:.*,){11}P",
    ] {
        let compiled = Pattern::compile(pattern.as_bytes(), Flags::NONE).expect(pattern);
        assert_eq!(compiled.engine(), Engine::Linear, "{pattern}");
        for byte in ["a", "x", ","] {
            let bytes = byte.repeat(1 << 20);
            let (found, taken) = search(pattern, Flags::NONE, bytes.as_bytes());
            assert_eq!(found, Ok(None), "{pattern}");
            assert!(taken < 300_000, "{pattern}: {taken} steps");
        }
    }
}

#[test]
fn an_automaton_that_explodes_is_searched_and_paid_for() {
    let mut state = 1u32;
    let mut bytes: Vec<u8> = (0..300_000)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            b'0' + u8::from(state & 1 << 20 != 0)
        })
        .collect();
    let pattern = "1[01]{40}XX";
    let (found, taken) = search(pattern, Flags::NONE, &bytes);
    assert_eq!(found, Ok(None));
    assert!(
        taken < 10_000,
        "what is not there is sought first: {taken} steps"
    );
    let last = bytes.len();
    bytes.push(b'x');
    let at = last - 41;
    bytes[at] = b'1';
    let pattern = "1[01]{40}[xy]";
    let (found, taken) = search(pattern, Flags::NONE, &bytes);
    let expected = Match {
        start: at,
        end: last + 1,
    };
    assert_eq!(found, Ok(Some(expected)));
    assert!(
        taken > 100_000,
        "each byte was a new state, for {taken} steps"
    );
}

#[test]
fn memory_for_backtracking_is_bounded() {
    let bytes = "ab".repeat(2_000_000);
    let (found, _) = search(r"(?:a(?=b)b|c)*d", Flags::NONE, bytes.as_bytes());
    assert_eq!(found, Ok(None), "there is no d");
    let bytes = bytes + "xd";
    let (found, taken) = search(
        r"(?:a(?=b)b|(?=c)c)*+(?<=b)x(?=d)(d)\1",
        Flags::NONE,
        bytes.as_bytes(),
    );
    assert!(
        matches!(found, Err(Stop::Memory | Stop::Steps) | Ok(None)),
        "{found:?} after {taken}"
    );
    let (found, _) = search(
        r"(a(?1)?+|(?R))+b",
        Flags::NONE,
        "a".repeat(100_000).as_bytes(),
    );
    assert!(matches!(found, Err(_) | Ok(None)), "{found:?}");
    let (found, _) = search(r"(?R)|a", Flags::NONE, b"ba");
    assert_eq!(
        found,
        Err(Stop::Memory),
        "a call that never begins anything"
    );
}

#[test]
fn patterns_are_bounded_too() {
    let refused = |pattern: String| Pattern::compile(pattern.as_bytes(), Flags::NONE).map(|_| ());
    let nested = |depth: usize| "(".repeat(depth) + "a" + &")".repeat(depth);
    assert_eq!(refused(nested(250)), Ok(()));
    let too_deep = PatternError::TooLarge("its groups nest deeper than 250");
    assert_eq!(refused(nested(251)), Err(too_deep.clone()));
    assert_eq!(refused(nested(30_000)), Err(too_deep));
    let too_long = PatternError::TooLarge("it has more than 65535 bytes");
    assert_eq!(refused("a".repeat(65_536)), Err(too_long));
    for pattern in [
        "a".repeat(65_535),
        "[ab]".repeat(16_000),
        "(a)".repeat(21_000),
        "(?:".repeat(200) + "a" + &"){9}".repeat(200),
        "((a{1000}){1000}){1000}".to_owned(),
        "(a)".repeat(10) + &r"(\1\2\3\4\5\6\7\8\9)".repeat(3_000),
        (1..8_000)
            .map(|n| format!(r"(\g{{{}}})", n + 1))
            .collect::<String>()
            + "(a)",
        "{".repeat(65_535),
        "[[:".repeat(21_000),
        "(?<=".repeat(240) + "a" + &")".repeat(240),
        "a|".repeat(30_000),
        "(?i)".to_owned() + &"abcdefgh".repeat(8_000),
        "(?:a?){65535}".to_owned(),
        ".{65535}.{65535}".to_owned(),
    ] {
        let started = Instant::now();
        drop(Pattern::compile(pattern.as_bytes(), Flags::NONE));
        let elapsed = started.elapsed();
        let shown: String = pattern.chars().take(20).collect();
        assert!(elapsed.as_secs() < 5, "{shown}: {elapsed:?}");
    }
}

#[test]
fn matches_follow_each_other_without_overlap() {
    let all = |pattern: &str, bytes: &[u8]| {
        let pattern = Pattern::compile(pattern.as_bytes(), Flags::NONE).expect(pattern);
        let mut search = pattern.search(bytes);
        let mut found = Vec::new();
        while let Some(one) = search.next_match(&mut |_| Ok(())).expect("few steps") {
            found.push((one.start, one.end));
        }
        found
    };
    assert_eq!(all("aa", b"aaaaa"), [(0, 2), (2, 4)]);
    assert_eq!(all("a*", b"baab"), [(0, 0), (1, 3), (3, 3), (4, 4)]);
    assert_eq!(all("(a)(?=b)", b"abaab"), [(0, 1), (3, 4)]);
    assert_eq!(all(r"\Ga", b"aaba"), [(0, 1), (1, 2)]);
    assert_eq!(all(r"a\Kb", b"abab"), [(1, 2), (3, 4)]);
    assert_eq!(all(r"^a", b"aa"), [(0, 1)]);
    assert_eq!(all(r"x", b""), []);
    assert_eq!(all(r"$", b"a\n"), [(1, 1), (2, 2)]);
}

#[test]
fn nothing_is_found_past_the_end() {
    for pattern in ["", "a", "(?=a)", r"(a)\1", "$"] {
        let pattern = Pattern::compile(pattern.as_bytes(), Flags::NONE).expect(pattern);
        assert_eq!(pattern.find_at(b"aa", 3, &mut |_| Ok(())), Ok(None));
        assert_eq!(pattern.find_at(b"", usize::MAX, &mut |_| Ok(())), Ok(None));
    }
}

#[test]
fn a_refused_step_ends_a_search() {
    for pattern in ["a", r"(a)\1", "(?=a)"] {
        let pattern = Pattern::compile(pattern.as_bytes(), Flags::NONE).expect(pattern);
        let found = pattern.find_at(b"bbbaa", 0, &mut |_| Err(Stop::Steps));
        assert_eq!(found, Err(Stop::Steps));
    }
}
