//! The compiler is the one that Cargo.toml pins, and the crates are as cargo's own tools want them.

use std::process::Command;

use crate::Problems;
use crate::workspace::Workspace;

/// Compares `rustc --version` with the pin.
pub(crate) fn pinned(workspace: &Workspace) -> Result<Problems, String> {
    let program = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(program)
        .arg("--version")
        .current_dir(&workspace.root)
        .output()
        .map_err(|error| format!("rustc did not start: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    Ok(compare(said.trim(), &workspace.toolchain))
}

/// `cargo fmt`, checking only.
pub(crate) fn formatted(workspace: &Workspace) -> Result<Problems, String> {
    cargo(workspace, &["fmt", "--all", "--check"])
}

/// `cargo clippy` over everything, warnings denied.
pub(crate) fn linted(workspace: &Workspace) -> Result<Problems, String> {
    let arguments = ["clippy", "--locked", "--workspace", "--all-targets"];
    cargo(
        workspace,
        &[&arguments[..], &["--", "-D", "warnings"]].concat(),
    )
}

fn compare(said: &str, pin: &str) -> Problems {
    if said.split(' ').nth(1) == Some(pin) {
        return Problems::new();
    }
    vec![format!(
        "Cargo.toml pins rustc {pin} and this is \"{said}\": run with that compiler, or move the pin in [workspace.metadata.toolchain]"
    )]
}

fn cargo(workspace: &Workspace, arguments: &[&str]) -> Result<Problems, String> {
    let mut command = workspace.cargo();
    let status = command
        .args(arguments)
        .status()
        .map_err(|error| format!("cargo did not start: {error}"))?;
    if status.success() {
        return Ok(Problems::new());
    }
    let told = arguments.join(" ");
    Ok(vec![format!("cargo {told} failed, as said above")])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_pinned_compiler_passes() {
        assert!(compare("rustc 1.95.0 (59807616e 2026-04-14)", "1.95.0").is_empty());
        assert_eq!(compare("rustc 1.95.1 (x)", "1.95.0").len(), 1);
        assert_eq!(compare("", "1.95.0").len(), 1);
    }
}
