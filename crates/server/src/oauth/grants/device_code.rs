//! `grant_type=urn:ietf:params:oauth:grant-type:device_code` (RFC 8628 §3.4): a device asks whether somebody has said yes.
//!
//! What it is told is settled in core; each step is one guarded statement. A code that comes twice ends what it led to.

use admit_core::audit::Event;
use admit_core::id::GrantId;
use admit_core::oauth::Error;
use admit_core::oauth::device::{DeviceCode, Refusal, Ruling, redeem};
use admit_core::secret::{self, SecretKind};
use admit_core::time::{Span, Time};
use admit_store::End;
use serde_json::json;

use crate::app::App;
use crate::master;
use crate::oauth::call::Call;
use crate::oauth::client::Caller;
use crate::oauth::token::{Given, Refused, must_act_for_people};
use crate::oauth::{answer, authorization, budget};

/// The word.
pub const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// How often one looks again where another was first.
const TURNS: usize = 3;

/// What the device gets once somebody has said yes.
pub async fn post(app: &App, call: &Call, caller: &Caller) -> Result<Given, Refused> {
    must_act_for_people(caller)?;
    let text = call.form.value("device_code").ok_or_else(|| Error::request("device_code is missing."))?;
    for _ in 0..TURNS {
        let code = find(app, call, caller, text)?;
        match redeem(code.as_ref(), &caller.client.client, call.now) {
            Ruling::Refuse(refusal) => return Err(refused(refusal)),
            Ruling::End(led_to) => return Err(end(app, call, caller, led_to).await),
            Ruling::Wait { not_since, or_wait } => return Err(wait(app, call, code, not_since, or_wait).await),
            Ruling::Give(approved) => {
                let (now, approved) = (call.now, approved.clone());
                let Some(DeviceCode { realm, hash, client, .. }) = code else { break };
                let spend =
                    move |tx: &mut admit_store::Tx<'_>, grant| tx.spend_device_code(realm, &hash, client, grant, now);
                if let Some(given) = authorization::begin(app, call, &caller.client, approved, spend).await? {
                    return Ok(given);
                }
            }
        }
    }
    Err(Error::unavailable().into())
}

/// What is kept of it, over or not. Who only says which client he is pays for looking.
fn find(app: &App, call: &Call, caller: &Caller, text: &str) -> Result<Option<DeviceCode>, Refused> {
    if !secret::read(text).is_ok_and(|opaque| opaque.kind == SecretKind::DeviceCode) {
        return Ok(None);
    }
    let (keys, realm) = (app.master.keys(), call.realm.realm.id);
    let hashes = keys.hashes(realm, SecretKind::DeviceCode, text);
    let found = budget::look_up(app, call, caller, |tx| {
        let found = tx.find_device_code(realm, &hashes)?;
        if found.is_none() {
            master::must_judge(tx, &keys)?;
        }
        Ok(found)
    });
    Ok(found?)
}

/// Nobody has said anything yet.
async fn wait(app: &App, call: &Call, code: Option<DeviceCode>, not_since: Time, or_wait: Span) -> Refused {
    let Some(code) = code else { return refused(Refusal::Unknown) };
    // Of one that asks in vain nothing new is written.
    let is_early = code.polled_at.is_some_and(|at| at > not_since);
    if is_early && code.interval >= or_wait {
        return refused(Refusal::TooFast);
    }
    let Some(_place) = app.lanes.enter(call.realm.realm.id).await else { return Error::unavailable().into() };
    let now = call.now;
    let polled = app.store.write(move |tx| tx.poll_device_code(&code, not_since, or_wait, now).map(End::Commit));
    match polled.await {
        Ok(true) => refused(Refusal::Pending),
        Ok(false) => refused(Refusal::TooFast),
        Err(error) => answer::unread(&error).into(),
    }
}

/// The audit hears of what is somebody's mistake, not of devices that wait.
fn refused(refusal: Refusal) -> Refused {
    Refused { error: refusal.into(), why: (!refusal.is_waiting()).then_some(refusal.as_str()) }
}

/// Two have the code: what it led to ends, whoever of them was first.
async fn end(app: &App, call: &Call, caller: &Caller, led_to: Option<GrantId>) -> Refused {
    let Some(led_to) = led_to else { return refused(Refusal::Used) };
    let (realm, now, client) = (call.realm.realm.id, call.now, caller.client.client.id);
    let event = Event::new(app.id(now), realm, "device_code.replayed", now).by(client).on(led_to);
    let event = Event { detail: json!({ "client": client }), ..event.asked_by(call.request_id) };
    let ended = app.store.write(move |tx| {
        if tx.revoke_grant(realm, led_to, now)? {
            tx.insert_event(&event)?;
        }
        Ok(End::Commit(()))
    });
    match ended.await {
        Ok(()) => refused(Refusal::Used),
        Err(error) => answer::unread(&error).into(),
    }
}
