//! An executable format: what is found out is in proportion to the file, and is the same every
//! time.

use unpack::{Facts, Source};

use super::{OfFormat, Target, Unmapped, is_chosen};

/// Names of imports may lie anywhere and be named by many; they are bounded all the same.
const IMPORT_TEXT_BYTES_MAX: usize = 9 << 20;
/// The smallest header that describes a section or segment, that of a 32-bit ELF segment.
const SECTION_HEADER_BYTES_MIN: u64 = 32;

/// Asks for the structure of the input as the target's format.
pub(super) fn check(target: &Target, input: &[u8]) {
    let Some(OfFormat::Executable(facts)) = target.of_format else {
        panic!("{} is no executable format", target.name);
    };
    let found = facts(&input);
    if let Some(facts) = &found.0 {
        judge(facts, input.size_bytes());
    }
    if is_chosen(input) {
        let again = facts(&Unmapped(input));
        assert_eq!(found, again, "the facts differ where bytes are not at hand");
    }
}

/// A header may claim a section that the file does not have: that is a fact too, and those who
/// read the section meet its end. What the file does hold decides how much is told.
fn judge(facts: &Facts, size_bytes: u64) {
    let sections = facts.sections.len() as u64;
    assert!(
        sections.saturating_mul(SECTION_HEADER_BYTES_MIN) <= size_bytes,
        "{sections} sections in {size_bytes} bytes"
    );
    assert!(
        facts
            .overlay_offset
            .is_none_or(|offset| offset <= size_bytes),
        "the overlay begins past the end"
    );
    let text_bytes = facts.import_text.as_ref().map_or(0, Vec::len);
    assert!(
        text_bytes <= IMPORT_TEXT_BYTES_MAX,
        "{text_bytes} bytes of imports"
    );
}
