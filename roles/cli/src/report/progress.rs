//! One line of progress on standard error, on a terminal only.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use super::Tally;
use crate::quantity::{counted, rounded_size};

const EVERY: Duration = Duration::from_millis(100);

/// The line, and whether it is there now.
pub(super) struct Progress {
    is_wanted: bool,
    is_shown: bool,
    last: Instant,
}

impl Progress {
    pub(super) fn new(is_wanted: bool) -> Self {
        Self {
            is_wanted: is_wanted && io::stderr().is_terminal(),
            is_shown: false,
            last: Instant::now(),
        }
    }

    pub(super) fn show(&mut self, tally: &Tally) {
        if !self.is_wanted || self.last.elapsed() < EVERY {
            return;
        }
        let line = format!(
            "\r\x1b[K{}, {}, {} detected",
            counted(tally.files, "file", "files"),
            rounded_size(tally.bytes),
            tally.detected
        );
        self.put(&line);
        self.is_shown = true;
        self.last = Instant::now();
    }

    pub(super) fn clear(&mut self) {
        if self.is_shown {
            self.put("\r\x1b[K");
            self.is_shown = false;
        }
    }

    fn put(&self, text: &str) {
        let mut terminal = io::stderr();
        // Progress is worth no error.
        let _ = terminal.write_all(text.as_bytes());
        let _ = terminal.flush();
    }
}
