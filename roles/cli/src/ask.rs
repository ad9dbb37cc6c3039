//! Questions about files that this process does not read: they go, open and unread, to
//! `candor-verifier`, and what it answers is printed, made safe for a terminal.

use std::io::{self, BufWriter, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use kernel::file::{FileKind, Follow, open_for_scan, stat};
use pool::PoolError;
use proto::{NamedFile, Question, Setting};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::escape::{escaped_path, visible};
use crate::failure::Failure;
use crate::program;

/// No answer is longer.
const ANSWER_BYTES_MAX: usize = 64 << 20;
const SECONDS_A_DAY: u64 = 86_400;

/// A question that is being put together.
#[derive(Debug, Default)]
pub(crate) struct Inquiry {
    question: Question,
    files: Vec<OwnedFd>,
}

/// What came back.
#[derive(Debug, Deserialize)]
pub(crate) struct Answer {
    /// What to end with.
    pub(crate) exit: u8,
    /// Lines for people.
    pub(crate) text: Vec<String>,
    /// One JSON value for programs, as it was written.
    pub(crate) report: Box<RawValue>,
}

/// For whom it is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    Json,
}

impl Form {
    pub(crate) fn of(json: bool) -> Self {
        if json { Self::Json } else { Self::Text }
    }
}

impl Inquiry {
    /// A question for a task.
    pub(crate) fn new(task: &str) -> Self {
        let mut inquiry = Self::default();
        task.clone_into(&mut inquiry.question.task);
        inquiry
    }

    /// Adds a setting.
    pub(crate) fn set(&mut self, key: &str, value: impl Into<String>) {
        self.question.settings.push(Setting {
            key: key.to_owned(),
            value: value.into(),
        });
    }

    /// Adds the day: as it was given, or today.
    pub(crate) fn set_day(&mut self, given: Option<&str>) {
        match given {
            Some(day) => self.set("as-of", day),
            None => self.set("today", days_since_1970().to_string()),
        }
    }

    /// Opens a file and adds it.
    pub(crate) fn add(&mut self, part: &str, path: &Path) -> Result<(), Failure> {
        let at = |error: io::Error| Failure::at(path, &error);
        let file = open_for_scan(path, Follow::Links).map_err(at)?;
        if stat(&file).map_err(at)?.kind != FileKind::Regular {
            let path = escaped_path(path);
            return Err(Failure::said(format!("{path}: it is no plain file")));
        }
        if self.files.len() >= proto::BATCH_ITEMS_MAX {
            let most = proto::BATCH_ITEMS_MAX;
            return Err(Failure::said(format!("more than {most} files at once")));
        }
        self.question.files.push(NamedFile {
            part: part.to_owned(),
            label: escaped_path(path),
        });
        self.files.push(file);
        Ok(())
    }

    /// Asks.
    pub(crate) fn ask(self) -> Result<Answer, Failure> {
        let program = program::verifier()?;
        let asked = pool::judge(&program, (self.question, self.files), ANSWER_BYTES_MAX);
        let text = asked.map_err(|error| match error {
            PoolError::Unanswered(why) => Failure::said(visible(&why)),
            other => Failure::said(visible(&other.to_string())),
        })?;
        serde_json::from_str(&text)
            .map_err(|error| Failure::said(format!("the answer can't be read: {error}")))
    }
}

impl Answer {
    /// Prints it, and says what to end with.
    pub(crate) fn print(&self, form: Form) -> Result<ExitCode, Failure> {
        let mut output = BufWriter::new(io::stdout());
        match form {
            Form::Json => writeln!(output, "{}", self.report.get())?,
            Form::Text => {
                for line in &self.text {
                    writeln!(output, "{}", visible(line))?;
                }
            }
        }
        output.flush()?;
        Ok(ExitCode::from(self.exit))
    }
}

fn days_since_1970() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs() / SECONDS_A_DAY)
}
