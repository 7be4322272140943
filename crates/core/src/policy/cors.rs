//! Which browser origins may read answers (Fetch standard, "CORS protocol").
//!
//! Says which header fields belong to an answer or a preflight. Admits nobody: a listed origin without a credential is
//! refused like any other caller, it can merely read why.

use http::Method;
use http::header::{self, HeaderName, HeaderValue};

use super::method::Methods;

/// The most origins of one list.
pub const MAX_ORIGINS: usize = 64;
/// The longest origin.
pub const MAX_ORIGIN_BYTES: usize = 300;
/// The most header names that a preflight may ask for, and their length.
const MAX_ASKED: usize = 32;
const MAX_ASKED_BYTES: usize = 2048;

/// Header fields to add to an answer.
pub type Fields = Vec<(HeaderName, HeaderValue)>;

/// `cors = { origins = […], credentials = false }` as it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawCors {
    /// Exact origins such as `https://app.test`, or `*` alone.
    pub origins: Vec<String>,
    /// Whether the browser may send cookies along.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<bool>,
}

/// A list of origins that was read whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    origins: Origins,
    credentials: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Origins {
    Any,
    Listed(Vec<HeaderValue>),
}

impl RawCors {
    /// Reads the list; on failure says what is wrong and what would be right, once for each origin.
    pub fn resolve(&self) -> Result<Cors, Vec<String>> {
        let credentials = self.credentials.unwrap_or(false);
        if self.origins.is_empty() {
            return Err(vec!["names no origin: write one such as https://app.test".to_owned()]);
        }
        if self.origins.len() > MAX_ORIGINS {
            return Err(vec![format!("has {} origins: at most {MAX_ORIGINS} are allowed", self.origins.len())]);
        }
        if self.origins.iter().any(|origin| origin == "*") {
            return match (credentials, self.origins.len()) {
                (true, _) => {
                    Err(vec!["has * with credentials = true, which browsers refuse: list the origins".to_owned()])
                }
                (false, 1) => Ok(Cors { origins: Origins::Any, credentials }),
                (false, _) => Err(vec!["has * beside other origins: leave the others out".to_owned()]),
            };
        }
        let (mut listed, mut problems) = (Vec::new(), Vec::new());
        for origin in &self.origins {
            match read_origin(origin) {
                Ok(value) => listed.push(value),
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() { Ok(Cors { origins: Origins::Listed(listed), credentials }) } else { Err(problems) }
    }
}

impl Cors {
    /// The fields of an answer to this origin; none where it is not listed.
    pub fn allow(&self, origin: &str) -> Option<Fields> {
        let mut fields = self.allow_origin(origin)?;
        fields.push((header::VARY, HeaderValue::from_static("Origin")));
        fields.push((header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED)));
        Some(fields)
    }

    /// The fields of the answer to a preflight for a method that the rule has; none where the origin is not listed.
    /// Header names that are no tokens, or too many, are not allowed; the browser then stops by itself.
    pub fn preflight(&self, origin: &str, method: &Method, asked: Option<&str>, methods: &Methods) -> Option<Fields> {
        let mut fields = self.allow_origin(origin)?;
        let allowed = match methods {
            Methods::Registered | Methods::Every => method.to_string(),
            Methods::Listed(list) => list.iter().map(Method::as_str).collect::<Vec<_>>().join(", "),
        };
        fields.push((header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::try_from(allowed).ok()?));
        if let Some(names) = asked.and_then(read_asked) {
            fields.push((header::ACCESS_CONTROL_ALLOW_HEADERS, names));
        }
        fields.push((header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600")));
        fields.push((header::VARY, HeaderValue::from_static(PREFLIGHT_VARY)));
        Some(fields)
    }

    /// True where every origin that `other` lets read may read here too, with no less.
    pub fn covers(&self, other: &Self) -> bool {
        let origins = match (&self.origins, &other.origins) {
            (Origins::Any, _) => true,
            (Origins::Listed(_), Origins::Any) => false,
            (Origins::Listed(mine), Origins::Listed(theirs)) => theirs.iter().all(|origin| mine.contains(origin)),
        };
        origins && (self.credentials || !other.credentials)
    }

    /// True where pages of this origin may act with the cookies of whoever looks at them.
    pub fn lets_act(&self, origin: &str) -> bool {
        let Origins::Listed(list) = &self.origins else { return false };
        self.credentials && list.iter().any(|listed| listed.as_bytes() == origin.as_bytes())
    }

    fn allow_origin(&self, origin: &str) -> Option<Fields> {
        let echo = match &self.origins {
            Origins::Any => HeaderValue::from_static("*"),
            Origins::Listed(list) => list.iter().find(|listed| listed.as_bytes() == origin.as_bytes())?.clone(),
        };
        let mut fields = vec![(header::ACCESS_CONTROL_ALLOW_ORIGIN, echo)];
        if self.credentials {
            fields.push((header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true")));
        }
        Some(fields)
    }
}

const EXPOSED: &str = "WWW-Authenticate, RateLimit, RateLimit-Policy, Retry-After, Admit-Request-Id";
const PREFLIGHT_VARY: &str = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";

/// An origin as browsers send it (RFC 6454 §6.2): anything else would never match.
fn read_origin(text: &str) -> Result<HeaderValue, String> {
    let bad = |remedy: &str| Err(format!("has {text:?}, which no browser sends: {remedy}"));
    let Some((scheme, rest)) = text.split_once("://") else {
        return bad("write scheme, host and port such as https://app.test");
    };
    if text.len() > MAX_ORIGIN_BYTES {
        return bad("it is longer than any host");
    }
    if rest.contains('/') {
        return bad("leave out the path and the slash before it");
    }
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (rest, None),
    };
    let scheme_well = scheme.starts_with(|letter: char| letter.is_ascii_lowercase())
        && scheme.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte));
    if !scheme_well || super::host::canonical(host).as_deref() != Ok(host) {
        return bad("write it in lower case, other letters in punycode, such as https://app.test");
    }
    match (scheme, port) {
        ("http", Some("80")) | ("https", Some("443")) => return bad("leave the port of the scheme out"),
        (_, Some(port)) if !port.parse::<u16>().is_ok_and(|number| number > 0 && number.to_string() == port) => {
            return bad("the port is 1 to 65535");
        }
        _ => {}
    }
    HeaderValue::from_str(text).or_else(|_| bad("write it in ASCII"))
}

fn read_asked(text: &str) -> Option<HeaderValue> {
    let is_token = |name: &str| HeaderName::from_bytes(name.trim_matches([' ', '\t']).as_bytes()).is_ok();
    let names = text.split(',').take(MAX_ASKED + 1);
    if text.len() > MAX_ASKED_BYTES || names.clone().count() > MAX_ASKED || !names.clone().all(is_token) {
        return None;
    }
    HeaderValue::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cors(origins: &[&str], credentials: bool) -> Result<Cors, Vec<String>> {
        let origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
        RawCors { origins, credentials: Some(credentials) }.resolve()
    }

    fn text(fields: &Fields) -> String {
        let lines = fields.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_listed_origin_reads_the_answer() {
        let cors = cors(&["https://app.test", "http://localhost:3000"], true).unwrap();
        let fields = text(&cors.allow("http://localhost:3000").unwrap());
        assert_eq!(
            fields,
            "access-control-allow-origin: http://localhost:3000\naccess-control-allow-credentials: true\nvary: Origin\n\
             access-control-expose-headers: WWW-Authenticate, RateLimit, RateLimit-Policy, Retry-After, Admit-Request-Id"
        );
        for stranger in
            ["https://app.test.evil.test", "https://APP.test", "http://app.test", "null", "*", "", "https://app.test/"]
        {
            assert!(cors.allow(stranger).is_none(), "{stranger}");
        }
    }

    #[test]
    fn fa_06_a_preflight_is_answered_for_listed_origins_only() {
        let cors = cors(&["https://app.test"], false).unwrap();
        let methods = Methods::Listed(vec![Method::GET, Method::POST]);
        let fields =
            cors.preflight("https://app.test", &Method::POST, Some("authorization, x-trace"), &methods).unwrap();
        assert_eq!(
            text(&fields),
            "access-control-allow-origin: https://app.test\naccess-control-allow-methods: GET, POST\n\
             access-control-allow-headers: authorization, x-trace\naccess-control-max-age: 600\n\
             vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
        );
        assert!(cors.preflight("https://evil.test", &Method::POST, None, &methods).is_none());
        let fields = cors.preflight("https://app.test", &Method::PUT, None, &Methods::Registered).unwrap();
        assert!(text(&fields).contains("access-control-allow-methods: PUT\n"));
    }

    #[test]
    fn any_origin_is_without_credentials() {
        assert!(
            text(&cors(&["*"], false).unwrap().allow("https://x.test").unwrap())
                .starts_with("access-control-allow-origin: *")
        );
        assert!(cors(&["*"], true).unwrap_err()[0].contains("list the origins"));
        assert!(cors(&["*", "https://a.test"], false).unwrap_err()[0].contains("leave the others out"));
    }

    #[test]
    fn an_error_says_what_would_be_right() {
        let rows = [
            ("app.test", "such as https://app.test"),
            ("https://app.test/", "leave out the path"),
            ("https://App.test", "lower case"),
            ("HTTPS://app.test", "lower case"),
            ("https://bücher.test", "punycode"),
            ("https://*.test", "lower case"),
            ("https://app.test:443", "leave the port"),
            ("http://app.test:80", "leave the port"),
            ("https://app.test:0443", "1 to 65535"),
            ("https://app.test:65536", "1 to 65535"),
            ("https://app.test:0", "1 to 65535"),
            ("null", "such as https://app.test"),
        ];
        for (origin, said) in rows {
            let problems = cors(&[origin], false).unwrap_err();
            assert!(problems[0].contains(said), "{origin}: {problems:?}");
        }
        assert!(cors(&[], false).unwrap_err()[0].contains("names no origin"));
        assert!(cors(&["https://[::1]:8080", "capacitor://localhost", "http://127.0.0.1"], true).is_ok());
    }

    #[test]
    fn limits_hold_at_their_edge() {
        assert!(cors(&["https://a.test"; MAX_ORIGINS], false).is_ok());
        assert!(cors(&["https://a.test"; MAX_ORIGINS + 1], false).unwrap_err()[0].contains("65 origins"));
        assert!(
            read_asked(&["a"; MAX_ASKED].join(",")).is_some() && read_asked(&["a"; MAX_ASKED + 1].join(",")).is_none()
        );
        assert!(
            read_asked(&"a".repeat(MAX_ASKED_BYTES)).is_some()
                && read_asked(&"a".repeat(MAX_ASKED_BYTES + 1)).is_none()
        );
        assert!(read_asked("a, b c").is_none() && read_asked("").is_none() && read_asked("a\r\nx: y").is_none());
    }

    #[test]
    fn covering_is_by_sets() {
        let (any, one) = (cors(&["*"], false).unwrap(), cors(&["https://a.test"], false).unwrap());
        let (two, cookies) =
            (cors(&["https://a.test", "https://b.test"], false).unwrap(), cors(&["https://a.test"], true).unwrap());
        assert!(any.covers(&two) && two.covers(&one) && cookies.covers(&one));
        assert!(!one.covers(&two) && !one.covers(&any) && !two.covers(&cookies) && !any.covers(&cookies));
    }

    proptest! {
        #[test]
        fn any_text_is_an_origin_or_refused(text in "[a-z]{1,5}://[a-zA-Z0-9.:\\[\\]/-]{0,20}|.{0,40}") {
            let read = RawCors { origins: vec![text.clone()], credentials: None }.resolve();
            prop_assert!(!read.is_ok_and(|cors| cors.allow(&text).is_none()));
            if let Some(value) = read_asked(&text) {
                prop_assert!(value.to_str().is_ok());
            }
        }
    }
}
