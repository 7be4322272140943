//! The closed loop: keep-alive connections on one thread, one request at a time on each.
//!
//! Raw TCP, so that it costs little beside the server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::Result;
use crate::histogram::Histogram;
use crate::population::{Numbers, Population, Stranger};
use crate::question::{ANSWER_MAX, Question, read_answer};

/// How many connections are kept open.
pub const CONNECTIONS: usize = 64;

/// How long the last answers may take after the end of a run.
const GRACE: Duration = Duration::from_secs(20);

/// Which credentials are shown, and until when.
#[derive(Clone)]
pub enum Course {
    /// Any key at random, for so long.
    Random(Arc<Population>, Duration),
    /// Each key once.
    Each(Arc<Population>),
    /// What nobody has, for so long.
    Strangers(Stranger, Duration),
}

/// What a run saw.
pub struct Seen {
    /// Answers by status.
    pub statuses: Statuses,
    /// The first answer whose status was not expected, whole.
    pub first_surprise: Option<String>,
    /// How long they took.
    pub times: Histogram,
    /// How long the run took.
    pub took: Duration,
}

/// How often which status came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statuses(Vec<(u16, u64)>);

impl Statuses {
    /// So many more of one.
    pub fn count(&mut self, status: u16, count: u64) {
        match self.0.iter_mut().find(|(known, _)| *known == status) {
            Some((_, known)) => *known += count,
            None => self.0.push((status, count)),
        }
    }

    /// Takes the counts of another over.
    pub fn add(&mut self, other: &Self) {
        other.0.iter().for_each(|(status, count)| self.count(*status, *count));
    }

    /// How many answers there were.
    pub fn all(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    /// How many had this status.
    pub fn of(&self, status: u16) -> u64 {
        self.0.iter().find(|(known, _)| *known == status).map_or(0, |(_, count)| *count)
    }

    /// How many were not 2xx.
    pub fn refused(&self) -> u64 {
        self.0.iter().filter(|(status, _)| !(200..300).contains(status)).map(|(_, count)| count).sum()
    }

    /// As a table shows it: `401: 12, 429: 3`.
    pub fn shown(&self) -> String {
        let mut counts = self.0.clone();
        counts.sort_unstable();
        let shown: Vec<_> = counts.iter().map(|(status, count)| format!("{status}: {count}")).collect();
        shown.join(", ")
    }
}

impl Seen {
    /// Nothing yet.
    pub fn new() -> Self {
        let (statuses, times) = (Statuses::default(), Histogram::new());
        Self { statuses, first_surprise: None, times, took: Duration::ZERO }
    }

    fn add(&mut self, other: Self) {
        self.statuses.add(&other.statuses);
        self.first_surprise = self.first_surprise.take().or(other.first_surprise);
        self.times.add(&other.times);
    }
}

/// Loads a server from one thread and waits for the end.
pub fn run(address: SocketAddr, question: &Question, course: &Course, expected: &'static [u16]) -> Result<Seen> {
    on_one_thread(run_all(address, question, course, expected))
}

/// Runs to its end on a runtime of this thread alone.
pub fn on_one_thread<T>(work: impl Future<Output = std::io::Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start a runtime: {error}"))?;
    runtime.block_on(work).map_err(|error| format!("the load broke off: {error}"))
}

async fn run_all(
    address: SocketAddr,
    question: &Question,
    course: &Course,
    expected: &'static [u16],
) -> std::io::Result<Seen> {
    let (next, start) = (Arc::new(AtomicUsize::new(0)), Instant::now());
    let mut conversations = tokio::task::JoinSet::new();
    for number in 0..CONNECTIONS {
        let numbers = Numbers::new(0xC0FFEE + number as u64);
        let picker = Picker { course: course.clone(), numbers, next: next.clone(), start };
        conversations.spawn(converse(address, question.clone(), picker, expected));
    }
    let gather = async {
        let mut seen = Seen::new();
        while let Some(one) = conversations.join_next().await {
            seen.add(one.map_err(std::io::Error::other)??);
        }
        seen.took = start.elapsed();
        Ok(seen)
    };
    let patience = match course {
        Course::Random(_, time) | Course::Strangers(_, time) => *time + GRACE,
        Course::Each(keys) => GRACE + Duration::from_millis(keys.len() as u64),
    };
    tokio::time::timeout(patience, gather).await?
}

/// Chooses the credentials of one connection.
struct Picker {
    course: Course,
    numbers: Numbers,
    next: Arc<AtomicUsize>,
    start: Instant,
}

impl Picker {
    /// Writes the next credential; false at the end.
    fn pick(&mut self, room: &mut [u8]) -> bool {
        match &self.course {
            Course::Random(_, time) | Course::Strangers(_, time) if self.start.elapsed() >= *time => return false,
            Course::Random(keys, _) => {
                room.copy_from_slice(keys.key(self.numbers.below(keys.len())).as_bytes());
            }
            Course::Strangers(stranger, _) => stranger.write(room, &mut self.numbers),
            Course::Each(keys) => {
                let number = self.next.fetch_add(1, Ordering::Relaxed);
                if number >= keys.len() {
                    return false;
                }
                room.copy_from_slice(keys.key(number).as_bytes());
            }
        }
        true
    }
}

/// One connection: asks until there are no more credentials.
async fn converse(
    address: SocketAddr,
    mut question: Question,
    mut picker: Picker,
    expected: &'static [u16],
) -> std::io::Result<Seen> {
    let mut stream = connect(address).await?;
    let mut answer = Vec::with_capacity(ANSWER_MAX);
    let mut seen = Seen::new();
    while picker.pick(question.key_mut()) {
        let sent = Instant::now();
        let status = match ask(&mut stream, &question, &mut answer).await {
            Err(error) if question.may_be_hung_up() && answer.is_empty() && is_hang_up(&error) => {
                stream = connect(address).await?;
                ask(&mut stream, &question, &mut answer).await?
            }
            outcome => outcome?,
        };
        seen.times.count(sent.elapsed());
        seen.statuses.count(status, 1);
        if !expected.contains(&status) {
            seen.first_surprise.get_or_insert_with(|| String::from_utf8_lossy(&answer).into_owned());
        }
    }
    Ok(seen)
}

async fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn ask(stream: &mut TcpStream, question: &Question, answer: &mut Vec<u8>) -> std::io::Result<u16> {
    answer.clear();
    stream.write_all(question.bytes()).await?;
    read_answer(stream, answer).await
}

/// How a connection looks that the other side has ended.
fn is_hang_up(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | BrokenPipe | ConnectionReset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_counted_apart() {
        let mut statuses = Statuses::default();
        [429, 200, 401, 429].into_iter().for_each(|status| statuses.count(status, 1));
        assert_eq!((statuses.all(), statuses.refused(), statuses.of(429)), (4, 3, 2));
        assert_eq!(statuses.shown(), "200: 1, 401: 1, 429: 2");
    }

    #[test]
    fn each_key_is_picked_once_and_then_none() {
        let keys = Arc::new(Population::new(3));
        let course = Course::Each(keys.clone());
        let mut picker = Picker { course, numbers: Numbers::new(1), next: Arc::default(), start: Instant::now() };
        let mut room = vec![0; keys.key_len()];
        for number in 0..3 {
            assert!(picker.pick(&mut room));
            assert_eq!(room, keys.key(number).as_bytes());
        }
        assert!(!picker.pick(&mut room));
    }
}
