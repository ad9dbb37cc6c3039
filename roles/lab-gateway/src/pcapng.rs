//! Blocks of a pcapng file: the section, its two interfaces, packets and secrets.
//!
//! It writes what it is given, in the order in which it is given it, little-endian.

/// Packets as they passed the device.
pub(crate) const TUN: u32 = 0;
/// Packets that never were: the plaintext of intercepted streams.
pub(crate) const PLAINTEXT: u32 = 1;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 6;
const SECRETS: u32 = 10;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
/// Bare IP packets.
const LINK_RAW: u16 = 101;
/// The secrets of TLS, as NSS logs them.
const TLS_KEY_LOG: u32 = 0x544c_534b;

const OPTION_END: u16 = 0;
const OPTION_APPLICATION: u16 = 4;
const OPTION_NAME: u16 = 2;
const OPTION_RESOLUTION: u16 = 9;
const OPTION_FLAGS: u16 = 2;

/// Where a packet went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the subject: outbound, as seen from inside.
    Out,
    /// To the subject: inbound.
    In,
}

/// One packet.
pub(crate) struct Packet<'a> {
    pub(crate) interface: u32,
    pub(crate) at_ns: u64,
    pub(crate) way: Way,
    pub(crate) bytes: &'a [u8],
}

/// The section's start, and its interfaces.
pub(crate) fn head(into: &mut Vec<u8>) {
    block(into, SECTION, |into| {
        into.extend(BYTE_ORDER.to_le_bytes());
        into.extend(1u16.to_le_bytes());
        into.extend(0u16.to_le_bytes());
        into.extend(u64::MAX.to_le_bytes());
        option(into, OPTION_APPLICATION, b"candor-lab-gateway");
        option(into, OPTION_END, b"");
    });
    for name in ["tun", "plaintext"] {
        block(into, INTERFACE, |into| {
            into.extend(LINK_RAW.to_le_bytes());
            into.extend(0u16.to_le_bytes());
            into.extend(0u32.to_le_bytes());
            option(into, OPTION_NAME, name.as_bytes());
            // Nanoseconds.
            option(into, OPTION_RESOLUTION, &[9]);
            option(into, OPTION_END, b"");
        });
    }
}

/// A packet, whole.
pub(crate) fn packet(into: &mut Vec<u8>, packet: &Packet<'_>) {
    let length = u32::try_from(packet.bytes.len()).unwrap_or(u32::MAX);
    let direction: u32 = match packet.way {
        Way::In => 1,
        Way::Out => 2,
    };
    block(into, PACKET, |into| {
        into.extend(packet.interface.to_le_bytes());
        let halves = packet.at_ns.to_le_bytes();
        into.extend(&halves[4..]);
        into.extend(&halves[..4]);
        into.extend(length.to_le_bytes());
        into.extend(length.to_le_bytes());
        padded(into, packet.bytes);
        option(into, OPTION_FLAGS, &direction.to_le_bytes());
        option(into, OPTION_END, b"");
    });
}

/// Session secrets, which stand before the packets that they open.
pub(crate) fn secrets(into: &mut Vec<u8>, lines: &[u8]) {
    let length = u32::try_from(lines.len()).unwrap_or(u32::MAX);
    block(into, SECRETS, |into| {
        into.extend(TLS_KEY_LOG.to_le_bytes());
        into.extend(length.to_le_bytes());
        padded(into, lines);
    });
}

/// How long a packet's block is around the packet itself, padding included.
pub(crate) const PACKET_OVERHEAD_BYTES: usize = 12 + 20 + 3 + 12;

fn block(into: &mut Vec<u8>, kind: u32, body: impl FnOnce(&mut Vec<u8>)) {
    let start = into.len();
    into.extend(kind.to_le_bytes());
    into.extend([0; 4]);
    body(into);
    let length = into.len().saturating_sub(start).saturating_add(4);
    let length = u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    into.extend(length);
    if let Some(place) = into.get_mut(start.saturating_add(4)..start.saturating_add(8)) {
        place.copy_from_slice(&length);
    }
}

fn option(into: &mut Vec<u8>, code: u16, value: &[u8]) {
    into.extend(code.to_le_bytes());
    into.extend(u16::try_from(value.len()).unwrap_or(0).to_le_bytes());
    padded(into, value);
}

fn padded(into: &mut Vec<u8>, bytes: &[u8]) {
    into.extend(bytes);
    let missing = bytes.len().next_multiple_of(4).saturating_sub(bytes.len());
    into.extend(std::iter::repeat_n(0, missing));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_has_its_length_at_both_ends() {
        let mut file = Vec::new();
        head(&mut file);
        let bytes = [0x45; 21];
        let before = file.len();
        packet(
            &mut file,
            &Packet {
                interface: TUN,
                at_ns: 5 << 32 | 7,
                way: Way::Out,
                bytes: &bytes,
            },
        );
        assert_eq!(file.len() - before, bytes.len() + PACKET_OVERHEAD_BYTES);
        assert_eq!(&file[before + 12..before + 20], &[5, 0, 0, 0, 7, 0, 0, 0]);
        secrets(&mut file, b"CLIENT_RANDOM 00 11\n");
        let mut kinds = Vec::new();
        let mut rest = file.as_slice();
        while !rest.is_empty() {
            let word =
                |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap_or([0; 4]));
            let length = word(4) as usize;
            assert_eq!(length % 4, 0);
            assert_eq!(word(length - 4) as usize, length);
            kinds.push(word(0));
            rest = &rest[length..];
        }
        assert_eq!(kinds, [SECTION, INTERFACE, INTERFACE, PACKET, SECRETS]);
    }
}
