//! `/.well-known/oauth-protected-resource`: which issuer an API trusts, and which scopes it knows (RFC 9728).
//!
//! An API's document is at two places. At the place of its issuer, behind the API's URI without its scheme: there a
//! challenge points, and nobody has to set anything up. And at the API's own host, where its URI says (§3.1), if the
//! gateway of that host passes `/.well-known/oauth-protected-resource` on: which host that is says the gateway, a trusted
//! proxy. In both it is found by its whole URI, so that the `resource` in it is the one that was asked for (§3.3).

use std::net::IpAddr;
use std::sync::Arc;

use admit_core::api::Api;
use admit_core::check::host::Host;
use admit_core::check::request::Request as Judged;
use admit_core::name::{self, ApiUri};
use admit_core::policy::rule::{Audience, Rule};
use admit_core::signing_key::PUBLISHED_FOR;
use http::{HeaderName, Request};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Value, json};

use super::well_known::Ready;
use crate::app::App;
use crate::check::policies::RealmPolicy;
use crate::config::public_authority;
use crate::http::issuer;
use crate::http::problem::Problem;

const NAME: &str = "oauth-protected-resource";
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// What does not stand in a path as it is.
const NO_PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}')
    .add(b'\\')
    .add(b'^')
    .add(b'|');

/// What stands behind the name of the document, where a path has that name.
pub fn behind(name: &str) -> Option<&str> {
    name.strip_prefix(NAME).filter(|behind| behind.is_empty() || behind.starts_with('/'))
}

/// Where the document of the API is that a rule judges for: what a challenge says of it.
pub fn pointer(app: &App, realm: &RealmPolicy, rule: Option<&Rule>) -> Option<String> {
    let Some(Audience::Api(uri)) = rule.map(|rule| &rule.audience) else { return None };
    (!name::is_built_in(uri)).then(|| format!("{}/.well-known/{NAME}/{}", app.issuer(&realm.realm), path_of(uri)))
}

/// The document that is asked for by this request.
pub fn find<B>(
    app: &App,
    named: Option<&str>,
    path: &str,
    request: &Request<B>,
    peer: IpAddr,
) -> Result<Arc<Ready>, Problem> {
    let realm = issuer::settle(app, named, request.uri(), request.headers())?;
    let (found, is_passed_on) = match protected_host(app, request, peer)? {
        Some(host) => (realm.apis.iter().find(|api| is_at(&api.spec.uri, &host, path)), true),
        None => (realm.apis.iter().find(|api| path.strip_prefix('/') == Some(path_of(&api.spec.uri).as_str())), false),
    };
    let Some(api) = found.filter(|api| !name::is_built_in(&api.spec.uri)) else {
        let detail = "There is no API at this place: the path is its URI without the scheme. Next: admit api list";
        return Err(Problem::new(404, "not_found", detail));
    };
    let seconds = PUBLISHED_FOR.as_ms() / 1_000;
    let ready = Ready::new("application/json", &document(api, &app.issuer(&realm.realm)), Some(seconds));
    Ok(Arc::new(if is_passed_on { ready.by_host() } else { ready }))
}

/// The host of the API, as its gateway says; none where the request is for the issuer itself, behind a proxy or not.
fn protected_host<B>(app: &App, request: &Request<B>, peer: IpAddr) -> Result<Option<String>, Problem> {
    let config = app.config.load();
    if !request.headers().contains_key(FORWARDED_HOST) || !config.trusted_proxies.trusts(peer) {
        return Ok(None);
    }
    let judged = Judged::passed_on(http::Method::GET, request.uri(), request.headers(), peer, &config.trusted_proxies);
    let judged = judged.map_err(|_| {
        Problem::new(400, "malformed_request", "The gateway did not pass this request on as it should.")
    })?;
    let is_own = Host::parse(public_authority(&config.public_url)).is_ok_and(|own| own == judged.host)
        || app.directory.of_host(judged.host.as_str(), &app.store)?.is_some();
    let port = judged.port.filter(|port| !matches!(port, 80 | 443));
    let host = judged.host.as_str();
    Ok((!is_own).then(|| port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))))
}

/// Whether a URI is this host with this path.
fn is_at(uri: &ApiUri, host: &str, path: &str) -> bool {
    let Some((_, rest)) = uri.as_str().split_once("://") else { return false };
    let (authority, own) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    authority.eq_ignore_ascii_case(host) && own.trim_end_matches('/') == path.trim_end_matches('/')
}

/// A URI as part of a path: without its scheme where that is the usual one, and with no empty segment.
fn path_of(uri: &ApiUri) -> String {
    let text = uri.as_str();
    let text = text.strip_prefix("https://").map_or_else(|| text.replacen("://", ":", 1), str::to_owned);
    utf8_percent_encode(&text, NO_PATH).to_string()
}

fn document(api: &Api, issuer: &str) -> Value {
    let mut document = json!({
        "resource": api.spec.uri,
        "authorization_servers": [issuer],
        "bearer_methods_supported": ["header"],
    });
    // What has no elements is left out (§3.2).
    if !api.spec.scopes.is_empty() {
        document["scopes_supported"] = api.spec.scopes.keys().map(|scope| Value::from(scope.as_str())).collect();
    }
    if let Some(name) = &api.spec.name {
        document["resource_name"] = name.as_str().into();
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> ApiUri {
        ApiUri::parse(text).unwrap()
    }

    #[test]
    fn rfc_9728_the_document_is_where_the_uri_says() {
        for (api, host, path) in [
            ("https://api.example.com", "api.example.com", ""),
            ("https://api.example.com/", "api.example.com", ""),
            ("https://api.example.com/v1", "api.example.com", "/v1"),
            ("https://api.example.com:8443/v1", "api.example.com:8443", "/v1"),
        ] {
            assert!(is_at(&uri(api), host, path), "{api}");
        }
        for (api, host, path) in [
            ("https://api.example.com", "api.example.com", "/v1"),
            ("https://api.example.com/v1", "api.example.com", ""),
            ("https://api.example.com/v1", "api.example.com", "/v1/x"),
            ("https://api.example.com", "api.example.com:8443", ""),
            ("https://api.example.com", "example.com", ""),
            ("urn:shop", "urn:shop", ""),
        ] {
            assert!(!is_at(&uri(api), host, path), "{api}");
        }
    }

    #[test]
    fn rfc_9728_every_uri_has_a_path_of_its_own_at_the_issuer() {
        for (api, path) in [
            ("https://api.example.com/v1", "api.example.com/v1"),
            ("http://api.example.com/v1", "http:api.example.com/v1"),
            ("urn:shop:orders", "urn:shop:orders"),
            ("https://api.example.com/v1?a=b%20c", "api.example.com/v1%3Fa=b%2520c"),
        ] {
            assert_eq!(path_of(&uri(api)), path);
        }
        assert_eq!(behind("oauth-protected-resource/v1"), Some("/v1"));
        assert_eq!((behind("oauth-protected-resource"), behind("oauth-protected-resources")), (Some(""), None));
    }
}
