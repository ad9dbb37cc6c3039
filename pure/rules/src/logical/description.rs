//! Target description blocks: which objects a logical signature is for.

use crate::hash::{LineTrouble, decimal};
use crate::{FUNCTIONALITY_LEVEL, FileType};

/// Numbers from one to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The least.
    pub min: u32,
    /// The most.
    pub max: u32,
}

impl Bounds {
    /// Whether a number is within.
    #[must_use]
    pub fn hold(self, number: u64) -> bool {
        (u64::from(self.min)..=u64::from(self.max)).contains(&number)
    }
}

/// Which objects a rule is for. What is not there is not asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// The target type.
    pub target: u8,
    /// The object's size in bytes.
    pub file_size: Option<Bounds>,
    /// The entry point's place in the file.
    pub entry_point: Option<Bounds>,
    /// How many sections there are.
    pub section_count: Option<Bounds>,
    /// What the object lies in.
    pub container: Option<FileType>,
    /// What that lies in, and so on outward: the first is the outermost.
    pub intermediates: Vec<FileType>,
}

/// The least functionality level that a line with attributes of the second kind has to ask for.
const ATTRIBUTES_LEVEL_MIN: u64 = 51;
const INTERMEDIATES_MAX: usize = 16;

/// Parses a description block.
pub(super) fn parse(text: &[u8]) -> Result<Description, LineTrouble> {
    let mut reader = Reader::default();
    for (index, attribute) in text.split(|byte| *byte == b',').enumerate() {
        let (key, value) = halves(attribute, b':').ok_or(LineTrouble::Dropped(
            "an attribute without a value in the target description",
        ))?;
        reader.take(index, key, value)?;
    }
    reader.finish()
}

#[derive(Default)]
struct Reader {
    found: Description,
    target: Option<u8>,
    level_min: Option<u64>,
    /// An attribute that needs a functionality level was there.
    newer: bool,
    /// Why the line is left out, if it is sound otherwise.
    set_aside: Option<LineTrouble>,
}

impl Reader {
    fn take(&mut self, index: usize, key: &[u8], value: &[u8]) -> Result<(), LineTrouble> {
        match key {
            b"Engine" if index > 0 => {
                return Err(LineTrouble::Dropped("Engine is not the first attribute"));
            }
            b"Engine" => return self.engine(value),
            b"Target" => return self.target(value),
            _ => self.newer = true,
        }
        match key {
            b"FileSize" => self.found.file_size = Some(bounds(value)?),
            b"EntryPoint" => self.found.entry_point = Some(bounds(value)?),
            b"NumberOfSections" => self.found.section_count = Some(bounds(value)?),
            b"Container" => match FileType::named(value) {
                Some(file_type) => self.found.container = Some(file_type),
                None => self.set_aside(UNKNOWN_TYPE),
            },
            b"Intermediates" => self.intermediates(value),
            b"HandlerType" => self.set_aside(LineTrouble::Pending("handler types")),
            b"IconGroup1" | b"IconGroup2" => {
                self.set_aside(LineTrouble::Pending("icon groups"));
            }
            _ => {
                self.newer = false;
                self.set_aside(LineTrouble::Dropped(
                    "an unknown attribute in the target description",
                ));
            }
        }
        Ok(())
    }

    /// The first reason counts.
    fn set_aside(&mut self, why: LineTrouble) {
        self.set_aside.get_or_insert(why);
    }

    fn engine(&mut self, value: &[u8]) -> Result<(), LineTrouble> {
        let levels =
            halves(value, b'-').and_then(|(min, max)| Some((decimal(min)?, decimal(max)?)));
        let (min, max) = levels.ok_or(LineTrouble::Dropped(
            "a functionality level is not a number",
        ))?;
        self.level_min = Some(min);
        if !(min..=max).contains(&u64::from(FUNCTIONALITY_LEVEL)) {
            // It may hold what no engine of this level can read.
            return Err(LineTrouble::OtherEngine);
        }
        Ok(())
    }

    fn target(&mut self, value: &[u8]) -> Result<(), LineTrouble> {
        let target = decimal(value).and_then(|target| u8::try_from(target).ok());
        self.target = Some(target.ok_or(LineTrouble::Dropped("the target type is not a number"))?);
        Ok(())
    }

