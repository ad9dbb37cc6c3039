//! The encoding: little-endian integers, length-prefixed strings and lists, nothing optional in
//! the framing. A reader refuses lengths that the message can't hold, unknown codes, and bytes
//! left over, so that a hostile peer can cost no more than the message it sent.

use alloc::string::String;
use alloc::vec::Vec;

use crate::{
    CompileSource, Describe, Detail, Finding, JailReport, Layer, LayerState, Limits, Match,
    PackSummary, PendingKind, Probe, ProbeResult, Reason, Reasons, Reply, Request, RuleRef,
    ScanItem, ScanOptions, THREATS, Verdict,
};

/// A message that does not follow the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodecError {
    /// It ends too early.
    Truncated,
    /// It goes on after its end.
    TrailingBytes,
    /// A code that this version does not know.
    UnknownCode(u8),
    /// Text that is not UTF-8.
    NotText,
}

impl core::fmt::Display for CodecError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Truncated => write!(f, "a message ended too early"),
            Self::TrailingBytes => write!(f, "a message has bytes after its end"),
            Self::UnknownCode(code) => write!(f, "a message has the unknown code {code}"),
            Self::NotText => write!(f, "a message has text that is not UTF-8"),
        }
    }
}

impl core::error::Error for CodecError {}

/// Reads a message from its first byte to its last.
#[derive(Debug)]
pub struct Reader<'a> {
    left: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    #[must_use]
    pub fn new(message: &'a [u8]) -> Self {
        Self { left: message }
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], CodecError> {
        let (taken, left) = self
            .left
            .split_at_checked(count)
            .ok_or(CodecError::Truncated)?;
        self.left = left;
        Ok(taken)
    }

    /// Refuses what is left over.
    pub fn finish(self) -> Result<(), CodecError> {
        if self.left.is_empty() {
            Ok(())
        } else {
            Err(CodecError::TrailingBytes)
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        self.take(N)?.try_into().map_err(|_| CodecError::Truncated)
    }
}

/// Writes a message.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// The message.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }
}

/// What can be put into a message.
pub trait Encode {
    /// Appends itself.
    fn encode(&self, out: &mut Writer);

    /// A whole message of it.
    fn to_message(&self) -> Vec<u8> {
        let mut out = Writer::default();
        self.encode(&mut out);
        out.into_bytes()
    }
}

/// What can be taken out of a message.
pub trait Decode: Sized {
    /// Takes itself.
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError>;

    /// A whole message of it, with nothing after.
    fn from_message(message: &[u8]) -> Result<Self, CodecError> {
        let mut input = Reader::new(message);
        let value = Self::decode(&mut input)?;
        input.finish()?;
        Ok(value)
    }
}

macro_rules! integers {
    ($($kind:ty),*) => {$(
        impl Encode for $kind {
            fn encode(&self, out: &mut Writer) {
                out.put(&self.to_le_bytes());
            }
        }
        impl Decode for $kind {
            fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
                Ok(Self::from_le_bytes(input.array()?))
            }
        }
    )*};
}

integers!(u8, u16, u32, u64, i32, i64);

/// A record is its fields in order.
macro_rules! records {
    ($($kind:ident { $($field:ident),* $(,)? })*) => {$(
        impl Encode for $kind {
            fn encode(&self, out: &mut Writer) {
                $(self.$field.encode(out);)*
            }
        }
        impl Decode for $kind {
            fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
                Ok(Self { $($field: Decode::decode(input)?),* })
            }
        }
    )*};
}

records! {
    Limits {
        bytes_max, objects_max, depth_max, ratio_max, work_max, time_ms_max, memory_bytes_max,
    }
    ScanOptions { limits, pua, sha256, all_matches, match_bytes, starter }
    ScanItem { ticket }
    CompileSource { label }
    PendingKind { source, count, why }
    PackSummary { signatures, yara_rules, pending, dropped, unverified }
    Match { offset, length }
    RuleRef { kind, source, line, sha256 }
    Finding { name, rule, member, matches, match_bytes }
    Detail { reason, member, text }
    Verdict {
        kind, findings, findings_omitted, incomplete, details, objects, size_bytes, sha256, elapsed_us, read_error,
    }
    Probe { threat, attempt, result }
    JailReport { layers, probes }
}

impl Encode for bool {
    fn encode(&self, out: &mut Writer) {
        u8::from(*self).encode(out);
    }
}

impl Decode for bool {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        match u8::decode(input)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(CodecError::UnknownCode(other)),
        }
    }
}

impl Encode for [u8; 32] {
    fn encode(&self, out: &mut Writer) {
        out.put(self);
    }
}

impl Decode for [u8; 32] {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        input.array()
    }
}

