//! Days of the calendar, without times or zones: what is sourced and expires does so by the day.

use std::fmt;

/// A day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    /// Days since 1970-01-01.
    days: i32,
}

impl Date {
    /// Reads `YYYY-MM-DD`; anything after a `T` is a time and is passed over.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let day = text.split_once('T').map_or(text, |(day, _)| day);
        let mut parts = day.split('-');
        let (year, month, date) = (parts.next()?, parts.next()?, parts.next()?);
        let is_written_out = year.len() == 4 && month.len() == 2 && date.len() == 2;
        let is_digits = [year, month, date]
            .iter()
            .all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
        if parts.next().is_some() || !is_written_out || !is_digits {
            return None;
        }
        let wanted = (year.parse().ok()?, month.parse().ok()?, date.parse().ok()?);
        let found = Self {
            days: days_from_civil(wanted),
        };
        (found.civil() == wanted).then_some(found)
    }

    /// The day so many days later.
    #[must_use]
    pub fn plus_days(self, days: u32) -> Self {
        Self {
            days: self
                .days
                .saturating_add(i32::try_from(days).unwrap_or(i32::MAX)),
        }
    }

    /// Days since 1970-01-01 as a date.
    #[must_use]
    pub fn from_days(days: i32) -> Self {
        Self { days }
    }

    /// Days from `earlier` to this day; none where it is later.
    #[must_use]
    pub fn days_since(self, earlier: Self) -> u32 {
        u32::try_from(self.days.saturating_sub(earlier.days)).unwrap_or(0)
    }

    /// Year, month, day: the inverse of [`days_from_civil`].
    fn civil(self) -> (i32, i32, i32) {
        let shifted = i64::from(self.days).saturating_add(719_468);
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let leap = (of_era / 1460)
            .saturating_sub(of_era / 36_524)
            .saturating_add(of_era / 146_096);
        let year_of_era = of_era.saturating_sub(leap) / 365;
        let of_year = of_era.saturating_sub(
            year_of_era
                .saturating_mul(365)
                .saturating_add(year_of_era / 4)
                .saturating_sub(year_of_era / 100),
        );
        let march_month = of_year.saturating_mul(5).saturating_add(2) / 153;
        let day = of_year
            .saturating_sub(march_month.saturating_mul(153).saturating_add(2) / 5)
            .saturating_add(1);
        let month = match march_month {
            0..=9 => march_month.saturating_add(3),
            _ => march_month.saturating_sub(9),
        };
        let year = era
            .saturating_mul(400)
            .saturating_add(year_of_era)
            .saturating_add(i64::from(month <= 2));
        let narrow = |value: i64| i32::try_from(value).unwrap_or(i32::MAX);
        (narrow(year), narrow(month), narrow(day))
    }
}

/// The proleptic Gregorian calendar, in eras of 400 years that begin in March.
fn days_from_civil((year, month, day): (i32, i32, i32)) -> i32 {
    let year = year.saturating_sub(i32::from(month <= 2));
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let march_month = month.saturating_add(if month > 2 { -3 } else { 9 });
    let of_year = (march_month.saturating_mul(153).saturating_add(2) / 5)
        .saturating_add(day)
        .saturating_sub(1);
    let of_era = year_of_era
        .saturating_mul(365)
        .saturating_add(year_of_era / 4)
        .saturating_sub(year_of_era / 100)
        .saturating_add(of_year);
    era.saturating_mul(146_097)
        .saturating_add(of_era)
        .saturating_sub(719_468)
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_nine_centuries_is_read_as_it_is_written() {
        for days in -130_000..200_000 {
            let date = Date::from_days(days);
            assert_eq!(Date::parse(&date.to_string()), Some(date));
        }
        assert_eq!(Date::from_days(0).to_string(), "1970-01-01");
        let leap = Date::parse("2024-02-29").unwrap();
        assert_eq!(leap.plus_days(1).to_string(), "2024-03-01");
    }

    #[test]
    fn days_that_do_not_exist_are_refused() {
        for text in [
            "2023-02-29",
            "2024-13-01",
            "2024-00-10",
            "24-01-01",
            "2024-1-01",
            "x",
            "",
        ] {
            assert_eq!(Date::parse(text), None, "{text}");
        }
        assert!(Date::parse("2024-05-06T01:02:03Z").is_some());
    }
}
