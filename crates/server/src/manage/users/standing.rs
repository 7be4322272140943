//! `POST users/{user}/unlock`, `verify-email`, `erase` and `revoke-all`: what an operator says of a person beside what he is.
//!
//! All of them are one shape: found, judged by the version that was seen, done once, kept for a repetition. Like every change
//! of a person they are not for those who have fewer rights over Admit than he, but for ending what he was given.

use std::convert::Infallible;

use admit_core::audit::Event;
use admit_core::id::{RealmId, UserId};
use admit_core::policy::rule::Problem as Flaw;
use admit_core::time::Time;
use admit_core::user::User;
use admit_store::Tx;
use axum::extract::{FromRequestParts, Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use serde::Serialize;
use serde_json::json;

use super::{View, find, find_even_erased, may_have};
use crate::app::App;
use crate::http::json::Json;
use crate::http::problem::Problem;
use crate::jobs::forget;
use crate::login::guard;
use crate::manage::clients::cutoff;
use crate::manage::etag::{self, IfMatch, with_etag};
use crate::manage::event::event;
use crate::manage::guard::{Permit, UsersWrite};
use crate::manage::idempotency::{Attempt, Begun};
use crate::manage::work::{self, Stop};

/// A POST without a body about one user.
pub struct Short {
    permit: Permit<UsersWrite>,
    user: String,
    seen: IfMatch,
    attempt: Attempt,
}

impl FromRequestParts<App> for Short {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let permit = Permit::from_request_parts(parts, app).await?;
        let path = Path::<(String, String)>::from_request_parts(parts, app).await;
        let Path((_realm, user)) = path.map_err(IntoResponse::into_response)?;
        let attempt = Attempt::from_request_parts(parts, app).await.map_err(IntoResponse::into_response)?;
        let seen: Result<_, Infallible> = IfMatch::from_request_parts(parts, app).await;
        let Ok(seen) = seen;
        Ok(Self { permit, user, seen, attempt })
    }
}

/// What came of it: what is shown, and the version where it is the user that is.
pub struct Done<T>(T, Option<i64>);

/// The same, or the answer of the time before.
pub enum Ran<T> {
    /// It was done before.
    Earlier(Box<Response>),
    /// It was done now.
    Now(Done<T>),
}

impl<T: Serialize> IntoResponse for Ran<T> {
    fn into_response(self) -> Response {
        match self {
            Self::Earlier(response) => *response,
            Self::Now(Done(shown, Some(version))) => with_etag(version, Json(shown)),
            Self::Now(Done(shown, None)) => Json(shown).into_response(),
        }
    }
}

/// Which user is meant.
type Find = fn(&mut Tx<'_>, RealmId, &str) -> Result<User, Stop>;

impl Short {
    /// Does it once. The event has no target yet.
    async fn run<T: Serialize + Send + 'static>(
        self,
        app: &App,
        kind: &str,
        find: Find,
        act: impl Fn(&mut Tx<'_>, &Permit<UsersWrite>, User, &Event) -> Result<Done<T>, Stop> + Send + 'static,
    ) -> Result<Ran<T>, Problem> {
        let Self { permit, user: name, seen, attempt } = self;
        let pledge = match attempt.begin(app, &permit).await? {
            Begun::Earlier(response) => return Ok(Ran::Earlier(response)),
            Begun::New(pledge) => pledge,
        };
        let (realm, event) = (permit.realm_id(), event(&permit, app, kind, ""));
        let done = work::write_alone(app, realm, move |tx| {
            let user = find(tx, realm, &name)?;
            seen.judge(user.version)?;
            let event = event.clone().on(user.id);
            let done = act(tx, &permit, user, &event)?;
            pledge.keep(tx, StatusCode::OK, serde_json::to_string(&done.0).map_err(Problem::unavailable)?)?;
            Ok(done)
        });
        done.await.map(Ran::Now)
    }
}

/// What came of unlocking.
#[derive(Debug, Serialize)]
pub struct Unlocked {
    /// False where there was no lock.
    was_locked: bool,
}

/// Before which moment everything is worth nothing.
#[derive(Debug, Serialize)]
pub struct Revoked {
    revoked_before: Time,
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
pub async fn unlock(State(app): State<App>, short: Short) -> Result<Ran<Unlocked>, Problem> {
    let unlock = |tx: &mut Tx<'_>, permit: &Permit<UsersWrite>, user: User, event: &Event| {
        may_have(tx, permit, user.realm, &user.spec)?;
        Ok(Done(Unlocked { was_locked: guard::clear(tx, user.realm, user.id.into(), event)? }, None))
    };
    short.run(&app, "sign_in.unlocked", find, unlock).await
}

/// Says that the address is the user's, for an operator who knows; everybody else proves it by a mail.
#[utoipa::path(post, path = "/v1/realms/{realm}/users/{user}/verify-email", tag = "users",
    params(("realm" = String, Path, description = "the name of the realm"), ("user" = String, Path, description = "id, name or e-mail address"),
           ("If-Match" = Option<String>, Header, description = "the ETag that was seen"), ("Idempotency-Key" = Option<String>, Header, description = "makes a repetition harmless")),
    responses((status = 200, description = "the user", body = ref("#/components/schemas/User")), (status = 400, description = "there is no address"), (status = 404, description = "there is no such user")))]
