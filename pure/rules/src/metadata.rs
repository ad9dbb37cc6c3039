//! Rules about what containers say of their members, from `.cdb` files:
//! `Name:ContainerType:ContainerSize:FileNameREGEX:FileSizeInContainer:FileSizeReal:IsEncrypted:`
//! `FilePos:Res1:Res2[:MinFL[:MaxFL]]`.
//!
//! The checksum (`Res1`) is not compared: the peer does not compare it either, whatever its manual
//! says.

use std::ops::RangeInclusive;

use crate::hash::{Levels, LineTrouble, decimal};
use crate::pack::{RuleId, le_u32, le_u64, record};
use crate::{CompileError, FileType, ere};

/// A container that says something of its members, as rules name it. The codes are part of the
/// pack's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum ContainerType {
    /// `CL_TYPE_ZIP`.
    Zip = 1,
    /// `CL_TYPE_OOXML_WORD`.
    Word = 2,
    /// `CL_TYPE_OOXML_XL`.
    Excel = 3,
    /// `CL_TYPE_OOXML_PPT`.
    PowerPoint = 4,
    /// `CL_TYPE_7Z`.
    SevenZip = 5,
    /// `CL_TYPE_MSCAB`.
    Cabinet = 6,
    /// `CL_TYPE_POSIX_TAR`.
    PosixTar = 7,
    /// `CL_TYPE_OLD_TAR`.
    OldTar = 8,
    /// `CL_TYPE_CPIO_OLD`.
    CpioOld = 9,
    /// `CL_TYPE_CPIO_ODC`.
    CpioOdc = 10,
    /// `CL_TYPE_CPIO_NEWC`.
    CpioNewc = 11,
    /// `CL_TYPE_CPIO_CRC`.
    CpioCrc = 12,
    /// `CL_TYPE_MAIL` and `CL_TYPE_MHTML`, which the peer tells apart by what a message begins
    /// with.
    Mail = 13,
    /// `CL_TYPE_HTML`.
    Html = 14,
}

/// Any container.
const ANY: u8 = 0;
/// A container of which the peer says nothing: the rule never fires.
const SILENT: u8 = u8::MAX;
/// Whatever is encrypted or not.
const EITHER: u8 = u8::MAX;

const TYPES: [(&str, ContainerType); 15] = [
    ("ZIP", ContainerType::Zip),
    ("OOXML_WORD", ContainerType::Word),
    ("OOXML_XL", ContainerType::Excel),
    ("OOXML_PPT", ContainerType::PowerPoint),
    ("7Z", ContainerType::SevenZip),
    ("MSCAB", ContainerType::Cabinet),
    ("POSIX_TAR", ContainerType::PosixTar),
    ("OLD_TAR", ContainerType::OldTar),
    ("CPIO_OLD", ContainerType::CpioOld),
    ("CPIO_ODC", ContainerType::CpioOdc),
    ("CPIO_NEWC", ContainerType::CpioNewc),
    ("CPIO_CRC", ContainerType::CpioCrc),
    ("MAIL", ContainerType::Mail),
    ("MHTML", ContainerType::Mail),
    ("HTML", ContainerType::Html),
];

/// Of these the peer tells, and we don't unpack them yet.
const WAITING: [&str; 6] = ["RAR", "ARJ", "MSCHM", "EGG", "ALZ", "LHA_LZH"];

const RECORD_BYTES: usize = 80;

/// A rule as it was read from a line.
#[derive(Debug)]
pub(crate) struct MetadataLine<'a> {
    pub(crate) name: &'a [u8],
    container: u8,
    encrypted: u8,
    sizes: [RangeInclusive<u64>; 4],
    pattern: Vec<u8>,
}

/// Reads a line.
pub(crate) fn parse(line: &[u8]) -> Result<MetadataLine<'_>, LineTrouble> {
    const FIELDS: LineTrouble = LineTrouble::Dropped("not ten to twelve fields");
    // The functionality levels are the last two fields, if they are there.
    let mut fields = line.splitn(11, |byte| *byte == b':');
    let mut next = || fields.next().ok_or(FIELDS);
    let name = next()?;
    let (container, container_size, file_name) = (next()?, next()?, next()?);
    let (packed, real, encrypted, position) = (next()?, next()?, next()?, next()?);
    let (_checksum, _reserved) = (next()?, next()?);
    if name.is_empty() {
        return Err(LineTrouble::Dropped("no signature name"));
    }
    Levels::parse(fields.next())?.check()?;
    Ok(MetadataLine {
        name,
        container: container_type(container)?,
        encrypted: encryption(encrypted)?,
        sizes: [
            range(container_size)?,
            range(packed)?,
            range(real)?,
            range(position)?,
        ],
        pattern: pattern(file_name)?,
    })
}

