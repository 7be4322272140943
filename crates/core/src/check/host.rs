//! The host of a request in one spelling (RFC 3986 §3.2.2, §6.2.2.1; RFC 5952 for IPv6).
//!
//! Lower case, without port and trailing dot. On the wire it must be ASCII; what an operator writes in a rule may be
//! Unicode and is converted (UTS 46). Does not know which hosts exist, and never asks the DNS.

use std::borrow::Cow;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::code::Reason;
use crate::name::BadName;

/// The longest host, in bytes, without port and trailing dot (RFC 1035 §2.3.4).
pub const HOST_MAX: usize = 253;

/// The longest label of a name, in bytes.
pub const LABEL_MAX: usize = 63;

/// A canonical host. Only [`Host::parse`] makes one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Host<'a>(Cow<'a, str>);

impl<'a> Host<'a> {
    /// Reads `host [":" port]`. Allocates only where the spelling is not canonical.
    pub fn parse(raw: &'a str) -> Result<Self, Reason> {
        if raw.starts_with('[') {
            return parse_v6(raw);
        }
        let (name, port) = raw.split_once(':').map_or((raw, None), |(name, port)| (name, Some(port)));
        if !port.is_none_or(is_port) {
            return Err(Reason::BadHost);
        }
        let name = name.strip_suffix('.').unwrap_or(name);
        if name.len() > HOST_MAX || !name.split('.').all(is_label) {
            return Err(Reason::BadHost);
        }
        // Whatever ends in a number is an IPv4 address for some resolver; one spelling of it is enough.
        if ends_in_number(name) && name.parse::<Ipv4Addr>().is_err() {
            return Err(Reason::BadHost);
        }
        Ok(Self(match name.bytes().any(|octet| octet.is_ascii_uppercase()) {
            true => Cow::Owned(name.to_ascii_lowercase()),
            false => Cow::Borrowed(name),
        }))
    }

    /// The canonical text; an IPv6 address stands in brackets.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `localhost` or a loopback address.
    pub fn is_loopback(&self) -> bool {
        let text = self.as_str();
        let v6 = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        text == "localhost"
            || text.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
            || v6.and_then(|text| text.parse::<Ipv6Addr>().ok()).is_some_and(|ip| ip.is_loopback())
    }
}

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The canonical form of a host that an operator wrote, Unicode or not. A port is refused, because it would not count.
pub fn from_rule(text: &str) -> Result<String, BadName> {
    const BAD: BadName = BadName { must: "be a host name or address without scheme, port and path, such as shop.test" };
    if text.starts_with('[') {
        let host = if text.ends_with(']') { Host::parse(text).ok() } else { None };
        return host.map(|host| host.0.into_owned()).ok_or(BAD);
    }
    if text.contains(':') || text.len() > 4 * HOST_MAX {
        return Err(BAD);
    }
    let ascii = idna::domain_to_ascii(text).map_err(|_| BAD)?;
    Host::parse(&ascii).map(|host| host.0.into_owned()).map_err(|_| BAD)
}

fn parse_v6(raw: &str) -> Result<Host<'_>, Reason> {
    let (literal, port) = raw[1..].split_once(']').ok_or(Reason::BadHost)?;
    if !port.is_empty() && !port.strip_prefix(':').is_some_and(is_port) {
        return Err(Reason::BadHost);
    }
    // `Ipv6Addr` reads no zone and no port, and writes RFC 5952.
    let canonical = literal.parse::<Ipv6Addr>().map_err(|_| Reason::BadHost)?.to_string();
    Ok(Host(match canonical == literal {
        true => Cow::Borrowed(&raw[..literal.len() + 2]),
        false => Cow::Owned(format!("[{canonical}]")),
    }))
}

