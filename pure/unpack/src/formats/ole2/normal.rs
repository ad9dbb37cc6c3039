//! A project's modules as one text, normalised as signatures for macros expect it: what is not
//! quoted in lower case, white space as one space, continued lines joined. Modules are handed on
//! as they are, on their way.

use proto::{Budget, Reason};

use crate::members::{Content, Flow, Member, Members, Stop};
use crate::output::{Output, Tally};

/// What the member is called.
pub(super) const NAME: &[u8] = b"(vba project)";
const PENDING_BYTES: usize = 4 << 10;
/// What Windows' western code page has between 0x80 and 0x9f.
const WESTERN: &str = "€\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8d}Ž\u{8f}\u{90}‘’“”•–—˜™š›œ\u{9d}žŸ";

/// How the letters above 127 are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Letters {
    /// In Windows' western code page.
    Western,
    /// In another one: they are left as they are.
    Other,
}

/// Takes the modules of a project, and keeps their normalised text.
pub(super) struct Project<'a> {
    pub(super) members: &'a mut dyn Members,
    pub(super) letters: Letters,
    output: Output,
    bytes_in: u64,
    stop: Option<Reason>,
}

impl<'a> Project<'a> {
    /// Without modules yet.
    pub(super) fn new(members: &'a mut dyn Members, letters: Letters, tally: Tally) -> Self {
        Self {
            members,
            letters,
            output: Output::new(tally),
            bytes_in: 0,
            stop: None,
        }
    }

    /// Hands over the text, where there is any.
    pub(super) fn finish(self, flow: Flow, budget: &mut Budget) -> Result<Flow, Stop> {
        let is_empty = self.output.bytes().is_empty();
        let flow = match flow {
            Flow::Continue if !is_empty => self.output.hand_over(NAME, self.members, budget).0,
            _ => {
                self.output.discard(budget);
                flow
            }
        };
        match self.stop {
            Some(reason) => Err(reason.into()),
            None => Ok(flow),
        }
    }
}

impl Members for Project<'_> {
    fn member(&mut self, member: Member<'_>, budget: &mut Budget) -> Flow {
        if let Content::Bytes(text) = member.content
            && self.stop.is_none()
        {
            self.bytes_in = self.bytes_in.saturating_add(text.len() as u64);
            let letters = self.letters;
            let normalised = normalise(text, letters, &mut |bytes| {
                self.output.push(bytes, budget, self.bytes_in)
            });
            self.stop = normalised.err();
        }
        self.members.member(member, budget)
    }

    fn passwords(&self) -> &[&[u8]] {
        self.members.passwords()
    }
}

/// Gives the normalised text of one module, piece by piece.
fn normalise(
    text: &[u8],
    letters: Letters,
    give: &mut dyn FnMut(&[u8]) -> Result<(), Reason>,
) -> Result<(), Reason> {
    let mut pending = Vec::new();
    let mut is_quoted = false;
    let mut before = b'\n';
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        let byte = match byte {
            b'"' => {
                is_quoted = !is_quoted;
                b'"'
            }
            byte if is_quoted => *byte,
            b' ' | b'\t' if before == b' ' => continue,
            b' ' | b'\t' => b' ',
            b'_' if before == b' ' => match continuation(after) {
                Some(joined) => {
                    rest = joined;
                    continue;
                }
                None => b'_',
            },
            byte => byte.to_ascii_lowercase(),
        };
        before = byte;
        push(byte, letters, &mut pending);
        if pending.len() >= PENDING_BYTES {
            give(&pending)?;
            pending.clear();
        }
    }
    pending.push(b'\n');
    give(&pending)
}

/// What follows the end of a line that is continued.
fn continuation(after: &[u8]) -> Option<&[u8]> {
    after
        .strip_prefix(b"\r\n")
        .or_else(|| after.strip_prefix(b"\n"))
}

fn push(byte: u8, letters: Letters, text: &mut Vec<u8>) {
    let letter = match (byte, letters) {
        (0..=0x7f, _) | (_, Letters::Other) => {
            text.push(byte);
            return;
        }
        (0x80..=0x9f, _) => {
            let place = usize::from(byte.wrapping_sub(0x80));
            WESTERN.chars().nth(place).unwrap_or(char::from(byte))
        }
        _ => char::from(byte),
    };
    text.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalised(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut give = |bytes: &[u8]| {
            out.extend_from_slice(bytes);
            Ok(())
        };
        normalise(text, Letters::Western, &mut give).expect("no limit");
        out
    }

    #[test]
    fn texts_are_as_clamscan_leaves_them() {
        // Compared with what clamscan 1.4.6 keeps with --leave-temps.
        for (text, expected) in [
            (
                "Sub   A()\t\tX\r\n  Foo = \"Ab  C \"\"Qu\"\" D\" & _\r\n   \"Next\" ' Comment \"Here\r\nREM \"World",
                "sub a() x\r\n foo = \"Ab  C \"\"Qu\"\" D\" & \"Next\" ' comment \"Here\r\nREM \"world\n",
            ),
            (
                "AB_\r\nCD\r\nEF _\nGH _\t\r\nIJ",
                "ab_\r\ncd\r\nef gh _ \r\nij\n",
            ),
            ("M _\n\tN _\n  O  _\nP \t_\nQ\t_\nR", "m n o p q r\n"),
            ("Q = \"a _\r\n  B\" & _ 'c", "q = \"a _\r\n  B\" & _ 'c\n"),
        ] {
            let given = normalised(text.as_bytes());
            assert_eq!(String::from_utf8_lossy(&given), expected);
        }
        assert_eq!(normalised(b"Z\x80\x9f\xe9"), "z€Ÿé\n".as_bytes());
    }
}
