//! The form of every answer: an exit status, lines for people, and a report for programs.

use serde::Serialize;

/// An answer.
#[derive(Serialize)]
pub(crate) struct Answer<T> {
    /// What `candor` is to end with.
    pub(crate) exit: u8,
    /// What it is to print where nobody asked for JSON.
    pub(crate) text: Vec<String>,
    /// What it is to print where somebody did.
    pub(crate) report: T,
}

impl<T: Serialize> Answer<T> {
    /// As it is sent.
    pub(crate) fn to_json(&self) -> Result<String, String> {
        serde_json::to_string(self).map_err(|error| format!("the answer can't be written: {error}"))
    }
}
