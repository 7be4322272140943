//! Rate limits: what `100/1m` means, and whether one more is admitted now (GCRA, the "virtual scheduling" form of ITU-T
//! I.371), with the texts of `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-11).
//!
//! Knows no clock and keeps no state: one `i64` per counted thing is the caller's, and so is a monotonic `now_us`. Knows
//! nothing of quotas over months, nor of other nodes.

use std::fmt;
use std::str::FromStr;

use crate::time::Span;

/// The largest count of a rate, and the largest burst.
pub const MAX_COUNT: u32 = 1_000_000;
/// The longest period of a rate.
pub const MAX_PERIOD: Span = Span::days(30);
/// A burst that takes longer than this to come back is a mistake in the units.
const MAX_REFILL: Span = Span::days(366);

/// So many in such a time, written `100/1m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    count: u32,
    per_ms: i64,
}

/// A rate, and how many may come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limit {
    rate: Rate,
    burst: u32,
}

/// Whose requests are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Per {
    /// Those of one key, session or token.
    Grant,
    /// Those of one person or application.
    Subject,
    /// Those of one application, whoever it acts for.
    Client,
    /// Those of one customer.
    Org,
    /// Those of one address (IPv6: of one /64).
    Ip,
    /// All that the rule matches.
    Rule,
}

/// What a limit says of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it may pass.
    pub admitted: bool,
    /// How many more may pass at this moment.
    pub remaining: u32,
    /// Seconds, rounded up, until all of the burst is there again; of a refusal: until one is.
    pub reset_s: i64,
    /// Seconds, rounded up, after which a retry passes; 0 where it was admitted.
    pub retry_after_s: i64,
}

/// Text or numbers that are no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadLimit {
    /// One sentence that completes "must …".
    pub must: &'static str,
}

/// Judges one more at `now_us`, microseconds of a monotonic clock, and counts it where it is admitted.
///
/// `tat` is the theoretical arrival time, in nanoseconds of the same clock; a new one is 0. After a change of the limit
/// it may lie further ahead than the limit allows: then it counts as used up, not as used up for longer.
pub fn admit(limit: &Limit, tat: &mut i64, now_us: i64) -> Verdict {
    let now = now_us.saturating_mul(1_000);
    let (step, depth) = (limit.step_ns(), limit.depth_ns());
    let full = now.saturating_add(depth);
    let due = (*tat).clamp(now, full);
    let next = due.saturating_add(step);
    if next > full {
        *tat = due;
        let wait_s = seconds_up(next - full);
        return Verdict { admitted: false, remaining: 0, reset_s: wait_s, retry_after_s: wait_s };
    }
    *tat = next;
    let remaining = u32::try_from((full - next) / step).unwrap_or(u32::MAX);
    Verdict { admitted: true, remaining, reset_s: seconds_up(next - now), retry_after_s: 0 }
}

/// Takes back what [`admit`] counted: another limit has refused the same request.
pub fn give_back(limit: &Limit, tat: &mut i64) {
    *tat = tat.saturating_sub(limit.step_ns());
}

/// Appends an item of `RateLimit-Policy` for each limit: `"orders";q=100;w=60`.
pub fn append_policies<'l>(text: &mut Vec<u8>, limits: impl Iterator<Item = (&'l str, &'l Limit)>) {
    for (place, (name, limit)) in limits.enumerate() {
        append_name(text, place, name);
        text.extend_from_slice(b";q=");
        append_number(text, u64::from(limit.rate.count));
        text.extend_from_slice(b";w=");
        append_number(text, limit.rate.per_ms.unsigned_abs() / 1_000);
    }
}

/// Appends an item of `RateLimit` for each limit: `"orders";r=99;t=1`.
pub fn append_states<'l>(text: &mut Vec<u8>, verdicts: impl Iterator<Item = (&'l str, &'l Verdict)>) {
    for (place, (name, verdict)) in verdicts.enumerate() {
        append_name(text, place, name);
        text.extend_from_slice(b";r=");
        append_number(text, u64::from(verdict.remaining));
        text.extend_from_slice(b";t=");
        append_number(text, verdict.reset_s.unsigned_abs());
    }
}

