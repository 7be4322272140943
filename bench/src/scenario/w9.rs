//! W9: sign-ins with a password, from one client to 512, beside what hashing alone allows.
//!
//! The bound is taken in the same minutes, in this program, with the same code: how many passwords one thread hashes in a
//! second, in memory that it keeps, times as many threads as can be of use.

use std::thread;
use std::time::{Duration, Instant};

use admit_core::login::hash::{self, Cost, Memory};
use admit_core::login::password::Password;
use serde_json::{Value, json};

use crate::admit::Admit;
use crate::machine::{self, Watch};
use crate::people::{self, PASSWORD, Person, State};
use crate::report::{Goal, median, megabytes, show, table};
use crate::server::Server;
use crate::storm::{self, Shown, Storm};
use crate::{Plan, ROUNDS, Result};

const CLIENTS: [usize; 4] = [1, 8, 64, 512];
/// How many people there are: nobody's hundred live sessions are soon reached.
const PEOPLE: usize = 1_024;
/// Memory of one hash, in bytes.
const HASH_BYTES: u64 = 19 << 20;

/// Runs it and shows the table.
pub fn run(plan: &Plan) -> Result<()> {
    let machine = machine::describe();
    let (admit, server, prefix) = with_people(plan, "w9", PEOPLE)?;
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let storm = |clients, time| {
        let (address, prefix) = (server.address, prefix.clone());
        Storm { address, prefix, people: PEOPLE, clients, warm_up: plan.warm_up, time }
    };
    let before = server.resident_bytes()?;
    let watch = Watch::start(server.process());
    let (mut alone, mut together) = (Vec::new(), Vec::new());
    let mut turns: Vec<Turns> = CLIENTS.map(Turns::of).into();
    for round in 1..=ROUNDS {
        eprintln!("round {round} of {ROUNDS}");
        alone.push(hashes_per_s(1, plan.round / 2)?);
        together.push(hashes_per_s(threads, plan.round / 2)?);
        for turn in &mut turns {
            let shown = storm::run(&storm(turn.clients, plan.round))?;
            turn.rates.push(shown.signed_in as f64 / plan.round.as_secs_f64());
            turn.shown.add(shown);
        }
    }
    let most = watch.stop().into_iter().max().unwrap_or(u64::MAX);
    drop(server);
    let _ = std::fs::remove_dir_all(admit.folder());
    let bound = Bound { alone: median(alone), together: median(together), threads };
    present(&machine, &bound, &turns, (before, most))
}

/// A server of its own with people who can sign in, and what they are called before their numbers.
pub fn with_people(plan: &Plan, name: &str, count: usize) -> Result<(Admit, Server, String)> {
    let admit = Admit::new(plan, &format!("{name}-{}", std::process::id()))?;
    let (server, _) = admit.serve(&[])?;
    let prefix = add_people(&admit, &server, name, count)?;
    Ok((admit, server, prefix))
}

/// People who can sign in, of this run.
pub fn add_people(admit: &Admit, server: &Server, name: &str, count: usize) -> Result<String> {
    let prefix = format!("{name}-{}-", std::process::id());
    let usual = |number| Person { name: format!("{prefix}{number}"), state: State::Usual };
    people::make(admit, server, &(0..count).map(usual).collect::<Vec<_>>())?;
    Ok(prefix)
}

/// What hashing alone allows.
struct Bound {
    /// Passwords per second of one thread.
    alone: f64,
    /// Of all threads at once: they share the memory of the machine.
    together: f64,
    threads: usize,
}

impl Bound {
    fn of(&self, clients: usize) -> f64 {
        self.alone * clients.min(self.threads) as f64
    }
}

/// What so many clients had.
struct Turns {
    clients: usize,
    rates: Vec<f64>,
    shown: Shown,
}

impl Turns {
    fn of(clients: usize) -> Self {
        Self { clients, rates: Vec::new(), shown: Shown::new() }
    }

