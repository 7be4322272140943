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
    #[arg(long, default_value_t = 50, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(0..=10_000))]
    limit: u16,
}

/// Prints the latest events, and with `--follow` those to come.
pub async fn run(context: &Context, command: Events) -> Result<(), Failure> {
    let server = context.server()?;
    // Asked for even where none is wanted: the newest one's number is where following begins.
    let wanted = usize::from(command.limit);
    let mut past = latest(&server, wanted.max(1)).await?;
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

/// The newest first, page by page.
async fn latest(server: &Server, wanted: usize) -> Result<Vec<Value>, Failure> {
    let (mut past, mut cursor) = (Vec::new(), None);
    loop {
        let limit = (wanted - past.len()).min(PAGE_MAX).to_string();
        let query = [("order", Some("newest".to_owned())), ("limit", Some(limit)), ("cursor", cursor)];
        let mut page = server.get(&with_query(&server.path(&["events"])?, &query)).await?;
        past.extend(take_items(&mut page));
        cursor = page.get("next").and_then(Value::as_str).map(str::to_owned);
        if cursor.is_none() || past.len() >= wanted {
            return Ok(past);
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

/// `2026-11-22T10:00:00Z  key.created  operator → key_…  (reason)  name=ci`.
fn print(context: &Context, event: &Value) {
    let output = &context.output;
    if output.json {
        return output.json_line(event);
    }
    let text = |name: &str| event.get(name).and_then(Value::as_str).map(clean).unwrap_or_default();
    let mut line = format!(
        "{}  {}  {} → {}",
        output.dress(&text("at"), Dress::Faint),
        output.dress(&text("kind"), Dress::Bold),
        text("actor"),
        text("target")
    );
    if !text("reason").is_empty() {
        line.push_str(&format!("  ({})", text("reason")));
    }
    if let Some(detail) = event.get("detail").filter(|detail| !detail.is_null()) {
        line.push_str(&format!("  {}", plain(detail)));
    }
    output.line(&line);
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