impl Rate {
    /// A rate of `count` (1 to 1,000,000) in `per` (whole seconds, 1s to 30d).
    pub fn new(count: u32, per: Span) -> Result<Self, BadLimit> {
        let whole = per.as_ms() % 1_000 == 0;
        if !(1..=MAX_COUNT).contains(&count) || !whole || per < Span::seconds(1) || per > MAX_PERIOD {
            return Err(BAD_RATE);
        }
        Ok(Self { count, per_ms: per.as_ms() })
    }

    /// A rate per minute, known to be one when it is written: none at all counts as one.
    pub const fn per_minute(count: u16) -> Self {
        Self { count: if count == 0 { 1 } else { count as u32 }, per_ms: 60_000 }
    }

    /// How many.
    pub const fn count(self) -> u32 {
        self.count
    }

    /// In which time.
    pub const fn per(self) -> Span {
        Span::ms(self.per_ms)
    }

    /// True where it lets more pass in the long run.
    pub fn is_faster_than(self, other: Self) -> bool {
        i64::from(self.count) * other.per_ms > i64::from(other.count) * self.per_ms
    }
}

impl Limit {
    /// A limit whose burst is as large as its rate's count unless said otherwise.
    pub fn new(rate: Rate, burst: Option<u32>) -> Result<Self, BadLimit> {
        let limit = Self { rate, burst: burst.unwrap_or(rate.count) };
        if !(1..=MAX_COUNT).contains(&limit.burst) {
            return Err(BadLimit { must: "be 1 to 1000000" });
        }
        let refill_ms = i64::from(limit.burst) * rate.per_ms / i64::from(rate.count);
        if refill_ms > MAX_REFILL.as_ms() {
            return Err(BadLimit { must: "be so small that the rate fills it again within 366 days" });
        }
        Ok(limit)
    }

    /// The rate.
    pub const fn rate(&self) -> Rate {
        self.rate
    }

    /// How many may come at once.
    pub const fn burst(&self) -> u32 {
        self.burst
    }

    /// The distance of two at an even pace. Rounded up, so that a limit never lets more pass than it says; the step of
    /// the fastest rate is 1,000 ns, so that it is at most a thousandth slower.
    const fn step_ns(&self) -> i64 {
        let per_ns = self.rate.per_ms * 1_000_000;
        let count = self.rate.count as i64;
        (per_ns + count - 1) / count
    }

    const fn depth_ns(&self) -> i64 {
        self.step_ns() * self.burst as i64
    }
}

/// The whole count at once.
impl From<Rate> for Limit {
    fn from(rate: Rate) -> Self {
        Self { rate, burst: rate.count }
    }
}

const BAD_RATE: BadLimit =
    BadLimit { must: "be <count>/<period> such as 100/1m, with a count of 1 to 1000000 and a period of 1s to 30d" };

impl FromStr for Rate {
    type Err = BadLimit;

    fn from_str(text: &str) -> Result<Self, BadLimit> {
        let (count, per) = text.split_once('/').ok_or(BAD_RATE)?;
        if !count.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(BAD_RATE);
        }
        let count = count.parse().map_err(|_| BAD_RATE)?;
        Self::new(count, per.parse().map_err(|_| BAD_RATE)?)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, self.per())
    }
}

impl serde::Serialize for Rate {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Rate {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Per {
    /// Every word of the list.
    pub const ALL: &'static [Self] = &[Self::Grant, Self::Subject, Self::Client, Self::Org, Self::Ip, Self::Rule];

    /// The word of `limit.per`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Subject => "subject",
            Self::Client => "client",
            Self::Org => "org",
            Self::Ip => "ip",
            Self::Rule => "rule",
        }
    }

    /// Reads the word of `limit.per`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|per| per.as_str() == text)
    }

    /// True where only a known caller can be counted.
    pub const fn needs_caller(self) -> bool {
        !matches!(self, Self::Ip | Self::Rule)
    }
}

impl fmt::Display for BadLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "must {}", self.must)
    }
}

impl std::error::Error for BadLimit {}

const fn seconds_up(ns: i64) -> i64 {
    ns.saturating_add(999_999_999) / 1_000_000_000
}

/// A structured-field string (RFC 9651 §3.3.3), after a comma where it is not the first item.
/// A name as a structured field's string (RFC 9651 §3.3.3).
fn append_name(text: &mut Vec<u8>, place: usize, name: &str) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    text.extend_from_slice(if place == 0 { b"\"" } else { b", \"" });
    for octet in name.bytes() {
        match octet {
            b'"' | b'\\' => text.extend_from_slice(&[b'\\', octet]),
            b' '..=b'~' => text.push(octet),
            _ => text.extend_from_slice(&[b'%', DIGITS[usize::from(octet >> 4)], DIGITS[usize::from(octet & 15)]]),
        }
    }
    text.push(b'"');
}

