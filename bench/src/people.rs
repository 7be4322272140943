//! People with passwords, made over the management API, and what their sign-ins look like on the wire.
//!
//! All have the same password, and each the hash that another system would have kept of it: so nothing is hashed to make
//! them. It is of today's cost, so a sign-in costs one hash.

use std::net::SocketAddr;

use admit_core::login::hash::{self, Cost, Memory};
use admit_core::login::password::Password;
use serde_json::{Value, json};

use crate::Result;
use crate::admit::Admit;
use crate::load::on_one_thread;
use crate::open::Line;
use crate::server::Server;

/// What everybody signs in with.
pub const PASSWORD: &str = "vivid otter cancels tuesday";
/// How many requests of the management API are under way.
const LINES: usize = 8;

/// One person to be made.
#[derive(Debug, Clone)]
pub struct Person {
    /// What he is called.
    pub name: String,
    /// Whether he can sign in at all.
    pub state: State,
}

/// What is with somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// He has a password.
    Usual,
    /// He has one, and is switched off.
    Disabled,
    /// He has none.
    NoPassword,
}

/// Makes all of them.
pub fn make(admit: &Admit, server: &Server, people: &[Person]) -> Result<()> {
    let (operator_key, hash) = (admit.operator_key()?, hash_of(PASSWORD)?);
    let head = format!("HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {operator_key}\r\n", server.address);
    let request = |line: &str, body: &Value| {
        let body = body.to_string();
        format!("{line} {head}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    let requests = people.iter().flat_map(|Person { name, state }| {
        let body = match state {
            State::NoPassword => json!({ "name": name }),
            State::Usual | State::Disabled => json!({ "name": name, "password_hash": hash }),
        };
        let make = (request("POST /v1/realms/default/users", &body), 201);
        let line = format!("PATCH /v1/realms/default/users/{name}");
        let disable = (*state == State::Disabled).then(|| (request(&line, &json!({ "disabled": true })), 200));
        std::iter::once(make).chain(disable)
    });
    let requests: Vec<_> = requests.collect();
    // Each line has people of its own, so that nobody is switched off before he is made.
    let mut parts: Vec<Vec<_>> = vec![Vec::new(); LINES];
    let mut person = 0;
    for (request, expected) in requests {
        person += usize::from(expected == 201);
        parts[person % LINES].push((request, expected));
    }
    let address = server.address;
    on_one_thread(async move {
        let mut lines = tokio::task::JoinSet::new();
        parts.into_iter().for_each(|part| drop(lines.spawn(send(address, part))));
        while let Some(sent) = lines.join_next().await {
            sent.map_err(std::io::Error::other)??;
        }
        Ok(())
    })
}

async fn send(address: SocketAddr, requests: Vec<(String, u16)>) -> std::io::Result<()> {
    let mut line = Line::new(address);
    for (request, expected) in requests {
        let status = line.ask(request.as_bytes()).await?;
        if status != expected {
            let said = String::from_utf8_lossy(line.answer()).into_owned();
            return Err(std::io::Error::other(format!("a person is not made, {status}:\n{said}")));
        }
    }
    Ok(())
}

/// What another system would have kept.
fn hash_of(password: &str) -> Result<String> {
    let password = Password::parse(password).map_err(|why| format!("{why:?}"))?;
    hash::hash(&password, &[7; 16], Cost::default(), &mut Memory::default()).map_err(|error| error.to_string())
}

/// `POST /login` of a program, from the network of this number.
pub fn sign_in(address: SocketAddr, network: usize, name: &str, password: &str) -> String {
    let body = json!({ "identifier": name, "password": password }).to_string();
    let from = format!("10.{}.{}.9", network / 256 % 256, network % 256);
    format!(
        "POST /login HTTP/1.1\r\nHost: {address}\r\nSec-Fetch-Site: same-origin\r\nX-Forwarded-For: {from}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
