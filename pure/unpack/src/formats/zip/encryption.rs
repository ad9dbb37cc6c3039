//! Encrypted members: opened where one of the passwords at hand fits, by the traditional cipher or
//! by AES as WinZip writes it. What no password opens stays closed. It refuses the strong
//! encryption of other makers.

use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use aes::{Aes128, Aes192, Aes256};
use proto::{Budget, Reason};
use sha1::{Digest, Sha1};

use crate::Source;
use crate::fields::u16_le;
use crate::formats::zip::records::{Aes, Entry};
use crate::input::{Input, read_part};
use crate::members::Stop;
use crate::output::{Output, Tally};

const HEADER_BYTES: usize = 12;
/// Steps of work: to try a password on a traditional member, on one of AES (a thousand rounds of
/// key derivation), and to decrypt sixteen bytes.
const TRY_WORK: u64 = 20;
const TRY_AES_WORK: u64 = 100_000;
const DECRYPT_BYTES_PER_STEP: u64 = 16;
const AES_ROUNDS: u32 = 1_000;
const AES_MAC_BYTES: u64 = 10;
const AES_CHECK_BYTES: usize = 2;
const BLOCK_BYTES: usize = 16;

/// The encrypted data of a member.
pub(crate) struct Encrypted<'a> {
    pub(crate) source: &'a dyn Source,
    pub(crate) entry: &'a Entry,
    pub(crate) offset: u64,
}

impl Encrypted<'_> {
    /// The member's packed data, if this password seems to fit: the caller compares what comes
    /// out with the member's checksum.
    pub(crate) fn open(
        &self,
        password: &[u8],
        tally: Tally,
        budget: &mut Budget,
    ) -> Result<Option<Output>, Stop> {
        budget.check_time()?;
        match &self.entry.aes {
            Some(aes) => self.open_aes(aes, password, tally, budget),
            None => self.open_traditional(password, tally, budget),
        }
    }

    fn open_traditional(
        &self,
        password: &[u8],
        tally: Tally,
        budget: &mut Budget,
    ) -> Result<Option<Output>, Stop> {
        spend(TRY_WORK, budget)?;
        let mut keys = Keys::new(password);
        let mut header = read_part(self.source, self.offset, HEADER_BYTES)?;
        header
            .iter_mut()
            .for_each(|byte| *byte = keys.decrypt(*byte));
        let Some(check) = header.get(HEADER_BYTES.saturating_sub(1)) else {
            return Ok(None);
        };
        // Writers check by the checksum or, where it follows the data, by the time.
        let [.., crc] = self.entry.crc.to_le_bytes();
        let [.., time] = self.entry.time.to_le_bytes();
        if *check != crc && *check != time {
            return Ok(None);
        }
        let begin = self.offset.saturating_add(HEADER_BYTES as u64);
        let size_bytes = self.entry.packed_bytes.saturating_sub(HEADER_BYTES as u64);
        let input = Input::new(self.source, begin, size_bytes);
        let decrypt = |bytes: &mut [u8]| {
            bytes
                .iter_mut()
                .for_each(|byte| *byte = keys.decrypt(*byte));
        };
        decrypted(input, decrypt, tally, budget).map(Some)
    }

    fn open_aes(
        &self,
        aes: &Aes,
        password: &[u8],
        tally: Tally,
        budget: &mut Budget,
    ) -> Result<Option<Output>, Stop> {
        spend(TRY_AES_WORK, budget)?;
        let Some(key_bytes) = aes.key_bytes() else {
            return Err(Stop::unsupported("strength of the encryption is unknown"));
        };
        let salt_bytes = key_bytes / 2;
        let head_bytes = salt_bytes.saturating_add(AES_CHECK_BYTES);
        let head = read_part(self.source, self.offset, head_bytes)?;
        let Some((salt, check)) = head.split_at_checked(salt_bytes) else {
            return Ok(None);
        };
        let wanted = key_bytes.saturating_mul(2).saturating_add(AES_CHECK_BYTES);
        let derived = derive(password, salt, wanted);
        let (keys, expected) = derived
            .split_at_checked(key_bytes.saturating_mul(2))
            .unwrap_or_default();
        if check.len() != AES_CHECK_BYTES || check != expected {
            return Ok(None);
        }
        let (key, mac_key) = keys.split_at_checked(key_bytes).unwrap_or_default();
        let begin = self.offset.saturating_add(head_bytes as u64);
        let around = (head_bytes as u64).saturating_add(AES_MAC_BYTES);
        let size_bytes = self.entry.packed_bytes.saturating_sub(around);
        if !self.mac_matches(mac_key, (begin, size_bytes), budget)? {
            return Ok(None);
        }
        let Some(mut counter) = Counter::new(key) else {
            return Ok(None);
        };
        let input = Input::new(self.source, begin, size_bytes);
        let decrypt = |bytes: &mut [u8]| counter.apply(bytes);
        decrypted(input, decrypt, tally, budget).map(Some)
    }

    fn mac_matches(
        &self,
        key: &[u8],
        (begin, size_bytes): (u64, u64),
        budget: &mut Budget,
    ) -> Result<bool, Stop> {
        spend(size_bytes / DECRYPT_BYTES_PER_STEP, budget)?;
        let mut mac = Hmac::new(key);
        let mut input = Input::new(self.source, begin, size_bytes);
        loop {
            budget.check_time()?;
            let chunk = input.peek()?;
            let count = chunk.len();
            if count == 0 {
                break;
            }
            mac.update(chunk);
            input.consume(count);
        }
        let stated = read_part(self.source, begin.saturating_add(size_bytes), 10)?;
        Ok(stated.len() as u64 == AES_MAC_BYTES && mac.finish().starts_with(&stated))
    }
}

