//! The client: keep-alive connections on one thread, one request at a time on each, a key of the population in each request.
//!
//! Raw TCP, so that it costs little beside the server. It reads as much of HTTP/1.1 as the servers here answer:
//! a status, a `Content-Length`, a body.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Result;
use crate::population::{Numbers, Population};

/// How many connections are kept open.
pub const CONNECTIONS: usize = 64;

/// How long the last answers may take after the end of a run.
const GRACE: Duration = Duration::from_secs(20);

/// The largest answer that is read.
const ANSWER_MAX: usize = 16 * 1024;

/// Which keys are asked for, and until when.
#[derive(Clone)]
pub enum Course {
    /// Any key at random, for so long.
    Random(Duration),
    /// Each key once.
    Each,
}

/// What a run saw.
#[derive(Clone)]
pub struct Seen {
    /// Answers of any status.
    pub answers: u64,
    /// Those that were not 2xx.
    pub refused: u64,
    /// The first that was not, whole.
    pub first_refusal: Option<String>,
    /// How long they took.
    pub times: Histogram,
}

impl Seen {
    fn new() -> Self {
        Self { answers: 0, refused: 0, first_refusal: None, times: Histogram::new() }
    }

    fn add(&mut self, other: Self) {
        self.answers += other.answers;
        self.refused += other.refused;
        self.first_refusal = self.first_refusal.take().or(other.first_refusal);
        self.times.add(&other.times);
    }
}

/// Loads a server from one thread and waits for the end.
pub fn run(address: SocketAddr, keys: &Arc<Population>, course: &Course) -> Result<Seen> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start a runtime: {error}"))?;
    runtime.block_on(run_all(address, keys, course)).map_err(|error| format!("the load broke off: {error}"))
}

async fn run_all(address: SocketAddr, keys: &Arc<Population>, course: &Course) -> std::io::Result<Seen> {
    let next = Arc::new(AtomicUsize::new(0));
    let start = Instant::now();
    let mut conversations = tokio::task::JoinSet::new();
    for number in 0..CONNECTIONS {
        let (keys, next, course) = (keys.clone(), next.clone(), course.clone());
        let mut numbers = Numbers::new(0xC0FFEE + number as u64);
        let pick = move |population: &Population| match course {
            Course::Random(time) => (start.elapsed() < time).then(|| numbers.below(population.len())),
            Course::Each => Some(next.fetch_add(1, Ordering::Relaxed)).filter(|number| *number < population.len()),
        };
        conversations.spawn(converse(address, keys, pick));
    }
    let gather = async {
        let mut seen = Seen::new();
        while let Some(one) = conversations.join_next().await {
            seen.add(one.map_err(std::io::Error::other)??);
        }
        Ok(seen)
    };
    let patience = match course {
        Course::Random(time) => *time + GRACE,
        Course::Each => GRACE + Duration::from_millis(keys.len() as u64),
    };
    tokio::time::timeout(patience, gather).await?
}

/// One connection: asks until `pick` has no more keys.
async fn converse(
    address: SocketAddr,
    keys: Arc<Population>,
    mut pick: impl FnMut(&Population) -> Option<usize>,
) -> std::io::Result<Seen> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut request, key_at) = request(keys.key_len());
    let mut answer = Vec::with_capacity(ANSWER_MAX);
    let mut seen = Seen::new();
    while let Some(number) = pick(&keys) {
        request[key_at..key_at + keys.key_len()].copy_from_slice(keys.key(number).as_bytes());
        let sent = Instant::now();
        stream.write_all(&request).await?;
        let is_success = read_answer(&mut stream, &mut answer).await?;
        seen.times.count(sent.elapsed());
        seen.answers += 1;
        if !is_success {
            seen.refused += 1;
            seen.first_refusal.get_or_insert_with(|| String::from_utf8_lossy(&answer).into_owned());
        }
    }
    Ok(seen)
}

/// What nginx asks, with room for a key, and where that room begins.
pub fn request(key_len: usize) -> (Vec<u8>, usize) {
    let before = "GET /check/nginx HTTP/1.1\r\nHost: 127.0.0.1:8420\r\nX-Original-Method: GET\r\n\
        X-Original-URI: /orders/42\r\nX-Forwarded-Host: shop.test\r\nX-Forwarded-Proto: https\r\n\
        X-Forwarded-For: 203.0.113.9\r\nAuthorization: Bearer ";
    let request = format!("{before}{}\r\n\r\n", "x".repeat(key_len));
    (request.into_bytes(), before.len())
}

