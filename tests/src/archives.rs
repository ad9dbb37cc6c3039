//! Archives built byte by byte, so that they can say what no honest tool would write.

use miniz_oxide::deflate::compress_to_vec;

/// How a member of a [`Zip`] is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// As it is.
    Stored,
    /// Deflated.
    Deflated,
}

/// A zip archive under construction. Its directory can list what it likes.
#[derive(Debug, Default)]
pub struct Zip {
    bytes: Vec<u8>,
    directory: Vec<u8>,
    entries: u16,
}

/// What the headers say of a member.
#[derive(Clone, Copy, Debug, Default)]
pub struct Header {
    /// General purpose bits; bit 0 says that the member is encrypted.
    pub flags: u16,
    /// 0 for stored, 8 for deflated.
    pub method: u16,
    /// CRC-32 of the content.
    pub crc: u32,
    /// Bytes in the archive.
    pub packed_bytes: usize,
    /// Bytes of the content.
    pub size_bytes: usize,
}

impl Zip {
    /// Adds a member with honest headers.
    #[must_use]
    pub fn with(mut self, name: &[u8], content: &[u8], method: Method) -> Self {
        let (number, packed) = match method {
            Method::Stored => (0, content.to_vec()),
            Method::Deflated => (8, compress_to_vec(content, 9)),
        };
        let header = Header {
            flags: 0,
            method: number,
            crc: crc32fast::hash(content),
            packed_bytes: packed.len(),
            size_bytes: content.len(),
        };
        let offset = self.raw(name, &header, &packed);
        self.listed(name, &header, offset);
        self
    }

    /// Adds a local header and whatever follows it; gives its offset.
    pub fn raw(&mut self, name: &[u8], header: &Header, packed: &[u8]) -> usize {
        let offset = self.bytes.len();
        self.bytes.extend(local_header(name, header));
        self.bytes.extend(packed);
        offset
    }

    /// Adds an entry to the directory.
    pub fn listed(&mut self, name: &[u8], header: &Header, offset: usize) {
        self.directory.extend(b"PK\x01\x02\x14\0");
        self.directory.extend(shared_fields(name, header));
        self.directory.extend([0; 10]);
        self.directory.extend(four(offset));
        self.directory.extend(name);
        self.entries = self.entries.wrapping_add(1);
    }

    /// The archive.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        let offset = self.bytes.len();
        self.bytes.append(&mut self.directory.clone());
        self.bytes.extend(b"PK\x05\x06\0\0\0\0");
        self.bytes.extend(self.entries.to_le_bytes());
        self.bytes.extend(self.entries.to_le_bytes());
        self.bytes.extend(four(self.directory.len()));
        self.bytes.extend(four(offset));
        self.bytes.extend([0, 0]);
        self.bytes
    }
}

/// A zip's local header.
#[must_use]
pub fn local_header(name: &[u8], header: &Header) -> Vec<u8> {
    let mut bytes = b"PK\x03\x04".to_vec();
    bytes.extend(shared_fields(name, header));
    bytes.extend(name);
    bytes
}

