//! Amounts as people write them: `64M`, `2G`, `90s`. Refuses what would not fit or not be exact.

use std::fmt;
use std::str::FromStr;

/// A number of bytes: `4096`, `64K`, `256M`, `2G`, in powers of 1,024.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

/// A time: `500ms`, `90s`, `2m`; a bare number is seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Time {
    /// The same in milliseconds.
    pub(crate) ms: u64,
}

const SIZE_UNITS: [(&str, u64); 4] = [
    ("T", 1 << 40),
    ("G", 1 << 30),
    ("M", 1 << 20),
    ("K", 1 << 10),
];
const TIME_UNITS: [(&str, u64); 4] = [("ms", 1), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bare = text.trim_end_matches("iB").trim_end_matches(['B', 'b']);
        let upper = bare.to_ascii_uppercase();
        amount(&upper, &SIZE_UNITS, 1)
            .map(Self)
            .ok_or_else(|| "write a number of bytes, such as 4096, 64K, 256M or 2G".to_owned())
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_exact(f, self.0, &SIZE_UNITS)
    }
}

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        amount(text, &TIME_UNITS, 1_000)
            .map(|ms| Self { ms })
            .ok_or_else(|| "write a time, such as 500ms, 90s or 2m".to_owned())
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ms {
            ms if ms > 0 && ms.is_multiple_of(60_000) => write!(f, "{}m", ms / 60_000),
            ms if ms > 0 && ms.is_multiple_of(1_000) => write!(f, "{}s", ms / 1_000),
            ms => write!(f, "{ms}ms"),
        }
    }
}

/// `38889` as `38,889`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && digits.len().saturating_sub(index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A size for reading, not for parsing: `1.4 GB`, in powers of 1,000.
pub(crate) fn rounded_size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 4] = [
        (1_000_000_000_000, "TB"),
        (1_000_000_000, "GB"),
        (1_000_000, "MB"),
        (1_000, "kB"),
    ];
    for (unit, name) in UNITS {
        if bytes >= unit {
            // Each unit is a multiple of ten.
            let tenths = bytes.checked_div(unit / 10).unwrap_or(bytes);
            return format!("{}.{} {name}", tenths / 10, tenths % 10);
        }
    }
    format!("{bytes} bytes")
}

/// A count with its noun: `1 file`, `2,000 files`.
pub(crate) fn counted(number: u64, one: &str, many: &str) -> String {
    format!(
        "{} {}",
        grouped(number),
        if number == 1 { one } else { many }
    )
}

fn amount(text: &str, units: &[(&str, u64)], bare_unit: u64) -> Option<u64> {
    let suffixed = units
        .iter()
        .find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, *unit)));
    let (digits, unit) = suffixed.unwrap_or((text, bare_unit));
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

fn write_exact(f: &mut fmt::Formatter<'_>, value: u64, units: &[(&str, u64)]) -> fmt::Result {
    let whole = units
        .iter()
        .find(|(_, unit)| value > 0 && value.is_multiple_of(*unit));
    match whole {
        Some((suffix, unit)) => {
            write!(f, "{}{suffix}", value.checked_div(*unit).unwrap_or(value))
        }
        None => write!(f, "{value}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_written_exactly() {
        for (text, bytes) in [("0", 0), ("4096", 4096), ("64K", 65_536), ("2G", 2 << 30)] {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        assert_eq!("2GiB".parse(), Ok(Size(2 << 30)));
        assert_eq!("3mb".parse(), Ok(Size(3 << 20)));
        assert_eq!(Size(2 << 30).to_string(), "2G");
        assert_eq!(Size(1_000).to_string(), "1000");
        for wrong in ["", "-1", "1.5G", "K", "1X", "99999999999G", "+3"] {
            assert!(wrong.parse::<Size>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_read_and_written_exactly() {
        for (text, ms) in [
            ("500ms", 500),
            ("90s", 90_000),
            ("2m", 120_000),
            ("3", 3_000),
        ] {
            assert_eq!(text.parse(), Ok(Time { ms }), "{text}");
        }
        assert_eq!(Time { ms: 120_000 }.to_string(), "2m");
        assert_eq!(Time { ms: 1_500 }.to_string(), "1500ms");
        assert!("soon".parse::<Time>().is_err());
    }

    #[test]
    fn numbers_are_grouped_for_reading() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(38_889), "38,889");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(rounded_size(999), "999 bytes");
        assert_eq!(rounded_size(1_450_000_000), "1.4 GB");
        assert_eq!(counted(1, "file", "files"), "1 file");
    }
}
