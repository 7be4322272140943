//! Which realm's issuer a request is for. Settled once: by the host where a realm has one of its own, else by the path.

use std::sync::Arc;

use admit_core::check::host::Host;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;
use http::{HeaderMap, Uri};

use super::host;
use super::problem::Problem;
use crate::app::App;
use crate::check::policies::RealmPolicy;

/// The realm that the path of a route names: `acme` below `/realms/acme`, none at the root.
pub async fn named(parts: &mut Parts, app: &App) -> Result<Option<String>, Problem> {
    let params = match RawPathParams::from_request_parts(parts, app).await {
        Ok(params) => params,
        Err(RawPathParamsRejection::MissingPathParams(_)) => return Ok(None),
        Err(_) => return Err(nothing()),
    };
    Ok(params.iter().find(|(name, _)| *name == "realm").map(|(_, realm)| realm.to_owned()))
}

/// The realm that host and path name together; only one of them may.
pub fn settle(app: &App, named: Option<&str>, uri: &Uri, headers: &HeaderMap) -> Result<Arc<RealmPolicy>, Problem> {
    let called = host::authority(uri, headers).and_then(|called| Host::parse(called).ok());
    let of_host = match called.filter(|_| app.directory.has_hosts() && !app.dev) {
        Some(called) => app.directory.of_host(called.as_str(), &app.store)?,
        None => None,
    };
    let found = match (of_host, named) {
        (Some(_), Some(_)) => return Err(nothing()),
        (Some(id), None) => app.policies.of(app, id),
        (None, named) => app.policies.named(app, named),
    };
    let realm = found.map_err(|_| Problem::unavailable("the realm cannot be read"))?.ok_or_else(nothing)?;
    // Where it has a host of its own, it is there and nowhere else: cookies of two places would not know of each other, and
    // an issuer has one address.
    if named.is_some() && realm.realm.host.is_some() {
        return Err(nothing());
    }
    Ok(realm)
}

fn nothing() -> Problem {
    Problem::new(404, "not_found", "There is nothing at this path.")
}
