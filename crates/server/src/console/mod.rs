//! `/console`: the operators' screen, a client of the management API in this process.
//!
//! Everything that is shown and done goes through [`inside`](crate::manage::inside): what an operator may, sees and is told is
//! decided there and nowhere here. Knows no store and no rule; without a script, like every page.

pub mod home;
pub mod operator;
pub mod shell;

use axum::routing::get;
use axum::{Extension, Router};

use crate::app::App;
use crate::manage::inside::Inside;

/// Where it is.
pub const PATH: &str = "/console";

/// The routes of this folder.
pub fn router(app: &App) -> Router<App> {
    Router::new().route(PATH, get(home::get)).layer(Extension(Inside::new(app)))
}

/// Every text that is asked for by a name put together of parts.
pub fn texts() -> Vec<String> {
    shell::texts()
}
