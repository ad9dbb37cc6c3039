//! Bytes that a document spells in hexadecimal digits. Readers differ in what an escaped
//! character among the digits means, so that from the first one on there are several readings.

use proto::{Budget, Reason};

use crate::output::{Output, Tally};

const PENDING_BYTES: usize = 4 << 10;

/// What an escaped character among the digits is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escape {
    /// Nothing.
    Ignored,
    /// Nothing, and an odd digit before it is dropped.
    DropsDigit,
    /// The byte that it names.
    Byte,
}

/// The bytes of one object or picture.
pub(super) struct Capture {
    readings: Vec<Reading>,
    bytes_in: u64,
}

struct Reading {
    escape: Escape,
    digit: Option<u8>,
    pending: Vec<u8>,
    output: Output,
}

impl Capture {
    /// Nothing yet.
    pub(super) fn new(tally: Tally) -> Self {
        Self {
            readings: vec![Reading::new(Escape::Ignored, tally)],
            bytes_in: 0,
        }
    }

    /// Takes a byte of text: a digit, or nothing.
    pub(super) fn text(&mut self, byte: u8, budget: &mut Budget) -> Result<(), Reason> {
        let Some(value) = char::from(byte).to_digit(16) else {
            return Ok(());
        };
        let value = u8::try_from(value).unwrap_or(0);
        self.bytes_in = self.bytes_in.saturating_add(1);
        let bytes_in = self.bytes_in;
        for reading in &mut self.readings {
            match reading.digit.take() {
                None => reading.digit = Some(value),
                Some(high) => reading.push(high << 4 | value, bytes_in, budget)?,
            }
        }
        Ok(())
    }

    /// Takes bytes that stand for themselves.
    pub(super) fn binary(&mut self, bytes: &[u8], budget: &mut Budget) -> Result<(), Reason> {
        self.bytes_in = self.bytes_in.saturating_add(bytes.len() as u64);
        for reading in &mut self.readings {
            reading.flush(self.bytes_in, budget)?;
            reading.output.push(bytes, budget, self.bytes_in)?;
        }
        Ok(())
    }

    /// Takes an escaped character.
    pub(super) fn escaped(
        &mut self,
        byte: u8,
        tally: Tally,
        budget: &mut Budget,
    ) -> Result<(), Reason> {
        if self.readings.len() == 1 {
            for escape in [Escape::DropsDigit, Escape::Byte] {
                self.fork(escape, tally, budget)?;
            }
        }
        for reading in &mut self.readings {
            match reading.escape {
                Escape::Ignored => {}
                Escape::DropsDigit => reading.digit = None,
                Escape::Byte => reading.push(byte, self.bytes_in, budget)?,
            }
        }
        Ok(())
    }

    /// Moves what is pending into the outputs.
    pub(super) fn flush(&mut self, budget: &mut Budget) -> Result<(), Reason> {
        let bytes_in = self.bytes_in;
        let mut readings = self.readings.iter_mut();
        readings.try_for_each(|reading| reading.flush(bytes_in, budget))
    }

    /// The readings that differ.
    pub(super) fn readings(&self) -> impl Iterator<Item = &[u8]> {
        let bytes = |at: usize| self.readings.get(at).map(|reading| reading.output.bytes());
        let is_new = move |at: usize| (0..at).all(|before| bytes(before) != bytes(at));
        (0..self.readings.len())
            .filter(move |at| is_new(*at))
            .filter_map(bytes)
    }

    /// Gives the memory back.
    pub(super) fn release(self, budget: &mut Budget) {
        for reading in self.readings {
            reading.output.discard(budget);
        }
    }

    fn fork(&mut self, escape: Escape, tally: Tally, budget: &mut Budget) -> Result<(), Reason> {
        let mut reading = Reading::new(escape, tally);
        let mut copied = Ok(());
        if let Some(first) = self.readings.first() {
            reading.digit = first.digit;
            reading.pending.clone_from(&first.pending);
            copied = reading
                .output
                .push(first.output.bytes(), budget, self.bytes_in);
        }
        self.readings.push(reading);
        copied
    }
}

impl Reading {
    fn new(escape: Escape, tally: Tally) -> Self {
        Self {
            escape,
            digit: None,
            pending: Vec::new(),
            output: Output::new(tally),
        }
    }

    fn push(&mut self, byte: u8, bytes_in: u64, budget: &mut Budget) -> Result<(), Reason> {
        self.pending.push(byte);
        match self.pending.len() >= PENDING_BYTES {
            true => self.flush(bytes_in, budget),
            false => Ok(()),
        }
    }

    fn flush(&mut self, bytes_in: u64, budget: &mut Budget) -> Result<(), Reason> {
        let pushed = self.output.push(&self.pending, budget, bytes_in);
        self.pending.clear();
        pushed
    }
}
