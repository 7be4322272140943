//! `admit why`: the kept trace of a decision. Refusals stay in a bounded ring of the server that made them.

use serde_json::Value;

use crate::cli::failure::Failure;
use crate::cli::noun::take_items;
use crate::cli::server::with_query;
use crate::cli::{Context, trace};

#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  admit why req_01hzzzzzzzzzzzzzzzzzzzzzzz
  admit why --last
  admit why --last --key ci")]
pub struct Why {
    /// The id that every answer carries as Admit-Request-Id
    #[arg(value_name = "REQUEST", required_unless_present = "last", conflicts_with = "last")]
    request: Option<String>,
    /// The last refusal
    #[arg(long)]
    last: bool,
    /// Of this key: name or id
    #[arg(long, requires = "last")]
    key: Option<String>,
}

/// Asks and prints; exit 0 when there is such a decision.
pub async fn run(context: &Context, command: Why) -> Result<(), Failure> {
    let server = context.server()?;
    let found = match command.request {
        Some(request) => server.get(&server.path(&["decisions", &request])?).await?,
        None => {
            let query = [("last", Some("true".to_owned())), ("limit", Some("1".to_owned())), ("key", command.key)];
            let mut page = server.get(&with_query(&server.path(&["decisions"])?, &query)).await?;
            take_items(&mut page).into_iter().next().ok_or_else(none_kept)?
        }
    };
    print(context, &found);
    Ok(())
}

fn print(context: &Context, found: &Value) {
    if context.output.json {
        context.output.json(found);
    } else {
        trace::print(&context.output, found);
    }
}

fn none_kept() -> Failure {
    Failure::failed("no refusal is kept. Judge a request without sending it: admit check --method GET --url URL")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::cli::test_console::{Console, Reply};

    #[tokio::test]
    async fn a_decision_is_found_by_id_or_as_the_last() {
        let kept = json!({"request_id": "req_1", "admitted": false, "status": 401, "code": "revoked_credential",
            "reason": "revoked", "steps": [{"mark": "failed", "text": "key \"ci\" is revoked"}], "advice": []});
        let console = Console::new([Reply::json(200, kept.clone()), Reply::json(200, json!({"items": [kept]}))]).await;
        let ran = console.run("why req_1").await;
        assert_eq!(ran.out, "req_1  refused 401 revoked_credential (revoked)\n  ✗ key \"ci\" is revoked\n");
        assert_eq!(console.run("why --last --key ci").await.exit, 0);
        let lines: Vec<_> = console.requests().iter().map(|request| request.line.clone()).collect();
        assert_eq!(lines[0], "GET /v1/realms/default/decisions/req_1 HTTP/1.1");
        assert_eq!(lines[1], "GET /v1/realms/default/decisions?last=true&limit=1&key=ci HTTP/1.1");
    }

    #[tokio::test]
    async fn nothing_kept_is_exit_1_and_nothing_asked_is_usage() {
        let console = Console::new([Reply::json(200, json!({"items": []}))]).await;
        let ran = console.run("why --last").await;
        assert_eq!((ran.exit, ran.err.contains("no refusal is kept")), (1, true));
        assert_eq!(console.run("why").await.exit, 2);
    }
}
