//! `signing-keys`: the keys that sign for a realm. They are named, dated and taken away here; no private half ever passes.

use admit_core::audit::Event;
use admit_core::id::SigningKeyId;
use admit_core::jose::algorithm::Algorithm;
use admit_core::jose::sign::SIGNING;
use admit_core::policy::rule::Problem as Flaw;
use admit_core::shell::flag;
use admit_core::signing_key::{KEYS_MAX, Purpose, State as KeyState, TICK, Term, Terms, longest_life};
use admit_core::time::{Span, Time};
use admit_store::{SealedSigningKey, Tx};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer;
use super::etag::IfMatch;
use super::event::event;
use super::filter::Whole;
use super::guard::{Access, Permit, SigningKeysRead, SigningKeysWrite};
use super::idempotency::{Begun, Once};
use super::page::{List, Paging, Parameters};
use super::search;
use super::work;
use crate::app::App;
use crate::http::json::Json;
use crate::http::problem::Problem;
use crate::signing::make::{self, Sort};

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, rotate)).routes(routes!(get, delete))
}

/// One key.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SigningKey)]
pub struct View {
    #[schema(value_type = String)]
    id: SigningKeyId,
    /// The name that it has by itself (RFC 7638), in every header that it signs and in the set of public keys.
    kid: String,
    /// `issuer` (tokens of the realm) or `upstream` (what applications behind a gateway are told).
    #[schema(value_type = String)]
    purpose: &'static str,
    /// What it signs by.
    #[schema(value_type = String)]
    algorithm: &'static str,
    /// `signing`, `next` (published, and signs later), `old` (published for what it signed), `over` or `revoked`.
    #[schema(value_type = String)]
    state: &'static str,
    #[schema(value_type = String)]
    created_at: Time,
    /// From when it signs.
    #[schema(value_type = String)]
    signs_from: Time,
    /// Until when it stays published, once another signs in its place.
    #[schema(value_type = Option<String>)]
    published_until: Option<Time>,
    #[schema(value_type = Option<String>)]
    revoked_at: Option<Time>,
}

/// What is to sign next.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SigningKeyRotation)]
pub struct Rotation {
    /// `ES256`, `RS256`, `PS256` or `EdDSA`; where absent, what the realm signs by, `ES256` where it does not sign yet. Needed
    /// where it signs by several.
    #[serde(default)]
    algorithm: Option<String>,
    /// `issuer` where absent.
    #[serde(default)]
    purpose: Option<String>,
    /// True: it signs at once. Who keeps the public keys for longer than he looks again does not know it yet.
    #[serde(default)]
    now: bool,
}

/// Keys by age.
#[utoipa::path(get, path = "/v1/realms/{realm}/signing-keys", tag = "signing keys",
    params(("realm" = String, Path, description = "the name of the realm"),
           ("q" = Option<String>, Query, description = "a part of an id, of a kid, or of another word that is shown"),
           ("limit" = Option<u32>, Query, description = "1 to 200, 50 where absent"), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "a page of signing keys", body = List<View>)))]
pub async fn list(
    State(app): State<App>,
    permit: Permit<SigningKeysRead>,
    paging: Paging,
    Parameters(asked): Parameters<Whole>,
) -> Result<Json<List<View>>, Problem> {
    let (realm, search) = (permit.realm_id(), search::parse(asked.q.as_deref())?);
    let keys = work::read(&app, move |tx| Ok(tx.list_signing_keys(realm)?)).await?;
    let after = paging.after().unwrap_or_default();
    let views = keys.iter().filter(|key| *key.id.bytes() > after).map(|key| view(&permit, key, &keys, permit.now));
    let is_sought = |view: &View| {
        let id = view.id.to_string();
        let words = [id.as_str(), &view.kid, view.algorithm, view.purpose, view.state];
        search.as_ref().is_none_or(|search| search.is_in(words))
    };
    let views = views.filter(is_sought).take(paging.rows() as usize).collect();
    Ok(Json(paging.list(views, |view| *view.id.bytes(), &app)))
}

/// One key.
#[utoipa::path(get, path = "/v1/realms/{realm}/signing-keys/{signing_key}", tag = "signing keys",
    params(("realm" = String, Path, description = "the name of the realm"), ("signing_key" = String, Path, description = "sig_…")),
    responses((status = 200, description = "the key", body = View), (status = 404, description = "there is none")))]
pub async fn get(
    State(app): State<App>,
    permit: Permit<SigningKeysRead>,
    Path((_realm, key)): Path<(String, String)>,
) -> Result<Json<View>, Problem> {
    let (realm, id) = (permit.realm_id(), read_id(&key)?);
    let keys = work::read(&app, move |tx| Ok(tx.list_signing_keys(realm)?)).await?;
    let found = keys.iter().find(|key| key.id == id).ok_or_else(|| not_found(&key))?;
    Ok(Json(view(&permit, found, &keys, permit.now)))
}

