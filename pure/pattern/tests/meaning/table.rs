//! Constructs one by one, and what they mean to PCRE2.

use crate::oracle::Case;
use crate::{compare, flags_of};

const PATTERNS: &[(&str, &str)] = &[];

#[test]
fn each_construct_means_what_it_means_to_pcre2() {
    let cases: Vec<Case> = PATTERNS
        .iter()
        .map(|(pattern, flags)| Case {
            pattern: pattern.as_bytes().to_vec(),
            flags: flags_of(flags),
            subjects: vec![(b"abc".to_vec(), 0)],
        })
        .collect();
    compare(&cases);
}
