//! The original request as it was meant, read from what a gateway, a caller of `POST /v1/check` or a client of Admit
//! itself sent.
//!
//! Two dialects of forward authentication, each with its own headers; the other dialect's are ignored, because the
//! client may have sent them. `Forwarded`, `X-Forwarded-Prefix`, `X-Forwarded-Port`, `X-Rewrite-URL` and
//! `X-HTTP-Method-Override` are never read. A header that could be taken for one of ours is refused ([`guard`]).
//!
//! Knows no rules and no credentials: see [`crate::policy`] and [`crate::credential`].

use std::fmt;
use std::net::IpAddr;

use http::header::{ACCESS_CONTROL_REQUEST_METHOD, HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, Method, Uri};
use percent_encoding::percent_decode_str;

use super::address::{self, TrustedProxies};
use super::code::Reason;
use super::guard;
use super::host::Host;
use super::path::Path;
use crate::name::is_unprintable;
use crate::secret::{self, NotOpaque};

/// The longest path and query together, in bytes.
pub const URI_MAX: usize = 16 * 1024;
/// The longest method, in bytes.
pub const METHOD_MAX: usize = 32;
/// The longest `Origin`, in bytes: scheme, host and port.
pub const ORIGIN_MAX: usize = 512;
/// The most names of query parameters that are recorded.
pub const QUERY_NAMES_MAX: usize = 32;
/// The most letters that are recorded of one name.
pub const QUERY_NAME_MAX: usize = 64;

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static X_FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static X_FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
static X_ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-original-method");
static X_ORIGINAL_URI: HeaderName = HeaderName::from_static("x-original-uri");
static SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// One request, read and unambiguous. Printing it shows neither headers nor query.
#[derive(Clone)]
pub struct Request<'h> {
    /// Exactly as sent: methods are case-sensitive (RFC 9110 §9.1).
    pub method: Method,
    /// Whether the client spoke TLS; none where nobody said.
    pub https: Option<bool>,
    /// Canonical.
    pub host: Host<'h>,
    /// The port beside it, where one was named. No rule and no realm is found by it; an `Origin` is compared with it.
    pub port: Option<u16>,
    /// In normal form.
    pub path: Path<'h>,
    /// Raw; only [`Request::query_names`] of it may be recorded.
    pub query: Option<&'h str>,
    /// The client's address, where it is known.
    pub client_ip: Option<IpAddr>,
    /// The headers of the original request as they were passed on.
    pub headers: &'h HeaderMap,
}

/// A browser asks whether it may send a request (Fetch standard, "CORS-preflight request").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preflight<'h> {
    /// The page that asks.
    pub origin: &'h str,
    /// What it would send.
    pub method: Method,
}

impl<'h> Request<'h> {
    /// nginx's dialect: `X-Original-Method`, `X-Original-URI`, `X-Forwarded-Host/Proto/For`.
    pub fn from_original(headers: &'h HeaderMap, peer: IpAddr, trusted: &TrustedProxies) -> Result<Self, Reason> {
        Self::from_gateway(headers, peer, trusted, &X_ORIGINAL_METHOD, &X_ORIGINAL_URI)
    }

    /// Caddy's and Traefik's dialect: `X-Forwarded-Method/Proto/Host/Uri/For`.
    pub fn from_forwarded(headers: &'h HeaderMap, peer: IpAddr, trusted: &TrustedProxies) -> Result<Self, Reason> {
        Self::from_gateway(headers, peer, trusted, &X_FORWARDED_METHOD, &X_FORWARDED_URI)
    }

    /// What a caller of `POST /v1/check` describes: an absolute URL, and the headers of the request it received.
    pub fn direct(method: &str, url: &'h str, headers: &'h HeaderMap, ip: Option<IpAddr>) -> Result<Self, Reason> {
        guard::judge(headers)?;
        readable_origin(headers)?;
        let target = Target::parse(url)?;
        let (https, host) = target.origin.ok_or(Reason::OriginalRequestMissing)?;
        Ok(Self {
            method: parse_method(method)?,
            https: Some(https),
            host,
            port: None,
            path: target.path,
            query: target.query,
            client_ip: ip.map(address::unified),
            headers,
        })
    }

