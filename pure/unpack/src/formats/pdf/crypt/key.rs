//! The key of a document that an empty password opens: ISO 32000-2, 7.6.4, algorithms 1.A to 12.

use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use md5::{Digest, Md5};
use sha2::{Sha256, Sha384, Sha512};

use crate::formats::pdf::crypt::{BLOCK_BYTES, Rc4, Settings};

/// What fills a short password up.
const PADDING: [u8; 32] = [
    0x28, 0xbf, 0x4e, 0x5e, 0x4e, 0x75, 0x8a, 0x41, 0x64, 0x00, 0x4e, 0x56, 0xff, 0xfa, 0x01, 0x08,
    0x2e, 0x2e, 0x00, 0xb6, 0xd0, 0x68, 0x3e, 0x80, 0x2f, 0x0c, 0xa9, 0xfe, 0x64, 0x53, 0x69, 0x7a,
];
/// Rounds of the hash of revision 6 at the least, and copies of its input in each.
const ROUNDS_MIN: usize = 64;
const COPIES: usize = 64;
/// The rounds end by chance; by then far fewer were needed.
const ROUNDS_MAX: usize = 4096;

/// The document's key, if the empty password is the user's, or from revision 5 on the owner's:
/// before, an owner without a password had the user's.
pub(super) fn of_empty_password(settings: &Settings) -> Option<Vec<u8>> {
    match settings.revision {
        ..5 => user_key(settings),
        _ => wrapped_key(settings),
    }
}

/// Algorithms 2, 4 and 5: the key of an empty user's password, if it is the right one.
fn user_key(settings: &Settings) -> Option<Vec<u8>> {
    let count = settings.key_bytes.min(16);
    let mut hash = Md5::new();
    hash.update(PADDING);
    hash.update(settings.owner.get(..32)?);
    hash.update(settings.permissions);
    hash.update(&settings.id);
    if settings.revision >= 4 && !settings.encrypts_metadata {
        hash.update([0xff; 4]);
    }
    let mut key = hash.finalize().to_vec();
    key.truncate(count);
    if settings.revision >= 3 {
        for _ in 0..50 {
            key = Md5::digest(&key).to_vec();
            key.truncate(count);
        }
    }
    let (expected, compared) = match settings.revision {
        ..3 => {
            let mut text = PADDING.to_vec();
            Rc4::new(&key).apply(&mut text);
            (text, 32)
        }
        _ => {
            let mut hash = Md5::new();
            hash.update(PADDING);
            hash.update(&settings.id);
            let mut text = hash.finalize().to_vec();
            (0..20).for_each(|round| Rc4::new(&masked(&key, round)).apply(&mut text));
            (text, 16)
        }
    };
    (settings.user.get(..compared)? == expected).then_some(key)
}

fn masked(key: &[u8], round: u8) -> Vec<u8> {
    key.iter().map(|byte| byte ^ round).collect()
}

/// Algorithm 2.A: the key, wrapped once for the user and once for the owner.
fn wrapped_key(settings: &Settings) -> Option<Vec<u8>> {
    let hash = |salt: &[u8], user: &[u8]| match settings.revision {
        5 => Some(Sha256::digest([salt, user].concat()).to_vec()),
        _ => hardened(salt, user),
    };
    let user = settings.user.get(..48)?;
    let owner = settings.owner.get(..48)?;
    let key = |text: &[u8], salted: &[u8], wrapped: &[u8]| {
        let (check, salts) = text.split_at_checked(32)?;
        let (validation, key) = salts.split_at_checked(8)?;
        if hash(validation, salted)? != check {
            return None;
        }
        unwrapped(&hash(key, salted)?, wrapped.get(..32)?)
    };
    key(user, b"", &settings.user_key).or_else(|| key(owner, user, &settings.owner_key))
}

/// AES-256 in chained blocks, without padding, from a vector of zeros.
fn unwrapped(key: &[u8], wrapped: &[u8]) -> Option<Vec<u8>> {
    let aes = aes::Aes256::new_from_slice(key).ok()?;
    let mut last = [0; BLOCK_BYTES];
    let mut plain = Vec::new();
    for block in wrapped.as_chunks::<BLOCK_BYTES>().0 {
        let mut out = *block;
        aes.decrypt_block((&mut out).into());
        out.iter_mut()
            .zip(last)
            .for_each(|(byte, mask)| *byte ^= mask);
        last = *block;
        plain.extend(out);
    }
    Some(plain)
}

/// Algorithm 2.B with an empty password.
fn hardened(salt: &[u8], user: &[u8]) -> Option<Vec<u8>> {
    let mut key = Sha256::digest([salt, user].concat()).to_vec();
    for round in 0..ROUNDS_MAX {
        let text = [key.as_slice(), user].concat().repeat(COPIES);
        let (aes_key, vector) = key.split_at_checked(16)?;
        let aes = aes::Aes128::new_from_slice(aes_key).ok()?;
        let mut last: [u8; BLOCK_BYTES] = *vector.first_chunk()?;
        let mut encrypted = Vec::with_capacity(text.len());
        for block in text.as_chunks::<BLOCK_BYTES>().0 {
            last.iter_mut()
                .zip(block)
                .for_each(|(byte, mask)| *byte ^= mask);
            aes.encrypt_block((&mut last).into());
            encrypted.extend(last);
        }
        // The first 16 bytes as one number, modulo 3: 256 is 1 modulo 3.
        let head = encrypted.get(..16)?;
        key = match head.iter().map(|byte| u32::from(*byte)).sum::<u32>() % 3 {
            0 => Sha256::digest(&encrypted).to_vec(),
            1 => Sha384::digest(&encrypted).to_vec(),
            _ => Sha512::digest(&encrypted).to_vec(),
        };
        let last = usize::from(*encrypted.last()?);
        if round >= ROUNDS_MIN.saturating_sub(1) && last <= round.saturating_sub(31) {
            key.truncate(32);
            return Some(key);
        }
    }
    None
}
