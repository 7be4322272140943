//! Hosts of rules and APIs: one, all below a suffix, or any.
//!
//! What an operator writes is brought into the form that requests have by [`host::from_rule`]. Knows nothing of DNS.

use std::fmt;
use std::net::Ipv4Addr;

use crate::check::host;

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
pub(super) fn canonical(text: &str) -> Result<String, BadHost> {
    host::from_rule(text).map_err(|bad| BadHost(format!("is {text:?}, which must {}", bad.must)))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::host::Host;
    use proptest::prelude::*;

    #[test]
    fn fa_08_a_rule_and_a_request_mean_the_same_host() {
        for (written, sent) in [
            ("SHOP.Test.", "shop.test"),
            ("shop.test", "Shop.TEST:8443"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("[2001:DB8:0::1]", "[2001:db8::1]:80"),
        ] {
            let sent = Host::parse(sent).unwrap();
            assert!(HostPattern::parse(written).unwrap().matches(sent.as_str()), "{written}");
        }
        for text in ["", "https://shop.test", "shop.test/x", "shop.test:80", "a@b", "*.*.test", "a.*"] {
            assert!(HostPattern::parse(text).unwrap_err().to_string().contains("such as shop.test"), "{text}");
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
