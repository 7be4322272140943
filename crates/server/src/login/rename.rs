//! Another name that somebody chooses for himself, where the realm lets people.
//!
//! A rule with `self` takes name, id and external id of a caller for one another, so that nobody may call himself by what is
//! somebody's id anywhere.

use std::hash::Hash;

use admit_core::audit::Event;
use admit_core::id::{RequestId, UserId};
use admit_core::limit::{Limit, Rate};
use admit_core::name::{ExternalId, Label};
use admit_core::realm::Realm;
use admit_core::time::Span;
use admit_core::user::{User, UserSpec};
use serde_json::json;

use crate::app::App;
use crate::http::problem::Problem;
use crate::manage::etag;
use crate::manage::users;
use crate::manage::work::{self, Stop};

/// How many names somebody tries in a day: he learns which are taken.
const TRIES_PER_DAY: u32 = 20;

/// Why it stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotRenamed {
    /// The realm does not let people.
    NotHere,
    /// It is no name.
    Bad,
    /// Somebody else is called so, or known by it.
    Taken,
    /// He tried too often.
    TooOften,
}

#[derive(Hash)]
struct Tries(UserId);

/// Calls somebody otherwise.
pub async fn rename(
    app: &App,
    realm: &Realm,
    user: UserId,
    typed: &str,
    request_id: RequestId,
) -> Result<Result<(), NotRenamed>, Problem> {
    if !realm.lets_rename() {
        return Ok(Err(NotRenamed::NotHere));
    }
    let Ok(name) = Label::parse(typed.trim()) else { return Ok(Err(NotRenamed::Bad)) };
    let limit = Limit::from(Rate::new(TRIES_PER_DAY, Span::days(1)).unwrap_or(Rate::per_minute(1)));
    if !app.limiter.take(realm.id, &Tries(user), &limit, app.clock.monotonic_us()).admitted {
        return Ok(Err(NotRenamed::TooOften));
    }
    let (now, realm) = (app.now(), realm.id);
    let drawn = Event::new(app.id(now), realm, "user.renamed", now).by(user).on(user).asked_by(request_id);
    work::write_alone(app, realm, move |tx| {
        let found = tx.find_user(realm, user)?.ok_or_else(|| Problem::not_found("user", &user.to_string()))?;
        let spec = UserSpec { name: name.clone(), ..found.spec.clone() };
        let Ok(spec) = spec.resolve() else { return Ok(Err(NotRenamed::Bad)) };
        let foreign =
            ExternalId::parse(spec.name.as_str()).ok().filter(|id| found.spec.external_id.as_ref() != Some(id));
        if let Some(id) = foreign
            && tx.has_user_known_as(realm, &id)?
        {
            return Ok(Err(NotRenamed::Taken));
        }
        match users::must_be_free(tx, realm, Some(&found), &spec) {
            Ok(()) => {}
            Err(Stop::Problem(problem)) if problem.code() == "already_exists" => return Ok(Err(NotRenamed::Taken)),
            Err(Stop::Problem(_)) => return Ok(Err(NotRenamed::Bad)),
            Err(stop) => return Err(stop),
        }
        let (before, after) = (found.spec.name.clone(), spec.name.clone());
        tx.update_user(realm, &User { spec, ..found }, now)?.ok_or_else(etag::changed)?;
        tx.insert_event(&Event { detail: json!({ "before": before, "name": after }), ..drawn.clone() })?;
        Ok(Ok(()))
    })
    .await
}
