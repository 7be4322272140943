//! The trip of a browser from a protected host to the issuer and back.
//!
//! What is known at its begin travels sealed in the address ([`Trip`]); what ties it to the browser is a cookie of the
//! protected host ([`Before`]), which counts the trips that led nowhere as well. Seals and opens nothing: see
//! `server::login::site`.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use crate::check::path::Path;
use crate::secret;
use crate::time::{Span, Time};

/// How long a trip may take.
pub const TRIP_LIFE: Span = Span::minutes(10);
/// How long what is handed on is good: the browser is on its way.
pub const HAND_OFF_LIFE: Span = Span::seconds(30);
/// How many trips in a row may lead nowhere before a page says so instead of beginning another.
pub const ROUNDS_MAX: u8 = 2;
/// Within what time trips are in a row.
const ROUNDS_WITHIN: Span = Span::minutes(2);
/// The longest text of a sealed trip, in bytes.
pub const SEALED_MAX: usize = 3 * 1024;
/// The longest way back that is kept, in bytes: sealed and written as text it stays below [`SEALED_MAX`].
const PATH_MAX: usize = 1700;

/// What is known at the begin of a trip.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trip {
    /// The protected host.
    #[serde(rename = "h")]
    pub host: String,
    /// Its port, where the browser names one.
    #[serde(rename = "n")]
    pub port: Option<u16>,
    /// Whether it speaks TLS.
    #[serde(rename = "s")]
    pub is_secure: bool,
    /// Path and query to come back to.
    #[serde(rename = "p")]
    pub path: String,
    /// Which browser.
    #[serde(rename = "b")]
    pub browser: [u8; 16],
    /// How many trips led nowhere before it.
    #[serde(rename = "r")]
    pub rounds: u8,
    /// Until when it may be ended.
    #[serde(rename = "e")]
    pub expires_at_ms: i64,
}

impl Trip {
    /// What is sealed.
    pub fn octets(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads what was sealed, while it may be used.
    pub fn read(octets: &[u8], now: Time) -> Option<Self> {
        let trip: Self = serde_json::from_slice(octets).ok()?;
        (now < Time::from_unix_ms(trip.expires_at_ms)).then_some(trip)
    }

    /// Scheme, host and port, as the browser knows them.
    pub fn origin(&self) -> String {
        let scheme = if self.is_secure { "https" } else { "http" };
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{scheme}://{}{port}", self.host)
    }

    /// True where one more would lead nowhere either.
    pub const fn is_loop(&self) -> bool {
        self.rounds >= ROUNDS_MAX
    }
}

/// The way back: with its query where that is short enough.
pub fn way_back(path: &Path<'_>, query: Option<&str>) -> String {
    let path = written(path.as_str());
    match query {
        Some(query) if path.len() + 1 + query.len() <= PATH_MAX => format!("{path}?{query}"),
        _ if path.len() <= PATH_MAX => path,
        _ => "/".to_owned(),
    }
}

/// A path in normal form as it is written in an address (RFC 3986 §3.3).
fn written(normal: &str) -> String {
    const LETTERS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    const PLAIN: &AsciiSet = &LETTERS.remove(b':').remove(b'@').remove(b',').remove(b'=').remove(b'+').remove(b'$');
    // The one escape that normal form keeps is a letter of its segment.
    normal.split("%2F").map(|part| utf8_percent_encode(part, PLAIN).to_string()).collect::<Vec<_>>().join("%2F")
}

/// The cookie of a protected host before its session: which browser it is, and how many trips it made in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Before {
    random: [u8; 16],
    rounds: u8,
    since: Time,
}

impl Before {
    /// Of a browser that has none.
    pub const fn new(random: [u8; 16], now: Time) -> Self {
        Self { random, rounds: 0, since: now }
    }

    /// Reads a cookie's value.
    pub fn parse(value: &str) -> Option<Self> {
        let mut parts = value.split('.');
        let random = BASE64URL_NOPAD.decode(parts.next()?.as_bytes()).ok()?.try_into().ok()?;
        let rounds = parts.next()?.parse().ok()?;
        let since = Time::from_unix_ms(parts.next()?.parse().ok()?);
        parts.next().is_none().then_some(Self { random, rounds, since })
    }

    /// What names the browser to others than itself.
    pub fn browser(&self) -> [u8; 16] {
        let digest = secret::digest(&BASE64URL_NOPAD.encode(&self.random));
        std::array::from_fn(|place| digest[place])
    }

