//! What `jail-attacker` printed, held to what must be true wherever it ran.

/// Fewer attempts than this would mean that the list was cut.
const ATTACKS_MIN: usize = 120;

/// Fails unless every attack was made, every one was refused, and the jail said that it holds.
pub fn assert_nothing_succeeded(text: &str) {
    let attacks: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("attack "))
        .collect();
    assert!(attacks.len() >= ATTACKS_MIN, "{text}");
    for attack in attacks {
        assert!(attack.ends_with(": refused EPERM"), "{attack}\n{text}");
    }
    assert!(text.contains("jail: holds true"), "{text}");
    assert!(text.contains("end of attack"), "{text}");
}

/// What was said of a layer: `active`, or `missing: ` and why.
#[must_use]
pub fn layer<'a>(text: &'a str, name: &str) -> &'a str {
    let start = format!("layer {name}: ");
    text.lines()
        .find_map(|line| line.strip_prefix(&start))
        .unwrap_or_else(|| panic!("no layer {name} in:\n{text}"))
}
