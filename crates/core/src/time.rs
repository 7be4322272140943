//! Moments and spans. Only `server::app` reads the clock; everything here takes `now` as an argument.
//!
//! A moment is milliseconds since 1970 UTC; outside it is RFC 3339 in UTC. A span is written as users write it: `90d`, `1m`.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A moment: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(i64);

/// A length of time, in milliseconds, never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(i64);

impl Time {
    /// A moment from what a store or clock gives.
    pub const fn from_unix_ms(ms: i64) -> Self {
        Self(ms)
    }

    /// Milliseconds since 1970.
    pub const fn unix_ms(self) -> i64 {
        self.0
    }

    /// Whole days since 1970, the unit of usage counters.
    pub const fn day(self) -> i64 {
        self.0.div_euclid(86_400_000)
    }

    /// How long ago `earlier` was; zero where it lies ahead.
    pub fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0).max(0))
    }

    /// Parses RFC 3339.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let moment = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        i64::try_from(moment.unix_timestamp_nanos() / 1_000_000).ok().map(Self)
    }
}

impl Add<Span> for Time {
    type Output = Self;
    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for Time {
    type Output = Self;
    fn sub(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

/// RFC 3339 in UTC, to the second.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = OffsetDateTime::from_unix_timestamp(self.0.div_euclid(1000)).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        f.write_str(&moment.format(&Rfc3339).unwrap_or_default())
    }
}

impl serde::Serialize for Time {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Time {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse_rfc3339(&text)
            .ok_or_else(|| serde::de::Error::custom("not an RFC 3339 time such as 2026-12-01T00:00:00Z"))
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// A span of milliseconds; negative ones are none.
    pub const fn ms(ms: i64) -> Self {
        Self(if ms < 0 { 0 } else { ms })
    }
    /// A span of seconds.
    pub const fn seconds(count: i64) -> Self {
        Self::ms(count.saturating_mul(1000))
    }
    /// A span of minutes.
    pub const fn minutes(count: i64) -> Self {
        Self::seconds(count.saturating_mul(60))
    }
    /// A span of hours.
    pub const fn hours(count: i64) -> Self {
        Self::minutes(count.saturating_mul(60))
    }
    /// A span of days of 24 hours.
    pub const fn days(count: i64) -> Self {
        Self::hours(count.saturating_mul(24))
    }
    /// In milliseconds.
    pub const fn as_ms(self) -> i64 {
        self.0
    }
    /// In whole seconds, rounded up: what `Retry-After` wants.
    pub const fn as_seconds_up(self) -> i64 {
        self.0.saturating_add(999) / 1000
    }
}

/// Text that is no span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadSpan;

impl fmt::Display for BadSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a length of time such as 30s, 10m, 24h or 90d")
    }
}

impl std::error::Error for BadSpan {}

impl FromStr for Span {
    type Err = BadSpan;

    fn from_str(text: &str) -> Result<Self, BadSpan> {
        let split = text.find(|letter: char| !letter.is_ascii_digit()).ok_or(BadSpan)?;
        let (count, unit) = text.split_at(split);
        let count: i64 = count.parse().map_err(|_| BadSpan)?;
        let unit_ms = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(BadSpan),
        };
        count.checked_mul(unit_ms).map(Self).ok_or(BadSpan)
    }
}

/// The largest unit that divides it: `90d`, `24h`, `1m`.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
        match units.iter().find(|(size, _)| self.0 >= *size && self.0 % size == 0) {
            Some((size, unit)) => write!(f, "{}{unit}", self.0 / size),
            None if self.0 == 0 => f.write_str("0s"),
            None => write!(f, "{}ms", self.0),
        }
    }
}

impl serde::Serialize for Span {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Span {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_span_reads_back_as_written(ms in 0_i64..i64::MAX) {
            prop_assert_eq!(Span::ms(ms).to_string().parse(), Ok(Span::ms(ms)));
        }

        #[test]
        fn any_text_is_a_span_or_refused(text in ".{0,24}") {
            let _ = text.parse::<Span>();
            let _ = Time::parse_rfc3339(&text);
        }
    }

    #[test]
    fn times_are_rfc_3339_in_utc() {
        let time = Time::from_unix_ms(1_796_083_200_000);
        assert_eq!(time.to_string(), "2026-12-01T00:00:00Z");
        assert_eq!(Time::parse_rfc3339("2026-12-01T01:00:00+01:00"), Some(time));
    }

    #[test]
    fn units_are_spelled_out() {
        assert_eq!("90d".parse(), Ok(Span::days(90)));
        assert_eq!("10".parse::<Span>(), Err(BadSpan));
        assert_eq!("".parse::<Span>(), Err(BadSpan));
        assert_eq!("9223372036854775807d".parse::<Span>(), Err(BadSpan));
    }
}
