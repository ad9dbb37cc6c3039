//! Logical signatures (`.ldb`, `.ldu`): parsed, written into a pack, and read from it in place.
//!
//! `Name;TargetDescription;Expression;Subsignature0;Subsignature1;…`. The bytes that a
//! subsignature asks for become fragments, which the pack holds like those of body signatures;
//! what is left of a rule is one small record. What an expression means is in [`fires`]; which of
//! its subsignatures must be searched for at all is its cover.

mod compare;
mod cover;
mod description;
mod expression;
mod record;
mod subsignature;
mod value;

pub use compare::{ByteComparison, ByteOrder, Digits, Notation, NumberCondition};
pub use description::{Bounds, Description};
pub use expression::{Comparison, Condition, Step, TERMS_MAX};
pub use record::{LogicalRecord, PatternRecord, Steps, SubRecord};
pub use subsignature::{MacroCall, PatternFlags};
pub use value::{fires, may_fire};

pub(crate) use record::encode;
pub(crate) use subsignature::Subsignature;

use crate::hash::LineTrouble;

/// A parsed line.
#[derive(Debug)]
pub(crate) struct Logical<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) description: Description,
    pub(crate) expression: Vec<Step>,
    pub(crate) subsignatures: Vec<Subsignature>,
}

/// Parses a line.
pub(crate) fn parse(line: &[u8]) -> Result<Logical<'_>, LineTrouble> {
    let mut fields = line.splitn(4, |byte| *byte == b';');
    let (Some(name), Some(block), Some(expression)) = (fields.next(), fields.next(), fields.next())
    else {
        return Err(LineTrouble::Dropped("fewer than four fields"));
    };
    if name.is_empty() {
        return Err(LineTrouble::Dropped("no signature name"));
    }
    let description = description::parse(block)?;
    let expression = expression::parse(expression)?;
    let texts = texts(fields.next().unwrap_or_default());
    let count = u8::try_from(texts.len()).unwrap_or(u8::MAX);
    if usize::from(count) > expression::SUBSIGNATURES_MAX {
        return Err(LineTrouble::Dropped("more than 64 subsignatures"));
    }
    if expression::highest(&expression).and_then(|sub| sub.checked_add(1)) != Some(count) {
        return Err(LineTrouble::Dropped(
            "the expression does not name as many subsignatures as there are",
        ));
    }
    let place = |index| subsignature::Place {
        index,
        count,
        target: description.target,
    };
    let subsignatures = (0..count)
        .zip(texts)
        .map(|(index, text)| subsignature::parse(text, place(index)));
    Ok(Logical {
        name,
        expression,
        subsignatures: subsignatures.collect::<Result<_, _>>()?,
        description,
    })
}

/// What of a rule nobody decides yet.
fn pending(subsignatures: &[Subsignature]) -> Option<LineTrouble> {
    subsignatures.iter().find_map(|sub| match sub {
        Subsignature::Macro(_) => Some(LineTrouble::Pending("macro subsignatures")),
        Subsignature::Picture(_) => Some(LineTrouble::Pending("image fuzzy hashes")),
        Subsignature::Hex(..) | Subsignature::Pattern(_) | Subsignature::Compare(_) => None,
    })
}

/// Parses a line that can be decided.
pub(crate) fn parse_supported(line: &[u8]) -> Result<Logical<'_>, LineTrouble> {
    let rule = parse(line)?;
    match pending(&rule.subsignatures) {
        None => Ok(rule),
        Some(why) => Err(why),
    }
}

/// Splits subsignatures. A semicolon between slashes belongs to a regular expression, in which a
/// slash behind a backslash is no end.
fn texts(text: &[u8]) -> Vec<&[u8]> {
    let (mut before, mut slashes) = (0u8, 0usize);
    let split = text.split(|byte| {
        if *byte == b'/' && before != b'\\' {
            slashes = slashes.wrapping_add(1);
        }
        before = *byte;
        *byte == b';' && slashes & 1 == 0
    });
    split.collect()
}

