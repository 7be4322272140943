//! `keys`: API keys as operators see them. What may become of a key is decided in core; here it is found and told.
//!
//! Nobody creates, rolls or changes a key that stands for more rights over Admit than he has himself; switching one off
//! and revoking it is never too much.

mod change;
mod create;
mod import;
mod roll;
mod show;
mod usage;
mod view;

pub use change::{Owner, revoke_own};
pub use create::{LIVE_KEYS_MAX, create_own};
pub use roll::roll_own;

use std::collections::BTreeSet;

use admit_core::id::{KeyId, RealmId};
use admit_core::key::state::{self, State};
use admit_core::name::{ApiUri, ScopeName};
use admit_core::scope::Rights;
use admit_core::time::Time;
use admit_store::{IssuedKey, KeyFilter, Page, Tx};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::etag::IfMatch;
use super::work::Stop;
use crate::app::App;
use crate::http::problem::Problem;

/// The routes of this folder.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(show::list, create::post))
        .routes(routes!(import::post))
        .routes(routes!(show::get, change::patch, change::delete))
        .routes(routes!(change::enable))
        .routes(routes!(change::disable))
        .routes(routes!(roll::post))
        .routes(routes!(usage::get))
}

/// How many keys of one name an error lists.
const NAMESAKES_MAX: u32 = 10;

/// The key of this id or name. Of several with one name the only one that is not over is meant; otherwise the caller must
/// say which.
pub fn find(tx: &mut Tx<'_>, realm: RealmId, text: &str, now: Time) -> Result<IssuedKey, Stop> {
    if let Ok(id) = text.parse::<KeyId>() {
        return tx.find_key(realm, id)?.ok_or_else(|| Problem::not_found("key", text).into());
    }
    let filter = KeyFilter { name: Some(text.to_owned()), live_only: true, ..KeyFilter::default() };
    let mut namesakes = tx.list_keys(realm, &filter, &Page::first(NAMESAKES_MAX + 1), now)?;
    if namesakes.is_empty() {
        namesakes = tx.list_keys_named(realm, text, NAMESAKES_MAX + 1)?;
    }
    match namesakes.len() {
        0 => Err(Problem::not_found("key", text).with_next("admit key list").into()),
        1 => Ok(namesakes.remove(0)),
        _ => Err(ambiguous(text, &namesakes).into()),
    }
}

fn ambiguous(text: &str, namesakes: &[IssuedKey]) -> Problem {
    let ids: Vec<_> = namesakes.iter().take(NAMESAKES_MAX as usize).map(|issued| issued.key.id.to_string()).collect();
    let more = if namesakes.len() > ids.len() { " and more" } else { "" };
    let detail = format!("Several keys are called \"{text}\": {}{more}. Say which by its id.", ids.join(", "));
    Problem::new(409, "ambiguous_name", detail)
}

/// What a key was granted: more than is in effect now, because rights that come back, come back.
fn granted(issued: &IssuedKey) -> Rights {
    rights(issued.api.as_ref(), &issued.grant.scopes)
}

fn rights(api: Option<&ApiUri>, scopes: &[ScopeName]) -> Rights {
    let scopes = || scopes.iter().cloned().collect::<BTreeSet<_>>();
    api.filter(|_| !scopes().is_empty()).map(|api| (api.clone(), scopes())).into_iter().collect()
}

/// What may become of a key, as far as more than its own row says.
fn state_of(tx: &mut Tx<'_>, issued: &IssuedKey, now: Time) -> Result<State, Stop> {
    let lineage = tx.find_lineage(issued.key.realm, issued.grant.id)?;
    Ok(lineage.map_or(State::Revoked, |lineage| state::state(&issued.key, &lineage, now)))
}

/// The key as the caller saw it, and not revoked: alone, with all of its owner, or with all of its realm.
fn must_go_on(tx: &mut Tx<'_>, issued: &IssuedKey, seen: IfMatch, now: Time) -> Result<(), Stop> {
    let state = state_of(tx, issued, now)?;
    seen.judge_in(issued.key.version, state)?;
    if state == State::Revoked { Err(revoked(issued).into()) } else { Ok(()) }
}

fn revoked(issued: &IssuedKey) -> Problem {
    let detail = format!("Key {} is revoked, which cannot be undone.", issued.key.id);
    Problem::new(409, "key_revoked", detail).with_next("admit key create --name NAME")
}
