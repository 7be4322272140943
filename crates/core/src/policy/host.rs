//! Hosts of rules and APIs: one, all below a suffix, or any.
//!
//! What an operator writes is brought into the form that requests have: lower case, punycode (UTS 46), no port, no
//! trailing dot. Knows nothing of DNS.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The longest host name (RFC 1035 §2.3.4).
pub const MAX_BYTES: usize = 253;

/// Which hosts a rule is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// Whatever host.
    Any,
    /// One host in canonical form.
    Exact(Box<str>),
    /// All hosts below a name, however deep, but not the name itself; kept with the dot before it.
    Below(Box<str>),
}

/// Text that is no host, with what would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadHost(String);

impl HostPattern {
    /// Reads `shop.test` or `*.shop.test`.
    pub fn parse(text: &str) -> Result<Self, BadHost> {
        if text == "*" {
            return Err(BadHost("is *: leave it out, a rule without host is for any".to_owned()));
        }
        let Some(suffix) = text.strip_prefix("*.") else {
            return canonical(text).map(|host| Self::Exact(host.into()));
        };
        let suffix = canonical(suffix)?;
        if suffix.starts_with('[') || suffix.parse::<Ipv4Addr>().is_ok() {
            return Err(BadHost(format!("is {text}: nothing lies below an address, write the address alone")));
        }
        Ok(Self::Below(format!(".{suffix}").into()))
    }

    /// Whether a host in canonical form fits.
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(known) => **known == *host,
            Self::Below(suffix) => host.len() > suffix.len() && host.ends_with(&**suffix),
        }
    }

    /// The one host that it is for.
    pub fn literal(&self) -> Option<&str> {
        match self {
            Self::Exact(host) => Some(host),
            Self::Any | Self::Below(_) => None,
        }
    }

    /// True where every host that fits `other` fits this one too.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (_, Self::Any) => false,
            (mine, Self::Exact(host)) => mine.matches(host),
            (Self::Exact(_), Self::Below(_)) => false,
            (Self::Below(mine), Self::Below(theirs)) => theirs.ends_with(&**mine),
        }
    }

    /// True where some host fits both: they are never merely crossed.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.covers(other) || other.covers(self)
    }
}

/// A host as requests are compared with it, from what a person wrote.
pub fn canonical(text: &str) -> Result<String, BadHost> {
    let bad = || BadHost(format!("is {text:?}: write a host alone, such as shop.test, *.shop.test or [::1]"));
    if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or_else(bad)?;
        let address: Ipv6Addr = address.parse().map_err(|_| bad())?;
        return if port.is_empty() || port.strip_prefix(':').is_some_and(is_port) {
            Ok(format!("[{address}]"))
        } else {
            Err(bad())
        };
    }
    let name = match text.split_once(':') {
        Some((name, port)) if is_port(port) => name,
        Some(_) => return Err(bad()),
        None => text,
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    let host = idna::domain_to_ascii(name).map_err(|_| bad())?;
    let labels_well = host.split('.').all(|label| {
        let letters_well = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        (1..=63).contains(&label.len()) && letters_well
    });
    if !labels_well || host.len() > MAX_BYTES || (ends_in_number(&host) && host.parse::<Ipv4Addr>().is_err()) {
        return Err(bad());
    }
    Ok(host)
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Exact(host) => f.write_str(host),
            Self::Below(suffix) => write!(f, "*{suffix}"),
        }
    }
}

impl fmt::Display for BadHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadHost {}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok() && text.bytes().all(|digit| digit.is_ascii_digit())
}

/// Such a name is an address to every client (URL standard, "ends in a number").
fn ends_in_number(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    let hexadecimal = last.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()));
    hexadecimal || (!last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fa_08_hosts_have_one_form() {
        let rows = [
            ("shop.test", "shop.test"),
            ("SHOP.Test.", "shop.test"),
            ("shop.test:8443", "shop.test"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
            ("my_host", "my_host"),
            ("127.0.0.1:80", "127.0.0.1"),
            ("[0:0::1]:80", "[::1]"),
            ("[2001:DB8::1]", "[2001:db8::1]"),
        ];
        for (text, host) in rows {
            assert_eq!(canonical(text).as_deref(), Ok(host), "{text}");
        }
        for text in [
            "",
            ".",
            "a..b",
            "https://shop.test",
            "shop.test/x",
            "a@b",
            "a b",
            "a:b",
            "a:65536",
            "a:",
            "::1",
            "[::1",
            "[::1]x",
            "127.1",
            "0x7f.1",
            "1.2.3.256",
            "a.0x1",
            "a%2eb",
            "*.*.test",
        ] {
            assert!(HostPattern::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_star_takes_one_or_more_labels() {
        let below = HostPattern::parse("*.Shop.test").unwrap();
        assert!(below.matches("a.shop.test") && below.matches("a.b.shop.test"));
        assert!(!below.matches("shop.test") && !below.matches("ashop.test") && !below.matches(".shop.test"));
        assert!(HostPattern::parse("*").unwrap_err().to_string().contains("leave it out"));
        assert!(HostPattern::parse("*.127.0.0.1").unwrap_err().to_string().contains("below an address"));
    }

    #[test]
    fn limits_hold_at_their_edge() {
        let label = |letters: usize| "a".repeat(letters);
        assert!(canonical(&label(63)).is_ok() && canonical(&label(64)).is_err());
        let name = |last: usize| format!("{0}.{0}.{0}.{1}", label(63), label(last));
        assert_eq!(name(61).len(), MAX_BYTES);
        assert!(canonical(&name(61)).is_ok() && canonical(&name(62)).is_err());
        assert!(canonical("a:65535").is_ok() && canonical("a:65536").is_err());
    }

    #[test]
    fn covering_is_by_sets() {
        let parse = |text: &str| HostPattern::parse(text).unwrap();
        let (one, below, deeper) = (parse("a.shop.test"), parse("*.shop.test"), parse("*.a.shop.test"));
        assert!(HostPattern::Any.covers(&below) && below.covers(&one) && below.covers(&deeper) && one.covers(&one));
        assert!(
            !one.covers(&below) && !deeper.covers(&one) && !deeper.covers(&below) && !below.covers(&HostPattern::Any)
        );
        assert!(below.overlaps(&one) && one.overlaps(&below) && !deeper.overlaps(&one));
    }

    proptest! {
        #[test]
        fn any_text_is_a_host_or_refused(text in "[a-zA-Z0-9.:*-]{0,20}|.{0,40}") {
            if let Ok(host) = canonical(&text) {
                prop_assert_eq!(canonical(&host), Ok(host.clone()));
                prop_assert!(HostPattern::parse(&host).is_ok_and(|pattern| pattern.matches(&host)));
            }
            let _ = HostPattern::parse(&text);
        }
    }
}
