//! What the comparison was asked for.

use std::path::{Path, PathBuf};

/// The settings of a comparison.
pub(crate) struct Options {
    /// A directory of ClamAV signatures.
    pub(crate) signatures: Option<PathBuf>,
    /// A directory of YARA rules.
    pub(crate) yara: Option<PathBuf>,
    /// The tree that is scanned.
    pub(crate) files: PathBuf,
    /// Where generated things are kept.
    pub(crate) work: PathBuf,
    /// How often each of a pair runs.
    pub(crate) runs: usize,
    /// Signatures in the generated set.
    pub(crate) generated: usize,
    /// Bytes of the tree that are scanned, at most.
    pub(crate) tree_bytes_max: u64,
}

impl Options {
    /// Reads the words behind `compare`.
    pub(crate) fn parse(words: &[&str]) -> Result<Self, String> {
        let mut options = Self {
            signatures: shared("signatures/clamav"),
            yara: shared("signatures/yara/signature-base"),
            files: PathBuf::from("/usr/bin"),
            work: std::env::temp_dir().join("candor-bench"),
            runs: 3,
            generated: 8_700_000,
            tree_bytes_max: 256 << 20,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || {
                let value = words.next().ok_or(format!("{word} needs a directory"))?;
                Ok::<_, String>(PathBuf::from(value))
            };
            match *word {
                "--signatures" => options.signatures = Some(value()?),
                "--yara" => options.yara = Some(value()?),
                "--files" => options.files = value()?,
                "--work" => options.work = value()?,
                "--quick" => {
                    options.runs = 1;
                    options.generated = 100_000;
                    options.tree_bytes_max = 32 << 20;
                }
                other => {
                    return Err(format!(
                        "{other} is not an option: --signatures, --yara, --files, --work, --quick"
                    ));
                }
            }
        }
        std::fs::create_dir_all(&options.work)
            .map_err(|error| format!("{}: {error}", options.work.display()))?;
        Ok(options)
    }
}

/// Real sets, where they lie beside the project.
fn shared(folder: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let root = std::env::var_os("CANDOR_SHARED").map_or(beside, PathBuf::from);
    Some(root.join(folder)).filter(|path| path.is_dir())
}
