//! What is asked, with room for a credential, and how the answer is read.
//!
//! Reads as much of HTTP/1.1 as the servers here answer: a status, then a body by `Content-Length` or in chunks.

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// The largest answer that is read.
pub const ANSWER_MAX: usize = 16 * 1024;

/// The bytes of a request, and where the credential stands in them.
#[derive(Clone)]
pub struct Question {
    bytes: Vec<u8>,
    key_at: usize,
    key_len: usize,
    is_to_gateway: bool,
}

const CHECK: &str = "GET /check/nginx HTTP/1.1\r\nHost: 127.0.0.1:8420\r\nX-Original-Method: GET\r\n\
    X-Original-URI: /orders/42\r\nX-Forwarded-Host: shop.test\r\nX-Forwarded-Proto: https\r\n\
    X-Forwarded-For: 203.0.113.9\r\n";
const FORM: &str = "Host: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n";
const PLAIN: &str = "GET /orders/42 HTTP/1.1\r\nHost: shop.test\r\n";
const BEARER: &str = "Authorization: Bearer ";

impl Question {
    /// What nginx asks Admit: the true request in `X-Original-…`.
    pub fn check(key_len: usize) -> Self {
        Self::with_room(&format!("{CHECK}{BEARER}"), key_len)
    }

    /// The same for a request to another host.
    pub fn check_at(host: &str, key_len: usize) -> Self {
        Self::with_room(&format!("{}{BEARER}", CHECK.replace("shop.test", host)), key_len)
    }

    /// The same with a cookie of this name.
    pub fn check_cookie(name: &str, value_len: usize) -> Self {
        Self::with_room(&format!("{CHECK}Cookie: {name}="), value_len)
    }

    /// What a client asks a gateway.
    pub fn plain(key_len: usize) -> Self {
        Self { is_to_gateway: true, ..Self::with_room(&format!("{PLAIN}{BEARER}"), key_len) }
    }

    /// What better-auth is asked about its cookie of this name.
    pub fn get_session(name: &str, value_len: usize) -> Self {
        let head = "GET /api/auth/get-session HTTP/1.1\r\nHost: shop.test\r\n";
        Self { is_to_gateway: true, ..Self::with_room(&format!("{head}Cookie: {name}="), value_len) }
    }

    /// A form that a client sends, who shows himself by HTTP Basic: the room is for that.
    pub fn form(path: &str, basic_len: usize, form: &str) -> Self {
        let head = format!("POST {path} HTTP/1.1\r\n{FORM}Content-Length: {}\r\nAuthorization: Basic ", form.len());
        Self::around(&head, basic_len, &format!("\r\n\r\n{form}"))
    }

    /// The same of one client, about a token: the room is for that.
    pub fn about_token(path: &str, basic: &str, token_len: usize) -> Self {
        let length = token_len + "token=".len();
        let head = format!("POST {path} HTTP/1.1\r\n{FORM}Content-Length: {length}\r\nAuthorization: Basic {basic}");
        Self::around(&format!("{head}\r\n\r\ntoken="), token_len, "")
    }

    /// A form that ends in a credential, of who only says who he is: the room is for that.
    pub fn form_ending(path: &str, form: &str, key_len: usize) -> Self {
        let length = form.len() + key_len;
        Self::around(&format!("POST {path} HTTP/1.1\r\n{FORM}Content-Length: {length}\r\n\r\n{form}"), key_len, "")
    }

    /// The same of one client, who shows himself by HTTP Basic.
    pub fn form_of(basic: &str, path: &str, form: &str, key_len: usize) -> Self {
        let length = form.len() + key_len;
        let head = format!("POST {path} HTTP/1.1\r\n{FORM}Content-Length: {length}\r\nAuthorization: Basic {basic}");
        Self::around(&format!("{head}\r\n\r\n{form}"), key_len, "")
    }

