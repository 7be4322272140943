//! For tests: the whole command line against a server that answers what it is told to and remembers what it was asked.

use std::cell::RefCell;
use std::io::{BufRead, Cursor, Write};
use std::path::Path;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use clap::Parser;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::cli::output::Output;
use crate::cli::source::Given;
use crate::cli::{Cli, Context, given, realm, run};

/// What the server answers next.
#[derive(Debug, Clone)]
pub struct Reply {
    status: u16,
    headers: Vec<String>,
    body: String,
}

impl Reply {
    /// A JSON answer.
    pub fn json(status: u16, body: Value) -> Self {
        Self { status, headers: vec!["Content-Type: application/json".into()], body: body.to_string() }
    }

    /// An answer without a body.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: String::new() }
    }

    /// The same with a header.
    pub fn header(mut self, line: &str) -> Self {
        self.headers.push(line.to_owned());
        self
    }

    /// The same with an entity tag.
    pub fn etag(self, tag: &str) -> Self {
        self.header(&format!("ETag: {tag}"))
    }

    fn text(&self) -> String {
        let headers: String = self.headers.iter().map(|line| format!("{line}\r\n")).collect();
        format!("HTTP/1.1 {} X\r\n{headers}Content-Length: {}\r\n\r\n{}", self.status, self.body.len(), self.body)
    }
}

/// What the server was asked.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET /v1/… HTTP/1.1`.
    pub line: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What a command did.
#[derive(Debug)]
pub struct Ran {
    pub exit: u8,
    pub out: String,
    pub err: String,
}

type Seen = Arc<Mutex<Vec<Request>>>;

/// A terminal with a fake server behind it.
pub struct Console {
    /// Where the fake server answers.
    pub url: String,
    seen: Seen,
    input: RefCell<Option<String>>,
}

impl Console {
    /// A server that gives these answers in turn, and then 500.
    pub async fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        let mut replies = replies.into_iter().collect::<std::collections::VecDeque<_>>();
        Self::answering(move |_| replies.pop_front().unwrap_or_else(|| Reply::empty(500))).await
    }

    /// A server that makes up its answers.
    pub async fn answering(answer: impl FnMut(&Request) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Seen::default();
        let (kept, answer) = (seen.clone(), Arc::new(Mutex::new(answer)));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, kept.clone(), answer.clone()));
            }
        });
        Self { url, seen, input: RefCell::new(None) }
    }

    /// The same with something piped in.
    pub fn with_input(self, text: &str) -> Self {
        self.input.replace(Some(text.to_owned()));
        self
    }

    /// What was asked so far.
    pub fn requests(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    /// Types `admit …`; words are parted by spaces.
    pub async fn run(&self, typed: &str) -> Ran {
        self.run_words(&typed.split_whitespace().collect::<Vec<_>>()).await
    }

    /// Types `admit …`.
    pub async fn run_words(&self, words: &[&str]) -> Ran {
        let input = self.input.take();
        let is_terminal = input.is_none();
        self.type_in(Box::new(Cursor::new(input.unwrap_or_default())), is_terminal, words).await
    }

    /// Types `admit …` with a pipe behind it.
    pub async fn run_from(&self, pipe: Box<dyn BufRead>, words: &[&str]) -> Ran {
        self.type_in(pipe, false, words).await
    }

    async fn type_in(&self, input: Box<dyn BufRead>, input_is_terminal: bool, words: &[&str]) -> Ran {
        let cli = match Cli::try_parse_from(std::iter::once(&"admit").chain(words)) {
            Ok(cli) => cli,
            Err(error) => return Ran { exit: 2, out: String::new(), err: error.to_string() },
        };
        let (out, err) = (Sink::default(), Sink::default());
        let url = self.url.clone();
        let context = Context {
            output: Output::plain(cli.json, Box::new(out.clone()), Box::new(err.clone())).of_realm(&realm(&cli)),
            given: Given { ..given(&cli) },
            realm: realm(&cli),
            env: Box::new(move |name| match name {
                "ADMIT_SERVER" => Some(url.clone()),
                "ADMIT_OPERATOR_KEY" => Some("operator".to_owned()),
                _ => None,
            }),
            here: Path::new("/nonexistent").to_owned(),
            input_is_terminal,
            input: RefCell::new(input),
        };
        let outcome = run(cli.command, &context).await;
        if let Err(failure) = outcome.as_ref().map_err(|failure| failure.message.clone())
            && !failure.is_empty()
        {
            context.output.note(&format!("error: {failure}"));
        }
        Ran { exit: outcome.err().map_or(0, |failure| failure.exit), out: out.text(), err: err.text() }
    }
}

#[derive(Clone, Default)]
struct Sink(Rc<RefCell<Vec<u8>>>);

impl Sink {
    fn text(&self) -> String {
        String::from_utf8(self.0.borrow().clone()).unwrap()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Write::write(&mut *self.0.borrow_mut(), bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Answers the requests of one connection.
async fn serve<F: FnMut(&Request) -> Reply>(mut stream: TcpStream, seen: Seen, answer: Arc<Mutex<F>>) {
    let mut bytes = Vec::new();
    loop {
        let head_len = loop {
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                return;
            }
        };
        let head = String::from_utf8_lossy(&bytes[..head_len]).into_owned();
        let mut lines = head.trim_end().split("\r\n");
        let line = lines.next().unwrap_or_default().to_owned();
        let split = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        let mut request = Request { line, headers: lines.filter_map(split).collect(), body: Vec::new() };
        let body_len: usize = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        while bytes.len() < head_len + body_len {
            if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                return;
            }
        }
        request.body = bytes[head_len..head_len + body_len].to_vec();
        bytes.drain(..head_len + body_len);
        let reply = (answer.lock().unwrap())(&request).text();
        seen.lock().unwrap().push(request);
        if stream.write_all(reply.as_bytes()).await.is_err() {
            return;
        }
    }
}
