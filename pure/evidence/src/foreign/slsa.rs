//! SLSA provenance: who built something, and from what.

use super::{Author, Read, Reader, day_at, item};
use crate::Method;
use crate::json::Json;

/// Provenance v1.
pub(super) fn v1(said: &Json, reader: &Reader) -> Result<Read, String> {
    let definition = said.at("buildDefinition");
    let run = said.at("runDetails").ok_or("`runDetails` is missing")?;
    let builder = run.at("builder").and_then(|builder| builder.text_at("id"));
    let metadata = run.at("metadata");
    let day = metadata.and_then(|data| day_at(data, "finishedOn").or(day_at(data, "startedOn")));
    let sources = definition.map(|definition| sources(definition, "resolvedDependencies"));
    read(reader, (builder, day), sources.unwrap_or_default())
}

/// Provenance v0.2.
pub(super) fn v02(said: &Json, reader: &Reader) -> Result<Read, String> {
    let builder = said.at("builder").and_then(|builder| builder.text_at("id"));
    let metadata = said.at("metadata");
    let day = metadata
        .and_then(|data| day_at(data, "buildFinishedOn").or(day_at(data, "buildStartedOn")));
    read(reader, (builder, day), sources(said, "materials"))
}

fn read(
    reader: &Reader,
    (builder, day): (Option<&str>, Option<crate::Date>),
    sources: Vec<String>,
) -> Result<Read, String> {
    let builder = builder.ok_or("`builder.id` is missing")?;
    let artifacts = reader.artifacts_or(Vec::new());
    let author = Author {
        product: artifacts
            .first()
            .map_or_else(String::new, |file| file.name.clone()),
        artifacts,
        name: reader.name(builder),
        day,
        // A builder that is not the vendor's saw the build happen.
        method: reader.method(Method::Observed),
    };
    let mut read = Read {
        kind: "slsa",
        ..Read::default()
    };
    author.say(&mut read, "built_by", vec![item(builder)]);
    author.say(&mut read, "built_from", sources);
    author.note_gaps(&mut read);
    Ok(read)
}

/// Sources with a digest; one without could be anything.
fn sources(said: &Json, key: &str) -> Vec<String> {
    let listed = said.items_at(key).filter_map(|source| {
        let uri = source.text_at("uri")?;
        let digest = source.at("digest")?;
        let kinds = ["sha256", "sha512", "gitCommit", "sha1"];
        let mut kinds = kinds.iter();
        let known = kinds.find_map(|kind| Some((*kind, digest.text_at(kind)?)));
        let (kind, value) = known?;
        Some(item(&format!("{uri} {kind}:{value}")))
    });
    listed.collect()
}
