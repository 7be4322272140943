//! What stands in Admit's place and answers as a test wants, down to half a header.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use admit::gateway::IDENTITY;
use parking_lot::Mutex;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::raw::{find, read_some};

/// What it does with a question.
#[derive(Clone)]
pub enum Say {
    /// Answers and keeps the connection.
    Answer(String),
    /// Answers, whole or not, and closes the connection.
    Last(String),
    /// Answers late.
    Late(Duration, String),
}

/// The impostor; gone when dropped.
pub struct Fake {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

struct Shared {
    say: Mutex<Say>,
    heads: Mutex<Vec<String>>,
    connections: AtomicUsize,
}

impl Fake {
    pub async fn new(say: Say) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared =
            Arc::new(Shared { say: Mutex::new(say), heads: Mutex::default(), connections: AtomicUsize::default() });
        let task = tokio::spawn(serve(listener, shared.clone()));
        Self { address, shared, task }
    }

    /// From now on says something else.
    pub fn say(&self, say: Say) {
        *self.shared.say.lock() = say;
    }

    /// The heads of the questions since the last call.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.shared.heads.lock())
    }

    /// How many connections were made to it.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Stops listening and closes all connections.
    pub async fn go_down(&mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        shared.connections.fetch_add(1, Ordering::Relaxed);
        connections.spawn(converse(stream, shared.clone()));
    }
}

async fn converse(mut stream: TcpStream, shared: Arc<Shared>) {
    let mut read = Vec::new();
    loop {
        let end = loop {
            match find(&read, b"\r\n\r\n") {
                Some(end) => break end + 4,
                None if read_some(&mut stream, &mut read).await => {}
                None => return,
            }
        };
        let rest = read.split_off(end);
        let head = String::from_utf8_lossy(&std::mem::replace(&mut read, rest)).into_owned();
        shared.heads.lock().push(head);
        let say = shared.say.lock().clone();
        let text = match &say {
            Say::Answer(text) | Say::Last(text) => text,
            Say::Late(late, text) => {
                sleep(*late).await;
                text
            }
        };
        if stream.write_all(text.as_bytes()).await.is_err() || matches!(say, Say::Last(_)) {
            return;
        }
    }
}

/// An answer without body.
pub fn answer(status: &str, headers: &[(&str, &str)]) -> String {
    let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("HTTP/1.1 {status}\r\n{lines}Content-Length: 0\r\n\r\n")
}

/// Admit's own way to admit anybody: a request id and the whole list, empty.
pub fn yes() -> String {
    let mut headers = vec![("Admit-Request-Id", "req_0000000000000000000000000")];
    let others = ["Admit-Upstream-Authorization", "Admit-Upstream-Cookie"];
    headers.extend(IDENTITY.iter().chain(&others).map(|name| (*name, "")));
    answer("200 OK", &headers)
}

/// The value of a header of a question.
pub fn header<'h>(head: &'h str, name: &str) -> Vec<&'h str> {
    let lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
}
