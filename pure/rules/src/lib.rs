//! Signature languages in, a compiled rule pack out; and the pack's layout, for those who read it.
//!
//! [`Compiler`] takes the lines of ClamAV's signature files, and YARA rules that its caller compiled,
//! and writes a [`Pack`] image that is
//! read in place. Nothing is dropped silently: each line ends up compiled, or counted with its
//! file, line and reason. No I/O, no unpacking: a CVD's body is expanded by the caller.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::arithmetic_side_effects
    )
)]

pub mod anchors;
pub mod body;
mod certificates;
mod checked;
mod compile;
mod compile_yara;
pub mod cvd;
mod describe;
pub mod ere;
mod file_types;
mod hash;
mod ignore;
mod kind;
pub mod logical;
mod metadata;
mod offset;
pub mod pack;
mod passwords;
mod report;

pub use certificates::BlockedCertificate;
pub use checked::Checked;
pub use compile::{CompileError, Compiler};
pub use compile_yara::{YaraCompiled, YaraFailure, YaraRule};
pub use describe::{describe_dropped, describe_rule, describe_sources};
pub use file_types::FileType;
pub use hash::{Digest, DigestKind};
pub use ignore::IgnoreList;
pub use kind::{Kind, SourceKind};
pub use metadata::{ContainerType, MemberFacts, MetadataRule};
pub use offset::{Anchor, Offset};
pub use pack::{Pack, PackError, RuleId};
pub use report::{PendingRow, SourceRow};

/// The ClamAV functionality level whose signatures we follow: that of ClamAV 1.4.
pub const FUNCTIONALITY_LEVEL: u32 = 216;
