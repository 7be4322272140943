//! `/.well-known/…`: what an issuer says of itself, to anybody, as bytes that are made once and sent many times.
//!
//! Dispatched before the router, like checks: no layer, no timer, no place in a queue, and warm no read of the store. A
//! document is served at the place of its own issuer and nowhere else, so that what it says can be compared with where it
//! was found (RFC 8414 §3.3). Host, method and `If-None-Match` are judged here; what stands in a document is not known.

use std::net::IpAddr;
use std::sync::Arc;

use admit_core::check::host::Host;
use admit_core::realm::{DEFAULT, Realm};
use admit_core::signing_key::Purpose;
use arc_swap::ArcSwap;
use aws_lc_rs::digest;
use axum::body::Body;
use bytes::Bytes;
use data_encoding::HEXLOWER;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use serde_json::Value;

use super::{jwks, metadata, resource};
use crate::app::App;
use crate::authn::realms::{self, Kept};
use crate::check::policies::RealmPolicy;
use crate::http::issuer;
use crate::http::problem::Problem;
use crate::http::{headers, host};
use crate::manage::etag;

/// What is answered; everything else is 405.
const METHODS: &str = "GET, HEAD, OPTIONS";
const FOLDER: &str = "/.well-known/";
const CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Which document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Document<'p> {
    /// Public keys (RFC 7517).
    Keys(Purpose),
    /// The authorization server (RFC 8414), under the name that OpenID Connect gave it too.
    Server(metadata::Name),
    /// A protected resource (RFC 9728), with what stands behind the name of the document.
    Resource(&'p str),
}

/// What a path asks for: a document of the realm that it names, or of the one that the host is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked<'p> {
    realm: Option<&'p str>,
    document: Document<'p>,
}

impl<'p> Asked<'p> {
    /// What this path asks for, where it is one of a document.
    pub fn of_path(path: &'p str) -> Option<Self> {
        if let Some(behind) = path.strip_prefix(FOLDER)
            && let Some(inserted) = Self::inserted(behind)
        {
            return Some(inserted);
        }
        let (realm, rest) = match path.strip_prefix("/realms/") {
            Some(below) => below.find('/').map(|end| (Some(&below[..end]), &below[end..]))?,
            None => (None, path),
        };
        let (purpose, rest) = match rest.strip_prefix("/upstream") {
            Some(rest) => (Purpose::Upstream, rest),
            None => (Purpose::Issuer, rest),
        };
        let name = rest.strip_prefix(FOLDER)?;
        let document = match (name, purpose) {
            ("jwks.json", purpose) => Document::Keys(purpose),
            (_, Purpose::Upstream) => return None,
            (name, Purpose::Issuer) => match metadata::Name::parse(name) {
                Some(name) => Document::Server(name),
                None => Document::Resource(resource::behind(name)?),
            },
        };
        Some(Self { realm, document })
    }

    /// `oauth-authorization-server/realms/acme`: of an issuer with a path (RFC 8414 §3.1).
    fn inserted(behind: &'p str) -> Option<Self> {
        let (name, issuer) = behind.split_once('/')?;
        let realm = issuer.strip_prefix("realms/").filter(|realm| !realm.contains('/'))?;
        Some(Self { realm: Some(realm), document: Document::Server(metadata::Name::parse(name)?) })
    }
}

/// Answers one request.
pub fn answer<B>(app: &App, asked: Asked<'_>, request: &Request<B>, peer: IpAddr) -> Response<Body> {
    let ready = match *request.method() {
        Method::GET | Method::HEAD => ready(app, asked, request, peer),
        Method::OPTIONS => return preflight(),
        _ => {
            let problem = Problem::new(405, "method_not_allowed", "This document can only be read.");
            return headers::harden(problem.with_allow(METHODS).respond(app));
        }
    };
    match ready {
        Ok(ready) => ready.unless_known(request.headers()),
        Err(problem) => headers::harden(problem.respond(app)),
    }
}

