//! One request to an endpoint of OAuth: for which issuer, from where, and the form that it sent (RFC 6749 §3.2).
//!
//! Everything is in the body, as a form; the query is never read. Bounded before anybody is looked up.

use std::net::IpAddr;
use std::sync::Arc;

use admit_core::check::request::Request as Seen;
use admit_core::form::{Form, REQUEST_MAX};
use admit_core::id::RequestId;
use admit_core::oauth::Error;
use admit_core::time::Time;
use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, StatusCode, Uri};

use super::{answer, cors};
use crate::app::App;
use crate::check::policies::RealmPolicy;
use crate::http::json::too_large_or_broken;
use crate::http::media::{self, Unfit};
use crate::http::problem::Problem;
use crate::http::{Peer, issuer};
use crate::pages::form::KIND;

/// A request that was read.
pub struct Call {
    /// How many changes were settled on this node before anything was looked at: whatever is remembered of this request is
    /// worth nothing once a later one touches it.
    pub position: i64,
    /// The realm whose issuer is asked.
    pub realm: Arc<RealmPolicy>,
    /// What was sent along.
    pub headers: HeaderMap,
    /// The parameters.
    pub form: Form,
    /// From where, where that can be told.
    pub ip: Option<IpAddr>,
    /// Its peer, its method and where it went: for those who judge credentials in headers.
    pub peer: Peer,
    /// How it was asked.
    pub method: Method,
    /// Where.
    pub uri: Uri,
    /// Its id.
    pub request_id: RequestId,
    /// The moment of it.
    pub now: Time,
}

impl FromRequest<App> for Call {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        Self::read(request, app, true).await
    }
}

/// The same where what is pushed may be long: a body over the limit is told so by its status (RFC 9126 §2.3).
pub struct Pushed(pub Call);

impl FromRequest<App> for Pushed {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let read = Call::read(request, app, true).await;
        read.map(Self).map_err(|mut refused| {
            if refused.extensions().get::<TooLong>().is_some() {
                *refused.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
            }
            refused
        })
    }
}

/// The same where a form may be missing: of who asks with a credential in a header.
pub struct Plain(pub Call);

impl FromRequest<App> for Plain {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let has_form = media::says(request.headers(), KIND) && request.method() == Method::POST;
        Call::read(request, app, has_form).await.map(Self)
    }
}

impl Call {
    async fn read(request: Request, app: &App, has_form: bool) -> Result<Self, Response> {
        let position = app.epochs.settled();
        let (mut parts, body) = request.into_parts();
        let named = issuer::named(&mut parts, app).await.map_err(IntoResponse::into_response)?;
        let realm =
            issuer::settle(app, named.as_deref(), &parts.uri, &parts.headers).map_err(IntoResponse::into_response)?;
        let refused = |error| cors::open(app, &realm, &parts.headers, answer::refused(&realm.realm, &error));
        let form = if has_form { read(&parts.headers, body).await } else { Ok(Form::default()) };
        let form = form.map_err(|bad| bad.told(refused))?;
        let peer = parts.extensions.get::<Peer>().copied();
        let peer = peer.ok_or_else(|| Problem::unavailable("the peer of a connection is not known").into_response())?;
        let config = app.config.load();
        let seen = Seen::own(parts.method.clone(), &parts.uri, &parts.headers, peer.0.ip(), &config.trusted_proxies);
        let ip = match seen {
            Ok(seen) if seen.is_plain_http() => {
                return Err(refused(Error::request("Secrets are not taken over plain HTTP: use https.")));
            }
            Ok(seen) => seen.client_ip,
            Err(_) => return Err(refused(Error::request("The request cannot be read."))),
        };
        let now = app.now();
        let (method, uri, headers) = (parts.method, parts.uri, parts.headers);
        Ok(Self { position, realm, headers, form, ip, peer, method, uri, request_id: app.request_id(now), now })
    }
}

/// Marks the refusal of a body over the limit.
#[derive(Clone)]
struct TooLong;

/// Why there is no form.
enum Bad {
    /// It is over the limit.
    TooLong,
    /// What was sent is none.
    Request(Error),
    /// Something lies around it.
    Encoded,
    /// It did not arrive.
    Broken(Problem),
}

impl Bad {
    fn told(self, refused: impl FnOnce(Error) -> Response) -> Response {
        match self {
            Self::TooLong => {
                let told = format!("The body may have at most {REQUEST_MAX} bytes.");
                let mut response = refused(Error::request(told));
                response.extensions_mut().insert(TooLong);
                response
            }
            Self::Request(error) => refused(error),
            Self::Encoded => {
                let mut response = refused(Error::request("Send the body as it is, without Content-Encoding."));
                *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
                response
            }
            Self::Broken(problem) => problem.into_response(),
        }
    }
}

async fn read(headers: &HeaderMap, body: Body) -> Result<Form, Bad> {
    match media::judge(headers, KIND) {
        Ok(()) if is_utf_8(headers) => {}
        Err(Unfit::Encoded) => return Err(Bad::Encoded),
        _ => {
            let told = format!("Send the parameters in the body, as Content-Type: {KIND} in UTF-8.");
            return Err(Bad::Request(Error::request(told)));
        }
    }
    let body = to_bytes(body, REQUEST_MAX).await.map_err(|error| match too_large_or_broken(&error, REQUEST_MAX) {
        problem if problem.status() == 413 => Bad::TooLong,
        problem => Bad::Broken(problem),
    })?;
    Form::request(&body).map_err(|bad| Bad::Request(Error::request(format!("The request cannot be read: {bad}."))))
}

/// A form says in which letters it is written by none but these (WHATWG URL §5).
fn is_utf_8(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let charset = |parameter: &str| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"').to_ascii_lowercase())
    };
    kind.split(';').skip(1).filter_map(charset).all(|charset| charset == "utf-8" || charset == "utf8")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn tk_03_a_form_is_in_utf_8() {
        let judge = |kind: &'static str| {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
            media::judge(&headers, KIND).is_ok() && is_utf_8(&headers)
        };
        for good in ["", "; charset=utf-8", ";charset=\"UTF-8\"", "; charset=utf8; x=y"] {
            let kind: &'static str = format!("application/x-www-form-urlencoded{good}").leak();
            assert!(judge(kind), "{kind}");
        }
        for bad in [
            "application/x-www-form-urlencoded; charset=utf-16",
            "application/x-www-form-urlencoded; charset=iso-8859-1",
            "application/x-www-form-urlencoded2",
            "multipart/form-data; boundary=x",
            "application/json",
            "text/plain",
            "",
        ] {
            assert!(!judge(bad), "{bad}");
        }
    }
}
