//! What a person lets applications do, written into the store of a server that is stopped, and applications that renew it: each
//! has a chain of its own, and sends what it was given last.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use admit_core::grant::{Grant, GrantKind};
use admit_core::id::{GrantId, Id, SubjectId};
use admit_core::login::session::{Factor, Factors};
use admit_core::name::ScopeName;
use admit_core::oauth::approved::ShownAt;
use admit_core::oauth::authorized::{Authorized, AuthorizedSpec};
use admit_core::oauth::refresh::RefreshToken;
use admit_core::secret::{self, LookupKey, SecretKind};
use admit_core::time::{Span, Time};
use admit_store::{End, Store};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::Result;
use crate::bulk::random;
use crate::histogram::Histogram;
use crate::issuer::TOKEN;
use crate::load::on_one_thread;
use crate::population::Numbers;
use crate::question::{Question, read_answer};

/// The one who lets them act, and the API where.
pub const PERSON: &str = "alice";
pub const API: &str = "https://api.shop.test";

/// An API, alice who may read there, and an application of each kind that may ask for that.
pub const DOCUMENT: &str = r#"
[[api]]
uri = "https://api.shop.test"
hosts = ["shop.test"]
scopes = { "orders:read" = "Read orders" }
token_alg = "ES256"

[[role]]
name = "buyer"
rights = { "https://api.shop.test" = ["orders:read"] }

[[user]]
name = "alice"
roles = ["buyer"]

[[client]]
name = "in a browser"
type = "spa"
redirect_uris = ["https://app.test/cb"]
rights = { "https://api.shop.test" = ["orders:read"] }

[[client]]
name = "on a server"
type = "web"
redirect_uris = ["https://app.test/cb"]
rights = { "https://api.shop.test" = ["orders:read"] }
id_token_signed_response_alg = "ES256"
"#;

/// Writes so many authorizations of a client with these scopes, each with its refresh token. The client's id, and the tokens.
pub fn plant(
    store: &Store,
    lookup: &LookupKey,
    client: &str,
    scopes: &[&str],
    count: usize,
) -> Result<(String, Vec<String>)> {
    let told = |error: admit_store::Error| format!("cannot write what {client} may do: {error}");
    let found = store.point(|tx| {
        let Some(realm) = tx.find_realm_named("default")? else { return Ok(None) };
        let client = tx.find_client_named(realm.id, client)?;
        let (user, api) = (tx.find_user_named(realm.id, PERSON)?, tx.find_api_by_uri(realm.id, API)?);
        Ok(client.zip(user).zip(api).map(|((client, user), api)| (client, user, api)))
    });
    let (client, user, api) = found.map_err(told)?.ok_or("the document was not applied")?;
    let scopes: Vec<_> = scopes.iter().filter_map(|name| ScopeName::parse(name).ok()).collect();
    let (now, mut tokens, mut rows) = (client.created_at, Vec::with_capacity(count), Vec::with_capacity(count));
    for number in 0..count {
        let mut numbers = Numbers::new(number as u64 ^ 0x5EED_0008);
        let id: GrantId = Id::new(now, random(&mut numbers));
        let mut bits = [0; 32];
        bits.chunks_mut(8).for_each(|part| part.copy_from_slice(&numbers.next().to_le_bytes()));
        let text = secret::write("admit_rt", &bits);
        let grant = Grant {
            id,
            realm: client.realm,
            org: None,
            kind: GrantKind::Authorization,
            subject: SubjectId::User(user.id),
            client: Some(client.id),
            parent: None,
            root: id,
            api: Some(api.id),
            scopes: scopes.clone(),
            created_at: now,
            expires_at: Some(now + Span::days(30)),
            revoked_at: None,
        };
        let sign_in = ShownAt { at: now, factors: Factors::of(&[Factor::Password]) };
        let authorized = Authorized {
            grant: id,
            realm: client.realm,
            user: user.id,
            client: client.id,
            session: id,
            spec: AuthorizedSpec { sign_in, claims: Value::Null },
            last_at: now,
            last_ip: None,
            last_agent: None,
        };
        let token = first(lookup, &grant, text.expose(), now);
        tokens.push(text.expose().to_owned());
        rows.push((grant, authorized, token));
    }
    let written = store.write_blocking(move |tx| {
        rows.iter().try_for_each(|(grant, authorized, token)| {
            tx.insert_authorization(grant, authorized)?;
            tx.insert_refresh_token(token)
        })?;
        Ok(End::Commit(()))
    });
    written.map_err(told)?;
    Ok((client.id.to_string(), tokens))
}

