//! `admit audit verify`: whether the audit is as it was sealed. Exit 1 where it is not.

use serde_json::{Value, json};

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::output::{Dress, clean};
use crate::cli::server::{path, with_query};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Find what was changed, deleted, added or moved since it was sealed
    #[command(before_help = "Examples:\n  admit audit verify\n  admit audit verify --json")]
    Verify,
}

/// What all parts together come to.
#[derive(Default)]
struct Sum {
    checked: u64,
    events: u64,
    unsealed: u64,
    last: i64,
    left_off: u64,
    findings: Vec<Value>,
}

/// Walks along the whole audit.
pub async fn run(context: &Context, Command::Verify: Command) -> Result<(), Failure> {
    let (server, output) = (context.server()?, &context.output);
    let mut sum = Sum::default();
    let mut after = None;
    loop {
        let query = with_query(&path(&["audit", "verify"])?, &[("after", after.map(|after: i64| after.to_string()))]);
        let mut part = server.get(&query).await?;
        let found = sum.add(&mut part);
        output.progress(&format!("{} events checked", sum.events));
        if !output.json {
            found.iter().for_each(|finding| print(context, finding));
        }
        sum.findings.extend(found);
        let next = part.get("next").and_then(Value::as_i64);
        // A server that does not get on is not asked for ever.
        match next.filter(|next| after.is_none_or(|after| *next > after)) {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    output.progress("");
    sum.say(context)
}

impl Sum {
    /// Adds the figures of a part and returns its findings.
    fn add(&mut self, part: &mut Value) -> Vec<Value> {
        let count = |name: &str| part.get(name).and_then(Value::as_u64).unwrap_or(0);
        self.checked += count("checked");
        self.events += count("events");
        self.unsealed += count("unsealed");
        self.left_off += count("findings_left_off");
        self.last = part.get("last").and_then(Value::as_i64).unwrap_or(self.last);
        match part.get_mut("findings").map(Value::take) {
            Some(Value::Array(findings)) => findings,
            _ => Vec::new(),
        }
    }

    fn say(self, context: &Context) -> Result<(), Failure> {
        let Self { checked, events, unsealed, last, left_off, findings } = self;
        let output = &context.output;
        let is_whole = findings.is_empty();
        output.note(&format!("checked {events} events in {checked} seals; {unsealed} events wait for their seal"));
        if left_off > 0 {
            output.note(&format!("{left_off} more findings are not shown"));
        }
        if output.json {
            output.json(&json!({ "checked": checked, "events": events, "unsealed": unsealed, "last": last,
                "findings": findings, "findings_left_off": left_off }));
        } else if is_whole {
            output.line(&output.dress("the audit is as it was sealed", Dress::Green));
        }
        if is_whole { Ok(()) } else { Err(Failure::no()) }
    }
}

fn print(context: &Context, finding: &Value) {
    let text = |name: &str| finding.get(name).and_then(Value::as_str).map(clean).unwrap_or_default();
    context.output.line(&format!("{}  {}", context.output.dress(&text("kind"), Dress::Red), text("says")));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::test_console::{Console, Reply};

    fn part(next: Option<i64>, findings: Value) -> Reply {
        let unsealed = next.is_none().then_some(2);
        let last = next.unwrap_or(9);
        let part = json!({"checked": 3, "events": 10, "last": last, "next": next, "unsealed": unsealed,
            "findings": findings, "findings_left_off": 0});
        Reply::json(200, part)
    }

    #[tokio::test]
    async fn every_part_is_asked_for_and_a_whole_audit_is_said_to_be_one() {
        let console = Console::new([part(Some(4), json!([])), part(None, json!([]))]).await;
        let ran = console.run("audit verify").await;
        assert_eq!((ran.exit, ran.out.as_str()), (0, "the audit is as it was sealed\n"));
        assert!(ran.err.contains("checked 20 events in 6 seals; 2 events wait for their seal"), "{}", ran.err);
        let lines: Vec<_> = console.requests().iter().map(|request| request.line.clone()).collect();
        assert_eq!(lines, ["GET /v1/audit/verify HTTP/1.1", "GET /v1/audit/verify?after=4 HTTP/1.1"]);
    }

    #[tokio::test]
    async fn what_is_found_is_printed_and_ends_with_1() {
        let finding =
            json!({"kind": "event_changed", "seal": 1, "event": 7, "says": "event 7 (seal 1) was changed\u{1b}"});
        let reply = || part(None, json!([finding]));
        let ran = Console::new([reply()]).await.run("audit verify").await;
        assert_eq!((ran.exit, ran.out.as_str()), (1, "event_changed  event 7 (seal 1) was changed\u{FFFD}\n"));
        assert!(!ran.err.contains("error"), "{}", ran.err);
        let ran = Console::new([reply()]).await.run("audit verify --json").await;
        let said: Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!((ran.exit, &said["findings"][0]["event"], &said["events"]), (1, &json!(7), &json!(10)));
    }

    #[tokio::test]
    async fn a_server_that_says_the_same_again_and_again_is_left() {
        let console = Console::answering(|_| part(Some(4), json!([]))).await;
        console.run("audit verify").await;
        assert_eq!(console.requests().len(), 2);
    }
}
