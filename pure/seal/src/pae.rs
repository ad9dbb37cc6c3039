//! DSSE's pre-authentication encoding: the bytes that a signature is over.

/// The bytes to sign for a payload of this type, by DSSE 1.0.2 ("PAE").
#[must_use]
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "DSSEv1 {} {payload_type} {} ",
        payload_type.len(),
        payload.len()
    )
    .into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification_is_encoded_as_it_says() {
        let bytes = pae("http://example.com/HelloWorld", b"hello world");
        assert_eq!(
            bytes,
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }

    #[test]
    fn moving_a_border_changes_the_bytes() {
        assert_ne!(pae("a b", b"c"), pae("a", b"b c"));
        assert_ne!(pae("", b"x"), pae("x", b""));
    }
}