/// Reads a line of a `.zmd` file:
/// `Name:Encrypted:FileNameREGEX:FileSizeReal:FileSizeInContainer:CRC:Method:FilePos:MaxDepth`.
/// The peer compares neither the method nor the depth, and never finds a checksum equal.
pub(crate) fn parse_old(line: &[u8]) -> Result<MetadataLine<'_>, LineTrouble> {
    let fields: Vec<&[u8]> = line.splitn(10, |byte| *byte == b':').collect();
    let [
        name,
        encrypted,
        file_name,
        real,
        packed,
        checksum,
        method,
        position,
        depth,
    ] = *fields
    else {
        return Err(LineTrouble::Dropped("not nine fields"));
    };
    if name.is_empty() {
        return Err(LineTrouble::Dropped("no signature name"));
    }
    if !matches!(checksum, b"*" | b"") {
        return Err(LineTrouble::Pending("metadata with a checksum"));
    }
    for field in [real, packed, method, position, depth] {
        if field != b"*" && decimal(field).is_none() {
            return Err(LineTrouble::Dropped("a size or a place is not a number"));
        }
    }
    Ok(MetadataLine {
        name,
        container: ContainerType::Zip as u8,
        encrypted: encryption(encrypted)?,
        sizes: [0..=u64::MAX, range(packed)?, range(real)?, range(position)?],
        pattern: pattern(file_name)?,
    })
}

fn encryption(field: &[u8]) -> Result<u8, LineTrouble> {
    match field {
        b"*" => Ok(EITHER),
        b"0" => Ok(0),
        b"1" => Ok(1),
        _ => Err(LineTrouble::Dropped(
            "whether it is encrypted is not 0, 1 or *",
        )),
    }
}

fn pattern(field: &[u8]) -> Result<Vec<u8>, LineTrouble> {
    match field {
        b"*" => Ok(Vec::new()),
        expression => ere::compile(expression),
    }
}

fn container_type(field: &[u8]) -> Result<u8, LineTrouble> {
    const UNKNOWN: LineTrouble = LineTrouble::Dropped("the container type is not known");
    if field == b"*" || field == b"CL_TYPE_ANY" {
        return Ok(ANY);
    }
    let name = FileType::named(field).ok_or(UNKNOWN)?.as_str();
    if let Some((_, known)) = TYPES.iter().find(|(known, _)| *known == name) {
        return Ok(*known as u8);
    }
    if WAITING.contains(&name) {
        return Err(LineTrouble::Pending(
            "metadata of a container that is not unpacked yet",
        ));
    }
    // The peer takes every type that it has a name for.
    Ok(SILENT)
}

/// `*`, a number or `x-y`; nothing is as zero, and `x-0` has no end, as the peer has it.
fn range(field: &[u8]) -> Result<RangeInclusive<u64>, LineTrouble> {
    let number = |digits: &[u8]| {
        decimal(digits).ok_or(LineTrouble::Dropped(
            "a size or a place is not a number or a range",
        ))
    };
    match field {
        b"*" => Ok(0..=u64::MAX),
        b"" => Ok(0..=0),
        _ => match field.iter().position(|byte| *byte == b'-') {
            None => number(field).map(|only| only..=only),
            Some(dash) => {
                let (least, most) = field.split_at_checked(dash).unwrap_or((field, &[]));
                let most = most.get(1..).unwrap_or_default();
                match (number(least)?, number(most)?) {
                    (least @ 1.., 0) => Ok(least..=u64::MAX),
                    (least, most) => Ok(least..=most),
                }
            }
        },
    }
}

/// The rules so far, as the pack has them: count u32, zero u32, records, expressions. A record:
/// rule u32, container u8, encrypted u8, zero u16, four ranges of two u64, expression u32 and its
/// length u32.
#[derive(Debug, Default)]
pub(crate) struct MetadataTable {
    records: Vec<u8>,
    patterns: Vec<u8>,
}

impl MetadataTable {
    /// Adds a rule.
    pub(crate) fn push(
        &mut self,
        rule: RuleId,
        line: &MetadataLine<'_>,
    ) -> Result<(), CompileError> {
        let start = u32::try_from(self.patterns.len()).map_err(|_| CompileError::TooLarge)?;
        let length = u32::try_from(line.pattern.len()).map_err(|_| CompileError::TooLarge)?;
        self.patterns.extend(&line.pattern);
        let records = &mut self.records;
        records.extend(rule.0.to_le_bytes());
        records.extend([line.container, line.encrypted, 0, 0]);
        for range in &line.sizes {
            records.extend(range.start().to_le_bytes());
            records.extend(range.end().to_le_bytes());
        }
        records.extend(start.to_le_bytes());
        records.extend(length.to_le_bytes());
        Ok(())
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        let count = self.records.len().checked_div(RECORD_BYTES).unwrap_or(0);
        let mut bytes = u32::try_from(count)
            .unwrap_or(u32::MAX)
            .to_le_bytes()
            .to_vec();
        bytes.extend([0; 4]);
        bytes.extend(self.records);
        bytes.extend(self.patterns);
        bytes
    }
}

