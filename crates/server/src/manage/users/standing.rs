//! `POST users/{user}/unlock`, `verify-email` and `erase`: what an operator says of a person beside what he is.
//!
//! Like every change of a person it is not for those who have fewer rights over Admit than he.

use admit_core::audit::Event;
use admit_core::id::UserId;
use admit_core::policy::rule::Problem as Flaw;
use admit_core::time::Time;
use admit_core::user::User;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

use super::{View, find, find_even_erased, may_have};
use crate::app::App;
use crate::http::json::Json;
use crate::http::problem::Problem;
use crate::jobs::forget;
use crate::login::guard;
use crate::manage::etag::{self, IfMatch, with_etag};
use crate::manage::event::event;
use crate::manage::guard::{Permit, UsersWrite};
use crate::manage::idempotency::{Attempt, Begun};
use crate::manage::work;

/// What came of unlocking.
#[derive(Debug, Serialize)]
pub struct Unlocked {
    /// False where there was no lock.
    was_locked: bool,
}

/// What is left of a person.
#[derive(Debug, Serialize)]
pub struct Erased {
    id: UserId,
    erased_at: Time,
}

/// Forgets failed sign-ins, so that unknown devices may try again.
#[utoipa::path(post, path = "/v1/realms/{realm}/users/{user}/unlock", tag = "users",
    params(("realm" = String, Path, description = "the name of the realm"), ("user" = String, Path, description = "id, name or e-mail address"),
           ("Idempotency-Key" = Option<String>, Header, description = "makes a repetition harmless")),
    responses((status = 200, description = "whether there was a lock", body = ref("#/components/schemas/Unlocked")), (status = 404, description = "there is no such user")))]
pub async fn unlock(
    State(app): State<App>,
    permit: Permit<UsersWrite>,
    Path((_realm, name)): Path<(String, String)>,
    seen: IfMatch,
    attempt: Attempt,
) -> Result<Response, Problem> {
    let pledge = match attempt.begin(&app, &permit).await? {
        Begun::Earlier(response) => return Ok(*response),
        Begun::New(pledge) => pledge,
    };
    let realm = permit.realm_id();
    let event = event(&permit, &app, "sign_in.unlocked", "");
    let unlocked = work::write_alone(&app, realm, move |tx| {
        let user = find(tx, realm, &name)?;
        seen.judge(user.version)?;
        may_have(tx, &permit, realm, &user.spec)?;
        let unlocked = Event { target: user.id.to_string(), ..event.clone() };
        let answer = Unlocked { was_locked: guard::clear(tx, realm, user.id.into(), &unlocked)? };
        pledge.keep(tx, StatusCode::OK, serde_json::to_string(&answer).map_err(Problem::unavailable)?)?;
        Ok(answer)
    });
    unlocked.await.map(|answer| Json(answer).into_response())
}

/// Says that the address is the user's, for an operator who knows; everybody else proves it by a mail.
#[utoipa::path(post, path = "/v1/realms/{realm}/users/{user}/verify-email", tag = "users",
    params(("realm" = String, Path, description = "the name of the realm"), ("user" = String, Path, description = "id, name or e-mail address"),
           ("If-Match" = Option<String>, Header, description = "the ETag that was seen"), ("Idempotency-Key" = Option<String>, Header, description = "makes a repetition harmless")),
    responses((status = 200, description = "the user", body = ref("#/components/schemas/User")), (status = 400, description = "there is no address"), (status = 404, description = "there is no such user")))]
pub async fn verify_email(
    State(app): State<App>,
    permit: Permit<UsersWrite>,
    Path((_realm, name)): Path<(String, String)>,
    seen: IfMatch,
    attempt: Attempt,
) -> Result<Response, Problem> {
    let pledge = match attempt.begin(&app, &permit).await? {
        Begun::Earlier(response) => return Ok(*response),
        Begun::New(pledge) => pledge,
    };
    let (now, realm) = (permit.now, permit.realm_id());
    let event = event(&permit, &app, "user.email_verified", "");
    let verified = work::write_alone(&app, realm, move |tx| {
        let user = find(tx, realm, &name)?;
        seen.judge(user.version)?;
        may_have(tx, &permit, realm, &user.spec)?;
        if user.spec.email.is_none() {
            return Err(Problem::invalid(vec![Flaw::new("email", "is needed before it can be verified")])
                .with_next(format!("admit user update {} --email ADDRESS", user.id))
                .into());
        }
        let wanted = User { email_verified_at: user.email_verified_at.or(Some(now)), ..user };
        let user = tx.update_user(realm, &wanted, now)?.ok_or_else(etag::changed)?;
        tx.insert_event(&Event { target: user.id.to_string(), detail: json!({ "by": "operator" }), ..event.clone() })?;
        let body = serde_json::to_string(&View::from(user.clone())).map_err(Problem::unavailable)?;
        pledge.keep(tx, StatusCode::OK, body)?;
        Ok(user)
    });
    verified.await.map(|user| with_etag(user.version, Json(View::from(user))))
}

/// Takes away everything personal, in the audit too; the id stays, and is never anybody else's.
#[utoipa::path(post, path = "/v1/realms/{realm}/users/{user}/erase", tag = "users",
    params(("realm" = String, Path, description = "the name of the realm"), ("user" = String, Path, description = "id, name or e-mail address"),
           ("If-Match" = Option<String>, Header, description = "the ETag that was seen"), ("Idempotency-Key" = Option<String>, Header, description = "makes a repetition harmless")),
    responses((status = 200, description = "what is left", body = ref("#/components/schemas/Erased")), (status = 404, description = "there is no such user")))]
pub async fn erase(
    State(app): State<App>,
    permit: Permit<UsersWrite>,
    Path((_realm, name)): Path<(String, String)>,
    seen: IfMatch,
    attempt: Attempt,
) -> Result<Response, Problem> {
    let pledge = match attempt.begin(&app, &permit).await? {
        Begun::Earlier(response) => return Ok(*response),
        Begun::New(pledge) => pledge,
    };
    let (now, realm) = (permit.now, permit.realm_id());
    let event = event(&permit, &app, "user.erased", "");
    let erased = work::write_alone(&app, realm, move |tx| {
        // Once more: what a stop left in the audit goes then.
        let user = find_even_erased(tx, realm, &name)?;
        seen.judge(user.version)?;
        may_have(tx, &permit, realm, &user.spec)?;
        if tx.erase_user(realm, user.id, now)? {
            tx.insert_event(&Event { target: user.id.to_string(), detail: Value::Null, ..event.clone() })?;
        }
        let answer = Erased { id: user.id, erased_at: user.erased_at.unwrap_or(now) };
        pledge.keep(tx, StatusCode::OK, serde_json::to_string(&answer).map_err(Problem::unavailable)?)?;
        Ok((user.id, answer))
    });
    let (user, answer) = erased.await?;
    forget::in_audit(&app, realm, user).await?;
    Ok(Json(answer).into_response())
}
