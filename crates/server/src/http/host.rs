//! Which hosts are Admit's own: that of `public_url` and those of realms. Any other is 421.
//!
//! `/check/*` is not asked: gateways send whatever host they like. What a realm's own host means there: `check::forward`.

use admit_core::check::host::Host;
use http::header::HOST;
use http::{HeaderMap, Request, Uri};

use super::Peer;
use super::problem::Problem;
use crate::app::App;
use crate::config::public_authority;

/// What a server on loopback is called.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Refuses requests for hosts that are not Admit's.
pub fn judge<B>(app: &App, peer: Peer, request: &Request<B>) -> Result<(), Problem> {
    let misdirected = || {
        let detail = "This host is not served here. Set public_url, or give a realm this host: admit realm update NAME --host HOST";
        Problem::new(421, "misdirected_request", detail)
    };
    let authority = authority(request.uri(), request.headers()).ok_or_else(misdirected)?;
    let host = Host::parse(authority).map_err(|_| misdirected())?;
    let config = app.config.load();
    let own = Host::parse(public_authority(&config.public_url)).map_err(|_| misdirected())?;
    if host == own {
        return Ok(());
    }
    // The command line asks by address, whatever the world calls this server.
    let serves_loopback = app.dev || own.is_loopback() || peer.is_direct(request.headers());
    if serves_loopback && LOOPBACK.contains(&host.as_str()) {
        return Ok(());
    }
    match app.directory.of_host(host.as_str(), &app.store) {
        Ok(Some(_)) if !app.dev => Ok(()),
        Ok(_) => Err(misdirected()),
        Err(error) => Err(error.into()),
    }
}

/// The host and port that a request names, where it names one.
pub fn authority<'r>(uri: &'r Uri, headers: &'r HeaderMap) -> Option<&'r str> {
    let mut hosts = headers.get_all(HOST).iter();
    let header = hosts.next().and_then(|host| host.to_str().ok());
    match (hosts.next(), uri.authority()) {
        (Some(_), _) => None,
        (None, Some(in_uri)) => header.is_none_or(|header| header == in_uri.as_str()).then_some(in_uri.as_str()),
        (None, None) => header,
    }
}
