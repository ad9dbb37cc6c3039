//! OpenVEX: which vulnerabilities affect a product, and which do not.

use std::collections::BTreeMap;

use super::{Author, Read, Reader, artifact, day_at, item};
use crate::json::Json;
use crate::{Artifact, Method};

/// Statements of one document that are read.
const STATEMENTS_MAX: usize = 20_000;

/// Reads one.
pub(super) fn read(vex: &Json, reader: &Reader) -> Result<Read, String> {
    let mut read = Read {
        kind: "openvex",
        ..Read::default()
    };
    // What is said of one product is one subject, whatever the number of statements.
    let mut said: BTreeMap<(Vec<Artifact>, &str), Vec<String>> = BTreeMap::new();
    let mut statements = vex.items_at("statements");
    let mut is_bound = false;
    for statement in statements.by_ref().take(STATEMENTS_MAX) {
        let status = statement.text_at("status").unwrap_or_default();
        let predicate = match status {
            "affected" => "affected_by",
            "not_affected" => "not_affected_by",
            "fixed" => "fixed",
            "under_investigation" => "under_investigation",
            other => return Err(format!("{:?} is no status", item(other))),
        };
        let own = statement.items_at("products").filter_map(product);
        let artifacts = reader.artifacts_or(own.take(64).collect());
        is_bound |= !artifacts.is_empty();
        let found = vulnerability(statement);
        said.entry((artifacts, predicate)).or_default().push(found);
    }
    let left_out = statements.count();
    if left_out > 0 {
        read.notes
            .push(format!("{left_out} statements are left out"));
    }
    let day = day_at(vex, "last_updated").or(day_at(vex, "timestamp"));
    for ((artifacts, predicate), names) in said {
        let author = Author {
            product: artifacts
                .first()
                .map_or_else(String::new, |file| file.name.clone()),
            artifacts,
            name: reader.name(vex.text_at("author").unwrap_or_default()),
            day,
            method: reader.method(Method::Documented),
        };
        author.say(&mut read, predicate, names);
    }
    if !is_bound {
        let why = "it is bound to no file by SHA-256, so that it says nothing of your build";
        read.notes.push(why.to_owned());
    }
    Ok(read)
}

fn product(product: &Json) -> Option<Artifact> {
    let name = product.text_at("@id").unwrap_or_default();
    artifact(name, product.at("hashes")?.text_at("sha-256")?)
}

/// Its name is a text in older documents.
fn vulnerability(statement: &Json) -> String {
    let found = statement.at("vulnerability");
    let named = found.and_then(|one| one.text_at("name").or(one.text_at("@id")).or(one.text()));
    item(named.unwrap_or_default())
}
