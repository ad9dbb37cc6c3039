//! The standard security handler, opened as every reader opens it that was given no password:
//! with an empty one. RC4 with keys of 40 to 128 bits, AES with 128 and 256. No password is
//! guessed.

mod key;

use aes::cipher::{BlockCipherDecrypt, KeyInit};
use md5::{Digest, Md5};
use proto::Budget;

use crate::formats::pdf::lex::{name_bytes, name_is, string_bytes};
use crate::formats::pdf::values::{Value, entries, entry, entry_int, entry_is};
use crate::input::Input;
use crate::members::Stop;
use crate::output::Output;

const BLOCK_BYTES: usize = 16;
const KEY_BITS_DEFAULT: i64 = 40;

/// How streams or strings are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Identity,
    Rc4,
    Aes128,
    Aes256,
}

/// What the encryption dictionary says.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    revision: i64,
    key_bytes: usize,
    owner: Vec<u8>,
    user: Vec<u8>,
    owner_key: Vec<u8>,
    user_key: Vec<u8>,
    permissions: [u8; 4],
    id: Vec<u8>,
    encrypts_metadata: bool,
    streams: Method,
    strings: Method,
    files: Method,
}

/// An opened document's keys.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    key: Vec<u8>,
    pub(super) streams: Method,
    pub(super) strings: Method,
    pub(super) files: Method,
    pub(super) encrypts_metadata: bool,
}

/// The cipher of one object.
pub(super) enum Cipher {
    Rc4(Box<Rc4>),
    Aes128(Box<aes::Aes128>),
    Aes256(Box<aes::Aes256>),
}

impl Settings {
    /// Reads an encryption dictionary; `id` is the first half of the document's identifier.
    pub(super) fn parse(inside: &[u8], id: Vec<u8>) -> Result<Self, Stop> {
        if !entry_is(inside, b"Filter", b"Standard") {
            let handler = match entry(inside, b"Filter") {
                Some(Value::Name(raw)) => name_bytes(raw).take(64).collect(),
                _ => b"unknown".to_vec(),
            };
            let handler = String::from_utf8_lossy(&handler).into_owned();
            return Err(encrypted(format!(
                "encrypted by the security handler {handler}"
            )));
        }
        let int = |key: &[u8]| entry_int(inside, key);
        let text = |key: &[u8]| match entry(inside, key) {
            Some(Value::Text(token)) => string_bytes(token).unwrap_or_default(),
            _ => Vec::new(),
        };
        let version = int(b"V").unwrap_or(0);
        let bits = int(b"Length").unwrap_or(KEY_BITS_DEFAULT);
        // Some writers give it in bytes.
        let bits = if bits < KEY_BITS_DEFAULT {
            bits.saturating_mul(8)
        } else {
            bits
        };
        let key_bytes = match version {
            1 => 5,
            4 => 16,
            5 | 6 => 32,
            _ => usize::try_from(bits / 8).unwrap_or(5).clamp(5, 16),
        };
        let method = |key: &[u8], default: Method| match version {
            4.. => filter_method(inside, key).unwrap_or(default),
            _ => Method::Rc4,
        };
        let streams = method(b"StmF", Method::Identity);
        let permissions = int(b"P").unwrap_or(0).to_le_bytes();
        let encrypts = !matches!(
            entry(inside, b"EncryptMetadata"),
            Some(Value::Word(b"false"))
        );
        Ok(Self {
            revision: int(b"R").unwrap_or(0),
            key_bytes,
            owner: text(b"O"),
            user: text(b"U"),
            owner_key: text(b"OE"),
            user_key: text(b"UE"),
            permissions: permissions.first_chunk().copied().unwrap_or_default(),
            id,
            encrypts_metadata: encrypts,
            streams,
            strings: method(b"StrF", Method::Identity),
            files: method(b"EFF", streams),
        })
    }

    /// Opens the document with an empty password, the user's or the owner's.
    pub(super) fn open(&self) -> Result<Keys, Stop> {
        let key = key::of_empty_password(self)
            .ok_or_else(|| encrypted("encrypted with a password".to_owned()))?;
        Ok(Keys {
            key,
            streams: self.streams,
            strings: self.strings,
            files: self.files,
            encrypts_metadata: self.encrypts_metadata,
        })
    }
}

impl Keys {
    /// The cipher of an object, unless nothing is encrypted with this method.
    pub(super) fn cipher(&self, method: Method, number: u32, generation: u16) -> Option<Cipher> {
        let own = |salt: &[u8]| {
            let mut hash = Md5::new();
            hash.update(&self.key);
            hash.update(number.to_le_bytes().get(..3).unwrap_or_default());
            hash.update(generation.to_le_bytes());
            hash.update(salt);
            let mut key = hash.finalize().to_vec();
            key.truncate(self.key.len().saturating_add(5));
            key
        };
        match method {
            Method::Identity => None,
            Method::Rc4 => Some(Cipher::Rc4(Box::new(Rc4::new(&own(b""))))),
            Method::Aes128 => {
                let aes = aes::Aes128::new_from_slice(&own(b"sAlT")).ok()?;
                Some(Cipher::Aes128(Box::new(aes)))
            }
            Method::Aes256 => {
                let aes = aes::Aes256::new_from_slice(&self.key).ok()?;
                Some(Cipher::Aes256(Box::new(aes)))
            }
        }
    }
}