pub async fn verify_email(State(app): State<App>, short: Short) -> Result<Ran<View>, Problem> {
    let verify = |tx: &mut Tx<'_>, permit: &Permit<UsersWrite>, user: User, event: &Event| {
        may_have(tx, permit, user.realm, &user.spec)?;
        if user.spec.email.is_none() {
            return Err(Problem::invalid(vec![Flaw::new("email", "is needed before it can be verified")])
                .with_next(format!("admit user update {} --email ADDRESS", user.id))
                .into());
        }
        let wanted = User { email_verified_at: user.email_verified_at.or(Some(permit.now)), ..user };
        let user = tx.update_user(wanted.realm, &wanted, permit.now)?.ok_or_else(etag::changed)?;
        tx.insert_event(&Event { detail: json!({ "by": "operator" }), ..event.clone() })?;
        let version = user.version;
        Ok(Done(View::from(user), Some(version)))
    };
    short.run(&app, "user.email_verified", find, verify).await
}

/// Takes away everything personal, in the audit too; the id stays, and is never anybody else's.
#[utoipa::path(post, path = "/v1/realms/{realm}/users/{user}/erase", tag = "users",
    params(("realm" = String, Path, description = "the name of the realm"), ("user" = String, Path, description = "id, name or e-mail address"),
           ("If-Match" = Option<String>, Header, description = "the ETag that was seen"), ("Idempotency-Key" = Option<String>, Header, description = "makes a repetition harmless")),
    responses((status = 200, description = "what is left", body = ref("#/components/schemas/Erased")), (status = 404, description = "there is no such user")))]
pub async fn erase(State(app): State<App>, short: Short) -> Result<Ran<Erased>, Problem> {
    let realm = short.permit.realm_id();
    let erase = move |tx: &mut Tx<'_>, permit: &Permit<UsersWrite>, user: User, event: &Event| {
        may_have(tx, permit, realm, &user.spec)?;
        if tx.erase_user(realm, user.id, permit.now)? {
            tx.insert_event(event)?;
        }
        Ok(Done(Erased { id: user.id, erased_at: user.erased_at.unwrap_or(permit.now) }, None))
    };
    // Once more: what a stop left in the audit goes then.
    let ran = short.run(&app, "user.erased", find_even_erased, erase).await?;
    if let Ran::Now(Done(erased, _)) = &ran {
        forget::in_audit(&app, realm, erased.id).await?;
    }
    Ok(ran)
}

/// Ends everything that a user was given before this moment.
#[utoipa::path(post, path = "/v1/realms/{realm}/users/{user}/revoke-all", tag = "users",
    params(("realm" = String, Path, description = "the name of the realm"), ("user" = String, Path, description = "id, name or e-mail address"), ("Idempotency-Key" = Option<String>, Header, description = "makes a repetition harmless")),
    responses((status = 200, description = "from when on", body = ref("#/components/schemas/Revoked")), (status = 404, description = "there is no such user")))]
pub async fn revoke_all(State(app): State<App>, short: Short) -> Result<Ran<Revoked>, Problem> {
    let revoke = |tx: &mut Tx<'_>, permit: &Permit<UsersWrite>, user: User, event: &Event| {
        let revoked_before = cutoff(permit.now);
        let detail = json!({ "name": user.spec.name });
        tx.delete_all_shorts_of(user.realm, user.id)?;
        tx.insert_logout_notices_of(user.realm, user.id, permit.now)?;
        let wanted = User { valid_after: Some(revoked_before), ..user };
        tx.update_user(wanted.realm, &wanted, permit.now)?.ok_or_else(etag::changed)?;
        tx.insert_event(&Event { detail, ..event.clone() })?;
        Ok(Done(Revoked { revoked_before }, None))
    };
    short.run(&app, "user.revoked_all", find, revoke).await
}
