//! `POST /oauth/par` (RFC 9126): an application says what it is going to ask a person for, and is given a text that stands for it.
//!
//! Everything that can be judged without the person is judged here, so that an error is told to the application and to nobody
//! else. What was pushed is read once, by [`super::authorize::pushed`].

use admit_core::check::address;
use admit_core::client::AuthMethod;
use admit_core::limit::{Limit, Rate};
use admit_core::oauth::authorization::{RawRequest, Request, Way};
use admit_core::oauth::{Error, ErrorCode};
use admit_core::secret::{self, SecretKind};
use admit_core::time::Span;
use admit_store::{End, ShortCredential, ShortKind};
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use ipnet::IpNet;
use serde::Serialize;

use super::authorize::{hint, pushed};
use super::call::{Call, Pushed};
use super::client::{self, Caller};
use super::{answer, cors};
use crate::app::App;
use crate::login::session;

/// How long it may take until a person comes with it.
const LIFE: Span = Span::seconds(90);
/// How many a client may push in a minute from one network that only says which client it is: each is a row.
const PER_MINUTE: u16 = 60;

#[derive(Debug, Serialize)]
struct Told {
    request_uri: String,
    expires_in: i64,
}

/// Who pushes without a proof.
#[derive(Hash)]
struct Pusher<'p> {
    pushes: &'p str,
    source: Option<IpNet>,
}

/// Keeps a request.
pub async fn post(State(app): State<App>, Pushed(call): Pushed) -> Response {
    let response = match keep(&app, &call).await {
        Ok(told) => {
            let mut response = answer::json(&told);
            *response.status_mut() = StatusCode::CREATED;
            response
        }
        Err(error) => {
            app.metrics.tokens.refused(error.code);
            answer::refused(&call.realm.realm, &error)
        }
    };
    cors::open(&app, &call.realm, &call.headers, response)
}

async fn keep(app: &App, call: &Call) -> Result<Told, Error> {
    let caller = client::authenticate(app, &call.realm, &call.headers, &call.form, call.ip, call.now).await?;
    let raw = judge(app, call, &caller)?;
    let (realm, now) = (call.realm.realm.id, call.now);
    let text = secret::write(session::prefix(SecretKind::PushedRequest), &app.random());
    let keys = app.master.keys();
    let short = ShortCredential {
        hash: keys.active().lookup.hash(realm, SecretKind::PushedRequest, text.expose()),
        lookup_key: keys.active().number,
        kind: ShortKind::PushedRequest,
        realm,
        user: None,
        grant: None,
        bound_to: None,
        detail: Some(serde_json::to_string(&raw).map_err(|_| Error::unavailable())?),
        created_at: now,
        expires_at: now + LIFE,
        used_at: None,
    };
    let _place = app.lanes.enter(realm).await.ok_or_else(Error::unavailable)?;
    let kept = app.store.write(move |tx| tx.insert_short(&short).map(End::Commit)).await;
    kept.map_err(|error| answer::unread(&error))?;
    Ok(Told { request_uri: format!("{}{}", pushed::URN, text.expose()), expires_in: LIFE.as_ms() / 1000 })
}

/// What may be kept: a request that would be asked, as far as that can be told.
fn judge(app: &App, call: &Call, caller: &Caller) -> Result<RawRequest, Error> {
    let known = &caller.client;
    if caller.method == AuthMethod::None {
        count(app, call, caller)?;
    }
    let mut raw = RawRequest::of(&call.form, std::collections::BTreeSet::new());
    if raw.text("request_uri").is_some() {
        return Err(Error::request("A request_uri is what is given here, and not taken."));
    }
    raw.set_client(known.client.id.to_string());
    Way::of(&raw, &known.client.spec).map_err(|why| Error::request(format!("The {why}.")))?;
    hint::settle(app, &call.realm, &mut raw, known).map_err(|_| Error::unavailable())?;
    Request::read(&raw, &known.client, &call.realm.apis)?;
    Ok(raw)
}

fn count(app: &App, call: &Call, caller: &Caller) -> Result<(), Error> {
    let id = caller.client.client.id.to_string();
    let pusher = Pusher { pushes: &id, source: call.ip.map(address::network) };
    let limit = Limit::from(Rate::per_minute(PER_MINUTE));
    let verdict = app.limiter.take(call.realm.realm.id, &pusher, &limit, app.clock.monotonic_us());
    if verdict.admitted {
        return Ok(());
    }
    let retry_after_s = Some(u32::try_from(verdict.retry_after_s.max(1)).unwrap_or(u32::MAX));
    Err(Error { retry_after_s, ..Error::new(ErrorCode::SlowDown, "Too many requests were pushed from there.") })
}
