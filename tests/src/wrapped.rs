//! A known file inside containers that the tools of a Linux machine write.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// A container, and how it is made of a folder that holds the known file.
#[derive(Debug)]
pub struct Wrapping {
    /// What it is, in a reader's words.
    pub what: &'static str,
    /// The file's name.
    pub name: &'static str,
    /// The Debian package that holds the tool.
    pub package: &'static str,
    /// A shell script: run in the folder, with the known file as `known` and the result as `$OUT`.
    script: &'static str,
}

const fn wrapping(
    what: &'static str,
    name: &'static str,
    package: &'static str,
    script: &'static str,
) -> Wrapping {
    Wrapping {
        what,
        name,
        package,
        script,
    }
}

/// Every container of this kind.
pub const WRAPPINGS: &[Wrapping] = &[
    wrapping(
        "Debian package, data in xz",
        "known.deb",
        "dpkg",
        "mkdir -p root/DEBIAN root/usr && cp known root/usr/ &&
         printf 'Package: known\\nVersion: 1\\nArchitecture: all\\nMaintainer: x <x@example.org>\\nDescription: x\\n' >root/DEBIAN/control &&
         dpkg-deb -Zxz --build root \"$OUT\"",
    ),
    wrapping(
        "Debian package, data in zstd",
        "zstd.deb",
        "dpkg",
        "mkdir -p zroot/usr && cp known zroot/usr/ && printf '2.0\\n' >debian-binary &&
         tar -C zroot -cf data.tar . && zstd -q data.tar && tar -cf control.tar debian-binary && zstd -q control.tar &&
         ar rc \"$OUT\" debian-binary control.tar.zst data.tar.zst",
    ),
    wrapping(
        "RPM package",
        "known.rpm",
        "rpm",
        "printf 'Name: known\\nVersion: 1\\nRelease: 1\\nSummary: x\\nLicense: x\\nBuildArch: noarch\\n%%description\\nx\\n%%install\\nmkdir -p %%{buildroot}/usr\\ncp %s/known %%{buildroot}/usr/\\n%%files\\n/usr/known\\n' \"$PWD\" >known.spec &&
         rpmbuild -bb --quiet --define \"_topdir $PWD/rpm\" --define \"_rpmdir $PWD\" --define '_build_name_fmt built.rpm' known.spec && mv built.rpm \"$OUT\"",
    ),
    wrapping("squashfs, gzip", "gzip.squashfs", "squashfs-tools", SQUASHFS_GZIP),
    wrapping("squashfs, xz", "xz.squashfs", "squashfs-tools", SQUASHFS_XZ),
    wrapping("squashfs, zstd", "zstd.squashfs", "squashfs-tools", SQUASHFS_ZSTD),
    wrapping(
        "cpio (newc) in gzip, as an initramfs",
        "initramfs.gz",
        "cpio",
        "echo known | cpio -o -H newc | gzip >\"$OUT\"",
    ),
    wrapping("lz4", "known.lz4", "lz4", "lz4 -q known \"$OUT\""),
    wrapping("lz4, legacy frame", "legacy.lz4", "lz4", "lz4 -q -l known \"$OUT\""),
    wrapping("lzma", "known.lzma", "xz-utils", "xz --format=lzma -c known >\"$OUT\""),
    wrapping("lzip", "known.lz", "lzip", "lzip -c known >\"$OUT\""),
    wrapping("compress (.Z)", "known.Z", "ncompress", "compress -c known >\"$OUT\""),
    wrapping("zstd", "known.zst", "zstd", "zstd -q known -o \"$OUT\""),
    wrapping("tar in zstd", "known.tar.zst", "zstd", "tar -c known | zstd -q >\"$OUT\""),
    wrapping(
        "second stream of a bzip2 file",
        "second.bz2",
        "bzip2",
        "(echo first | bzip2; bzip2 -c known) >\"$OUT\"",
    ),
    wrapping(
        "second member of a gzip file",
        "second.gz",
        "gzip",
        "(echo first | gzip; gzip -c known) >\"$OUT\"",
    ),
    wrapping("zip with LZMA", "lzma.zip", "p7zip-full", "7z a -tzip -mm=LZMA \"$OUT\" known"),
    wrapping("zip with bzip2", "bzip2.zip", "p7zip-full", "7z a -tzip -mm=BZip2 \"$OUT\" known"),
    wrapping("zip with Deflate64", "deflate64.zip", "p7zip-full", "7z a -tzip -mm=Deflate64 \"$OUT\" known"),
    wrapping("zip with PPMd", "ppmd.zip", "p7zip-full", "7z a -tzip -mm=PPMd \"$OUT\" known"),
    wrapping("7z with LZMA2", "lzma2.7z", "p7zip-full", "7z a -m0=LZMA2 \"$OUT\" known"),
    wrapping("7z with bzip2", "bzip2.7z", "p7zip-full", "7z a -m0=BZip2 \"$OUT\" known"),
    wrapping("7z with Deflate", "deflate.7z", "p7zip-full", "7z a -m0=Deflate \"$OUT\" known"),
    wrapping("7z with PPMd", "ppmd.7z", "p7zip-full", "7z a -m0=PPMd \"$OUT\" known"),
    wrapping(
        "ISO 9660 with Rock Ridge and Joliet",
        "known.iso",
        "genisoimage",
        "mkdir -p cd && cp known cd/ && genisoimage -quiet -J -R -o \"$OUT\" cd",
    ),
    wrapping(
        "cabinet",
        "known.cab",
        "gcab",
        "gcab -c -z \"$OUT\" known",
    ),
];

const SQUASHFS_GZIP: &str =
    "mkdir -p fs && cp known fs/ && mksquashfs fs \"$OUT\" -quiet -comp gzip";
const SQUASHFS_XZ: &str = "mkdir -p fs && cp known fs/ && mksquashfs fs \"$OUT\" -quiet -comp xz";
const SQUASHFS_ZSTD: &str =
    "mkdir -p fs && cp known fs/ && mksquashfs fs \"$OUT\" -quiet -comp zstd";

impl Wrapping {
    /// Writes the container into a folder; says why where its tool is not there.
    pub fn write(&self, known: &[u8], folder: &Path) -> Result<(), String> {
        let scratch = tempfile::tempdir().expect("a scratch folder");
        fs::write(scratch.path().join("known"), known).expect("the known file is written");
        let out = folder.join(self.name);
        let mut shell = Command::new("sh")
            .arg("-e")
            .current_dir(scratch.path())
            .env("OUT", &out)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let mut input = shell.stdin.take().expect("a pipe to the shell");
        input
            .write_all(self.script.as_bytes())
            .expect("the shell reads");
        drop(input);
        let made = shell.wait().expect("the shell ends").success();
        if made && out.exists() {
            return Ok(());
        }
        Err(format!(
            "{} was not made: is {} installed?",
            self.name, self.package
        ))
    }
}
