//! What a stream's dictionary says of it: its lengths and its filters. What is said twice, or by
//! an object that was written twice, is taken in each way, since readers choose differently.

use proto::Budget;

use crate::formats::pdf::Document;
use crate::formats::pdf::filters::{Filter, Predictor, Stage};
use crate::formats::pdf::lex::name_is;
use crate::formats::pdf::lzw::Change;
use crate::formats::pdf::values::{Value, elements, entries, entry, entry_int, entry_is, value};
use crate::members::Stop;

/// Filters that are undone one after the other.
const FILTERS_MAX: usize = 16;
/// What a list of filters may take.
const SPELLED_BYTES_MAX: usize = 4 << 10;
/// Ways to read what is said in several ways.
const WAYS_MAX: usize = 4;

/// What a stream's dictionary says.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    /// Each length that is given.
    pub(super) lengths: Vec<u64>,
    /// Each list of filters that is given; one without any where none is.
    pub(super) chains: Vec<Vec<Stage>>,
    /// Whether a list of filters was too long to be read.
    pub(super) is_cut: bool,
    pub(super) is_metadata: bool,
    pub(super) is_table: bool,
    pub(super) is_file: bool,
    /// Whether the stream asks not to be decrypted.
    pub(super) is_plain: bool,
    /// Where the objects begin in a stream of objects.
    pub(super) first: Option<i64>,
}

/// The texts in a dictionary that must be read together with other objects.
#[derive(Clone, Debug, Default)]
pub(super) struct Stated {
    lengths: Vec<Known<u64>>,
    filters: Vec<Vec<u8>>,
    parameters: Option<Vec<u8>>,
    first: Option<Known<u64>>,
    plan: Plan,
}

/// A number, or the object that holds it.
#[derive(Clone, Copy, Debug)]
enum Known<T> {
    Here(T),
    There(u32),
}

impl Stated {
    /// Whether its filters are said by other objects.
    pub(super) fn is_elsewhere(&self) -> bool {
        let has_reference = |text: &Vec<u8>| match value(text) {
            Some(Value::Array(inside)) => elements(inside).any(|e| matches!(e, Value::Ref(_))),
            Some(Value::Ref(_)) => true,
            _ => false,
        };
        self.filters
            .iter()
            .chain(&self.parameters)
            .any(has_reference)
    }

    /// Reads a stream's dictionary.
    pub(super) fn parse(text: &[u8]) -> Self {
        let mut stated = Self::default();
        let Some(Value::Dict(inside)) = value(text) else {
            return stated;
        };
        let mut is_cut = false;
        for (key, found) in entries(inside) {
            if name_is(key, b"Length") {
                push_some(&mut stated.lengths, known(found));
            } else if name_is(key, b"First") {
                stated.first = known(found);
            } else if name_is(key, b"Filter") || name_is(key, b"F") {
                let spelled = match found {
                    Value::Name(raw) => Some([b"/".as_slice(), raw].concat()),
                    Value::Array(inside) => Some([b"[".as_slice(), inside, b"]"].concat()),
                    Value::Ref(number) => Some(format!("{number} 0 R").into_bytes()),
                    _ => None,
                };
                let fits = |text: &Vec<u8>| text.len() < SPELLED_BYTES_MAX;
                is_cut |= spelled.as_ref().is_some_and(|text| !fits(text));
                push_some(&mut stated.filters, spelled.filter(fits));
            } else if name_is(key, b"DecodeParms") || name_is(key, b"DP") {
                stated.parameters = match found {
                    Value::Dict(inside) => Some([b"<<".as_slice(), inside, b">>"].concat()),
                    Value::Array(inside) => Some([b"[".as_slice(), inside, b"]"].concat()),
                    Value::Ref(number) => Some(format!("{number} 0 R").into_bytes()),
                    _ => None,
                }
                .filter(|text| text.len() < SPELLED_BYTES_MAX);
            }
        }
        stated.plan = Plan {
            is_cut,
            is_metadata: entry_is(inside, b"Type", b"Metadata"),
            is_table: entry_is(inside, b"Type", b"XRef"),
            is_file: entry_is(inside, b"Type", b"EmbeddedFile"),
            ..Plan::default()
        };
        stated
    }
}