impl Encode for str {
    fn encode(&self, out: &mut Writer) {
        length(self.len()).encode(out);
        out.put(self.as_bytes());
    }
}

impl Encode for String {
    fn encode(&self, out: &mut Writer) {
        self.as_str().encode(out);
    }
}

impl Decode for String {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let bytes = Vec::<u8>::decode(input)?;
        Self::from_utf8(bytes).map_err(|_| CodecError::NotText)
    }
}

impl<T: Encode> Encode for Vec<T> {
    fn encode(&self, out: &mut Writer) {
        length(self.len()).encode(out);
        for item in self {
            item.encode(out);
        }
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let count = u32::decode(input)?;
        // No capacity ahead of the bytes: every item takes at least one of them.
        let mut items = Self::new();
        for _ in 0..count {
            items.push(T::decode(input)?);
        }
        Ok(items)
    }
}

impl<T: Encode> Encode for Option<T> {
    fn encode(&self, out: &mut Writer) {
        self.is_some().encode(out);
        if let Some(value) = self {
            value.encode(out);
        }
    }
}

impl<T: Decode> Decode for Option<T> {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        if bool::decode(input)? {
            T::decode(input).map(Some)
        } else {
            Ok(None)
        }
    }
}

impl<A: Encode, B: Encode> Encode for (A, B) {
    fn encode(&self, out: &mut Writer) {
        self.0.encode(out);
        self.1.encode(out);
    }
}

impl<A: Decode, B: Decode> Decode for (A, B) {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok((A::decode(input)?, B::decode(input)?))
    }
}

impl Encode for Reason {
    fn encode(&self, out: &mut Writer) {
        (*self as u8).encode(out);
    }
}

impl Decode for Reason {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let code = u8::decode(input)?;
        Self::from_code(code).ok_or(CodecError::UnknownCode(code))
    }
}

impl Encode for Reasons {
    fn encode(&self, out: &mut Writer) {
        self.iter().collect::<Vec<_>>().encode(out);
    }
}

impl Decode for Reasons {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let mut reasons = Self::default();
        Vec::<Reason>::decode(input)?
            .into_iter()
            .for_each(|reason| reasons.insert(reason));
        Ok(reasons)
    }
}

impl Encode for Layer {
    fn encode(&self, out: &mut Writer) {
        (*self as u8).encode(out);
    }
}

impl Decode for Layer {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let code = u8::decode(input)?;
        Self::ALL
            .get(usize::from(code))
            .copied()
            .ok_or(CodecError::UnknownCode(code))
    }
}

impl Encode for crate::Threat {
    fn encode(&self, out: &mut Writer) {
        (*self as u8).encode(out);
    }
}

impl Decode for crate::Threat {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let code = u8::decode(input)?;
        THREATS
            .get(usize::from(code))
            .copied()
            .ok_or(CodecError::UnknownCode(code))
    }
}

impl Encode for LayerState {
    fn encode(&self, out: &mut Writer) {
        match self {
            Self::Active => None,
            Self::Missing(why) => Some(why.clone()),
        }
        .encode(out);
    }
}

impl Decode for LayerState {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Option::decode(input)?.map_or(Self::Active, Self::Missing))
    }
}

impl Encode for ProbeResult {
    fn encode(&self, out: &mut Writer) {
        match self {
            Self::Refused(errno) => Some(*errno),
            Self::Succeeded => None,
        }
        .encode(out);
    }
}

impl Decode for ProbeResult {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Option::decode(input)?.map_or(Self::Succeeded, Self::Refused))
    }
}

impl Encode for Describe {
    fn encode(&self, out: &mut Writer) {
        match self {
            Self::Show => 0u8.encode(out),
            Self::Dropped => 1u8.encode(out),
            Self::Explain(name) => {
                2u8.encode(out);
                name.encode(out);
            }
        }
    }
}

impl Decode for Describe {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        match u8::decode(input)? {
            0 => Ok(Self::Show),
            1 => Ok(Self::Dropped),
            2 => Ok(Self::Explain(Decode::decode(input)?)),
            other => Err(CodecError::UnknownCode(other)),
        }
    }
}

impl Encode for Request {
    fn encode(&self, out: &mut Writer) {
        match self {
            Self::Scan { options, items } => {
                0u8.encode(out);
                options.encode(out);
                items.encode(out);
            }
            Self::CompileSources(sources) => {
                1u8.encode(out);
                sources.encode(out);
            }
            Self::CompileInto(definitions) => {
                2u8.encode(out);
                definitions.encode(out);
            }
            Self::Describe(question) => {
                3u8.encode(out);
                question.encode(out);
            }
            Self::CompileYara(definitions) => {
                4u8.encode(out);
                definitions.encode(out);
            }
            Self::UseYara => 5u8.encode(out),
            Self::Judge(question) => {
                6u8.encode(out);
                question.encode(out);
            }
        }
    }
}