/// Reads one answer into the buffer and says whether it is 2xx.
pub async fn read_answer(stream: &mut TcpStream, answer: &mut Vec<u8>) -> std::io::Result<bool> {
    answer.clear();
    let mut wanted = None;
    while wanted.is_none_or(|wanted| answer.len() < wanted) {
        if answer.len() >= ANSWER_MAX {
            return Err(std::io::Error::other("an answer is too long"));
        }
        if stream.read_buf(answer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        wanted = wanted.or_else(|| whole_len(answer));
    }
    if wanted != Some(answer.len()) {
        return Err(std::io::Error::other("more came than one answer"));
    }
    Ok(answer.get(9) == Some(&b'2'))
}

/// How long the whole answer is, once its head is there.
fn whole_len(answer: &[u8]) -> Option<usize> {
    let head_len = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let lines = answer[..head_len].split(|byte| *byte == b'\n').skip(1);
    let name = b"content-length:";
    let value = lines.filter(|line| line.len() > name.len()).find(|line| line[..name.len()].eq_ignore_ascii_case(name));
    let text = value.and_then(|line| std::str::from_utf8(&line[name.len()..]).ok());
    Some(head_len + text.and_then(|text| text.trim().parse::<usize>().ok()).unwrap_or(0))
}

/// Times in microseconds, in steps of at most 1/32 of the value.
#[derive(Clone)]
pub struct Histogram(Vec<u32>);

const STEPS: u64 = 64;

impl Histogram {
    fn new() -> Self {
        Self(vec![0; 40 * STEPS as usize])
    }

    fn count(&mut self, time: Duration) {
        let last = self.0.len() - 1;
        self.0[step(time.as_micros() as u64).min(last)] += 1;
    }

    /// Takes the counts of another over.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine += theirs;
        }
    }

    /// The time that `share` of all stayed below, in microseconds.
    pub fn percentile(&self, share: f64) -> u64 {
        let all: u64 = self.0.iter().map(|count| u64::from(*count)).sum();
        let wanted = (all as f64 * share).ceil() as u64;
        let mut below = 0;
        let step = self.0.iter().position(|count| {
            below += u64::from(*count);
            below >= wanted.max(1)
        });
        step.map_or(0, value)
    }
}

/// The step of a value: exact below 64, then 32 steps to each doubling.
fn step(value: u64) -> usize {
    let doublings = u64::from(value.max(1).ilog2()).saturating_sub(5);
    (doublings * STEPS / 2 + (value >> doublings)) as usize
}

/// The least value of a step.
fn value(step: usize) -> u64 {
    let step = step as u64;
    let doublings = (step / (STEPS / 2)).saturating_sub(1);
    (step - doublings * STEPS / 2) << doublings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_close_to_its_value() {
        for number in (0..100).chain((100..10_000_000).step_by(9_973)) {
            let least = value(step(number));
            assert!(least <= number && number - least <= number / 32, "{number} {least}");
        }
        assert!((1..100_000).all(|number| step(number) >= step(number - 1)));
    }

    #[test]
    fn percentiles_are_read_from_the_steps() {
        let mut times = Histogram::new();
        (1..=100).for_each(|time| times.count(Duration::from_micros(time)));
        assert_eq!(times.percentile(0.5), 50);
        assert!((96..=99).contains(&times.percentile(0.99)));
        assert_eq!(Histogram::new().percentile(0.5), 0);
    }

    #[test]
    fn the_length_of_an_answer_is_read_from_its_head() {
        assert_eq!(whole_len(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel"), Some(43));
        assert_eq!(whole_len(b"HTTP/1.1 204 No Content\r\n\r\n"), Some(27));
        assert_eq!(whole_len(b"HTTP/1.1 200 OK\r\ncont"), None);
    }

    #[test]
    fn the_room_for_the_key_is_where_it_says() {
        let (request, at) = request(4);
        assert!(request[..at].ends_with(b"Authorization: Bearer "));
        assert_eq!(&request[at..], b"xxxx\r\n\r\n");
    }
}