    /// A request to Admit itself. `X-Forwarded-Host` never counts here, `-Proto` and `-For` from trusted proxies only.
    pub fn own(
        method: Method,
        uri: &'h Uri,
        headers: &'h HeaderMap,
        peer: IpAddr,
        trusted: &TrustedProxies,
    ) -> Result<Self, Reason> {
        guard::judge(headers)?;
        readable_origin(headers)?;
        let named = (single(headers, &HOST)?, uri.authority().map(Authority::as_str));
        let port = named.0.or(named.1).and_then(port_of);
        let in_header = named.0.map(Host::parse).transpose()?;
        let in_uri = named.1.map(Host::parse).transpose()?;
        let host = match (in_header, in_uri) {
            (Some(header), Some(uri)) if header != uri => return Err(Reason::HostConflict),
            (header, uri) => header.or(uri).ok_or(Reason::OriginalRequestMissing)?,
        };
        let target = Target::of_parts(uri.path(), uri.query())?;
        Ok(Self {
            method: parse_method(method.as_str())?,
            https: if trusted.trusts(peer) { forwarded_proto(headers)? } else { None },
            host,
            port,
            path: target.path,
            query: target.query,
            client_ip: Some(address::client_ip(peer, headers.get_all(&X_FORWARDED_FOR).iter(), trusted)?),
            headers,
        })
    }

    /// A request to one of Admit's own pages on a protected host, passed on by its gateway: the host is the protected one.
    pub fn passed_on(
        method: Method,
        uri: &'h Uri,
        headers: &'h HeaderMap,
        peer: IpAddr,
        trusted: &TrustedProxies,
    ) -> Result<Self, Reason> {
        if !trusted.trusts(peer) {
            return Err(Reason::PeerNotTrusted);
        }
        let own = Self::own(method, uri, headers, peer, trusted)?;
        let host = single(headers, &X_FORWARDED_HOST)?.ok_or(Reason::OriginalRequestMissing)?;
        Ok(Self { port: port_of(host), host: Host::parse(host)?, ..own })
    }

    fn from_gateway(
        headers: &'h HeaderMap,
        peer: IpAddr,
        trusted: &TrustedProxies,
        method: &HeaderName,
        uri: &HeaderName,
    ) -> Result<Self, Reason> {
        if !trusted.trusts(peer) {
            return Err(Reason::PeerNotTrusted);
        }
        guard::judge(headers)?;
        readable_origin(headers)?;
        let method = single(headers, method)?.ok_or(Reason::OriginalRequestMissing)?;
        let uri = single(headers, uri)?.ok_or(Reason::OriginalRequestMissing)?;
        let named = single(headers, &X_FORWARDED_HOST)?.ok_or(Reason::OriginalRequestMissing)?;
        let host = Host::parse(named)?;
        let target = Target::parse(uri)?;
        if target.origin.is_some_and(|(_, other)| other != host) {
            return Err(Reason::HostConflict);
        }
        Ok(Self {
            method: parse_method(method)?,
            https: forwarded_proto(headers)?,
            host,
            port: port_of(named),
            path: target.path,
            query: target.query,
            client_ip: Some(address::client_ip(peer, headers.get_all(&X_FORWARDED_FOR).iter(), trusted)?),
            headers,
        })
    }

    /// The request crossed a network in the clear. Not where nobody said, and not from the machine itself.
    pub fn is_plain_http(&self) -> bool {
        let is_local = self.client_ip.map_or_else(|| self.host.is_loopback(), |ip| ip.is_loopback());
        self.https == Some(false) && !is_local
    }

    /// A browser sent it: only browsers send these headers, and scripts cannot forge them (Fetch Metadata).
    pub fn from_browser(&self) -> bool {
        [&SEC_FETCH_MODE, &SEC_FETCH_SITE, &ORIGIN].into_iter().any(|name| self.headers.contains_key(name))
    }

    /// The question of a browser before a request across sites.
    pub fn preflight(&self) -> Option<Preflight<'h>> {
        if self.method != Method::OPTIONS {
            return None;
        }
        let origin = single(self.headers, &ORIGIN).ok()??;
        let method = single(self.headers, &ACCESS_CONTROL_REQUEST_METHOD).ok()??;
        Some(Preflight { origin, method: parse_method(method).ok()? })
    }

    /// The names of the query's parameters, decoded and cut, for the record. Never a value; a name that is itself a
    /// secret shows as `…`.
    pub fn query_names(&self) -> Vec<String> {
        let pairs = self.query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        pairs.take(QUERY_NAMES_MAX).map(recorded_name).collect()
    }
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("https", &self.https)
            .field("host", &self.host)
            .field("path", &self.path)
            .field("client_ip", &self.client_ip)
            .finish_non_exhaustive()
    }
}

