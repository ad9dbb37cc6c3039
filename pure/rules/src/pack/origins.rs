//! Where the entries of hash tables come from: three numbers each, in no more bytes than the
//! greatest of their kind takes. There are millions of them.

use super::hashes::STORED;

/// Where an entry comes from; its line is counted through all sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PackedOrigin {
    pub(crate) stem: u32,
    pub(crate) number: u32,
    pub(crate) line: u32,
}

/// How many bytes each number takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Widths([u8; 3]);

impl Widths {
    /// Widths for numbers up to these.
    pub(crate) fn for_greatest(greatest: PackedOrigin) -> Self {
        // All bits of a stem's width set mean that there is none: no stem is that great.
        let stem = greatest.stem.saturating_add(1);
        let fields = [stem, greatest.number, greatest.line];
        let bytes = |value: u32| u8::try_from(value.ilog2().wrapping_div(8)).unwrap_or(3);
        Self(fields.map(|value| bytes(value.max(1)).saturating_add(1)))
    }

    /// Reads the widths back, and refuses others.
    pub(crate) fn read(bytes: [u8; 3]) -> Option<Self> {
        let fits = bytes.iter().all(|width| (1..=4).contains(width));
        fits.then_some(Self(bytes))
    }

    pub(crate) fn bytes(self) -> [u8; 3] {
        self.0
    }

    /// What one entry takes.
    pub(crate) fn record_bytes(self) -> usize {
        self.0.iter().map(|width| usize::from(*width)).sum()
    }

    pub(crate) fn write(self, origin: PackedOrigin, out: &mut Vec<u8>) {
        let fields = [origin.stem, origin.number, origin.line];
        for (width, value) in self.0.into_iter().zip(fields) {
            let bytes = value.to_le_bytes();
            out.extend(bytes.get(..usize::from(width)).unwrap_or(&bytes));
        }
    }

    /// The numbers in a record of this width.
    pub(crate) fn read_record(self, record: &[u8]) -> Option<PackedOrigin> {
        let mut rest = record;
        let mut next = |width: u8| {
            let (field, after) = rest.split_at_checked(usize::from(width))?;
            rest = after;
            let mut bytes = [0; 4];
            bytes.get_mut(..field.len())?.copy_from_slice(field);
            Some((
                u32::from_le_bytes(bytes),
                field.iter().all(|byte| *byte == 255),
            ))
        };
        let [stem, number, line] = self.0;
        let (stem, is_stored) = next(stem)?;
        Some(PackedOrigin {
            stem: if is_stored { STORED } else { stem },
            number: next(number)?.0,
            line: next(line)?.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_read_as_they_were_written() {
        for (stem, number, line, size_bytes) in [
            (0, 0, 0, 3),
            (253, 255, 256, 4),
            (254, 65_535, 1 << 24, 7),
            (65_533, 5_000_000, 9_000_000, 8),
            (u32::MAX - 1, u32::MAX, u32::MAX, 12),
        ] {
            let greatest = PackedOrigin { stem, number, line };
            let widths = Widths::for_greatest(greatest);
            assert_eq!(widths.record_bytes(), size_bytes, "{greatest:?}");
            assert_eq!(Widths::read(widths.bytes()), Some(widths));
            let stored = PackedOrigin {
                stem: STORED,
                ..greatest
            };
            for origin in [greatest, stored] {
                let mut record = Vec::new();
                widths.write(origin, &mut record);
                assert_eq!(widths.read_record(&record), Some(origin));
            }
        }
        assert_eq!(Widths::read([0, 1, 1]), None);
        assert_eq!(Widths::read([1, 5, 1]), None);
    }
}
