//! `/check/nginx`: nginx's `auth_request` (and whatever speaks like it). Knows 200, 401 and 403 only.

use std::net::IpAddr;

use admit_core::check::request::Request;
use axum::body::Body;
use http::{HeaderMap, Response};

use super::{Called, Door, Question, forward, render};
use crate::app::App;
use crate::authn::basic::Asked;

/// Judges what `X-Original-Method`, `X-Original-URI` and `X-Forwarded-Host/Proto/For` describe.
pub fn answer(
    app: &App,
    called: Called<'_>,
    headers: &HeaderMap,
    peer: IpAddr,
    asked: Option<&Asked>,
) -> Result<Response<Body>, Box<Question>> {
    let config = app.config.load();
    let request = Request::from_original(headers, peer, &config.trusted_proxies);
    forward::judged(app, Door::Nginx, called, request, peer, asked).map(render::for_nginx)
}