fn ready<B>(app: &App, asked: Asked<'_>, request: &Request<B>, peer: IpAddr) -> Result<Arc<Ready>, Problem> {
    let (uri, headers) = (request.uri(), request.headers());
    if let Document::Resource(path) = asked.document {
        return resource::find(app, asked.realm, path, request, peer);
    }
    let realm = issuer::settle(app, asked.realm, uri, headers)?;
    let called = || host::authority(uri, headers).and_then(|called| Host::parse(called).ok());
    if !is_home(&realm.realm, asked.realm, called) {
        let detail = "There is no issuer at this place. Next: admit realm list";
        return Err(Problem::new(404, "not_found", detail));
    }
    match asked.document {
        Document::Keys(purpose) => jwks::of(app, &realm, purpose),
        Document::Server(_) | Document::Resource(_) => Ok(metadata::of(app, &realm)),
    }
}

/// Whether this is the place of the realm's issuer, and not another one at which it can be reached.
fn is_home<'r>(realm: &Realm, named: Option<&str>, called: impl Fn() -> Option<Host<'r>>) -> bool {
    match (&realm.host, named) {
        (Some(host), None) => called().is_some_and(|called| called.as_str() == host),
        (Some(_), Some(_)) => false,
        (None, named) => named.is_some() == (realm.name.as_str() != DEFAULT),
    }
}

/// Any page may read what is public (CORS), with whatever headers its library sends.
fn preflight() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let fields = [
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD"),
        (ACCESS_CONTROL_ALLOW_HEADERS, "*"),
        (ACCESS_CONTROL_MAX_AGE, "86400"),
    ];
    for (name, value) in fields {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    headers::harden(response)
}

/// A document as it is sent.
#[derive(Debug)]
pub struct Ready {
    body: Bytes,
    headers: HeaderMap,
    tag: String,
}

impl Ready {
    /// A document of this type, which may be kept for so many seconds; none: only together with a look whether it is
    /// still the same.
    pub fn new(content_type: &'static str, document: &Value, max_age_s: Option<i64>) -> Self {
        let body = document.to_string();
        let hash = digest::digest(&digest::SHA256, body.as_bytes());
        let tag = format!("\"{}\"", HEXLOWER.encode(&hash.as_ref()[..12]));
        let kept = max_age_s.map_or("no-cache".to_owned(), |seconds| format!("public, max-age={seconds}"));
        let mut response = Response::new(Body::empty());
        let own = response.headers_mut();
        for (name, value) in [(ETAG, &tag), (CACHE_CONTROL, &kept)] {
            own.insert(name, HeaderValue::from_str(value).unwrap_or(HeaderValue::from_static("no-cache")));
        }
        own.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        own.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        own.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("ETag"));
        own.insert(CORP, HeaderValue::from_static("cross-origin"));
        let (parts, _) = headers::harden(response).into_parts();
        Self { body: body.into(), headers: parts.headers, tag }
    }

    /// The same document, told by the host of the protected resource beside the path.
    pub fn by_host(mut self) -> Self {
        self.headers.insert(VARY, HeaderValue::from_static("X-Forwarded-Host"));
        self
    }

    /// What it says.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The document, or 304 for who has it.
    fn unless_known(&self, asked: &HeaderMap) -> Response<Body> {
        let known = asked.get(IF_NONE_MATCH).and_then(|known| known.to_str().ok());
        let is_known = known.is_some_and(|known| etag::is_known(known, &self.tag));
        let mut response = Response::new(if is_known { Body::empty() } else { Body::from(self.body.clone()) });
        response.headers_mut().clone_from(&self.headers);
        if is_known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response.headers_mut().remove(CONTENT_TYPE);
        }
        response
    }
}

/// Something ready for each of the realms in use.
pub struct Shelf<T>(ArcSwap<Kept<T>>);

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self(ArcSwap::default())
    }
}

impl<T> Shelf<T> {
    /// What is there for a realm, where it is still right; else what is made now.
    pub fn of(&self, realm: &RealmPolicy, is_right: impl Fn(&T) -> bool, make: impl FnOnce() -> T) -> Arc<T> {
        let id = realm.realm.id;
        if let Some(known) = self.0.load().get(&id).filter(|known| is_right(known)) {
            return known.clone();
        }
        let made = Arc::new(make());
        self.0.rcu(|kept| realms::with(kept, id, &made));
        made
    }
}

#[cfg(test)]
mod tests {
    use admit_core::id::RealmId;
    use admit_core::secret::Prefix;
    use admit_core::time::Time;
    use metadata::Name;

    use super::*;

    fn asked(path: &str) -> Option<(Option<&str>, Document<'_>)> {
        Asked::of_path(path).map(|asked| (asked.realm, asked.document))
    }

