//! Values that a user gives to names in YARA rules, and the frame of what such rules compile to.

use alloc::string::String;

use crate::codec::{CodecError, Decode, Encode, Reader, Writer};

/// Compiled YARA rules begin here in their file. What lies before is the caller's, who says there
/// which rules they are and what their digest is.
pub const YARA_HEADER_BYTES: u64 = 128;

/// A name that YARA rules may use, and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// The name.
    pub name: String,
    /// The value.
    pub value: DefinitionValue,
}

/// A value, with the type that rules see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DefinitionValue {
    /// A whole number.
    Integer(i64),
    /// A floating-point number, as its bits: two that are written the same are the same.
    Float(u64),
    /// True or false.
    Boolean(bool),
    /// A text.
    Text(String),
}

impl DefinitionValue {
    /// A floating-point number.
    #[must_use]
    pub fn float(value: f64) -> Self {
        Self::Float(value.to_bits())
    }
}

impl Encode for Definition {
    fn encode(&self, out: &mut Writer) {
        self.name.encode(out);
        match &self.value {
            DefinitionValue::Integer(value) => {
                0u8.encode(out);
                value.encode(out);
            }
            DefinitionValue::Float(bits) => {
                1u8.encode(out);
                bits.encode(out);
            }
            DefinitionValue::Boolean(value) => {
                2u8.encode(out);
                value.encode(out);
            }
            DefinitionValue::Text(value) => {
                3u8.encode(out);
                value.encode(out);
            }
        }
    }
}

impl Decode for Definition {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let name = Decode::decode(input)?;
        let value = match u8::decode(input)? {
            0 => DefinitionValue::Integer(Decode::decode(input)?),
            1 => DefinitionValue::Float(Decode::decode(input)?),
            2 => DefinitionValue::Boolean(Decode::decode(input)?),
            3 => DefinitionValue::Text(Decode::decode(input)?),
            other => return Err(CodecError::UnknownCode(other)),
        };
        Ok(Self { name, value })
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn definitions_read_back_and_damage_is_refused() {
        let values = [
            DefinitionValue::Integer(-3),
            DefinitionValue::float(0.5),
            DefinitionValue::Boolean(true),
            DefinitionValue::Text("x".to_string()),
        ];
        let definitions: Vec<_> = values
            .into_iter()
            .map(|value| Definition {
                name: "n".to_string(),
                value,
            })
            .collect();
        let message = definitions.to_message();
        assert_eq!(Vec::from_message(&message), Ok(definitions));
        for cut in 0..message.len() {
            assert!(Vec::<Definition>::from_message(&message[..cut]).is_err());
        }
        let unknown = vec![1, 0, 0, 0, 0, 0, 0, 0, 9];
        assert_eq!(
            Vec::<Definition>::from_message(&unknown),
            Err(CodecError::UnknownCode(9))
        );
    }
}
