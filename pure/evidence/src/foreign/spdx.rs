//! SPDX 2.2, 2.3 and 3.0 (JSON): the parts of a product and their licences.

use std::collections::BTreeMap;

use super::{Author, Read, Reader, artifact, day_at, item, versioned};
use crate::json::Json;
use crate::{Artifact, Date, Method};

/// What SPDX writes where it says nothing.
const SAYS_NOTHING: [&str; 2] = ["NOASSERTION", "NONE"];

/// Whether it looks like one.
pub(super) fn is_one(json: &Json) -> bool {
    json.text_at("spdxVersion").is_some() || is_three(json)
}

/// Reads one.
pub(super) fn read(json: &Json, reader: &Reader) -> Result<Read, String> {
    if is_three(json) {
        return Ok(three(json, reader));
    }
    match json.text_at("spdxVersion") {
        Some("SPDX-2.2" | "SPDX-2.3") => Ok(two(json, reader)),
        other => {
            let version = item(other.unwrap_or_default());
            Err(format!(
                "SPDX {version:?} is not read; 2.2, 2.3 and 3.0 are"
            ))
        }
    }
}

fn is_three(json: &Json) -> bool {
    let context = json.text_at("@context").unwrap_or_default();
    context.starts_with("https://spdx.org/rdf/3.0")
}

/// What both forms come to.
struct Found {
    product: String,
    own: Vec<Artifact>,
    maker: String,
    day: Option<Date>,
    parts: Vec<String>,
    licences: Vec<String>,
}

fn told(found: Found, reader: &Reader) -> Read {
    let author = Author {
        product: found.product,
        artifacts: reader.artifacts_or(found.own),
        name: reader.name(&found.maker),
        day: found.day,
        method: reader.method(Method::Documented),
    };
    let mut read = Read {
        kind: "spdx",
        ..Read::default()
    };
    author.say(&mut read, "component", found.parts);
    author.say(&mut read, "component_licence", found.licences);
    author.note_gaps(&mut read);
    read
}

fn two(json: &Json, reader: &Reader) -> Read {
    let described: Vec<&str> = json
        .items_at("documentDescribes")
        .filter_map(Json::text)
        .chain(json.items_at("relationships").filter_map(|one| {
            (one.text_at("relationshipType") == Some("DESCRIBES"))
                .then(|| one.text_at("relatedSpdxElement"))?
        }))
        .collect();
    let creation = json.at("creationInfo");
    let mut creators = creation
        .map(|one| one.items_at("creators"))
        .into_iter()
        .flatten();
    let mut found = Found {
        product: item(json.text_at("name").unwrap_or_default()),
        own: Vec::new(),
        maker: creators.find_map(Json::text).unwrap_or_default().to_owned(),
        day: creation.and_then(|one| day_at(one, "created")),
        parts: Vec::new(),
        licences: Vec::new(),
    };
    for package in json.items_at("packages") {
        let mut refs = package.items_at("externalRefs");
        let purl = refs.find(|one| one.text_at("referenceType") == Some("purl"));
        let purl = purl.and_then(|one| one.text_at("referenceLocator"));
        let plain = versioned(
            package.text_at("name").unwrap_or_default(),
            package.text_at("versionInfo"),
        );
        let name = purl.map_or(plain, item);
        let is_root = package
            .text_at("SPDXID")
            .is_some_and(|id| described.contains(&id));
        if is_root {
            let mut sums = package.items_at("checksums");
            let sum = sums.find(|one| one.text_at("algorithm") == Some("SHA256"));
            let sum = sum.and_then(|one| one.text_at("checksumValue"));
            found.own.extend(sum.and_then(|sum| artifact(&name, sum)));
            found.product.clone_from(&name);
        } else {
            found.parts.push(name);
        }
        let keys = ["licenseConcluded", "licenseDeclared"];
        let mut said = keys.iter().filter_map(|key| package.text_at(key));
        let said = said.find(|text| !SAYS_NOTHING.contains(text));
        found.licences.extend(said.map(item));
    }
    told(found, reader)
}

fn three(json: &Json, reader: &Reader) -> Read {
    let elements: Vec<&Json> = json.items_at("@graph").collect();
    let of_kind = |kind: &'static str| {
        let elements = elements.iter().copied();
        elements.filter(move |one| one.text_at("type") == Some(kind))
    };
    let roots: Vec<&str> = of_kind("SpdxDocument")
        .chain(of_kind("software_Sbom"))
        .flat_map(|document| document.items_at("rootElement"))
        .filter_map(Json::text)
        .collect();
    let agents: BTreeMap<&str, &str> = ["Organization", "Person", "SoftwareAgent", "Agent"]
        .into_iter()
        .flat_map(of_kind)
        .filter_map(|agent| Some((agent.text_at("spdxId")?, agent.text_at("name")?)))
        .collect();
    let creation = of_kind("CreationInfo").next();
    let mut makers = creation
        .map(|one| one.items_at("createdBy"))
        .into_iter()
        .flatten();
    let maker = makers.find_map(Json::text).unwrap_or_default();
    let mut found = Found {
        product: "unnamed".to_owned(),
        own: Vec::new(),
        maker: agents.get(maker).copied().unwrap_or(maker).to_owned(),
        day: creation.and_then(|one| day_at(one, "created")),
        parts: Vec::new(),
        licences: of_kind("simplelicensing_LicenseExpression")
            .filter_map(|one| one.text_at("simplelicensing_licenseExpression"))
            .map(item)
            .collect(),
    };
    for package in of_kind("software_Package") {
        let plain = versioned(
            package.text_at("name").unwrap_or_default(),
            package.text_at("software_packageVersion"),
        );
        let name = package.text_at("software_packageUrl").map_or(plain, item);
        let is_root = package
            .text_at("spdxId")
            .is_some_and(|id| roots.contains(&id));
        if is_root {
            let mut hashes = package.items_at("verifiedUsing");
            let hash = hashes.find(|one| one.text_at("algorithm") == Some("sha256"));
            let hash = hash.and_then(|one| one.text_at("hashValue"));
            found
                .own
                .extend(hash.and_then(|hash| artifact(&name, hash)));
            found.product.clone_from(&name);
        } else {
            found.parts.push(name);
        }
    }
    told(found, reader)
}
