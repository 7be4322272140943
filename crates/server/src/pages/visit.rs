//! Somebody who visits a page of an issuer: which realm's, in which language, from where, signed in or not.
//!
//! The realm is settled by [`issuer`]. Forms are judged here: the browser must say that they come from a page of ours, and
//! their token must have been made for this browser.

use std::net::IpAddr;
use std::sync::Arc;

use admit_core::check::address;
use admit_core::check::request::Request;
use admit_core::form::Form;
use admit_core::id::RequestId;
use admit_core::login::browser;
use admit_core::login::cookie::{self as names, Cookie};
use admit_core::realm::Realm;
use admit_core::secret::{self, Secret};
use admit_core::time::{Span, Time};
use axum::extract::FromRequestParts;
use data_encoding::BASE64URL_NOPAD;
use http::header::{LOCATION, SET_COOKIE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use ipnet::IpNet;

use super::text::Words;
use super::{Frame, csrf};
use crate::app::App;
use crate::check::policies::RealmPolicy;
use crate::config::public_authority;
use crate::http::problem::Problem;
use crate::http::{Peer, issuer};
use crate::login::session::{self, Begun, Seen, SignedIn};
use crate::login::verify::Asker;
use crate::login::{cookie, strict};

/// How long a browser keeps what tells it from others before anybody has signed in.
const BEFORE_LIFE: Span = Span::days(1);

/// One request for a page.
pub struct Visit {
    /// The server.
    pub app: App,
    /// The realm whose page it is.
    pub realm: Arc<RealmPolicy>,
    /// In the language that the browser asks for.
    pub words: &'static Words,
    /// What stands before the paths of the realm's pages.
    pub base: String,
    /// What the browser sent.
    pub headers: HeaderMap,
    /// From where, where that can be told.
    pub ip: Option<IpAddr>,
    /// The id of the request.
    pub request_id: RequestId,
    /// The moment of it.
    pub now: Time,
    is_same_origin: bool,
    is_secure: bool,
}

/// What a page with a form needs: the token, and the cookie that it is bound to where the browser has none yet.
pub struct Ticket {
    /// For the field `csrf`.
    pub token: String,
    /// For the answer.
    pub cookie: Option<HeaderValue>,
    /// What names the browser to others than itself.
    pub browser: [u8; 16],
}

impl FromRequestParts<App> for Visit {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let named = issuer::named(parts, app).await?;
        Self::at(app, named, parts)
    }
}

impl Visit {
    /// A visit to the pages of a realm: the one of this name, else the one that the host is for.
    pub fn at(app: &App, named: Option<String>, parts: &Parts) -> Result<Self, Problem> {
        let realm = issuer::settle(app, named.as_deref(), &parts.uri, &parts.headers)?;
        let peer = parts.extensions.get::<Peer>().copied();
        let peer = peer.ok_or_else(|| Problem::unavailable("the peer of a connection is not known"))?;
        let config = app.config.load();
        let request =
            Request::own(parts.method.clone(), &parts.uri, &parts.headers, peer.0.ip(), &config.trusted_proxies)
                .map_err(|_| Problem::new(400, "malformed_request", "The request cannot be read."))?;
        let now = app.now();
        Ok(Self {
            words: Words::wanted(&parts.headers),
            base: named.map_or_else(String::new, |realm| format!("/realms/{realm}")),
            ip: request.client_ip,
            request_id: app.request_id(now),
            is_same_origin: browser::is_same_origin(&request),
            is_secure: cookie::is_secure_issuer(app, &realm.realm),
            headers: parts.headers.clone(),
            app: app.clone(),
            realm,
            now,
        })
    }

    /// The realm's row.
    pub fn row(&self) -> &Realm {
        &self.realm.realm
    }

    /// What people know the place by: the realm's name, or the host of the server's own issuer.
    pub fn place(&self) -> String {
        match (&self.row().host, self.base.is_empty()) {
            (Some(host), _) => host.clone(),
            (None, true) => public_authority(&self.app.config.load().public_url).to_owned(),
            (None, false) => self.row().name.to_string(),
        }
    }

    /// What stands around a page.
    pub fn frame(&self) -> Frame {
        Frame::at(self.words, self.place())
    }