fn first(lookup: &LookupKey, grant: &Grant, text: &str, now: Time) -> RefreshToken {
    RefreshToken {
        hash: lookup.hash(grant.realm, SecretKind::RefreshToken, text),
        lookup_key: 1,
        realm: grant.realm,
        grant: grant.id,
        created_at: now,
        expires_at: now + Span::days(14),
        last_at: now,
        spent_at: None,
        successor: None,
        reply: None,
        reply_ends: None,
    }
}

/// The chains of a public client.
pub struct Chains {
    address: SocketAddr,
    question: Question,
    /// What each sends next.
    tokens: Vec<Arc<Mutex<String>>>,
}

/// What a turn of them showed.
pub struct Shown {
    /// Answers per second.
    pub rate: f64,
    /// How long they took.
    pub times: Histogram,
}

impl Chains {
    /// Those that begin with these tokens.
    pub fn new(address: SocketAddr, client: &str, tokens: Vec<String>) -> Self {
        let form = format!("grant_type=refresh_token&client_id={client}&refresh_token=");
        let question = Question::form_ending(TOKEN, &form, tokens.first().map_or(0, String::len));
        Self { address, question, tokens: tokens.into_iter().map(|token| Arc::new(Mutex::new(token))).collect() }
    }

    /// So many of them go on for so long.
    pub fn turn(&self, clients: usize, time: Duration) -> Result<Shown> {
        let start = Instant::now();
        let gather = async {
            let mut conversations = tokio::task::JoinSet::new();
            for token in self.tokens.iter().take(clients) {
                conversations.spawn(renew(self.address, self.question.clone(), token.clone(), start + time));
            }
            let mut times = Histogram::new();
            while let Some(one) = conversations.join_next().await {
                times.add(&one.map_err(std::io::Error::other)??);
            }
            Ok(times)
        };
        let times = on_one_thread(gather)?;
        Ok(Shown { rate: times.all() as f64 / start.elapsed().as_secs_f64(), times })
    }
}

async fn renew(
    address: SocketAddr,
    mut question: Question,
    token: Arc<Mutex<String>>,
    until: Instant,
) -> std::io::Result<Histogram> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut answer, mut times) = (Vec::new(), Histogram::new());
    let mut current = token.lock().map(|token| token.clone()).unwrap_or_default();
    while Instant::now() < until {
        question.key_mut().copy_from_slice(current.as_bytes());
        let sent = Instant::now();
        stream.write_all(question.bytes()).await?;
        let status = read_answer(&mut stream, &mut answer).await?;
        times.count(sent.elapsed());
        let next = (status == 200).then(|| refresh_token_of(&answer)).flatten();
        current = next.ok_or_else(|| {
            let said = String::from_utf8_lossy(&answer).into_owned();
            std::io::Error::other(format!("a refresh is answered without a refresh token:\n{said}"))
        })?;
    }
    if let Ok(mut token) = token.lock() {
        *token = current;
    }
    Ok(times)
}

fn refresh_token_of(answer: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(answer).ok()?;
    let (_, rest) = text.split_once("\"refresh_token\":\"")?;
    rest.split_once('"').map(|(token, _)| token.to_owned())
}
