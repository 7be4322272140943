//! `admit token …`: an access token is issued, read, or judged. Tokens go through stdin and stdout, never through arguments.

use admit_core::jose;
use admit_core::jose::claims::Claims;
use admit_core::secret::{self, SecretKind};
use serde_json::{Map, Value, json};

use crate::cli::failure::Failure;
use crate::cli::input::{fields, some_list};
use crate::cli::output::clean;
use crate::cli::{Context, input, noun, trace};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Issue an access token for a client; stdout is the token alone
    #[command(before_help = "Examples:
  admit token issue --client billing
  admit token issue --client billing --api https://api.example.com --scope orders:read > token
  admit token issue --client billing --json")]
    Issue(Issue),
    /// Print what a token on stdin says of itself; asks nobody and verifies nothing
    #[command(before_help = "Examples:\n  admit token decode < token\n  admit token decode --json < token")]
    Decode,
    /// Ask the server what a token on stdin is worth; exit 1 where it is refused
    #[command(before_help = "Examples:\n  admit token verify < token\n  admit token verify --json < token")]
    Verify,
}

#[derive(Debug, clap::Args)]
pub struct Issue {
    /// The client's id or name
    #[arg(long, value_name = "CLIENT")]
    client: String,
    /// The API that it is for; needed where the client has rights on several
    #[arg(long, value_name = "URI")]
    api: Option<String>,
    /// A scope; may be repeated. Without it all that the client may do there
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
}

/// Runs one of them.
pub async fn run(context: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::Issue(issue) => issue_one(context, issue).await,
        Command::Decode => decode(context),
        Command::Verify => verify(context).await,
    }
}

async fn issue_one(context: &Context, issue: Issue) -> Result<(), Failure> {
    let body: Map<String, Value> = fields([
        ("client", Some(issue.client.into())),
        ("api", issue.api.map(Value::from)),
        ("scopes", some_list(&issue.scopes)),
    ]);
    let server = context.server()?;
    let made = server.post(&server.path(&["tokens"])?, &body.into()).await?;
    let text = |name: &str| made.get(name).and_then(Value::as_str).unwrap_or_default();
    if context.output.json {
        context.output.json(&made);
    } else {
        context.output.line(text("access_token"));
    }
    let note = format!("for {}, until {}", clean(text("api")), clean(text("expires_at")));
    context.output.note(&note);
    Ok(())
}

fn token(context: &Context, command: &str) -> Result<String, Failure> {
    let nothing = || Failure::usage(format!("nothing on stdin. Pipe the token in: admit token {command} < token"));
    input::credential(context)?.ok_or_else(nothing)
}

fn decode(context: &Context) -> Result<(), Failure> {
    let text = token(context, "decode")?;
    if secret::read(&text).is_ok_and(|opaque| opaque.kind == SecretKind::AccessToken) {
        return Err(Failure::failed(
            "this token is opaque: it says nothing. Ask the server: admit token verify < token",
        ));
    }
    let parts: Vec<_> = text.split('.').collect();
    let [header, claims, _] = parts[..] else {
        return Err(Failure::failed("this is no JWT: it has not three parts with dots between them"));
    };
    let read = |part: &str, which: &str| {
        let octets =
            jose::decode(part).map_err(|flaw| Failure::failed(format!("the {which} cannot be read: {flaw}")))?;
        let members = Claims::parse(&octets).map_err(|flaw| Failure::failed(format!("the {which}: {flaw}")))?;
        Ok::<_, Failure>(Value::Object(members.members().clone()))
    };
    let decoded = json!({ "header": read(header, "header")?, "claims": read(claims, "payload")? });
    if context.output.json {
        context.output.json(&decoded);
    } else {
        noun::print(context, &decoded["header"]);
        context.output.line("");
        noun::print(context, &decoded["claims"]);
    }
    context
        .output
        .note("Nothing was verified: anybody can write such a text. Ask the server: admit token verify < token");
    Ok(())
}

