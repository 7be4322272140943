//! `POST /oauth/device` (RFC 8628 §3.1): a device without a browser begins to wait for somebody.
//!
//! It gets a code to ask with and one for a person to type; of neither the text is kept. What it is told while it waits is
//! [`super::grants::device_code`]'s, and where the person types [`crate::pages::device`]'s.

use admit_core::check::address;
use admit_core::id::ClientId;
use admit_core::limit::{Limit, Rate};
use admit_core::oauth::device::{Asked, DeviceCode, INTERVAL, LIFE, UserCode, ask};
use admit_core::oauth::{AUTHORIZATION_DETAILS, Error, ErrorCode};
use admit_core::secret::{self, SecretKind};
use admit_store::End;
use axum::extract::State;
use axum::response::Response;
use ipnet::IpNet;
use serde::Serialize;

use super::call::Call;
use super::client::{self, Caller};
use super::{answer, cors};
use crate::app::App;

/// How many devices of one client and network begin in a minute, and how many of a realm.
const PER_SOURCE: Rate = Rate::per_minute(30);
const PER_REALM: Rate = Rate::per_minute(600);
/// How often another code is drawn where somebody has the one that was.
const DRAWS: usize = 3;

/// What it is told (RFC 8628 §3.2).
#[derive(Debug, Serialize)]
struct Told<'t> {
    device_code: &'t str,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: String,
    expires_in: i64,
    interval: i64,
}

#[derive(Hash)]
enum Counted {
    Source(ClientId, Option<IpNet>),
    Realm,
}

/// Lets a device wait.
pub async fn post(State(app): State<App>, call: Call) -> Response {
    let response = match begin(&app, &call).await {
        Ok(response) => response,
        Err(error) => {
            app.metrics.tokens.refused(error.code);
            answer::refused(&call.realm.realm, &error)
        }
    };
    cors::open(&app, &call.realm, &call.headers, response)
}

async fn begin(app: &App, call: &Call) -> Result<Response, Error> {
    let caller = client::authenticate(app, &call.realm, &call.headers, &call.form, call.ip, call.now).await?;
    if call.form.value(AUTHORIZATION_DETAILS).is_some() {
        return Err(Error::details());
    }
    let (realm, now) = (&call.realm.realm, call.now);
    let resources: Vec<_> = call.form.resources().collect();
    let (api, scopes) = ask(&caller.client.client, &call.realm.apis, &resources, call.form.value("scope"))?;
    count(app, call, &caller)?;
    let Some(_place) = app.lanes.enter(realm.id).await else { return Err(Error::unavailable()) };
    let asked = Asked { api, scopes, ip: call.ip };
    for _ in 0..DRAWS {
        let (text, user_code) = (secret::write("admit_dc", &app.random()), UserCode::draw(app.random()));
        let keys = app.master.keys();
        let active = keys.active();
        let code = DeviceCode {
            hash: active.lookup.hash(realm.id, SecretKind::DeviceCode, text.expose()),
            user_hash: active.lookup.hash(realm.id, SecretKind::UserCode, user_code.letters()),
            lookup_key: active.number,
            realm: realm.id,
            client: caller.client.client.id,
            asked: asked.clone(),
            interval: INTERVAL,
            polled_at: None,
            approved: None,
            denied_at: None,
            used_at: None,
            grant: None,
            created_at: now,
            expires_at: now + LIFE,
        };
        let kept = app.store.write(move |tx| tx.insert_device_code(&code).map(End::Commit));
        if kept.await.map_err(|error| answer::unread(&error))? {
            let at = format!("{}/device", app.issuer(realm));
            return Ok(answer::json(&Told {
                device_code: text.expose(),
                verification_uri_complete: format!("{at}?user_code={user_code}"),
                verification_uri: at,
                user_code: user_code.to_string(),
                expires_in: LIFE.as_ms() / 1_000,
                interval: INTERVAL.as_ms() / 1_000,
            }));
        }
    }
    Err(Error::unavailable())
}

/// Anybody can say that he is a public client, and each that begins costs a row.
fn count(app: &App, call: &Call, caller: &Caller) -> Result<(), Error> {
    let (realm, now_us) = (call.realm.realm.id, app.clock.monotonic_us());
    let source = Counted::Source(caller.client.client.id, call.ip.map(address::network));
    for (counted, limit) in [(source, PER_SOURCE), (Counted::Realm, PER_REALM)] {
        let taken = app.limiter.take(realm, &counted, &Limit::from(limit), now_us);
        if !taken.admitted {
            let told = "Too many devices begin at once. Wait before the next one.";
            let retry_after_s = u32::try_from(taken.retry_after_s.max(1)).ok();
            return Err(Error { retry_after_s, ..Error::new(ErrorCode::SlowDown, told) });
        }
    }
    Ok(())
}