/// Makes the next key: it is published now, and signs once everybody has had the time to see it. Where one waits already, that
/// one is it. The one that signs stays published until nothing lives that it signed.
#[utoipa::path(post, path = "/v1/realms/{realm}/signing-keys", tag = "signing keys", request_body(content = Rotation),
    params(("realm" = String, Path, description = "the name of the realm"),
           ("Idempotency-Key" = Option<String>, Header, description = "makes a repetition harmless")),
    responses((status = 201, description = "the key that signs next", body = View),
              (status = 400, description = "nothing signs by this, or the realm signs by several algorithms"),
              (status = 409, description = "there are too many keys")))]
pub async fn rotate(
    State(app): State<App>,
    permit: Permit<SigningKeysWrite>,
    once: Once<Rotation>,
) -> Result<Response, Problem> {
    let Once { body: rotation, attempt } = once;
    let pledge = match attempt.begin(&app, &permit).await? {
        Begun::Earlier(response) => return Ok(*response),
        Begun::New(pledge) => pledge,
    };
    let realm = permit.realm_id();
    let turn = app.signing.workshop().turn(realm).await;
    // Whoever had the turn before may have made a key since this was asked.
    let now = app.now();
    let keys = work::read(&app, move |tx| Ok(tx.list_signing_keys(realm)?)).await?;
    let (sort, longest) = (sort(&permit, &rotation, &keys)?, longest_life(&permit.realm.apis, now));
    let drawn = match waiting(sort, &keys, longest, now)? {
        Some(_) => None,
        None => Some(make::draw(&app, &turn, sort, now).await?),
    };
    let (at_once, event) = (rotation.now, event(&permit, &app, "signing_key.made", ""));
    let made = work::write_alone(&app, realm, move |tx| {
        let turn = Turn { sort, drawn: drawn.as_ref(), at_once, event: &event, longest };
        let id = turn.take(tx, now)?;
        let keys = tx.list_signing_keys(realm)?;
        let next = keys.iter().find(|key| key.id == id).ok_or_else(|| not_found(&id.to_string()))?;
        let view = view(&permit, next, &keys, now + TICK);
        answer::keep(&pledge, tx, &view)?;
        Ok(view)
    });
    made.await.map(|view| (StatusCode::CREATED, Json(view)).into_response())
}

/// Takes a key back: nothing that it signed is good any more, from the next request on. Where it was the one that signs,
/// another one signs at once. Again: nothing more happens.
#[utoipa::path(delete, path = "/v1/realms/{realm}/signing-keys/{signing_key}", tag = "signing keys",
    params(("realm" = String, Path, description = "the name of the realm"), ("signing_key" = String, Path, description = "sig_…")),
    responses((status = 204, description = "it is good for nothing any more"), (status = 404, description = "there is none")))]
pub async fn delete(
    State(app): State<App>,
    permit: Permit<SigningKeysWrite>,
    Path((_realm, key)): Path<(String, String)>,
    seen: IfMatch,
) -> Result<StatusCode, Problem> {
    let (realm, now, id) = (permit.realm_id(), permit.now, read_id(&key)?);
    seen.judge_unversioned("signing key")?;
    let turn = app.signing.workshop().turn(realm).await;
    let keys = work::read(&app, move |tx| Ok(tx.list_signing_keys(realm)?)).await?;
    let found = keys.iter().find(|key| key.id == id).ok_or_else(|| not_found(&key))?;
    if found.term.revoked_at.is_some() {
        return Ok(StatusCode::NO_CONTENT);
    }
    let sort = Sort { realm, purpose: found.purpose, algorithm: found.term.algorithm };
    let (kid, has_successor) = (found.term.kid.clone(), make::signs_without(&keys, sort, id, now));
    let drawn = if has_successor { None } else { Some(make::draw(&app, &turn, sort, now).await?) };
    let (revoked, made) =
        (event(&permit, &app, "signing_key.revoked", id), event(&permit, &app, "signing_key.made", ""));
    let done = work::write_alone(&app, realm, move |tx| {
        if !tx.revoke_signing_key(realm, id, now)? {
            return Ok(());
        }
        let successor = make::instead(tx, sort, drawn.as_ref(), &made, longest_life(&permit.realm.apis, now))?;
        let detail = json!({ "purpose": sort.purpose.as_str(), "algorithm": sort.algorithm.as_str(), "kid": kid,
            "signs_instead": successor });
        tx.insert_event(&Event { detail, ..revoked.clone() })?;
        Ok(())
    });
    done.await.map(|()| StatusCode::NO_CONTENT)
}

/// A rotation under way.
struct Turn<'t> {
    sort: Sort,
    /// None where one waited a moment ago.
    drawn: Option<&'t SealedSigningKey>,
    at_once: bool,
    event: &'t Event,
    longest: Span,
}

