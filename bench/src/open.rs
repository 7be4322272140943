//! The open loop: requests are due at fixed times, whether the server keeps up or not.
//!
//! The time of an answer counts from when its request was due, so that a server that stalls cannot hide those that it kept
//! waiting (no coordinated omission). A request that finds no connection free for too long is given up unsent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::Result;
use crate::histogram::Histogram;
use crate::load::{Statuses, on_one_thread};
use crate::population::{Numbers, Population};
use crate::question::{ANSWER_MAX, Question, read_answer};
use crate::report::median;

/// How often requests that have become due are let go. A timer of the runtime would be ten times as coarse.
const TICK: Duration = Duration::from_micros(200);

/// How many requests are due, and who sends them.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// So many per second.
    pub per_s: f64,
    /// For so long.
    pub time: Duration,
    /// On so many connections.
    pub connections: usize,
    /// How long a request may wait for a connection.
    pub wait: Duration,
    /// How long a client waits for an answer, from when its request was due.
    pub patience: Duration,
}

impl Pace {
    fn all(&self) -> u64 {
        (self.per_s * self.time.as_secs_f64()) as u64
    }

    fn due(&self, number: u64) -> Duration {
        Duration::from_secs_f64(number as f64 / self.per_s)
    }
}

/// What came of it.
pub struct Shown {
    /// From when a request was due to its answer.
    pub times: Histogram,
    /// Answers by status; 0 where the connection broke.
    pub statuses: Statuses,
    /// How many were answered 2xx before clients lost patience.
    pub in_time: u64,
    /// How many were given up unsent.
    pub given_up: u64,
    /// The first that was not 2xx, in words.
    pub first_refusal: Option<String>,
}

impl Shown {
    fn new() -> Self {
        let (times, statuses) = (Histogram::new(), Statuses::default());
        Self { times, statuses, in_time: 0, given_up: 0, first_refusal: None }
    }

    fn add(&mut self, other: Self) {
        self.times.add(&other.times);
        self.statuses.add(&other.statuses);
        self.in_time += other.in_time;
        self.given_up += other.given_up;
        self.first_refusal = self.first_refusal.take().or(other.first_refusal);
    }
}

/// The median of what the rounds have below them: one stall of the machine is not the server's.
pub fn percentile(rounds: &[Shown], share: f64) -> f64 {
    median(rounds.iter().map(|shown| shown.times.percentile(share) as f64).collect())
}

/// The answers of all rounds, by status.
pub fn statuses(rounds: &[Shown]) -> String {
    let mut all = Statuses::default();
    rounds.iter().for_each(|shown| all.add(&shown.statuses));
    all.shown()
}

/// One connection, which knows what to ask next.
pub trait Asker: Send + 'static {
    /// Asks once and returns the status.
    fn ask(&mut self) -> impl Future<Output = std::io::Result<u16>> + Send;
    /// What the last answer was.
    fn last(&self) -> &[u8];
}

/// Lets requests go as they become due, from a thread of its own, and gathers what came of them on this one.
pub fn run<A: Asker>(pace: Pace, askers: Vec<A>) -> Result<Shown> {
    let gate = Arc::new(Semaphore::new(0));
    let start = Instant::now();
    let ticker = {
        let gate = gate.clone();
        std::thread::spawn(move || tick(&gate, pace, start))
    };
    let shown = on_one_thread(gather(pace, start, gate, askers));
    ticker.join().map_err(|_| "the clock of the open loop broke".to_owned())?;
    shown
}

fn tick(gate: &Semaphore, pace: Pace, start: Instant) {
    let mut released = 0;
    while released < pace.all() {
        std::thread::sleep(TICK);
        let due = ((start.elapsed().as_secs_f64() * pace.per_s) as u64).min(pace.all());
        gate.add_permits((due - released) as usize);
        released = due;
    }
    // One more for each, to see that there is no more.
    gate.add_permits(pace.connections);
}

