//! Which API owns a host and path: the one with the longest path prefix, on segment borders.
//!
//! Knows nothing of rules. Hosts of APIs are literal.

use std::collections::HashMap;

use crate::name::{ApiUri, ScopeName};

use super::cors::Cors;
use super::host;
use super::pattern::PathPattern;
use super::rule::Problem;

/// The most hosts of one API.
pub const MAX_HOSTS: usize = 64;

/// What an API protects, and with which scopes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiRealm {
    /// Its name.
    pub uri: ApiUri,
    /// The scopes that it defines.
    pub scopes: Vec<ScopeName>,
    /// Where it is: `shop.test` or `shop.test/api`.
    pub hosts: Vec<String>,
    /// Which browser origins may read its answers, unless a rule says otherwise.
    pub cors: Option<Cors>,
}

/// One host, or a part of it, that an API protects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiHost {
    host: Box<str>,
    prefix: PathPattern,
}

/// The APIs of a realm by what they own.
#[derive(Debug, Default)]
pub(super) struct Owners {
    /// By host; the longest prefix first. The number is the API's place.
    hosts: HashMap<Box<str>, Vec<(PathPattern, usize)>>,
}

impl ApiHost {
    /// Reads `shop.test` or `shop.test/api`; on failure says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.contains("://") {
            return Err(format!("is {text:?}: leave out the scheme, write a host such as shop.test or shop.test/api"));
        }
        let (host, path) = text.find('/').map_or((text, ""), |slash| text.split_at(slash));
        let host = host::canonical(host).map_err(|bad| bad.to_string())?;
        let prefix = PathPattern::parse(&format!("{}/**", path.strip_suffix('/').unwrap_or(path)));
        let prefix = prefix.map_err(|bad| format!("is {text:?}, whose path {bad}"))?;
        if prefix.captures().next().is_some() {
            return Err(format!("is {text:?}: its path is made of letters alone, such as shop.test/api"));
        }
        Ok(Self { host: host.into(), prefix })
    }
}

impl Owners {
    /// Sorts the APIs by host, with what is wrong with their hosts. Of two owners of the same place the first counts.
    pub(super) fn of(apis: &[ApiRealm]) -> (Self, Vec<Problem>) {
        let (mut owners, mut problems) = (Self::default(), Vec::new());
        for (place, api) in apis.iter().enumerate() {
            let mut problem = |message: String| problems.push(Problem::new(format!("api {}: hosts", api.uri), message));
            if api.hosts.len() > MAX_HOSTS {
                problem(format!("has {} hosts: at most {MAX_HOSTS} are allowed", api.hosts.len()));
            }
            for text in &api.hosts {
                let host = match ApiHost::parse(text) {
                    Ok(host) => host,
                    Err(message) => {
                        problem(message);
                        continue;
                    }
                };
                let owned = owners.hosts.entry(host.host).or_default();
                match owned.iter().find(|(prefix, _)| prefix.segments() == host.prefix.segments()) {
                    Some((_, other)) if *other != place => {
                        problem(format!(
                            "has {text}, which {} owns already: an own path for each, such as {text}/v1, or another host",
                            apis[*other].uri
                        ));
                    }
                    Some(_) => {}
                    None => owned.push((host.prefix, place)),
                }
            }
        }
        for owned in owners.hosts.values_mut() {
            owned.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.segments().len()));
        }
        (owners, problems)
    }

    /// The API that owns a path.
    pub(super) fn of_path(&self, host: &str, path: &str) -> Option<usize> {
        let owned = self.hosts.get(host)?;
        owned.iter().find(|(prefix, _)| prefix.matches(path)).map(|(_, place)| *place)
    }

    /// The API that owns every path of a pattern.
    pub(super) fn of_pattern(&self, host: &str, pattern: &PathPattern) -> Option<usize> {
        let owned = self.hosts.get(host)?;
        owned.iter().find(|(prefix, _)| prefix.covers(pattern)).map(|(_, place)| *place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn api(uri: &str, hosts: &[&str]) -> ApiRealm {
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        ApiRealm { uri: ApiUri::parse(uri).unwrap(), scopes: Vec::new(), hosts, cors: None }
    }

    #[test]
    fn the_longest_prefix_owns() {
        let apis = [
            api("https://a", &["shop.test"]),
            api("https://b", &["Shop.test/api/"]),
            api("https://c", &["shop.test/api/v2"]),
        ];
        let (owners, problems) = Owners::of(&apis);
        assert_eq!(problems, []);
        let rows = [
            ("/", 0),
            ("/apix", 0),
            ("/api", 1),
            ("/api/", 1),
            ("/api/x", 1),
            ("/api/v2", 2),
            ("/api/v2/x", 2),
            ("/api/v22", 1),
        ];
        for (path, owner) in rows {
            assert_eq!(owners.of_path("shop.test", path), Some(owner), "{path}");
        }
        assert_eq!(owners.of_path("other.test", "/"), None);
        let pattern = |text| owners.of_pattern("shop.test", &PathPattern::parse(text).unwrap());
        assert_eq!(
            (pattern("/**"), pattern("/api/**"), pattern("/api/v2/x"), pattern("/{any}/x")),
            (Some(0), Some(1), Some(2), Some(0))
        );
    }

    #[test]
    fn a_place_has_one_owner() {
        let apis = [api("https://a", &["shop.test/x", "shop.test/%78"]), api("https://b", &["shop.test/x/"])];
        let (owners, problems) = Owners::of(&apis);
        assert!(problems.len() == 1 && problems[0].to_string().contains("https://a owns already"), "{problems:?}");
        assert_eq!(owners.of_path("shop.test", "/x"), Some(0));
    }

    #[test]
    fn an_error_says_what_would_be_right() {
        let rows = [
            ("https://shop.test", "leave out the scheme"),
            ("*.shop.test", "such as shop.test"),
            ("shop.test/{id}", "letters alone"),
            ("shop.test/a//b", "one slash"),
            ("", "such as shop.test"),
            ("shop.test:80", "without scheme, port"),
        ];
        for (text, said) in rows {
            let error = ApiHost::parse(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn limits_hold_at_their_edge() {
        let hosts: Vec<String> = (0..=MAX_HOSTS).map(|number| format!("h{number}.test")).collect();
        let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
        assert_eq!(Owners::of(&[api("https://a", &hosts[1..])]).1.len(), 0);
        assert!(Owners::of(&[api("https://a", &hosts)]).1[0].message.contains("65 hosts"));
    }

    proptest! {
        #[test]
        fn any_text_is_an_api_host_or_refused(text in "[a-z.]{0,8}/[a-z{}*%/.]{0,12}|.{0,40}") {
            let _ = ApiHost::parse(&text);
        }
    }
}