async fn verify(context: &Context) -> Result<(), Failure> {
    let body = json!({ "credential": token(context, "verify")? });
    let server = context.server()?;
    let answer = server.post(&format!("{}?trace=true", server.path(&["check"])?), &body).await?;
    let is_admitted = answer.get("admitted").and_then(Value::as_bool) == Some(true);
    let principal = answer.get("principal").filter(|principal| principal.is_object());
    let is_token = principal.and_then(|found| found.get("credential")).and_then(Value::as_str) == Some("access_token");
    if context.output.json {
        context.output.json(&answer);
    } else if is_admitted && let Some(principal) = principal {
        noun::print(context, principal);
    } else {
        trace::print(&context.output, answer.get("trace").filter(|trace| trace.is_object()).unwrap_or(&answer));
    }
    match (is_admitted, is_token) {
        (true, true) => Ok(()),
        (true, false) => Err(Failure::failed("this credential is good, and no access token. See: admit key inspect")),
        (false, _) => Err(Failure::no()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::test_console::{Console, Reply};

    fn made() -> Reply {
        Reply::json(
            201,
            json!({"id": "tok_1", "access_token": "a.b.c", "api": "https://a", "expires_at": "2026-11-22T10:00:00Z"}),
        )
    }

    #[tokio::test]
    async fn issue_prints_the_token_and_nothing_else() {
        let console = Console::new([made(), made()]).await;
        let ran = console.run("token issue --client billing --api https://a --scope r --scope w").await;
        assert_eq!((ran.exit, ran.out.as_str()), (0, "a.b.c\n"));
        assert_eq!(ran.err, "for https://a, until 2026-11-22T10:00:00Z\n");
        let request = &console.requests()[0];
        assert_eq!(request.line, "POST /v1/realms/default/tokens HTTP/1.1");
        assert_eq!(request.json(), json!({"client": "billing", "api": "https://a", "scopes": ["r", "w"]}));
        let ran = console.run("token issue --client billing --json").await;
        assert_eq!(serde_json::from_str::<Value>(&ran.out).unwrap()["id"], "tok_1");
        assert_eq!(console.requests()[1].json(), json!({"client": "billing"}));
    }

    fn jwt(header: &str, claims: &str) -> String {
        format!("{}.{}.c2ln", jose::encode(header.as_bytes()), jose::encode(claims.as_bytes()))
    }

    #[tokio::test]
    async fn decode_reads_offline_and_says_that_it_verified_nothing() {
        let token = jwt(r#"{"alg":"none","typ":"at+jwt"}"#, r#"{"sub":"cli_1","exp":1}"#);
        let ran = Console::new([]).await.with_input(&format!("{token}\n")).run("token decode --json").await;
        assert_eq!(ran.exit, 0, "{}", ran.err);
        let read: Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!(read, json!({"header": {"alg": "none", "typ": "at+jwt"}, "claims": {"sub": "cli_1", "exp": 1}}));
        assert!(ran.err.starts_with("Nothing was verified"), "{}", ran.err);
        for (bad, why) in [
            ("a.b".to_owned(), "not three parts"),
            ("a.b.c".to_owned(), "the header cannot be read"),
            (jwt(r#"{"alg":"a","alg":"b"}"#, "{}"), "without duplicate members"),
            (jwt("{}", "[]"), "the payload"),
        ] {
            let ran = Console::new([]).await.with_input(&bad).run("token decode").await;
            assert!(ran.exit == 1 && ran.err.contains(why), "{bad}: {}", ran.err);
        }
        let opaque = secret::write("admit_at", &[7; 32]);
        let ran = Console::new([]).await.with_input(opaque.expose()).run("token decode").await;
        assert!(ran.exit == 1 && ran.err.contains("admit token verify"), "{}", ran.err);
        assert_eq!(Console::new([]).await.run("token decode").await.exit, 2);
    }

    #[tokio::test]
    async fn verify_asks_the_server_and_a_refusal_is_exit_1() {
        let good = json!({"admitted": true, "status": 200, "code": "ok",
            "principal": {"credential": "access_token", "subject": "cli_1", "scopes": ["r"]}});
        let key = json!({"admitted": true, "status": 200, "code": "ok", "principal": {"credential": "api_key"}});
        let bad = json!({"admitted": false, "status": 401, "code": "revoked_credential", "principal": null});
        let console = Console::new([good, key, bad].map(|answer| Reply::json(200, answer))).await;
        let console = console.with_input("a.b.c");
        let ran = console.run("token verify").await;
        assert!(ran.exit == 0 && ran.out.contains("cli_1"), "{}", ran.out);
        let request = &console.requests()[0];
        assert_eq!(request.line, "POST /v1/realms/default/check?trace=true HTTP/1.1");
        assert_eq!(request.json(), json!({"credential": "a.b.c"}));
        let console = console.with_input("admit_key");
        assert_eq!(console.run("token verify").await.exit, 1);
        let console = console.with_input("a.b.c");
        let ran = console.run("token verify").await;
        assert!(ran.exit == 1 && ran.out.contains("revoked_credential"), "{}", ran.out);
    }
}
