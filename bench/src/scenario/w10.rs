//! W10: `/check` while somebody else writes: keys are created and revoked over the management API all the time.
//!
//! In an open loop, so that a stall of the server shows in the times of all that came meanwhile.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::w1;
use crate::admit::{API, Admit, SCOPE};
use crate::load::Course;
use crate::open::{Asker, Checker, Line, Pace, Shown, percentile, run as paced, statuses};
use crate::population::Population;
use crate::report::{Goal, median, show, table};
use crate::server::Server;
use crate::{Plan, ROUNDS, Result, machine};

/// How many keys are created or revoked per second: one half each.
const WRITES_PER_S: f64 = 500.0;
/// On how many connections; each writes for a client of its own.
const WRITERS: usize = 16;
/// The part of its closed-loop rate at which the server is asked.
const LOAD: f64 = 0.25;
const READERS: usize = 64;
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs it and shows the table.
pub fn run(plan: &Plan) -> Result<()> {
    let machine = machine::describe();
    let keys = Arc::new(Population::new(plan.many));
    let admit = Admit::stocked(plan, &keys)?;
    let server = Arc::new(admit.serve(&[])?.0);
    let mut closed = w1::known("closed loop", &server, &keys);
    closed.run(&Course::Each(keys.clone()))?;
    closed.forget();
    closed.turn(plan.warm_up)?;
    let owners = owners(&admit)?;
    let (per_s, time) = (closed.rate() * LOAD, plan.round);
    let reading = Pace { per_s, time, connections: READERS, wait: PATIENCE, patience: PATIENCE };
    let mut rounds = Rounds::default();
    for round in 1..=ROUNDS {
        eprintln!("round {round} of {ROUNDS}");
        rounds.alone.push(read(reading, &server, &keys)?);
        let writers = Writer::some(server.address, &admit.operator_key()?, &owners);
        let writing = Pace { per_s: WRITES_PER_S, connections: WRITERS, ..reading };
        let writes = std::thread::spawn(move || paced(writing, writers));
        rounds.beside.push(read(reading, &server, &keys)?);
        rounds.written.push(writes.join().map_err(|_| "the writers broke".to_owned())??);
    }
    present(&machine, reading, &rounds)
}

/// What each round showed.
#[derive(Default)]
struct Rounds {
    alone: Vec<Shown>,
    beside: Vec<Shown>,
    written: Vec<Shown>,
}

fn in_time_per_s(rounds: &[Shown], pace: Pace) -> f64 {
    median(rounds.iter().map(|shown| shown.in_time as f64 / pace.time.as_secs_f64()).collect())
}

fn read(pace: Pace, server: &Server, keys: &Arc<Population>) -> Result<Shown> {
    paced(pace, Checker::some(server.address, keys, READERS))
}

fn present(machine: &str, pace: Pace, rounds: &Rounds) -> Result<()> {
    let Rounds { alone, beside, written } = rounds;
    let lines = [("/check alone", alone), ("/check beside writes", beside), ("create and revoke", written)];
    for (name, rounds) in lines {
        if let Some(refusal) = rounds.iter().find_map(|shown| shown.first_refusal.as_ref()) {
            return Err(format!("{name}: {}; the first that was refused:\n{refusal}", statuses(rounds)));
        }
    }
    let rows = lines.map(|(name, rounds)| {
        vec![
            name.to_owned(),
            format!("{:.0}", in_time_per_s(rounds, pace)),
            format!("{:.0}", percentile(rounds, 0.5)),
            format!("{:.0}", percentile(rounds, 0.99)),
            statuses(rounds),
        ]
    });
    let figures = |rounds: &[Shown]| -> Value {
        let p99: Vec<_> = rounds.iter().map(|shown| shown.times.percentile(0.99)).collect();
        json!({
            "in_time_per_s": in_time_per_s(rounds, pace), "p50_us": percentile(rounds, 0.5),
            "p99_us": percentile(rounds, 0.99), "p99_us_of_each_round": p99, "statuses": statuses(rounds),
        })
    };
    let goals = [
        Goal::at_most("p99 of p99 alone", 2.0, percentile(beside, 0.99) / percentile(alone, 0.99)),
        Goal::at_least("writes per second", 0.99 * WRITES_PER_S, in_time_per_s(written, pace)),
    ];
    let head = ["open loop", "in time/s", "p50 µs", "p99 µs", "answers"];
    let all = json!({ "alone": figures(alone), "beside": figures(beside), "written": figures(written), "due_per_s": pace.per_s });
    show("w10", machine, &table(&head, &rows), all, &goals)
}

/// Clients of this run for whom the keys are made.
fn owners(admit: &Admit) -> Result<Vec<String>> {
    let names: Vec<_> = (0..WRITERS).map(|number| format!("w10-{}-{number}", std::process::id())).collect();
    for name in &names {
        admit.run(&["client", "create", "--name", name, "--type", "service", "--api", API, "--scope", SCOPE])?;
    }
    Ok(names)
}

/// One connection that creates a key, then revokes it.
struct Writer {
    line: Line,
    create: String,
    /// What comes after the id of a key to be revoked.
    revoke: String,
    made: Option<String>,
}

impl Writer {
    fn some(address: SocketAddr, operator_key: &str, owners: &[String]) -> Vec<Self> {
        let one = |owner: &String| {
            let head = format!("HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {operator_key}\r\n");
            let body = json!({ "name": "w10", "owner": owner, "api": API, "scopes": [SCOPE] }).to_string();
            let create = format!(
                "POST /v1/realms/default/keys {head}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            Self { line: Line::new(address), create, revoke: format!(" {head}\r\n"), made: None }
        };
        owners.iter().map(one).collect()
    }

    /// The id in the answer to a creation.
    fn id(&self) -> Option<String> {
        let answer = self.line.answer();
        let body_at = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let body: Value = serde_json::from_slice(&answer[body_at..]).ok()?;
        body.get("id")?.as_str().map(str::to_owned)
    }
}

impl Asker for Writer {
    async fn ask(&mut self) -> std::io::Result<u16> {
        if let Some(id) = self.made.take() {
            let request = format!("DELETE /v1/realms/default/keys/{id}{}", self.revoke);
            return self.line.ask(request.as_bytes()).await;
        }
        let status = self.line.ask(self.create.as_bytes()).await?;
        self.made = self.id();
        Ok(status)
    }

    fn last(&self) -> &[u8] {
        self.line.answer()
    }
}