impl Decode for Request {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        match u8::decode(input)? {
            0 => Ok(Self::Scan {
                options: Decode::decode(input)?,
                items: Decode::decode(input)?,
            }),
            1 => Ok(Self::CompileSources(Decode::decode(input)?)),
            2 => Ok(Self::CompileInto(Decode::decode(input)?)),
            3 => Ok(Self::Describe(Decode::decode(input)?)),
            4 => Ok(Self::CompileYara(Decode::decode(input)?)),
            5 => Ok(Self::UseYara),
            6 => Ok(Self::Judge(Decode::decode(input)?)),
            other => Err(CodecError::UnknownCode(other)),
        }
    }
}

impl Encode for Reply {
    fn encode(&self, out: &mut Writer) {
        match self {
            Self::Ready { jail, pack } => {
                0u8.encode(out);
                jail.encode(out);
                pack.encode(out);
            }
            Self::Refused(why) => {
                1u8.encode(out);
                why.encode(out);
            }
            Self::Verdict { ticket, verdict } => {
                2u8.encode(out);
                ticket.encode(out);
                verdict.encode(out);
            }
            Self::Compiled {
                pack_bytes,
                yara_bytes,
                summary,
            } => {
                3u8.encode(out);
                pack_bytes.encode(out);
                yara_bytes.encode(out);
                summary.encode(out);
            }
            Self::CompileFailed(why) => {
                4u8.encode(out);
                why.encode(out);
            }
            Self::Text(lines) => {
                5u8.encode(out);
                lines.encode(out);
            }
            Self::TextEnd(trouble) => {
                6u8.encode(out);
                trouble.encode(out);
            }
            Self::YaraCompiled(yara_bytes) => {
                7u8.encode(out);
                yara_bytes.encode(out);
            }
            Self::YaraReady => 8u8.encode(out),
            Self::SoFar { ticket, verdict } => {
                9u8.encode(out);
                ticket.encode(out);
                verdict.encode(out);
            }
        }
    }
}

impl Decode for Reply {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        match u8::decode(input)? {
            0 => Ok(Self::Ready {
                jail: Decode::decode(input)?,
                pack: Decode::decode(input)?,
            }),
            1 => Ok(Self::Refused(Decode::decode(input)?)),
            2 => Ok(Self::Verdict {
                ticket: Decode::decode(input)?,
                verdict: Decode::decode(input)?,
            }),
            3 => Ok(Self::Compiled {
                pack_bytes: Decode::decode(input)?,
                yara_bytes: Decode::decode(input)?,
                summary: Decode::decode(input)?,
            }),
            4 => Ok(Self::CompileFailed(Decode::decode(input)?)),
            5 => Ok(Self::Text(Decode::decode(input)?)),
            6 => Ok(Self::TextEnd(Decode::decode(input)?)),
            7 => Ok(Self::YaraCompiled(Decode::decode(input)?)),
            8 => Ok(Self::YaraReady),
            9 => Ok(Self::SoFar {
                ticket: Decode::decode(input)?,
                verdict: Decode::decode(input)?,
            }),
            other => Err(CodecError::UnknownCode(other)),
        }
    }
}

/// Lengths of what we write ourselves; the pool refuses messages far below this bound.
fn length(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec;

    use super::*;

    fn sample() -> Reply {
        let mut verdict = Verdict {
            kind: "zip".to_string(),
            objects: 3,
            ..Verdict::default()
        };
        verdict.findings.push(Finding {
            name: "Test.Name-1".to_string(),
            rule: RuleRef {
                kind: "ndb".to_string(),
                line: 7,
                ..RuleRef::default()
            },
            member: vec![b"a\0\xff".to_vec()],
            match_bytes: vec![],
            matches: vec![Match {
                offset: 5,
                length: 68,
            }],
        });
        verdict.note(Detail {
            reason: Reason::Encrypted,
            member: vec![],
            text: "one member is encrypted".to_string(),
        });
        Reply::Verdict { ticket: 9, verdict }
    }

    #[test]
    fn a_message_comes_back_as_it_was() {
        assert_eq!(Reply::from_message(&sample().to_message()), Ok(sample()));
    }

    #[test]
    fn every_truncation_and_every_extra_byte_is_refused() {
        let message = sample().to_message();
        for end in 0..message.len() {
            assert!(
                Reply::from_message(&message[..end]).is_err(),
                "cut at {end}"
            );
        }
        let mut longer = message;
        longer.push(0);
        assert_eq!(Reply::from_message(&longer), Err(CodecError::TrailingBytes));
    }

    #[test]
    fn a_length_beyond_the_message_costs_nothing() {
        let message = [5u8, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(Reply::from_message(&message), Err(CodecError::Truncated));
    }
}
