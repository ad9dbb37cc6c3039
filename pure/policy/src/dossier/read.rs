//! The rows of a dossier, read strictly: what has no source is unknown, with a reason.

use super::*;

pub(super) struct Names {
    pub(super) sources: Vec<String>,
    pub(super) organisations: Vec<String>,
}

impl Names {
    pub(super) fn organisation(&self, node: &Node) -> Result<usize, ReadError> {
        let id = crate::node::text(node)?;
        position(&self.organisations, &id)
            .ok_or_else(|| ReadError::at(node.line, format!("there is no organisation `{id}`")))
    }

    /// A row's source, and the dates without which it can't be judged.
    fn sourced(&self, fields: &Fields<'_>) -> Result<Sourced, ReadError> {
        let Some(node) = fields.optional("source") else {
            return Ok((
                None,
                fields.optional_date("as_of")?,
                fields.optional_date("expires")?,
            ));
        };
        let id = crate::node::text(node)?;
        let source = position(&self.sources, &id)
            .ok_or_else(|| ReadError::at(node.line, format!("there is no source `{id}`")))?;
        Ok((
            Some(source),
            Some(fields.date("as_of")?),
            fields.optional_date("expires")?,
        ))
    }
}

type Sourced = (Option<usize>, Option<Date>, Option<Date>);

fn position(names: &[String], id: &str) -> Option<usize> {
    names.iter().position(|name| name == id)
}

pub(super) fn ids<T>(rows: &[T], id: fn(&T) -> &String) -> Vec<String> {
    rows.iter().map(|row| id(row).clone()).collect()
}

pub(super) fn each<T>(
    nodes: &[Node],
    read: impl Fn(&Node) -> Result<T, ReadError>,
) -> Result<Vec<T>, ReadError> {
    nodes.iter().map(read).collect()
}

pub(super) fn digests(nodes: &[Node]) -> Result<Vec<String>, ReadError> {
    each(nodes, |node| {
        let digest = crate::node::text(node)?.to_ascii_lowercase();
        let is_hex = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hex.then_some(digest).ok_or_else(|| {
            ReadError::at(
                node.line,
                "an artifact is a SHA-256 of 64 hexadecimal digits",
            )
        })
    })
}

pub(super) fn source(node: &Node) -> Result<Source, ReadError> {
    let fields = Fields::new(node, SOURCE_KEYS)?;
    Ok(Source {
        id: fields.text("id")?,
        title: fields.text("title")?,
        kind: fields.word("kind", SOURCE_KINDS)?,
        date: fields.date("date")?,
        url: fields.optional_text("url")?,
    })
}

pub(super) fn organisation(node: &Node, names: &Names) -> Result<Organisation, ReadError> {
    let fields = Fields::new(node, ORGANISATION_KEYS)?;
    Ok(Organisation {
        id: fields.text("id")?,
        name: fields.text("name")?,
        lei: fields.optional_text("lei")?,
        places: each(fields.list("places")?, |node| place(node, names))?,
        staff_complete: fields.optional_bool("staff_complete")?.unwrap_or(false),
    })
}

fn place(node: &Node, names: &Names) -> Result<Place, ReadError> {
    let fields = Fields::new(node, PLACE_KEYS)?;
    let (source, as_of, expires) = names.sourced(&fields)?;
    let country = known_or(&fields, "country")?;
    if let Ok(country) = &country {
        check_country(country, node.line)?;
    }
    needs_source(&fields, (country.is_ok(), source))?;
    Ok(Place {
        basis: fields.word("basis", BASES)?,
        country,
        source,
        as_of,
        expires,
    })
}

