//! Captures: pcapng's blocks, as far as packets need them. Name resolution, statistics and secrets
//! are passed over. A block that is not one ends the reading, and that is a gap.

/// No capture of ours has more interfaces.
const INTERFACES_MAX: usize = 64;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;

/// Raw IP, by the version in the first byte.
pub(crate) const LINK_RAW: u16 = 101;
/// The same, as some systems number it.
const LINK_RAW_BSD: u16 = 12;

/// One packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Packet<'a> {
    /// From 1, as packet tools number them.
    pub(crate) number: u64,
    /// In nanoseconds, by the interface's clock.
    pub(crate) at: u64,
    /// Whether it is of the interface with the plaintext of intercepted streams.
    pub(crate) is_plaintext: bool,
    /// Whether it left the subject, where the capture says so.
    pub(crate) is_outbound: Option<bool>,
    /// Whether all of it was captured.
    pub(crate) is_whole: bool,
    /// From the IP header on.
    pub(crate) bytes: &'a [u8],
}

/// All packets, and what was wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Capture<'a> {
    pub(crate) packets: Vec<Packet<'a>>,
    /// Why the reading ended early, or what could not be read.
    pub(crate) trouble: Option<String>,
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    is_raw: bool,
    is_plaintext: bool,
    /// Units a second.
    per_second: u64,
}

#[derive(Clone, Copy)]
enum Order {
    Little,
    Big,
}

/// Reads a capture.
pub(crate) fn read(bytes: &[u8]) -> Capture<'_> {
    let mut capture = Capture::default();
    let mut interfaces: Vec<Interface> = Vec::new();
    let mut order = Order::Little;
    let mut rest = bytes;
    while !rest.is_empty() {
        if rest.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]) {
            match section_order(rest) {
                Some(found) => order = found,
                None => return capture.ended("a section has no byte order"),
            }
            interfaces.clear();
        }
        let Some((kind, body, after)) = block(order, rest) else {
            return capture.ended("a block is damaged or cut off");
        };
        let read = match kind {
            1 => interface(order, body, &mut interfaces),
            6 => enhanced(order, body, &interfaces, &mut capture),
            2 | 3 => Err("a packet is in a block without a time"),
            _ => Ok(()),
        };
        if let Err(trouble) = read {
            return capture.ended(trouble);
        }
        rest = after;
    }
    if bytes.is_empty() {
        return capture.ended("it is empty");
    }
    capture
}

impl Capture<'_> {
    fn ended(mut self, why: &str) -> Self {
        let packets = self.packets.len();
        self.trouble = Some(format!(
            "the capture can't be read after {packets} packets: {why}"
        ));
        self
    }
}

/// A block's kind and body, and what is behind it.
fn block(order: Order, bytes: &[u8]) -> Option<(u32, &[u8], &[u8])> {
    let kind = u32_at(order, bytes, 0)?;
    let length = usize::try_from(u32_at(order, bytes, 4)?).ok()?;
    if length < 12 || !length.is_multiple_of(4) {
        return None;
    }
    let (whole, after) = bytes.split_at_checked(length)?;
    let end = length.checked_sub(4)?;
    (u32_at(order, whole, end) == u32_at(order, whole, 4)).then_some(())?;
    Some((kind, whole.get(8..end)?, after))
}

fn section_order(bytes: &[u8]) -> Option<Order> {
    match (
        u32_at(Order::Little, bytes, 8)?,
        u32_at(Order::Big, bytes, 8)?,
    ) {
        (BYTE_ORDER, _) => Some(Order::Little),
        (_, BYTE_ORDER) => Some(Order::Big),
        _ => None,
    }
}

fn interface(order: Order, body: &[u8], all: &mut Vec<Interface>) -> Result<(), &'static str> {
    if all.len() >= INTERFACES_MAX {
        return Err("it has too many interfaces");
    }
    let link = u16_at(order, body, 0).ok_or("an interface is cut off")?;
    let mut found = Interface {
        is_raw: link == LINK_RAW || link == LINK_RAW_BSD,
        is_plaintext: false,
        per_second: 1_000_000,
    };
    let mut options = body.get(8..).unwrap_or_default();
    while let (Some(code), Some(length)) = (u16_at(order, options, 0), u16_at(order, options, 2)) {
        let length = usize::from(length);
        let value = options.get(4..length.saturating_add(4)).unwrap_or_default();
        match code {
            0 => break,
            2 => found.is_plaintext = value == b"plaintext",
            9 => found.per_second = per_second(value.first().copied().unwrap_or(6)),
            _ => {}
        }
        let step = length.next_multiple_of(4).saturating_add(4);
        options = options.get(step..).unwrap_or_default();
    }
    all.push(found);
    Ok(())
}

/// Units a second, as the resolution option has it.
fn per_second(resolution: u8) -> u64 {
    let power = u32::from(resolution & 0x7f);
    let base: u64 = if resolution & 0x80 == 0 { 10 } else { 2 };
    base.checked_pow(power).unwrap_or(u64::MAX)
}

