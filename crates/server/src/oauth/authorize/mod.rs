//! `/oauth/authorize` (RFC 6749 §3.1, OpenID Connect Core §3.1.2): an application sends a person here, and he goes back with a
//! code, or with an error.
//!
//! 1. [`get`] and [`post`] read the request, or find the one that was pushed ([`pushed`]).
//! 2. A [`Stage`] is a request with its client and its proven way back; [`Stage::next`] asks core what is to be done.
//! 3. What needs a page travels on to `/login` or `/consent`, sealed ([`flow`]) and bound to the browser; each page makes a stage
//!    of it again, so that whatever has changed since counts.
//! 4. [`answer`] sends the browser back.
//!
//! Before the way back is proven every error is a page here; of an application that is a stranger to the person, so is every error
//! that he has not chosen himself. Shows no page itself but those of [`answer`].

pub mod answer;
mod flow;
pub mod hint;
pub mod pushed;
mod stage;

use admit_core::form::{BadForm, Form, REQUEST_MAX};
use admit_core::oauth::Error;
use admit_core::oauth::authorization::{Carried, Flow, RawRequest};
use axum::body::to_bytes;
use axum::extract::Request;
use axum::response::Response;

use crate::http::json::too_large_or_broken;
use crate::http::media;
use crate::http::problem::Problem;
use crate::pages::form::KIND;
use crate::pages::visit::{Visit, go, with_cookies};
pub use flow::{arrive, seal};
pub use stage::{Answer, Granted, Next, Stage};

const PATH: &str = "/oauth/authorize";

/// `GET /oauth/authorize`
pub async fn get(mut visit: Visit, request: Request) -> Result<Response, Problem> {
    let sent = Sent::read(request.uri().query().unwrap_or_default().as_bytes())?;
    let stage = match sent.flow() {
        Some(sealed) => flow::take_over(&mut visit, &sealed)?,
        None => sent.begin(&mut visit).await?,
    };
    let verdict = stage.next(&visit)?;
    let page = match verdict {
        Next::Refuse(error) => return stage.refuse_unasked(&visit, &error),
        Next::Issue(granted) => return stage.issue(&visit, granted, None).await,
        Next::SignIn => "/login",
        Next::Ask(_) => "/consent",
    };
    let ticket = visit.ticket();
    let Some(sealed) = seal(&visit.app, visit.row().id, &stage.flow.clone().bound_to(ticket.browser)) else {
        return stage.refuse_unasked(&visit, &too_long());
    };
    Ok(with_cookies(go(&visit.path(&format!("{page}?flow={sealed}"))), ticket.cookie))
}

/// `HEAD /oauth/authorize`: whoever only looks at an address, such as a program that shows what is behind a link, uses up no
/// request and gets no code.
pub async fn head() -> Problem {
    Problem::new(405, "method_not_allowed", "This method is not known here.").with_allow("GET, POST")
}

/// `POST /oauth/authorize`: a browser that another site makes send a form leaves its cookies out, so the request goes on as an
/// address (RFC 6265bis §4.1.2.7), sealed like any other.
pub async fn post(mut visit: Visit, request: Request) -> Result<Response, Problem> {
    media::judge(request.headers(), KIND)?;
    let mut octets = request.uri().query().unwrap_or_default().as_bytes().to_vec();
    let body = to_bytes(request.into_body(), REQUEST_MAX).await;
    octets.push(b'&');
    octets.extend_from_slice(&body.map_err(|error| too_large_or_broken(&error, REQUEST_MAX))?);
    let stage = Sent::read(&octets)?.begin(&mut visit).await?;
    if let Err(error) = stage.read(&visit) {
        return stage.refuse_unasked(&visit, &error);
    }
    match seal(&visit.app, visit.row().id, &stage.flow) {
        Some(sealed) => Ok(go(&visit.path(&format!("{PATH}?flow={sealed}")))),
        None => stage.refuse_unasked(&visit, &too_long()),
    }
}

fn too_long() -> Error {
    Error::request("The request is too long for an address: push it (RFC 9126).")
}

/// What was sent, before it is known whose it is.
struct Sent {
    form: Form,
    raw: RawRequest,
}

impl Sent {
    fn read(octets: &[u8]) -> Result<Self, Problem> {
        let (form, twice) = Form::parameters(octets).map_err(|bad| match bad {
            BadForm::TooLong(limit) => {
                Problem::new(413, "body_too_large", format!("The request may have at most {limit} bytes."))
            }
            bad => Problem::new(400, "invalid_request", format!("The request cannot be read: {bad}.")),
        })?;
        let raw = RawRequest::of(&form, twice);
        Ok(Self { form, raw })
    }

    /// One of ours on its way: nothing else is with it.
    fn flow(&self) -> Option<String> {
        let is_alone = self.raw == RawRequest::default();
        self.form.value("flow").filter(|_| is_alone).map(str::to_owned)
    }

    /// The request that it is, itself or pushed before.
    async fn begin(self, visit: &mut Visit) -> Result<Stage, Problem> {
        let (raw, now) = (self.raw, visit.now);
        let is_pushed = raw.text("request_uri").is_some_and(pushed::is_ours);
        if is_pushed && (raw.text("request").is_some() || raw.twice.contains("request")) {
            let detail = "request and request_uri exclude each other (RFC 9101, section 5).";
            return Err(Problem::new(400, "invalid_request", detail));
        }
        let carried = if is_pushed { pushed::take(visit, &raw).await? } else { Carried::Plain(raw) };
        Stage::of(visit, Flow::begin(carried, false, now))?.begun(visit)
    }
}
