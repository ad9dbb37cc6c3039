//! Formats whose bytes are all there is to look at, and what an object is called when nothing
//! recognises it.

use crate::fields::{u16_le, u32_be, u32_le};
use crate::identify::{Format, Probe, Role};

/// How much of an object decides whether it is text.
const TEXT_BYTES: usize = 4 << 10;

/// An object of no bytes.
pub(crate) static EMPTY: Format = leaf("empty", |probe| probe.size_bytes == 0);
static HTML: Format = leaf("html", |probe| is_html(probe.head));
static TEXT: Format = leaf("text", |probe| is_text(probe.head));
static DATA: Format = leaf("data", |_| true);

/// Leaves that have a magic.
pub(super) static FORMATS: &[Format] = &[
    leaf("png", |probe| probe.head.starts_with(b"\x89PNG\r\n\x1a\n")),
    leaf("jpeg", |probe| probe.head.starts_with(b"\xff\xd8\xff")),
    leaf("gif", |probe| probe.head.starts_with(b"GIF8")),
    leaf("bmp", is_bmp),
    leaf("tiff", |probe| {
        probe.head.starts_with(b"II*\0") || probe.head.starts_with(b"MM\0*")
    }),
    leaf("webp", |probe| is_riff(probe.head, b"WEBP")),
    leaf("wav", |probe| is_riff(probe.head, b"WAVE")),
    leaf("avi", |probe| is_riff(probe.head, b"AVI ")),
    leaf("riff", |probe| probe.head.starts_with(b"RIFF")),
    leaf("jpeg2000", |probe| {
        probe.head.get(4..12) == Some(b"jP  \r\n\x87\n")
    }),
    leaf("ico", |probe| {
        probe.head.starts_with(b"\0\0\x01\0") && matches!(probe.head.get(9), Some(0))
    }),
    leaf("mp3", |probe| probe.head.starts_with(b"ID3")),
    leaf("mp4", |probe| probe.head.get(4..8) == Some(b"ftyp")),
    leaf("ogg", |probe| probe.head.starts_with(b"OggS\0")),
    leaf("flac", |probe| probe.head.starts_with(b"fLaC")),
    leaf("matroska", |probe| probe.head.starts_with(b"\x1aE\xdf\xa3")),
    leaf("java-class", is_java_class),
    leaf("mach-o", is_mach_o),
    leaf("wasm", |probe| probe.head.starts_with(b"\0asm")),
    leaf("dex", |probe| probe.head.starts_with(b"dex\n")),
    leaf("swf", |probe| probe.head.starts_with(b"FWS")),
    leaf("lnk", |probe| {
        probe
            .head
            .starts_with(b"L\0\0\0\x01\x14\x02\0\0\0\0\0\xc0\0\0\0\0\0\0F")
    }),
    leaf("ttf", |probe| {
        probe.head.starts_with(b"\0\x01\0\0\0") || probe.head.starts_with(b"OTTO\0")
    }),
    leaf("sqlite", |probe| {
        probe.head.starts_with(b"SQLite format 3\0")
    }),
    leaf("dos-executable", |probe| probe.head.starts_with(b"MZ")),
];

/// What an object is that no format in the registry recognises.
pub(crate) fn of_unrecognised(probe: &Probe<'_>) -> &'static Format {
    [&HTML, &TEXT]
        .into_iter()
        .find(|format| (format.detect)(probe))
        .unwrap_or(&DATA)
}

/// Whether these first bytes of an object are text: UTF-8 or a one-byte code without control
/// characters, or UTF-16 with its mark.
pub(crate) fn is_text(head: &[u8]) -> bool {
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return true;
    }
    let sample = head.get(..TEXT_BYTES).unwrap_or(head);
    let is_control = |byte: &&u8| matches!(byte, 0..=8 | 14..=31 | 127) && !matches!(byte, 0x1b);
    if sample.contains(&0) {
        return false;
    }
    let controls = sample.iter().filter(is_control).count();
    let is_utf8 = match std::str::from_utf8(sample) {
        Ok(_) => true,
        // A character may be cut by the end of the sample.
        Err(error) => error.error_len().is_none(),
    };
    // One-byte codes: letters above 127 are words here and there, not the bulk.
    let high = sample.iter().filter(|byte| **byte > 127).count();
    let few = |count: usize, share: usize| count.saturating_mul(share) <= sample.len();
    few(controls, 32) && (is_utf8 || few(high, 3))
}

const fn leaf(name: &'static str, detect: fn(&Probe<'_>) -> bool) -> Format {
    Format {
        name,
        detect,
        role: Role::Leaf,
    }
}

fn is_html(head: &[u8]) -> bool {
    if !is_text(head) {
        return false;
    }
    let sample = head.get(..1024).unwrap_or(head);
    // UTF-16 has zeros between the letters.
    let lower: Vec<u8> = sample
        .iter()
        .filter(|byte| **byte != 0)
        .map(u8::to_ascii_lowercase)
        .collect();
    let tags: [&[u8]; 12] = [
        b"<!doctype html",
        b"<html",
        b"<head",
        b"<body",
        b"<script",
        b"<iframe",
        b"<title",
        b"<a href",
        b"<img ",
        b"<meta ",
        b"<form ",
        b"<object",
    ];
    tags.iter()
        .any(|tag| crate::fields::find(&lower, tag, 0).is_some())
}

fn is_bmp(probe: &Probe<'_>) -> bool {
    let header_bytes = u32_le(probe.head, 14);
    probe.head.starts_with(b"BM")
        && matches!(header_bytes, Some(12 | 40 | 52 | 56 | 64 | 108 | 124))
}

fn is_riff(head: &[u8], kind: &[u8]) -> bool {
    head.starts_with(b"RIFF") && head.get(8..12) == Some(kind)
}

/// Java's magic is also that of a Mach-O with several architectures; those are few.
fn is_java_class(probe: &Probe<'_>) -> bool {
    u32_be(probe.head, 0) == Some(0xcafe_babe) && u32_be(probe.head, 4).is_some_and(|n| n >= 45)
}

fn is_mach_o(probe: &Probe<'_>) -> bool {
    let magic = u32_be(probe.head, 0);
    let thin = matches!(
        magic,
        Some(0xfeed_face | 0xfeed_facf | 0xcefa_edfe | 0xcffa_edfe)
    );
    let fat = matches!(magic, Some(0xcafe_babe | 0xcafe_babf)) && u16_le(probe.head, 4) == Some(0);
    thin || fat
}
