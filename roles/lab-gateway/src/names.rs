//! Which address a name has: always the same one, and never one that exists.
//!
//! Names are mapped into 198.18.0.0/15, which is for measurements (RFC 2544), and into a private
//! IPv6 prefix. The first /24 of the former is the enclosure's own.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sha2::{Digest, Sha256};

/// Names that are told apart; after that two may share an IPv4 address.
const NAMES_MAX: usize = 65_536;
const FIRST: u32 = u32::from_be_bytes([198, 18, 1, 0]);
const COUNT: u32 = (1 << 17) - 512;
/// `fdca:4d03:1ab0::/64`.
const PREFIX: [u8; 8] = [0xfd, 0xca, 0x4d, 0x03, 0x1a, 0xb0, 0, 0];

/// The names asked for so far.
#[derive(Default)]
pub(crate) struct Names {
    addresses: HashMap<Vec<u8>, Ipv4Addr>,
    names: HashMap<IpAddr, Vec<u8>>,
}

impl Names {
    /// The IPv4 address of a name in lower case.
    pub(crate) fn version_4(&mut self, name: &[u8]) -> Ipv4Addr {
        if let Some(address) = self.addresses.get(name) {
            return *address;
        }
        let digest = digest(name);
        let mut start = [0; 4];
        start.copy_from_slice(&digest[..4]);
        let mut place = u32::from_be_bytes(start) % COUNT;
        let is_full = self.addresses.len() >= NAMES_MAX;
        // At most half of the addresses are taken, so one is soon free.
        while !is_full && self.names.contains_key(&IpAddr::V4(address_4(place))) {
            place = (place + 1) % COUNT;
        }
        let address = address_4(place);
        if !is_full {
            self.addresses.insert(name.to_vec(), address);
            self.names.insert(IpAddr::V4(address), name.to_vec());
        }
        address
    }

    /// The IPv6 address of a name in lower case.
    pub(crate) fn version_6(&mut self, name: &[u8]) -> Ipv6Addr {
        let digest = digest(name);
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&PREFIX);
        bytes[8..].copy_from_slice(&digest[..8]);
        let address = Ipv6Addr::from(bytes);
        if self.names.len() < NAMES_MAX * 2 {
            self.names.insert(IpAddr::V6(address), name.to_vec());
        }
        address
    }

    /// The name that was given this address.
    pub(crate) fn of(&self, address: IpAddr) -> Option<&[u8]> {
        self.names.get(&address).map(Vec::as_slice)
    }
}

fn address_4(place: u32) -> Ipv4Addr {
    Ipv4Addr::from(FIRST + place % COUNT)
}

fn digest(name: &[u8]) -> [u8; 32] {
    Sha256::digest(name).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_address_and_no_two_share_one() {
        let mut names = Names::default();
        let mut seen = std::collections::HashSet::new();
        for number in 0..20_000 {
            let name = format!("host{number}.example").into_bytes();
            let address = names.version_4(&name);
            assert_eq!(address, names.version_4(&name));
            assert!(seen.insert(address));
            let [a, b, c, _] = address.octets();
            assert!(a == 198 && (b == 18 && c > 0 || b == 19), "{address}");
            assert_eq!(names.of(address.into()), Some(name.as_slice()));
        }
        let address = names.version_6(b"a.example");
        assert_eq!(names.of(address.into()), Some(&b"a.example"[..]));
        assert_eq!(address, Names::default().version_6(b"a.example"));
    }

    #[test]
    fn more_names_than_addresses_are_still_answered() {
        let mut names = Names::default();
        for number in 0..NAMES_MAX + 10 {
            names.version_4(&number.to_be_bytes());
        }
        assert_eq!(names.addresses.len(), NAMES_MAX);
    }
}
