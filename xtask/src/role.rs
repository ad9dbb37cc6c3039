//! `roles/*/role.toml`: what one kind of process may do, read for the checks and the tables.

use std::fs;

use serde::Deserialize;

use crate::workspace::{Layer, Workspace};

/// One role, as its file declares it. Keys that only the role itself reads are passed over.
#[derive(Debug, Deserialize)]
pub(crate) struct Role {
    /// Its folder, relative to the root.
    #[serde(skip)]
    pub(crate) folder: String,
    /// The executable's name.
    pub(crate) name: String,
    /// What it is for, in one line.
    pub(crate) purpose: String,
    /// Whose rights it runs with.
    pub(crate) user: String,
    /// Whom it talks to.
    #[serde(default)]
    pub(crate) peer: Vec<Peer>,
    /// The system calls that its filter allows; empty where it has no filter.
    #[serde(default)]
    pub(crate) syscall: Vec<SystemCall>,
    /// The third-party crates that it may be built from.
    #[serde(default)]
    pub(crate) dependencies: Dependencies,
}

/// Another role at the end of a channel.
#[derive(Debug, Deserialize)]
pub(crate) struct Peer {
    pub(crate) role: String,
}

/// A system call and why it is needed.
#[derive(Debug, Deserialize)]
pub(crate) struct SystemCall {
    pub(crate) name: String,
    pub(crate) reason: String,
}

/// `[dependencies]`.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Dependencies {
    /// What may end up in the executable.
    #[serde(default)]
    pub(crate) allowed: Vec<String>,
    /// What may run while it is built, and only then: macros, build scripts, what those need.
    #[serde(default)]
    pub(crate) build_time: Vec<String>,
    /// What compiles C all the same, and why that is borne.
    #[serde(default)]
    pub(crate) builds_c: Vec<BuildsC>,
}

/// A crate whose build compiles C.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct BuildsC {
    /// The crate that has the C.
    #[serde(rename = "crate")]
    pub(crate) name: String,
    /// What it compiles it with.
    pub(crate) with: String,
    /// What the C does, and why it can't be left out.
    pub(crate) reason: String,
}

impl Role {
    /// Every role's file; a role without one is an error.
    pub(crate) fn load_all(workspace: &Workspace) -> Result<Vec<Self>, String> {
        let mut roles = Vec::new();
        for member in workspace.layer(Layer::Role) {
            let path = format!("{}/role.toml", member.folder);
            let text = fs::read_to_string(workspace.root.join(&path)).map_err(|error| {
                format!("{path}: {error}; every role declares what it may do in such a file")
            })?;
            let role = Self::parse(&text).map_err(|error| format!("{path}: {error}"))?;
            if role.name != member.name {
                return Err(format!(
                    "{path}: its name is not that of the crate, {}",
                    member.name
                ));
            }
            roles.push(Self {
                folder: member.folder.clone(),
                ..role
            });
        }
        roles.sort_by(|left, right| left.folder.cmp(&right.folder));
        Ok(roles)
    }

    /// Reads one file's text.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let role: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        let mut seen = Vec::new();
        for call in &role.syscall {
            if call.reason.trim().is_empty() {
                return Err(format!("the system call {} has no reason", call.name));
            }
            if seen.contains(&&call.name) {
                return Err(format!("the system call {} is listed twice", call.name));
            }
            seen.push(&call.name);
        }
        Ok(role)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_call_needs_a_reason_and_stands_once() {
        let head = "name = \"x\"\npurpose = \"y\"\nuser = \"z\"\n";
        let parse = |calls: &str| Role::parse(&format!("{head}{calls}"));
        let call = "[[syscall]]\nname = \"read\"\nreason = \"reads\"\n";
        assert_eq!(parse(call).expect("role").syscall.len(), 1);
        let twice = parse(&call.repeat(2)).expect_err("twice");
        assert!(twice.contains("listed twice"), "{twice}");
        let blank = parse("[[syscall]]\nname = \"read\"\nreason = \" \"\n");
        assert!(blank.expect_err("blank").contains("no reason"));
    }

    #[test]
    fn a_role_says_what_it_is_for() {
        assert!(Role::parse("name = \"x\"\nuser = \"z\"\n").is_err());
    }
}
