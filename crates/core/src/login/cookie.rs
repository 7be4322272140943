//! The cookies that Admit sets: what they are called, and how a request's are read.
//!
//! A name ends in the realm and is matched letter by letter. A name that stands there twice says nothing, and so does a
//! value that cannot be one of ours: somebody may have planted one of the two (SE-01, SE-13). What is not read here is
//! still kept from the application: [`is_ours`].
//!
//! Does not know what a value is worth, and writes no `Set-Cookie`.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::COOKIE;

use crate::credential::{COOKIES_MAX, Place, Presented};
use crate::name::RealmName;
use crate::secret::{self, SecretKind};

/// The longest value that is looked at, in bytes.
pub const VALUE_MAX: usize = 256;

/// The prefix that binds a cookie to one host and to TLS (RFC 6265bis §4.1.3.2).
const HOST_PREFIX: &str = "__Host-";

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cookie {
    /// A session at the issuer.
    Session,
    /// A session on a protected host.
    Site,
    /// Beside a session at the issuer, for what changes something: a browser that another site sent here leaves it out.
    Strict,
    /// A known device.
    Device,
    /// What binds a sign-in that has begun to its browser, at the issuer.
    Before,
    /// The same on a protected host.
    SiteBefore,
}

impl Cookie {
    const ALL: [Self; 6] = [Self::Session, Self::Site, Self::Strict, Self::Device, Self::Before, Self::SiteBefore];

    const fn stem(self) -> &'static str {
        match self {
            Self::Session => "admit.",
            Self::Site => "admit-site.",
            Self::Strict => "admit-strict.",
            Self::Device => "admit-device.",
            Self::Before => "admit-pre.",
            Self::SiteBefore => "admit-site-pre.",
        }
    }

    /// Whether it comes along where a link on another site leads here (RFC 6265bis §4.1.2.7).
    pub const fn same_site(self) -> &'static str {
        match self {
            Self::Strict => "Strict",
            Self::Session | Self::Site | Self::Device | Self::Before | Self::SiteBefore => "Lax",
        }
    }

    /// What it is called: with the prefix wherever TLS is spoken.
    pub fn name(self, realm: &RealmName, is_secure: bool) -> String {
        format!("{}{}{realm}", if is_secure { HOST_PREFIX } else { "" }, self.stem())
    }

    fn is(self, name: &str, realm: &RealmName, is_secure: bool) -> bool {
        let rest = if is_secure { name.strip_prefix(HOST_PREFIX) } else { Some(name) };
        rest.and_then(|rest| rest.strip_prefix(self.stem())) == Some(realm.as_str())
    }
}

/// The value of a cookie, where the request has it once.
pub fn find<'h>(headers: &'h HeaderMap, cookie: Cookie, realm: &RealmName, is_secure: bool) -> Option<&'h str> {
    let lines = || headers.get_all(COOKIE).iter();
    if lines().map(|line| line.len()).sum::<usize>() > COOKIES_MAX {
        return None;
    }
    let pairs = lines().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(';'));
    let mut values = pairs.filter_map(|pair| {
        let (name, value) = pair.trim_ascii().split_once('=')?;
        cookie.is(name, realm, is_secure).then_some(value)
    });
    let value = values.next()?;
    let is_value = (1..=VALUE_MAX).contains(&value.len()) && value.bytes().all(|octet| octet.is_ascii_graphic());
    if values.next().is_some() || !is_value { None } else { Some(value) }
}

/// The secret in a cookie, where it reads as one of this kind.
pub fn present<'h>(
    headers: &'h HeaderMap,
    cookie: Cookie,
    realm: &RealmName,
    is_secure: bool,
    kind: SecretKind,
) -> Option<Presented<'h>> {
    let text = find(headers, cookie, realm, is_secure)?;
    let is_kind = secret::read(text).is_ok_and(|opaque| opaque.kind == kind);
    is_kind.then_some(Presented { place: Place::Cookie, text: Cow::Borrowed(text), person: None })
}

