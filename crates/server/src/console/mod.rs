//! `/console`: the operators' screen, a client of the management API in this process.
//!
//! Everything that is shown and done goes through [`inside`](crate::manage::inside): what an operator may, sees and is told is
//! decided there and nowhere here. What a kind of thing looks like is a table ([`kind`]); lists, details, forms and
//! confirmations are written once. Knows no store and no rule; without a script, like every page.

mod act;
mod choices;
mod detail;
mod done;
mod edit;
mod field;
pub mod first;
pub mod home;
mod kind;
mod list;
mod made;
pub mod operator;
mod place;
mod query;
pub mod refusals;
mod resource;
pub mod shell;
mod told;
pub mod trace;
mod trial;
mod value;

use axum::routing::{MethodRouter, get};
use axum::{Extension, Router};
use data_encoding::BASE64URL_NOPAD;

use crate::app::App;
use crate::manage::inside::Inside;
use operator::Operator;

/// Where it is.
pub const PATH: &str = "/console";

/// The routes of this folder.
pub fn router(app: &App) -> Router<App> {
    let at = |path: &str| format!("{PATH}{path}");
    let one = |router: Router<App>, path: &str| {
        router
            .route(path, get(detail::get))
            .route(&format!("{path}/edit"), edit_one())
            .route(&format!("{path}/do/{{action}}"), get(act::get).post(act::post))
    };
    let router = Router::new()
        .route(PATH, get(home::get))
        .route(&at("/first"), get(first::get).post(first::post))
        .route(&at("/realms"), get(list::get))
        .route(&at("/new-realm"), make_one())
        .route(&at("/realms/{realm}/rules/test"), get(trial::get).post(trial::post))
        .route(&at("/realms/{realm}/{kind}"), get(list::get))
        .route(&at("/realms/{realm}/{kind}/new"), make_one());
    let router = one(router, &at("/realms/{realm}"));
    let router = one(router, &at("/realms/{realm}/{kind}/{id}"));
    router.merge(refusals::routes()).layer(Extension(Inside::new(app)))
}

fn make_one() -> MethodRouter<App> {
    get(edit::get_new).post(edit::post_new)
}

fn edit_one() -> MethodRouter<App> {
    get(edit::get_edit).post(edit::post_edit)
}

/// What a form is recognised by where it is sent twice.
fn attempt(operator: &Operator) -> String {
    format!("console-{}", BASE64URL_NOPAD.encode(&operator.visit.app.random::<16>()))
}

/// Every text that is asked for by a name put together of parts.
pub fn texts() -> Vec<String> {
    let kinds = kind::OF_REALM.into_iter().chain([&kind::REALMS]).flat_map(resource::Resource::texts);
    kinds
        .chain(shell::texts())
        .chain(value::texts())
        .chain(field::texts())
        .chain(done::texts())
        .chain(home::texts())
        .collect()
}
