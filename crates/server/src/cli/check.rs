//! `admit check`: a request that nobody sent, judged by the server with its whole trace.

use admit_core::shell::quote;
use serde_json::{Map, Value, json};

use crate::cli::failure::Failure;
use crate::cli::input::fields;
use crate::cli::output::clean;
use crate::cli::{Context, input, trace};

#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  admit check --method GET --url https://shop.test/orders < ci.key
  admit check --url https://shop.test/orders --ip 203.0.113.9 --header 'X-Trace: 1' < ci.key")]
pub struct Check {
    /// The method
    #[arg(long, default_value = "GET")]
    method: String,
    /// The whole URL; without it only the credential is judged
    #[arg(long)]
    url: Option<String>,
    /// The client's address; with an http URL this machine's where absent
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<String>,
    /// A header of the request; may be repeated
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = input::header)]
    headers: Vec<(String, String)>,
}

/// Asks and prints; exit 0 admitted, 1 refused.
pub async fn run(context: &Context, command: Check) -> Result<(), Failure> {
    let body = command.body(input::credential(context)?)?;
    let server = context.server()?;
    let answer = server.post(&format!("{}?trace=true", server.path(&["check"])?), &body).await?;
    if context.output.json {
        context.output.json(&answer);
    } else {
        trace::print(&context.output, answer.get("trace").filter(|trace| trace.is_object()).unwrap_or(&answer));
    }
    if answer.get("admitted").and_then(Value::as_bool) == Some(true) { Ok(()) } else { Err(Failure::no()) }
}

impl Check {
    /// A credential travels as such, or as a header where there are others: the server takes one form or the other.
    fn body(self, credential: Option<String>) -> Result<Value, Failure> {
        let mut headers: Map<String, Value> = Map::new();
        for (name, value) in self.headers {
            let values = headers.entry(name).or_insert_with(|| json!([]));
            if let Value::Array(values) = values {
                values.push(value.into());
            }
        }
        if let Some(url) = self.url.as_deref().filter(|url| !url.contains("://")) {
            let whole = quote(&format!("https://{}", clean(url).trim_start_matches('/'))).into_owned();
            return Err(Failure::usage(format!("--url has no scheme. Say the whole URL, such as --url {whole}")));
        }
        let alone = headers.is_empty();
        if let (false, Some(credential)) = (alone, &credential) {
            if headers.contains_key("authorization") {
                return Err(Failure::usage("there is a credential on stdin and one in --header. Give one of them"));
            }
            headers.insert("authorization".to_owned(), format!("Bearer {credential}").into());
        }
        let text = |text: Option<String>| text.map(Value::from);
        let method = self.url.is_some().then(|| self.method.into());
        // A key that crosses a network in the clear is refused; a request that nobody sent crosses none.
        let is_plain = self.url.as_ref().is_some_and(|url| url.starts_with("http://"));
        let ip = self.ip.or_else(|| is_plain.then(|| "127.0.0.1".to_owned()));
        Ok(fields([
            ("credential", text(credential.filter(|_| alone))),
            ("method", method),
            ("url", text(self.url)),
            ("ip", text(ip)),
            ("headers", (!alone).then_some(Value::Object(headers))),
        ])
        .into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::test_console::{Console, Reply};

    fn refused() -> Reply {
        Reply::json(
            200,
            json!({"admitted": false, "status": 403, "code": "no_rule", "trace": {
            "request_id": "req_1", "at": "2026-11-22T10:00:00Z", "admitted": false, "status": 403, "code": "no_rule",
            "reason": "no_rule_matches", "method": "POST", "host": "shop.test", "path": "/orders",
            "steps": [{"mark": "ok", "text": "credential found: stdin"}, {"mark": "failed", "text": "no rule matches"},
                      {"mark": "skipped", "text": "nearly: rule \"read orders\": GET only"}],
            "advice": ["admit rule add --host shop.test"]}}),
        )
    }

    #[tokio::test]
    async fn a_refusal_prints_its_trace_and_is_exit_1() {
        let console = Console::new([refused()]).await.with_input("admit_key\n");
        let ran = console.run("check --method POST --url https://shop.test/orders --ip 203.0.113.9").await;
        let expected = "req_1  2026-11-22T10:00:00Z  POST shop.test/orders  refused 403 no_rule (no_rule_matches)\n  \
                        ✓ credential found: stdin\n  ✗ no rule matches\n  · nearly: rule \"read orders\": GET only\n\
                        To admit it:\n  admit rule add --host shop.test\n";
        assert_eq!((ran.exit, ran.out.as_str(), ran.err.as_str()), (1, expected, ""));
        let request = &console.requests()[0];
        assert_eq!(request.line, "POST /v1/realms/default/check?trace=true HTTP/1.1");
        let body = json!({"credential": "admit_key", "method": "POST", "url": "https://shop.test/orders", "ip": "203.0.113.9"});
        assert_eq!(request.json(), body);
    }

    #[tokio::test]
    async fn a_url_without_a_scheme_is_told_with_one() {
        let ran = Console::new([]).await.run("check --url shop.test/orders").await;
        let expected = "error: --url has no scheme. Say the whole URL, such as --url https://shop.test/orders\n";
        assert_eq!((ran.exit, ran.err.as_str()), (2, expected));
    }

    #[tokio::test]
    async fn without_a_credential_the_request_is_anonymous() {
        let console = Console::new([Reply::json(200, json!({"admitted": true, "status": 200, "code": "ok"}))]).await;
        let ran = console.run("check --url https://shop.test/").await;
        assert_eq!((ran.exit, ran.out.as_str()), (0, "admitted 200 ok\n"));
        assert_eq!(console.requests()[0].json(), json!({"method": "GET", "url": "https://shop.test/"}));
    }

    #[tokio::test]
    async fn over_plain_http_the_client_is_this_machine_unless_said_otherwise() {
        let console = Console::new([refused(), refused()]).await;
        console.run("check --url http://shop.test/orders").await;
        console.run("check --url http://shop.test/orders --ip 203.0.113.9").await;
        let ips: Vec<_> = console.requests().iter().map(|request| request.json()["ip"].clone()).collect();
        assert_eq!(ips, [json!("127.0.0.1"), json!("203.0.113.9")]);
    }

    #[tokio::test]
    async fn with_headers_the_credential_is_one_of_them() {
        let console = Console::new([refused(), refused()]).await.with_input("k");
        let words = ["check", "--header", "X-A: 1", "--header", "x-a: 2"];
        assert_eq!(console.run_words(&words).await.exit, 1);
        assert_eq!(console.requests()[0].json(), json!({"headers": {"x-a": ["1", "2"], "authorization": "Bearer k"}}));
        let both = ["check", "--header", "Authorization: Basic x"];
        assert_eq!(console.with_input("k").run_words(&both).await.exit, 2);
    }
}