async fn gather<A: Asker>(pace: Pace, start: Instant, gate: Arc<Semaphore>, askers: Vec<A>) -> std::io::Result<Shown> {
    let next = Arc::new(AtomicU64::new(0));
    let mut conversations = tokio::task::JoinSet::new();
    for asker in askers {
        conversations.spawn(converse(pace, start, gate.clone(), next.clone(), asker));
    }
    let mut shown = Shown::new();
    while let Some(one) = conversations.join_next().await {
        shown.add(one.map_err(std::io::Error::other)??);
    }
    Ok(shown)
}

async fn converse<A: Asker>(
    pace: Pace,
    start: Instant,
    gate: Arc<Semaphore>,
    next: Arc<AtomicU64>,
    mut asker: A,
) -> std::io::Result<Shown> {
    let mut shown = Shown::new();
    loop {
        gate.acquire().await.map_err(std::io::Error::other)?.forget();
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= pace.all() {
            return Ok(shown);
        }
        let due = start + pace.due(number);
        if due.elapsed() > pace.wait {
            shown.given_up += 1;
            continue;
        }
        let status = asker.ask().await.unwrap_or(0);
        let took = due.elapsed();
        shown.times.count(took);
        shown.statuses.count(status, 1);
        if !(200..300).contains(&status) {
            shown.first_refusal.get_or_insert_with(|| String::from_utf8_lossy(asker.last()).into_owned());
        } else if took <= pace.patience {
            shown.in_time += 1;
        }
    }
}

/// A connection that is made when it is needed, and again where it broke.
pub struct Line {
    address: SocketAddr,
    stream: Option<TcpStream>,
    answer: Vec<u8>,
}

impl Line {
    /// To this server.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, stream: None, answer: Vec::with_capacity(ANSWER_MAX) }
    }

    /// Sends a request and reads the status of its answer.
    pub async fn ask(&mut self, request: &[u8]) -> std::io::Result<u16> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => TcpStream::connect(self.address).await?,
        };
        stream.set_nodelay(true)?;
        stream.write_all(request).await?;
        let status = read_answer(&mut stream, &mut self.answer).await?;
        self.stream = Some(stream);
        Ok(status)
    }

    /// The last answer.
    pub fn answer(&self) -> &[u8] {
        &self.answer
    }
}

/// Asks `/check` with any key of a population.
pub struct Checker {
    line: Line,
    question: Question,
    keys: Arc<Population>,
    numbers: Numbers,
}

impl Checker {
    /// So many connections to a server.
    pub fn some(address: SocketAddr, keys: &Arc<Population>, count: usize) -> Vec<Self> {
        let one = |number: usize| Self {
            line: Line::new(address),
            question: Question::check(keys.key_len()),
            keys: keys.clone(),
            numbers: Numbers::new(number as u64),
        };
        (0..count).map(one).collect()
    }
}

impl Asker for Checker {
    async fn ask(&mut self) -> std::io::Result<u16> {
        let key = self.keys.key(self.numbers.below(self.keys.len()));
        self.question.key_mut().copy_from_slice(key.as_bytes());
        self.line.ask(self.question.bytes()).await
    }

    fn last(&self) -> &[u8] {
        self.line.answer()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes ten milliseconds each time.
    struct Slow;

    impl Asker for Slow {
        async fn ask(&mut self) -> std::io::Result<u16> {
            tokio::time::sleep(Duration::from_millis(10)).await;
            Ok(200)
        }

        fn last(&self) -> &[u8] {
            b""
        }
    }

    fn pace(wait: Duration) -> Pace {
        let patience = Duration::from_millis(50);
        Pace { per_s: 1_000.0, time: Duration::from_millis(200), connections: 1, wait, patience }
    }

    #[test]
    fn what_had_to_wait_is_not_omitted() {
        let shown = run(pace(Duration::from_secs(60)), vec![Slow]).unwrap();
        assert_eq!((shown.statuses.all(), shown.given_up), (200, 0));
        assert!(
            shown.times.percentile(0.5) > 500_000,
            "a hundred before it take a second, and it was due after a tenth"
        );
    }

    #[test]
    fn what_is_due_too_long_is_given_up() {
        let shown = run(pace(Duration::from_millis(50)), vec![Slow]).unwrap();
        assert_eq!(shown.statuses.all() + shown.given_up, 200);
        assert!(shown.given_up > 100 && shown.in_time >= 1, "{} {}", shown.given_up, shown.in_time);
    }
}