/// True for a `name=value` of ours, of whatever realm. Case aside, because browsers disagree on the case of `__Host-`.
pub fn is_ours(pair: &[u8]) -> bool {
    let begins_with = |text: &[u8], head: &str| {
        text.get(..head.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(head.as_bytes()))
    };
    let rest = if begins_with(pair, HOST_PREFIX) { &pair[HOST_PREFIX.len()..] } else { pair };
    Cookie::ALL.iter().any(|cookie| begins_with(rest, cookie.stem()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn realm(name: &str) -> RealmName {
        RealmName::parse(name).unwrap()
    }

    fn headers(lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (COOKIE, HeaderValue::from_bytes(line.as_bytes()).unwrap())).collect()
    }

    fn value(lines: &[&str]) -> Option<String> {
        find(&headers(lines), Cookie::Session, &realm("shop"), true).map(str::to_owned)
    }

    #[test]
    fn a_name_is_matched_letter_by_letter() {
        assert_eq!(value(&["a=b; __Host-admit.shop=x; c=d"]).as_deref(), Some("x"));
        assert_eq!(value(&["a=b", "__Host-admit.shop=x=y"]).as_deref(), Some("x=y"));
        for other in [
            "admit.shop=x",
            "__host-admit.shop=x",
            "__Host-admit.shop2=x",
            "__Host-admit.sho=x",
            "__Host-admit.=x",
            "__Host-admit-site.shop=x",
            "__Host-__Host-admit.shop=x",
            "__Host-admit.shop",
            "__Host-admit.shop =x",
        ] {
            assert_eq!(value(&[other]), None, "{other}");
        }
        let bare = headers(&["admit-site.shop=x"]);
        assert_eq!(find(&bare, Cookie::Site, &realm("shop"), false), Some("x"));
        assert_eq!(find(&bare, Cookie::Site, &realm("shop"), true), None, "not where TLS is spoken");
        assert_eq!(Cookie::Site.name(&realm("shop"), true), "__Host-admit-site.shop");
    }

    #[test]
    fn se_01_a_name_that_stands_there_twice_says_nothing() {
        assert_eq!(value(&["__Host-admit.shop=x; __Host-admit.shop=y"]), None);
        assert_eq!(value(&["__Host-admit.shop=x", "__Host-admit.shop=x"]), None);
    }

    #[test]
    fn se_13_what_cannot_be_a_value_of_ours_is_none() {
        let long = |length: usize| format!("__Host-admit.shop={}", "x".repeat(length));
        assert!(value(&[&long(VALUE_MAX)]).is_some());
        for bad in [&long(VALUE_MAX + 1), "__Host-admit.shop=", "__Host-admit.shop=a b", "__Host-admit.shop=\u{e9}"] {
            assert_eq!(value(&[bad]), None, "{bad:.40}");
        }
        let filler = format!("a={}", "b".repeat(COOKIES_MAX));
        assert_eq!(value(&["__Host-admit.shop=x", &filler]), None);
        let text = secret::write("admit_ss", &[7; 32]);
        let present = |value: &str| {
            let sent = headers(&[&format!("__Host-admit.shop={value}")]);
            present(&sent, Cookie::Session, &realm("shop"), true, SecretKind::Session).is_some()
        };
        assert!(present(text.expose()));
        let other_kind = secret::write("admit_rt", &[7; 32]);
        let cut = &text.expose()[..text.expose().len() - 1];
        for bad in [cut, other_kind.expose(), "{}", "admit_ss_", "null", &format!("{}0", cut)] {
            assert!(!present(bad), "{bad}");
        }
    }

    #[test]
    fn every_cookie_of_ours_is_known_by_its_name() {
        for cookie in Cookie::ALL {
            for is_secure in [true, false] {
                let pair = format!("{}=x", cookie.name(&realm("shop"), is_secure));
                assert!(is_ours(pair.as_bytes()), "{pair}");
                assert!(is_ours(pair.to_uppercase().as_bytes()), "{pair}");
            }
        }
        for other in ["admit=x", "session=x", "__Host-app=x", "xadmit.shop=x", "", "admit-sites=x"] {
            assert!(!is_ours(other.as_bytes()), "{other}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_read_or_passed_over(line in "[ -~]{0,200}") {
            let _ = value(&[&line]);
            let _ = is_ours(line.as_bytes());
        }
    }
}
