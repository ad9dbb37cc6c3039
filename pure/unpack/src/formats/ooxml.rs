//! Documents that are zip archives: Office Open XML and OpenDocument. They are unpacked as zip;
//! what is encrypted in an OpenDocument is told by its manifest, which is read on its way.

use proto::{Budget, Reason};

use crate::fields::find;
use crate::formats::zip;
use crate::formats::zip::directory::{Entries, locate};
use crate::formats::zip::records::{CENTRAL_BYTES, LOCAL_BYTES};
use crate::identify::{Format, Probe, Role};
use crate::members::{Content, Flow, Listed, Lister, Member, Members, Stop, Trouble, Troubles};
use crate::{Source, SubSource};

const CONTENT_TYPES: &[u8] = b"[Content_Types].xml";
const MANIFEST: &[u8] = b"META-INF/manifest.xml";
const OPEN_DOCUMENT: [&[u8]; 2] = [
    b"mimetypeapplication/vnd.oasis.opendocument.",
    b"mimetypeapplication/vnd.sun.xml.",
];
/// The programs whose documents are zip archives, by the folder that each fills.
const FOLDERS: [(&[u8], Lister); 3] = [
    (b"word/", Lister::Word),
    (b"xl/", Lister::Excel),
    (b"ppt/", Lister::PowerPoint),
];
/// Entries that are looked at to tell which it is.
const ENTRIES_MAX: usize = 1_000;
/// The manifest is read up to here.
const MANIFEST_BYTES_MAX: usize = 4 << 20;

/// Documents in zip archives.
pub(super) static FORMATS: [Format; 2] = [
    Format {
        name: "ooxml",
        detect: is_ooxml,
        role: Role::Container(unpack),
    },
    Format {
        name: "odf",
        detect: is_odf,
        role: Role::Container(unpack),
    },
];

/// Whether a format is zip, or documents that are zip archives.
#[must_use]
pub fn is_zip(format: &Format) -> bool {
    matches!(format.name, "zip" | "ooxml" | "odf")
}

/// The list of parts is the first member, as Office writes it, or in the directory at the end.
fn is_ooxml(probe: &Probe<'_>) -> bool {
    let listed = |bytes: &[u8], at: usize| {
        let name = bytes.get(at..).unwrap_or_default();
        name.starts_with(CONTENT_TYPES)
    };
    if !probe.head.starts_with(zip::records::LOCAL) {
        return false;
    }
    let mut at = 0;
    while let Some(header) = find(probe.tail, zip::records::CENTRAL, at) {
        if listed(probe.tail, header.saturating_add(CENTRAL_BYTES)) {
            return true;
        }
        at = header.saturating_add(1);
    }
    listed(probe.head, LOCAL_BYTES)
}

fn is_odf(probe: &Probe<'_>) -> bool {
    let name = probe.head.get(LOCAL_BYTES..).unwrap_or_default();
    probe.head.starts_with(zip::records::LOCAL)
        && OPEN_DOCUMENT.iter().any(|start| name.starts_with(start))
}

/// Unpacks a zip archive, whatever it is called: an OpenDocument need not look like one.
pub fn unpack(source: &dyn Source, budget: &mut Budget, members: &mut dyn Members) -> Vec<Trouble> {
    let mut watch = Watch {
        source,
        members,
        lister: document(source),
        troubles: Troubles::default(),
    };
    let mut troubles = zip::unpack(source, budget, &mut watch);
    troubles.append(&mut watch.troubles.into_vec());
    troubles
}

/// Hands members on, and looks at the manifest among them.
struct Watch<'a> {
    source: &'a dyn Source,
    members: &'a mut dyn Members,
    /// What the archive is besides a zip.
    lister: Option<Lister>,
    troubles: Troubles,
}

/// Which Office document a zip is: its directory has the list of parts, and a folder of one
/// program.
fn document(source: &dyn Source) -> Option<Lister> {
    let located = locate(source).ok()?;
    let mut entries = Entries::new(source, located.directories.first()?);
    let (mut lister, mut has_types) = (None, false);
    for _ in 0..ENTRIES_MAX {
        let Ok(Some(entry)) = entries.next() else {
            break;
        };
        has_types |= entry.name == CONTENT_TYPES;
        lister = lister.or(FOLDERS
            .iter()
            .find(|(folder, _)| entry.name.starts_with(folder))
            .map(|(_, lister)| *lister));
        if has_types && lister.is_some() {
            return lister;
        }
    }
    None
}

impl Members for Watch<'_> {
    fn member(&mut self, member: Member<'_>, budget: &mut Budget) -> Flow {
        if member.name == MANIFEST {
            match member.content {
                Content::Bytes(bytes) => self.manifest(bytes),
                Content::Range { offset, size_bytes } => {
                    let part = SubSource::new(self.source, offset, size_bytes);
                    let most = MANIFEST_BYTES_MAX;
                    if let Ok(bytes) = crate::input::read_part(&part, 0, most) {
                        self.manifest(&bytes);
                    }
                }
            }
        }
        self.members.member(member, budget)
    }

    /// The peer takes a document for one of its program, and looks at it once more as at members
    /// of a zip that have no place.
    fn listed(&mut self, listed: &Listed<'_>, budget: &mut Budget) {
        match self.lister {
            None => self.members.listed(listed, budget),
            Some(lister) => {
                let in_zip = Listed {
                    position: 0,
                    ..*listed
                };
                self.members.listed(&in_zip, budget);
                self.members.listed(&Listed { lister, ..*listed }, budget);
            }
        }
    }

    fn passwords(&self) -> &[&[u8]] {
        self.members.passwords()
    }
}

impl Watch<'_> {
    /// Each entry that says how it is encrypted is encrypted.
    fn manifest(&mut self, bytes: &[u8]) {
        const ENTRY: &[u8] = b"file-entry";
        let mut at = find(bytes, ENTRY, 0);
        while let Some(begin) = at {
            let inside = begin.saturating_add(ENTRY.len());
            at = find(bytes, ENTRY, inside);
            let entry = bytes.get(inside..at.unwrap_or(bytes.len()));
            let entry = entry.unwrap_or_default();
            if find(entry, b"encryption-data", 0).is_some() {
                let stop = Stop {
                    reason: Reason::Encrypted,
                    text: "member is encrypted".into(),
                };
                let name = full_path(entry).unwrap_or_default();
                self.troubles.note_member(name, begin as u64, stop);
            }
        }
    }
}

fn full_path(entry: &[u8]) -> Option<&[u8]> {
    const ATTRIBUTE: &[u8] = b"full-path=";
    let begin = find(entry, ATTRIBUTE, 0)?.checked_add(ATTRIBUTE.len())?;
    let (quote, value) = entry.get(begin..)?.split_first()?;
    value.split(|byte| byte == quote).next()
}
