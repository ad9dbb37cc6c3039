//! LZW as PDF has it: codes of 9 to 12 bits, the highest bit first. A code that was never defined
//! ends the data, as in readers; nothing before it is lost.

use proto::Budget;

use crate::input::Input;
use crate::members::Stop;
use crate::output::Output;

const CLEAR: u16 = 256;
const END: u16 = 257;
const FIRST: u16 = 258;
const CODES: usize = 4096;
const BITS_MIN: u32 = 9;
const BITS_MAX: u32 = 12;

/// When a code becomes longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// One code early, the default.
    Early,
    /// When it must.
    Late,
}

/// Decodes up to the end code or the end of the input.
pub(super) fn decode(
    change: Change,
    input: &mut Input<'_>,
    output: &mut Output,
    budget: &mut Budget,
) -> Result<(), Stop> {
    let mut table = Table::new();
    let (mut bits, mut count, mut width) = (0u32, 0u32, BITS_MIN);
    let mut last: Option<u16> = None;
    let mut text = Vec::with_capacity(CODES);
    loop {
        while count < width {
            let Some(byte) = input.byte()? else {
                return Ok(());
            };
            bits = bits.wrapping_shl(8) | u32::from(byte);
            count = count.saturating_add(8);
        }
        count = count.saturating_sub(width);
        let mask = 1u32.wrapping_shl(width).wrapping_sub(1);
        let code = u16::try_from(bits.wrapping_shr(count) & mask).unwrap_or(END);
        match code {
            CLEAR => {
                table.clear();
                width = BITS_MIN;
                last = None;
                continue;
            }
            END => return Ok(()),
            _ => {}
        }
        if !table.text(code, last, &mut text) {
            return Err(Stop::malformed("compressed data is damaged"));
        }
        output.push(&text, budget, input.consumed())?;
        if let (Some(last), Some(first)) = (last, text.first()) {
            table.add(last, *first);
        }
        last = Some(code);
        let ahead = match change {
            Change::Early => 1,
            Change::Late => 0,
        };
        while width < BITS_MAX && table.next.saturating_add(ahead) >= 1u32.wrapping_shl(width) {
            width = width.saturating_add(1);
        }
    }
}

/// What each code stands for: another code, and a byte after it.
struct Table {
    before: Vec<u16>,
    byte: Vec<u8>,
    next: u32,
}

impl Table {
    fn new() -> Self {
        Self {
            before: vec![0; CODES],
            byte: vec![0; CODES],
            next: u32::from(FIRST),
        }
    }

    fn clear(&mut self) {
        self.next = u32::from(FIRST);
    }

    /// A full table stays as it is.
    fn add(&mut self, before: u16, byte: u8) {
        let place = usize::try_from(self.next).unwrap_or(CODES);
        if let (Some(to), Some(last)) = (self.before.get_mut(place), self.byte.get_mut(place)) {
            *to = before;
            *last = byte;
            self.next = self.next.saturating_add(1);
        }
    }

    /// Spells a code; `false` where it is not defined.
    fn text(&self, code: u16, last: Option<u16>, text: &mut Vec<u8>) -> bool {
        text.clear();
        let is_next = u32::from(code) == self.next;
        let mut at = match last {
            // The code that this very text is about to define.
            Some(last) if is_next => last,
            _ if u32::from(code) >= self.next => return false,
            _ => code,
        };
        for _ in 0..CODES {
            let place = usize::from(at);
            if let Ok(byte) = u8::try_from(at) {
                text.push(byte);
                break;
            }
            text.push(self.byte.get(place).copied().unwrap_or(0));
            at = self.before.get(place).copied().unwrap_or(0);
        }
        text.reverse();
        if is_next && let Some(first) = text.first().copied() {
            text.push(first);
        }
        true
    }
}
