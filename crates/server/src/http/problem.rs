//! Errors on the wire: RFC 9457 with a stable `type` and `code`, a `detail` that names the next command, the request id. At
//! the end those of OAuth, which have a shape of their own.

use std::fmt::Write as _;

use admit_core::check::answer::REQUEST_ID;
use admit_core::check::code::Code;
use admit_core::check::decision::Decision;
use admit_core::id::RequestId;
use admit_core::name::{RoleName, ScopeName};
use admit_core::oauth;
use admit_core::policy::rule;
use admit_core::secret;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::{Serialize, Serializer};

use crate::app::App;

/// One error. `code` is for programs, `detail` for people; the cause of a failure goes to the log only.
#[derive(Debug)]
pub struct Problem {
    status: u16,
    code: &'static str,
    detail: String,
    problems: Vec<rule::Problem>,
    allow: Option<&'static str>,
    retry_after_s: Option<u32>,
}

impl Problem {
    /// An error of this status and code.
    pub fn new(status: u16, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), problems: Vec::new(), allow: None, retry_after_s: None }
    }

    /// 404: nothing of this name in the realm, which is also what other realms' ids are.
    pub fn not_found(what: &str, name: &str) -> Self {
        let name: String = name.chars().filter(|letter| !admit_core::name::is_unprintable(*letter)).take(200).collect();
        Self::new(404, "not_found", format!("There is no {what} \"{name}\" in this realm."))
    }

    /// 400 with everything that is wrong.
    pub fn invalid(problems: Vec<rule::Problem>) -> Self {
        let detail =
            problems.first().map_or_else(String::new, |problem| format!("{}: {}", problem.path, problem.message));
        Self { problems, ..Self::new(400, "invalid_request", detail) }
    }

    /// 503: cannot be done now. The cause is logged here, once.
    pub fn unavailable(cause: impl std::fmt::Display) -> Self {
        tracing::error!(error = %cause, "a request cannot be carried out");
        Self { retry_after_s: Some(1), ..Self::new(503, "unavailable", "This cannot be done right now; try again.") }
    }

    /// 503: there is too much to do. Refused at once, so that the client can try again while others are served.
    pub fn overloaded() -> Self {
        let detail = "There is too much to do right now; try again in a moment.";
        Self { retry_after_s: Some(1), ..Self::new(503, "overloaded", detail) }
    }

    /// Adds the command that comes next.
    pub fn with_next(mut self, command: impl std::fmt::Display) -> Self {
        let _ = write!(self.detail, " Next: {command}");
        self
    }

    /// Names the methods that are allowed (405).
    pub fn with_allow(mut self, methods: &'static str) -> Self {
        self.allow = Some(methods);
        self
    }

    /// Says when to try again.
    pub fn with_retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The code for programs.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The sentence for people.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The answer, with the id of this request and a `type` that opens the page of its code.
    pub fn respond(self, app: &App) -> Response<Body> {
        let request_id = app.request_id(app.now()).to_string();
        let public_url = app.config.load().public_url.clone();
        self.render(&public_url, Some(&request_id))
    }

    fn render(self, public_url: &str, request_id: Option<&str>) -> Response<Body> {
        let mut body = serde_json::json!({
            "type": format!("{public_url}/v1/docs#{}", self.code),
            "title": title(self.code),
            "status": self.status,
            "code": self.code,
            "detail": secret::redact(&self.detail),
        });
        if let Some(request_id) = request_id {
            body["request_id"] = request_id.into();
        }
        if !self.problems.is_empty() {
            let shown = |wrong: &rule::Problem| serde_json::json!({ "path": wrong.path, "message": secret::redact(&wrong.message) });
            body["problems"] = self.problems.iter().map(shown).collect();
        }
        let mut response = Response::new(Body::from(format!("{body}\n")));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.extensions_mut().insert(Told(self.code));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(request_id) = request_id.and_then(|id| HeaderValue::from_str(id).ok()) {
            headers.insert(REQUEST_ID, request_id);
        }
        if let Some(methods) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(methods));
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// The code of the problem that a response tells: for what shows it otherwise.
#[derive(Debug, Clone, Copy)]
pub struct Told(pub &'static str);

/// `not_found` becomes `Not found`.
fn title(code: &str) -> String {
    let spaced = code.replace('_', " ");
    let mut letters = spaced.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A handler that returns a problem knows neither request id nor public URL: [`complete`] fills them in.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.extensions_mut().insert(std::sync::Arc::new(parking_lot::Mutex::new(Some(self))));
        response
    }
}

