//! What pages load: style sheets and a picture. Their names carry a hash of their content, so that they are kept for a year
//! and a new version is seen at once.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use data_encoding::HEXLOWER;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

use crate::app::App;
use crate::http::problem::Problem;

/// Where they are.
pub const FOLDER: &str = "/assets/";
/// The style sheet.
pub const STYLE: usize = 0;
/// The picture of the tab.
pub const ICON: usize = 1;
/// What the console adds to the style.
pub const CONSOLE: usize = 2;

/// One file.
struct Asset {
    path: String,
    kind: &'static str,
    content: &'static str,
}

static ASSETS: LazyLock<[Asset; 3]> = LazyLock::new(|| {
    [
        asset(
            "style",
            "css",
            "text/css; charset=utf-8",
            concat!(include_str!("assets/style.css"), include_str!("assets/graph.css")),
        ),
        asset("icon", "svg", "image/svg+xml", include_str!("assets/icon.svg")),
        asset(
            "console",
            "css",
            "text/css; charset=utf-8",
            concat!(include_str!("assets/console.css"), include_str!("assets/board.css")),
        ),
    ]
});

fn asset(name: &str, extension: &str, kind: &'static str, content: &'static str) -> Asset {
    let hash = HEXLOWER.encode(&digest(&SHA256, content.as_bytes()).as_ref()[..8]);
    Asset { path: format!("{FOLDER}{name}-{hash}.{extension}"), kind, content }
}

/// The path of one.
pub fn path(which: usize) -> &'static str {
    ASSETS.get(which).map_or("", |asset| asset.path.as_str())
}

/// `/assets/*`.
pub fn routes() -> Router<App> {
    Router::new().route("/assets/{name}", get(async |Path(name): Path<String>| answer(&name)))
}

fn answer(name: &str) -> Response {
    let found = ASSETS.iter().find(|asset| asset.path.strip_prefix(FOLDER) == Some(name));
    let Some(asset) = found else {
        return Problem::new(404, "not_found", "There is nothing at this path.").into_response();
    };
    let mut response = Response::new(Body::from(asset.content));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    response
}
