//! One bzip2 stream: Huffman codes, move-to-front, the Burrows-Wheeler transform and run lengths,
//! a block at a time. A block that ends early gives nothing: the transform needs all of it.
//! It refuses the obsolete randomised blocks, by name.

use proto::Budget;

use crate::input::Input;
use crate::members::Stop;
use crate::output::Output;

const BLOCK_MAGIC: u64 = 0x3141_5926_5359;
const END_MAGIC: u64 = 0x1772_4538_5090;
const GROUP_SYMBOLS: usize = 50;
const CODE_BITS: u32 = 20;
const CODE_BITS_MAX: usize = 20;
const SELECTORS_MAX: usize = 18_002;
const ALPHABET_MAX: usize = 258;
/// Decoded bytes collected before they go to the output.
const CHUNK_BYTES: usize = 8 << 10;

const DAMAGED: &str = "compressed data is damaged";
const ENDS_EARLY: &str = "compressed data ends early";

/// Decodes one stream, from its `BZh` to its checksum.
pub(crate) fn bunzip2(
    input: &mut Input<'_>,
    output: &mut Output,
    budget: &mut Budget,
) -> Result<(), Stop> {
    let level = match input.at_least(4)?.get(..4) {
        Some([b'B', b'Z', b'h', level @ b'1'..=b'9']) => usize::from(level.wrapping_sub(b'0')),
        _ => return Err(Stop::malformed("bzip2 header is damaged")),
    };
    input.consume(4);
    let block_max = level.saturating_mul(100_000);
    let state_bytes = (block_max as u64).saturating_mul(4);
    budget.hold_memory(state_bytes)?;
    let decoded = blocks(&mut Bits::new(input), block_max, output, budget);
    budget.release_memory(state_bytes);
    decoded
}

fn blocks(
    bits: &mut Bits<'_, '_>,
    block_max: usize,
    output: &mut Output,
    budget: &mut Budget,
) -> Result<(), Stop> {
    let mut stream_crc = 0u32;
    loop {
        budget.check_time()?;
        let magic = (bits.take(24)?, bits.take(24)?);
        let magic = u64::from(magic.0).wrapping_shl(24) | u64::from(magic.1);
        let crc = bits.take(16)?.wrapping_shl(16) | bits.take(16)?;
        match magic {
            BLOCK_MAGIC => {
                let actual = block(bits, block_max, output, budget)?;
                if actual != crc {
                    return Err(Stop::malformed("checksum of a block does not match"));
                }
                stream_crc = stream_crc.rotate_left(1) ^ actual;
            }
            END_MAGIC => {
                bits.finish();
                if stream_crc != crc {
                    return Err(Stop::malformed("checksum does not match"));
                }
                return Ok(());
            }
            _ => return Err(Stop::malformed(DAMAGED)),
        }
    }
}

fn block(
    bits: &mut Bits<'_, '_>,
    block_max: usize,
    output: &mut Output,
    budget: &mut Budget,
) -> Result<u32, Stop> {
    if bits.take(1)? != 0 {
        return Err(Stop::unsupported("bzip2 block is randomised"));
    }
    let origin = bits.take(24)? as usize;
    let used = used_bytes(bits)?;
    let alphabet = used.len().saturating_add(2);
    let table_count = bits.take(3)? as usize;
    if !(2..=6).contains(&table_count) {
        return Err(Stop::malformed(DAMAGED));
    }
    let selectors = selectors(bits, table_count)?;
    let mut tables = Vec::new();
    for _ in 0..table_count {
        tables.push(Table::read(bits, alphabet)?);
    }
    let mut symbols = Symbols {
        tables: &tables,
        selectors: selectors.iter(),
        current: None,
        left: 0,
    };
    let (mut transform, counts) = move_to_front(bits, used, block_max, &mut symbols)?;
    if origin >= transform.len() {
        return Err(Stop::malformed(DAMAGED));
    }
    link(&mut transform, &counts);
    let consumed = bits.consumed();
    unfold(&transform, origin, &mut Sink::new(output, consumed), budget)
}

