//! Hash signatures: of the whole object, of its PE sections, of its import table.

use proto::{Budget, Match, Reason};
use rules::pack::{HashRole, HashTable};
use rules::{Digest, DigestKind, Pack};
use sha2::{Digest as _, Sha256};
use unpack::{ReadError, Source, SubSource};

use crate::digests::{Digesting, Digests, Wanted};
use crate::md5::Md5;
use crate::scanner::{Hit, Object, Options};

/// Bytes hashed for one step of work.
const BYTES_A_STEP: u64 = 64;
const CHUNK_BYTES: usize = 64 << 10;

/// The tables of a role that these options use.
fn tables<'p>(
    pack: &'p Pack<'_>,
    role: HashRole,
    options: Options,
) -> impl Iterator<Item = HashTable<'p>> {
    let used = move |table: &&HashTable<'p>| table.role == role && (options.pua || !table.pua);
    pack.hash_tables().iter().filter(used).copied()
}

/// The digests that some rule about whole objects of this size could need.
pub(crate) fn wanted(pack: &Pack<'_>, size_bytes: u64, options: Options) -> Wanted {
    let mut wanted = Wanted {
        sha256: options.sha256,
        ..Wanted::default()
    };
    for role in [HashRole::File, HashRole::Allow] {
        for table in tables(pack, role, options).filter(|table| table.wants(size_bytes)) {
            wanted.add(table.digest);
        }
    }
    wanted
}

/// Whether a rule says that the object is good.
pub(crate) fn is_allowed(pack: &Pack<'_>, size_bytes: u64, digests: &Digests) -> bool {
    let mut allowed = false;
    for table in tables(pack, HashRole::Allow, Options::default()) {
        if let Some(digest) = digests.of(table.digest) {
            table.find(size_bytes, digest.as_bytes(), &mut |_| allowed = true);
        }
    }
    allowed
}

/// The hits of whole-object hashes.
pub(crate) fn whole(pack: &Pack<'_>, size_bytes: u64, digests: &Digests, look: &mut Look<'_>) {
    for table in tables(pack, HashRole::File, look.options) {
        if let Some(digest) = digests.of(table.digest) {
            let found = Match {
                offset: 0,
                length: size_bytes,
            };
            look.find(pack, &table, (size_bytes, digest), found);
        }
    }
}

/// Where hits go.
pub(crate) struct Look<'a> {
    pub(crate) options: Options,
    pub(crate) hits: &'a mut Vec<Hit>,
}

impl Look<'_> {
    fn find(
        &mut self,
        pack: &Pack<'_>,
        table: &HashTable<'_>,
        (size_bytes, digest): (u64, Digest),
        place: Match,
    ) {
        table.find(size_bytes, digest.as_bytes(), &mut |rule| {
            let text = pack.rule_text(rule).unwrap_or_default();
            self.hits.push(Hit {
                rule,
                text_sha256: Sha256::digest(&text).into(),
                matches: vec![place],
            });
        });
    }
}

/// The hits of the object's sections and of its import table.
pub(crate) fn structure(
    pack: &Pack<'_>,
    object: &Object<'_>,
    look: &mut Look<'_>,
    budget: &mut Budget,
) -> Result<(), Trouble> {
    let Some(facts) = object
        .facts
        .filter(|facts| facts.structure == unpack::Structure::Pe)
    else {
        return Ok(());
    };
    imports(pack, facts.import_text.as_deref(), look);
    for section in &facts.sections {
        let size = section.raw_size_bytes;
        let mut wanted = Wanted::default();
        tables(pack, HashRole::Section, look.options)
            .filter(|table| size > 0 && table.wants(size))
            .for_each(|table| wanted.add(table.digest));
        if !wanted.any() {
            continue;
        }
        budget
            .spend_work(size.wrapping_div(BYTES_A_STEP))
            .map_err(Trouble::Limit)?;
        let bytes = SubSource::new(object.source, section.raw_offset, size);
        let digests = digest_all(&bytes, wanted, budget)?;
        for table in tables(pack, HashRole::Section, look.options) {
            if let Some(digest) = digests.of(table.digest) {
                let place = Match {
                    offset: section.raw_offset,
                    length: size,
                };
                look.find(pack, &table, (size, digest), place);
            }
        }
    }
    Ok(())
}

/// Why the bytes could not be looked at.
#[derive(Debug)]
pub(crate) enum Trouble {
    Limit(Reason),
    Read(ReadError),
}

fn imports(pack: &Pack<'_>, text: Option<&[u8]>, look: &mut Look<'_>) {
    let Some(text) = text else { return };
    for table in tables(pack, HashRole::Import, look.options) {
        if table.digest == DigestKind::Md5 {
            let digest = Digest::Md5(Md5::of(text));
            let place = Match {
                offset: 0,
                length: 0,
            };
            look.find(pack, &table, (text.len() as u64, digest), place);
        }
    }
}

fn digest_all(
    source: &dyn Source,
    wanted: Wanted,
    budget: &mut Budget,
) -> Result<Digests, Trouble> {
    let mut digesting = Digesting::new(wanted);
    let mut chunk = vec![0u8; CHUNK_BYTES];
    let mut at = 0u64;
    while at < source.size_bytes() {
        budget.check_time().map_err(Trouble::Limit)?;
        let count = source.read_at(at, &mut chunk).map_err(Trouble::Read)?;
        let Some(bytes) = chunk.get(..count).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        digesting.update(bytes);
        at = at.saturating_add(count as u64);
    }
    Ok(digesting.finish())
}