fn enhanced<'a>(
    order: Order,
    body: &'a [u8],
    interfaces: &[Interface],
    capture: &mut Capture<'a>,
) -> Result<(), &'static str> {
    const CUT: &str = "a packet is cut off";
    let number = usize::try_from(u32_at(order, body, 0).ok_or(CUT)?).map_err(|_| CUT)?;
    let high = u64::from(u32_at(order, body, 4).ok_or(CUT)?);
    let low = u64::from(u32_at(order, body, 8).ok_or(CUT)?);
    let captured = usize::try_from(u32_at(order, body, 12).ok_or(CUT)?).map_err(|_| CUT)?;
    let original = u32_at(order, body, 16).ok_or(CUT)?;
    let end = captured.checked_add(20).ok_or(CUT)?;
    let bytes = body.get(20..end).ok_or(CUT)?;
    let interface = interfaces.get(number).ok_or("a packet has no interface")?;
    if !interface.is_raw {
        return Err("an interface does not carry IP packets");
    }
    let units = high.wrapping_shl(32) | low;
    let at = u128::from(units)
        .saturating_mul(1_000_000_000)
        .checked_div(u128::from(interface.per_second))
        .unwrap_or_default();
    capture.packets.push(Packet {
        number: u64::try_from(capture.packets.len())
            .unwrap_or(u64::MAX)
            .saturating_add(1),
        at: u64::try_from(at).unwrap_or(u64::MAX),
        is_plaintext: interface.is_plaintext,
        is_outbound: is_outbound(order, body.get(end.next_multiple_of(4)..)),
        is_whole: usize::try_from(original) == Ok(captured),
        bytes,
    });
    Ok(())
}

/// The direction in a packet's flags; none where they are missing or do not say it.
fn is_outbound(order: Order, options: Option<&[u8]>) -> Option<bool> {
    let mut options = options?;
    loop {
        let code = u16_at(order, options, 0)?;
        let length = usize::from(u16_at(order, options, 2)?);
        match (code, length) {
            (0, _) => return None,
            (2, 4) => {
                return match u32_at(order, options, 4)? & 3 {
                    1 => Some(false),
                    2 => Some(true),
                    _ => None,
                };
            }
            _ => {}
        }
        let step = length.next_multiple_of(4).saturating_add(4);
        options = options.get(step..)?;
    }
}

fn u32_at(order: Order, bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = *bytes.get(at..)?.first_chunk()?;
    Some(match order {
        Order::Little => u32::from_le_bytes(bytes),
        Order::Big => u32::from_be_bytes(bytes),
    })
}

fn u16_at(order: Order, bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = *bytes.get(at..)?.first_chunk()?;
    Some(match order {
        Order::Little => u16::from_le_bytes(bytes),
        Order::Big => u16::from_be_bytes(bytes),
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A capture with these packets: whether each is of the plaintext interface, and its bytes.
    pub(crate) fn written(packets: &[(bool, Vec<u8>)]) -> Vec<u8> {
        let packets = packets.iter();
        let packets: Vec<_> = packets
            .map(|(is_plaintext, packet)| (*is_plaintext, None, packet.clone()))
            .collect();
        flagged(&packets)
    }

    /// The same, with the flags that say where each packet went.
    pub(crate) fn flagged(packets: &[(bool, Option<u32>, Vec<u8>)]) -> Vec<u8> {
        let mut bytes = block(
            0x0a0d_0d0a,
            &[&BYTE_ORDER.to_le_bytes()[..], &[1, 0, 0, 0], &[255; 8]].concat(),
        );
        bytes.extend(interface_block("tun"));
        bytes.extend(interface_block("plaintext"));
        for ((is_plaintext, flags, packet), at) in packets.iter().zip(1_u32..) {
            let length = u32::try_from(packet.len()).unwrap().to_le_bytes();
            let mut body = u32::from(*is_plaintext).to_le_bytes().to_vec();
            body.extend(0_u32.to_le_bytes());
            body.extend(at.to_le_bytes());
            body.extend(length);
            body.extend(length);
            body.extend(packet);
            body.resize(body.len().next_multiple_of(4), 0);
            if let Some(flags) = flags {
                // A comment first, then the flags.
                body.extend([1, 0, 1, 0, b'x', 0, 0, 0, 2, 0, 4, 0]);
                body.extend(flags.to_le_bytes());
                body.extend([0; 4]);
            }
            bytes.extend(block(6, &body));
        }
        bytes
    }

    fn interface_block(name: &str) -> Vec<u8> {
        let mut body = vec![101, 0, 0, 0, 0, 0, 0, 0, 2, 0];
        body.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        body.extend(name.as_bytes());
        body.resize(body.len().next_multiple_of(4), 0);
        body.extend([9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
        block(1, &body)
    }

    fn block(kind: u32, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 12).unwrap().to_le_bytes();
        [&kind.to_le_bytes()[..], &length, body, &length].concat()
    }

    #[test]
    fn where_a_packet_went_is_read_from_its_flags() {
        let flags = [None, Some(0), Some(1), Some(2), Some(3), Some(0x1fd)];
        let packets = flags.map(|flags| (false, flags, vec![0x45; 21]));
        let bytes = flagged(&packets);
        let told: Vec<_> = read(&bytes)
            .packets
            .iter()
            .map(|packet| packet.is_outbound)
            .collect();
        let expected = [None, None, Some(false), Some(true), None, Some(false)];
        assert_eq!(told, expected);
    }

    #[test]
    fn packets_come_back_and_every_truncation_is_noticed() {
        let bytes = written(&[(false, vec![0x45; 20]), (true, vec![0x60; 41])]);
        let capture = read(&bytes);
        assert_eq!(capture.trouble, None);
        assert_eq!(capture.packets.len(), 2);
        assert_eq!(capture.packets[0].at, 1);
        assert!(capture.packets[1].is_plaintext && capture.packets[1].bytes == [0x60; 41]);
        let whole_blocks = [28, 28 + 32 + 12 - 12];
        for length in 0..bytes.len() {
            let cut = read(&bytes[..length]);
            let is_whole = cut.trouble.is_none();
            assert!(
                !is_whole || cut.packets.len() < 2 && length >= whole_blocks[0],
                "{length}"
            );
        }
    }
}
