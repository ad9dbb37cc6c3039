//! Formats that are recognised by their magic and not unpacked yet: an object in one of them is
//! never called clean for want of looking.

use crate::fields::{find, u16_le, u32_le, u64_le};
use crate::identify::{Format, Probe, Role};

/// Recognised containers and documents without an unpacker.
pub(super) static FORMATS: &[Format] = &[
    unsupported("rar", is_rar),
    unsupported("arj", is_arj),
    unsupported("lha", is_lha),
    unsupported("ace", |probe| probe.head.get(7..14) == Some(b"**ACE**")),
    unsupported("nsis", |probe| {
        probe.head.get(4..20) == Some(b"\xef\xbe\xad\xdeNullsoftInst")
    }),
    unsupported("autoit", |probe| {
        probe.head.starts_with(b"\xa3HK\xbe\x98lJ\xa9\x99LS\n")
    }),
    unsupported("installshield-setup", |probe| {
        let start = probe.head.get(..256).unwrap_or(probe.head);
        start.windows(7).any(|window| window == b"\0Disk1\\")
    }),
    unsupported("installshield-cab", |probe| probe.head.starts_with(b"ISc(")),
    unsupported("lzop", |probe| {
        probe.head.starts_with(b"\x89LZO\0\r\n\x1a\n")
    }),
    unsupported("pack", |probe| probe.head.starts_with(b"\x1f\x1e")),
    unsupported("zoo", |probe| u32_le(probe.head, 20) == Some(0xfdc4_a7dc)),
    unsupported("egg", |probe| probe.head.starts_with(b"EGGA")),
    unsupported("alz", |probe| probe.head.starts_with(b"ALZ\x01")),
    unsupported("sis", is_sis),
    unsupported("tnef", |probe| probe.head.starts_with(b"\x78\x9f\x3e\x22")),
    unsupported("binhex", |probe| {
        let head = probe.head.get(..1024).unwrap_or(probe.head);
        find(head, b"(This file must be converted with BinHex", 0).is_some()
    }),
    unsupported("chm", |probe| probe.head.starts_with(b"ITSF")),
    unsupported("szdd", |probe| {
        probe.head.starts_with(b"SZDD\x88\xf0\x27\x33") || probe.head.starts_with(b"KWAJ\x88\xf0")
    }),
    unsupported("swf-compressed", |probe| {
        probe.head.starts_with(b"CWS") || probe.head.starts_with(b"ZWS")
    }),
    unsupported("xar", |probe| probe.head.starts_with(b"xar!")),
    unsupported("wim", |probe| probe.head.starts_with(b"MSWIM\0\0\0")),
    unsupported("vmdk", |probe| probe.head.starts_with(b"KDMV")),
    unsupported("qcow", |probe| probe.head.starts_with(b"QFI\xfb")),
    unsupported("vhd", |probe| {
        probe.head.starts_with(b"conectix") || trailer(probe.tail).starts_with(b"conectix")
    }),
    unsupported("vhdx", |probe| probe.head.starts_with(b"vhdxfile")),
    unsupported("vdi", |probe| {
        probe.head.get(64..68) == Some(b"\x7f\x10\xda\xbe")
    }),
    unsupported("dmg", |probe| trailer(probe.tail).starts_with(b"koly")),
    unsupported("gpt", is_gpt),
    unsupported("ext", is_ext),
];

const fn unsupported(name: &'static str, detect: fn(&Probe<'_>) -> bool) -> Format {
    Format {
        name,
        detect,
        role: Role::Unsupported,
    }
}

/// The last 512 bytes, where disk images keep their trailer.
fn trailer(tail: &[u8]) -> &[u8] {
    tail.get(tail.len().saturating_sub(512)..)
        .unwrap_or_default()
}

fn is_rar(probe: &Probe<'_>) -> bool {
    probe.head.starts_with(b"Rar!\x1a\x07") || probe.head.starts_with(b"RE~^")
}

/// The size of the basic header is bounded, and its own first part is smaller.
fn is_arj(probe: &Probe<'_>) -> bool {
    let size = u16_le(probe.head, 2);
    let first = probe.head.get(4).copied().map(u16::from);
    probe.head.starts_with(b"\x60\xea")
        && size.is_some_and(|size| (30..=2600).contains(&size))
        && first.is_some_and(|first| first >= 30 && Some(first) <= size)
}

fn is_lha(probe: &Probe<'_>) -> bool {
    matches!(
        probe.head.get(2..7),
        Some([
            b'-',
            b'l',
            b'h' | b'z',
            b'0'..=b'9' | b'd' | b's' | b'x',
            b'-'
        ]) | Some([b'-', b'p', b'm', b'0' | b'1' | b'2', b'-'])
    )
}

fn is_sis(probe: &Probe<'_>) -> bool {
    // The third unique identifier of old files, the first of new ones.
    u32_le(probe.head, 8) == Some(0x1000_0419) || u32_le(probe.head, 0) == Some(0x1020_1a7a)
}

/// A table of partitions of a disk that is all there: systems take no other. The first sectors of
/// a disc image that can be copied to a stick have one too, of a disk as long as the whole image.
fn is_gpt(probe: &Probe<'_>) -> bool {
    let last_sector = u64_le(probe.head, 512 + 48);
    let sectors = probe.size_bytes / 512;
    probe.head.get(512..520) == Some(b"EFI PART") && last_sector.is_some_and(|last| last < sectors)
}

/// The magic of an ext2, ext3 or ext4 superblock, with a block size that exists.
fn is_ext(probe: &Probe<'_>) -> bool {
    u16_le(probe.head, 1080) == Some(0xef53) && u32_le(probe.head, 1048).is_some_and(|log| log <= 6)
}
