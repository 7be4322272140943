//! The management API from the caller's side: one request at a time, its problems as [`Failure`]s.
//!
//! Follows no redirect and retries nothing but a change that somebody else was faster with (RFC 9110 §13.1.1). On
//! loopback neither proxies nor the system's certificates are asked for.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{AUTHORIZATION, DATE, ETAG, HeaderMap, HeaderValue, IF_MATCH, SERVER};
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::Value;

use crate::cli::failure::Failure;
use crate::cli::flags;
use crate::cli::output::clean;
use crate::cli::source::{Target, is_loopback};
use crate::relying_party;

/// The longest answer that is read, in bytes.
const ANSWER_MAX: usize = 64 << 20;
/// How often a change is tried again after somebody else's.
const ATTEMPTS: usize = 3;
/// What stands unescaped in a path or query (RFC 3986 §2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A server, the key for it and the realm that is spoken of.
pub struct Server {
    http: Client,
    base: String,
    key: HeaderValue,
    realm: String,
}

/// A good answer.
pub struct Answer {
    /// `null` where there is none.
    pub body: Value,
    /// What it is the state of.
    pub etag: Option<HeaderValue>,
    /// The server's clock.
    pub date: Option<String>,
    /// What the server calls itself.
    pub server: Option<String>,
}

impl Server {
    /// Prepares to talk; opens no connection yet.
    pub fn new(target: &Target, realm: &str) -> Result<Self, Failure> {
        let bearer = format!("Bearer {}", target.key.expose());
        let mut key =
            HeaderValue::from_str(&bearer).map_err(|_| Failure::usage("the operator key is no header text"))?;
        key.set_sensitive(true);
        let base = target.url.as_str().trim_end_matches('/').to_owned();
        Ok(Self { http: client(is_loopback(&target.url))?, base, key, realm: realm.to_owned() })
    }

    /// The path of something in the realm: `/v1/realms/default/keys/ci`.
    pub fn path(&self, segments: &[&str]) -> Result<String, Failure> {
        let realm = ["realms", &self.realm];
        path(&[&realm, segments].concat())
    }

    /// Asks.
    pub async fn get(&self, path: &str) -> Result<Value, Failure> {
        Ok(self.send(Method::GET, path, None).await?.body)
    }

    /// Makes or does something.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        Ok(self.send(Method::POST, path, Some(body)).await?.body)
    }

    /// Removes something.
    pub async fn delete(&self, path: &str) -> Result<Value, Failure> {
        Ok(self.send(Method::DELETE, path, None).await?.body)
    }

    /// Changes something by what it is now; begins anew where somebody else was faster.
    pub async fn change(&self, path: &str, patch: &dyn Fn(&Value) -> Result<Value, Failure>) -> Result<Value, Failure> {
        let mut attempt = 1;
        loop {
            let now = self.send(Method::GET, path, None).await?;
            let body = patch(&now.body)?;
            let request = self.request(Method::PATCH, path).json(&body);
            let request = now.etag.into_iter().fold(request, |request, etag| request.header(IF_MATCH, etag));
            let response = request.send().await.map_err(|error| self.unreachable(&error))?;
            if response.status() != StatusCode::PRECONDITION_FAILED || attempt == ATTEMPTS {
                return Ok(read(response).await?.body);
            }
            attempt += 1;
        }
    }

    /// What is at a path; none where nothing is.
    pub async fn find(&self, path: &str) -> Result<Option<Value>, Failure> {
        let response = self.request(Method::GET, path).send().await.map_err(|error| self.unreachable(&error))?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        Ok(Some(read(response).await?.body))
    }

    /// Sends and reads the answer.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, Failure> {
        let request = self.request(method, path);
        let request = body.into_iter().fold(request, |request, body| request.json(body));
        read(request.send().await.map_err(|error| self.unreachable(&error))?).await
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).header(AUTHORIZATION, self.key.clone())
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let base = &self.base;
        match error {
            error if error.is_timeout() => Failure::failed(format!("{base} did not answer in time. Look at its log")),
            error if error.is_connect() => {
                let cause = if base.starts_with("https") { format!(" ({})", root_cause(error)) } else { String::new() };
                Failure::failed(format!("no server answers at {base}{cause}. Start one: admit serve"))
            }
            error => Failure::failed(format!("{base} broke off: {}", root_cause(error))),
        }
    }
}

/// The path of something on the server: `/v1/realms`. Each segment is one name, whatever letters it has.
pub fn path(segments: &[&str]) -> Result<String, Failure> {
    let mut path = "/v1".to_owned();
    for segment in segments {
        if matches!(*segment, "" | "." | "..") {
            return Err(Failure::usage(format!("{segment:?} cannot stand in a URL. Use the id")));
        }
        path.push('/');
        path.extend(utf8_percent_encode(segment, ESCAPED));
    }
    Ok(path)
}

/// Adds the parameters that have a value.
pub fn with_query(path: &str, parameters: &[(&str, Option<String>)]) -> String {
    let given = parameters.iter().filter_map(|(name, value)| value.as_ref().map(|value| (name, value)));
    let escaped = |text| utf8_percent_encode(text, ESCAPED);
    let pairs: Vec<_> = given.map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

/// A client that follows nothing and waits for nobody long.
pub fn client(is_loopback: bool) -> Result<Client, Failure> {
    let made = relying_party::client(is_loopback);
    made.map_err(|error| Failure::failed(format!("cannot prepare TLS: {}", root_cause(&error))))
}

/// The innermost error: the one that says what happened.
pub fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

async fn read(response: Response) -> Result<Answer, Failure> {
    let status = response.status();
    let header = |headers: &HeaderMap, name| {
        headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).map(str::to_owned)
    };
    let asked = response.url().path().to_owned();
    let etag = response.headers().get(ETAG).cloned();
    let (date, server) = (header(response.headers(), DATE), header(response.headers(), SERVER));
    let bytes = read_body(response).await?;
    let body = if bytes.is_empty() { Some(Value::Null) } else { serde_json::from_slice(&bytes).ok() };
    if !status.is_success() {
        return Err(problem(status, &body.unwrap_or(Value::Null), &asked));
    }
    let Some(body) = body else {
        return Err(Failure::failed(format!(
            "the server answered {status} with something that is no JSON. Is it Admit?"
        )));
    };
    Ok(Answer { body, etag, date, server })
}

