//! Headers of the bundle's members: POSIX ustar, with nothing in them that differs between two
//! machines (time 0, owner 0, mode 0644). A pax header stands before a member that ustar's size
//! field can't hold.

use std::fmt;

/// The unit of a tar file.
pub const BLOCK_BYTES: usize = 512;
/// The largest size that 11 octal digits hold.
const USTAR_SIZE_MAX: u64 = 0o777_7777_7777;
/// The longest name that the header's first field holds.
const NAME_BYTES_MAX: usize = 100;

/// A name that can't stand in a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadName(String);

impl fmt::Display for BadName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "\"{}\" can't be a member of a bundle: names have 1 to {NAME_BYTES_MAX} printable ASCII letters",
            self.0.escape_debug()
        )
    }
}

impl std::error::Error for BadName {}

/// What stands before a member's bytes: one block, or three where its size needs a pax header.
///
/// # Errors
/// Where the name does not fit.
pub fn header(name: &str, size_bytes: u64) -> Result<Vec<u8>, BadName> {
    let fits = (1..=NAME_BYTES_MAX).contains(&name.len());
    if !fits || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(BadName(name.to_owned()));
    }
    if size_bytes <= USTAR_SIZE_MAX {
        return Ok(block(name, size_bytes, b'0').to_vec());
    }
    let record = pax_record(size_bytes);
    let length = u64::try_from(record.len()).unwrap_or_default();
    let mut blocks = block("pax", length, b'x').to_vec();
    blocks.extend_from_slice(record.as_bytes());
    blocks.resize(BLOCK_BYTES.saturating_mul(2), 0);
    blocks.extend_from_slice(&block(name, 0, b'0'));
    Ok(blocks)
}

/// How many zero bytes follow a member of this size.
#[must_use]
pub fn padding(size_bytes: u64) -> usize {
    let over = usize::try_from(size_bytes % 512).unwrap_or_default();
    BLOCK_BYTES.saturating_sub(over) % BLOCK_BYTES
}

/// What ends the file: two empty blocks.
#[must_use]
pub fn end() -> Vec<u8> {
    vec![0; BLOCK_BYTES.saturating_mul(2)]
}

/// `"LENGTH size=N\n"`, where the length counts itself.
fn pax_record(size_bytes: u64) -> String {
    let tail = format!(" size={size_bytes}\n");
    // Two digits of length: the tail has 8 to 27 letters.
    format!("{}{tail}", tail.len().saturating_add(2))
}

fn block(name: &str, size_bytes: u64, kind: u8) -> [u8; BLOCK_BYTES] {
    let mut block = [0; BLOCK_BYTES];
    put(&mut block, 0, name.as_bytes());
    put(&mut block, 100, b"0000644\0");
    put(&mut block, 108, b"0000000\0");
    put(&mut block, 116, b"0000000\0");
    put(&mut block, 124, format!("{size_bytes:011o}\0").as_bytes());
    put(&mut block, 136, b"00000000000\0");
    put(&mut block, 148, b"        ");
    put(&mut block, 156, &[kind]);
    put(&mut block, 257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    put(&mut block, 148, format!("{sum:06o}\0 ").as_bytes());
    block
}

fn put(block: &mut [u8; BLOCK_BYTES], at: usize, bytes: &[u8]) {
    let field = block.iter_mut().skip(at);
    for (place, byte) in field.zip(bytes) {
        *place = *byte;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    #[test]
    fn python_reads_what_is_written() {
        let mut tar = header("plan.toml", 5).unwrap();
        tar.extend_from_slice(b"hello");
        tar.resize(tar.len() + padding(5), 0);
        tar.extend(header("runs/0001-a/trace.jsonl", 0).unwrap());
        tar.extend(end());
        let script = "import sys,tarfile,io\nt=tarfile.open(fileobj=io.BytesIO(sys.stdin.buffer.read()),mode='r:')\nfor m in t: print(m.name,m.size,m.mtime,m.uid,oct(m.mode))";
        let Ok(mut python) = Command::new("python3")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
        else {
            println!("skipped: python3 is not installed");
            return;
        };
        python.stdin.take().unwrap().write_all(&tar).unwrap();
        let output = python.wait_with_output().unwrap();
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "plan.toml 5 0 0 0o644\nruns/0001-a/trace.jsonl 0 0 0 0o644\n"
        );
    }

    #[test]
    fn a_size_over_ustar_gets_a_pax_header() {
        let blocks = header("capture.pcapng", USTAR_SIZE_MAX + 1).unwrap();
        assert_eq!(blocks.len(), 3 * BLOCK_BYTES);
        assert!(blocks[BLOCK_BYTES..].starts_with(b"19 size=8589934592\n"));
    }

    #[test]
    fn odd_names_are_refused() {
        for name in ["", "a b", "é", &"x".repeat(101)] {
            assert!(header(name, 0).is_err(), "{name}");
        }
    }

    #[test]
    fn members_end_at_a_block() {
        for (size, expected) in [(0, 0), (1, 511), (511, 1), (512, 0), (513, 511)] {
            assert_eq!(padding(size), expected, "{size}");
        }
    }
}
