//! `admit doctor`: what the server finds about itself, what only this side can see, and with `--gateway` what gets past
//! a gateway. Each finding prints its fix; exit 1 where one of them is an error.

use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use admit_core::secret::Secret;
use reqwest::{Method, Url};
use serde_json::{Value, json};

use crate::cli::failure::Failure;
use crate::cli::noun::take_items;
use crate::cli::output::{Dress, clean};
use crate::cli::server::{Answer, Server, path};
use crate::cli::{Context, probe, source};

/// From how many seconds on two clocks differ noticeably, and badly.
const CLOCK_NOTICED_S: u64 = 5;
const CLOCK_BAD_S: u64 = 60;

#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  admit doctor
  admit doctor --gateway http://127.0.0.1:8080/demo/orders --host shop.test --key-file ci.key")]
pub struct Doctor {
    /// Send spoofed requests through your own gateway to this protected URL
    #[arg(long, value_name = "URL")]
    gateway: Option<Url>,
    /// The Host of those requests, where it is not the URL's
    #[arg(long, requires = "gateway")]
    host: Option<String>,
    /// A key that the URL admits: then what arrives behind the gateway is looked at too
    #[arg(long, value_name = "FILE", requires = "gateway")]
    key_file: Option<PathBuf>,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// As it should be.
    Ok,
    /// May turn out badly.
    Warning,
    /// Has to be mended.
    Error,
}

/// One thing that was looked at.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What was found.
    pub what: String,
    /// What to do.
    pub fix: Option<String>,
}

impl Finding {
    /// As it should be.
    pub fn ok(what: impl Into<String>) -> Self {
        Self { level: Level::Ok, what: what.into(), fix: None }
    }

    /// May turn out badly.
    pub fn warning(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { level: Level::Warning, what: what.into(), fix: Some(fix.into()) }
    }

    /// Has to be mended.
    pub fn error(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { level: Level::Error, what: what.into(), fix: Some(fix.into()) }
    }
}

/// Looks everywhere and prints.
pub async fn run(context: &Context, command: Doctor) -> Result<(), Failure> {
    let key = command.key_file.as_deref().map(source::read_key_file).transpose()?;
    let mut findings = look_here(context);
    findings.extend(look_there(context).await);
    if let Some(gateway) = &command.gateway {
        findings.extend(look_through(gateway, command.host.as_deref(), key).await?);
    }
    print(context, &findings);
    if findings.iter().any(|finding| finding.level == Level::Error) { Err(Failure::no()) } else { Ok(()) }
}

async fn look_through(gateway: &Url, host: Option<&str>, key: Option<Secret>) -> Result<Vec<Finding>, Failure> {
    if !matches!(gateway.scheme(), "http" | "https") || gateway.query().is_some() {
        return Err(Failure::usage("--gateway must be an http or https URL without a query"));
    }
    probe::run(gateway, host, key.as_ref()).await
}

/// The data folder, where there is one on this machine.
fn look_here(context: &Context) -> Vec<Finding> {
    let Ok(target) = source::settle(&context.given, &*context.env, &context.here) else { return Vec::new() };
    let Some(folder) = target.folder else { return Vec::new() };
    let open = source::exposure(&folder);
    if open.is_empty() {
        return vec![Finding::ok(format!("only you can read {}", folder.display()))];
    }
    open.into_iter()
        .map(|fix| Finding::error(format!("others can read what is in {}", folder.display()), fix))
        .collect()
}

/// The server's own findings, its clock and its version.
async fn look_there(context: &Context) -> Vec<Finding> {
    match ask(context).await {
        Err(failure) => vec![of_failure(&failure)],
        Ok(mut answer) => {
            let mut findings = vec![Finding::ok("the server answers")];
            findings.extend(answer.date.as_deref().and_then(|date| clock(date, own_seconds()?)));
            findings.extend(answer.server.as_deref().and_then(version));
            findings.extend(take_items(&mut answer.body).iter().map(of_server));
            findings
        }
    }
}

async fn ask(context: &Context) -> Result<Answer, Failure> {
    let server: Server = context.server()?;
    server.send(Method::GET, &path(&["doctor"])?, None).await
}

/// A failure's message ends with its remedy: `… . Start one: admit serve`.
fn of_failure(failure: &Failure) -> Finding {
    let parted = failure.message.rsplit_once(". ");
    let remedy = parted.and_then(|(what, rest)| Some((what, rest.split_once(": ")?.1)));
    let (what, fix) = remedy.map_or((failure.message.as_str(), None), |(what, fix)| (what, Some(fix.to_owned())));
    Finding { level: Level::Error, what: what.to_owned(), fix }
}

