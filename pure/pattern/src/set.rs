//! Sets of bytes.

/// A set of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ByteSet([u64; 4]);

impl ByteSet {
    pub(crate) const EMPTY: Self = Self([0; 4]);
    pub(crate) const ALL: Self = Self([u64::MAX; 4]);

    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut set = Self::EMPTY;
        for byte in bytes {
            set.insert(*byte);
        }
        set
    }

    pub(crate) fn range(low: u8, high: u8) -> Self {
        let mut set = Self::EMPTY;
        for byte in low..=high {
            set.insert(byte);
        }
        set
    }

    pub(crate) fn insert(&mut self, byte: u8) {
        if let Some(word) = self.0.get_mut(usize::from(byte >> 6)) {
            *word |= bit(byte);
        }
    }

    pub(crate) fn contains(&self, byte: u8) -> bool {
        let word = self.0.get(usize::from(byte >> 6)).copied();
        word.unwrap_or(0) & bit(byte) != 0
    }

    pub(crate) fn union(mut self, other: Self) -> Self {
        for (word, more) in self.0.iter_mut().zip(other.0) {
            *word |= more;
        }
        self
    }

    pub(crate) fn negated(mut self) -> Self {
        for word in &mut self.0 {
            *word = !*word;
        }
        self
    }

    /// With the other case of each ASCII letter in it.
    pub(crate) fn folded(self) -> Self {
        let mut set = self;
        for byte in self.iter().filter(u8::is_ascii_alphabetic) {
            set.insert(byte ^ 0x20);
        }
        set
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = u8> + use<> {
        let set = *self;
        (0..=u8::MAX).filter(move |byte| set.contains(*byte))
    }

    pub(crate) fn len(&self) -> u32 {
        self.0
            .iter()
            .fold(0, |sum, word| word.count_ones().saturating_add(sum))
    }

    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::EMPTY
    }

    /// The byte, where it is the only one.
    pub(crate) fn single(&self) -> Option<u8> {
        match self.len() {
            1 => self.iter().next(),
            _ => None,
        }
    }

    /// The same as a table, which is quicker to look at.
    pub(crate) fn table(&self) -> Box<[bool; 256]> {
        let mut table = Box::new([false; 256]);
        for (place, byte) in table.iter_mut().zip(0..=u8::MAX) {
            *place = self.contains(byte);
        }
        table
    }
}

fn bit(byte: u8) -> u64 {
    1u64.wrapping_shl(u32::from(byte & 63))
}

/// `\w`.
pub(crate) fn word() -> ByteSet {
    class(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// `\d`.
pub(crate) fn digits() -> ByteSet {
    ByteSet::range(b'0', b'9')
}

/// `\s`: with the vertical tab, as in Perl since 5.18.
pub(crate) fn space() -> ByteSet {
    ByteSet::of(b"\t\n\x0b\x0c\r ")
}

/// `\h`, in Latin-1.
pub(crate) fn horizontal_space() -> ByteSet {
    ByteSet::of(b"\t \xa0")
}

/// `\v`, in Latin-1.
pub(crate) fn vertical_space() -> ByteSet {
    ByteSet::of(b"\n\x0b\x0c\r\x85")
}

/// A POSIX class in the C locale, where there is one of that name.
pub(crate) fn posix(name: &[u8]) -> Option<ByteSet> {
    Some(match name {
        b"alpha" => class(|byte| byte.is_ascii_alphabetic()),
        b"lower" => class(|byte| byte.is_ascii_lowercase()),
        b"upper" => class(|byte| byte.is_ascii_uppercase()),
        b"alnum" => class(|byte| byte.is_ascii_alphanumeric()),
        b"ascii" => class(|byte| byte.is_ascii()),
        b"blank" => ByteSet::of(b"\t "),
        b"cntrl" => class(|byte| byte.is_ascii_control()),
        b"digit" => digits(),
        b"graph" => class(|byte| byte.is_ascii_graphic()),
        b"print" => class(|byte| byte.is_ascii_graphic() || byte == b' '),
        b"punct" => class(|byte| byte.is_ascii_punctuation()),
        b"space" => space(),
        b"word" => word(),
        b"xdigit" => class(|byte| byte.is_ascii_hexdigit()),
        _ => return None,
    })
}

fn class(holds: impl Fn(u8) -> bool) -> ByteSet {
    let bytes: Vec<u8> = (0..=u8::MAX).filter(|byte| holds(*byte)).collect();
    ByteSet::of(&bytes)
}
