//! Opens an encrypted document, and says which of its parts are encrypted.

use proto::Budget;

use crate::formats::pdf::Document;
use crate::formats::pdf::crypt::{Method, Settings};
use crate::formats::pdf::lex::string_bytes;
use crate::formats::pdf::object::with_text;
use crate::formats::pdf::plan::Plan;
use crate::formats::pdf::stream::Locked;
use crate::formats::pdf::survey::Found;
use crate::formats::pdf::values::{Value, elements, entry, value};
use crate::members::Stop;

/// A value of a trailer, apart from its text.
enum Part {
    /// A dictionary's or an array's inside.
    Inside(Vec<u8>),
    Object(u32),
}

impl Document<'_> {
    /// Opens the document, if a trailer says that it is encrypted.
    pub(super) fn open(&mut self, budget: &mut Budget) -> Result<(), Stop> {
        let mut refused = None;
        let secured = self.survey.secured.clone();
        for offset in secured.into_iter().rev() {
            let (dictionary, id) =
                with_text((self.source, self.effort), offset, budget, |text, _, _| {
                    let Some(Value::Dict(inside)) = value(text) else {
                        return (None, None);
                    };
                    (part(inside, b"Encrypt"), part(inside, b"ID"))
                })?;
            if let Some(Part::Object(number)) = dictionary {
                self.own_strings.push(number);
            }
            let id = match self.insides(id, budget)?.first() {
                Some(inside) => match elements(inside).next() {
                    Some(Value::Text(token)) => string_bytes(token).unwrap_or_default(),
                    _ => Vec::new(),
                },
                None => Vec::new(),
            };
            for inside in self.insides(dictionary, budget)? {
                match Settings::parse(&inside, id.clone()).and_then(|settings| settings.open()) {
                    Ok(keys) => {
                        self.keys = Some(keys);
                        return Ok(());
                    }
                    Err(stop) => refused = Some((offset, stop)),
                }
            }
        }
        if let Some((offset, stop)) = refused {
            self.is_locked = true;
            self.troubles.note(offset, stop);
        }
        Ok(())
    }

    /// How a stream is encrypted.
    pub(super) fn stream_lock(&self, found: &Found, plan: &Plan) -> Option<Locked> {
        let keys = self.keys.as_ref()?;
        let is_plain =
            plan.is_table || plan.is_plain || (plan.is_metadata && !keys.encrypts_metadata);
        let method = match plan.is_file {
            true => keys.files,
            false => keys.streams,
        };
        (!is_plain && method != Method::Identity).then(|| Locked::new(method, found))
    }

    /// How the strings of an object are encrypted.
    pub(super) fn string_lock(&self, found: &Found) -> Option<Locked> {
        let keys = self.keys.as_ref()?;
        let is_encrypted =
            keys.strings != Method::Identity && !self.own_strings.contains(&found.number);
        is_encrypted.then(|| Locked::new(keys.strings, found))
    }

    fn insides(&self, part: Option<Part>, budget: &mut Budget) -> Result<Vec<Vec<u8>>, Stop> {
        let number = match part {
            Some(Part::Inside(inside)) => return Ok(vec![inside]),
            Some(Part::Object(number)) => number,
            None => return Ok(Vec::new()),
        };
        let texts = self.texts(number, budget)?;
        let inside = |text: &Vec<u8>| match value(text) {
            Some(Value::Dict(inside) | Value::Array(inside)) => Some(inside.to_vec()),
            _ => None,
        };
        Ok(texts.iter().filter_map(inside).collect())
    }
}

fn part(inside: &[u8], key: &[u8]) -> Option<Part> {
    match entry(inside, key) {
        Some(Value::Dict(inside) | Value::Array(inside)) => Some(Part::Inside(inside.to_vec())),
        Some(Value::Ref(number)) => Some(Part::Object(number)),
        _ => None,
    }
}
