//! Packets that are made here, and what they are put together to.

use super::*;
use crate::pcapng;

/// A TCP packet of version 4 from inside (10.0.0.2:40000) or from 198.18.0.9:80.
pub(crate) fn tcp(is_sent: bool, sequence: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let (inside, outside) = ([10, 0, 0, 2], [198, 18, 0, 9]);
    let mut body = Vec::new();
    let ports: [u16; 2] = if is_sent { [40000, 80] } else { [80, 40000] };
    body.extend(ports.iter().flat_map(|port| port.to_be_bytes()));
    body.extend(sequence.to_be_bytes());
    body.extend([0, 0, 0, 0, 0x50, flags, 0, 0, 0, 0, 0, 0]);
    body.extend(payload);
    let ends = if is_sent {
        (inside, outside)
    } else {
        (outside, inside)
    };
    ip(6, ends, &body)
}

/// A datagram from inside to 198.18.0.1:53.
pub(crate) fn udp(payload: &[u8]) -> Vec<u8> {
    let mut body = vec![0x9c, 0x40, 0, 53];
    body.extend(u16::try_from(payload.len() + 8).unwrap().to_be_bytes());
    body.extend([0, 0]);
    body.extend(payload);
    ip(17, ([10, 0, 0, 2], [198, 18, 0, 1]), &body)
}

fn ip(protocol: u8, (source, destination): ([u8; 4], [u8; 4]), body: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0];
    packet.extend(u16::try_from(body.len() + 20).unwrap().to_be_bytes());
    packet.extend([0, 0, 0, 0, 64, protocol, 0, 0]);
    packet.extend(source);
    packet.extend(destination);
    packet.extend(body);
    packet
}

fn assembled(packets: Vec<Vec<u8>>) -> Network {
    let packets: Vec<_> = packets.into_iter().map(|packet| (false, packet)).collect();
    let bytes = pcapng::tests::written(&packets);
    Network::assemble(&pcapng::read(&bytes).packets)
}

#[test]
fn segments_come_in_any_order_and_twice() {
    let network = assembled(vec![
        tcp(true, 99, 2, b""),
        tcp(false, 499, 0x12, b""),
        tcp(true, 104, 0x10, b"world"),
        tcp(true, 100, 0x10, b"new "),
        tcp(true, 104, 0x10, b"world"),
        tcp(false, 500, 0x10, b"ok"),
    ]);
    assert_eq!(network.flows.len(), 1);
    let (key, flow) = network.flows.first_key_value().unwrap();
    assert_eq!((key.port, key.local_port), (80, 40000));
    assert_eq!(flow.sent.bytes, b"new world");
    assert_eq!(flow.received.bytes, b"ok");
    assert_eq!(flow.sent.piece_at(0).unwrap().packet, 4);
    assert_eq!(flow.sent.piece_at(6).unwrap().packet, 3);
    assert_eq!(network.first_left, Some(1));
}

#[test]
fn what_overlaps_with_other_content_is_kept_too() {
    let network = assembled(vec![
        tcp(true, 99, 2, b""),
        tcp(true, 100, 0x10, b"innocent"),
        tcp(true, 100, 0x10, b"guilty!!"),
    ]);
    let flow = network.flows.values().next().unwrap();
    assert_eq!(flow.sent.bytes, b"innocentguilty!!");
}

#[test]
fn a_sequence_number_far_ahead_takes_no_memory() {
    let network = assembled(vec![
        tcp(true, 0, 2, b""),
        tcp(true, 1, 0x10, b"near"),
        tcp(true, 2_000_000_000, 0x10, b"far"),
    ]);
    let flow = network.flows.values().next().unwrap();
    assert_eq!(flow.sent.bytes, b"nearfar");
}

#[test]
fn datagrams_follow_each_other() {
    let network = assembled(vec![udp(b"one"), udp(b"two")]);
    let flow = network.flows.values().next().unwrap();
    assert_eq!(flow.sent.bytes, b"onetwo");
    assert_eq!(flow.sent.starts(), [0, 3]);
}

/// A report of listeners, as a kernel sends it, from any address.
fn report(source: [u8; 16], extra: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0, 0, 16, 58, 1];
    packet.extend(source);
    packet.extend(ALL_ROUTERS);
    packet.extend([143, 0, 0, 0, 0, 0, 0, 0]);
    packet.extend(extra);
    packet
}

const ALL_ROUTERS: [u8; 16] = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x16];
const LINK_LOCAL: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

#[test]
fn what_looks_like_a_kernels_own_packets_has_left_like_any_other() {
    for extra in [&[][..], &[7; 8], &[7; 100]] {
        let network = assembled(vec![report(LINK_LOCAL, extra)]);
        assert_eq!(network.first_left, Some(1), "{extra:?}");
    }
}

#[test]
fn a_forged_source_does_not_turn_what_leaves_into_what_comes() {
    let packets = [
        (false, Some(2), report(LINK_LOCAL, &[])),
        (false, Some(1), tcp(false, 499, 0x12, b"in")),
        // From the address that the first was sent to.
        (false, Some(2), report(ALL_ROUTERS, b"secret")),
        // From an address that seems to be outside.
        (false, Some(2), tcp(false, 501, 0x10, b"out")),
    ];
    let bytes = pcapng::tests::flagged(&packets);
    let network = Network::assemble(&pcapng::read(&bytes).packets);
    let sent: Vec<u8> = network
        .flows
        .values()
        .flat_map(|flow| flow.sent.bytes.clone())
        .collect();
    let sent = String::from_utf8_lossy(&sent);
    assert!(sent.contains("secret") && sent.contains("out"), "{sent:?}");
    assert!(!sent.contains("in"), "{sent:?}");
    let forged = pcapng::tests::flagged(&packets[2..]);
    let network = Network::assemble(&pcapng::read(&forged).packets);
    assert_eq!(network.first_left, Some(1));
    let only_in = pcapng::tests::flagged(&packets[1..2]);
    let network = Network::assemble(&pcapng::read(&only_in).packets);
    assert_eq!(network.first_left, None);
}