/// What both headers say, from the version needed to the length of the extra field.
fn shared_fields(name: &[u8], header: &Header) -> Vec<u8> {
    let mut bytes = vec![20, 0];
    bytes.extend(header.flags.to_le_bytes());
    bytes.extend(header.method.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(header.crc.to_le_bytes());
    bytes.extend(four(header.packed_bytes));
    bytes.extend(four(header.size_bytes));
    bytes.extend(two(name.len()));
    bytes.extend([0, 0]);
    bytes
}

/// A gzip file of one member.
#[must_use]
pub fn gzip(content: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec();
    bytes.extend(compress_to_vec(content, 9));
    bytes.extend(crc32fast::hash(content).to_le_bytes());
    bytes.extend(four(content.len()));
    bytes
}

/// A gzip file whose one member is stored, not compressed: nesting then costs bytes, not time.
#[must_use]
pub fn gzip_stored(content: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec();
    let mut pieces = content.chunks(0xffff).peekable();
    while let Some(piece) = pieces.next() {
        bytes.push(u8::from(pieces.peek().is_none()));
        bytes.extend(two(piece.len()));
        bytes.extend(two(piece.len() ^ 0xffff));
        bytes.extend(piece);
    }
    bytes.extend(crc32fast::hash(content).to_le_bytes());
    bytes.extend(four(content.len()));
    bytes
}

/// An xz file of one block without a check, whose content is stored, at most 64 KiB of it.
#[must_use]
pub fn xz_stored(content: &[u8]) -> Vec<u8> {
    let with_crc = |bytes: &[u8]| [bytes, &crc32fast::hash(bytes).to_le_bytes()].concat();
    let flags = [0, 0];
    let mut bytes = b"\xfd7zXZ\0".to_vec();
    bytes.extend(with_crc(&flags));
    // LZMA2 with the smallest dictionary, sizes unknown.
    let mut block = with_crc(&[2, 0, 0x21, 1, 0, 0, 0, 0]);
    block.push(1);
    let chunk = u16::try_from(content.len() - 1).expect("one chunk");
    block.extend(chunk.to_be_bytes());
    block.extend(content);
    block.push(0);
    let mut index = vec![0, 1];
    index.extend(seven_bits(block.len()));
    index.extend(seven_bits(content.len()));
    block.resize(block.len().next_multiple_of(4), 0);
    index.resize(index.len().next_multiple_of(4), 0);
    let index = with_crc(&index);
    bytes.extend(block);
    let footer = [&four(index.len() / 4 - 1)[..], &flags].concat();
    bytes.extend(&index);
    bytes.extend(crc32fast::hash(&footer).to_le_bytes());
    bytes.extend(footer);
    bytes.extend(b"YZ");
    bytes
}

/// A number in seven bits a byte, the lowest first.
fn seven_bits(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 0x7f {
        bytes.push(u8::try_from(number & 0x7f).expect("seven bits") | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).expect("seven bits"));
    bytes
}

/// A 7z archive as far as its start header goes: nothing more is needed to know it as one.
#[must_use]
pub fn seven_zip(body: &[u8]) -> Vec<u8> {
    let mut start = (body.len() as u64).to_le_bytes().to_vec();
    start.extend([0; 12]);
    let mut bytes = b"7z\xbc\xaf\x27\x1c\0\x04".to_vec();
    bytes.extend(crc32fast::hash(&start).to_le_bytes());
    bytes.extend(start);
    bytes.extend(body);
    bytes
}

/// The headers of a RAR archive as versions 1.5 to 4 write them.
#[must_use]
pub fn rar4() -> Vec<u8> {
    let main = [0x73, 0, 0, 13, 0, 0, 0, 0, 0, 0, 0];
    let crc = crc32fast::hash(&main).to_le_bytes();
    [b"Rar!\x1a\x07\0".as_slice(), &crc[..2], &main].concat()
}

/// The headers of a RAR archive as version 5 writes them.
#[must_use]
pub fn rar5() -> Vec<u8> {
    let main = [3, 1, 0, 0];
    let crc = crc32fast::hash(&main).to_le_bytes();
    [b"Rar!\x1a\x07\x01\0".as_slice(), &crc, &main].concat()
}

/// A cabinet of one folder and one file, as far as its header goes.
#[must_use]
pub fn cab(body: &[u8]) -> Vec<u8> {
    let mut bytes = b"MSCF\0\0\0\0".to_vec();
    bytes.extend(four(36 + body.len()));
    bytes.extend([0; 4]);
    bytes.extend(four(36));
    bytes.extend([0; 4]);
    bytes.extend([3, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend(body);
    bytes
}

/// A window descriptor of zstd: 128 KiB.
pub const WINDOW_128_KIB: u8 = 7 << 3;
/// The same: 240 MiB.
pub const WINDOW_240_MIB: u8 = 17 << 3 | 7;

/// A zstd frame of zeros in blocks that say one byte and how often: four bytes for 128 KiB.
#[must_use]
pub fn zstd_zeros(size_bytes: u64, window: u8) -> Vec<u8> {
    const BLOCK_BYTES: u64 = 128 << 10;
    // The window, and nothing else said.
    let mut bytes = vec![0x28, 0xb5, 0x2f, 0xfd, 0, window];
    let blocks = size_bytes.div_ceil(BLOCK_BYTES).max(1);
    for number in 1..=blocks {
        let length = match number == blocks {
            true => size_bytes - (blocks - 1) * BLOCK_BYTES,
            false => BLOCK_BYTES,
        };
        let header = length << 3 | 1 << 1 | u64::from(number == blocks);
        bytes.extend_from_slice(&header.to_le_bytes()[..3]);
        bytes.push(0);
    }
    bytes
}

/// A tar member: its header, its content, and the padding.
#[must_use]
pub fn tar_member(name: &[u8], content: &[u8]) -> Vec<u8> {
    let mut header = [0u8; 512];
    let name = name.get(..100).unwrap_or(name);
    header[..name.len()].copy_from_slice(name);
    header[100..108].copy_from_slice(b"0000644\0");
    header[108..124].copy_from_slice(b"0000000\x000000000\0");
    header[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
    header[136..148].copy_from_slice(b"00000000000\0");
    header[156] = b'0';
    header[257..265].copy_from_slice(b"ustar\x0000");
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut bytes = header.to_vec();
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn two(number: usize) -> [u8; 2] {
    u16::try_from(number)
        .expect("fits in two bytes")
        .to_le_bytes()
}

fn four(number: usize) -> [u8; 4] {
    u32::try_from(number)
        .expect("fits in four bytes")
        .to_le_bytes()
}