impl Cipher {
    /// Decrypts all of the input.
    pub(super) fn decrypt(
        &mut self,
        input: &mut Input<'_>,
        output: &mut Output,
        budget: &mut Budget,
    ) -> Result<(), Stop> {
        if let Self::Rc4(rc4) = self {
            loop {
                let mut bytes = input.peek()?.to_vec();
                if bytes.is_empty() {
                    return Ok(());
                }
                input.consume(bytes.len());
                rc4.apply(&mut bytes);
                output.push(&bytes, budget, input.consumed())?;
            }
        }
        let mut last = match input.at_least(BLOCK_BYTES)?.first_chunk::<BLOCK_BYTES>() {
            Some(first) => *first,
            // Too short for what begins it: readers see nothing.
            None => return Ok(()),
        };
        input.consume(BLOCK_BYTES);
        loop {
            let chunk = input.at_least(BLOCK_BYTES.saturating_mul(2))?;
            let is_last = chunk.len() < BLOCK_BYTES.saturating_mul(2);
            let mut plain = Vec::with_capacity(chunk.len());
            let (blocks, _) = chunk.as_chunks::<BLOCK_BYTES>();
            // The last block has padding: it is left for the next round, where there is one.
            let count = if is_last {
                blocks.len()
            } else {
                blocks.len().saturating_sub(1)
            };
            for block in blocks.iter().take(count) {
                let mut out = *block;
                self.block(&mut out);
                out.iter_mut()
                    .zip(last)
                    .for_each(|(byte, mask)| *byte ^= mask);
                last = *block;
                plain.extend(out);
            }
            input.consume(count.saturating_mul(BLOCK_BYTES));
            if is_last {
                unpad(&mut plain);
            }
            output.push(&plain, budget, input.consumed())?;
            if is_last {
                return Ok(());
            }
        }
    }

    fn block(&self, block: &mut [u8; BLOCK_BYTES]) {
        match self {
            Self::Rc4(_) => {}
            Self::Aes128(aes) => aes.decrypt_block(block.into()),
            Self::Aes256(aes) => aes.decrypt_block(block.into()),
        }
    }
}

/// RC4.
#[derive(Clone, Debug)]
pub(super) struct Rc4 {
    state: [u8; 256],
    i: u8,
    j: u8,
}

impl Rc4 {
    pub(super) fn new(key: &[u8]) -> Self {
        let mut state = [0; 256];
        for (place, byte) in (0u8..=255).zip(state.iter_mut()) {
            *byte = place;
        }
        let mut j = 0u8;
        let cycle = key.iter().copied().cycle();
        let cycle = cycle.chain(std::iter::repeat(0));
        for (i, key) in (0u8..=255).zip(cycle) {
            let at_i = state.get(usize::from(i)).copied().unwrap_or(0);
            j = j.wrapping_add(at_i).wrapping_add(key);
            state.swap(usize::from(i), usize::from(j));
        }
        Self { state, i: 0, j: 0 }
    }

    pub(super) fn apply(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.i = self.i.wrapping_add(1);
            let at_i = self.at(self.i);
            self.j = self.j.wrapping_add(at_i);
            self.state.swap(usize::from(self.i), usize::from(self.j));
            *byte ^= self.at(self.at(self.i).wrapping_add(self.at(self.j)));
        }
    }

    fn at(&self, place: u8) -> u8 {
        self.state.get(usize::from(place)).copied().unwrap_or(0)
    }
}

/// The method of a named crypt filter of the dictionary.
fn filter_method(inside: &[u8], key: &[u8]) -> Option<Method> {
    let Some(Value::Name(wanted)) = entry(inside, key) else {
        return None;
    };
    let Some(Value::Dict(filters)) = entry(inside, b"CF") else {
        return Some(Method::Identity);
    };
    let wanted: Vec<u8> = name_bytes(wanted).collect();
    let named = entries(filters).find(|(name, _)| name_is(name, &wanted));
    let Some((_, Value::Dict(filter))) = named else {
        return Some(Method::Identity);
    };
    let Some(Value::Name(method)) = entry(filter, b"CFM") else {
        return Some(Method::Identity);
    };
    Some(if name_is(method, b"V2") {
        Method::Rc4
    } else if name_is(method, b"AESV2") {
        Method::Aes128
    } else if name_is(method, b"AESV3") {
        Method::Aes256
    } else {
        Method::Identity
    })
}

/// Takes the padding off, where it is one.
fn unpad(plain: &mut Vec<u8>) {
    let count = plain.last().copied().map_or(0, usize::from);
    if (1..=BLOCK_BYTES).contains(&count) {
        plain.truncate(plain.len().saturating_sub(count));
    }
}

fn encrypted(text: String) -> Stop {
    Stop {
        reason: proto::Reason::Encrypted,
        text: text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rc4_gives_the_published_stream() {
        // RFC 6229: a key of 40 bits.
        let mut bytes = [0; 16];
        Rc4::new(&[1, 2, 3, 4, 5]).apply(&mut bytes);
        assert_eq!(
            bytes,
            [
                0xb2, 0x39, 0x63, 0x05, 0xf0, 0x3d, 0xc0, 0x27, 0xcc, 0xc3, 0x52, 0x4a, 0x0a, 0x11,
                0x18, 0xa8
            ]
        );
        Rc4::new(&[]).apply(&mut bytes);
    }
}
