//! `PUT users/{user}/password`: an operator gives somebody a password, or takes over the hash that another system kept.
//!
//! Nobody sets the password of somebody who has rights over Admit that he has not himself: he could sign in as him.

use std::sync::Arc;

use admit_core::audit::Event;
use admit_core::login::password::Weakness;
use admit_core::policy::rule::Problem as Flaw;
use admit_core::user::UserSpec;
use axum::extract::{Path, State};
use serde::Serialize;
use serde_json::json;

use super::body::{Chosen, NewPassword};
use super::{find, may_have};
use crate::app::App;
use crate::http::json::Json;
use crate::http::problem::Problem;
use crate::login::password::{self, Accepted, Beside, NotSet};
use crate::manage::etag::IfMatch;
use crate::manage::event::event;
use crate::manage::guard::{Access, Permit, UsersWrite};
use crate::manage::work;

/// What came of it.
#[derive(Debug, Serialize)]
pub struct Set {
    sign_ins_ended: usize,
    authorizations_ended: usize,
}

/// Gives a user a password; he is signed out everywhere, of applications too. His keys go on.
#[utoipa::path(put, path = "/v1/realms/{realm}/users/{user}/password", tag = "users", request_body(content = ref("#/components/schemas/NewPassword")),
    params(("realm" = String, Path, description = "the name of the realm"), ("user" = String, Path, description = "id, name or e-mail address"),
           ("If-Match" = Option<String>, Header, description = "the ETag of the user that was seen")),
    responses((status = 200, description = "it is his from now on", body = ref("#/components/schemas/PasswordSet")), (status = 400, description = "it is too easy, or no hash"),
              (status = 403, description = "the user has rights that the caller has not"), (status = 404, description = "there is no such user")))]
pub async fn put(
    State(app): State<App>,
    permit: Permit<UsersWrite>,
    Path((_realm, name)): Path<(String, String)>,
    seen: IfMatch,
    Json(body): Json<NewPassword>,
) -> Result<Json<Set>, Problem> {
    let chosen = body.resolve()?;
    let (now, realm) = (permit.now, permit.realm_id());
    let permit = Arc::new(permit);
    let caller = permit.clone();
    // Before anything is hashed, and again where it is kept.
    let user = work::read(&app, move |tx| {
        let user = find(tx, realm, &name)?;
        seen.judge(user.version)?;
        may_have(tx, &caller, realm, &user.spec)?;
        Ok(user)
    });
    let user = user.await?;
    let accepted = accept(&app, &permit, &user.spec, &chosen).await?;
    let event = event(&permit, &app, "user.password_set", user.id);
    let (sealed, is_imported) = (accepted.seal(&app, &user, now), matches!(chosen, Chosen::Hash(_)));
    let set = work::write_alone(&app, realm, move |tx| {
        let user = find(tx, realm, &user.id.to_string())?;
        seen.judge(user.version)?;
        may_have(tx, &permit, realm, &user.spec)?;
        let ended = password::keep(tx, &user, &sealed, None, now)?;
        // He is not asked which applications he still trusts, so that all of them ask him.
        let authorizations_ended = tx.revoke_all_authorizations(realm, user.id, now)?;
        let set = Set { sign_ins_ended: ended.len(), authorizations_ended };
        let detail = json!({ "imported": is_imported, "sign_ins_ended": set.sign_ins_ended,
            "authorizations_ended": authorizations_ended });
        tx.insert_event(&Event { detail, ..event.clone() })?;
        Ok(set)
    });
    set.await.map(Json)
}

/// A password that may be kept.
pub async fn accept(app: &App, access: &Access, spec: &UserSpec, chosen: &Chosen) -> Result<Accepted, Problem> {
    let typed = match chosen {
        Chosen::Password(typed) => typed,
        Chosen::Hash(hash) => {
            let imported = Accepted::imported(hash.expose());
            return imported.map_err(|bad| Problem::invalid(vec![Flaw::new("password_hash", bad.to_string())]));
        }
    };
    let accepted = password::accept(app, &access.realm.realm, spec, typed, Beside::Nothing, None).await;
    accepted.map_err(|not_set| told(app, not_set))
}

fn told(app: &App, not_set: NotSet) -> Problem {
    match not_set {
        NotSet::Weak(weakness) => Problem::invalid(vec![Flaw::new("password", sentence(weakness))]),
        NotSet::Full => {
            app.metrics.hash_refused.inc();
            Problem::overloaded()
        }
        NotSet::Current(_) | NotSet::NoLink | NotSet::Unavailable => {
            Problem::unavailable("a password cannot be judged")
        }
    }
}

/// Completes "password …".
fn sentence(weakness: Weakness) -> String {
    match weakness {
        Weakness::Empty => "must not be empty".to_owned(),
        Weakness::Short(least) => format!("must have {least} letters or more"),
        Weakness::Long => format!("must have at most {} letters", admit_core::login::password::LETTERS_MAX),
        Weakness::Guessable => "is among the first that anybody would try".to_owned(),
        Weakness::Personal => "is made of what is known of this user".to_owned(),
        Weakness::Breached => "is in a list of passwords that were stolen somewhere".to_owned(),
    }
}
