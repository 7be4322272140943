//! Where a browser may be sent back to: what was registered, byte for byte (RFC 9700 §4.1.3), and nothing that reads alike.
//!
//! The one exception is the port of a native application on this machine (RFC 8252 §7.3): the operating system chooses it.

use crate::client::ClientType;

/// An address that was registered. Only [`RedirectUri::admit`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectUri(String);

/// What stands behind an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedirectKind {
    /// A host that TLS proves.
    Web,
    /// Any program of the person's own machine.
    Loopback,
    /// Any program that took the scheme.
    Private,
}

impl RedirectUri {
    /// The registered address that a request means; the only one where it says none (RFC 6749 §3.1.2.3).
    pub fn admit(kind: ClientType, registered: &[String], said: Option<&str>) -> Option<Self> {
        let Some(said) = said else {
            let [only] = registered else { return None };
            return Some(Self(only.clone()));
        };
        let is_it = |known: &String| known == said || kind == ClientType::Native && is_same_but_for_port(known, said);
        registered.iter().any(is_it).then(|| Self(said.to_owned()))
    }

    /// As a request says it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands behind it.
    pub fn kind(&self) -> RedirectKind {
        match self.0.split_once(':') {
            Some(("https", _)) => RedirectKind::Web,
            Some(("http", _)) => RedirectKind::Loopback,
            _ => RedirectKind::Private,
        }
    }

    /// What a person can tell it by: the host with its port, or the scheme that is a domain backwards.
    pub fn place(&self) -> &str {
        let (scheme, rest) = self.0.split_once(':').unwrap_or((&self.0, ""));
        match rest.strip_prefix("//").filter(|_| self.kind() != RedirectKind::Private) {
            Some(rest) => rest.split(['/', '?']).next().unwrap_or(rest),
            None => scheme,
        }
    }

    /// What a page has to let its forms lead to (Content Security Policy Level 3 §2.3.1, which knows no IPv6).
    pub fn source(&self) -> String {
        let scheme = self.0.split_once(':').map_or("", |(scheme, _)| scheme);
        match self.kind() {
            RedirectKind::Private => format!("{scheme}:"),
            _ if self.place().starts_with('[') => format!("{scheme}:"),
            _ => format!("{scheme}://{}", self.place()),
        }
    }
}

/// Both on the same loopback address, and alike but for the port.
fn is_same_but_for_port(registered: &str, said: &str) -> bool {
    ["http://127.0.0.1", "http://[::1]"].iter().any(|host| {
        let rest = |uri: &str| uri.strip_prefix(host).and_then(without_port).map(str::to_owned);
        rest(registered).is_some_and(|registered| rest(said) == Some(registered))
    })
}

