//! The LZW of `compress` (`.Z`): codes of 9 to 16 bits, least significant bit first, in groups of
//! eight. It refuses codes longer than 16 bits, as every reader does.

use proto::Budget;

use crate::decode::xz::{DAMAGED, ENDS_EARLY};
use crate::input::Input;
use crate::members::Stop;
use crate::output::Output;

pub(crate) const MAGIC: &[u8] = b"\x1f\x9d";
const CODE_BITS_MIN: u32 = 9;
const CODE_BITS_MAX: u32 = 16;
const CLEAR: usize = 256;
const RESETS: u8 = 0x80;
/// Bytes of prefix, suffix and stack for each code.
const TABLE_BYTES: u64 = (1 << 16) * 4;

/// Decodes a file of this format.
pub(crate) fn uncompress(
    input: &mut Input<'_>,
    output: &mut Output,
    budget: &mut Budget,
) -> Result<(), Stop> {
    let flags = *input
        .at_least(3)?
        .get(2)
        .ok_or(Stop::malformed(ENDS_EARLY))?;
    let bits_max = u32::from(flags & 0x1f);
    if !(CODE_BITS_MIN..=CODE_BITS_MAX).contains(&bits_max) {
        return Err(Stop::unsupported("length of the codes is not supported"));
    }
    input.consume(3);
    budget.hold_memory(TABLE_BYTES)?;
    let resets = flags & RESETS != 0;
    let decoded = Table::new(bits_max, resets).decode(input, (output, budget));
    budget.release_memory(TABLE_BYTES);
    decoded
}

struct Table {
    prefix: Vec<u16>,
    suffix: Vec<u8>,
    bits_max: u32,
    bits: u32,
    /// Whether one code empties the table.
    resets: bool,
    /// The code that comes next into the table.
    next: usize,
    /// The code before, and the first byte that it stands for.
    before: Option<(usize, u8)>,
    /// A code's bytes, last first.
    stack: Vec<u8>,
}

impl Table {
    fn new(bits_max: u32, resets: bool) -> Self {
        let size = 1usize.wrapping_shl(bits_max);
        let mut suffix = vec![0; size];
        for (slot, byte) in suffix.iter_mut().zip(0..=u8::MAX) {
            *slot = byte;
        }
        Self {
            prefix: vec![0; size],
            suffix,
            bits_max,
            bits: CODE_BITS_MIN,
            resets,
            next: Self::first(resets),
            before: None,
            stack: Vec::new(),
        }
    }

    fn first(resets: bool) -> usize {
        if resets {
            CLEAR.saturating_add(1)
        } else {
            CLEAR
        }
    }

    fn decode(
        mut self,
        input: &mut Input<'_>,
        (output, budget): (&mut Output, &mut Budget),
    ) -> Result<(), Stop> {
        loop {
            budget.check_time()?;
            // Eight codes of one length are as many bytes as that length.
            let group = usize::try_from(self.bits).unwrap_or(0);
            let bytes = input.at_least(group)?;
            let bytes = bytes.get(..group).unwrap_or(bytes).to_vec();
            if bytes.is_empty() {
                return Ok(());
            }
            input.consume(bytes.len());
            let word = bytes
                .iter()
                .rev()
                .fold(0u128, |word, byte| word.wrapping_shl(8) | u128::from(*byte));
            let bits = self.bits;
            let count = u32::try_from(bytes.len()).unwrap_or(0).wrapping_mul(8);
            let count = count.checked_div(bits).unwrap_or(0);
            for place in 0..count {
                let mask = 1u128.wrapping_shl(bits).wrapping_sub(1);
                let code = word.wrapping_shr(place.wrapping_mul(bits)) & mask;
                let code = usize::try_from(code).unwrap_or(0);
                self.code(code, input.consumed(), (&mut *output, &mut *budget))?;
                // What is left of a group is padding once the length changes.
                if self.bits != bits || (self.resets && code == CLEAR) {
                    break;
                }
            }
            // The format has no end mark; a code that is cut off is all that shows.
            let used = count.wrapping_mul(bits);
            if bytes.len() < group && word.checked_shr(used).unwrap_or(0) != 0 {
                return Err(Stop::malformed(ENDS_EARLY));
            }
        }
    }

    fn code(
        &mut self,
        code: usize,
        bytes_in: u64,
        (output, budget): (&mut Output, &mut Budget),
    ) -> Result<(), Stop> {
        if code == CLEAR && self.resets {
            self.bits = CODE_BITS_MIN;
            self.next = Self::first(true);
            self.before = None;
            return Ok(());
        }
        let is_new = code == self.next;
        let Some((before, first)) = self.before else {
            let byte = u8::try_from(code).map_err(|_| Stop::malformed(DAMAGED))?;
            output.push(&[byte], budget, bytes_in)?;
            self.before = Some((code, byte));
            return Ok(());
        };
        if code > self.next || (is_new && self.next >= self.suffix.len()) {
            return Err(Stop::malformed(DAMAGED));
        }
        self.stack.clear();
        let mut at = code;
        if is_new {
            self.stack.push(first);
            at = before;
        }
        // Each prefix is an older code, so that this ends.
        while at > usize::from(u8::MAX) {
            self.stack.push(self.suffix.get(at).copied().unwrap_or(0));
            let prefix = usize::from(self.prefix.get(at).copied().unwrap_or(0));
            at = if prefix < at { prefix } else { 0 };
        }
        let first = self.suffix.get(at).copied().unwrap_or(0);
        self.stack.push(first);
        self.stack.reverse();
        output.push(&self.stack, budget, bytes_in)?;
        self.learn(before, first);
        self.before = Some((code, first));
        Ok(())
    }

    fn learn(&mut self, before: usize, last: u8) {
        let slots = (
            self.prefix.get_mut(self.next),
            self.suffix.get_mut(self.next),
        );
        if let (Some(prefix), Some(suffix)) = slots {
            *prefix = u16::try_from(before).unwrap_or(0);
            *suffix = last;
            self.next = self.next.saturating_add(1);
        }
        if self.next >= 1usize.wrapping_shl(self.bits) && self.bits < self.bits_max {
            self.bits = self.bits.saturating_add(1);
        }
    }
}
