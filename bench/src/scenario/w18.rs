//! W18: twice the load that the server can take, for half a minute, and how soon it is itself again.
//!
//! The server has one core and the load another, so that it is the server that is short of time. What it can take is measured
//! first, in a closed loop. The load comes as from gateways: over many connections, but not any number; what finds none free
//! for a moment is given up. An answer counts where it is 2xx and comes before the client has lost patience.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::w1;
use crate::admit::Admit;
use crate::load::Course;
use crate::machine::Watch;
use crate::open::{Checker, Pace, Shown, run as paced};
use crate::population::Population;
use crate::question::Question;
use crate::report::{Goal, megabytes, show, table};
use crate::server::{Server, status};
use crate::{Plan, Result, machine};

/// How many connections there are.
const CLIENTS: usize = 1_000;
/// How long a request may wait for one of them.
const WAIT: Duration = Duration::from_millis(100);
/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// How soon an answer comes where the server is itself again, and how many in a row must.
const SOON: Duration = Duration::from_millis(10);
const IN_A_ROW: u32 = 20;
/// How long that is waited for.
const RECOVERY_MAX: Duration = Duration::from_secs(20);

/// Runs it and shows the table.
pub fn run(plan: &Plan) -> Result<()> {
    let machine = machine::describe();
    let keys = Arc::new(Population::new(plan.many));
    let server = Arc::new(Admit::stocked(plan, &keys)?.serve_on_core(0)?);
    let cores = Cores::all_but_the_first()?;
    let mut closed = w1::known("closed loop", &server, &keys);
    closed.run(&Course::Each(keys.clone()))?;
    closed.forget();
    closed.turn(plan.round)?;
    let (peak, time) = (closed.rate(), plan.long / 2);
    let pace = Pace { per_s: 2.0 * peak, time, connections: CLIENTS, wait: WAIT, patience: PATIENCE };
    // What so many connections cost is not growth.
    paced(Pace { per_s: peak / 2.0, time: plan.warm_up, ..pace }, Checker::some(server.address, &keys, CLIENTS))?;
    let before = server.resident_bytes()?;
    let watch = Watch::start(server.process());
    let shown = paced(pace, Checker::some(server.address, &keys, CLIENTS))?;
    let recovery = recovery(&server, &keys)?;
    let most = watch.stop().into_iter().max().unwrap_or(u64::MAX);
    drop(cores);
    present(&machine, peak, pace, &shown, recovery, (before, most))
}

fn present(
    machine: &str,
    peak: f64,
    pace: Pace,
    shown: &Shown,
    recovery: Duration,
    (before, most): (u64, u64),
) -> Result<()> {
    let goodput = shown.in_time as f64 / pace.time.as_secs_f64();
    let row = |what: &str, figure: String| vec![what.to_owned(), figure];
    let rows = [
        row("closed loop, answers/s", format!("{peak:.0}")),
        row("due/s", format!("{:.0}", pace.per_s)),
        row("2xx in time/s", format!("{goodput:.0}")),
        row("given up unsent/s", format!("{:.0}", shown.given_up as f64 / pace.time.as_secs_f64())),
        row("answers", shown.statuses.shown()),
        row("p50 µs since due", shown.times.percentile(0.5).to_string()),
        row("p99 µs since due", shown.times.percentile(0.99).to_string()),
        row("MB before", megabytes(before)),
        row("MB at most", megabytes(most)),
        row("recovery, ms", recovery.as_millis().to_string()),
    ];
    let figures = json!({
        "peak_per_s": peak, "due_per_s": pace.per_s, "goodput_per_s": goodput, "given_up": shown.given_up,
        "statuses": shown.statuses.shown(), "p50_us": shown.times.percentile(0.5), "p99_us": shown.times.percentile(0.99),
        "before_bytes": before, "most_bytes": most, "recovery_ms": recovery.as_millis() as u64,
    });
    let goals = [
        Goal::at_least("goodput of the closed loop's", 0.85, goodput / peak),
        Goal::at_most("memory of that before", 1.2, most as f64 / before as f64),
        Goal::at_most("s until it is itself again", 1.0, recovery.as_secs_f64()),
    ];
    show("w18", machine, &table(&["server on one core", "figure"], &rows), figures, &goals)
}

/// How long until answers come soon again, one after the other, each on a connection of its own.
fn recovery(server: &Server, keys: &Population) -> Result<Duration> {
    let question = Question::check(keys.key_len()).with(keys.key(0));
    let start = Instant::now();
    let (mut since, mut in_a_row) = (start, 0);
    while in_a_row < IN_A_ROW {
        if start.elapsed() > RECOVERY_MAX {
            return Err(format!("after {} s it still answers late", RECOVERY_MAX.as_secs()));
        }
        let sent = Instant::now();
        let is_good = status(server.address, question.bytes()).is_ok_and(|status| status == 200);
        if is_good && sent.elapsed() <= SOON {
            in_a_row += 1;
        } else {
            (since, in_a_row) = (Instant::now(), 0);
        }
    }
    Ok(since - start)
}

/// Keeps this process off the core of the server, while it is held.
struct Cores(String);

impl Cores {
    fn all_but_the_first() -> Result<Self> {
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        if count < 2 {
            return Err("one core is for the server and one for the load: this machine has only one".to_owned());
        }
        let cores = Self(format!("0-{}", count - 1));
        settle(&format!("1-{}", count - 1))?;
        Ok(cores)
    }
}

impl Drop for Cores {
    fn drop(&mut self) {
        let _ = settle(&self.0);
    }
}

/// Moves all threads of this process to these cores.
fn settle(cores: &str) -> Result<()> {
    let mut command = Command::new("taskset");
    command.args(["--all-tasks", "--cpu-list", "--pid", cores, &std::process::id().to_string()]);
    let output = command.output().map_err(|error| format!("cannot run taskset (util-linux): {error}"))?;
    let said = || String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(format!("taskset: {}", said())) }
}