/// The bytes that the block uses, in order: a map of maps, 16 by 16.
fn used_bytes(bits: &mut Bits<'_, '_>) -> Result<Vec<u8>, Stop> {
    let rows = bits.take(16)?;
    let mut used = Vec::new();
    for row in 0..16u8 {
        if rows.wrapping_shr(15u32.wrapping_sub(u32::from(row))) & 1 == 0 {
            continue;
        }
        let columns = bits.take(16)?;
        for column in 0..16u8 {
            if columns.wrapping_shr(15u32.wrapping_sub(u32::from(column))) & 1 != 0 {
                used.push(row.wrapping_mul(16).wrapping_add(column));
            }
        }
    }
    match used.is_empty() {
        true => Err(Stop::malformed(DAMAGED)),
        false => Ok(used),
    }
}

fn selectors(bits: &mut Bits<'_, '_>, table_count: usize) -> Result<Vec<u8>, Stop> {
    let count = bits.take(15)? as usize;
    if count == 0 {
        return Err(Stop::malformed(DAMAGED));
    }
    let mut recent: Vec<u8> = (0..6).take(table_count).collect();
    let mut selectors = Vec::new();
    for _ in 0..count {
        let mut place = 0;
        while bits.take(1)? == 1 {
            place = place_after(place, table_count)?;
        }
        let table = recent.remove(place);
        recent.insert(0, table);
        // Some encoders write more than a block can use; those are read and dropped.
        if selectors.len() < SELECTORS_MAX {
            selectors.push(table);
        }
    }
    Ok(selectors)
}

fn place_after(place: usize, table_count: usize) -> Result<usize, Stop> {
    match place.saturating_add(1) {
        next if next < table_count => Ok(next),
        _ => Err(Stop::malformed(DAMAGED)),
    }
}

/// A canonical Huffman code: per length, the last code, and where its symbols begin.
struct Table {
    /// For a length: one past its last code, aligned to [`CODE_BITS`] bits.
    limits: [u32; CODE_BITS_MAX + 1],
    /// For a length: what to subtract from a code to get its place in `symbols`.
    offsets: [u32; CODE_BITS_MAX + 1],
    symbols: Vec<u16>,
}

impl Table {
    fn read(bits: &mut Bits<'_, '_>, alphabet: usize) -> Result<Self, Stop> {
        let mut lengths = [0u8; ALPHABET_MAX];
        let mut length = bits.take(5)?;
        for slot in lengths.iter_mut().take(alphabet) {
            loop {
                if !(1..=CODE_BITS).contains(&length) {
                    return Err(Stop::malformed(DAMAGED));
                }
                if bits.take(1)? == 0 {
                    break;
                }
                length = match bits.take(1)? {
                    0 => length.wrapping_add(1),
                    _ => length.wrapping_sub(1),
                };
            }
            *slot = u8::try_from(length).unwrap_or(u8::MAX);
        }
        Ok(Self::from_lengths(
            lengths.get(..alphabet).unwrap_or_default(),
        ))
    }

    fn from_lengths(lengths: &[u8]) -> Self {
        let mut table = Self {
            limits: [0; CODE_BITS_MAX + 1],
            offsets: [0; CODE_BITS_MAX + 1],
            symbols: Vec::with_capacity(lengths.len()),
        };
        let mut code = 0u32;
        let slots = table.limits.iter_mut().zip(&mut table.offsets);
        for (length, (limit, offset)) in slots.enumerate().skip(1) {
            code = code.wrapping_shl(1);
            *offset = code.wrapping_sub(u32::try_from(table.symbols.len()).unwrap_or(0));
            for (symbol, _) in (0u16..)
                .zip(lengths)
                .filter(|(_, own)| usize::from(**own) == length)
            {
                table.symbols.push(symbol);
                code = code.wrapping_add(1);
            }
            let shift = CODE_BITS_MAX.saturating_sub(length);
            *limit = code.wrapping_shl(u32::try_from(shift).unwrap_or(0));
        }
        table
    }

    fn symbol(&self, bits: &mut Bits<'_, '_>) -> Result<u16, Stop> {
        let (window, available) = bits.window(CODE_BITS)?;
        for (length, limit) in (0u32..).zip(&self.limits).skip(1) {
            if window >= *limit {
                continue;
            }
            if length > available {
                return Err(Stop::malformed(ENDS_EARLY));
            }
            bits.drop_bits(length);
            let code = window.wrapping_shr(CODE_BITS.wrapping_sub(length));
            let place = self
                .offsets
                .get(length as usize)
                .map(|offset| code.wrapping_sub(*offset) as usize);
            return place
                .and_then(|place| self.symbols.get(place))
                .copied()
                .ok_or(Stop::malformed(DAMAGED));
        }
        match available < CODE_BITS {
            true => Err(Stop::malformed(ENDS_EARLY)),
            false => Err(Stop::malformed(DAMAGED)),
        }
    }
}