fn is_port(text: &str) -> bool {
    (1..=5).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

/// Letters, digits, hyphens inside (RFC 952, RFC 1123 §2.1), and `_`, which many networks use.
fn is_label(label: &str) -> bool {
    (1..=LABEL_MAX).contains(&label.len())
        && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn ends_in_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    last.bytes().all(|octet| octet.is_ascii_digit())
        || hex.is_some_and(|digits| digits.bytes().all(|octet| octet.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,80}") {
            let _ = Host::parse(&text);
            let _ = from_rule(&text);
        }

        #[test]
        fn fa_08_the_canonical_form_is_a_fixpoint(text in r"\[?[A-Za-z0-9:._-]{0,12}\.?[A-Za-z0-9.]{0,6}\]?(:[0-9]{1,6})?") {
            if let Ok(host) = Host::parse(&text) {
                let again = Host::parse(host.as_str());
                prop_assert!(matches!(&again, Ok(Host(Cow::Borrowed(same))) if *same == host.as_str()), "{}", text);
                prop_assert_eq!(from_rule(host.as_str()), Ok(host.as_str().to_owned()));
            }
        }
    }

    #[test]
    fn fa_08_one_host_one_spelling() {
        for (raw, canonical) in [
            ("shop.test", "shop.test"),
            ("SHOP.Test", "shop.test"),
            ("shop.test.", "shop.test"),
            ("shop.test:443", "shop.test"),
            ("Shop.Test.:65535", "shop.test"),
            ("localhost", "localhost"),
            ("my_db.internal", "my_db.internal"),
            ("xn--caf-dma.test", "xn--caf-dma.test"),
            ("127.0.0.1:80", "127.0.0.1"),
            ("127.0.0.1.", "127.0.0.1"),
            ("[::1]", "[::1]"),
            ("[::1]:8420", "[::1]"),
            ("[2001:DB8:0:0:0:0:0:1]", "[2001:db8::1]"),
            ("[::ffff:127.0.0.1]", "[::ffff:127.0.0.1]"),
        ] {
            assert_eq!(Host::parse(raw).as_ref().map(Host::as_str), Ok(canonical), "{raw}");
        }
    }

    #[test]
    fn fa_08_what_is_no_host_is_refused() {
        for bad in [
            "",
            ".",
            "..",
            "a..b",
            ".a",
            "a..",
            "a b",
            "a/b",
            "a\\b",
            "a@b",
            "user:pw@b",
            "a,b",
            "a, b",
            "a;b",
            "a#b",
            "a?b",
            "a%41",
            "-a.test",
            "a-.test",
            "a*",
            "*.test",
            "café.test",
            "shop.test\u{ff0e}",
            "a\0",
            "a\r\nb",
            "a:",
            "a:b",
            "a:65536",
            "a:+80",
            "a:80:80",
            "a:000080",
            "::1",
            "[::1",
            "[::1]x",
            "[::1]:",
            "[::1]:x",
            "[fe80::1%25eth0]",
            "[fe80::1%1]",
            "[127.0.0.1]",
            "[]",
            "127.1",
            "0177.0.0.1",
            "0x7f.0.0.1",
            "2130706433",
            "0x7f000001",
            "1.2.3.4.5",
            "256.1.1.1",
            "a.1",
            "a.0x",
            "127.0.0.1..",
        ] {
            assert_eq!(Host::parse(bad), Err(Reason::BadHost), "{bad:?}");
        }
    }

    #[test]
    fn limits_hold_at_their_edge() {
        assert!(Host::parse(&"a".repeat(LABEL_MAX)).is_ok());
        assert_eq!(Host::parse(&"a".repeat(LABEL_MAX + 1)), Err(Reason::BadHost));
        let name = |length: usize| ["a"; 127].join(".") + &"b".repeat(length - HOST_MAX);
        assert!(Host::parse(&name(HOST_MAX)).is_ok());
        assert!(Host::parse(&(name(HOST_MAX) + ".:65535")).is_ok());
        assert_eq!(Host::parse(&name(HOST_MAX + 1)), Err(Reason::BadHost));
    }

    #[test]
    fn an_ordinary_host_is_borrowed() {
        for raw in ["shop.test", "shop.test:443", "127.0.0.1", "[::1]:80"] {
            assert!(matches!(Host::parse(raw).unwrap().0, Cow::Borrowed(_)), "{raw}");
        }
    }

    #[test]
    fn fa_08_an_operator_may_write_unicode() {
        for (text, canonical) in [
            ("Café.Test", "xn--caf-dma.test"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("ｓｈｏｐ.test", "shop.test"),
            ("shop.test.", "shop.test"),
            ("my_db.internal", "my_db.internal"),
            ("127.0.0.1", "127.0.0.1"),
            ("[2001:DB8::1]", "[2001:db8::1]"),
        ] {
            assert_eq!(from_rule(text).as_deref(), Ok(canonical), "{text}");
        }
        for bad in [
            "",
            ".",
            "shop.test:80",
            "[::1]:80",
            "[::1",
            "::1",
            "a b",
            "a/b",
            "u@a",
            "https://a",
            "*.test",
            "xn--\u{e9}",
            "127.1",
            "a\u{202e}b",
        ] {
            assert!(from_rule(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn loopback_is_known_by_name_and_address() {
        for (raw, expected) in [
            ("localhost:1", true),
            ("127.9.9.9", true),
            ("[::1]", true),
            ("shop.test", false),
            ("10.0.0.1", false),
            ("localhost.test", false),
        ] {
            assert_eq!(Host::parse(raw).unwrap().is_loopback(), expected, "{raw}");
        }
    }
}