fn spend(steps: u64, budget: &mut Budget) -> Result<(), Stop> {
    budget.spend_work(steps).map_err(|reason| Stop {
        reason,
        text: "trying passwords takes more work than the limit allows".into(),
    })
}

fn decrypted(
    mut input: Input<'_>,
    mut decrypt: impl FnMut(&mut [u8]),
    tally: Tally,
    budget: &mut Budget,
) -> Result<Output, Stop> {
    let mut output = Output::new(tally);
    let filled = fill(&mut input, &mut decrypt, &mut output, budget);
    match filled {
        Ok(()) => Ok(output),
        Err(stop) => {
            output.discard(budget);
            Err(stop)
        }
    }
}

fn fill(
    input: &mut Input<'_>,
    decrypt: &mut impl FnMut(&mut [u8]),
    output: &mut Output,
    budget: &mut Budget,
) -> Result<(), Stop> {
    loop {
        let consumed = input.consumed();
        let mut chunk = input.peek()?.to_vec();
        if chunk.is_empty() {
            return Ok(());
        }
        spend(chunk.len() as u64 / DECRYPT_BYTES_PER_STEP, budget)?;
        decrypt(&mut chunk);
        output.push(&chunk, budget, consumed)?;
        input.consume(chunk.len());
    }
}

/// The three keys of the traditional cipher.
struct Keys(u32, u32, u32);

impl Keys {
    fn new(password: &[u8]) -> Self {
        let mut keys = Self(0x1234_5678, 0x2345_6789, 0x3456_7890);
        password.iter().for_each(|byte| keys.update(*byte));
        keys
    }

    fn update(&mut self, byte: u8) {
        self.0 = crc_step(self.0, byte);
        self.1 = self.1.wrapping_add(self.0 & 0xff);
        self.1 = self.1.wrapping_mul(134_775_813).wrapping_add(1);
        let [.., high] = self.1.to_le_bytes();
        self.2 = crc_step(self.2, high);
    }

    fn decrypt(&mut self, byte: u8) -> u8 {
        let word = (self.2 | 2) & 0xffff;
        let [_, mask, ..] = word.wrapping_mul(word ^ 1).to_le_bytes();
        let plain = byte ^ mask;
        self.update(plain);
        plain
    }
}

/// One byte of CRC-32, without the inversions at its ends.
fn crc_step(crc: u32, byte: u8) -> u32 {
    let [low, ..] = crc.to_le_bytes();
    let entry = CRC_TABLE.get(usize::from(low ^ byte)).copied();
    crc.wrapping_shr(8) ^ entry.unwrap_or(0)
}

static CRC_TABLE: [u32; 256] = crc_table();

const fn crc_table() -> [u32; 256] {
    let mut table = [0u32; 256];
    let mut index: u32 = 0;
    while index < 256 {
        let mut crc = index;
        let mut bit = 0u32;
        while bit < 8 {
            crc = match crc & 1 {
                0 => crc.wrapping_shr(1),
                _ => crc.wrapping_shr(1) ^ 0xedb8_8320,
            };
            bit = bit.wrapping_add(1);
        }
        if let Some((_, rest)) = table.split_at_mut_checked(index as usize)
            && let Some(slot) = rest.first_mut()
        {
            *slot = crc;
        }
        index = index.wrapping_add(1);
    }
    table
}

