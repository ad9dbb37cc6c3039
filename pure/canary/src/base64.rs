//! Base64 with lines, as mails and PEM files have it.

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The lines, each as long as told, without the ends of lines.
pub(crate) fn lines(bytes: &[u8], line_letters: usize) -> Vec<String> {
    let letters: Vec<char> = bytes.chunks(3).flat_map(group).collect();
    let lines = letters.chunks(line_letters.max(4));
    lines.map(|line| line.iter().collect()).collect()
}

fn group(bytes: &[u8]) -> [char; 4] {
    let byte = |at: usize| u32::from(bytes.get(at).copied().unwrap_or_default());
    let value = byte(0).wrapping_shl(16) | byte(1).wrapping_shl(8) | byte(2);
    let letter = |shift: u32, is_there: bool| {
        let at = usize::try_from(value.wrapping_shr(shift) & 63).unwrap_or_default();
        let letter = LETTERS.get(at).copied().unwrap_or_default();
        if is_there { char::from(letter) } else { '=' }
    };
    [
        letter(18, true),
        letter(12, true),
        letter(6, bytes.len() > 1),
        letter(0, bytes.len() > 2),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_the_specification_says() {
        for (bytes, expected) in [
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(lines(bytes.as_bytes(), 76), [expected]);
        }
        assert_eq!(lines(&[255; 6], 4), ["////", "////"]);
    }
}