impl Logical<'_> {
    /// The subsignatures of which one matches wherever the rule fires, the cheapest such set.
    ///
    /// `cost` is what searching for a subsignature of bytes costs; `None` where it has nothing
    /// that can be searched for. No set gives `None`.
    pub(crate) fn cover(&self, cost: &dyn Fn(u8) -> Option<u64>) -> Option<Vec<u8>> {
        let covers = self.covers(cost);
        let cover_of = |sub: u8| covers.get(usize::from(sub)).cloned().flatten();
        cover::cover(&self.expression, &cover_of, &|sub| {
            cost(sub).unwrap_or(u64::MAX)
        })
    }

    /// The cover of each subsignature alone. What depends on others has theirs; it can only depend
    /// on what comes before it, but for byte comparisons, which have none if they do otherwise.
    fn covers(&self, cost: &dyn Fn(u8) -> Option<u64>) -> Vec<Option<Vec<u8>>> {
        let mut covers: Vec<Option<Vec<u8>>> = Vec::new();
        for (index, subsignature) in (0u8..).zip(&self.subsignatures) {
            let known = |sub: u8| covers.get(usize::from(sub)).cloned().flatten();
            let own = match subsignature {
                Subsignature::Hex(..) => cost(index).map(|_| vec![index]),
                Subsignature::Macro(_) => index.checked_sub(1).and_then(known),
                Subsignature::Pattern(pattern) => {
                    let cost = |sub| cost(sub).unwrap_or(u64::MAX);
                    cover::cover(&pattern.trigger, &known, &cost)
                }
                Subsignature::Compare(comparison) => self.reference(comparison.sub, cost),
                Subsignature::Picture(_) => None,
            };
            covers.push(own);
        }
        covers
    }

    fn reference(&self, sub: u8, cost: &dyn Fn(u8) -> Option<u64>) -> Option<Vec<u8>> {
        match self.subsignatures.get(usize::from(sub))? {
            Subsignature::Hex(..) => cost(sub).map(|_| vec![sub]),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covered(line: &str) -> Option<Vec<u8>> {
        parse(line.as_bytes())
            .unwrap()
            .cover(&|sub| Some(10 + u64::from(sub)))
    }

    #[test]
    fn a_line_is_read_whole() {
        let line = r"A.B-1;Engine:51-255,Target:1;0&1&2&3&4;EP+0,9:6162*6364;4142::wia;0&1/x\/;y/si::i;1(>>2#ib2#=5);${3-9}4$";
        let made = parse(line.as_bytes()).unwrap();
        assert_eq!(made.name, b"A.B-1");
        assert_eq!(made.description.target, 1);
        let [
            Subsignature::Hex(offset, parts),
            Subsignature::Hex(_, styles),
            Subsignature::Pattern(pattern),
            Subsignature::Compare(comparison),
            Subsignature::Macro(call),
        ] = made.subsignatures.as_slice()
        else {
            panic!("{made:?}")
        };
        assert_eq!((offset.shift, parts.len(), parts[0].len()), (9, 1, 2));
        assert_eq!(styles.len(), 2);
        assert_eq!(pattern.text, br"x\/;y");
        assert!(pattern.flags.has(b's') && pattern.flags.has(b'i') && !pattern.flags.has(b'g'));
        assert_eq!(comparison.sub, 1);
        assert_eq!(
            *call,
            MacroCall {
                group: 4,
                min: 3,
                max: 9
            }
        );
    }

    #[test]
    fn what_depends_on_others_has_their_cover() {
        assert_eq!(covered("A;Target:0;1;6162;0/x/"), Some(vec![0]));
        assert_eq!(covered("A;Target:0;2;6162;6163;0|1/x/"), Some(vec![0, 1]));
        assert_eq!(covered("A;Target:0;2;6162;0/x/;1/y/"), Some(vec![0]));
        assert_eq!(covered("A;Target:0;1;6162;0(>>0#ib1#=1)"), Some(vec![0]));
        assert_eq!(covered("A;Target:0;1;6162;${1-2}3$"), Some(vec![0]));
        assert_eq!(covered("A;Target:0;1;6162;0=0/x/"), None);
        assert_eq!(
            covered("A;Target:0;0|1;fuzzy_img#af2ad01ed42993c7#0;6162"),
            None
        );
    }

    #[test]
    fn what_the_peer_refuses_is_dropped() {
        for line in [
            "",
            "A",
            "A;Target:0",
            "A;Target:0;0",
            ";Target:0;0;6162",
            "A;Target:0;0;61zz",
            "A;Target:0;1;6162",
            "A;Target:0;0&2;6162;6163",
            "A;Target:0;0;6162;6163",
            "A;Target:0;0;6162;",
            "A;Target:0;0;6162::q",
            "A;Target:0;0;EP+0:6162",
            "A;Target:0;0;$12:6162",
            "A;Target:0;0;0/abc/",
            "A;Target:0;0&1;6162;/abc/",
            "A;Target:0;0&1;6162;0/abc/z",
            "A;Target:0;0&1;6162;0//",
            "A;Target:0;0&1;6162;0/a",
            "A;Target:0;0&1&2;6162;2/a/;6163",
            "A;Target:0;0&1;6162;0&/a/",
            "A;Target:0;0&1;6162;${1-2}32$",
            "A;Target:0;0&1;6162;${1-2}3",
            "A;Target:0;0&1;6162;${1}3$",
            "A;Target:0;0;fuzzy_img#af2ad01ed42993c7#1",
            "A;Target:0;0;fuzzy_img#af2ad01ed42993c#0",
            "A;Target:0;0;1:fuzzy_img#af2ad01ed42993c7#0",
        ] {
            assert!(parse(line.as_bytes()).is_err(), "{line}");
        }
    }
}
