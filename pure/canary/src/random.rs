//! Letters and bytes from a seed: SHA-256 over seed, label and a counter.

use sha2::{Digest, Sha256};

/// A stream of random bytes for one document.
#[derive(Debug)]
pub(crate) struct Random {
    key: [u8; 32],
    counter: u64,
    block: Vec<u8>,
}

impl Random {
    /// The stream with this label.
    pub(crate) fn new(seed: &[u8; 32], label: &str) -> Self {
        let key = Sha256::new()
            .chain_update(seed)
            .chain_update(label.as_bytes())
            .finalize();
        Self {
            key: key.into(),
            counter: 0,
            block: Vec::new(),
        }
    }

    fn byte(&mut self) -> u8 {
        loop {
            if let Some(byte) = self.block.pop() {
                return byte;
            }
            let block = Sha256::new()
                .chain_update(self.key)
                .chain_update(self.counter.to_le_bytes())
                .finalize();
            self.counter = self.counter.wrapping_add(1);
            self.block = block.to_vec();
        }
    }

    /// The next bytes.
    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.byte()).collect()
    }

    /// A seed's worth.
    pub(crate) fn array(&mut self) -> [u8; 32] {
        let mut array = [0; 32];
        for place in &mut array {
            *place = self.byte();
        }
        array
    }

    /// A number below `end`, each as likely as the others.
    pub(crate) fn below(&mut self, end: u8) -> u8 {
        let end = end.max(1);
        let fair = 255_u8.wrapping_sub(255_u8.checked_rem(end).unwrap_or_default());
        loop {
            let byte = self.byte();
            if byte < fair {
                return byte.checked_rem(end).unwrap_or_default();
            }
        }
    }

    /// One of several.
    pub(crate) fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        let end = u8::try_from(choices.len()).unwrap_or(u8::MAX);
        let chosen = usize::from(self.below(end));
        choices.get(chosen).copied().unwrap_or_default()
    }

    /// A word of nobody's language.
    pub(crate) fn word(&mut self, letters: usize) -> String {
        let letter = |random: &mut Self| char::from(b'a'.saturating_add(random.below(26)));
        (0..letters).map(|_| letter(self)).collect()
    }

    /// A line of such words, of 6 to 9 letters, so that any 16 bytes have at least 13 that nobody
    /// could guess: 61 bits.
    pub(crate) fn line(&mut self, words: usize) -> String {
        let words: Vec<String> = (0..words)
            .map(|_| {
                let more = usize::from(self.below(4));
                self.word(more.saturating_add(6))
            })
            .collect();
        words.join(" ")
    }
}