/// What a container says of a member.
#[derive(Clone, Copy, Debug)]
pub struct MemberFacts<'a> {
    /// What kind of container.
    pub container: ContainerType,
    /// How long the container is.
    pub container_bytes: u64,
    /// The member's name.
    pub name: &'a [u8],
    /// Its length as it is packed.
    pub packed_bytes: u64,
    /// Its length.
    pub size_bytes: u64,
    /// Whether it is encrypted.
    pub is_encrypted: bool,
    /// Its place.
    pub position: u64,
}

/// A rule as it lies in the pack.
#[derive(Clone, Debug)]
pub struct MetadataRule<'a> {
    /// The rule.
    pub rule: RuleId,
    container: u8,
    encrypted: u8,
    ranges: [RangeInclusive<u64>; 4],
    /// What the name must match; `None` where any name does.
    pub pattern: Option<ere::Pattern<'a>>,
}

impl MetadataRule<'_> {
    /// Whether everything but the name fits.
    #[must_use]
    pub fn fits(&self, facts: &MemberFacts<'_>) -> bool {
        let [container_bytes, packed_bytes, size_bytes, position] = &self.ranges;
        (self.container == ANY || self.container == facts.container as u8)
            && (self.encrypted == EITHER || self.encrypted == u8::from(facts.is_encrypted))
            && container_bytes.contains(&facts.container_bytes)
            && packed_bytes.contains(&facts.packed_bytes)
            && size_bytes.contains(&facts.size_bytes)
            && position.contains(&facts.position)
    }
}

/// The rules of a pack's section; one that is damaged ends them.
pub(crate) fn read(bytes: &[u8]) -> impl Iterator<Item = MetadataRule<'_>> {
    let count = le_u32(bytes, 0).unwrap_or(0);
    (0..count).map_while(move |index| rule(bytes, count, index))
}

