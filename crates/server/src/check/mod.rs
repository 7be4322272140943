//! The doors that gateways and services knock at, and the one pipeline behind them.
//!
//! An adapter ([`nginx`], [`forward`], [`json`]) translates its dialect into one `check::Request` and one answer back; it
//! never decides. [`pipeline`] decides. [`record`] keeps refusals for `admit why`.

pub mod ambient;
pub mod conclude;
pub mod forward;
pub mod json;
pub mod limiter;
pub mod nginx;
pub mod pipeline;
pub mod policies;
pub mod record;
pub mod render;
pub mod upstream;
pub mod usage;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use http::{HeaderMap, Response};

use crate::app::App;
use crate::authn::basic::{self, Asked};
use policies::RealmPolicy;

/// The door a request came through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Door {
    /// `/check/nginx`
    Nginx,
    /// `/check/forward` and its aliases
    Forward,
    /// `POST /v1/check`
    Check,
    /// Admit's own `/v1`
    Manage,
    /// The demo behind the pipeline
    Demo,
}

impl Door {
    /// Every door.
    pub const ALL: [Self; 5] = [Self::Nginx, Self::Forward, Self::Check, Self::Manage, Self::Demo];

    /// The word in records and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Forward => "forward",
            Self::Check => "check",
            Self::Manage => "manage",
            Self::Demo => "demo",
        }
    }

    /// The door that a path leads to and the realm that it names: `/check/nginx` is the realm `default`'s,
    /// `/realms/<name>/check/nginx` another's.
    pub fn of_path(path: &str) -> Option<(Self, Option<&str>)> {
        let (realm, rest) = match path.strip_prefix("/realms/") {
            Some(path) => path.split_once('/').map(|(realm, rest)| (Some(realm), rest))?,
            None => (None, path.strip_prefix('/')?),
        };
        match rest.strip_prefix("check/")? {
            "nginx" => Some((Self::Nginx, realm)),
            "forward" | "caddy" | "traefik" => Some((Self::Forward, realm)),
            _ => None,
        }
    }
}

/// What must be known before a request can be judged, and takes a while to find out.
pub enum Question {
    /// Whether a password is the one.
    Password(basic::Question),
    /// A key to sign for applications with, which this realm does not have yet.
    UpstreamKey(Arc<RealmPolicy>),
}

/// How many questions one request may raise.
pub const QUESTIONS_MAX: usize = 2;

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password(question) => question.fmt(f),
            Self::UpstreamKey(realm) => write!(f, "UpstreamKey({})", realm.realm.name),
        }
    }
}

impl Question {
    /// Finds it out. What was asked before stays known.
    pub async fn settle(self, app: &App, before: Option<Asked>) -> Option<Asked> {
        match self {
            Self::Password(question) => Some(basic::ask(app, question).await),
            Self::UpstreamKey(realm) => {
                upstream::make_key(app, &realm, app.now()).await;
                before
            }
        }
    }
}

/// How a gateway called: by which path and by which host.
#[derive(Debug, Clone, Copy)]
pub struct Called<'r> {
    /// The realm that the path names.
    pub realm: Option<&'r str>,
    /// The host and port that the gateway asked at.
    pub authority: Option<&'r str>,
}

/// Answers a gateway, or says what must be asked before: then it is called again, with what came of that. Synchronous: warm,
/// it touches neither the store nor another thread.
pub fn answer(
    app: &App,
    door: Door,
    called: Called<'_>,
    headers: &HeaderMap,
    peer: SocketAddr,
    asked: Option<&Asked>,
) -> Result<Response<Body>, Box<Question>> {
    match door {
        Door::Nginx => nginx::answer(app, called, headers, peer.ip(), asked),
        Door::Forward | Door::Check | Door::Manage | Door::Demo => {
            forward::answer(app, called, headers, peer.ip(), asked)
        }
    }
}
