//! A client that sends exactly what it is told: headers twice, methods and targets as they are.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// One request, for `shop.test` unless told otherwise.
#[derive(Clone)]
pub struct Ask {
    line: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Ask {
    /// `GET /orders/42`; the target is sent as it stands.
    pub fn new(line: &str) -> Self {
        Self { line: line.to_owned(), headers: vec![("Host".to_owned(), "shop.test".to_owned())], body: Vec::new() }
    }

    /// In place of `Host: shop.test`.
    pub fn host(mut self, host: &str) -> Self {
        self.headers[0].1 = host.to_owned();
        self
    }

    /// One more header line.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// `Authorization: Bearer`
    pub fn key(self, key: &str) -> Self {
        self.with("Authorization", &format!("Bearer {key}"))
    }

    /// A body with its length.
    pub fn body(mut self, body: Vec<u8>) -> Self {
        self.body = body;
        let length = self.body.len().to_string();
        self.with("Content-Length", &length)
    }

    fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{} HTTP/1.1\r\n", self.line);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        [text.as_bytes(), &self.body].concat()
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// All values of a header.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let of_name = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        of_name.map(|(_, value)| value.as_str()).collect()
    }

    /// The value of a header that stands there once.
    #[track_caller]
    pub fn one(&self, name: &str) -> &str {
        let all = self.all(name);
        assert_eq!(all.len(), 1, "{name} in {:?}", self.headers);
        all[0]
    }

    /// The body as JSON; `null` where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The `code` of the body.
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// A connection that is kept.
pub struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    pub async fn to(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), read: Vec::new() }
    }

    /// Sends a request and reads its answer whole.
    pub async fn ask(&mut self, ask: &Ask) -> Answer {
        // A server may refuse before it has read the body, and close: the answer is read all the same.
        let _ = self.stream.write_all(&ask.bytes()).await;
        let answer = timeout(PATIENCE, self.answer(ask.line.starts_with("HEAD ")));
        answer.await.unwrap_or_else(|_| panic!("no answer to {}", ask.line))
    }

    /// What is left of the connection, for what follows a 101.
    pub fn into_stream(self) -> TcpStream {
        assert!(self.read.is_empty(), "{:?}", self.read);
        self.stream
    }

    async fn answer(&mut self, to_head: bool) -> Answer {
        let head = loop {
            if let Some(end) = find(&self.read, b"\r\n\r\n") {
                let rest = self.read.split_off(end + 4);
                break std::mem::replace(&mut self.read, rest);
            }
            self.more().await;
        };
        let head = String::from_utf8_lossy(&head).into_owned();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let split = |line: &str| line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
        let headers = lines.map(|line| split(line).unwrap()).collect();
        let mut answer = Answer { status, headers, body: Vec::new() };
        if !to_head && status >= 200 && !matches!(status, 204 | 304) {
            answer.body = self.body(&answer).await;
        }
        answer
    }

    async fn body(&mut self, answer: &Answer) -> Vec<u8> {
        if let Some(length) = answer.all("content-length").first() {
            return self.take(length.parse().unwrap()).await;
        }
        if answer.all("transfer-encoding").is_empty() {
            let mut body = std::mem::take(&mut self.read);
            let _ = self.stream.read_to_end(&mut body).await;
            return body;
        }
        let mut body = Vec::new();
        loop {
            let end = loop {
                match find(&self.read, b"\r\n") {
                    Some(end) => break end,
                    None => self.more().await,
                }
            };
            let line = self.take(end + 2).await;
            let length = usize::from_str_radix(String::from_utf8_lossy(&line).trim(), 16).unwrap();
            let chunk = self.take(length + 2).await;
            if length == 0 {
                return body;
            }
            body.extend_from_slice(&chunk[..length]);
        }
    }

    async fn take(&mut self, length: usize) -> Vec<u8> {
        while self.read.len() < length {
            self.more().await;
        }
        let rest = self.read.split_off(length);
        std::mem::replace(&mut self.read, rest)
    }

    async fn more(&mut self) {
        assert!(
            read_some(&mut self.stream, &mut self.read).await,
            "closed after {:?}",
            String::from_utf8_lossy(&self.read)
        );
    }
}

/// Sends a request over a connection of its own.
pub async fn ask(address: SocketAddr, ask: &Ask) -> Answer {
    Connection::to(address).await.ask(ask).await
}

/// Appends what arrives next; false where the other side has closed.
pub async fn read_some(stream: &mut (impl AsyncRead + Unpin), read: &mut Vec<u8>) -> bool {
    let mut part = vec![0; 16 << 10];
    let length = stream.read(&mut part).await.unwrap_or(0);
    read.extend_from_slice(&part[..length]);
    length > 0
}

/// Where a pattern begins.
pub fn find(text: &[u8], pattern: &[u8]) -> Option<usize> {
    text.windows(pattern.len()).position(|part| part == pattern)
}