impl Document<'_> {
    /// Reads what other objects say of a stream.
    pub(super) fn plan(&self, stated: Stated, budget: &mut Budget) -> Result<Plan, Stop> {
        let mut plan = stated.plan;
        for length in stated.lengths {
            match length {
                Known::Here(length) => plan.lengths.push(length),
                Known::There(number) => {
                    for text in self.texts(number, budget)? {
                        push_some(&mut plan.lengths, here(&text));
                    }
                }
            }
        }
        plan.first = match stated.first {
            Some(Known::Here(first)) => i64::try_from(first).ok(),
            Some(Known::There(number)) => {
                let texts = self.texts(number, budget)?;
                texts
                    .first()
                    .and_then(|text| here(text))
                    .and_then(|first| i64::try_from(first).ok())
            }
            None => None,
        };
        let parameters = match stated.parameters {
            Some(text) => self.parameters(&text, budget)?,
            None => Vec::new(),
        };
        for text in stated.filters {
            let texts = match value(&text) {
                Some(Value::Ref(number)) => self.texts(number, budget)?,
                _ => vec![text],
            };
            for text in texts {
                let chain = self.chain(&text, &parameters, &mut plan, budget)?;
                if !plan.chains.contains(&chain) && plan.chains.len() < WAYS_MAX {
                    plan.chains.push(chain);
                }
            }
        }
        if plan.chains.is_empty() {
            plan.chains.push(Vec::new());
        }
        Ok(plan)
    }

    /// The texts of a list of parameters.
    fn parameters(&self, text: &[u8], budget: &mut Budget) -> Result<Vec<Vec<u8>>, Stop> {
        let text = match value(text) {
            Some(Value::Ref(number)) => self.texts(number, budget)?.into_iter().next(),
            _ => Some(text.to_vec()),
        };
        let text = text.unwrap_or_default();
        let mut list = Vec::new();
        match value(&text) {
            Some(Value::Dict(inside)) => list.push(inside.to_vec()),
            Some(Value::Array(inside)) => {
                for element in elements(inside).take(FILTERS_MAX) {
                    list.push(match element {
                        Value::Dict(inside) => inside.to_vec(),
                        Value::Ref(number) => {
                            let texts = self.texts(number, budget)?;
                            match texts.first().and_then(|text| value(text)) {
                                Some(Value::Dict(inside)) => inside.to_vec(),
                                _ => Vec::new(),
                            }
                        }
                        _ => Vec::new(),
                    });
                }
            }
            _ => {}
        }
        Ok(list)
    }

    fn chain(
        &self,
        text: &[u8],
        parameters: &[Vec<u8>],
        plan: &mut Plan,
        budget: &mut Budget,
    ) -> Result<Vec<Stage>, Stop> {
        let mut names: Vec<Vec<u8>> = Vec::new();
        match value(text) {
            Some(Value::Name(raw)) => names.push(raw.to_vec()),
            Some(Value::Array(inside)) => {
                for (place, element) in elements(inside).enumerate() {
                    if place >= FILTERS_MAX {
                        plan.is_cut = true;
                        break;
                    }
                    match element {
                        Value::Name(raw) => names.push(raw.to_vec()),
                        Value::Ref(number) => {
                            let texts = self.texts(number, budget)?;
                            if let Some(Value::Name(raw)) = texts.first().and_then(|t| value(t)) {
                                names.push(raw.to_vec());
                            }
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        let stage = |(place, name): (usize, &Vec<u8>)| {
            stage(name, parameters.get(place).map_or(&[], Vec::as_slice), plan)
        };
        Ok(names.iter().enumerate().map(stage).collect())
    }
}

fn stage(name: &[u8], parameters: &[u8], plan: &mut Plan) -> Stage {
    let int = |key: &[u8], default| entry_int(parameters, key).unwrap_or(default);
    let change = match int(b"EarlyChange", 1) {
        0 => Change::Late,
        _ => Change::Early,
    };
    let filter = Filter::named(name, change);
    if filter == Filter::Crypt
        && !matches!(entry(parameters, b"Name"), Some(Value::Name(name)) if !name_is(name, b"Identity"))
    {
        plan.is_plain = true;
    }
    let kind = int(b"Predictor", 1);
    let is_packed = matches!(filter, Filter::Flate | Filter::Lzw(_));
    let predictor = (is_packed && kind > 1).then(|| Predictor {
        kind,
        colors: int(b"Colors", 1),
        bits: int(b"BitsPerComponent", 8),
        columns: int(b"Columns", 1),
    });
    Stage { filter, predictor }
}

fn known(value: Value<'_>) -> Option<Known<u64>> {
    match value {
        Value::Int(length) => u64::try_from(length).ok().map(Known::Here),
        Value::Ref(number) => Some(Known::There(number)),
        _ => None,
    }
}

fn here(text: &[u8]) -> Option<u64> {
    match value(text) {
        Some(Value::Int(length)) => u64::try_from(length).ok(),
        _ => None,
    }
}

fn push_some<T>(list: &mut Vec<T>, item: Option<T>) {
    if let Some(item) = item {
        // The last one is what most readers take.
        list.truncate(WAYS_MAX.saturating_sub(1));
        list.push(item);
    }
}