    fn intermediates(&mut self, value: &[u8]) {
        let types: Option<Vec<_>> = value
            .split(|byte| *byte == b'>')
            .map(FileType::named)
            .collect();
        match types {
            Some(types) if types.len() <= INTERMEDIATES_MAX => self.found.intermediates = types,
            Some(_) => self.set_aside(LineTrouble::Dropped("more than 16 intermediates")),
            None => self.set_aside(UNKNOWN_TYPE),
        }
    }

    fn finish(mut self) -> Result<Description, LineTrouble> {
        // The order is the peer's: what it would refuse is dropped, not set aside.
        let structure = self
            .found
            .entry_point
            .or(self.found.section_count)
            .is_some();
        if let Some(why) = self.set_aside {
            return Err(why);
        }
        self.found.target = self
            .target
            .ok_or(LineTrouble::Dropped("no Target in the target description"))?;
        if self.newer
            && self
                .level_min
                .is_none_or(|level| level < ATTRIBUTES_LEVEL_MIN)
        {
            return Err(LineTrouble::Dropped(
                "the target description needs a functionality level of at least 51",
            ));
        }
        if structure && !matches!(self.found.target, 1 | 6 | 9) {
            return Err(LineTrouble::Dropped(
                "EntryPoint and NumberOfSections need an executable target type",
            ));
        }
        Ok(self.found)
    }
}

const UNKNOWN_TYPE: LineTrouble = LineTrouble::Dropped("a file type of no known name");

fn halves(text: &[u8], between: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|byte| *byte == between)?;
    let (left, right) = text.split_at_checked(at)?;
    Some((left, right.get(1..)?))
}

fn bounds(text: &[u8]) -> Result<Bounds, LineTrouble> {
    let number = |text| decimal(text).map(|number| u32::try_from(number).unwrap_or(u32::MAX));
    let bounds = halves(text, b'-').and_then(|(min, max)| {
        Some(Bounds {
            min: number(min)?,
            max: number(max)?,
        })
    });
    bounds.ok_or(LineTrouble::Dropped(
        "bounds in the target description are not two numbers",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attribute_is_read() {
        let text = b"Engine:51-255,FileSize:10-20,Target:1,EntryPoint:0-4096,NumberOfSections:1-9,\
            Container:CL_TYPE_ZIP,Intermediates:CL_TYPE_MAIL>CL_TYPE_ANY";
        let named = |name: &str| FileType::named(name.as_bytes()).unwrap();
        let found = parse(text).unwrap();
        assert_eq!(
            found,
            Description {
                target: 1,
                file_size: Some(Bounds { min: 10, max: 20 }),
                entry_point: Some(Bounds { min: 0, max: 4096 }),
                section_count: Some(Bounds { min: 1, max: 9 }),
                container: Some(named("CL_TYPE_ZIP")),
                intermediates: vec![named("CL_TYPE_MAIL"), FileType::ANY],
            }
        );
        assert!(found.file_size.unwrap().hold(10) && found.file_size.unwrap().hold(20));
        assert!(!found.file_size.unwrap().hold(9) && !found.file_size.unwrap().hold(21));
    }

    #[test]
    fn a_line_for_another_engine_is_not_looked_at_further() {
        for text in [
            "Engine:300-400,Target:x",
            "Engine:1-20,Target:0,",
            "Engine:220-215",
        ] {
            assert_eq!(
                parse(text.as_bytes()),
                Err(LineTrouble::OtherEngine),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_not_supported_has_a_name() {
        let trouble = |text: &str| parse(text.as_bytes()).unwrap_err();
        assert_eq!(
            trouble("Engine:51-255,Target:1,IconGroup1:X"),
            LineTrouble::Pending("icon groups")
        );
        assert_eq!(
            trouble("Engine:51-255,Target:0,HandlerType:CL_TYPE_PDF"),
            LineTrouble::Pending("handler types")
        );
    }

    #[test]
    fn what_the_peer_refuses_is_dropped() {
        for text in [
            "",
            "Target:0,",
            "Target:x",
            "Engine:51-255",
            "Engine:51,Target:0",
            "Target:0,Engine:51-255",
            "Target:0,FileSize:1-2",
            "Engine:40-255,Target:0,Container:CL_TYPE_ZIP",
            "Engine:51-255,Target:0,FileSize:100",
            "Engine:51-255,Target:0,EntryPoint:1-2",
            "Engine:51-255,Target:0,Container:CL_TYPE_FOO",
            "Engine:51-255,Target:0,Bogus:1",
        ] {
            let found = parse(text.as_bytes());
            assert!(
                matches!(found, Err(LineTrouble::Dropped(_))),
                "{text}: {found:?}"
            );
        }
    }
}