    /// What is the same for everybody: there is no room.
    pub fn get(path: &str) -> Self {
        Self::around(&format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"), 0, "")
    }

    /// The same to a server that may end connections.
    pub fn for_others(self) -> Self {
        Self { is_to_gateway: true, ..self }
    }

    fn with_room(before: &str, key_len: usize) -> Self {
        Self::around(before, key_len, "\r\n\r\n")
    }

    fn around(before: &str, key_len: usize, after: &str) -> Self {
        let bytes = format!("{before}{}{after}", "x".repeat(key_len)).into_bytes();
        Self { bytes, key_at: before.len(), key_len, is_to_gateway: false }
    }

    /// The bytes to send.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The room for the credential.
    pub fn key_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.key_at..][..self.key_len]
    }

    /// True where the other side ends a connection after so many requests, as gateways do; Admit must not.
    pub fn may_be_hung_up(&self) -> bool {
        self.is_to_gateway
    }

    /// The same with this credential, which must be as long as the room for it.
    pub fn with(mut self, key: &str) -> Self {
        self.key_mut().copy_from_slice(key.as_bytes());
        self
    }
}

/// Reads one answer into the buffer and returns its status.
pub async fn read_answer(stream: &mut TcpStream, answer: &mut Vec<u8>) -> std::io::Result<u16> {
    answer.clear();
    let mut extent = Extent::Unknown;
    while !extent.is_complete(answer) {
        if answer.len() >= ANSWER_MAX {
            return Err(std::io::Error::other("an answer is too long"));
        }
        if stream.read_buf(answer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if extent == Extent::Unknown {
            extent = Extent::of(answer);
        }
    }
    if matches!(extent, Extent::Bytes(len) if len != answer.len()) {
        return Err(std::io::Error::other("more came than one answer"));
    }
    let digits = answer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok());
    digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| std::io::Error::other("an answer is not HTTP"))
}

/// How much belongs to an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// Its head is not there yet.
    Unknown,
    /// So many bytes in all.
    Bytes(usize),
    /// Up to the empty chunk.
    Chunks,
}

impl Extent {
    fn of(answer: &[u8]) -> Self {
        let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return Self::Unknown };
        let head_len = end + 4;
        let lines = || answer[..head_len].split(|byte| *byte == b'\n').skip(1);
        let value = |name: &[u8]| {
            let mut found = lines().filter(|line| line.len() > name.len());
            let line = found.find(|line| line[..name.len()].eq_ignore_ascii_case(name))?;
            std::str::from_utf8(&line[name.len()..]).ok().map(str::trim)
        };
        if value(b"transfer-encoding:") == Some("chunked") {
            return Self::Chunks;
        }
        Self::Bytes(head_len + value(b"content-length:").and_then(|text| text.parse().ok()).unwrap_or(0))
    }

    fn is_complete(self, answer: &[u8]) -> bool {
        match self {
            Self::Unknown => false,
            Self::Bytes(len) => answer.len() >= len,
            Self::Chunks => answer.ends_with(b"\r\n0\r\n\r\n"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_an_answer_is_read_from_its_head() {
        assert_eq!(Extent::of(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel"), Extent::Bytes(43));
        assert_eq!(Extent::of(b"HTTP/1.1 204 No Content\r\n\r\n"), Extent::Bytes(27));
        assert_eq!(Extent::of(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), Extent::Chunks);
        assert_eq!(Extent::of(b"HTTP/1.1 200 OK\r\ncont"), Extent::Unknown);
    }

    #[test]
    fn the_room_for_the_key_is_where_it_says() {
        let question = Question::check(4).with("abcd");
        assert!(question.bytes().ends_with(b"\r\nAuthorization: Bearer abcd\r\n\r\n"));
        let form = Question::form("/oauth/token", 4, "a=b").with("abcd");
        assert!(form.bytes().ends_with(b"\r\nContent-Length: 3\r\nAuthorization: Basic abcd\r\n\r\na=b"));
        let about = Question::about_token("/oauth/introspect", "x", 4).with("abcd");
        assert!(about.bytes().ends_with(b"\r\nContent-Length: 10\r\nAuthorization: Basic x\r\n\r\ntoken=abcd"));
        let form = Question::form_ending("/oauth/token", "a=b&c=", 4).with("abcd");
        assert!(form.bytes().ends_with(b"\r\nContent-Length: 10\r\n\r\na=b&c=abcd"));
        let form = Question::form_of("x", "/oauth/token", "c=", 4).with("abcd");
        assert!(form.bytes().ends_with(b"\r\nContent-Length: 6\r\nAuthorization: Basic x\r\n\r\nc=abcd"));
        assert!(Question::get("/x").with("").bytes().starts_with(b"GET /x HTTP/1.1\r\n"));
    }
}