/// What follows the host and a port that is one.
fn without_port(rest: &str) -> Option<&str> {
    let (port, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let Some(digits) = port.strip_prefix(':') else { return port.is_empty().then_some(rest) };
    let is_port = digits.bytes().all(|digit| digit.is_ascii_digit()) && !digits.starts_with('0');
    (is_port && digits.parse::<u16>().is_ok()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WEB: &str = "https://app.test/cb?a=b&c=%c3%a4";

    fn admits(kind: ClientType, registered: &str, said: &str) -> bool {
        RedirectUri::admit(kind, &[registered.to_owned()], Some(said)).is_some()
    }

    #[test]
    fn az_01_az_02_az_03_only_the_same_bytes_are_the_same_address() {
        assert!(admits(ClientType::Web, WEB, WEB));
        for other in [
            "https://app.test/cb",
            "https://app.test/cb?c=%c3%a4&a=b",
            "https://app.test/cb?a=b&c=%C3%A4",
            "https://app.test/cb?a=b&c=%c3%a4&x=1",
            "https://app.test/cb?a=b&c=%c3%a4#",
            "https://app.test/cb?a=b&c=%c3%a4#x",
            "https://app.test/cb/?a=b&c=%c3%a4",
            "https://app.test/cb/../evil?a=b&c=%c3%a4",
            "https://app.test/%2e%2e/cb?a=b&c=%c3%a4",
            "https://app.test//cb?a=b&c=%c3%a4",
            "https://app.test/cb\\?a=b&c=%c3%a4",
            "https://app.test/cb?a=b&c=%c3%a4%00",
            "https://App.test/cb?a=b&c=%c3%a4",
            "HTTPS://app.test/cb?a=b&c=%c3%a4",
            "https://app.test:443/cb?a=b&c=%c3%a4",
            "https://app.test./cb?a=b&c=%c3%a4",
            "https://app.test@evil/cb?a=b&c=%c3%a4",
            "https://app.test:x@evil/cb?a=b&c=%c3%a4",
            "http://app.test/cb?a=b&c=%c3%a4",
            " https://app.test/cb?a=b&c=%c3%a4",
            "",
        ] {
            for kind in [ClientType::Web, ClientType::Spa, ClientType::Native] {
                assert!(!admits(kind, WEB, other), "{other}");
            }
        }
    }

    #[test]
    fn az_04_a_native_application_chooses_its_port_and_nothing_else() {
        let native = |registered, said| admits(ClientType::Native, registered, said);
        let registered = "http://127.0.0.1/cb";
        for good in ["http://127.0.0.1/cb", "http://127.0.0.1:49152/cb", "http://127.0.0.1:1/cb"] {
            assert!(native(registered, good), "{good}");
        }
        assert!(native("http://127.0.0.1:3000/cb", "http://127.0.0.1:4000/cb"));
        assert!(native("http://[::1]/cb", "http://[::1]:5000/cb"));
        for bad in [
            "http://[::1]:5000/cb",
            "http://localhost:5000/cb",
            "http://127.0.0.1.evil/cb",
            "http://127.0.0.1:5000/cb?x=1",
            "http://127.0.0.1:5000/cb/",
            "http://127.0.0.1:5000",
            "http://127.1/cb",
            "http://2130706433/cb",
            "http://127.0.0.1:5000@evil.test/cb",
            "http://127.0.0.1@evil.test/cb",
            "http://127.0.0.1:/cb",
            "http://127.0.0.1:0/cb",
            "http://127.0.0.1:080/cb",
            "http://127.0.0.1:65536/cb",
            "http://127.0.0.1:80 /cb",
            "https://127.0.0.1:5000/cb",
            "http://127.0.0.2:5000/cb",
        ] {
            assert!(!native(registered, bad), "{bad}");
        }
        assert!(!native("http://localhost/cb", "http://localhost:5000/cb"), "a name is no address");
        assert!(!native("https://127.0.0.1/cb", "https://127.0.0.1:5000/cb"));
        assert!(!admits(ClientType::Web, registered, "http://127.0.0.1:5000/cb"), "only native ones");
    }

    #[test]
    fn az_06_without_an_address_only_one_can_be_meant() {
        let registered = |count: usize| vec!["https://app.test/cb".to_owned(); count];
        let admit = |count| RedirectUri::admit(ClientType::Web, &registered(count), None).is_some();
        assert_eq!([0, 1, 2].map(admit), [false, true, false]);
    }

    #[test]
    fn a_person_is_shown_who_stands_behind_it() {
        for (uri, kind, place, source) in [
            ("https://app.test:8443/cb?x=1", RedirectKind::Web, "app.test:8443", "https://app.test:8443"),
            ("https://app.test?x=1", RedirectKind::Web, "app.test", "https://app.test"),
            ("http://127.0.0.1:5000/cb", RedirectKind::Loopback, "127.0.0.1:5000", "http://127.0.0.1:5000"),
            ("http://[::1]:5000/cb", RedirectKind::Loopback, "[::1]:5000", "http:"),
            ("com.example.app:/cb", RedirectKind::Private, "com.example.app", "com.example.app:"),
            ("com.example.app://evil.test/cb", RedirectKind::Private, "com.example.app", "com.example.app:"),
        ] {
            let admitted = RedirectUri::admit(ClientType::Native, &[uri.to_owned()], Some(uri)).unwrap();
            assert_eq!((admitted.kind(), admitted.place(), admitted.source().as_str()), (kind, place, source));
        }
    }

    proptest! {
        #[test]
        fn nothing_but_a_port_makes_a_difference(said in "http://127.0.0.1[ -~]{0,20}") {
            if admits(ClientType::Native, "http://127.0.0.1/cb", &said) {
                let port = said.strip_prefix("http://127.0.0.1").unwrap().strip_suffix("/cb").unwrap();
                prop_assert!(port.is_empty() || port[1..].parse::<u16>().is_ok_and(|port| port > 0));
            }
        }
    }
}
