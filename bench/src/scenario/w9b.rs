//! W9b: `/check` while a storm of sign-ins takes all the time that there is for hashing.
//!
//! In an open loop at a quarter of the full load, as `w10`.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::{w1, w9};
use crate::admit::Admit;
use crate::load::Course;
use crate::machine;
use crate::open::{Checker, Pace, Shown, percentile, run as paced, statuses};
use crate::population::Population;
use crate::report::{Goal, show, table};
use crate::storm::{self, Storm};
use crate::{Plan, ROUNDS, Result};

/// How many sign in at a time, each as somebody else.
const CLIENTS: usize = 512;
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
    let prefix = w9::add_people(&admit, &server, "w9b", CLIENTS)?;
    let mut closed = w1::known("closed loop", &server, &keys);
    closed.run(&Course::Each(keys.clone()))?;
    closed.forget();
    closed.turn(plan.warm_up)?;
    let pace = Pace {
        per_s: closed.rate() * LOAD,
        time: plan.round,
        connections: READERS,
        wait: PATIENCE,
        patience: PATIENCE,
    };
    let read = || paced(pace, Checker::some(server.address, &keys, READERS));
    let (mut alone, mut beside, mut signed_in) = (Vec::new(), Vec::new(), 0);
    for round in 1..=ROUNDS {
        eprintln!("round {round} of {ROUNDS}");
        alone.push(read()?);
        let (address, prefix, warm_up) = (server.address, prefix.clone(), plan.warm_up);
        let storm = Storm { address, prefix, people: CLIENTS, clients: CLIENTS, warm_up, time: plan.round };
        let storm = thread::spawn(move || storm::run(&storm));
        thread::sleep(warm_up);
        beside.push(read()?);
        signed_in += storm.join().map_err(|_| "the storm broke".to_owned())??.signed_in;
    }
    let signed_in_per_s = signed_in as f64 / (ROUNDS as f64 * plan.round.as_secs_f64());
    present(&machine, pace, &alone, &beside, signed_in_per_s)
}

fn present(machine: &str, pace: Pace, alone: &[Shown], beside: &[Shown], signed_in_per_s: f64) -> Result<()> {
    let lines = [("/check alone", alone), ("/check beside the storm", beside)];
    for (name, rounds) in lines {
        if let Some(refusal) = rounds.iter().find_map(|shown| shown.first_refusal.as_ref()) {
            return Err(format!("{name}: {}; the first that was refused:\n{refusal}", statuses(rounds)));
        }
    }
    let rows = lines.map(|(name, rounds)| {
        let us = |share| format!("{:.0}", percentile(rounds, share));
        vec![name.to_owned(), us(0.5), us(0.99), statuses(rounds)]
    });
    let figures = |rounds: &[Shown]| -> Value {
        let p99: Vec<_> = rounds.iter().map(|shown| shown.times.percentile(0.99)).collect();
        json!({ "p50_us": percentile(rounds, 0.5), "p99_us": percentile(rounds, 0.99), "p99_us_of_each_round": p99 })
    };
    let (quiet, busy) = (percentile(alone, 0.99) / 1e3, percentile(beside, 0.99) / 1e3);
    let goals = [Goal::at_most("p99 ms beside the storm", (10.0 * quiet).max(20.0), busy)];
    let words = format!("{:.0} requests/s were due; {signed_in_per_s:.1} sign-ins/s beside\n", pace.per_s);
    let head = ["open loop", "p50 µs", "p99 µs", "answers"];
    let all = json!({
        "alone": figures(alone), "beside": figures(beside), "due_per_s": pace.per_s, "sign_ins_per_s": signed_in_per_s,
    });
    show("w9b", machine, &format!("{}\n{words}", table(&head, &rows)), all, &goals)
}
