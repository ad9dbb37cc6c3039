//! Generated body signatures, each with a file that it should match and some that it should just
//! miss. Which of them match is the peer's word, not the generator's.

/// A repeatable source of numbers (xorshift).
#[derive(Debug)]
pub struct Numbers(u64);

impl Numbers {
    /// Numbers from a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below a bound.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or(0) % bound.max(1)
    }

    /// One of these.
    pub fn of<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        const ALPHABET: &[u8] = b"abcdefgh0123 \n\r-_./<>='\"@\xd3\x9b\xae\xb1\x00\xff";
        (0..count)
            .map(|_| ALPHABET[self.below(ALPHABET.len())])
            .collect()
    }
}

/// A signature under construction: its text, and bytes that it matches.
#[derive(Debug, Default)]
pub struct Generated {
    /// The hexadecimal signature.
    pub hex: String,
    /// Bytes that fit it.
    pub bytes: Vec<u8>,
}

impl Generated {
    /// A signature of one to three parts.
    #[must_use]
    pub fn new(numbers: &mut Numbers) -> Self {
        let mut made = Self::default();
        if numbers.below(8) == 0 {
            made.class(numbers);
        }
        made.part(numbers);
        for _ in 0..numbers.below(3) {
            made.gap(numbers);
            made.part(numbers);
        }
        if numbers.below(8) == 0 {
            made.class(numbers);
        }
        made
    }

    fn part(&mut self, numbers: &mut Numbers) {
        let count = 3 + numbers.below(6);
        self.fixed(numbers, count);
        for _ in 0..numbers.below(3) {
            self.piece(numbers);
            let count = 2 + numbers.below(4);
            self.fixed(numbers, count);
        }
    }

    fn fixed(&mut self, numbers: &mut Numbers, count: usize) {
        let bytes = numbers.bytes(count);
        self.hex += &hex(&bytes);
        self.bytes.extend(bytes);
    }

    fn piece(&mut self, numbers: &mut Numbers) {
        match numbers.below(7) {
            0 => {
                self.hex += "??";
                let filling = numbers.bytes(1);
                self.bytes.extend(filling);
            }
            1 => {
                let byte = numbers.bytes(1)[0];
                let digits = hex(&[byte]);
                let high = numbers.below(2) == 0;
                self.hex += &if high {
                    format!("{}?", &digits[..1])
                } else {
                    format!("?{}", &digits[1..])
                };
                self.bytes.push(byte);
            }
            2 => self.inner_gap(numbers),
            3 => self.one_of(numbers, 1),
            4 => {
                let length = 2 + numbers.below(2);
                self.one_of(numbers, length);
            }
            5 => self.none_of(numbers),
            _ => self.uneven(numbers),
        }
    }

    fn inner_gap(&mut self, numbers: &mut Numbers) {
        let count = 1 + numbers.below(5);
        self.hex += &format!("{{{count}}}");
        let filling = numbers.bytes(count);
        self.bytes.extend(filling);
    }

    fn one_of(&mut self, numbers: &mut Numbers, length: usize) {
        let (first, second) = (numbers.bytes(length), numbers.bytes(length));
        self.hex += &format!("({}|{})", hex(&first), hex(&second));
        self.bytes
            .extend(if numbers.below(2) == 0 { first } else { second });
    }

    fn none_of(&mut self, numbers: &mut Numbers) {
        let length = 1 + numbers.below(2);
        let (first, second) = (numbers.bytes(length), numbers.bytes(length));
        self.hex += &format!("!({}|{})", hex(&first), hex(&second));
        let filling = numbers.bytes(length);
        self.bytes.extend(filling);
    }

    /// Choices of different lengths.
    fn uneven(&mut self, numbers: &mut Numbers) {
        let (first, second) = (numbers.bytes(1), numbers.bytes(3));
        self.hex += &format!("({}|{})", hex(&first), hex(&second));
        self.bytes
            .extend(if numbers.below(2) == 0 { first } else { second });
    }

    fn class(&mut self, numbers: &mut Numbers) {
        self.hex += numbers.of(&["(B)", "(L)", "(W)"]);
        let filling = numbers.bytes(1);
        self.bytes.extend(filling);
    }

    fn gap(&mut self, numbers: &mut Numbers) {
        let (low, high) = (numbers.below(6), 6 + numbers.below(6));
        let (text, count) = match numbers.below(5) {
            0 => ("*".to_string(), numbers.below(40)),
            1 => (format!("{{{low}-}}"), numbers.below(20)),
            2 => (format!("{{-{high}}}"), numbers.below(high + 2)),
            3 => (format!("{{{low}-{high}}}"), numbers.below(high + 2)),
            _ => ("{130}".to_string(), 129 + numbers.below(3)),
        };
        self.hex += &text;
        let filling = numbers.bytes(count);
        self.bytes.extend(filling);
    }
}

/// Every file begins like a picture: the peer looks at text once
/// more in a form of its own, and passes over files of five bytes and fewer.
const BEGINNING: &[u8] = b"GIF89a\xff\xff";

/// A file around a match: at its beginning, at its end or inside, whole or with one byte changed.
/// Gives the file and where the match begins.
#[must_use]
pub fn file_around(numbers: &mut Numbers, matching: &[u8]) -> (Vec<u8>, usize) {
    let filling = |numbers: &mut Numbers| match numbers.below(3) {
        0 => Vec::new(),
        _ => {
            let count = 1 + numbers.below(60);
            numbers.bytes(count)
        }
    };
    let mut bytes = BEGINNING.to_vec();
    bytes.extend(filling(numbers));
    let start = bytes.len();
    bytes.extend(matching);
    bytes.extend(filling(numbers));
    if numbers.below(3) == 0 {
        bytes[start + numbers.below(matching.len())] ^= 1;
    }
    (bytes, start)
}

/// An offset field near this place.
#[must_use]
pub fn offset_near(numbers: &mut Numbers, at: usize, size_bytes: usize) -> String {
    let shift = numbers.below(4);
    let near = (at + numbers.below(3)).saturating_sub(1);
    let back = size_bytes.saturating_sub(near);
    match numbers.below(6) {
        0..=2 => "*".to_string(),
        3 => format!("{near}"),
        4 => format!("{near},{shift}"),
        _ if shift > 0 => format!("EOF-{back},{shift}"),
        _ => format!("EOF-{back}"),
    }
}

/// Lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
