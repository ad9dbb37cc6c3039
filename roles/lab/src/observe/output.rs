//! A file of records that grows to a limit and no further: a product must not fill the recorder's
//! memory by being busy. What does not fit is counted.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use lab::trace::{Event, Observer};

/// Four million openings of files, about.
const BYTES_MAX: u64 = 1 << 30;
/// Kept free for the line that says what was lost.
const LAST_LINE_BYTES: u64 = 256;

/// Records, a line each.
#[derive(Debug)]
pub(super) struct Output {
    file: BufWriter<File>,
    line: Vec<u8>,
    left_bytes: u64,
    lost: u64,
    error: Option<io::Error>,
}

impl Output {
    pub(super) fn new(file: File) -> Self {
        Self::with_limit(file, BYTES_MAX)
    }

    fn with_limit(file: File, bytes_max: u64) -> Self {
        Self {
            file: BufWriter::with_capacity(1 << 16, file),
            line: Vec::new(),
            left_bytes: bytes_max.saturating_sub(LAST_LINE_BYTES),
            lost: 0,
            error: None,
        }
    }

    /// Writes one record. An error is kept for the end: a run is not stopped by a full disk.
    pub(super) fn write(&mut self, event: &Event) {
        self.line.clear();
        if let Err(error) = serde_json::to_writer(&mut self.line, event) {
            self.error.get_or_insert(error.into());
            return;
        }
        self.line.push(b'\n');
        let size = u64::try_from(self.line.len()).unwrap_or(u64::MAX);
        let Some(left) = self.left_bytes.checked_sub(size) else {
            self.lose(1);
            return;
        };
        self.left_bytes = left;
        if let Err(error) = self.file.write_all(&self.line) {
            self.error.get_or_insert(error);
        }
    }

    /// Counts what could not be told.
    pub(super) fn lose(&mut self, count: u64) {
        self.lost = self.lost.saturating_add(count);
    }

    /// Keeps an error for the end.
    pub(super) fn fail(&mut self, error: io::Error) {
        self.error.get_or_insert(error);
    }

    /// Says how much was lost, in the records and to the caller.
    pub(super) fn finish(mut self, observer: Observer) -> io::Result<u64> {
        if self.lost > 0 {
            self.left_bytes = self.left_bytes.saturating_add(LAST_LINE_BYTES);
            let count = self.lost;
            self.write(&Event::Lost { observer, count });
        }
        if let Some(error) = self.error {
            return Err(error);
        }
        self.file.flush()?;
        Ok(self.lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_counted_and_said() {
        let path = tempfile::NamedTempFile::new().unwrap();
        let mut output = Output::with_limit(path.reopen().unwrap(), LAST_LINE_BYTES + 100);
        let event = Event::Exit {
            at: 1,
            pid: 2,
            status: 0,
        };
        for _ in 0..10 {
            output.write(&event);
        }
        let lost = output.finish(Observer::Tracepoints).unwrap();
        let text = std::fs::read_to_string(path.path()).unwrap();
        let last: Event = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        let written = u64::try_from(text.lines().count()).unwrap() - 1;
        assert_eq!(written + lost, 10);
        let observer = Observer::Tracepoints;
        assert_eq!(
            last,
            Event::Lost {
                observer,
                count: lost
            }
        );
    }
}
