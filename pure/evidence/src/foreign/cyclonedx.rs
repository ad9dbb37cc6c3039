//! CycloneDX 1.4 to 1.7: the parts of a product, their licences, vulnerabilities, and what its
//! declarations claim, with what speaks against it.

use std::collections::BTreeMap;

use super::{Author, Read, Reader, artifact, day_at, item, versioned};
use crate::json::Json;
use crate::{Counter, Fact, Method, Predicate};

/// Versions whose fields are where they are looked for.
const VERSIONS: [&str; 4] = ["1.4", "1.5", "1.6", "1.7"];
/// Declarations that become records.
const CLAIMS_MAX: usize = 1_000;

/// Reads one.
pub(super) fn read(bom: &Json, reader: &Reader) -> Result<Read, String> {
    let version = bom.text_at("specVersion").unwrap_or_default();
    if !VERSIONS.contains(&version) {
        let version = item(version);
        return Err(format!("CycloneDX {version:?} is not read; 1.4 to 1.7 are"));
    }
    let metadata = bom.at("metadata");
    let root = metadata.and_then(|data| data.at("component"));
    let own = root.and_then(|root| {
        let mut hashes = root.items_at("hashes");
        let hash = hashes.find(|hash| hash.text_at("alg") == Some("SHA-256"))?;
        artifact(&name_of(root), hash.text_at("content")?)
    });
    let author = Author {
        product: root.map_or_else(|| "unnamed".to_owned(), name_of),
        artifacts: reader.artifacts_or(own.into_iter().collect()),
        name: reader.name(maker(metadata)),
        day: metadata.and_then(|data| day_at(data, "timestamp")),
        // A bill does not say how it was made.
        method: reader.method(Method::Documented),
    };
    let mut read = Read {
        kind: "cyclonedx",
        ..Read::default()
    };
    parts(bom, &author, &mut read);
    vulnerabilities(bom, &author, &mut read);
    declarations(bom, &author, &mut read);
    author.note_gaps(&mut read);
    Ok(read)
}

fn maker(metadata: Option<&Json>) -> &str {
    let keys = ["supplier", "manufacturer"];
    let mut keys = keys.iter();
    let named = keys.find_map(|key| metadata?.at(key)?.text_at("name"));
    named.unwrap_or_default()
}

fn name_of(component: &Json) -> String {
    match component.text_at("purl") {
        Some(purl) => item(purl),
        None => versioned(
            component.text_at("name").unwrap_or_default(),
            component.text_at("version"),
        ),
    }
}

/// Components may hold components; JSON's own bound on depth ends it.
fn parts(bom: &Json, author: &Author<'_>, read: &mut Read) {
    let mut names = Vec::new();
    let mut licences = Vec::new();
    let mut left: Vec<&Json> = bom.items_at("components").collect();
    while let Some(component) = left.pop() {
        names.push(name_of(component));
        left.extend(component.items_at("components"));
        for choice in component.items_at("licenses") {
            let licence = choice.at("license");
            let named = licence.and_then(|one| one.text_at("id").or(one.text_at("name")));
            licences.extend(choice.text_at("expression").or(named).map(item));
        }
    }
    author.say(read, "component", names);
    author.say(read, "component_licence", licences);
}

fn vulnerabilities(bom: &Json, author: &Author<'_>, read: &mut Read) {
    let mut by_state: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for found in bom.items_at("vulnerabilities") {
        let name = item(found.text_at("id").unwrap_or_default());
        let state = found.at("analysis").and_then(|one| one.text_at("state"));
        let predicate = match state {
            Some("exploitable") => "affected_by",
            Some("not_affected" | "false_positive") => "not_affected_by",
            Some("resolved" | "resolved_with_pedigree") => "fixed",
            // What nobody analysed may affect it.
            _ => "under_investigation",
        };
        by_state.entry(predicate).or_default().push(name);
    }
    for (predicate, names) in by_state {
        author.say(read, predicate, names);
    }
}

fn declarations(bom: &Json, author: &Author<'_>, read: &mut Read) {
    let Some(declarations) = bom.at("declarations") else {
        return;
    };
    let Some(predicate) = Predicate::parse("vendor_claim") else {
        return;
    };
    if author.artifacts.is_empty() {
        return;
    }
    let described: BTreeMap<&str, &str> = declarations
        .items_at("evidence")
        .filter_map(|one| Some((one.text_at("bom-ref")?, one.text_at("description")?)))
        .collect();
    let mut claims = declarations.items_at("claims");
    for claim in claims.by_ref().take(CLAIMS_MAX) {
        let Some(text) = claim.text_at("predicate") else {
            continue;
        };
        let mut record = author.record(predicate, Fact::Text(item(text)));
        for counter in claim.items_at("counterEvidence").take(64) {
            let reference = counter.text().unwrap_or_default();
            let text = described.get(reference).copied().unwrap_or(reference);
            record.counter.push(Counter {
                text: item(text),
                evidence: Vec::new(),
            });
        }
        read.records.push(record);
    }
    let left_out = claims.count();
    if left_out > 0 {
        read.notes.push(format!("{left_out} claims are left out"));
    }
}
