//! Requests that were pushed before (RFC 9126 §4): found by what their application was given, once.
//!
//! Who begins with one keeps it for as long as people may take; what he carries through the pages says nothing of it but where
//! it is. It ends with the code that answers it, or with a no.

use admit_core::check::address;
use admit_core::oauth::authorization::{Carried, FLOW_LIFE, RawRequest};
use admit_core::secret::{self, SecretHash, SecretKind};
use admit_store::{ShortCredential, ShortKind};

use super::flow;
use crate::http::problem::Problem;
use crate::manage::work;
use crate::pages::visit::Visit;

/// What a `request_uri` of ours begins with (RFC 9126 §2.2).
pub const URN: &str = "urn:ietf:params:oauth:request_uri:";

/// Whether it names what was pushed here, and not a place to fetch from.
pub fn is_ours(request_uri: &str) -> bool {
    request_uri.starts_with(URN)
}

/// Begins with a pushed request; what stands beside it counts for nothing.
pub(super) async fn take(visit: &Visit, raw: &RawRequest) -> Result<Carried, Problem> {
    let text = raw.text("request_uri").and_then(|uri| uri.strip_prefix(URN)).unwrap_or_default();
    if !secret::read(text).is_ok_and(|opaque| opaque.kind == SecretKind::PushedRequest) {
        return Err(unknown());
    }
    let (app, realm, now) = (&visit.app, visit.row().id, visit.now);
    let (budget, source) = (app.config.load().unknown, visit.ip.map(address::network));
    if !app.limiter.take_unknown(&budget, realm, source, app.clock.monotonic_us()) {
        return Err(Problem::overloaded());
    }
    let hashes = app.master.keys().hashes(realm, SecretKind::PushedRequest, text);
    let found = app.store.point(|tx| tx.find_short(realm, ShortKind::PushedRequest, &hashes, now));
    if !matches!(found, Ok(None)) {
        app.limiter.give_back_unknown(&budget, realm, source);
    }
    let short = found?.ok_or_else(unknown)?;
    if read(&short)?.text("client_id") != raw.text("client_id") {
        return Err(unknown());
    }
    let (hash, until) = (short.hash, now + FLOW_LIFE);
    let kept =
        work::write(app, move |tx| Ok(tx.keep_short(realm, ShortKind::PushedRequest, &hash, until, now)?)).await?;
    kept.map(|kept| Carried::Pushed(kept.hash.0)).ok_or_else(unknown)
}

/// The one that somebody began with.
pub(super) fn find(visit: &Visit, hash: [u8; 32]) -> Result<RawRequest, Problem> {
    let (realm, hashes) = (visit.row().id, [SecretHash(hash)]);
    let found = visit.app.store.point(|tx| tx.find_used_short(realm, ShortKind::PushedRequest, &hashes))?;
    let is_good = |short: &ShortCredential| short.used_at.is_some() && short.expires_at > visit.now;
    read(&found.filter(is_good).ok_or_else(flow::stale)?)
}

/// Ends the one that a person has answered.
pub(super) async fn end(visit: &Visit, hash: [u8; 32]) -> Result<(), Problem> {
    let realm = visit.row().id;
    work::write(&visit.app, move |tx| {
        Ok(tx.delete_short(realm, ShortKind::PushedRequest, &SecretHash(hash)).map(drop)?)
    })
    .await
}

fn read(short: &ShortCredential) -> Result<RawRequest, Problem> {
    let detail = short.detail.as_deref().unwrap_or_default();
    serde_json::from_str(detail)
        .map_err(|error| Problem::unavailable(format!("a pushed request cannot be read: {error}")))
}

fn unknown() -> Problem {
    let detail = "The request_uri is not known here, was used before, is another client's, or older than 90 seconds. Push the \
                  request again.";
    Problem::new(400, "invalid_request_uri", detail)
}