/// Decimal digits without the machinery of `fmt`: every limited answer carries six numbers.
fn append_number(text: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    text.extend_from_slice(&digits[first..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: i64 = 1_000_000;

    fn limit(rate: &str, burst: Option<u32>) -> Limit {
        Limit::new(rate.parse().unwrap(), burst).unwrap()
    }

    fn any_limit() -> impl Strategy<Value = Limit> {
        (1..=MAX_COUNT, 1_i64..=2_592_000, 1..=MAX_COUNT).prop_filter_map("refill", |(count, per_s, burst)| {
            Limit::new(Rate::new(count, Span::seconds(per_s)).ok()?, Some(burst)).ok()
        })
    }

    /// Small ones, where a few requests reach the edge.
    fn small_limit() -> impl Strategy<Value = Limit> {
        (1_u32..=50, 1_i64..=90, 1_u32..=20).prop_map(|(count, per_s, burst)| {
            Limit::new(Rate::new(count, Span::seconds(per_s)).unwrap(), Some(burst)).unwrap()
        })
    }

    #[test]
    fn ak_07_a_burst_passes_at_once_and_no_more() {
        let (limit, mut tat) = (limit("60/1m", Some(3)), 0);
        let verdicts: Vec<_> = (0..4).map(|_| admit(&limit, &mut tat, 5 * SECOND)).collect();
        let say = |admitted, remaining, reset_s, retry_after_s| Verdict { admitted, remaining, reset_s, retry_after_s };
        assert_eq!(verdicts, [say(true, 2, 1, 0), say(true, 1, 2, 0), say(true, 0, 3, 0), say(false, 0, 1, 1)]);
        assert!(!admit(&limit, &mut tat, 6 * SECOND - 1).admitted);
        assert!(admit(&limit, &mut tat, 6 * SECOND).admitted);
    }

    #[test]
    fn what_is_given_back_can_be_had_again() {
        let (limit, mut tat) = (limit("1/1h", None), 0);
        assert!(admit(&limit, &mut tat, 0).admitted);
        give_back(&limit, &mut tat);
        assert!(admit(&limit, &mut tat, 0).admitted);
        assert_eq!(admit(&limit, &mut tat, 0).retry_after_s, 3600);
    }

    #[test]
    fn a_raised_limit_holds_at_once() {
        let mut tat = 0;
        assert!(admit(&limit("1/30d", None), &mut tat, 0).admitted);
        assert_eq!(admit(&limit("1/1s", None), &mut tat, 0).retry_after_s, 1);
        assert!(admit(&limit("1/1s", None), &mut tat, SECOND).admitted);
    }

    #[test]
    fn rates_have_limits() {
        for good in ["1/1s", "1000000/1s", "1/30d", "100/1m", "7/90s"] {
            assert_eq!(good.parse::<Rate>().map(|rate| rate.to_string()).as_deref(), Ok(good));
        }
        for bad in [
            "0/1m",
            "1000001/1m",
            "1/999ms",
            "1/1500ms",
            "1/0s",
            "1/31d",
            "1/2592001s",
            "100",
            "100/",
            "/1m",
            "+1/1m",
            "-1/1m",
            "1/1m/1m",
            "100/m",
            "",
        ] {
            assert_eq!(bad.parse::<Rate>(), Err(BAD_RATE), "{bad}");
        }
        let (hundred, slow): (Rate, Rate) = ("100/1m".parse().unwrap(), "1/30d".parse().unwrap());
        assert!(Limit::new(hundred, Some(1)).is_ok() && Limit::new(hundred, Some(MAX_COUNT)).is_ok());
        assert!(Limit::new(hundred, Some(0)).is_err() && Limit::new(hundred, Some(MAX_COUNT + 1)).is_err());
        assert!(Limit::new(slow, Some(12)).is_ok());
        assert!(Limit::new(slow, Some(13)).unwrap_err().must.contains("366 days"));
        assert_eq!(Limit::new(hundred, None).unwrap().burst(), 100);
    }

    #[test]
    fn ak_07_the_fields_are_structured_fields() {
        let (limit, mut tat) = (limit("100/1m", None), 0);
        let verdict = admit(&limit, &mut tat, 0);
        let (mut policy, mut state) = (Vec::new(), Vec::new());
        append_policies(&mut policy, [("orders", &limit), ("a \"b\\c\" é\n", &limit)].into_iter());
        append_states(&mut state, [("orders", &verdict)].into_iter());
        let text = |field| String::from_utf8(field).unwrap();
        assert_eq!(text(policy), r#""orders";q=100;w=60, "a \"b\\c\" %C3%A9%0A";q=100;w=60"#);
        assert_eq!(text(state), r#""orders";r=99;t=1"#);
    }

    #[test]
    fn a_rate_is_text_in_data() {
        let rate: Rate = serde_json::from_str("\"100/1m\"").unwrap();
        assert_eq!(serde_json::to_string(&rate).unwrap(), "\"100/1m\"");
        assert!(serde_json::from_str::<Rate>("\"100/1y\"").unwrap_err().to_string().contains("such as 100/1m"));
        assert_eq!(Per::ALL.iter().filter(|per| Per::parse(per.as_str()) == Some(**per)).count(), 6);
    }

    proptest! {
        #[test]
        fn any_text_is_a_rate_or_refused(text in "[0-9a-z/ +-]{0,16}|.{0,24}") {
            if let Ok(rate) = text.parse::<Rate>() {
                prop_assert_eq!(rate.to_string().parse(), Ok(rate));
            }
        }

        #[test]
        fn ak_07_no_window_admits_more_than_burst_and_rate(
            limit in small_limit(), gaps in prop::collection::vec(0_i64..3_000_000, 1..120),
        ) {
            let (mut tat, mut now, mut admitted) = (0, 0, Vec::new());
            for gap in gaps {
                now += gap;
                if admit(&limit, &mut tat, now).admitted {
                    admitted.push(now);
                }
            }
            for (place, start) in admitted.iter().enumerate() {
                for (count, end) in (1_i64..).zip(&admitted[place..]) {
                    let above_burst = count - i64::from(limit.burst());
                    prop_assert!(above_burst * limit.rate().per().as_ms() * 1_000 <= (end - start) * i64::from(limit.rate().count()));
                }
            }
        }

        #[test]
        fn retry_after_is_honest_and_no_second_too_long(limit in small_limit(), now in 0_i64..1_000_000_000_000) {
            let mut tat = 0;
            while admit(&limit, &mut tat, now).admitted {}
            let refused = admit(&limit, &mut tat, now);
            prop_assert!(refused.retry_after_s >= 1);
            let early = now + (refused.retry_after_s - 1) * SECOND;
            prop_assert!(!admit(&limit, &mut tat.clone(), early).admitted);
            prop_assert!(admit(&limit, &mut tat, now + refused.retry_after_s * SECOND).admitted);
        }

        #[test]
        fn a_fresh_limit_admits_its_burst(limit in any_limit(), now in 0_i64..1_000_000_000_000) {
            let mut tat = 0;
            let verdict = admit(&limit, &mut tat, now);
            prop_assert!(verdict.admitted);
            prop_assert_eq!(verdict.remaining, limit.burst() - 1);
        }

        #[test]
        fn any_state_and_moment_gives_a_verdict(limit in any_limit(), mut tat: i64, now: i64) {
            let verdict = admit(&limit, &mut tat, now);
            prop_assert!(verdict.remaining < limit.burst() && verdict.reset_s >= 0);
            prop_assert_eq!(verdict.admitted, verdict.retry_after_s == 0);
            give_back(&limit, &mut tat);
        }

        #[test]
        fn numbers_are_written_as_they_are_read(number: u64) {
            let mut text = Vec::new();
            append_number(&mut text, number);
            prop_assert_eq!(String::from_utf8(text).unwrap(), number.to_string());
        }

        #[test]
        fn any_name_makes_a_field_of_printable_ascii(name in ".{0,40}") {
            let mut field = Vec::new();
            append_policies(&mut field, [(name.as_str(), &limit("1/1s", None))].into_iter());
            let field = String::from_utf8(field).unwrap();
            prop_assert!(field.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            let text = field.strip_suffix("\";q=1;w=1").and_then(|text| text.strip_prefix('"')).unwrap();
            prop_assert!(!text.replace("\\\\", "").replace("\\\"", "").contains(['"', '\\']));
        }
    }
}
