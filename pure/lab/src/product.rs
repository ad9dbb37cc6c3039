//! `PRODUCT.toml`: how a product is installed and driven, and what its maker declares about it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::strict::{self, Mistake};

/// Where the folder of documents stands in a command.
pub const DOCUMENTS: &str = "{documents}";

/// A program and its arguments.
pub type Command = Vec<String>;

/// One product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Product {
    /// What people call it.
    pub name: String,
    /// Prints the version.
    #[serde(default)]
    pub version: Option<Command>,
    /// How it gets into the enclosure; absent where it is there already.
    #[serde(default)]
    pub install: Option<Install>,
    /// Files that are put in place after the installation.
    #[serde(default, rename = "file")]
    pub files: Vec<PlacedFile>,
    /// Started in this order before the first phase that needs the product, and kept running.
    #[serde(default, rename = "service")]
    pub services: Vec<Service>,
    /// Run once, in order, after the services are there.
    #[serde(default)]
    pub start: Vec<Command>,
    /// Run at the end, in order.
    #[serde(default)]
    pub stop: Vec<Command>,
    /// Scans the folder that `{documents}` stands for.
    #[serde(default)]
    pub scan: Option<Command>,
    /// Updates the product.
    #[serde(default)]
    pub update: Option<Command>,
    /// Watches the folder that `{documents}` stands for while others open files in it; kept running
    /// through the phase.
    #[serde(default)]
    pub on_access: Option<Command>,
    /// Makes it take new signatures or settings.
    #[serde(default)]
    pub reload: Option<Command>,
    /// Fetches and obeys what the vendor commands.
    #[serde(default)]
    pub vendor_command: Option<Command>,
    /// Variables for all of its commands.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// What its maker says.
    #[serde(default)]
    pub declares: Declared,
}

/// One of three ways.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Install {
    /// Packages of Debian, by name; those that are there already are left alone.
    DebianPackages(Vec<String>),
    /// A tar archive, unpacked at the root.
    Archive(String),
    /// A folder, copied to the place that it is read from.
    Directory(String),
}

/// A file that a product needs to run in the enclosure, such as its settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlacedFile {
    /// Absolute.
    pub path: String,
    /// Its content; `{documents}` is replaced.
    pub text: String,
    /// Permissions in octal, "0644" where absent.
    #[serde(default)]
    pub mode: Option<String>,
    /// User that owns it, root where absent.
    #[serde(default)]
    pub owner: Option<String>,
}

/// A program that stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Its name, for messages.
    pub name: String,
    /// Started in the foreground.
    pub command: Command,
    /// It is ready when this file is there; at once where absent.
    #[serde(default)]
    pub ready_path: Option<String>,
    /// How long it may take until then.
    #[serde(default = "ready_seconds")]
    pub ready_seconds: u64,
}

/// What the maker declares. What is absent was not declared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declared {
    /// `host`, `host:port`, or `*.domain:port`.
    #[serde(default)]
    pub endpoints: Vec<String>,
    /// What is sent, in the maker's words.
    #[serde(default)]
    pub data_sent: Vec<String>,
    /// Prefixes of paths that it reads; `{documents}` for what it is told to scan.
    #[serde(default)]
    pub paths_read: Vec<String>,
    /// Names of privileged operations that it uses, as traces have them.
    #[serde(default)]
    pub privileges: Vec<String>,
    /// How its updates are authenticated, in the maker's words.
    #[serde(default)]
    pub update_channel: Option<String>,
}

impl Product {
    /// Reads a product file; `file` is its name for messages.
    ///
    /// # Errors
    /// The first mistake in it.
    pub fn parse(file: &str, text: &str) -> Result<Self, Mistake> {
        let product: Self = strict::parse(file, text)?;
        match product.mistake() {
            Some(message) => Err(Mistake {
                file: file.to_owned(),
                line: None,
                message,
            }),
            None => Ok(product),
        }
    }

