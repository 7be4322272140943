//! One that is compared: the servers that do its work, what it is asked, and what it showed in its turns.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::histogram::Histogram;
use crate::load::{self, Course, Statuses};
use crate::question::Question;
use crate::report::{median, megabytes};
use crate::server::Server;
use crate::{Plan, ROUNDS, Result};

/// A line of the table.
pub struct Contender {
    /// What the table calls it.
    pub name: String,
    /// The first is the one that is asked; the processor time and the memory of all of them count.
    servers: Vec<Arc<Server>>,
    question: Question,
    expected: &'static [u16],
    course: Box<dyn Fn(Duration) -> Course>,
    rates: Vec<f64>,
    cpu_us: Vec<f64>,
    times: Histogram,
    statuses: Statuses,
    resident_bytes: u64,
}

impl Contender {
    /// One that must admit all it is asked.
    pub fn new(
        name: impl Into<String>,
        servers: Vec<Arc<Server>>,
        question: Question,
        course: impl Fn(Duration) -> Course + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            servers,
            question,
            expected: &[200],
            course: Box::new(course),
            rates: Vec::new(),
            cpu_us: Vec::new(),
            times: Histogram::new(),
            statuses: Statuses::default(),
            resident_bytes: 0,
        }
    }

    /// One that must answer with these.
    pub fn expecting(self, expected: &'static [u16]) -> Self {
        Self { expected, ..self }
    }

    /// One turn of this length; its figures are added.
    pub fn turn(&mut self, time: Duration) -> Result<()> {
        let course = (self.course)(time);
        self.run(&course)
    }

    /// One turn on a course of its own.
    pub fn run(&mut self, course: &Course) -> Result<()> {
        let Some(asked) = self.servers.first() else { return Err(format!("{} has no server", self.name)) };
        let (cpu, start) = (self.cpu_time()?, Instant::now());
        let seen = load::run(asked.address, &self.question, course, self.expected)?;
        let (took, cpu) = (start.elapsed(), self.cpu_time()? - cpu);
        if let Some(surprise) = &seen.first_surprise {
            let (expected, statuses) = (self.expected, seen.statuses.shown());
            return Err(format!("{}: {statuses}, where {expected:?} was expected; the first:\n{surprise}", self.name));
        }
        let answers = seen.statuses.all();
        self.rates.push(answers as f64 / took.as_secs_f64());
        self.cpu_us.push(cpu.as_secs_f64() * 1e6 / answers.max(1) as f64);
        self.statuses.add(&seen.statuses);
        self.times.add(&seen.times);
        self.resident_bytes = self.servers.iter().map(|server| server.resident_bytes()).sum::<Result<_>>()?;
        Ok(())
    }

    /// Forgets what it showed so far.
    pub fn forget(&mut self) {
        (self.rates, self.cpu_us) = (Vec::new(), Vec::new());
        (self.times, self.statuses) = (Histogram::new(), Statuses::default());
    }

    /// Microseconds of processor time per request, the median of its turns.
    pub fn cpu_us(&self) -> f64 {
        median(self.cpu_us.clone())
    }

    /// Answers per second, the median of its turns.
    pub fn rate(&self) -> f64 {
        median(self.rates.clone())
    }

    fn cpu_time(&self) -> Result<Duration> {
        self.servers.iter().map(|server| server.cpu_time()).sum()
    }

    fn row(&self, base: Option<&Self>) -> Vec<String> {
        let ratio = base.map_or_else(String::new, |base| format!("{:.2}", self.cpu_us() / base.cpu_us()));
        vec![
            self.name.clone(),
            format!("{:.2}", self.cpu_us()),
            ratio,
            format!("{:.0}", self.rate()),
            self.times.percentile(0.5).to_string(),
            self.times.percentile(0.99).to_string(),
            self.statuses.shown(),
            megabytes(self.resident_bytes),
        ]
    }

    fn figures(&self, base: Option<&Self>) -> Value {
        json!({
            "server": self.name,
            "cpu_us_per_request": self.cpu_us(),
            "cpu_us_per_request_of_each_round": self.cpu_us,
            "ratio": base.map(|base| self.cpu_us() / base.cpu_us()),
            "requests_per_s": self.rate(),
            "requests_per_s_of_each_round": self.rates,
            "p50_us": self.times.percentile(0.5),
            "p99_us": self.times.percentile(0.99),
            "statuses": self.statuses.shown(),
            "not_2xx": self.statuses.refused(),
            "resident_bytes": self.resident_bytes,
        })
    }
}

/// Warms all of them up, then lets each have its turn, round by round.
pub fn compete(plan: &Plan, contenders: &mut [Contender]) -> Result<()> {
    for contender in &mut *contenders {
        contender.turn(plan.warm_up)?;
        contender.forget();
    }
    for round in 1..=ROUNDS {
        eprintln!("round {round} of {ROUNDS}");
        for contender in &mut *contenders {
            contender.turn(plan.round)?;
        }
    }
    Ok(())
}

/// The table, with ratios to the first of them, and the same for programs.
pub fn table(contenders: &[Contender]) -> (String, Value) {
    let base = contenders.first();
    let of_base = base.map_or_else(String::new, |base| format!("of {}", base.name));
    let head = ["server", "CPU µs/request", &of_base, "requests/s", "p50 µs", "p99 µs", "answers", "MB"];
    let rows: Vec<_> = contenders.iter().map(|contender| contender.row(base)).collect();
    let figures: Vec<_> = contenders.iter().map(|contender| contender.figures(base)).collect();
    (crate::report::table(&head, &rows), json!({ "servers": figures }))
}
