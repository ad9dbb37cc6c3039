//! Bytes that a body signature of somebody else's matches, and bytes that just miss it.

use crate::signatures::Numbers;

/// Bytes that should match, and the places among them that the signature fixes.
#[derive(Debug)]
pub struct Realised {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Indexes of bytes that have one right value.
    pub fixed: Vec<usize>,
}

impl Realised {
    /// Of a hexadecimal body; `None` for a construct that is not understood here.
    #[must_use]
    pub fn of(body: &str, numbers: &mut Numbers) -> Option<Self> {
        let mut made = Self {
            bytes: Vec::new(),
            fixed: Vec::new(),
        };
        let mut rest = body;
        while !rest.is_empty() {
            rest = made.piece(rest, numbers)?;
        }
        (!made.fixed.is_empty()).then_some(made)
    }

    /// The same with one fixed byte changed.
    #[must_use]
    pub fn just_missing(&self, numbers: &mut Numbers) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        let at = self.fixed[numbers.below(self.fixed.len())];
        bytes[at] ^= 0x10;
        bytes
    }

    /// Takes one construct; gives what follows it.
    fn piece<'t>(&mut self, text: &'t str, numbers: &mut Numbers) -> Option<&'t str> {
        if let Some(rest) = text.strip_prefix('*') {
            self.filling(numbers.below(30));
            return Some(rest);
        }
        if let Some(rest) = text.strip_prefix('{') {
            let (gap, rest) = rest.split_once('}')?;
            let least = gap.split('-').next().unwrap_or_default();
            let exact = (!gap.contains('-')).then(|| gap.parse().ok()).flatten();
            self.filling(exact.unwrap_or(least.parse().unwrap_or(0)));
            return Some(rest);
        }
        if let Some(rest) = text.strip_prefix("!(") {
            let (choices, rest) = rest.split_once(')')?;
            let length = choices.split('|').next()?.len() / 2;
            // A byte that no signature at hand excludes.
            self.bytes.extend(vec![0x7e; length]);
            return Some(rest);
        }
        if let Some(rest) = text.strip_prefix('(') {
            let (choices, rest) = rest.split_once(')')?;
            match choices {
                "B" | "L" | "W" => self.bytes.push(b'\n'),
                _ => {
                    let choices: Vec<&str> = choices.split('|').collect();
                    let chosen = *numbers.of(&choices.iter().collect::<Vec<_>>());
                    self.digits(chosen)?;
                }
            }
            return Some(rest);
        }
        if text.starts_with('[') {
            let (gap, rest) = text.strip_prefix('[')?.split_once(']')?;
            self.filling(gap.split('-').next()?.parse().ok()?);
            return Some(rest);
        }
        let pair = text.get(..2)?;
        self.digits(pair)?;
        text.get(2..)
    }

    fn digits(&mut self, text: &str) -> Option<()> {
        let mut rest = text;
        while !rest.is_empty() {
            let pair = rest.get(..2)?;
            let known = pair.replace('?', "4");
            if !pair.contains('?') {
                self.fixed.push(self.bytes.len());
            }
            self.bytes.push(u8::from_str_radix(&known, 16).ok()?);
            rest = rest.get(2..)?;
        }
        Some(())
    }

    fn filling(&mut self, count: usize) {
        self.bytes.extend(vec![b'.'; count]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_construct_is_filled_in() {
        let mut numbers = Numbers::new(1);
        let made = Realised::of("6162??(63|64)*{2}65{-3}!(66|67)a?", &mut numbers);
        let made = made.expect("understood");
        assert!(made.bytes.starts_with(b"ab"));
        assert!(made.fixed.contains(&0) && !made.fixed.contains(&2));
        assert!(Realised::of("${macro}61", &mut numbers).is_none());
    }
}