    #[test]
    fn ir_14_both_forms_of_a_path_name_the_same_document() {
        use Document::{Keys, Resource, Server};
        for (path, realm, document) in [
            ("/.well-known/openid-configuration", None, Server(Name::OpenId)),
            ("/.well-known/oauth-authorization-server", None, Server(Name::OAuth)),
            ("/realms/acme/.well-known/openid-configuration", Some("acme"), Server(Name::OpenId)),
            ("/realms/acme/.well-known/oauth-authorization-server", Some("acme"), Server(Name::OAuth)),
            ("/.well-known/openid-configuration/realms/acme", Some("acme"), Server(Name::OpenId)),
            ("/.well-known/oauth-authorization-server/realms/acme", Some("acme"), Server(Name::OAuth)),
            ("/.well-known/jwks.json", None, Keys(Purpose::Issuer)),
            ("/upstream/.well-known/jwks.json", None, Keys(Purpose::Upstream)),
            ("/realms/acme/.well-known/jwks.json", Some("acme"), Keys(Purpose::Issuer)),
            ("/realms/acme/upstream/.well-known/jwks.json", Some("acme"), Keys(Purpose::Upstream)),
            ("/.well-known/oauth-protected-resource", None, Resource("")),
            ("/.well-known/oauth-protected-resource/v1/x", None, Resource("/v1/x")),
            ("/.well-known/oauth-protected-resource/realms/acme", None, Resource("/realms/acme")),
            ("/realms/acme/.well-known/oauth-protected-resource/v1", Some("acme"), Resource("/v1")),
        ] {
            assert_eq!(asked(path), Some((realm, document)), "{path}");
        }
        for path in [
            "/.well-known/",
            "/.well-known/jwks.json/",
            "/.well-known/jwks.json/realms/acme",
            "/.well-known/security.txt",
            "/.well-known/oauth-authorization-server/acme",
            "/.well-known/oauth-authorization-server/realms/acme/x",
            "/.well-known/oauth-protected-resources",
            "/realms/acme",
            "/realms/acme/upstream/.well-known/openid-configuration",
            "/upstreams/.well-known/jwks.json",
            "/acme/.well-known/jwks.json",
            "/login",
        ] {
            assert_eq!(asked(path), None, "{path}");
        }
    }

    #[test]
    fn ir_14_a_document_is_at_the_place_of_its_issuer_and_nowhere_else() {
        let realm = |name: &str, host: Option<&str>| {
            let row = Realm::new(
                RealmId::from_bytes([1; 16]),
                name.parse().unwrap(),
                Prefix::parse("acme").unwrap(),
                Time::default(),
            );
            Realm { host: host.map(str::to_owned), ..row }
        };
        let at = |called: &'static str| move || Host::parse(called).ok();
        let (ours, theirs) = (at("auth.example.com"), at("id.acme.test"));
        assert!(is_home(&realm("default", None), None, ours));
        assert!(!is_home(&realm("default", None), Some("default"), ours), "its issuer has no path");
        assert!(is_home(&realm("acme", None), Some("acme"), ours));
        let hosted = realm("acme", Some("id.acme.test"));
        assert!(is_home(&hosted, None, theirs));
        assert!(!is_home(&hosted, Some("acme"), ours) && !is_home(&hosted, Some("acme"), theirs));
        let moved = realm("default", Some("id.acme.test"));
        assert!(!is_home(&moved, None, ours) && is_home(&moved, None, theirs));
    }

    #[test]
    fn who_has_a_document_is_told_so() {
        let ready = Ready::new("application/json", &serde_json::json!({"a": 1}), Some(300));
        let status = |known: Option<&str>| {
            let fields = known.map(|known| (IF_NONE_MATCH, HeaderValue::from_str(known).unwrap()));
            ready.unless_known(&HeaderMap::from_iter(fields)).status().as_u16()
        };
        let other = format!("\"x\", W/{}", ready.tag);
        assert_eq!(
            [status(None), status(Some("\"x\"")), status(Some(&other)), status(Some("*"))],
            [200, 200, 304, 304]
        );
        let known = HeaderMap::from_iter([(IF_NONE_MATCH, HeaderValue::from_str(&ready.tag).unwrap())]);
        let headers = ready.unless_known(&known).headers().clone();
        assert_eq!(headers[CACHE_CONTROL], "public, max-age=300");
        assert!(headers.contains_key(ETAG) && !headers.contains_key(CONTENT_TYPE));
    }
}