async fn read_body(mut response: Response) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    loop {
        let chunk = response.chunk().await;
        let chunk = chunk.map_err(|error| Failure::failed(format!("the answer broke off: {}", root_cause(&error))))?;
        let Some(chunk) = chunk else { return Ok(bytes) };
        if bytes.len() + chunk.len() > ANSWER_MAX {
            return Err(Failure::failed("the answer is longer than 64 MiB"));
        }
        bytes.extend_from_slice(&chunk);
    }
}

/// An RFC 9457 problem as a message: its detail, then a line for each single problem. Members of the request that was sent to
/// the path `asked` are called as they were typed.
fn problem(status: StatusCode, body: &Value, asked: &str) -> Failure {
    let typed = |line: String| match line.split_once(": ") {
        Some((member, message)) => flags::of(asked, member).map_or(line.clone(), |flag| format!("{flag}: {message}")),
        None => line,
    };
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(clean).filter(|text| !text.is_empty());
    let detail = text("detail").or_else(|| text("title")).unwrap_or_else(|| format!("the server answered {status}"));
    let mut message = typed(detail.clone());
    for problem in body.get("problems").and_then(Value::as_array).into_iter().flatten() {
        let part = |name: &str| problem.get(name).and_then(Value::as_str).map(clean).unwrap_or_default();
        let separator = if part("path").is_empty() { "" } else { ": " };
        let line = format!("{}{separator}{}", part("path"), part("message"));
        // The detail is the first problem itself, with what comes next, or a summary of them.
        if !detail.starts_with(&line) {
            message.push_str(&format!("\n  {}", typed(line)));
        }
    }
    let missing = body.pointer("/missing/scopes").and_then(Value::as_array).into_iter().flatten();
    let missing: Vec<_> = missing.filter_map(Value::as_str).map(clean).collect();
    if !missing.is_empty() {
        message.push_str(&format!(" Missing: {}", missing.join(" ")));
    }
    if status == StatusCode::UNAUTHORIZED {
        message.push_str(
            "\n  the operator key is made anew at each start of the server; the data folder has the live one",
        );
    }
    Failure::failed(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    use crate::cli::test_console::{Console, Reply};

    proptest! {
        #[test]
        fn a_name_is_one_segment_whatever_it_holds(name in "\\PC{1,30}") {
            if let Ok(path) = path(&["apis", &name]) {
                prop_assert_eq!(path.matches('/').count(), 3);
                let url = reqwest::Url::parse(&format!("http://a.test{path}")).unwrap();
                prop_assert_eq!(url.path(), path.as_str());
            }
        }
    }

    #[test]
    fn dots_are_no_names_in_a_url() {
        assert_eq!(path(&["keys", ".."]).unwrap_err().exit, 2);
        assert_eq!(path(&["apis", "https://a.test"]).unwrap(), "/v1/apis/https%3A%2F%2Fa.test");
    }

    #[test]
    fn only_given_parameters_are_sent() {
        let parameters = [("a", None), ("b", Some("x y&z".to_owned()))];
        assert_eq!(with_query("/v1/x", &parameters), "/v1/x?b=x%20y%26z");
    }

    #[tokio::test]
    async fn the_next_command_is_about_the_realm_that_is_spoken_of() {
        let nobody = || {
            let detail = "There is no client \"nope\" in this realm. Next: admit client list";
            Reply::json(404, json!({"code": "not_found", "detail": detail}))
        };
        let console = Console::new([nobody(), nobody()]).await;
        let ran = console.run("--realm idem client show nope").await;
        assert!(ran.exit == 1 && ran.err.ends_with("Next: admit --realm idem client list\n"), "{}", ran.err);
        let ran = console.run("client show nope").await;
        assert!(ran.err.ends_with("Next: admit client list\n"), "{}", ran.err);
    }

    #[test]
    fn a_problem_shows_its_detail_and_every_single_problem() {
        let body = json!({"title": "Bad", "detail": "two things\u{1b}", "problems": [
            {"path": "match.path", "message": "must begin with /"}, {"message": "and this"}]});
        let failure = problem(StatusCode::BAD_REQUEST, &body, "/v1/realms/default/apply");
        assert_eq!(failure.message, "two things\u{FFFD}\n  match.path: must begin with /\n  and this");
        let nothing = problem(StatusCode::BAD_GATEWAY, &Value::Null, "/v1/realms");
        assert_eq!(nothing.message, "the server answered 502 Bad Gateway");
    }

    #[test]
    fn what_is_wrong_is_called_as_it_was_typed_and_told_once() {
        let told = |body: Value| problem(StatusCode::BAD_REQUEST, &body, "/v1/realms/default/keys").message;
        let body = json!({"detail": "expires_in_s: is too long Next: admit key list", "problems": [
            {"path": "expires_in_s", "message": "is too long"}, {"path": "limit", "message": "is no rate"}]});
        assert_eq!(told(body), "--expires: is too long Next: admit key list\n  --rate: is no rate");
        assert_eq!(told(json!({"detail": "api: is needed"})), "--api: is needed");
        assert_eq!(told(json!({"detail": "limits: are many"})), "limits: are many");
    }
}