pub(super) fn interest(node: &Node, names: &Names) -> Result<Interest, ReadError> {
    let fields = Fields::new(node, INTEREST_KEYS)?;
    let (source, as_of, expires) = names.sourced(&fields)?;
    let by = match known_or(&fields, "by")? {
        Err(reason) => Holder::Unknown(reason),
        Ok(word) if word == "natural-persons" => Holder::NaturalPersons,
        Ok(word) if word == "dispersed" => Holder::Dispersed,
        Ok(_) => Holder::Organisation(names.organisation(fields.required("by")?)?),
    };
    needs_source(&fields, (!matches!(by, Holder::Unknown(_)), source))?;
    let exact = fields.optional("percent").map(share).transpose()?;
    let least = fields.optional("percent_min").map(share).transpose()?;
    let most = fields.optional("percent_max").map(share).transpose()?;
    let (share_min, share_max) = match exact {
        Some(exact) => (exact, exact),
        None => (least.unwrap_or(0), most.unwrap_or(WHOLE)),
    };
    if share_min > share_max || (exact.is_some() && (least.is_some() || most.is_some())) {
        return Err(ReadError::at(
            node.line,
            "a share is either `percent` or from `percent_min` to `percent_max`",
        ));
    }
    Ok(Interest {
        of: names.organisation(fields.required("of")?)?,
        by,
        kind: fields.word("kind", INTEREST_KINDS)?,
        share_min,
        share_max,
        source,
        as_of,
        expires,
    })
}

pub(super) fn point(node: &Node, names: &Names) -> Result<ControlPoint, ReadError> {
    let fields = Fields::new(node, POINT_KEYS)?;
    let (source, as_of, expires) = names.sourced(&fields)?;
    let by = match known_or(&fields, "by")? {
        Err(reason) => PointHolder::Unknown(reason),
        Ok(word) if word == "nobody" => PointHolder::Nobody,
        Ok(_) => PointHolder::Organisation(names.organisation(fields.required("by")?)?),
    };
    needs_source(&fields, (!matches!(by, PointHolder::Unknown(_)), source))?;
    let country = fields.optional_text("country")?;
    if let Some(country) = &country {
        check_country(country, node.line)?;
    }
    Ok(ControlPoint {
        point: fields.word("point", POINTS)?,
        by,
        what: fields.optional_text("what")?,
        country,
        source,
        as_of,
        expires,
    })
}

pub(super) fn statement(node: &Node, names: &Names) -> Result<Statement, ReadError> {
    let fields = Fields::new(node, STATEMENT_KEYS)?;
    let (source, as_of, expires) = names.sourced(&fields)?;
    let id = fields.text("fact")?;
    let line = fields.required("fact")?.line;
    let fact = FactName::from_id(&id)
        .ok_or_else(|| ReadError::at(line, format!("`{id}` is no fact that is known")))?;
    let value = match (
        fields.optional_bool("value")?,
        fields.optional_text("unknown")?,
    ) {
        (Some(value), None) => Ok(value),
        (None, Some(reason)) => Err(reason),
        _ => {
            return Err(ReadError::at(
                node.line,
                "either `value` or `unknown` is needed",
            ));
        }
    };
    needs_source(&fields, (value.is_ok(), source))?;
    Ok(Statement {
        fact,
        value,
        note: fields.optional_text("note")?.unwrap_or_default(),
        source,
        as_of,
        expires,
    })
}

/// A known text, or the reason why it is not known; one of both is there.
fn known_or(fields: &Fields<'_>, key: &str) -> Result<Result<String, String>, ReadError> {
    match (fields.optional_text(key)?, fields.optional_text("unknown")?) {
        (Some(known), None) => Ok(Ok(known)),
        (None, Some(reason)) if !reason.trim().is_empty() => Ok(Err(reason)),
        _ => Err(ReadError::at(
            fields.line(),
            format!("either `{key}` or `unknown` with a reason is needed"),
        )),
    }
}

fn needs_source(
    fields: &Fields<'_>,
    (known, source): (bool, Option<usize>),
) -> Result<(), ReadError> {
    match known && source.is_none() {
        false => Ok(()),
        true => Err(ReadError::at(
            fields.line(),
            "`source` is missing: what has none is `unknown`, with the reason",
        )),
    }
}
