//! `candor decide`: opens the files, has them judged by the jailed verifier, and prints what it
//! answers. Reads none of them.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use crate::args::DecideArguments;
use crate::ask::{Form, Inquiry};
use crate::escape::escaped_path;
use crate::failure::Failure;

/// Does what is asked.
pub(crate) fn run(arguments: &DecideArguments) -> Result<ExitCode, Failure> {
    if arguments.portfolio.is_none() && arguments.dossier.len() > 1 {
        return Err(Failure::said(
            "one decision is about one --dossier; use --portfolio for several",
        ));
    }
    let answer = inquiry(arguments)?.ask()?;
    if let Some(path) = &arguments.report {
        let mut inquiry = inquiry(arguments)?;
        inquiry.set("form", "html");
        let page = inquiry.ask()?;
        let html: String = serde_json::from_str(page.report.get())
            .map_err(|error| Failure::said(format!("the page can't be read: {error}")))?;
        let write = |path: &Path| File::create(path)?.write_all(html.as_bytes());
        write(path).map_err(|error| Failure::at(path, &error))?;
    }
    answer.print(Form::of(arguments.json))
}

fn inquiry(arguments: &DecideArguments) -> Result<Inquiry, Failure> {
    let task = match arguments.portfolio {
        Some(_) => "portfolio",
        None => "decide",
    };
    let mut inquiry = Inquiry::new(task);
    inquiry.set_day(arguments.as_of.as_deref());
    for (part, file) in [
        ("system", &arguments.system),
        ("systems", &arguments.portfolio),
        ("acceptance", &arguments.risk_acceptance),
        ("earlier", &arguments.earlier),
    ] {
        if let Some(file) = file {
            inquiry.add(part, file)?;
        }
    }
    for dossier in &arguments.dossier {
        file_or_name(&mut inquiry, "dossier", dossier)?;
    }
    file_or_name(&mut inquiry, "pack", &arguments.policy)?;
    for bundle in &arguments.evidence {
        inquiry.add("bundle", bundle)?;
    }
    if let Some(rule) = &arguments.explain {
        inquiry.set("explain", rule.as_str());
    }
    Ok(inquiry)
}

/// What has a folder or an ending in it is a file; else it is the name of what is built in. A file
/// of the same name never takes its place.
fn file_or_name(inquiry: &mut Inquiry, part: &str, given: &Path) -> Result<(), Failure> {
    let is_file = given.components().count() > 1 || given.extension().is_some();
    if is_file {
        return inquiry.add(part, given);
    }
    inquiry.set(part, escaped_path(given));
    Ok(())
}
