//! `POST users/{user}/invite`: a link by which somebody who has no password yet chooses his first one.
//!
//! It goes to his address. Where no mail is sent from here it is in the answer, once, for whoever invites to hand on; it
//! then proves nothing of the address. Nobody invites who would have rights over Admit that he has not himself.

use std::sync::Arc;

use admit_core::audit::Event;
use admit_core::id::{RealmId, UserId};
use admit_core::name::Label;
use admit_core::policy::rule::Problem as Flaw;
use admit_core::text::Language;
use admit_core::time::Time;
use admit_core::user::User;
use admit_store::{ShortKind, Tx};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{find, may_have};
use crate::app::App;
use crate::http::json::Json;
use crate::http::problem::Problem;
use crate::login::link::{self, About};
use crate::mail::{self, Link, Mail, Outcome, To};
use crate::manage::answer;
use crate::manage::etag::{self, IfMatch};
use crate::manage::event::event;
use crate::manage::guard::{Access, Permit, UsersWrite};
use crate::manage::idempotency::{Begun, Once};
use crate::manage::work::{self, Stop};

/// How to write.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invite {
    language: Option<String>,
}

/// An invitation.
#[derive(Debug, Serialize)]
pub struct Invited {
    user: UserId,
    email: Label,
    expires_at: Time,
    /// True where the link went to the address.
    mailed: bool,
    /// The link, where it was not mailed; shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
}

/// Invites a user who has no password: he chooses his first one by a link. Older invitations of his end.
#[utoipa::path(post, path = "/v1/realms/{realm}/users/{user}/invite", tag = "users", request_body(content = ref("#/components/schemas/Invite")),
    params(("realm" = String, Path, description = "the name of the realm"), ("user" = String, Path, description = "id, name or e-mail address"),
           ("If-Match" = Option<String>, Header, description = "the ETag that was seen"), ("Idempotency-Key" = Option<String>, Header, description = "makes a repetition harmless")),
    responses((status = 201, description = "the invitation; where no mail is sent with the link, shown this once", body = ref("#/components/schemas/Invited")),
              (status = 403, description = "the user has rights that the caller has not"), (status = 404, description = "there is no such user"),
              (status = 409, description = "the user has a password already, or is switched off"), (status = 429, description = "the address had enough mails in this hour")))]
pub async fn post(
    State(app): State<App>,
    permit: Permit<UsersWrite>,
    Path((_realm, name)): Path<(String, String)>,
    seen: IfMatch,
    once: Once<Invite>,
) -> Result<Response, Problem> {
    let Once { body, attempt } = once;
    let pledge = match attempt.begin(&app, &permit).await? {
        Begun::Earlier(response) => return Ok(*response),
        Begun::New(pledge) => pledge,
    };
    let language = body.language()?;
    let (realm, now) = (permit.realm.realm.clone(), permit.now);
    let is_mailed = mail::is_there(&app);
    let permit = Arc::new(permit);
    let caller = permit.clone();
    let (id, email) = work::read(&app, move |tx| invitable(tx, &caller, caller.realm_id(), &name, seen)).await?;
    let about = About { is_mailed, ..About::mailed_to(email.clone()) };
    let link = link::draw(&app, realm.id, ShortKind::Invitation, Some(id), &about, realm.invitation_life(), now);
    let to = format!("{}/invite?token={}", app.issuer(&realm), link.secret.expose());
    if is_mailed {
        let mail = Mail::Invitation(Link { to: &to, good_for: realm.invitation_life() });
        must_be_queued(mail::send(&app, &realm, To { address: email.as_str(), user: Some(id), language }, &mail, now))?;
    }
    let event = event(&permit, &app, "user.invited", id);
    let (stored, expires_at) = (link.stored(), link.expires_at());
    let invited = Invited { user: id, email, expires_at, mailed: is_mailed, link: (!is_mailed).then_some(to) };
    work::write_alone(&app, realm.id, move |tx| {
        let (again, address) = invitable(tx, &permit, realm.id, &id.to_string(), seen)?;
        if again != id || address != invited.email {
            return Err(etag::changed().into());
        }
        stored.keep(tx)?;
        let detail = json!({ "mailed": is_mailed, "expires_at": expires_at });
        tx.insert_event(&Event { detail, ..event.clone() })?;
        match &invited.link {
            Some(_) => pledge.keep_secret(tx, StatusCode::CREATED, id.to_string())?,
            None => answer::keep(&pledge, tx, &invited)?,
        }
        Ok((StatusCode::CREATED, Json(&invited)).into_response())
    })
    .await
}

impl Invite {
    fn language(&self) -> Result<Language, Problem> {
        let Some(tag) = &self.language else { return Ok(Language::default()) };
        let known = || Language::ALL.map(Language::tag).join(", ");
        Language::of_tag(tag)
            .ok_or_else(|| Problem::invalid(vec![Flaw::new("language", format!("must be one of {}", known()))]))
    }
}

/// Id and address of whom a name names, where he may be invited by this caller.
fn invitable(
    tx: &mut Tx<'_>,
    access: &Access,
    realm: RealmId,
    name: &str,
    seen: IfMatch,
) -> Result<(UserId, Label), Stop> {
    let user = find(tx, realm, name)?;
    seen.judge(user.version)?;
    may_have(tx, access, realm, &user.spec)?;
    let User { id, spec, disabled_at, .. } = user;
    if disabled_at.is_some() {
        let problem = Problem::new(409, "user_disabled", "The user is switched off: the link would lead nowhere.");
        return Err(problem.with_next(format!("admit user enable {id}")).into());
    }
    let Some(email) = spec.email else {
        let problem = Problem::invalid(vec![Flaw::new("email", "is needed: an invitation goes to an address")]);
        return Err(problem.with_next(format!("admit user update {id} --email ADDRESS")).into());
    };
    if tx.find_password(realm, id)?.is_some() {
        let detail = "The user has a password already. He sets a new one himself at /password/forgot.";
        let problem = Problem::new(409, "password_set", detail);
        return Err(problem.with_next(format!("admit user set-password {id} --generate")).into());
    }
    Ok((id, email))
}

fn must_be_queued(outcome: Outcome) -> Result<(), Problem> {
    match outcome {
        Outcome::Queued => Ok(()),
        Outcome::Limited => {
            let problem = Problem::new(429, "rate_limited", "This address had enough mails in this hour.");
            Err(problem.with_retry_after(3600))
        }
        Outcome::Full => Err(Problem::overloaded()),
        Outcome::NoWay => Err(Problem::invalid(vec![Flaw::new("email", "is no address that mail can be sent to")])),
    }
}
