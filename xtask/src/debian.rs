//! What the tests use beside Rust: looked for by what it provides, installed where that is allowed.

mod kernel;

use std::path::Path;
use std::process::{Command, Stdio};

/// A Debian package, something that is there once it is installed, and what asks for it.
struct Needed {
    package: &'static str,
    provides: &'static str,
    asked_for_by: &'static str,
}

const NEEDED: &[Needed] = &[
    needed(
        "clamav",
        "clamscan",
        "comparisons with clamscan and sigtool",
    ),
    needed(
        "clamav-testfiles",
        "/usr/share/clamav-testfiles",
        "scans of ClamAV's own test files",
    ),
    needed("yara", "yara", "YARA rules against YARA 4"),
    needed(
        "pcre2-utils",
        "pcre2test",
        "regular expressions against PCRE2",
    ),
    needed("strace", "strace", "the count of the worker's system calls"),
    needed("p7zip-full", "7z", "an encrypted 7z file"),
    needed(
        "libarchive-tools",
        "bsdtar",
        "comparisons of archives and images with bsdtar",
    ),
    needed("qpdf", "qpdf", "the streams that qpdf sees in PDF files"),
    needed("rpm", "rpmbuild", FORMATS),
    needed("squashfs-tools", "mksquashfs", FORMATS),
    needed("genisoimage", "genisoimage", FORMATS),
    needed("lzip", "lzip", FORMATS),
    needed("lz4", "lz4", FORMATS),
    needed("ncompress", "compress", FORMATS),
    needed("gcab", "gcab", FORMATS),
    needed("cpio", "cpio", FORMATS),
    needed("binutils", "ar", FORMATS),
    needed("zstd", "zstd", "zstd files that the peer can't see into"),
    needed("xz-utils", "xz", "bombs in xz"),
    needed("bzip2", "bzip2", "bombs in bzip2"),
    needed("util-linux", "setpriv", "tests as an unprivileged user"),
    needed("bsdutils", "script", "output to a terminal"),
    needed("procps", "kill", "interrupted scans"),
    needed("man-db", "man", "the rendering of the manual"),
    needed("zsh", "zsh", "completions for zsh"),
    needed("fish", "fish", "completions for fish"),
    needed("g++", "c++", "fuzzing"),
    needed("gcc", "cc", "the lab's observers, on a product in C"),
    needed(
        "clang",
        "clang",
        "the programs for the kernel's tracepoints, compiled again",
    ),
    needed(
        "valgrind",
        "valgrind",
        "the count of instructions of a fixed scan",
    ),
    needed("clamav-freshclam", "freshclam", LAB),
    needed("curl", "curl", LAB),
    needed("iproute2", "ip", LAB),
    needed("bind9-dnsutils", "dig", LAB),
    needed("iputils-ping", "ping", LAB),
    needed("netcat-openbsd", "nc", LAB),
    needed("gnutls-bin", "gnutls-cli", LAB),
    needed("libnss3-tools", "certutil", LAB),
    needed("openssl", "openssl", LAB),
    needed("wget", "wget", LAB),
    needed("python3", "python3", LAB),
    needed("qemu-system-x86", EMULATOR, OLDER_KERNEL),
];

const FORMATS: &str = "the table of formats, measured beside clamscan";
const LAB: &str = "the lab's enclosure and network, with the programs that people have";
const EMULATOR: &str = "qemu-system-x86_64";
const OLDER_KERNEL: &str = "the jail on Debian 12's kernel";

/// Installs what is missing, as root with apt-get; says what stays missing and what that costs.
pub(crate) fn prepare(target: &Path) -> Vec<String> {
    if !missing().is_empty() && is_root() && on_path("apt-get") {
        let packages: Vec<&str> = missing().iter().map(|needed| needed.package).collect();
        println!("installing for the tests: {}", packages.join(" "));
        if !apt(&install(&packages)) && apt(&["update", "-q"]) {
            apt(&install(&packages));
        }
    }
    let mut told: Vec<String> = missing()
        .iter()
        .map(|needed| {
            format!(
                "missing: {} (package {}); skipped without it: {}",
                needed.provides, needed.package, needed.asked_for_by
            )
        })
        .collect();
    if on_path(EMULATOR)
        && let Err(why) = kernel::prepare(target)
    {
        told.push(format!(
            "missing: an older kernel: {why}; skipped without it: {OLDER_KERNEL}"
        ));
    }
    told
}

const fn needed(
    package: &'static str,
    provides: &'static str,
    asked_for_by: &'static str,
) -> Needed {
    Needed {
        package,
        provides,
        asked_for_by,
    }
}

fn missing() -> Vec<&'static Needed> {
    NEEDED
        .iter()
        .filter(|needed| match needed.provides.starts_with('/') {
            true => !Path::new(needed.provides).exists(),
            false => !on_path(needed.provides),
        })
        .collect()
}

fn install<'a>(packages: &[&'a str]) -> Vec<&'a str> {
    let options = ["install", "-q", "-y", "--no-install-recommends"];
    [&options[..], packages].concat()
}

fn apt(arguments: &[&str]) -> bool {
    let status = Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

/// Whether there is such a program.
pub(crate) fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Whether this is root.
pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|found| found.uid() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_looked_for_on_the_path() {
        assert!(on_path("sh"));
        assert!(!on_path("no-such-program-anywhere"));
    }

    #[test]
    fn apt_asks_no_questions() {
        let told = install(&["fish", "strace"]);
        assert!(told.contains(&"-y") && told.ends_with(&["fish", "strace"]));
    }
}
