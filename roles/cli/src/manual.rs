//! Completions, manual pages and the table of limits, all from the definition in `args`.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory;

use crate::args::{Arguments, CompletionsArguments, ManArguments};
use crate::failure::Failure;

/// Prints the completions for a shell.
pub(crate) fn completions(arguments: &CompletionsArguments) -> Result<ExitCode, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(
        arguments.shell,
        &mut Arguments::command(),
        "candor",
        &mut text,
    );
    print(&text)
}

/// Prints one manual page, or writes all of them.
pub(crate) fn man(arguments: &ManArguments) -> Result<ExitCode, Failure> {
    let pages = pages().map_err(|error| Failure::said(format!("the manual: {error}")))?;
    if let Some(dir) = &arguments.dir {
        return write_all(&pages, dir);
    }
    let wanted = arguments.page.trim_start_matches("candor-");
    let wanted = wanted.replace(' ', "-");
    match pages.iter().find(|page| page.is_named(&wanted)) {
        Some(page) => print(&page.text),
        None => {
            let names: Vec<_> = pages.iter().map(|page| page.name.as_str()).collect();
            Err(Failure::said(format!(
                "no manual page {:?}; there are: {}",
                arguments.page,
                names.join(", ")
            )))
        }
    }
}

struct Page {
    /// `candor`, `candor-scan`, `candor-rules-build`.
    name: String,
    text: Vec<u8>,
}

impl Page {
    fn is_named(&self, wanted: &str) -> bool {
        self.name == wanted || self.name.strip_prefix("candor-") == Some(wanted)
    }
}

fn pages() -> io::Result<Vec<Page>> {
    let mut root = Arguments::command();
    root.build();
    let mut left = vec![("candor".to_owned(), root)];
    let mut pages = Vec::new();
    while let Some((name, command)) = left.pop() {
        for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
            left.push((format!("{name}-{}", sub.get_name()), sub.clone()));
        }
        let mut text = Vec::new();
        clap_mangen::Man::new(command)
            .source(concat!("candor ", env!("CARGO_PKG_VERSION")))
            .manual("Candor")
            .render(&mut text)?;
        pages.push(Page { name, text });
    }
    pages.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(pages)
}

fn write_all(pages: &[Page], dir: &Path) -> Result<ExitCode, Failure> {
    fs::create_dir_all(dir).map_err(|error| Failure::at(dir, &error))?;
    for page in pages {
        let path = dir.join(format!("{}.1", page.name));
        fs::write(&path, &page.text).map_err(|error| Failure::at(&path, &error))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(text: &[u8]) -> Result<ExitCode, Failure> {
    io::stdout().write_all(text)?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::LIMITS_HEADING;

    /// `docs/limits.md`, from the options' definition.
    fn limits_table() -> String {
        let mut table = "# Limits\n\nThe bounds of the scan of one file, members and all. What \
                         reaches one is reported as `incomplete` with its reason, never as clean.\n\n\
                         | option | default | bounds | reason when reached |\n|---|---|---|---|\n"
            .to_owned();
        let root = Arguments::command();
        let scan = root.find_subcommand("scan").unwrap();
        for option in scan.get_arguments() {
            if option.get_help_heading() != Some(LIMITS_HEADING) {
                continue;
            }
            let name = option.get_long().unwrap();
            let default = option.get_default_values()[0]
                .to_string_lossy()
                .into_owned();
            let help = option.get_help().unwrap();
            let reason = name.replace("max-", "limit-");
            table += &format!("| `--{name}` | {default} | {help} | `{reason}` |\n");
        }
        table
            + "\nSizes take the suffixes K, M, G and T (powers of 1,024), times take ms, s, m and \
                 h.\nA file's output is never called out of proportion below 8 MiB.\nOn each object the search for \
                 signatures may spend a 512th of `--max-work` and, at the default, a step for each of its bytes; \
                 regular expressions have all of `--max-work`.\nA worker process holds \
               at most `--max-memory` and 128 MiB beside it, for its tables and windows, and where it runs YARA \
               rules 256 MiB more and eight times the length of what they compile to; the kernel \
               refuses it more. One that compiles signatures holds at most 5 GiB, and of its sources at \
               most 1.5 GiB at a time.\nStandard input is first put into a temporary file without a name, in `TMPDIR` \
                 or else `/var/tmp`, at most one byte\nmore than `--max-bytes`; where no such file can \
                 be made it is held in memory, at most 256 MiB, and more is an error.\nWith `--follow` \
                 at most 4,194,304 directories below a PATH are looked at; those beyond are \
                 errors.\nNo option makes it look into more than 64 containers inside each \
               other.\n"
    }

    #[test]
    fn the_table_of_limits_is_fresh() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/limits.md");
        let fresh = limits_table();
        if std::env::var_os("CANDOR_WRITE_DOCS").is_some() {
            fs::write(path, &fresh).unwrap();
        }
        let kept = fs::read_to_string(path).unwrap_or_default();
        assert_eq!(
            kept, fresh,
            "write it anew: CANDOR_WRITE_DOCS=1 cargo test -p candor limits"
        );
    }

    #[test]
    fn each_limit_is_named_after_its_reason() {
        let table = limits_table();
        for reason in proto::Reason::ALL {
            if reason.as_str().starts_with("limit-") {
                assert!(
                    table.contains(&format!("`{}`", reason.as_str())),
                    "{reason:?}"
                );
            }
        }
    }

    #[test]
    fn every_command_has_a_page() {
        let names: Vec<_> = pages().unwrap().into_iter().map(|page| page.name).collect();
        for name in ["candor", "candor-scan", "candor-rules-build", "candor-man"] {
            assert!(names.iter().any(|have| have == name), "{name} in {names:?}");
        }
    }
}
