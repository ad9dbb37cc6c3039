//! Records as JSON Lines: one object a line, and nothing else in the file.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// No record of ours is longer; a longer line is not read.
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// A line that holds no record, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// From 1.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// One record as a line, its end included.
///
/// # Errors
/// Where the record holds something that JSON can't; none of ours does.
pub fn to_line<T: Serialize>(record: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut line = serde_json::to_vec(record)?;
    line.push(b'\n');
    Ok(line)
}

/// The records of a file, each with its line's number from 1. A file that ends inside a line has
/// lost something, and that is a bad line too.
pub fn read<T: DeserializeOwned>(
    bytes: &[u8],
) -> impl Iterator<Item = (u64, Result<T, BadLine>)> + '_ {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    lines.zip(1_u64..).map(|(line, number)| {
        let record = parsed(line).map_err(|reason| BadLine {
            line: number,
            reason,
        });
        (number, record)
    })
}

fn parsed<T: DeserializeOwned>(line: &[u8]) -> Result<T, String> {
    let Some(line) = line.strip_suffix(b"\n") else {
        return Err("the file ends inside a line".to_owned());
    };
    if line.len() > LINE_BYTES_MAX {
        return Err("the line is longer than any record".to_owned());
    }
    serde_json::from_slice(line).map_err(|error| error.to_string())
}
