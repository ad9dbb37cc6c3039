//! Passwords that archives are opened with, from `.pwdb` files:
//! `Name;TargetDescription;Storage;Password`. They are tried in the order in which they come; more
//! than a thousand are refused, since each is tried on each encrypted member.

use crate::hash::{LineTrouble, decimal};
use crate::{FUNCTIONALITY_LEVEL, IgnoreList};

const PASSWORDS_MAX: u32 = 1_000;
const PASSWORD_BYTES_MAX: usize = 1_024;

/// The passwords so far, as the pack has them: length u16, bytes.
#[derive(Debug, Default)]
pub(crate) struct Passwords {
    bytes: Vec<u8>,
    count: u32,
}

impl Passwords {
    /// Adds what a line says; false where an ignore list names it.
    pub(crate) fn add(&mut self, line: &[u8], ignores: &IgnoreList) -> Result<bool, LineTrouble> {
        let mut fields = line.splitn(4, |byte| *byte == b';');
        let (Some(name), Some(target), Some(storage), Some(password)) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Err(LineTrouble::Dropped("fewer than four fields"));
        };
        if name.is_empty() {
            return Err(LineTrouble::Dropped("no signature name"));
        }
        check_target(target)?;
        let password = match storage {
            b"0" => password.to_vec(),
            b"1" => from_hex(password).ok_or(LineTrouble::Dropped("a password is not hex"))?,
            _ => {
                return Err(LineTrouble::Dropped(
                    "the storage of a password is neither 0 nor 1",
                ));
            }
        };
        if password.is_empty() || password.len() > PASSWORD_BYTES_MAX {
            return Err(LineTrouble::Dropped("a password is empty or too long"));
        }
        if ignores.covers(name, line) {
            return Ok(false);
        }
        if self.count >= PASSWORDS_MAX {
            return Err(LineTrouble::Dropped("there are more than 1,000 passwords"));
        }
        let length = u16::try_from(password.len()).unwrap_or(0);
        self.count = self.count.saturating_add(1);
        self.bytes.extend(length.to_le_bytes());
        self.bytes.extend(password);
        Ok(true)
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// The passwords of a pack's section.
pub(crate) fn read(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = bytes.split_first_chunk()?;
        let length = usize::from(u16::from_le_bytes(*length));
        let (password, rest) = rest.split_at_checked(length)?;
        bytes = rest;
        Some(password)
    })
}

/// `Engine:x-y` and `Container:CL_TYPE_…`, in any order.
fn check_target(target: &[u8]) -> Result<(), LineTrouble> {
    for pair in target.split(|byte| *byte == b',') {
        let mut halves = pair.splitn(2, |byte| *byte == b':');
        match (halves.next().unwrap_or_default(), halves.next()) {
            (b"" | b"*", None) => {}
            (b"Engine", Some(levels)) => check_engine(levels)?,
            (b"Container", Some(b"CL_TYPE_ZIP" | b"CL_TYPE_ANY" | b"*")) => {}
            (b"Container", Some(_)) => {
                return Err(LineTrouble::Pending("passwords of archives other than zip"));
            }
            _ => return Err(LineTrouble::Dropped("the target description is not known")),
        }
    }
    Ok(())
}

fn check_engine(levels: &[u8]) -> Result<(), LineTrouble> {
    let mut ends = levels.splitn(2, |byte| *byte == b'-').map(decimal);
    let (Some(Some(least)), Some(Some(most))) = (ends.next(), ends.next()) else {
        return Err(LineTrouble::Dropped(
            "a functionality level is not a number",
        ));
    };
    match (least..=most).contains(&u64::from(FUNCTIONALITY_LEVEL)) {
        true => Ok(()),
        false => Err(LineTrouble::OtherEngine),
    }
}

/// The bytes that hexadecimal digits stand for.
pub(crate) fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = text.chunks(2).map(|pair| match pair {
        [high, low] => {
            let value = digit(*high)?.wrapping_shl(4) | digit(*low)?;
            u8::try_from(value).ok()
        }
        _ => None,
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(line: &[u8]) -> Result<Vec<u8>, LineTrouble> {
        let mut passwords = Passwords::default();
        passwords.add(line, &IgnoreList::default())?;
        let bytes = passwords.into_bytes();
        let mut all = read(&bytes);
        let first = all.next().unwrap_or_default().to_vec();
        assert_eq!(all.next(), None);
        Ok(first)
    }

    #[test]
    fn passwords_are_clear_or_hex() {
        let clear = added(b"a;Engine:81-255,Container:CL_TYPE_ZIP;0;in;fected");
        assert_eq!(clear.ok(), Some(b"in;fected".to_vec()));
        let hex = added(b"a;Engine:81-255;1;c3BC00");
        assert_eq!(hex.ok(), Some(vec![0xc3, 0xbc, 0]));
    }

    #[test]
    fn lines_for_others_and_wrong_lines_are_told_apart() {
        for (line, pending) in [
            (&b"a;Engine:81-255,Container:CL_TYPE_7Z;0;x"[..], true),
            (b"a;Engine:81-255;1;abc", false),
            (b"a;Engine:81-255;2;ab", false),
            (b"a;Engine:81;0;ab", false),
            (b"a;Moon:1;0;ab", false),
            (b"a;;0;", false),
            (b"a;;0", false),
        ] {
            match added(line) {
                Err(LineTrouble::Pending(_)) => assert!(pending, "{line:?}"),
                Err(LineTrouble::Dropped(_)) => assert!(!pending, "{line:?}"),
                _ => panic!("{line:?}"),
            }
        }
        let other = added(b"a;Engine:300-400;0;x");
        assert!(matches!(other, Err(LineTrouble::OtherEngine)));
    }

    #[test]
    fn passwords_are_bounded_in_number_and_length() {
        let mut passwords = Passwords::default();
        let none = IgnoreList::default();
        for _ in 0..PASSWORDS_MAX {
            assert!(passwords.add(b"a;;0;x", &none).is_ok());
        }
        assert!(passwords.add(b"a;;0;x", &none).is_err());
        let long = [&b"a;;0;"[..], &[b'x'; PASSWORD_BYTES_MAX + 1]].concat();
        assert!(added(&long).is_err());
        assert_eq!(read(&[5, 0, 1, 2]).next(), None);
    }
}