    /// How many trips in a row it has made until now.
    pub fn rounds(&self, now: Time) -> u8 {
        if now < self.since + ROUNDS_WITHIN { self.rounds } else { 0 }
    }

    /// The same browser after one more trip, under another name: what was tied to the one before is not tied to this.
    #[must_use]
    pub fn after_trip(&self, random: [u8; 16], now: Time) -> Self {
        match self.rounds(now) {
            0 => Self { random, rounds: 1, since: now },
            rounds => Self { random, rounds: rounds.saturating_add(1), since: self.since },
        }
    }
}

impl fmt::Display for Before {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", BASE64URL_NOPAD.encode(&self.random), self.rounds, self.since.unix_ms())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Time = Time::from_unix_ms(1_796_083_200_000);

    fn trip(path: String) -> Trip {
        let expires_at_ms = (NOW + TRIP_LIFE).unix_ms();
        Trip {
            host: "h".repeat(253),
            port: Some(65535),
            is_secure: false,
            path,
            browser: [255; 16],
            rounds: 9,
            expires_at_ms,
        }
    }

    fn back(path: &str, query: Option<&str>) -> String {
        way_back(&Path::parse(path).unwrap(), query)
    }

    #[test]
    fn se_11_the_way_back_is_a_path_of_the_same_host() {
        for (sent, written) in [
            ("/", "/"),
            ("/a%20b/%C3%BC", "/a%20b/%C3%BC"),
            ("/a%2Fb", "/a%2Fb"),
            ("/%6frders/a:b@c,d", "/orders/a:b@c,d"),
            ("/a%0D", ""),
            ("//evil.test", ""),
            ("/%5Cevil.test", ""),
            ("/%2F/evil.test", "/%2F/evil.test"),
        ] {
            let read = Path::parse(sent).map(|path| way_back(&path, None)).unwrap_or_default();
            assert_eq!(read, written, "{sent}");
            assert!(read.is_empty() || !read.starts_with("//"), "{sent}");
        }
    }

    #[test]
    fn a_trip_is_good_for_its_time_and_short_enough_for_an_address() {
        let longest = trip(back(&format!("/{}", "a".repeat(PATH_MAX - 1)), None));
        assert_eq!(longest.path.len(), PATH_MAX);
        assert_eq!(Trip::read(&longest.octets(), NOW), Some(longest.clone()));
        assert_eq!(Trip::read(&longest.octets(), NOW + TRIP_LIFE), None, "at the bound");
        // Head and tag of the seal, and four letters for three octets.
        assert!((longest.octets().len() + 64) * 4 / 3 <= SEALED_MAX, "{}", longest.octets().len());
    }

    #[test]
    fn the_origin_is_the_browser_s() {
        let plain = Trip { host: "shop.test".to_owned(), ..trip("/".to_owned()) };
        assert_eq!(plain.origin(), "http://shop.test:65535");
        assert_eq!(Trip { port: None, is_secure: true, ..plain }.origin(), "https://shop.test");
    }

    #[test]
    fn the_way_back_is_as_long_as_can_be_kept() {
        assert_eq!(back("/a", Some("b=c")), "/a?b=c");
        assert_eq!(back("/a", Some(&"b".repeat(PATH_MAX - 2))), "/a");
        assert_eq!(back(&format!("/{}", "a".repeat(PATH_MAX)), None), "/");
    }

    #[test]
    fn the_third_trip_in_a_row_is_a_loop() {
        let mut before = Before::new([1; 16], NOW);
        let browser = before.browser();
        for rounds in 0..3 {
            let trip = Trip { rounds: before.rounds(NOW), ..trip("/".to_owned()) };
            assert_eq!((trip.rounds, trip.is_loop()), (rounds, rounds == 2));
            before = before.after_trip([2; 16], NOW);
        }
        assert_ne!(before.browser(), browser);
        let later = NOW + ROUNDS_WITHIN;
        assert_eq!(before.rounds(later), 0, "not in a row any more");
        assert_eq!(before.after_trip([3; 16], later).rounds(later), 1);
        assert_eq!(Before::parse(&before.to_string()), Some(before));
    }

    proptest! {
        #[test]
        fn any_text_is_a_cookie_or_refused(text in ".{0,60}", octets: Vec<u8>) {
            let _ = Before::parse(&text);
            let _ = Trip::read(&octets, NOW);
        }
    }
}
