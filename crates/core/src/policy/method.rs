//! Which methods a rule is for (RFC 9110 §9).
//!
//! A rule that names none is for the registered ones, so that a verb nobody knows matches no such rule. Methods are
//! case-sensitive; what an application reads from `X-HTTP-Method-Override` is never looked at.

use std::fmt;

use http::Method;

/// The longest method of a rule.
pub const MAX_BYTES: usize = 32;

/// The methods of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Methods {
    /// All of the IANA registry.
    Registered,
    /// These, and HEAD where GET is one.
    Listed(Vec<Method>),
    /// Whatever verb: of a rule whose methods cannot be read, which then denies.
    Every,
}

impl Methods {
    /// Whether a request with this method fits.
    pub fn has(&self, method: &Method) -> bool {
        match self {
            Self::Every => true,
            Self::Registered => is_registered(method.as_str()),
            Self::Listed(list) => list.contains(method) || (*method == Method::HEAD && list.contains(&Method::GET)),
        }
    }

    /// True where every method that fits `other` fits this one too.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Every, _) | (Self::Registered, Self::Registered) => true,
            (_, Self::Every) => false,
            (mine, Self::Listed(list)) => list.iter().all(|method| mine.has(method)),
            (mine, Self::Registered) => {
                REGISTERED.iter().all(|name| Method::from_bytes(name.as_bytes()).is_ok_and(|method| mine.has(&method)))
            }
        }
    }

    /// True where some method fits both.
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Registered | Self::Every, Self::Registered | Self::Every) => true,
            (Self::Listed(list), other) | (other, Self::Listed(list)) => {
                list.iter().any(|method| other.has(method)) || (self.has(&Method::HEAD) && other.has(&Method::HEAD))
            }
        }
    }
}

/// Reads one method of a rule: an upper-case token. On failure says what would be right.
pub(crate) fn parse(text: &str) -> Result<Method, String> {
    let upper = text.to_ascii_uppercase();
    let letters_well = |text: &str| text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    if text.is_empty() || text.len() > MAX_BYTES || !letters_well(&upper) {
        return Err(format!("{text:?} is no method: write one such as GET or POST"));
    }
    if upper != text {
        return Err(format!("methods are case-sensitive: write {upper} instead of {text}"));
    }
    Method::from_bytes(text.as_bytes()).map_err(|_| format!("{text:?} is no method: write one such as GET or POST"))
}

impl fmt::Display for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Listed(list) = self else { return f.write_str("*") };
        for (place, method) in list.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma}{method}")?;
        }
        Ok(())
    }
}

/// The IANA registry of methods without `PRI` and `*`, which are no methods of requests; sorted.
const REGISTERED: [&str; 39] = [
    "ACL",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "CONNECT",
    "COPY",
    "DELETE",
    "GET",
    "HEAD",
    "LABEL",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "MOVE",
    "OPTIONS",
    "ORDERPATCH",
    "PATCH",
    "POST",
    "PROPFIND",
    "PROPPATCH",
    "PUT",
    "QUERY",
    "REBIND",
    "REPORT",
    "SEARCH",
    "TRACE",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "UPDATE",
    "UPDATEREDIRECTREF",
    "VERSION-CONTROL",
];

fn is_registered(name: &str) -> bool {
    matches!(name, "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "HEAD" | "OPTIONS")
        || REGISTERED.binary_search(&name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn listed(names: &[&str]) -> Methods {
        Methods::Listed(names.iter().map(|name| parse(name).unwrap()).collect())
    }

    #[test]
    fn fa_07_unknown_verbs_match_no_open_list() {
        for name in ["GETX", "get", "Get", "PRI", "FOO"] {
            let method = Method::from_bytes(name.as_bytes()).unwrap();
            assert!(!Methods::Registered.has(&method), "{name}");
            assert!(!listed(&["GET"]).has(&method), "{name}");
        }
        for name in REGISTERED {
            assert!(Methods::Registered.has(&Method::from_bytes(name.as_bytes()).unwrap()), "{name}");
        }
        assert!(REGISTERED.is_sorted());
    }

    #[test]
    fn fa_06_head_is_judged_as_get() {
        assert!(listed(&["GET"]).has(&Method::HEAD));
        assert!(!listed(&["HEAD"]).has(&Method::GET));
        assert!(!listed(&["POST"]).has(&Method::HEAD));
    }

    #[test]
    fn covering_is_by_sets() {
        let (get, head, odd) = (listed(&["GET"]), listed(&["HEAD"]), listed(&["PURGE"]));
        assert!(get.covers(&head) && !head.covers(&get) && get.overlaps(&head) && head.overlaps(&get));
        assert!(
            Methods::Registered.covers(&get) && !Methods::Registered.covers(&odd) && !get.covers(&Methods::Registered)
        );
        assert!(!odd.overlaps(&Methods::Registered) && Methods::Registered.overlaps(&get));
        assert!(listed(&REGISTERED).covers(&Methods::Registered));
    }

    #[test]
    fn an_error_says_what_would_be_right() {
        assert!(parse("get").unwrap_err().contains("write GET"));
        assert!(parse("G T").unwrap_err().contains("such as GET"));
        assert!(parse("").is_err());
        assert!(parse(&"A".repeat(MAX_BYTES)).is_ok() && parse(&"A".repeat(MAX_BYTES + 1)).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_a_method_or_refused(text in "[A-Za-z-]{0,34}|.{0,10}") {
            if let Ok(method) = parse(&text) {
                prop_assert_eq!(method.as_str(), text);
            }
        }
    }
}