impl Turn<'_> {
    /// Keeps the key that signs next, or hastens the one that waits.
    fn take(&self, tx: &mut Tx<'_>, now: Time) -> Result<SigningKeyId, work::Stop> {
        let Self { sort, drawn, at_once, event, longest } = *self;
        let keys = tx.list_signing_keys(sort.realm)?;
        let terms = make::terms(&keys, sort, &[]);
        let signs_from = if at_once { Terms(&terms).at_once(now) } else { Terms(&terms).asked(now) };
        if let Some(next) = waiting(sort, &keys, longest, now)? {
            if at_once && tx.hasten_signing_key(sort.realm, next.id, signs_from)? {
                let hastened = Event { kind: "signing_key.hastened".to_owned(), ..event.clone() };
                let signs = SealedSigningKey { term: Term { signs_from, ..next.term.clone() }, ..next.clone() };
                tx.insert_event(&make::made(&hastened, &signs, "asked"))?;
            }
            return Ok(next.id);
        }
        // The one that waited was revoked by another node.
        let mut key = drawn.ok_or_else(|| Problem::unavailable("the keys of the realm changed meanwhile"))?.clone();
        key.term.signs_from = signs_from;
        make::keep(tx, &key, &keys, longest)?;
        tx.insert_event(&make::made(event, &key, "asked"))?;
        Ok(key.id)
    }
}

/// The key that waits for its turn; none where one may be made.
fn waiting(
    sort: Sort,
    keys: &[SealedSigningKey],
    longest: Span,
    now: Time,
) -> Result<Option<&SealedSigningKey>, Problem> {
    let terms = make::terms(keys, sort, &[]);
    let next = Terms(&terms).next(now).and_then(|next| keys.iter().find(|key| key.term.kid == next.kid));
    let of_purpose = keys.iter().filter(|key| key.purpose == sort.purpose);
    let published = of_purpose.filter(|key| state_of(key, keys, longest, now).1.is_published()).count();
    if next.is_none() && published >= KEYS_MAX {
        let detail = format!("{published} keys are published, and whoever verifies reads no more of them at once.");
        let problem = Problem::new(409, "too_many", detail);
        return Err(problem.with_next("wait until some are over (admit signing-key list), or revoke them"));
    }
    Ok(next)
}

/// What the next key is for and what it signs by.
fn sort(access: &Access, rotation: &Rotation, keys: &[SealedSigningKey]) -> Result<Sort, Problem> {
    let purpose = match rotation.purpose.as_deref() {
        None => Purpose::Issuer,
        Some(word) => {
            word.parse().map_err(|()| Problem::invalid(vec![Flaw::new("purpose", "must be issuer or upstream")]))?
        }
    };
    let algorithm = match rotation.algorithm.as_deref() {
        Some(name) => Algorithm::parse(name).filter(|algorithm| SIGNING.contains(algorithm)).ok_or_else(|| {
            let names = SIGNING.map(Algorithm::as_str).join(", ");
            Problem::invalid(vec![Flaw::new("algorithm", format!("must be one of {names}"))])
        })?,
        None => only_algorithm(keys, purpose)?,
    };
    Ok(Sort { realm: access.realm_id(), purpose, algorithm })
}

/// What the realm signs by, where that is clear.
fn only_algorithm(keys: &[SealedSigningKey], purpose: Purpose) -> Result<Algorithm, Problem> {
    let alive = keys.iter().filter(|key| key.purpose == purpose && key.term.is_alive());
    let mut algorithms: Vec<_> = alive.map(|key| key.term.algorithm).collect();
    algorithms.sort_unstable();
    algorithms.dedup();
    match algorithms[..] {
        [] => Ok(Algorithm::Es256),
        [only] => Ok(only),
        _ => {
            let names: Vec<_> = algorithms.into_iter().map(Algorithm::as_str).collect();
            let message = format!("is needed, for this realm signs by {}.", names.join(" and by "));
            let purpose = if purpose == Purpose::Issuer { String::new() } else { flag("purpose", purpose.as_str()) };
            let rotate = |name: &&str| format!("admit signing-key rotate{purpose}{}", flag("algorithm", name));
            let next: Vec<_> = names.iter().map(rotate).collect();
            Err(Problem::invalid(vec![Flaw::new("algorithm", message)]).with_next(next.join(", or ")))
        }
    }
}

fn view(access: &Access, key: &SealedSigningKey, keys: &[SealedSigningKey], now: Time) -> View {
    let Term { kid, algorithm, made_at, signs_from, revoked_at } = &key.term;
    let longest = longest_life(&access.realm.apis, now);
    let (published_until, state) = state_of(key, keys, longest, now);
    View {
        id: key.id,
        kid: kid.clone(),
        purpose: key.purpose.as_str(),
        algorithm: algorithm.as_str(),
        state: state.as_str(),
        created_at: *made_at,
        signs_from: *signs_from,
        published_until,
        revoked_at: *revoked_at,
    }
}

fn state_of(key: &SealedSigningKey, keys: &[SealedSigningKey], longest: Span, now: Time) -> (Option<Time>, KeyState) {
    let sort = Sort { realm: key.realm, purpose: key.purpose, algorithm: key.term.algorithm };
    let terms = make::terms(keys, sort, &[]);
    let terms = Terms(&terms);
    let until = terms.published_until(&key.term, longest).filter(|_| key.term.is_alive());
    (until, terms.state(&key.term, now, longest))
}

fn read_id(text: &str) -> Result<SigningKeyId, Problem> {
    text.parse().map_err(|_| not_found(text))
}

fn not_found(text: &str) -> Problem {
    Problem::not_found("signing key", text).with_next("admit signing-key list")
}
