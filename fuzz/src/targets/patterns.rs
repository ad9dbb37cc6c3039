//! A regular expression against some bytes: the first line is its flags, the second the expression,
//! the rest the bytes. The automaton and the backtracker must find the same matches, and neither may
//! go on without steps.

use pattern::{Flags, Match, Pattern, Stop};

use super::Target;

/// About a tenth of a second.
const STEPS_MAX: u64 = 3_000_000;
/// Steps between two questions, and what one of them may take at once.
const STEPS_BEYOND: u64 = 4_096 + (1 << 20);
const MATCHES_MAX: usize = 50;
const LETTERS: [(u8, Flags); 7] = [
    (b'i', Flags::CASELESS),
    (b's', Flags::DOT_ALL),
    (b'm', Flags::MULTILINE),
    (b'x', Flags::EXTENDED),
    (b'A', Flags::ANCHORED),
    (b'E', Flags::DOLLAR_END_ONLY),
    (b'U', Flags::UNGREEDY),
];

/// Compiles the expression twice and searches with each.
pub(super) fn check(_: &Target, input: &[u8]) {
    let mut lines = input.splitn(3, |byte| *byte == b'\n');
    let (Some(letters), Some(text), Some(bytes)) = (lines.next(), lines.next(), lines.next())
    else {
        return;
    };
    let chosen = LETTERS
        .iter()
        .filter(|(letter, _)| letters.contains(letter));
    let flags = chosen.fold(Flags::NONE, |flags, (_, flag)| flags | *flag);
    let Ok(pattern) = Pattern::compile(text, flags) else {
        return;
    };
    let plain = Pattern::compile(text, flags).expect("what compiled once compiles again");
    let plain = plain.without_filter();
    let (Ok(found), Ok(expected)) = (matches(&pattern, bytes), matches(&plain, bytes)) else {
        return;
    };
    assert_eq!(found, expected, "the automaton changes what is found");
    let is_inside = |found: &Match| found.start <= bytes.len() && found.end <= bytes.len();
    assert!(found.iter().all(is_inside), "a match is past the end");
}

fn matches(pattern: &Pattern, bytes: &[u8]) -> Result<Vec<Match>, Stop> {
    let mut search = pattern.search(bytes);
    let mut taken = 0u64;
    let mut is_refused = false;
    let mut found = Vec::new();
    while found.len() < MATCHES_MAX {
        let next = search.next_match(&mut |steps| {
            assert!(!is_refused, "it goes on without steps");
            assert!(steps <= STEPS_BEYOND, "it takes {steps} steps at once");
            taken += steps;
            is_refused = taken > STEPS_MAX;
            if is_refused { Err(Stop::Steps) } else { Ok(()) }
        })?;
        match next {
            Some(one) => found.push(one),
            None => break,
        }
    }
    Ok(found)
}