/// Symbols of a block: fifty from the table that each selector names.
struct Symbols<'t> {
    tables: &'t [Table],
    selectors: std::slice::Iter<'t, u8>,
    current: Option<&'t Table>,
    left: usize,
}

impl Symbols<'_> {
    fn next(&mut self, bits: &mut Bits<'_, '_>) -> Result<u16, Stop> {
        if self.left == 0 {
            let selector = self.selectors.next().ok_or(Stop::malformed(DAMAGED))?;
            self.current = self.tables.get(usize::from(*selector));
            self.left = GROUP_SYMBOLS;
        }
        self.left = self.left.wrapping_sub(1);
        self.current.ok_or(Stop::malformed(DAMAGED))?.symbol(bits)
    }
}

/// The block's last column, and how often each byte occurs in it.
fn move_to_front(
    bits: &mut Bits<'_, '_>,
    mut recent: Vec<u8>,
    block_max: usize,
    symbols: &mut Symbols<'_>,
) -> Result<(Vec<u32>, [u32; 256]), Stop> {
    let end_symbol = u16::try_from(recent.len().saturating_add(1)).unwrap_or(u16::MAX);
    let mut column: Vec<u32> = Vec::new();
    let mut counts = [0u32; 256];
    loop {
        let mut symbol = symbols.next(bits)?;
        // Run lengths come as bijective base-two digits, least significant first.
        let mut run = 0usize;
        let mut weight = 1usize;
        while symbol < 2 {
            run = run.saturating_add(weight.saturating_mul(usize::from(symbol).saturating_add(1)));
            weight = weight.saturating_mul(2);
            if run > block_max {
                return Err(Stop::malformed(DAMAGED));
            }
            symbol = symbols.next(bits)?;
        }
        let front = recent.first().copied().unwrap_or(0);
        append(&mut column, &mut counts, (front, run), block_max)?;
        if symbol == end_symbol {
            return Ok((column, counts));
        }
        let place = usize::from(symbol).saturating_sub(1);
        let byte = *recent.get(place).ok_or(Stop::malformed(DAMAGED))?;
        recent.copy_within(..place, 1);
        if let Some(first) = recent.first_mut() {
            *first = byte;
        }
        append(&mut column, &mut counts, (byte, 1), block_max)?;
    }
}

fn append(
    column: &mut Vec<u32>,
    counts: &mut [u32; 256],
    (byte, run): (u8, usize),
    block_max: usize,
) -> Result<(), Stop> {
    let length = column.len().saturating_add(run);
    if length > block_max {
        return Err(Stop::malformed(DAMAGED));
    }
    column.resize(length, u32::from(byte));
    if let Some(count) = counts.get_mut(usize::from(byte)) {
        *count = count.wrapping_add(u32::try_from(run).unwrap_or(0));
    }
    Ok(())
}

/// Turns the last column into links: each entry keeps its byte in the low eight bits and gets
/// the place of its successor above them.
fn link(column: &mut [u32], counts: &[u32; 256]) {
    let mut starts = [0u32; 256];
    let mut sum = 0u32;
    for (start, count) in starts.iter_mut().zip(counts) {
        *start = sum;
        sum = sum.wrapping_add(*count);
    }
    for place in 0..column.len() {
        let byte = column.get(place).map_or(0, |entry| entry & 0xff);
        let Some(start) = starts.get_mut(byte as usize) else {
            continue;
        };
        if let Some(entry) = column.get_mut(*start as usize) {
            *entry |= u32::try_from(place).unwrap_or(0).wrapping_shl(8);
        }
        *start = start.wrapping_add(1);
    }
}

/// Follows the links, expands the outer run lengths, and returns the block's checksum.
fn unfold(
    links: &[u32],
    origin: usize,
    sink: &mut Sink<'_>,
    budget: &mut Budget,
) -> Result<u32, Stop> {
    let mut place = links
        .get(origin)
        .map_or(0, |entry| entry.wrapping_shr(8) as usize);
    let mut previous = None;
    let mut repeats = 0u8;
    for _ in 0..links.len() {
        let entry = links.get(place).copied().unwrap_or(0);
        place = entry.wrapping_shr(8) as usize;
        let byte = entry.to_le_bytes()[0];
        if repeats == 4 {
            // The fifth is a count of further copies.
            for _ in 0..byte {
                sink.put(previous.unwrap_or(0), budget)?;
            }
            repeats = 0;
            previous = None;
            continue;
        }
        repeats = match previous == Some(byte) {
            true => repeats.wrapping_add(1),
            false => 1,
        };
        previous = Some(byte);
        sink.put(byte, budget)?;
    }
    sink.flush(budget)?;
    Ok(!sink.crc)
}

