//! W1: `/check` with an API key, over a thousand keys and over a million, beside servers that decide nothing.

use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};

use crate::load::{self, Course, Histogram};
use crate::population::Population;
use crate::report::{median, megabytes, show, table};
use crate::server::{Admit, Server, status};
use crate::{Plan, ROUNDS, Result, machine};

/// A server with the keys that it knows.
struct Runner {
    server: Server,
    keys: Arc<Population>,
    rates: Vec<f64>,
    cpu_us: Vec<f64>,
    times: Option<Histogram>,
    refused: u64,
    resident_bytes: u64,
}

/// Runs it and shows the table.
pub fn run(plan: &Plan) -> Result<()> {
    let machine = machine::describe();
    let mut folders = Vec::new();
    let mut runners = vec![Runner::reference("hello")?, Runner::reference("headers")?];
    for count in plan.admit.iter().flat_map(|_| &plan.keys) {
        let (folder, runner) = admit(plan, *count)?;
        folders.push(folder);
        runners.push(runner);
    }
    for runner in &mut runners {
        runner.turn(&Course::Random(plan.warm_up))?;
        runner.forget();
    }
    for round in 1..=ROUNDS {
        eprintln!("round {round} of {ROUNDS}");
        for runner in &mut runners {
            runner.turn(&Course::Random(plan.round))?;
        }
    }
    present(&machine, &runners)?;
    let refused: u64 = runners.iter().map(|runner| runner.refused).sum();
    if refused == 0 { Ok(()) } else { Err(format!("{refused} answers were not 2xx: these figures mean nothing")) }
}

/// Admit with so many keys, each asked for once.
fn admit(plan: &Plan, count: usize) -> Result<(Admit, Runner)> {
    let program = plan.admit.as_deref().ok_or("no admit to measure")?;
    let folder = Admit::new(program, &format!("w1-{count}"), plan.keep)?;
    let (server, _) = folder.serve(&format!("admit, {count} keys"))?;
    let keys = Arc::new(Population::new(count));
    let start = Instant::now();
    folder.seed(&keys)?;
    eprintln!("imported {count} keys in {:.1} s", start.elapsed().as_secs_f64());
    let mut runner = Runner::new(server, keys);
    runner.must_judge()?;
    let start = Instant::now();
    runner.turn(&Course::Each)?;
    eprintln!("asked for each of them once in {:.1} s", start.elapsed().as_secs_f64());
    Ok((folder, runner))
}

impl Runner {
    fn reference(name: &str) -> Result<Self> {
        Ok(Self::new(Server::reference(name)?, Arc::new(Population::new(1_000))))
    }

    fn new(server: Server, keys: Arc<Population>) -> Self {
        let (rates, cpu_us) = (Vec::new(), Vec::new());
        Self { server, keys, rates, cpu_us, times: None, refused: 0, resident_bytes: 0 }
    }

    /// A known key must be admitted and an unknown one refused, else nothing is decided here.
    fn must_judge(&self) -> Result<()> {
        let ask = |key: &str| {
            let (mut request, at) = load::request(key.len());
            request[at..at + key.len()].copy_from_slice(key.as_bytes());
            status(self.server.address, &request)
        };
        let known = self.keys.key(self.keys.len() - 1);
        let stranger = admit_core::secret::write("bench", &[7; 32]);
        match (ask(known)?, ask(stranger.expose())?) {
            (200, 401) => Ok(()),
            (known, unknown) => {
                Err(format!("a known key gets {known}, an unknown one {unknown}: 200 and 401 expected"))
            }
        }
    }

    /// One turn under load; its figures are added.
    fn turn(&mut self, course: &Course) -> Result<()> {
        let (cpu, start) = (self.server.cpu_time()?, Instant::now());
        let seen = load::run(self.server.address, &self.keys, course)?;
        let (took, cpu) = (start.elapsed(), self.server.cpu_time()? - cpu);
        if let Some(refusal) = &seen.first_refusal {
            return Err(format!("{}: {} answers were not 2xx, the first:\n{refusal}", self.server.name, seen.refused));
        }
        self.rates.push(seen.answers as f64 / took.as_secs_f64());
        self.cpu_us.push(cpu.as_secs_f64() * 1e6 / seen.answers.max(1) as f64);
        self.refused += seen.refused;
        self.resident_bytes = self.server.resident_bytes()?;
        match &mut self.times {
            Some(times) => times.add(&seen.times),
            None => self.times = Some(seen.times),
        }
        Ok(())
    }

    fn forget(&mut self) {
        self.rates.clear();
        self.cpu_us.clear();
        self.times = None;
    }

    fn percentile(&self, share: f64) -> u64 {
        self.times.as_ref().map_or(0, |times| times.percentile(share))
    }
}

const HEAD: [&str; 9] =
    ["server", "CPU µs/request", "of hello", "of headers", "requests/s", "p50 µs", "p99 µs", "not 2xx", "MB"];

fn present(machine: &str, runners: &[Runner]) -> Result<()> {
    let base = |number: usize| runners.get(number).map_or(0.0, |runner| median(runner.cpu_us.clone()));
    let (hello, headers) = (base(0), base(1));
    let (mut rows, mut figures) = (Vec::new(), Vec::new());
    for runner in runners {
        let (cpu, rate) = (median(runner.cpu_us.clone()), median(runner.rates.clone()));
        rows.push(vec![
            runner.server.name.clone(),
            format!("{cpu:.2}"),
            format!("{:.2}", cpu / hello),
            format!("{:.2}", cpu / headers),
            format!("{rate:.0}"),
            runner.percentile(0.5).to_string(),
            runner.percentile(0.99).to_string(),
            runner.refused.to_string(),
            megabytes(runner.resident_bytes),
        ]);
        figures.push(figures_of(runner, cpu, rate, hello, headers));
    }
    show("w1", machine, &table(&HEAD, &rows), json!({ "servers": figures }))
}

fn figures_of(runner: &Runner, cpu: f64, rate: f64, hello: f64, headers: f64) -> Value {
    json!({
        "server": runner.server.name,
        "keys": runner.keys.len(),
        "cpu_us_per_request": cpu,
        "cpu_us_per_request_of_each_round": runner.cpu_us,
        "ratio_to_hello": cpu / hello,
        "ratio_to_headers": cpu / headers,
        "requests_per_s": rate,
        "p50_us": runner.percentile(0.5),
        "p99_us": runner.percentile(0.99),
        "not_2xx": runner.refused,
        "resident_bytes": runner.resident_bytes,
    })
}
