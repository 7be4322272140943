//! `master-keys`: which there are, what needs them, rotation and removal. No key ever passes here, only numbers.

use admit_store::End;
use axum::extract::{Path, State};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::event::event;
use super::guard::{Access, ServerPermit, ServerRead, ServerWrite};
use super::page::Parameters;
use super::work;
use crate::app::App;
use crate::http::json::Json;
use crate::http::problem::Problem;
use crate::master;
use crate::master::change::{self, Held, Removal, Status};

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get)).routes(routes!(rotate)).routes(routes!(delete))
}

/// Whether what needs the key may end with it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    #[serde(default)]
    accept: bool,
}

/// Says which master keys count and what needs them.
#[utoipa::path(get, path = "/v1/master-keys", tag = "master keys",
    responses((status = 200, description = "numbers, and what needs them")))]
pub async fn get(State(app): State<App>, permit: ServerPermit<ServerRead>) -> Result<Json<Status>, Problem> {
    let held = held(&app);
    let now = permit.now;
    let status = work::read(&app, move |tx| Ok(change::status(tx, &held, now)?)).await?;
    status.map(Json).ok_or_else(|| Problem::unavailable("the store remembers no master key"))
}

/// Makes the newest master key of the source the active one.
#[utoipa::path(post, path = "/v1/master-keys/rotate", tag = "master keys",
    responses((status = 200, description = "numbers, and what needs them"), (status = 409, description = "there is no newer key, or the source does not fit the store")))]
pub async fn rotate(State(app): State<App>, permit: ServerPermit<ServerWrite>) -> Result<Json<Status>, Problem> {
    let source = app.config.load().master_key.clone();
    let read = master::read_source(source.clone()).await;
    let all = read.map_err(|failure| Problem::new(409, "unfit_master_key", failure.0))?;
    let held = Held { all, source };
    let (event, now, work_on) = (event(&permit, &app, "master_key.rotated", ""), permit.now, held.clone());
    let known = app.store.write(move |tx| {
        let done = change::rotate(tx, &work_on, &event, now)?;
        Ok(if done.is_ok() { End::Commit(done) } else { End::Rollback(done) })
    });
    let known = known.await??;
    let keys = admit_core::master::Keys::settle(held.all, known)
        .map_err(|unfit| Problem::unavailable(master::misfit(unfit, &held.source)))?;
    master::adopt(&app, keys);
    answer(&app, &permit).await
}

/// Takes a master key away: what was made with it reads no more.
#[utoipa::path(delete, path = "/v1/master-keys/{number}", tag = "master keys",
    params(("number" = i64, Path, description = "which one"), ("accept" = Option<bool>, Query, description = "what needs it may end")),
    responses((status = 200, description = "numbers, and what needs them"), (status = 409, description = "it is active, or still needed")))]
pub async fn delete(
    State(app): State<App>,
    permit: ServerPermit<ServerWrite>,
    Path(number): Path<i64>,
    Parameters(acceptance): Parameters<Acceptance>,
) -> Result<Json<Status>, Problem> {
    let (held, removal) = (held(&app), Removal { number, accept: acceptance.accept });
    let (event, now) = (event(&permit, &app, "master_key.removed", ""), permit.now);
    let known = app.store.write(move |tx| {
        let done = change::remove(tx, &held, removal, &event, now)?;
        Ok(if done.is_ok() { End::Commit(done) } else { End::Rollback(done) })
    });
    let known = known.await??;
    if let Ok(keys) = app.master.keys().follow(known) {
        master::adopt(&app, keys);
    }
    answer(&app, &permit).await
}

async fn answer(app: &App, access: &Access) -> Result<Json<Status>, Problem> {
    let (held, now) = (held(app), access.now);
    let status = work::read(app, move |tx| Ok(change::status(tx, &held, now)?)).await?;
    status.map(Json).ok_or_else(|| Problem::unavailable("the store remembers no master key"))
}

fn held(app: &App) -> Held {
    Held { source: app.config.load().master_key.clone(), all: app.master.keys().all() }
}
