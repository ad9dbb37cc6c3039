//! Objects of OLE 1, as RTF and old streams hold them, and the packages among them: a file with
//! the name that it had. Lengths are cut to what is there, and the cut is told.

use crate::fields::{u16_le, u32_le};

/// How much of an object is read to find where its data begins.
pub(crate) const HEAD_BYTES: usize = 16 << 10;
/// Names longer than this are no names.
const NAME_BYTES_MAX: usize = 4 << 10;
const PACKAGE: u16 = 2;
const EMBEDDED_FILE: u16 = 3;

/// Where the data of an object or a package lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Data {
    /// The class of an object, the name of a packaged file.
    pub(crate) name: Vec<u8>,
    /// Where it begins, from the first byte that was given.
    pub(crate) offset: u64,
    /// How long it says that it is.
    pub(crate) size_bytes: u64,
}

/// An embedded object (MS-OLEDS 2.2.4 and 2.2.5). Its version is not looked at: nobody does.
pub(crate) fn object(head: &[u8]) -> Option<Data> {
    const LINKED: u32 = 1;
    const EMBEDDED: u32 = 2;
    let format = u32_le(head, 4)?;
    if format != EMBEDDED && format != LINKED {
        return None;
    }
    let (class, at) = counted(head, 8)?;
    let (_topic, at) = counted(head, at)?;
    let (_item, at) = counted(head, at)?;
    if format == LINKED {
        return None;
    }
    Some(Data {
        name: class.strip_suffix(b"\0").unwrap_or(class).to_vec(),
        offset: (at as u64).checked_add(4)?,
        size_bytes: u64::from(u32_le(head, at)?),
    })
}

/// A package: a label, where the file was, where it is put, and the file.
pub(crate) fn package(head: &[u8]) -> Option<Data> {
    if u16_le(head, 0)? != PACKAGE {
        return None;
    }
    let (label, at) = terminated(head, 2)?;
    let (path, at) = terminated(head, at)?;
    if u16_le(head, at.checked_add(2)?)? != EMBEDDED_FILE {
        return None;
    }
    let (_temporary, at) = counted(head, at.checked_add(4)?)?;
    let name = if label.is_empty() { path } else { label };
    Some(Data {
        name: name.to_vec(),
        offset: (at as u64).checked_add(4)?,
        size_bytes: u64::from(u32_le(head, at)?),
    })
}

/// Text with its length before it, and where it ends.
fn counted(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let length = usize::try_from(u32_le(bytes, at)?).ok()?;
    let begin = at.checked_add(4)?;
    let end = begin.checked_add(length)?;
    Some((bytes.get(begin..end)?, end))
}

/// Text with a zero after it, and where what follows begins.
fn terminated(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let rest = bytes.get(at..)?;
    let length = rest
        .iter()
        .take(NAME_BYTES_MAX)
        .position(|byte| *byte == 0)?;
    let end = at.checked_add(length)?;
    Some((rest.get(..length)?, end.checked_add(1)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_and_packages_say_where_their_data_is() {
        let head = b"\x01\x05\0\0\x02\0\0\0\x08\0\0\0Package\0\0\0\0\0\0\0\0\0\x05\0\0\0data";
        let found = object(head).expect("an object");
        assert_eq!((found.name.as_slice(), found.offset), (&b"Package"[..], 32));
        assert_eq!(found.size_bytes, 5);
        let head = b"\x02\0a.exe\0C:\\a.exe\0\0\0\x03\0\x03\0\0\0t:\0\x04\0\0\0data";
        let found = package(head).expect("a package");
        assert_eq!(
            (found.name.as_slice(), found.size_bytes),
            (&b"a.exe"[..], 4)
        );
        assert_eq!(found.offset, head.len() as u64 - 4);
        assert_eq!(package(&head[..20]), None);
    }
}
