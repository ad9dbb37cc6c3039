//! Which signatures apply to an object of a format.
//!
//! The table is what clamscan 1.4.6 does: a signature for each target type was tried on a file of
//! each format, and on those of the corpus (`tests/tests/targets.rs` does so again). HTML and text
//! are not here: their signatures apply to what normalisation makes of them.

use rules::pack::Group;

/// The groups of signatures for an object whose format has this name, besides those for any.
#[must_use]
pub fn groups_of(format: &str) -> &'static [Group] {
    match format {
        "pe" | "dos-executable" => &[Group::Pe],
        "elf" => &[Group::Elf],
        "mach-o" => &[Group::MachO],
        "ole2" => &[Group::Ole2],
        "mail" | "mbox" => &[Group::Mail],
        "png" | "jpeg" | "gif" | "tiff" | "bmp" | "jpeg2000" => &[Group::Graphics],
        "pdf" => &[Group::Pdf],
        "swf" | "swf-compressed" => &[Group::Flash],
        "java-class" => &[Group::Java],
        // What the peer has no name for.
        "data" | "ico" | "mp4" | "ttf" | "wasm" | "dex" | "flac" | "matroska" | "ace" | "ar"
        | "activemime" | "autoit" | "deb" | "dmg" | "ext" | "installshield-cab" | "iso9660"
        | "lz4" | "lzip" | "lzma" | "lzop" | "pack" | "powerpoint" | "qcow" | "rpm"
        | "squashfs" | "udf" | "vdi" | "vhd" | "vhdx" | "vmdk" | "wim" | "zisofs" | "zoo" => {
            &[Group::Other]
        }
        _ => &[],
    }
}
