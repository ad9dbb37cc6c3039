//! Large objects are read in windows: where a window ends must not matter.
#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

use engine::{Examined, Hashing, Object, Options, Scanner};
use proto::{Budget, Limits, Match, Reason, Unlimited};
use rules::{Compiler, IgnoreList, Pack};
use unpack::{ReadError, Source};

const WINDOW: usize = 1 << 20;

fn pack_of(lines: &str) -> Vec<u8> {
    let mut compiler = Compiler::new(IgnoreList::default());
    compiler.add("t.ndb", lines.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    compiler
        .finish::<()>(&mut |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })
        .unwrap();
    bytes
}

/// Bytes that are read window by window, as those of a large file are.
struct Windowed<'a>(&'a [u8]);

impl Source for Windowed<'_> {
    fn size_bytes(&self) -> u64 {
        self.0.size_bytes()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, ReadError> {
        self.0.read_at(offset, buffer)
    }
}

/// The look at these bytes in windows, which finds what a look at all of them at once does.
fn examine(pack: &[u8], bytes: &[u8], limits: Limits) -> Examined {
    let windowed = examine_source(pack, &Windowed(bytes), limits);
    let whole = examine_source(pack, &bytes, limits);
    assert_eq!(windowed.hits, whole.hits);
    assert_eq!(windowed.limit, whole.limit);
    windowed
}

fn examine_source(pack: &[u8], source: &dyn Source, limits: Limits) -> Examined {
    let pack = Pack::open(pack).unwrap();
    let object = Object {
        source,
        look_bytes: source.size_bytes(),
        facts: None,
        groups: &[],
        hashing: Hashing::Everything,
        containers: &[],
    };
    let options = Options {
        all_matches: true,
        ..Options::default()
    };
    Scanner::new(&pack).examine(
        &object,
        options,
        &mut Budget::new(limits, Unlimited::clock_ms),
    )
}

fn matches(pack: &[u8], bytes: &[u8]) -> Vec<Match> {
    let examined = examine(pack, bytes, Limits::default());
    assert_eq!(examined.limit, None);
    examined
        .hits
        .into_iter()
        .flat_map(|hit| hit.matches)
        .collect()
}

/// A signature of every shape, and bytes that it matches: leading and trailing context, pieces of
/// variable length on both sides of the literal, a short literal, and parts far apart.
const SHAPES: &[(&str, &[u8])] = &[
    ("6e6565646c652d6f6e65", b"needle-one"),
    ("(B)6e6565646c65(W)", b" needle!"),
    ("61[1-9]6e6565646c65[1-9]7a", b"a12345needle123456789z"),
    ("6e65??????6564", b"ne...ed"),
    (
        "6e6565646c65{40}6c61737421",
        b"needle........................................last!",
    ),
    ("(6161|62)6e6565646c652d(63|6464)", b"aaneedle-dd"),
];

#[test]
fn a_match_is_found_wherever_a_window_ends() {
    for (hex, text) in SHAPES {
        let pack = pack_of(&format!("T:0:*:{hex}\n"));
        for edge in [WINDOW, 2 * WINDOW] {
            for back in 0..text.len() + 24 {
                let mut bytes = vec![0xd3u8; 2 * WINDOW + 100];
                let at = edge + 12 - back.min(edge);
                bytes[at..at + text.len()].copy_from_slice(text);
                assert_eq!(matches(&pack, &bytes).len(), 1, "{hex} at {at}");
            }
        }
    }
}

#[test]
fn parts_may_lie_in_different_windows() {
    let pack =
        pack_of("T:0:*:6e6565646c65*6c61737421\nU:0:*:6e6565646c65{1000000-2000000}6c61737421\n");
    let mut bytes = vec![0xd3u8; 3 * WINDOW];
    bytes[5..11].copy_from_slice(b"needle");
    let last = 1_500_000;
    bytes[last..last + 5].copy_from_slice(b"last!");
    let whole = Match {
        offset: 5,
        length: last as u64,
    };
    assert_eq!(matches(&pack, &bytes), [whole, whole]);
}

#[test]
fn offsets_count_from_the_object_not_from_the_window() {
    let at = WINDOW + 77;
    let mut bytes = vec![0xd3u8; 2 * WINDOW];
    bytes[at..at + 6].copy_from_slice(b"needle");
    let found = |offset: String| {
        let pack = pack_of(&format!("T:0:{offset}:6e6565646c65\n"));
        matches(&pack, &bytes).len()
    };
    assert_eq!(found(at.to_string()), 1);
    assert_eq!(found((at - 1).to_string()), 0);
    assert_eq!(found(format!("{},1", at - 1)), 1);
    assert_eq!(found(format!("EOF-{}", bytes.len() - at)), 1);
}

/// Every place of the object begins a part whose end is far away.
#[test]
fn endless_beginnings_end_as_a_limit_and_not_as_clean() {
    let lines: String = (0..400)
        .map(|index| format!("T{index}:0:*:616161{{0-1000000}}7a7a{index:04}\n"))
        .collect();
    let pack = pack_of(&lines);
    let mut bytes = vec![b'a'; 4 << 20];
    let examined = examine(&pack, &bytes, Limits::default());
    assert!(examined.hits.is_empty());
    assert_eq!(
        examined.limit, None,
        "no end is there, so no beginning is looked at"
    );
    // The last four digits of each signature, as the two bytes that they stand for.
    let decimal = |number: u8| number / 10 * 16 + number % 10;
    bytes.extend((0..400u16).flat_map(|index| {
        let digits = [index / 100, index % 100].map(|half| decimal(u8::try_from(half).unwrap()));
        [b'z', b'z', digits[0], digits[1]]
    }));
    let examined = examine(&pack, &bytes, Limits::default());
    assert!(examined.hits.is_empty());
    assert!(
        matches!(
            examined.limit,
            Some(Reason::LimitWork | Reason::LimitMemory)
        ),
        "{:?}",
        examined.limit
    );
}