/// A request target in origin or absolute form (RFC 9112 §3.2).
struct Target<'h> {
    /// Of the absolute form: whether the scheme is a secure one, and the host.
    origin: Option<(bool, Host<'h>)>,
    path: Path<'h>,
    query: Option<&'h str>,
}

impl<'h> Target<'h> {
    fn parse(uri: &'h str) -> Result<Self, Reason> {
        if uri.len() > URI_MAX {
            return Err(Reason::PathTooLong);
        }
        if uri.starts_with('/') {
            return Self::of_origin_form(uri);
        }
        let (scheme, rest) = uri.split_once("://").ok_or(Reason::PathNotAbsolute)?;
        let is_secure = parse_scheme(scheme).ok_or(Reason::PathNotAbsolute)?;
        let (authority, target) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let host = Host::parse(authority)?;
        Ok(Self { origin: Some((is_secure, host)), ..Self::of_origin_form(target)? })
    }

    fn of_origin_form(target: &'h str) -> Result<Self, Reason> {
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        Self::of_parts(path, query)
    }

    fn of_parts(path: &'h str, query: Option<&'h str>) -> Result<Self, Reason> {
        if path.len() + query.map_or(0, |query| query.len() + 1) > URI_MAX {
            return Err(Reason::PathTooLong);
        }
        let path = if path.is_empty() { Path::ROOT } else { Path::parse(path)? };
        // Nothing is judged by the query; what cannot stand in a request line is refused all the same.
        for octet in query.unwrap_or_default().bytes() {
            match octet {
                b'#' => return Err(Reason::PathFragment),
                0..=b' ' | 0x7F => return Err(Reason::PathControl),
                0x80.. => return Err(Reason::PathNotUtf8),
                _ => {}
            }
        }
        Ok(Self { origin: None, path, query })
    }
}

/// The value of a header that stands there at most once (the guard saw to that). Empty counts as absent: some gateways
/// send what they do not know as an empty value.
fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Reason> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    if !value.as_bytes().iter().all(u8::is_ascii_graphic) {
        return Err(Reason::UnreadableHeader);
    }
    let text = value.to_str().map_err(|_| Reason::UnreadableHeader)?;
    Ok(Some(text).filter(|text| !text.is_empty()))
}

/// What stands behind the last colon of a host that was read, outside of brackets.
fn port_of(authority: &str) -> Option<u16> {
    let (_, port) = authority.rsplit_once(':')?;
    port.parse().ok()
}

fn readable_origin(headers: &HeaderMap) -> Result<(), Reason> {
    match single(headers, &ORIGIN)? {
        Some(origin) if origin.len() > ORIGIN_MAX => Err(Reason::UnreadableHeader),
        _ => Ok(()),
    }
}

fn parse_method(text: &str) -> Result<Method, Reason> {
    if text.len() > METHOD_MAX {
        return Err(Reason::BadMethod);
    }
    Method::from_bytes(text.as_bytes()).map_err(|_| Reason::BadMethod)
}

fn forwarded_proto(headers: &HeaderMap) -> Result<Option<bool>, Reason> {
    let Some(proto) = single(headers, &X_FORWARDED_PROTO)? else { return Ok(None) };
    parse_scheme(proto).map(Some).ok_or(Reason::BadForwardedProto)
}

/// Whether the scheme is a secure one; none for what is not HTTP.
fn parse_scheme(text: &str) -> Option<bool> {
    let is = |scheme: &str| text.eq_ignore_ascii_case(scheme);
    if is("https") || is("wss") {
        return Some(true);
    }
    (is("http") || is("ws")).then_some(false)
}

fn recorded_name(pair: &str) -> String {
    let raw = pair.split_once('=').map_or(pair, |(name, _)| name);
    let name = percent_decode_str(raw).decode_utf8_lossy();
    if !matches!(secret::read(&name), Err(NotOpaque::Form)) {
        return "…".to_owned();
    }
    let letters = name.chars().take(QUERY_NAME_MAX);
    letters.map(|letter| if is_unprintable(letter) { char::REPLACEMENT_CHARACTER } else { letter }).collect()
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