/// Renders the problem that a handler left in its response.
pub fn complete(app: &App, response: Response<Body>) -> Response<Body> {
    let left = response.extensions().get::<std::sync::Arc<parking_lot::Mutex<Option<Problem>>>>();
    match left.and_then(|left| left.lock().take()) {
        Some(problem) => problem.respond(app),
        None => response,
    }
}

impl From<admit_store::Error> for Problem {
    fn from(error: admit_store::Error) -> Self {
        match error {
            admit_store::Error::Conflict { what } => {
                Self::new(409, "already_exists", format!("Another one has this {what} already."))
            }
            admit_store::Error::Overloaded => Self::overloaded(),
            admit_store::Error::NulInText => Self::new(400, "invalid_request", "Text may not contain NUL."),
            other => {
                let detail = "The database cannot be used right now; the server's log says why. Next: admit doctor";
                Self { detail: detail.to_owned(), ..Self::unavailable(other) }
            }
        }
    }
}

/// A refusal's body; written without a tree of values, since whoever is refused can come again at once.
#[derive(Serialize)]
struct Refusal<'d> {
    r#type: Page<'d>,
    title: &'static str,
    status: u16,
    code: Code,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'d str>,
    #[serde(skip_serializing_if = "Missing::is_nothing")]
    missing: Missing<'d>,
    request_id: RequestId,
}

/// Where a code is explained.
struct Page<'d> {
    public_url: &'d str,
    code: Code,
}

impl Serialize for Page<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}/v1/docs#{}", self.public_url, self.code))
    }
}

#[derive(Serialize)]
struct Missing<'d> {
    #[serde(skip_serializing_if = "<[ScopeName]>::is_empty")]
    scopes: &'d [ScopeName],
    #[serde(skip_serializing_if = "<[RoleName]>::is_empty")]
    roles: &'d [RoleName],
}

impl Missing<'_> {
    fn is_nothing(&self) -> bool {
        self.scopes.is_empty() && self.roles.is_empty()
    }
}

/// The body of a refusal, with the detail that only the door knows.
pub fn decision_body(public_url: &str, decision: &Decision, detail: Option<&str>) -> Bytes {
    let code = decision.told();
    let refusal = Refusal {
        r#type: Page { public_url, code },
        title: code.sentence(),
        status: code.status(),
        code,
        detail,
        missing: Missing { scopes: &decision.missing_scopes, roles: &decision.missing_roles },
        request_id: decision.request_id,
    };
    let mut body = Vec::with_capacity(384);
    // Text and numbers only: nothing of it can fail.
    let _ = serde_json::to_writer(&mut body, &refusal);
    body.push(b'\n');
    Bytes::from(body)
}

/// The refusal of an endpoint of OAuth (RFC 6749 §5.2).
pub fn oauth(error: &oauth::Error, realm: &str) -> Response<Body> {
    #[derive(Serialize)]
    struct Told<'e> {
        error: &'static str,
        error_description: &'e str,
    }
    let told = Told { error: error.code.as_str(), error_description: &secret::redact(&error.description) };
    let mut body = Vec::with_capacity(128);
    // Text only: nothing of it can fail.
    let _ = serde_json::to_writer(&mut body, &told);
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if error.code == oauth::ErrorCode::InvalidClient {
        // A realm's name has no letter that would have to be escaped.
        let challenge = HeaderValue::try_from(format!("Basic realm=\"{realm}\", charset=\"UTF-8\""));
        headers.extend(challenge.ok().map(|challenge| (WWW_AUTHENTICATE, challenge)));
    }
    headers.extend(error.retry_after_s.map(|seconds| (RETRY_AFTER, HeaderValue::from(seconds))));
    response
}
