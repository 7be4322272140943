//! `/.well-known/jwks.json`: the public keys of an issuer (RFC 7517 §5), those that sign, will sign, or have signed.
//!
//! How long others may keep the set follows from when a key can be needed that is not in it. The next one is published
//! before it signs, so that is [`PUBLISHED_FOR`]. The first one of its kind signs at once: while an API has its tokens
//! signed by what there is no key for yet, nobody may keep the set without asking. The first one for ID tokens is there
//! before anybody signs in ([`crate::signing::prepare`]). Makes no key: a stranger's request writes nothing.

use std::sync::Arc;

use admit_core::api::TokenFormat;
use admit_core::check::code::Reason;
use admit_core::jose::algorithm::Algorithm;
use admit_core::signing_key::{PUBLISHED_FOR, Purpose};
use admit_core::time::Time;
use serde_json::json;

use super::well_known::{Ready, Shelf};
use crate::app::App;
use crate::check::policies::RealmPolicy;
use crate::http::problem::Problem;
use crate::signing::ring::Ring;

/// What RFC 7517 §8.5.1 registers.
const TYPE: &str = "application/jwk-set+json";

/// The sets of the realms in use.
#[derive(Default)]
pub struct Sets([Shelf<Set>; 2]);

/// A set, as long as the realm and its keys stay as they are.
struct Set {
    policy: Arc<RealmPolicy>,
    ring: Arc<Ring>,
    /// When a key leaves it by itself.
    until: Option<Time>,
    ready: Arc<Ready>,
}

/// The public keys of a realm. Where the store is away, as they were not longer ago than others may keep them.
pub fn of(app: &App, realm: &Arc<RealmPolicy>, purpose: Purpose) -> Result<Arc<Ready>, Problem> {
    let ring = app.signing.lately(app, realm, PUBLISHED_FOR).map_err(|reason| match reason {
        Reason::QueueFull => Problem::overloaded(),
        _ => Problem::unavailable("the signing keys of a realm cannot be read"),
    })?;
    let now = app.now();
    let is_right = |set: &Set| {
        Arc::ptr_eq(&set.policy, realm) && Arc::ptr_eq(&set.ring, &ring) && set.until.is_none_or(|until| now < until)
    };
    let Sets([issuer, upstream]) = &app.key_sets;
    let shelf = if purpose == Purpose::Issuer { issuer } else { upstream };
    let set = shelf.of(realm, is_right, || Set::new(realm, &ring, purpose, now));
    Ok(set.ready.clone())
}

impl Set {
    fn new(realm: &Arc<RealmPolicy>, ring: &Arc<Ring>, purpose: Purpose, now: Time) -> Self {
        let (keys, until) = ring.published(purpose, &realm.apis, now);
        let lacks = |algorithm: Algorithm| ring.signing(purpose, algorithm, now).is_none();
        let is_first_to_come = keys.is_empty() || needed(realm, purpose).any(lacks);
        let max_age_s = (!is_first_to_come).then_some(PUBLISHED_FOR.as_ms() / 1_000);
        let ready = Arc::new(Ready::new(TYPE, &json!({ "keys": keys }), max_age_s));
        Self { policy: realm.clone(), ring: ring.clone(), until, ready }
    }
}

/// By what the realm may have to sign at any time.
fn needed(realm: &RealmPolicy, purpose: Purpose) -> impl Iterator<Item = Algorithm> {
    let apis = realm.apis.iter().filter(move |api| {
        purpose == Purpose::Issuer
            && api.spec.token_format == TokenFormat::Jwt
            && !admit_core::name::is_built_in(&api.spec.uri)
    });
    apis.map(|api| api.spec.token_alg.algorithm())
}