fn of_server(item: &Value) -> Finding {
    let text = |name: &str| item.get(name).and_then(Value::as_str);
    let level = match text("level") {
        Some("ok") => Level::Ok,
        Some("warning") => Level::Warning,
        _ => Level::Error,
    };
    Finding { level, what: text("what").unwrap_or_default().to_owned(), fix: text("fix").map(str::to_owned) }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the command line has no server's clock: this is the other one of the two"
)]
fn own_seconds() -> Option<i64> {
    let since = std::time::SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()
}

/// Compares the `Date` of an answer (RFC 9110 §6.6.1) with our own clock.
fn clock(date: &str, own_seconds: i64) -> Option<Finding> {
    let format = time::macros::format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    let there = time::PrimitiveDateTime::parse(date, format).ok()?.assume_utc().unix_timestamp();
    let apart = there.abs_diff(own_seconds);
    let what = format!("the clocks here and at the server are {apart} s apart");
    let fix = "set both by NTP: timedatectl set-ntp true";
    Some(match apart {
        0..CLOCK_NOTICED_S => Finding::ok("the clocks here and at the server agree"),
        CLOCK_NOTICED_S..CLOCK_BAD_S => Finding::warning(what, fix),
        _ => Finding::error(what, fix),
    })
}

/// Compares `Server: admit/0.1.0` with what we are; nothing where the server does not say.
fn version(server: &str) -> Option<Finding> {
    let there = server.strip_prefix("admit/")?;
    let here = env!("CARGO_PKG_VERSION");
    Some(if there == here {
        Finding::ok(format!("server and command line are both {here}"))
    } else {
        Finding::warning(format!("the server is {there}, this command line {here}"), "use the same version of both")
    })
}

fn print(context: &Context, findings: &[Finding]) {
    let output = &context.output;
    let word = |level: Level| match level {
        Level::Ok => "ok",
        Level::Warning => "warning",
        Level::Error => "error",
    };
    if output.json {
        let item = |finding: &Finding| json!({"level": word(finding.level), "what": finding.what, "fix": finding.fix});
        return output.json(&json!({ "items": findings.iter().map(item).collect::<Vec<_>>() }));
    }
    for finding in findings {
        let (mark, dress) = match finding.level {
            Level::Ok => ("✓", Dress::Green),
            Level::Warning => ("!", Dress::Yellow),
            Level::Error => ("✗", Dress::Red),
        };
        output.line(&format!("{} {}", output.dress(mark, dress), lines(&finding.what)));
        if let Some(fix) = &finding.fix {
            output.line(&format!("    fix: {}", output.in_realm(&lines(fix))));
        }
    }
}

fn lines(text: &str) -> String {
    text.lines().map(clean).collect::<Vec<_>>().join("\n    ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::test_console::{Console, Reply};

    #[test]
    fn clocks_may_differ_a_little() {
        let date = "Sun, 22 Nov 2026 10:00:00 GMT";
        let now = 1_795_341_600;
        let level = |seconds| clock(date, seconds).unwrap().level;
        assert_eq!(
            [level(now + 4), level(now - 5), level(now + 59), level(now + 60)],
            [Level::Ok, Level::Warning, Level::Warning, Level::Error]
        );
        assert_eq!(clock("yesterday", now), None);
    }

    #[test]
    fn versions_are_compared_where_they_are_told() {
        assert_eq!(version("nginx"), None);
        assert_eq!(version("admit/9.9.9").unwrap().level, Level::Warning);
    }

    #[tokio::test]
    async fn the_server_s_findings_are_shown_with_their_fix() {
        let items = json!({"items": [{"level": "ok", "what": "store answers", "fix": null},
            {"level": "error", "what": "public_url is http", "fix": "set public_url"}]});
        let ran = Console::new([Reply::json(200, items)]).await.run("doctor").await;
        let expected = "✓ the server answers\n✓ store answers\n✗ public_url is http\n    fix: set public_url\n";
        assert_eq!((ran.exit, ran.out.as_str()), (1, expected));
    }

    #[tokio::test]
    async fn a_server_that_is_down_is_a_finding() {
        let mut console = Console::new([]).await;
        console.url = "http://127.0.0.1:1".into();
        let ran = console.run("doctor --json").await;
        let said: Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!((ran.exit, said["items"][0]["level"].as_str()), (1, Some("error")));
        assert_eq!(said["items"][0]["what"], "no server answers at http://127.0.0.1:1");
        assert_eq!(said["items"][0]["fix"], "admit serve");
    }
}
