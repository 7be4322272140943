//! `POST keys/{key}/roll`: a new secret for a key; the old one goes on for a while, or ends at once when it leaked.

use admit_core::audit::Event;
use admit_core::id::KeyId;
use admit_core::key::change::{LIVE_SECRETS_MAX, RollRefusal, RollRequest, roll};
use admit_core::secret::Secret;
use admit_core::time::Time;
use admit_store::{IssuedKey, RollEnds, Tx};
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::create::DrawnSecret;
use super::view::{KeyView, view};
use super::{find, granted, must_go_on, revoked};
use crate::app::App;
use crate::http::json::Json;
use crate::http::problem::Problem;
use crate::jobs::flush;
use crate::manage::etag::{IfMatch, changed, with_key_etag};
use crate::manage::event::event;
use crate::manage::guard::{Access, KeysWrite, Permit};
use crate::manage::idempotency::{Begun, Once, Pledge};
use crate::manage::work::{self, Stop};

/// A rolled key with its new secret.
#[derive(Serialize, ToSchema)]
pub struct RolledKey {
    #[serde(flatten)]
    view: KeyView,
    /// The new secret, shown this once.
    key: String,
    /// When the old one ends.
    #[schema(value_type = String)]
    old_secret_ends_at: Time,
}

/// Gives a key a new secret and its whole lifetime anew.
#[utoipa::path(post, path = "/v1/realms/{realm}/keys/{key}/roll", tag = "keys",
    params(("realm" = String, Path, description = "the name of the realm"), ("key" = String, Path, description = "id or name"),
           ("Idempotency-Key" = Option<String>, Header, description = "makes a repetition harmless")),
    request_body(content = serde_json::Value, example = json!({"overlap_s": 86400, "compromised": false})),
    responses((status = 200, description = "the key with its new secret", body = RolledKey), (status = 400, description = "the overlap is too long"),
              (status = 403, description = "it exceeds the caller's own rights"), (status = 409, description = "it is revoked"),
              (status = 412, description = "it has changed since")))]
pub async fn post(
    State(app): State<App>,
    permit: Permit<KeysWrite>,
    Path((_realm, name)): Path<(String, String)>,
    if_match: IfMatch,
    once: Once<RollRequest>,
) -> Result<Response, Problem> {
    let Once { body: request, attempt } = once;
    let pledge = match attempt.begin(&app, &permit).await? {
        Begun::Earlier(response) => return Ok(*response),
        Begun::New(pledge) => pledge,
    };
    flush::now(&app).await;
    let (secret, event) = (DrawnSecret::draw(&app, &permit), event(&permit, &app, "key.rolled", ""));
    let key = secret.text.expose().to_owned();
    let rolled = work::write(&app, move |tx| {
        work::must_be_on_time(tx, permit.now)?;
        let issued = find(tx, permit.realm_id(), &name, permit.now)?;
        must_go_on(tx, &issued, if_match, permit.now)?;
        Rolling { access: &permit, request, secret: &secret, event: &event }.run(tx, issued, Some(&pledge))
    });
    let (view, old_secret_ends_at) = rolled.await?;
    let (version, state, rolled) = (view.version, view.state, RolledKey { view, key, old_secret_ends_at });
    Ok(with_key_etag(version, state, &rolled.view, Json(&rolled)))
}

/// Gives a key of the person who asks a new secret, from a page: the secret, and when the old one ends. None: it is not his,
/// or there is none.
pub async fn roll_own(
    app: &App,
    access: Access,
    key: KeyId,
    request: RollRequest,
) -> Result<Option<(Secret, Time)>, Problem> {
    let (secret, event) = (DrawnSecret::draw(app, &access), event(&access, app, "key.rolled", key));
    let text = secret.text.clone();
    let rolled = work::write(app, move |tx| {
        work::must_be_on_time(tx, access.now)?;
        let found = tx.find_key(access.realm_id(), key)?;
        let Some(issued) = found.filter(|issued| issued.grant.subject == access.caller.subject) else {
            return Ok(None);
        };
        must_go_on(tx, &issued, IfMatch::Any, access.now)?;
        let rolling = Rolling { access: &access, request, secret: &secret, event: &event };
        rolling.run(tx, issued, None).map(|(_, old_secret_ends_at)| Some(old_secret_ends_at))
    });
    Ok(rolled.await?.map(|old_secret_ends_at| (text, old_secret_ends_at)))
}

struct Rolling<'r> {
    access: &'r Access,
    request: RollRequest,
    secret: &'r DrawnSecret,
    event: &'r Event,
}

impl Rolling<'_> {
    fn run(&self, tx: &mut Tx<'_>, issued: IssuedKey, pledge: Option<&Pledge>) -> Result<(KeyView, Time), Stop> {
        let (realm, now, id) = (self.access.realm_id(), self.access.now, issued.key.id);
        self.access.must_hold(&granted(&issued))?;
        let secrets = tx.list_secrets(realm, id)?;
        let rolled =
            roll(&issued.key, &issued.grant, &secrets, self.request, now).map_err(|refusal| tell(refusal, &issued))?;
        let ends = RollEnds { old_secrets: rolled.old_secrets_end, grant: rolled.expires_at };
        let stored = self.secret.stored(id, rolled.number, now);
        tx.roll_key(realm, &issued.key, &stored, &ends, now)?.ok_or_else(changed)?;
        let detail = json!({ "name": issued.key.name, "secret": rolled.number, "compromised": self.request.compromised,
            "old_secret_ends_at": rolled.old_secret_ends_at });
        tx.insert_event(&Event { target: id.to_string(), detail, ..self.event.clone() })?;
        if let Some(pledge) = pledge {
            pledge.keep_secret(tx, StatusCode::OK, id.to_string())?;
        }
        let issued = tx.find_key(realm, id)?.ok_or_else(changed)?;
        Ok((view(tx, issued, now)?, rolled.old_secret_ends_at))
    }
}

fn tell(refusal: RollRefusal, issued: &IssuedKey) -> Problem {
    match refusal {
        RollRefusal::Invalid(problem) => Problem::invalid(vec![problem]),
        RollRefusal::Revoked => revoked(issued),
        RollRefusal::TooMany => {
            let detail =
                format!("{LIVE_SECRETS_MAX} secrets of this key still work. End them with the next roll, or wait.");
            Problem::new(409, "too_many_secrets", detail)
                .with_next(format!("admit key roll {} --overlap 0s", issued.key.id))
        }
    }
}
