//! A body signature against an object: the first line is its offset, the second its hexadecimal
//! text, the rest is the object. Where the text is plain bytes and the offset is free, a search
//! that anybody could write says what must be found.

use proto::{Budget, Limits, Unlimited};
use rules::Pack;

use super::{Target, compiled, packs};

/// Compiles the signature and looks for it.
pub(super) fn check(_: &Target, input: &[u8]) {
    let mut lines = input.splitn(3, |byte| *byte == b'\n');
    let (Some(offset), Some(hex), Some(object)) = (lines.next(), lines.next(), lines.next()) else {
        return;
    };
    let line = [b"Fuzz:0:", offset, b":", hex].concat();
    let bytes = compiled("fuzz.ndb", &line);
    let pack = Pack::open(&bytes).expect("a pack that was just written opens");
    let mut budget = Budget::new(Limits::default(), Unlimited::clock_ms);
    let examined = packs::scan(&pack, object, &mut budget);
    if offset == b"*"
        && examined.limit.is_none()
        && pack.signatures() == 1
        && let Some(literal) = plain_bytes(hex)
    {
        let is_there = object
            .windows(literal.len())
            .any(|window| window == literal);
        assert_eq!(
            !examined.hits.is_empty(),
            is_there,
            "plain bytes are not found where they are, or found where they are not"
        );
    }
}

/// What hexadecimal digits spell, where there is nothing else.
fn plain_bytes(hex: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = hex.chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(digit(*high)? << 4 | digit(*low)?).ok(),
        _ => None,
    });
    let bytes: Vec<u8> = pairs.collect::<Option<_>>()?;
    (bytes.len() >= 2).then_some(bytes)
}