fn rule(bytes: &[u8], count: u32, index: u32) -> Option<MetadataRule<'_>> {
    let table = bytes.get(8..)?;
    let fields = record(table, index, RECORD_BYTES)?;
    let number = |place: usize| le_u64(fields, place.checked_mul(8)?);
    let start = usize::try_from(le_u32(fields, 72)?).ok()?;
    let length = usize::try_from(le_u32(fields, 76)?).ok()?;
    let patterns = table.get(usize::try_from(count).ok()?.checked_mul(RECORD_BYTES)?..)?;
    let pattern = match length {
        0 => None,
        _ => Some(ere::Pattern::read(
            patterns.get(start..start.checked_add(length)?)?,
        )?),
    };
    Some(MetadataRule {
        rule: RuleId(le_u32(fields, 0)?),
        container: *fields.get(4)?,
        encrypted: *fields.get(5)?,
        ranges: [
            number(1)?..=number(2)?,
            number(3)?..=number(4)?,
            number(5)?..=number(6)?,
            number(7)?..=number(8)?,
        ],
        pattern,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: MemberFacts<'_> = MemberFacts {
        container: ContainerType::Zip,
        container_bytes: 537,
        name: b"one.txt",
        packed_bytes: 17,
        size_bytes: 120,
        is_encrypted: false,
        position: 2,
    };

    /// As clamscan 1.4.6 answered: whether the rule fires, or `None` where it is refused.
    #[test]
    fn fields_mean_what_they_mean_to_the_peer() {
        for (line, expected) in [
            ("A:*:*:one:*:*:*:*:*:*", Some(true)),
            ("A:*:537:one:*:*:*:*:*:*", Some(true)),
            ("A:*:536:one:*:*:*:*:*:*", Some(false)),
            ("A:*:536-537:one:*:*:*:*:*:*", Some(true)),
            ("A:*:537-538:one:*:*:*:*:*:*", Some(true)),
            ("A:*:538-542:one:*:*:*:*:*:*", Some(false)),
            ("A:*:542-1:one:*:*:*:*:*:*", Some(false)),
            ("A:*::one:*:*:*:*:*:*", Some(false)),
            ("A:*:-537:one:*:*:*:*:*:*", None),
            ("A:*:537-:one:*:*:*:*:*:*", None),
            ("A:*:x:one:*:*:*:*:*:*", None),
            ("A:CL_TYPE_ZIP:*:one:*:*:*:*:*:*", Some(true)),
            ("A:CL_TYPE_ANY:*:one:*:*:*:*:*:*", Some(true)),
            ("A:CL_TYPE_POSIX_TAR:*:one:*:*:*:*:*:*", Some(false)),
            ("A:CL_TYPE_ISO9660:*:one:*:*:*:*:*:*", Some(false)),
            ("A:cl_type_zip:*:one:*:*:*:*:*:*", None),
            ("A:CL_TYPE_:*:one:*:*:*:*:*:*", None),
            ("A::*:one:*:*:*:*:*:*", None),
            ("A:*:*:one:17:*:*:*:*:*", Some(true)),
            ("A:*:*:one:16:*:*:*:*:*", Some(false)),
            ("A:*:*:one:*:121:*:*:*:*", Some(false)),
            ("A:*:*:one:*:1-119:*:*:*:*", Some(false)),
            ("A:*:*:one:*:*:0:*:*:*", Some(true)),
            ("A:*:*:one:*:*:1:*:*:*", Some(false)),
            ("A:*:*:one:*:*::*:*:*", None),
            ("A:*:*:one:*:*:00:*:*:*", None),
            ("A:*:*:one:*:*:*:2:*:*", Some(true)),
            ("A:*:*:one:*:*:*::*:*", Some(false)),
            ("A:*:*:one:*:*:*:1-2:*:*", Some(true)),
            ("A:*:*:one:*:*:*:1-0:*:*", Some(true)),
            ("A:*:*:one:*:*:*:3-0:*:*", Some(false)),
            ("A:*:*:one:*:*:*:0-0:*:*", Some(false)),
            ("A:*:*:one:*:*:*:*:zz:x", Some(true)),
            ("A:*:*:one:*:*:*:*:*:*:216", Some(true)),
            ("A:*:*:one:*:*:*:*:*:*:1:216", Some(true)),
            ("A:*:*:one:*:*:*:*:*:*:217", None),
            ("A:*:*:one:*:*:*:*:*:*:1:215", None),
            ("A:*:*:one:*:*:*:*:*:*:x", None),
            ("A:*:*:one:*:*:*:*:*:*:1:300:5", None),
            ("A:*:*:one:*:*:*:*:*", None),
            (":*:*:one:*:*:*:*:*:*", None),
            ("A:*:*:*:*:*:*:*:*:*", Some(true)),
            ("A:*:*:One:*:*:*:*:*:*", Some(false)),
        ] {
            let fired = parse(line.as_bytes()).ok().map(|line| {
                let mut table = MetadataTable::default();
                table.push(RuleId(7), &line).expect("room for one");
                let bytes = table.into_bytes();
                let rule = read(&bytes).next().expect("what was written is read");
                assert_eq!(rule.rule, RuleId(7));
                let mut threads = ere::Threads::default();
                let is_named = |pattern: ere::Pattern<'_>| {
                    pattern.may_match(FACTS.name) && pattern.is_match(FACTS.name, &mut threads)
                };
                rule.fits(&FACTS) && rule.pattern.is_none_or(is_named)
            });
            assert_eq!(fired, expected, "{line}");
        }
    }

    #[test]
    fn the_old_form_knows_zip_alone() {
        for (line, expected) in [
            ("A:0:one:120:17:*:8:2:*", Some(true)),
            ("A:*:one:*:*:*:9:*:1", Some(true)),
            ("A:1:one:*:*:*:*:*:*", Some(false)),
            ("A:0:one:121:*:*:*:*:*", Some(false)),
            ("A:0:one:*:18:*:*:*:*", Some(false)),
            ("A:0:one:*:*:*:*:1:*", Some(false)),
            ("A:0:one:100-130:*:*:*:*:*", None),
            ("A:0:one:*:*:0194bb2c:*:*:*", None),
            ("A:0:one:*:*:*:x:*:*", None),
            ("A:x:one:*:*:*:*:*:*", None),
            ("A:0:one:*:*:*:*:*:*:1", None),
        ] {
            let fits = parse_old(line.as_bytes()).ok().map(|line| {
                let mut table = MetadataTable::default();
                table.push(RuleId(7), &line).expect("room for one");
                let bytes = table.into_bytes();
                read(&bytes).any(|rule| rule.fits(&FACTS))
            });
            assert_eq!(fits, expected, "{line}");
        }
    }

    #[test]
    fn a_container_that_is_not_unpacked_waits() {
        let waiting = parse(b"A:CL_TYPE_RAR:*:one:*:*:*:*:*:*");
        assert!(matches!(waiting, Err(LineTrouble::Pending(_))));
    }

    #[test]
    fn a_damaged_table_ends_the_rules() {
        let mut table = MetadataTable::default();
        let line = parse(b"A:*:*:one|two:*:*:*:*:*:*").expect("it is right");
        table.push(RuleId(0), &line).expect("room");
        let bytes = table.into_bytes();
        assert_eq!(read(&bytes).count(), 1);
        for cut in 0..bytes.len() {
            assert_eq!(read(&bytes[..cut]).count(), 0, "cut at {cut}");
        }
        let mut many = bytes;
        many[..4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(read(&many).count(), 0);
    }
}
