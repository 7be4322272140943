//! `admit events`: the audit of a realm, oldest last read first, like a log's tail.

use std::time::Duration;

use serde_json::Value;

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::noun::take_items;
use crate::cli::output::{Dress, clean};
use crate::cli::server::{Server, with_query};
use crate::cli::table::plain;

/// How often `--follow` asks.
const PAUSE: Duration = Duration::from_secs(1);
/// The most events that one answer has.
const PAGE_MAX: usize = 200;

#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:\n  admit events\n  admit events --limit 200 --json\n  admit events --follow")]
pub struct Events {
    /// Go on and print what happens
    #[arg(short, long)]
    follow: bool,
    /// How many of the past
    #[arg(long, default_value_t = 50, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(0..=200))]
    limit: u16,
}

/// Prints the latest events, and with `--follow` those to come.
pub async fn run(context: &Context, command: Events) -> Result<(), Failure> {
    let server = context.server()?;
    // Asked for even where none is wanted: the newest one's number is where following begins.
    let wanted = usize::from(command.limit);
    let mut past = fetch(&server, &[("order", "newest".to_owned()), ("limit", wanted.max(1).to_string())]).await?;
    let mut last = past.iter().filter_map(number).max().unwrap_or(0);
    past.truncate(wanted);
    past.iter().rev().for_each(|event| print(context, event));
    if past.is_empty() && !command.follow {
        context.output.note("no events yet");
    }
    if !command.follow {
        return Ok(());
    }
    loop {
        let after = [("order", "oldest".to_owned()), ("after", last.to_string()), ("limit", PAGE_MAX.to_string())];
        let fresh = fetch(&server, &after).await?;
        fresh.iter().for_each(|event| print(context, event));
        last = fresh.iter().filter_map(number).max().unwrap_or(last);
        if fresh.len() < PAGE_MAX {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn fetch(server: &Server, query: &[(&str, String)]) -> Result<Vec<Value>, Failure> {
    let query: Vec<_> = query.iter().map(|(name, value)| (*name, Some(value.clone()))).collect();
    let mut page = server.get(&with_query(&server.path(&["events"])?, &query)).await?;
    Ok(take_items(&mut page))
}

fn number(event: &Value) -> Option<i64> {
    event.get("number").and_then(Value::as_i64)
}

/// `2026-11-22T10:00:00Z  key.created  operator → key_…  (reason)  name=ci`; what is not there is left out.
fn print(context: &Context, event: &Value) {
    let output = &context.output;
    if output.json {
        return output.json_line(event);
    }
    let text = |name: &str| event.get(name).and_then(Value::as_str).map(clean).unwrap_or_default();
    let whom = match (text("actor"), text("target")) {
        (actor, target) if target.is_empty() => actor,
        (actor, target) if actor.is_empty() => format!("→ {target}"),
        (actor, target) => format!("{actor} → {target}"),
    };
    let reason = Some(text("reason")).filter(|reason| !reason.is_empty());
    let detail = event.get("detail").filter(|detail| !detail.is_null());
    let line = [
        output.dress(&text("at"), Dress::Faint),
        output.dress(&text("kind"), Dress::Bold),
        whom,
        reason.map(|reason| format!("({reason})")).unwrap_or_default(),
        detail.map(plain).unwrap_or_default(),
    ];
    let parts: Vec<_> = line.into_iter().filter(|part| !part.is_empty()).collect();
    output.line(&parts.join("  "));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::cli::test_console::{Console, Reply};

    fn event(number: i64) -> serde_json::Value {
        json!({"number": number, "at": "2026-11-22T10:00:00Z", "kind": "key.created", "actor": "operator",
            "target": format!("key_{number}"), "detail": {"name": "ci\u{1b}"}})
    }

    #[tokio::test]
    async fn the_newest_stands_last() {
        let console = Console::new([Reply::json(200, json!({"items": [event(2), event(1)]}))]).await;
        let ran = console.run("events").await;
        let lines: Vec<_> = ran.out.lines().collect();
        assert_eq!(lines[0], "2026-11-22T10:00:00Z  key.created  operator → key_1  name=ci\u{FFFD}");
        assert!(lines[1].contains("key_2"));
    }

    #[tokio::test]
    async fn a_refusal_is_read_like_a_sentence_and_so_is_what_counts_many() {
        let refused = |target: &str, reason: Option<&str>, detail: serde_json::Value| {
            json!({"number": 1, "at": "2026-11-22T10:00:00Z", "kind": "access.refused", "actor": "", "target": target,
                "reason": reason, "detail": detail})
        };
        let single =
            refused("key_1", Some("revoked"), json!({"method": "GET", "path": "/orders/1", "query_names": ["a", "b"]}));
        let rest = refused("", None, json!({"count": 9}));
        let console = Console::new([Reply::json(200, json!({"items": [rest, single]}))]).await;
        let ran = console.run("events").await;
        let lines: Vec<_> = ran.out.lines().collect();
        let wanted =
            "2026-11-22T10:00:00Z  access.refused  → key_1  (revoked)  method=GET; path=/orders/1; query_names: a b";
        assert_eq!(lines, [wanted, "2026-11-22T10:00:00Z  access.refused  count=9"]);
    }

    #[tokio::test]
    async fn follow_asks_for_what_came_after() {
        let pages = [json!([event(7)]), json!([event(8), event(9)]), json!([])];
        let replies = pages.map(|items| Reply::json(200, json!({"items": items})));
        let console = Console::new(replies).await;
        let run = console.run("events --follow --limit 0");
        let _ = tokio::time::timeout(std::time::Duration::from_millis(1500), run).await;
        let lines: Vec<_> = console.requests().iter().map(|request| request.line.clone()).collect();
        assert_eq!(lines[0], "GET /v1/realms/default/events?order=newest&limit=1 HTTP/1.1");
        assert_eq!(lines[1], "GET /v1/realms/default/events?order=oldest&after=7&limit=200 HTTP/1.1");
        assert_eq!(lines[2], "GET /v1/realms/default/events?order=oldest&after=9&limit=200 HTTP/1.1");
    }
}