    /// The product of the quick form: one command that scans, nothing declared.
    ///
    /// # Errors
    /// Where the command does not name the documents.
    pub fn of_command(command: &[String]) -> Result<Self, Mistake> {
        let name = command.first().cloned().unwrap_or_default();
        let product = Self {
            name,
            version: None,
            install: None,
            files: Vec::new(),
            services: Vec::new(),
            start: Vec::new(),
            stop: Vec::new(),
            scan: Some(command.to_vec()),
            update: None,
            on_access: None,
            reload: None,
            vendor_command: None,
            environment: BTreeMap::new(),
            declares: Declared::default(),
        };
        match product.mistake() {
            Some(message) => Err(Mistake {
                file: "the command".to_owned(),
                line: None,
                message,
            }),
            None => Ok(product),
        }
    }

    /// The same as a file.
    ///
    /// # Errors
    /// None for a product that was parsed.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }

    fn mistake(&self) -> Option<String> {
        if self.name.trim().is_empty() {
            return Some("the product has no name".to_owned());
        }
        for (key, command) in self.commands() {
            if command.first().is_none_or(String::is_empty) {
                return Some(format!("{key} names no program"));
            }
        }
        for (key, command) in [("scan", &self.scan), ("on_access", &self.on_access)] {
            let Some(command) = command else { continue };
            let is_told = self.files.iter().any(|file| file.text.contains(DOCUMENTS));
            if !is_told && !command.iter().any(|word| word.contains(DOCUMENTS)) {
                return Some(format!(
                    "{key} does not say where the documents are: put {DOCUMENTS} where the folder's path belongs"
                ));
            }
        }
        let relative = self.files.iter().find(|file| !file.path.starts_with('/'));
        if let Some(file) = relative {
            return Some(format!("the path \"{}\" is not absolute", file.path));
        }
        None
    }

    fn commands(&self) -> impl Iterator<Item = (&'static str, &Command)> {
        let single = [
            ("version", &self.version),
            ("scan", &self.scan),
            ("update", &self.update),
            ("on_access", &self.on_access),
            ("reload", &self.reload),
            ("vendor_command", &self.vendor_command),
        ];
        let single = single
            .into_iter()
            .filter_map(|(key, command)| command.as_ref().map(|command| (key, command)));
        let services = self.services.iter().map(|one| ("service", &one.command));
        let start = self.start.iter().map(|command| ("start", command));
        let stop = self.stop.iter().map(|command| ("stop", command));
        single.chain(services).chain(start).chain(stop)
    }
}

fn ready_seconds() -> u64 {
    60
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = r#"
name = "clamd"
version = ["clamd", "--version"]
scan = ["clamdscan", "--fdpass", "{documents}"]
update = ["freshclam"]
start = [["true"]]

[install]
debian-packages = ["clamav-daemon"]

[[file]]
path = "/etc/clamav/clamd.conf"
text = "LocalSocket /run/clamd.sock"

[[service]]
name = "clamd"
command = ["clamd", "-F"]
ready_path = "/run/clamd.sock"

[environment]
LANG = "C"

[declares]
endpoints = ["*.clamav.net:443"]
privileges = ["setuid"]
update_channel = "signed by the vendor"
"#;

    #[test]
    fn a_product_comes_back_from_its_file() {
        let product = Product::parse("PRODUCT.toml", FULL).unwrap();
        assert_eq!(product.services[0].ready_seconds, 60);
        let again = Product::parse("again", &product.to_toml().unwrap()).unwrap();
        assert_eq!(again, product);
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line_and_the_nearest_name() {
        let text = "name = \"x\"\nscna = [\"a\"]\n";
        let mistake = Product::parse("PRODUCT.toml", text).unwrap_err();
        assert_eq!(
            mistake.to_string(),
            "PRODUCT.toml, line 2: unknown key \"scna\"; did you mean \"scan\"?"
        );
    }

    #[test]
    fn a_scan_without_documents_is_refused_with_the_remedy() {
        let mistake = Product::of_command(&["clamscan".to_owned()]).unwrap_err();
        assert!(mistake.to_string().contains("put {documents}"), "{mistake}");
        let nothing = Product::of_command(&[]).unwrap_err();
        assert!(nothing.to_string().contains("no name"), "{nothing}");
    }

    #[test]
    fn an_empty_command_is_refused() {
        let text = "name = \"x\"\nupdate = []\n";
        let mistake = Product::parse("PRODUCT.toml", text).unwrap_err();
        assert!(mistake.message.contains("update names no program"));
    }
}
