//! Which task does what. A new one is one module and one line here.

use std::os::fd::OwnedFd;

use proto::Question;

use crate::{decide, files, portfolio, prepare, show, verify};

/// Does what is asked; the answer is one JSON text. An error is one of the question.
pub(crate) fn perform(question: &Question, files: Vec<OwnedFd>) -> Result<String, String> {
    let files = files::named(question, files)?;
    match question.task.as_str() {
        "verify" => verify::verify(question, &files),
        "show" => show::show(&files),
        "prepare" => prepare::prepare(&files),
        "decide" => decide::decide(question, &files),
        "portfolio" => portfolio::decide_all(question, &files),
        other => Err(format!("{other:?} is no task of this program")),
    }
}
