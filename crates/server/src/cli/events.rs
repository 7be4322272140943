//! `admit events`: the audit of a realm, oldest last read first, like a log's tail.

use std::collections::HashSet;
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
    let wanted = usize::from(command.limit);
    let (past, mut next) = latest(&server, wanted.max(1), command.follow).await?;
    past.iter().take(wanted).rev().for_each(|event| print(context, event));
    if !command.follow {
        if past.is_empty() {
            context.output.note("no events yet");
        }
        return Ok(());
    }
    // Following begins behind the newest event that has a seal; what has none yet comes again once it has one.
    let mut seen: HashSet<_> = past.iter().filter_map(number).collect();
    let mut last = last_sealed(&past);
    while last.is_none() && next.is_some() {
        let page = [("order", Some("newest".to_owned())), ("limit", Some(PAGE_MAX.to_string())), ("cursor", next)];
        let (older, further) = fetch(&server, &page).await?;
        seen.extend(older.iter().filter_map(number));
        (last, next) = (last_sealed(&older), further);
    }
    follow(context, &server, last.unwrap_or(0), seen).await
}

async fn follow(context: &Context, server: &Server, mut last: i64, mut seen: HashSet<i64>) -> Result<(), Failure> {
    loop {
        let query = [("order", "oldest".to_owned()), ("after", last.to_string()), ("limit", PAGE_MAX.to_string())];
        let (fresh, _) = fetch(server, &query.map(|(name, value)| (name, Some(value)))).await?;
        for event in &fresh {
            last = number(event).unwrap_or(last);
            if !seen.remove(&last) {
                print(context, event);
            }
        }
        if fresh.len() < PAGE_MAX {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// At least so many, the newest first, and where older ones begin; all of the last page where it is asked for.
async fn latest(server: &Server, wanted: usize, whole_pages: bool) -> Result<(Vec<Value>, Option<String>), Failure> {
    let (mut past, mut next) = (Vec::new(), None);
    loop {
        let limit = if whole_pages { PAGE_MAX } else { (wanted - past.len()).min(PAGE_MAX) }.to_string();
        let query = [("order", Some("newest".to_owned())), ("limit", Some(limit)), ("cursor", next)];
        let (page, further) = fetch(server, &query).await?;
        past.extend(page);
        next = further;
        if next.is_none() || past.len() >= wanted {
            return Ok((past, next));
        }
    }
}

/// A page of events, and where the next one begins.
async fn fetch(server: &Server, query: &[(&str, Option<String>)]) -> Result<(Vec<Value>, Option<String>), Failure> {
    let mut page = server.get(&with_query(&server.path(&["events"])?, query)).await?;
    let next = page.get("next").and_then(Value::as_str).map(str::to_owned);
    Ok((take_items(&mut page), next))
}

fn number(event: &Value) -> Option<i64> {
    event.get("number").and_then(Value::as_i64)
}

/// The number of the last event of the last seal.
fn last_sealed(events: &[Value]) -> Option<i64> {
    let place = |event: &Value| Some((event.get("seal")?.as_i64()?, number(event)?));
    events.iter().filter_map(place).max().map(|(_, number)| number)
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

    fn sealed(number: i64, seal: i64) -> serde_json::Value {
        let mut event = event(number);
        event["seal"] = json!(seal);
        event
    }

    /// What is printed and asked for by whom these pages are answered to.
    async fn followed<const N: usize>(command: &str, pages: [serde_json::Value; N]) -> (String, Vec<String>) {
        let console = Console::new(pages.map(|page| Reply::json(200, page))).await;
        let ran = tokio::time::timeout(std::time::Duration::from_secs(10), console.run(command)).await.unwrap();
        let lines = console.requests().into_iter().map(|request| request.line.replace(" HTTP/1.1", ""));
        let asked = lines.map(|line| line.replace("GET /v1/realms/default/events?", "")).collect();
        (
            ran.out
                .lines()
                .filter_map(|line| line.split("key_").nth(1)?.split(' ').next())
                .collect::<Vec<_>>()
                .join(" "),
            asked,
        )
    }

    #[tokio::test]
    async fn follow_goes_on_in_the_order_of_seals_and_shows_nothing_twice() {
        // 9 has no seal yet when it is shown; 5 is committed after that.
        let past = json!({"items": [event(9), sealed(8, 2), sealed(7, 2)], "next": "x"});
        let fresh = json!({"items": [sealed(5, 3), sealed(9, 3)], "next": null});
        let (shown, asked) =
            followed("events --follow --limit 2", [past, fresh, json!({"items": [sealed(6, 4)]})]).await;
        assert_eq!(shown, "8 9 5 6");
        assert_eq!(asked[0], "order=newest&limit=200");
        assert_eq!(asked[1], "order=oldest&after=8&limit=200");
        assert_eq!(asked[2], "order=oldest&after=9&limit=200");
        assert_eq!(asked[3], "order=oldest&after=6&limit=200");
    }

    #[tokio::test]
    async fn follow_looks_back_for_where_it_begins() {
        let past = json!({"items": [event(9), event(8)], "next": "x"});
        let older = json!({"items": [event(7), sealed(6, 2)], "next": "y"});
        let fresh = json!({"items": [sealed(7, 3), sealed(8, 3), sealed(9, 3), sealed(10, 3)]});
        let (shown, asked) = followed("events --follow --limit 0", [past, older, fresh]).await;
        assert_eq!(shown, "10");
        assert_eq!(asked[1..3], ["order=newest&limit=200&cursor=x", "order=oldest&after=6&limit=200"]);
        let (shown, asked) =
            followed("events --follow --limit 0", [json!({"items": []}), json!({"items": [sealed(1, 1)]})]).await;
        assert_eq!((shown.as_str(), asked[1].as_str()), ("1", "order=oldest&after=0&limit=200"));
    }
}
