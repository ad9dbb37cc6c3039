//! Every third-party crate that the workspace resolves has a licence that Apache-2.0 code can use.

use crate::Problems;
use crate::spdx::satisfied;
use crate::workspace::{Foreign, Workspace};

/// Permissive licences. Others, MPL-2.0 too, need a decision first and then a line here.
const ACCEPTED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    "bzip2-1.0.6",
];

/// Looks at each crate.
pub(crate) fn check(workspace: &Workspace) -> Result<Problems, String> {
    Ok(workspace.foreign.iter().filter_map(problem).collect())
}

fn problem(foreign: &Foreign) -> Option<String> {
    let Foreign { name, version, .. } = foreign;
    let Some(licence) = &foreign.licence else {
        return Some(format!("{name} {version}: it names no licence"));
    };
    match satisfied(licence, ACCEPTED) {
        Ok(true) => None,
        Ok(false) => Some(format!(
            "{name} {version}: its licence is \"{licence}\", which is not on the list in xtask/src/licences.rs"
        )),
        Err(error) => Some(format!("{name} {version}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn licensed(licence: Option<&str>) -> Foreign {
        Foreign {
            name: "example".to_owned(),
            version: "1.0.0".to_owned(),
            licence: licence.map(str::to_owned),
            links: None,
        }
    }

    #[test]
    fn this_checkout_has_licences_that_fit() {
        let workspace = Workspace::load().expect("cargo metadata");
        assert_eq!(check(&workspace), Ok(Problems::new()));
    }

    #[test]
    fn permissive_passes_and_copyleft_does_not() {
        assert_eq!(problem(&licensed(Some("MIT OR Apache-2.0"))), None);
        assert_eq!(
            problem(&licensed(Some("(MIT OR Apache-2.0) AND Unicode-3.0"))),
            None
        );
        for refused in ["GPL-2.0-only", "MPL-2.0", "MIT AND LGPL-2.1-or-later"] {
            let said = problem(&licensed(Some(refused))).expect(refused);
            assert!(said.contains(refused), "{said}");
        }
    }

    #[test]
    fn a_crate_without_a_readable_licence_is_refused() {
        assert!(problem(&licensed(None)).is_some());
        assert!(problem(&licensed(Some("MIT OR"))).is_some());
    }
}
