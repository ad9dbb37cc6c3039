//! Why a command could not do what was asked, in the user's words.

use std::fmt;
use std::io;
use std::path::Path;

use crate::escape::escaped_path;

/// Why a command ends early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nobody reads our output any more: end without a word.
    OutputClosed,
    /// Something to tell the user.
    Said(String),
}

impl Failure {
    pub(crate) fn said(text: impl Into<String>) -> Self {
        Self::Said(text.into())
    }

    /// A system error about a path.
    pub(crate) fn at(path: &Path, error: &io::Error) -> Self {
        Self::Said(format!("{}: {}", escaped_path(path), plain(error)))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutputClosed => write!(f, "the output was closed"),
            Self::Said(text) => f.write_str(text),
        }
    }
}

/// Errors without a path are those of our own output.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::OutputClosed;
        }
        Self::Said(format!("the output can't be written: {}", plain(&error)))
    }
}

/// A system error in plain words: lower case, no error number.
pub(crate) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(letters).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_errors_are_plain() {
        let denied = io::Error::from_raw_os_error(13);
        assert_eq!(plain(&denied), "permission denied");
        let failure = Failure::at(Path::new("a\nb"), &denied);
        assert_eq!(failure.to_string(), "a\\nb: permission denied");
    }

    #[test]
    fn a_closed_output_is_no_message() {
        let closed = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(matches!(closed, Failure::OutputClosed));
    }
}