/// HMAC with SHA-1.
#[derive(Clone)]
struct Hmac {
    inner: Sha1,
    outer: Sha1,
}

const HASH_BLOCK_BYTES: usize = 64;

impl Hmac {
    fn new(key: &[u8]) -> Self {
        let mut block = [0u8; HASH_BLOCK_BYTES];
        let digest = Sha1::digest(key);
        let key = match key.len() > HASH_BLOCK_BYTES {
            true => digest.as_slice(),
            false => key,
        };
        for (to, from) in block.iter_mut().zip(key) {
            *to = *from;
        }
        let padded = |mask: u8| Sha1::new().chain_update(block.map(|byte| byte ^ mask));
        Self {
            inner: padded(0x36),
            outer: padded(0x5c),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        self.inner.update(bytes);
    }

    fn finish(self) -> [u8; 20] {
        let inner = self.inner.finalize();
        self.outer.chain_update(inner).finalize().into()
    }
}

/// PBKDF2 as AES members derive their keys.
fn derive(password: &[u8], salt: &[u8], wanted_bytes: usize) -> Vec<u8> {
    let keyed = Hmac::new(password);
    let mut derived = Vec::new();
    for number in 1u32.. {
        if derived.len() >= wanted_bytes {
            break;
        }
        let mut first = keyed.clone();
        first.update(salt);
        first.update(&number.to_be_bytes());
        let mut round = first.finish();
        let mut sum = round;
        for _ in 1..AES_ROUNDS {
            let mut next = keyed.clone();
            next.update(&round);
            round = next.finish();
            sum.iter_mut()
                .zip(round)
                .for_each(|(sum, byte)| *sum ^= byte);
        }
        derived.extend(sum);
    }
    derived.truncate(wanted_bytes);
    derived
}

/// AES in counter mode, the counter from one and least significant byte first.
struct Counter {
    cipher: Cipher,
    counter: u128,
    stream: [u8; BLOCK_BYTES],
    used: usize,
}

enum Cipher {
    Short(Box<Aes128>),
    Middle(Box<Aes192>),
    Long(Box<Aes256>),
}

impl Counter {
    fn new(key: &[u8]) -> Option<Self> {
        let cipher = match key.len() {
            16 => Cipher::Short(Box::new(Aes128::new_from_slice(key).ok()?)),
            24 => Cipher::Middle(Box::new(Aes192::new_from_slice(key).ok()?)),
            _ => Cipher::Long(Box::new(Aes256::new_from_slice(key).ok()?)),
        };
        Some(Self {
            cipher,
            counter: 0,
            stream: [0; BLOCK_BYTES],
            used: BLOCK_BYTES,
        })
    }

    fn apply(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            if self.used >= BLOCK_BYTES {
                self.counter = self.counter.wrapping_add(1);
                let mut block = Array(self.counter.to_le_bytes());
                match &self.cipher {
                    Cipher::Short(cipher) => cipher.encrypt_block(&mut block),
                    Cipher::Middle(cipher) => cipher.encrypt_block(&mut block),
                    Cipher::Long(cipher) => cipher.encrypt_block(&mut block),
                }
                self.stream = block.0;
                self.used = 0;
            }
            *byte ^= self.stream.get(self.used).copied().unwrap_or(0);
            self.used = self.used.saturating_add(1);
        }
    }
}

/// The stop of a member that no password opens.
pub(crate) fn closed() -> Stop {
    Stop {
        reason: Reason::Encrypted,
        text: "member is encrypted".into(),
    }
}

/// What an extra field says of AES, if it does.
pub(crate) fn aes_of(mut extra: &[u8]) -> Option<Aes> {
    const FIELD: u16 = 0x9901;
    while let (Some(id), Some(length)) = (u16_le(extra, 0), u16_le(extra, 2)) {
        let end = usize::from(length).saturating_add(4);
        let body = extra.get(4..end)?;
        if id == FIELD {
            return Some(Aes {
                strength: *body.get(4)?,
                method: u16_le(body, 5)?,
            });
        }
        extra = extra.get(end..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_derived_as_the_standard_says() {
        // RFC 6070 has no test of a thousand rounds; RFC 2202 has those of the function in it.
        let mut mac = Hmac::new(b"Jefe");
        mac.update(b"what do ya want for nothing?");
        let hex: String = mac.finish().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
        let mut mac = Hmac::new(&[0xaa; 80]);
        mac.update(b"Test Using Larger Than Block-Size Key - Hash Key First");
        let hex: String = mac.finish().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, "aa4ae5e15272d00e95705637ce8a3b55ed402112");
    }
}