/// Collects decoded bytes and their checksum (most significant bit first, unlike zip's).
struct Sink<'o> {
    output: &'o mut Output,
    bytes_in: u64,
    chunk: Vec<u8>,
    crc: u32,
}

impl<'o> Sink<'o> {
    fn new(output: &'o mut Output, bytes_in: u64) -> Self {
        Self {
            output,
            bytes_in,
            chunk: Vec::with_capacity(CHUNK_BYTES),
            crc: u32::MAX,
        }
    }

    fn put(&mut self, byte: u8, budget: &mut Budget) -> Result<(), Stop> {
        let index = self.crc.wrapping_shr(24) as usize ^ usize::from(byte);
        let step = CRC_TABLE.get(index).copied().unwrap_or(0);
        self.crc = self.crc.wrapping_shl(8) ^ step;
        self.chunk.push(byte);
        if self.chunk.len() >= CHUNK_BYTES {
            self.flush(budget)?;
        }
        Ok(())
    }

    fn flush(&mut self, budget: &mut Budget) -> Result<(), Stop> {
        self.output.push(&self.chunk, budget, self.bytes_in)?;
        self.chunk.clear();
        Ok(())
    }
}

static CRC_TABLE: [u32; 256] = crc_table();

const fn crc_table() -> [u32; 256] {
    let mut table = [0u32; 256];
    let mut index: u32 = 0;
    while index < 256 {
        let mut crc = index.wrapping_shl(24);
        let mut bit = 0u32;
        while bit < 8 {
            crc = match crc & 0x8000_0000 {
                0 => crc.wrapping_shl(1),
                _ => crc.wrapping_shl(1) ^ 0x04c1_1db7,
            };
            bit = bit.wrapping_add(1);
        }
        if let Some((_, rest)) = table.split_at_mut_checked(index as usize)
            && let Some(slot) = rest.first_mut()
        {
            *slot = crc;
        }
        index = index.wrapping_add(1);
    }
    table
}

/// Bits of the input, most significant first.
struct Bits<'i, 'a> {
    input: &'i mut Input<'a>,
    window: u64,
    count: u32,
}

impl<'i, 'a> Bits<'i, 'a> {
    fn new(input: &'i mut Input<'a>) -> Self {
        Self {
            input,
            window: 0,
            count: 0,
        }
    }

    fn consumed(&self) -> u64 {
        self.input.consumed()
    }

    fn fill(&mut self, count: u32) -> Result<(), Stop> {
        while self.count < count {
            let Some(byte) = self.input.byte()? else {
                break;
            };
            self.window = self.window.wrapping_shl(8) | u64::from(byte);
            self.count = self.count.wrapping_add(8);
        }
        Ok(())
    }

    /// The next bits, at most 24.
    fn take(&mut self, count: u32) -> Result<u32, Stop> {
        let (bits, available) = self.window(count)?;
        if available < count {
            return Err(Stop::malformed(ENDS_EARLY));
        }
        self.drop_bits(count);
        Ok(bits)
    }

    /// The next bits without taking them, padded with zeros past the end, and how many are real.
    fn window(&mut self, count: u32) -> Result<(u32, u32), Stop> {
        self.fill(count)?;
        let mask = 1u64.wrapping_shl(count).wrapping_sub(1);
        let bits = match self.count.checked_sub(count) {
            Some(spare) => self.window.wrapping_shr(spare),
            None => self.window.wrapping_shl(count.wrapping_sub(self.count)),
        };
        let bits = u32::try_from(bits & mask).unwrap_or(0);
        Ok((bits, self.count.min(count)))
    }

    fn drop_bits(&mut self, count: u32) {
        self.count = self.count.saturating_sub(count);
        self.window &= 1u64.wrapping_shl(self.count).wrapping_sub(1);
    }

    /// Leaves the input at the byte after the last bit taken.
    fn finish(&mut self) {
        let spare = u64::from(self.count.wrapping_shr(3));
        let offset = self.input.offset().saturating_sub(spare);
        self.input.seek(offset);
        self.window = 0;
        self.count = 0;
    }
}
