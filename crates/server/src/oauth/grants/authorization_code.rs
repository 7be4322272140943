//! `grant_type=authorization_code` (RFC 6749 §4.1.3): what a person approved, for the application that he sent back with it.
//!
//! Everything is judged before anything is used up, in core; who of several is first settles one statement. A code that comes
//! twice with all that belongs to it ends what it led to.

use admit_core::audit::Event;
use admit_core::id::GrantId;
use admit_core::oauth::Error;
use admit_core::oauth::redeem::{self, Code, Proof, Ruling, Why};
use admit_core::secret::{self, SecretKind};
use admit_core::time::Span;
use admit_store::{End, ShortCredential, ShortKind};
use serde_json::json;

use crate::app::App;
use crate::master;
use crate::oauth::call::Call;
use crate::oauth::client::Caller;
use crate::oauth::token::{Given, Refused, must_act_for_people};
use crate::oauth::{answer, authorization, budget};

/// The word.
pub const GRANT_TYPE: &str = "authorization_code";

/// How long a code that was used is remembered, so that a second use is known for one.
const REMEMBERED_FOR: Span = Span::minutes(10);
/// How often one looks again where another was first.
const TURNS: usize = 3;

/// What the application gets for a code.
pub async fn post(app: &App, call: &Call, caller: &Caller) -> Result<Given, Refused> {
    must_act_for_people(caller)?;
    let text = call.form.value("code").ok_or_else(|| Error::request("code is missing."))?;
    let proof = Proof { redirect_uri: call.form.value("redirect_uri"), verifier: call.form.value("code_verifier") };
    for _ in 0..TURNS {
        let (row, code) = find(app, call, caller, text)?;
        match redeem::judge(&code, proof, &caller.client.client, call.now) {
            Ruling::Refuse(why) => return Err(Refused::grant(why.as_str(), why)),
            Ruling::Revoke(led_to) => return Err(revoke(app, call, caller, led_to).await),
            Ruling::Begin => {
                let now = call.now;
                let spend =
                    move |tx: &mut admit_store::Tx<'_>, grant| tx.spend_short(&row, grant, now + REMEMBERED_FOR, now);
                let begun = authorization::begin(app, call, &caller.client, code.approved, spend).await?;
                if let Some(given) = begun {
                    return Ok(given);
                }
            }
        }
    }
    Err(Error::unavailable().into())
}

/// What is kept of a code. Who only says which client he is pays for looking.
fn find(app: &App, call: &Call, caller: &Caller, text: &str) -> Result<(ShortCredential, Code), Refused> {
    let unknown = || Refused::grant(Why::Unknown.as_str(), Why::Unknown);
    if !secret::read(text).is_ok_and(|opaque| opaque.kind == SecretKind::Code) {
        return Err(unknown());
    }
    let realm = call.realm.realm.id;
    let keys = app.master.keys();
    let hashes = keys.hashes(realm, SecretKind::Code, text);
    let found = budget::look_up(app, call, caller, |tx| {
        let found = tx.find_used_short(realm, ShortKind::Code, &hashes)?;
        if found.is_none() {
            master::must_judge(tx, &keys)?;
        }
        Ok(found)
    })?;
    let row = found.ok_or_else(unknown)?;
    let approved = row.detail.as_deref().and_then(|detail| serde_json::from_str(detail).ok());
    let Some(approved) = approved else {
        tracing::error!("what a code stands for cannot be read");
        return Err(Error::unavailable().into());
    };
    let ShortCredential { created_at, expires_at, grant: led_to, used_at, .. } = row;
    Ok((row, Code { approved, created_at, expires_at, led_to, used_at }))
}

/// Two have the code: what it led to ends, whoever of them was first.
async fn revoke(app: &App, call: &Call, caller: &Caller, led_to: GrantId) -> Refused {
    let (realm, now) = (call.realm.realm.id, call.now);
    let event = Event::new(app.id(now), realm, "code.replayed", now).by(caller.client.client.id).on(led_to);
    let event = Event { detail: json!({ "client": caller.client.client.id }), ..event.asked_by(call.request_id) };
    let ended = app.store.write(move |tx| {
        let is_new = tx.revoke_grant(realm, led_to, now)?;
        if is_new {
            tx.insert_event(&event)?;
        }
        Ok(End::Commit(()))
    });
    match ended.await {
        Ok(()) => Refused::grant(Why::Replayed.as_str(), Why::Replayed),
        Err(error) => answer::unread(&error).into(),
    }
}
