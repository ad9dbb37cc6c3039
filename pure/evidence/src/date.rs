//! A day of the Gregorian calendar. Evidence is dated by the day; nothing here knows what day it
//! is.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A day, from 0001-01-01 to 9999-12-31. Written and read as `2026-11-24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

impl Date {
    /// The first day there is.
    pub const EARLIEST: Self = Self {
        year: 1,
        month: 1,
        day: 1,
    };

    /// The day with these numbers, where there is one.
    #[must_use]
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let exists = (1..=9999).contains(&year) && day >= 1 && day <= days_in(year, month)?;
        exists.then_some(Self { year, month, day })
    }

    /// The day that this text is.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = bytes else {
            return None;
        };
        let number = |digits: &[u8]| {
            digits.iter().try_fold(0u16, |number, digit| {
                let digit = digit.is_ascii_digit().then(|| digit.wrapping_sub(b'0'))?;
                number.checked_mul(10)?.checked_add(u16::from(digit))
            })
        };
        let month = u8::try_from(number(&[*m1, *m2])?).ok()?;
        let day = u8::try_from(number(&[*d1, *d2])?).ok()?;
        Self::new(number(&[*y1, *y2, *y3, *y4])?, month, day)
    }

    /// The day on which this time stamp (RFC 3339) lies, as it is written there. Its zone is passed
    /// over: no day is off by more than one.
    #[must_use]
    pub fn of_timestamp(text: &str) -> Option<Self> {
        let (day, rest) = text.split_at_checked(10)?;
        let is_time = rest.is_empty() || rest.starts_with(['T', 't', ' ']);
        Self::parse(day).filter(|_| is_time)
    }

    /// The day that many days after 1970-01-01.
    #[must_use]
    pub fn from_days(days_since_1970: i64) -> Option<Self> {
        // Howard Hinnant's algorithm for civil dates, from March on, in 400-year eras.
        let shifted = days_since_1970.checked_add(719_468)?;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let leap_days = (day_of_era / 1_460)
            .checked_sub(day_of_era / 36_524)?
            .checked_add(day_of_era / 146_096)?;
        let year_of_era = day_of_era.checked_sub(leap_days)? / 365;
        let before = days_before_year_of_era(year_of_era)?;
        let day_of_year = day_of_era.checked_sub(before)?;
        let shifted_month = day_of_year.checked_mul(5)?.checked_add(2)? / 153;
        let month_start = shifted_month.checked_mul(153)?.checked_add(2)? / 5;
        let day = day_of_year.checked_sub(month_start)?.checked_add(1)?;
        let month = match shifted_month {
            0..10 => shifted_month.checked_add(3)?,
            _ => shifted_month.checked_sub(9)?,
        };
        let year = era.checked_mul(400)?.checked_add(year_of_era)?;
        let year = year.checked_add(i64::from(month <= 2))?;
        Self::new(
            u16::try_from(year).ok()?,
            u8::try_from(month).ok()?,
            u8::try_from(day).ok()?,
        )
    }

    /// How many days after 1970-01-01 it is.
    #[must_use]
    pub fn days_since_1970(self) -> i64 {
        let month = i64::from(self.month);
        let shifted_month = month.saturating_add(9).rem_euclid(12);
        let year = i64::from(self.year).saturating_sub(i64::from(month <= 2));
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let day_of_year = (shifted_month.saturating_mul(153).saturating_add(2) / 5)
            .saturating_add(i64::from(self.day))
            .saturating_sub(1);
        days_before_year_of_era(year_of_era)
            .unwrap_or(0)
            .saturating_add(day_of_year)
            .saturating_add(era.saturating_mul(146_097))
            .saturating_sub(719_468)
    }

    /// The day that many days later.
    #[must_use]
    pub fn plus_days(self, days: i64) -> Option<Self> {
        Self::from_days(self.days_since_1970().checked_add(days)?)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day } = self;
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl TryFrom<String> for Date {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("{text:?} is no date; write it as 2026-11-24"))
    }
}

impl From<Date> for String {
    fn from(date: Date) -> Self {
        date.to_string()
    }
}

fn days_before_year_of_era(year: i64) -> Option<i64> {
    let days = year.checked_mul(365)?.checked_add(year / 4)?;
    days.checked_sub(year / 100)
}

fn days_in(year: u16, month: u8) -> Option<u8> {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 if leap => Some(29),
        2 => Some(28),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_count_on_without_a_gap() {
        let mut day = Date::new(1, 1, 1).unwrap();
        let mut count = day.days_since_1970();
        assert_eq!(Date::from_days(0), Date::parse("1970-01-01"));
        while let Some(next) = day.plus_days(1) {
            count += 1;
            assert!(next > day, "{day} {next}");
            assert_eq!(next.days_since_1970(), count);
            assert_eq!(Date::parse(&next.to_string()), Some(next));
            day = next;
        }
        assert_eq!(day.to_string(), "9999-12-31");
    }

    #[test]
    fn what_is_no_day_is_refused() {
        for wrong in [
            "2026-02-29",
            "2026-13-01",
            "2026-00-10",
            "2026-1-10",
            "26-01-10",
            "2026-01-10T",
            "0000-01-01",
            "+026-01-01",
            "",
            "2026‐01-10",
        ] {
            assert_eq!(Date::parse(wrong), None, "{wrong}");
        }
        assert!(Date::parse("2024-02-29").is_some());
        assert_eq!(
            Date::of_timestamp("2026-11-24T23:59:59Z"),
            Date::parse("2026-11-24")
        );
        assert_eq!(Date::of_timestamp("2026-11-245"), None);
    }
}
