//! Admit as an issuer: a data folder with an API for each format of access tokens, and as many clients as a scenario wants, who may
//! read orders at each of them.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use admit_core::jose::algorithm::Algorithm;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::admit::Admit;
use crate::load::{CONNECTIONS, on_one_thread};
use crate::population::Population;
use crate::question::{Question, read_answer};
use crate::server::Server;
use crate::{Plan, Result, clients};

/// Where tokens are asked for, and where about them.
pub const TOKEN: &str = "/oauth/token";
pub const INTROSPECT: &str = "/oauth/introspect";

/// How old a store may be that was kept: tokens in it end after a day.
const KEPT_FOR: Duration = Duration::from_secs(20 * 3_600);
const PATTERN: &str = "pattern";

/// What tokens of an API are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A random string.
    Opaque,
    /// A JWT that is signed by this.
    Jwt(Algorithm),
}

impl Format {
    /// Those that there is an API for.
    pub const ALL: [Self; 4] =
        [Self::Opaque, Self::Jwt(Algorithm::Es256), Self::Jwt(Algorithm::EdDsa), Self::Jwt(Algorithm::Rs256)];

    /// Its name, as `oidc-provider` has it, too.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opaque => "opaque",
            Self::Jwt(algorithm) => algorithm.as_str(),
        }
    }

    /// The host whose rule asks for a scope of the API.
    pub fn host(self) -> String {
        format!("{}.shop.test", self.as_str().to_lowercase())
    }

    /// What a client asks for.
    fn form(self) -> String {
        format!("grant_type=client_credentials&scope=orders:read&resource=https://{}", self.host())
    }
}

/// A folder and what its clients show.
pub struct Issuer {
    pub admit: Admit,
    pub clients: Arc<Population>,
}

impl Issuer {
    /// A folder with so many clients. Made once in a run, or once for some hours where it is kept.
    pub fn stocked(plan: &Plan, count: usize) -> Result<Self> {
        Self::stocked_in(plan, &format!("clients-{count}"), count)
    }

    /// The same in a folder of this name, for those who put more into it.
    pub fn stocked_in(plan: &Plan, name: &str, count: usize) -> Result<Self> {
        let admit = Admit::new(plan, name)?;
        let shown = admit.folder().join("clients.txt");
        if is_young(&shown) {
            let text = fs::read_to_string(&shown).map_err(|error| error.to_string())?;
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            return Ok(Self { admit, clients: Arc::new(Population::of(&lines)?) });
        }
        let told = |error| format!("cannot remove {}: {error}", admit.folder().display());
        fs::remove_dir_all(admit.folder()).map_err(told)?;
        let (admit, start) = (Admit::new(plan, name)?, Instant::now());
        let (server, _) = admit.serve(&[])?;
        let file = admit.write("issuer.toml", &document())?;
        admit.run(&["apply", "-f", &file])?;
        let create = ["client", "create", "--name", PATTERN, "--type", "service", "--role", "reader", "--json"];
        let made: Value = serde_json::from_str(&admit.run(&create)?).map_err(|error| error.to_string())?;
        server.stop()?;
        let secret = made["secret"].as_str().ok_or("a client was made without a secret")?;
        let lines = clients::insert(&admit.data(), &Population::client_secrets(count), PATTERN, secret)?;
        admit.write("clients.txt", &lines.join("\n"))?;
        eprintln!("a store with {count} clients was made in {:.1} s", start.elapsed().as_secs_f64());
        Ok(Self { admit, clients: Arc::new(Population::of(&lines)?) })
    }

    /// What its clients ask for.
    pub fn question(&self, format: Format) -> Question {
        Question::form(TOKEN, self.clients.key_len(), &format.form())
    }

    /// Tokens that a running server makes for its clients in turn.
    pub fn tokens(&self, server: &Server, format: Format, count: usize) -> Result<Population> {
        let start = Instant::now();
        let made =
            Population::of(&on_one_thread(fetch(server.address, self.question(format), self.clients.clone(), count))?)?;
        eprintln!("{count} {} tokens were made in {:.1} s", format.as_str(), start.elapsed().as_secs_f64());
        Ok(made)
    }
}

/// The body of the answer to one question.
pub fn answer(server: &Server, question: &Question) -> Result<Value> {
    let ask = async {
        let (mut stream, mut answer) = (TcpStream::connect(server.address).await?, Vec::new());
        stream.write_all(question.bytes()).await?;
        read_answer(&mut stream, &mut answer).await?;
        body_of(&answer)
    };
    on_one_thread(ask)
}

/// So many tokens, over as many connections as the load has.
async fn fetch(
    address: SocketAddr,
    question: Question,
    clients: Arc<Population>,
    count: usize,
) -> std::io::Result<Vec<String>> {
    let mut conversations = tokio::task::JoinSet::new();
    for first in 0..CONNECTIONS {
        let (mut question, clients) = (question.clone(), clients.clone());
        conversations.spawn(async move {
            let mut stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let (mut made, mut answer) = (Vec::new(), Vec::new());
            for number in (first..count).step_by(CONNECTIONS) {
                question.key_mut().copy_from_slice(clients.key(number % clients.len()).as_bytes());
                stream.write_all(question.bytes()).await?;
                read_answer(&mut stream, &mut answer).await?;
                made.push(token_of(&answer)?);
            }
            Ok::<_, std::io::Error>(made)
        });
    }
    let mut made = Vec::with_capacity(count);
    while let Some(some) = conversations.join_next().await {
        made.extend(some.map_err(std::io::Error::other)??);
    }
    Ok(made)
}

fn token_of(answer: &[u8]) -> std::io::Result<String> {
    let body = body_of(answer)?;
    let token = body["access_token"].as_str().map(str::to_owned);
    token.ok_or_else(|| std::io::Error::other(format!("there is no token in {body}")))
}

fn body_of(answer: &[u8]) -> std::io::Result<Value> {
    let body = answer.windows(4).position(|four| four == b"\r\n\r\n").map(|end| &answer[end + 4..]);
    let body = body.and_then(|body| serde_json::from_slice(body).ok());
    body.ok_or_else(|| std::io::Error::other(format!("no JSON: {}", String::from_utf8_lossy(answer))))
}

fn is_young(file: &std::path::Path) -> bool {
    let modified = fs::metadata(file).and_then(|facts| facts.modified()).ok();
    modified.and_then(|at| at.elapsed().ok()).is_some_and(|age| age < KEPT_FOR)
}

/// The APIs, a role that may read orders at each, and a rule for each that asks for that.
fn document() -> String {
    let mut text = String::new();
    for format in Format::ALL {
        let host = format.host();
        let how = match format {
            Format::Opaque => "token_format = \"opaque\"".to_owned(),
            Format::Jwt(algorithm) => format!("token_alg = \"{}\"", algorithm.as_str()),
        };
        text += &format!(
            "[[api]]\nuri = \"https://{host}\"\nhosts = [\"{host}\"]\nscopes = {{ \"orders:read\" = \"Read orders\" }}\n\
             token_lifetime = \"24h\"\n{how}\n\n"
        );
        text += &format!(
            "[[rule]]\nname = \"{host}\"\nmatch = {{ host = \"{host}\", methods = [\"GET\"], path = \"/orders/**\" }}\n\
             require = {{ scopes = [\"orders:read\"] }}\n{}\n\n",
            crate::admit::LIMITED
        );
    }
    let rights: Vec<_> =
        Format::ALL.iter().map(|format| format!("\"https://{}\" = [\"orders:read\"]", format.host())).collect();
    text + &format!("[[role]]\nname = \"reader\"\nrights = {{ {} }}\n", rights.join(", "))
}