    /// A path of this realm's pages.
    pub fn path(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Who is signed in.
    pub fn signed_in(&self) -> Result<Option<SignedIn>, Problem> {
        session::of_request(&self.app, &self.realm, &self.headers, self.ip, self.now)
    }

    /// From where and by what.
    pub fn seen(&self) -> Seen {
        Seen::of(&self.headers, self.ip)
    }

    /// The network that it comes from.
    pub fn source(&self) -> Option<IpNet> {
        self.ip.map(address::network)
    }

    /// Who guesses at a password or tries a link: a stranger, whatever device it is.
    pub fn asker(&self) -> Asker {
        Asker { source: self.source(), known: None, request_id: self.request_id }
    }

    /// For the forms of a page.
    pub fn ticket(&self) -> Ticket {
        match self.before() {
            Some(before) => Ticket { token: self.token(before), cookie: None, browser: browser_of(before) },
            None => self.new_ticket(),
        }
    }

    /// The same for a browser that begins anew: what was planted in it before is worth nothing (SE-01).
    pub fn new_ticket(&self) -> Ticket {
        let before = Secret::new(BASE64URL_NOPAD.encode(&self.app.random::<24>()));
        let cookie = self.set(Cookie::Before, &before, BEFORE_LIFE);
        Ticket { token: self.token(before.expose()), cookie: Some(cookie), browser: browser_of(before.expose()) }
    }

    /// What names the browser to others than itself, where it has shown anything that tells it.
    pub fn browser(&self) -> Option<[u8; 16]> {
        self.before().map(browser_of)
    }

    fn before(&self) -> Option<&str> {
        names::find(&self.headers, Cookie::Before, &self.row().name, self.is_secure)
    }

    /// What a token is bound to: this browser, and the session in it.
    fn bound(&self, before: &str) -> String {
        let session = names::find(&self.headers, Cookie::Session, &self.row().name, self.is_secure);
        format!("{before} {}", session.unwrap_or_default())
    }

    fn token(&self, before: &str) -> String {
        csrf::token(&self.app.master.keys(), self.row().id, &self.bound(before), self.app.random())
    }

    /// Whether a form was sent by one of our pages, in this browser.
    pub fn judge(&self, form: &Form) -> Result<(), Problem> {
        self.judge_origin()?;
        let is_good = self.before().is_some_and(|before| {
            csrf::is_good(&self.app.master.keys(), self.row().id, &self.bound(before), form.text("csrf"))
        });
        if is_good {
            return Ok(());
        }
        Err(Problem::new(
            403,
            "stale_form",
            "The form was not made for this browser, or the browser lost a cookie since.",
        ))
    }

    /// Whether the browser says that a page of ours is behind the request.
    pub fn judge_origin(&self) -> Result<(), Problem> {
        if self.is_same_origin {
            return Ok(());
        }
        let detail =
            "Another site sent this request, or the client does not say which. Send Origin: the one of this server.";
        Err(Problem::new(403, "cross_site", detail))
    }

    /// The cookies of a session that has just begun or goes on with another secret. One without the other changes nothing.
    pub fn set_session(&self, begun: &Begun) -> [HeaderValue; 2] {
        let life = begun.ends_at.since(self.now);
        let strict = strict::value(&self.app.master.keys(), self.row().id, begun.secret.expose());
        [self.set(Cookie::Session, &begun.secret, life), self.set(Cookie::Strict, &strict, life)]
    }

    /// The cookies of a session that is over.
    pub fn clear_session(&self) -> [HeaderValue; 2] {
        [self.clear(Cookie::Session), self.clear(Cookie::Strict)]
    }

    /// Whether the browser shows, beside its session, what it leaves out where another site sent it here.
    pub fn is_strict(&self) -> bool {
        let cookie = |which| names::find(&self.headers, which, &self.row().name, self.is_secure);
        let (Some(session), Some(shown)) = (cookie(Cookie::Session), cookie(Cookie::Strict)) else { return false };
        strict::is_good(&self.app.master.keys(), self.row().id, session, shown)
    }

    /// Refuses a change that comes without it.
    pub fn judge_strict(&self) -> Result<(), Problem> {
        if self.is_strict() {
            return Ok(());
        }
        let detail = "The browser did not send the cookie that stands beside the session for changes. Sign in again.";
        Err(Problem::new(403, "stale_session", detail))
    }

    /// Whether a person is on the way here, and this is no part of another page, as far as the browser says.
    pub fn is_navigation(&self) -> bool {
        browser::may_be_navigation(&self.headers)
    }

    /// Whether the browser says that a page of ours, or nobody, sent it here.
    pub fn is_same_origin(&self) -> bool {
        self.is_same_origin
    }

    /// `Set-Cookie` for one of the realm's.
    pub fn set(&self, cookie: Cookie, value: &Secret, life: Span) -> HeaderValue {
        cookie::set(cookie, &self.row().name, self.is_secure, value, life)
    }

    /// `Set-Cookie` that takes one away.
    pub fn clear(&self, cookie: Cookie) -> HeaderValue {
        cookie::clear(cookie, &self.row().name, self.is_secure)
    }
}

fn browser_of(before: &str) -> [u8; 16] {
    let digest = secret::digest(before);
    std::array::from_fn(|place| digest[place])
}

/// On to another page, by GET.
pub fn go(to: &str) -> Response<axum::body::Body> {
    let mut response = Response::new(axum::body::Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(LOCATION, HeaderValue::try_from(to).unwrap_or(HeaderValue::from_static("/")));
    response
}

/// The answer with cookies.
pub fn with_cookies(
    mut response: Response<axum::body::Body>,
    cookies: impl IntoIterator<Item = HeaderValue>,
) -> Response<axum::body::Body> {
    for cookie in cookies {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}