    fn rate(&self) -> f64 {
        median(self.rates.clone())
    }

    fn row(&self, bound: &Bound) -> Vec<String> {
        let ms = |us: u64| format!("{:.0}", us as f64 / 1e3);
        vec![
            self.clients.to_string(),
            format!("{:.1}", self.rate()),
            format!("{:.2}", self.rate() / bound.of(self.clients)),
            ms(self.shown.times.percentile(0.5)),
            ms(self.shown.times.percentile(0.99)),
            ms(self.shown.refused_times.percentile(0.99)),
            self.shown.statuses.shown(),
        ]
    }

    fn figures(&self, bound: &Bound) -> Value {
        json!({
            "clients": self.clients, "sign_ins_per_s": self.rate(), "sign_ins_per_s_of_each_round": self.rates,
            "of_bound": self.rate() / bound.of(self.clients), "p50_us": self.shown.times.percentile(0.5),
            "p99_us": self.shown.times.percentile(0.99), "refused_p99_us": self.shown.refused_times.percentile(0.99),
            "statuses": self.shown.statuses.shown(),
        })
    }
}

fn present(machine: &str, bound: &Bound, turns: &[Turns], (before, most): (u64, u64)) -> Result<()> {
    let rows: Vec<_> = turns.iter().map(|turn| turn.row(bound)).collect();
    let head = ["clients", "sign-ins/s", "of hashing alone", "p50 ms", "p99 ms", "p99 ms to a 503", "answers"];
    let words = format!(
        "Hashing alone: {:.1}/s in one thread, {:.1}/s in {} at once. Memory: {} MB before, {} MB at most\n",
        bound.alone,
        bound.together,
        bound.threads,
        megabytes(before),
        megabytes(most)
    );
    let growth = most.saturating_sub(before) as f64 / 1e6;
    let bearable = (bound.threads as u64 * HASH_BYTES) as f64 / 1e6 + 20.0;
    let mut goals: Vec<_> = turns
        .iter()
        .map(|turn| {
            Goal::at_least(
                format!("{} clients of hashing alone", turn.clients),
                0.85,
                turn.rate() / bound.of(turn.clients),
            )
        })
        .collect();
    goals.push(Goal::at_most("MB more than before", bearable, growth));
    let refused = turns.last().map_or(f64::NAN, |turn| turn.shown.refused_times.percentile(0.99) as f64 / 1e3);
    goals.push(Goal::at_most("p99 ms to a 503, of 512 clients", 100.0, refused));
    let figures: Vec<_> = turns.iter().map(|turn| turn.figures(bound)).collect();
    let all = json!({
        "clients": figures, "hashes_per_s_of_one_thread": bound.alone, "hashes_per_s_of_all_threads": bound.together,
        "threads": bound.threads, "before_bytes": before, "most_bytes": most,
    });
    show("w9", machine, &format!("{}\n{words}", table(&head, &rows)), all, &goals)
}

/// How many passwords so many threads hash in a second.
fn hashes_per_s(threads: usize, time: Duration) -> Result<f64> {
    let workers: Vec<_> = (0..threads).map(|_| thread::spawn(move || hash_for(time))).collect();
    let rates = workers.into_iter().map(|worker| worker.join().map_err(|_| "a hash broke".to_owned())?);
    rates.sum()
}

fn hash_for(time: Duration) -> Result<f64> {
    let password = Password::parse(PASSWORD).map_err(|why| format!("{why:?}"))?;
    let mut memory = Memory::default();
    let hashed =
        |memory: &mut Memory| hash::hash(&password, &[7; 16], Cost::default(), memory).map_err(|bad| bad.to_string());
    hashed(&mut memory)?;
    let (start, mut count) = (Instant::now(), 0_u32);
    while start.elapsed() < time {
        hashed(&mut memory)?;
        count += 1;
    }
    Ok(f64::from(count) / start.elapsed().as_secs_f64())
}
