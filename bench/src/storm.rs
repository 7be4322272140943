//! Sign-ins, as many as there are clients, each with another one under way as soon as it was answered.
//!
//! Each client comes from a network of its own and signs somebody else in each time. Who is told to come again later does,
//! after as long as `Retry-After` says and up to as long again, as programs that know their manners.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::Result;
use crate::histogram::Histogram;
use crate::load::{Statuses, on_one_thread};
use crate::open::Line;
use crate::people::{PASSWORD, sign_in};
use crate::population::Numbers;

/// Who signs in, where and for how long.
#[derive(Debug, Clone)]
pub struct Storm {
    /// The server.
    pub address: SocketAddr,
    /// What people are called, before their numbers.
    pub prefix: String,
    /// How many people there are.
    pub people: usize,
    /// How many sign in at a time.
    pub clients: usize,
    /// How long before anything counts.
    pub warm_up: Duration,
    /// How long it counts.
    pub time: Duration,
}

/// What came of it.
pub struct Shown {
    /// How many signed in.
    pub signed_in: u64,
    /// How long that took each.
    pub times: Histogram,
    /// How long it took to be told to come again later.
    pub refused_times: Histogram,
    /// Answers by status.
    pub statuses: Statuses,
    first_surprise: Option<String>,
}

impl Shown {
    /// Nothing yet.
    pub fn new() -> Self {
        let (times, refused_times) = (Histogram::new(), Histogram::new());
        Self { signed_in: 0, times, refused_times, statuses: Statuses::default(), first_surprise: None }
    }

    /// Takes over what another saw.
    pub fn add(&mut self, other: Self) {
        self.signed_in += other.signed_in;
        self.times.add(&other.times);
        self.refused_times.add(&other.refused_times);
        self.statuses.add(&other.statuses);
        self.first_surprise = self.first_surprise.take().or(other.first_surprise);
    }
}

/// Lets them sign in, from one thread.
pub fn run(storm: &Storm) -> Result<Shown> {
    let shown = on_one_thread(gather(storm.clone()))?;
    match &shown.first_surprise {
        Some(surprise) => Err(format!("a sign-in is answered with neither 200 nor 503:\n{surprise}")),
        None => Ok(shown),
    }
}

async fn gather(storm: Storm) -> std::io::Result<Shown> {
    let start = Instant::now() + storm.warm_up;
    let mut clients = tokio::task::JoinSet::new();
    (0..storm.clients).for_each(|number| drop(clients.spawn(one(storm.clone(), number, start))));
    let mut shown = Shown::new();
    while let Some(client) = clients.join_next().await {
        shown.add(client.map_err(std::io::Error::other)??);
    }
    Ok(shown)
}

async fn one(storm: Storm, number: usize, start: Instant) -> std::io::Result<Shown> {
    let (end, mut line, mut shown) = (start + storm.time, Line::new(storm.address), Shown::new());
    let mut numbers = Numbers::new(number as u64);
    for attempt in 0.. {
        let person = (number + attempt * storm.clients) % storm.people;
        let request = sign_in(storm.address, number, &format!("{}{person}", storm.prefix), PASSWORD);
        let sent = Instant::now();
        let status = line.ask(request.as_bytes()).await?;
        let (now, took) = (Instant::now(), sent.elapsed());
        if now >= end {
            break;
        }
        let counts = now >= start;
        if counts {
            shown.statuses.count(status, 1);
        }
        match status {
            200 if counts => {
                shown.signed_in += 1;
                shown.times.count(took);
            }
            200 => {}
            503 => {
                if counts {
                    shown.refused_times.count(took);
                }
                let wait_s = retry_after_s(line.answer()).ok_or_else(|| surprise(line.answer()))?;
                let more = numbers.below(1_000 * wait_s as usize) as u64;
                tokio::time::sleep(
                    Duration::from_millis(1_000 * wait_s + more).min(end.saturating_duration_since(now)),
                )
                .await;
            }
            _ => {
                shown.first_surprise = Some(String::from_utf8_lossy(line.answer()).into_owned());
                break;
            }
        }
    }
    Ok(shown)
}

fn surprise(answer: &[u8]) -> std::io::Error {
    std::io::Error::other(format!("503 without Retry-After:\n{}", String::from_utf8_lossy(answer)))
}

fn retry_after_s(answer: &[u8]) -> Option<u64> {
    let head = String::from_utf8_lossy(answer);
    let head = head.split("\r\n\r\n").next()?;
    let line = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("retry-after").then(|| value.trim().to_owned())
    });
    line?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_to_come_again_is_read_from_the_head_alone() {
        let answer = |head: &str| format!("HTTP/1.1 503 Service Unavailable\r\n{head}\r\nretry-after: 9");
        assert_eq!(retry_after_s(answer("Retry-After: 2\r\n").as_bytes()), Some(2));
        assert_eq!(retry_after_s(answer("").as_bytes()), None);
    }
}
