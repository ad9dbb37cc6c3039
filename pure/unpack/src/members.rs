//! What an unpacker hands out: members, and the troubles that kept it from handing out more.

use std::borrow::Cow;

use proto::{Budget, Reason};

use crate::ReadError;

/// Troubles kept for one container; past that, only a reason that is not among them yet.
const TROUBLES_MAX: usize = 64;

/// Where a member's bytes are.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// Decoded bytes.
    Bytes(&'a [u8]),
    /// A part of the container, stored as it is.
    Range {
        /// Where it begins in the container.
        offset: u64,
        /// How long it is.
        size_bytes: u64,
    },
}

/// One member of a container.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// Its name, as the container spells it; a name in parentheses is ours.
    pub name: &'a [u8],
    /// Its bytes.
    pub content: Content<'a>,
}

/// What lists a member, as signatures about containers tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lister {
    /// zip, OpenDocument among it.
    Zip,
    /// An Office document in a zip.
    Word,
    /// An Office table in a zip.
    Excel,
    /// An Office presentation in a zip.
    PowerPoint,
    /// 7z.
    SevenZip,
    /// A cabinet.
    Cabinet,
    /// tar with a magic.
    PosixTar,
    /// tar of before there was one.
    OldTar,
    /// cpio in its binary form.
    CpioOld,
    /// cpio in octal digits.
    CpioOdc,
    /// cpio in hexadecimal digits.
    CpioNewc,
    /// The same with sums.
    CpioCrc,
    /// A message.
    Mail,
    /// HTML with data in its links.
    Html,
}

/// What a container says of a member, whether that comes out or not.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'a> {
    /// What says it.
    pub lister: Lister,
    /// The member's name.
    pub name: &'a [u8],
    /// How long it is in the container; where that isn't told, as the peer has it: zero for 7z and
    /// cabinets, its size for the others.
    pub packed_bytes: u64,
    /// How long it is.
    pub size_bytes: u64,
    /// Whether a password guards it.
    pub is_encrypted: bool,
    /// Its place among the members, counted as the peer counts: from 0 in 7z and cabinets, always
    /// 0 in messages and HTML, from 1 in the others.
    pub position: u64,
}

/// Whether the unpacker should go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Hand over the next member.
    Continue,
    /// Nothing more is wanted; the receiver knows why.
    Stop,
}

/// Receives members as they come out.
pub trait Members {
    /// Takes one member.
    fn member(&mut self, member: Member<'_>, budget: &mut Budget) -> Flow;

    /// Hears what the container says of a member: before the member comes, and where it can't.
    fn listed(&mut self, _listed: &Listed<'_>, _budget: &mut Budget) {}

    /// Passwords that encrypted members are tried with, in this order.
    fn passwords(&self) -> &[&[u8]];
}

/// Something of a container that was not looked at, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The named reason.
    pub reason: Reason,
    /// The member it concerns; `None` for the container.
    pub member: Option<Vec<u8>>,
    /// Where in the container.
    pub offset: u64,
    /// The same in the user's words.
    pub text: String,
}

/// Why a decoder stopped before the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stop {
    pub(crate) reason: Reason,
    pub(crate) text: Cow<'static, str>,
}

impl Stop {
    pub(crate) fn malformed(text: &'static str) -> Self {
        Self {
            reason: Reason::Malformed,
            text: Cow::Borrowed(text),
        }
    }

    pub(crate) fn unsupported(text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            reason: Reason::Unsupported,
            text: text.into(),
        }
    }

    /// Whether the budget, not the bytes, is what stopped it: then nothing more can come out.
    pub(crate) fn is_limit(&self) -> bool {
        matches!(
            self.reason,
            Reason::LimitBytes | Reason::LimitTime | Reason::LimitObjects
        )
    }
}

impl From<Reason> for Stop {
    fn from(reason: Reason) -> Self {
        let text = match reason {
            Reason::LimitBytes => "more bytes come out than the limit allows",
            Reason::LimitRatio => "far more bytes come out than went in",
            Reason::LimitMemory => "unpacking needs more memory than the limit allows",
            Reason::LimitTime => "unpacking takes longer than the limit allows",
            Reason::LimitWork => {
                "the search for archives inside takes more work than the limit allows"
            }
            Reason::LimitObjects => "more members than the limit allows",
            _ => "not unpacked",
        };
        Self {
            reason,
            text: Cow::Borrowed(text),
        }
    }
}

impl From<ReadError> for Stop {
    fn from(error: ReadError) -> Self {
        let text = match error {
            ReadError::Shrank => Cow::Borrowed("the file became shorter while it was read"),
            ReadError::System(words) => Cow::Owned(format!("could not be read: {words}")),
        };
        Self {
            reason: Reason::ChangedWhileRead,
            text,
        }
    }
}

/// The troubles of one container, bounded in number.
#[derive(Debug, Default)]
pub(crate) struct Troubles {
    list: Vec<Trouble>,
}

impl Troubles {
    /// Notes what is wrong with the container.
    pub(crate) fn note(&mut self, offset: u64, stop: impl Into<Stop>) {
        self.push(None, offset, stop.into());
    }

    /// Notes what is wrong with a member.
    pub(crate) fn note_member(&mut self, name: &[u8], offset: u64, stop: impl Into<Stop>) {
        self.push(Some(name.to_vec()), offset, stop.into());
    }

    /// All of them.
    pub(crate) fn into_vec(self) -> Vec<Trouble> {
        self.list
    }

    fn push(&mut self, member: Option<Vec<u8>>, offset: u64, stop: Stop) {
        let known = self.list.iter().any(|known| known.reason == stop.reason);
        if self.list.len() < TROUBLES_MAX || !known {
            self.list.push(Trouble {
                reason: stop.reason,
                member,
                offset,
                text: stop.text.into_owned(),
            });
        }
    }
}
