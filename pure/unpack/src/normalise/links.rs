//! The content of `data:` links (RFC 2397): members of the document that they stand in.

use proto::Budget;

use super::html::HtmlViews;
use crate::fields;
use crate::members::{Flow, Listed, Lister, Members, Stop, Trouble, Troubles};
use crate::output::{Output, Tally};

/// Hands over what each link holds; a link without a comma holds nothing.
pub fn links(views: &HtmlViews, members: &mut dyn Members, budget: &mut Budget) -> Vec<Trouble> {
    let mut troubles = Troubles::default();
    for (number, link) in (1u64..).zip(views.links()) {
        let Some(comma) = fields::find(link, b",", 0) else {
            continue;
        };
        let (head, data) = link.split_at_checked(comma).unwrap_or((link, &[]));
        let data = data.get(1..).unwrap_or_default();
        let name = format!("(data link {number})");
        let mut output = Output::new(Tally::new(data.len() as u64));
        let is_base64 = head.to_ascii_lowercase().ends_with(b"base64");
        let decoded = match is_base64 {
            true => base64(data, &mut output, budget),
            false => percent(data, &mut output, budget),
        };
        match decoded {
            Ok(()) => {
                let size_bytes = output.bytes().len() as u64;
                let listed = Listed {
                    lister: Lister::Html,
                    name: b"attachment",
                    packed_bytes: size_bytes,
                    size_bytes,
                    is_encrypted: false,
                    position: 0,
                };
                members.listed(&listed, budget);
                let (flow, _) = output.hand_over(name.as_bytes(), members, budget);
                if flow == Flow::Stop {
                    break;
                }
            }
            Err(stop) => {
                output.discard(budget);
                troubles.note_member(name.as_bytes(), 0, stop);
            }
        }
    }
    troubles.into_vec()
}

/// Base64 as mail programs read it: what is not of its alphabet is passed over.
fn base64(data: &[u8], output: &mut Output, budget: &mut Budget) -> Result<(), Stop> {
    let mut decoded = Vec::new();
    let (mut bits, mut count) = (0u32, 0u32);
    let plain = unescaped(data);
    for byte in plain {
        let Some(value) = digit(byte) else { continue };
        bits = bits.wrapping_shl(6) | value;
        count = count.saturating_add(6);
        if count >= 8 {
            count = count.saturating_sub(8);
            let [.., low] = bits.wrapping_shr(count).to_be_bytes();
            decoded.push(low);
        }
        if decoded.len() >= PIECE_BYTES {
            output.push(&decoded, budget, data.len() as u64)?;
            decoded.clear();
        }
    }
    output.push(&decoded, budget, data.len() as u64)?;
    Ok(())
}

const PIECE_BYTES: usize = 16 << 10;

fn percent(data: &[u8], output: &mut Output, budget: &mut Budget) -> Result<(), Stop> {
    let mut decoded = Vec::new();
    for byte in unescaped(data) {
        decoded.push(byte);
        if decoded.len() >= PIECE_BYTES {
            output.push(&decoded, budget, data.len() as u64)?;
            decoded.clear();
        }
    }
    output.push(&decoded, budget, data.len() as u64)?;
    Ok(())
}

/// The bytes that percent signs with two digits stand for, and all others as they are.
fn unescaped(data: &[u8]) -> impl Iterator<Item = u8> {
    let mut at = 0usize;
    std::iter::from_fn(move || {
        let rest = data.get(at..)?;
        let byte = *rest.first()?;
        if let [b'%', high, low, ..] = rest
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            at = at.saturating_add(3);
            return Some(high.wrapping_shl(4) | low);
        }
        at = at.saturating_add(1);
        Some(byte)
    })
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

fn digit(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte.wrapping_sub(b'A'),
        b'a'..=b'z' => byte.wrapping_sub(b'a').wrapping_add(26),
        b'0'..=b'9' => byte.wrapping_sub(b'0').wrapping_add(52),
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}
