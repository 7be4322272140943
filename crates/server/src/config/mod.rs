//! The configuration: raw → resolved. What the operator typed is not what the program runs on.
//!
//! [`Config::load`] reads `admit.toml`, lays `ADMIT__SECTION__KEY` over it and reports every problem at once, each with
//! its key path. Users, clients, keys and rules are data, not configuration. See the reference in the book.

mod listen;
mod login;
pub mod mail;
mod raw;
mod resolve;
mod telemetry;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use admit_core::check::address::TrustedProxies;
use admit_core::limit::{Limit, Per, Rate};
use admit_core::policy::rule::Problem;
use admit_core::time::Span;
use admit_store::Location;
use ipnet::IpNet;

pub use listen::Listen;
pub use login::Login;
pub use resolve::public_authority;
pub use telemetry::Telemetry;

/// What the program runs on. Immutable; a reload makes a new one.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The issuer of the realm `default`, without a slash at its end.
    pub public_url: String,
    /// Where connections are accepted.
    pub listen: Listen,
    /// The certificate and where it is used; without it nothing here speaks TLS.
    pub tls: Option<Tls>,
    /// Peers whose `X-Forwarded-*` and `X-Original-*` count.
    pub trusted_proxies: Arc<TrustedProxies>,
    /// Where the store is.
    pub store: Location,
    /// The folder of the store, `server.json`, `operator.key` and, unless said otherwise, the master key.
    pub data: PathBuf,
    /// Where the master key comes from.
    pub master_key: MasterKeySource,
    /// The bound of the cache of principals, in bytes.
    pub cache_max_bytes: usize,
    /// How old the knowledge of revocations may grow before entries are read again.
    pub max_staleness: Span,
    /// Where `/metrics` is served; off unless set.
    pub ops_listen: Option<SocketAddr>,
    /// The limit that applies where neither key nor rule sets one.
    pub default_limit: Option<(Per, Limit)>,
    /// How many unknown credentials one source network may try, and one realm in all.
    pub unknown: UnknownBudget,
    /// Private networks that this server may ask things of.
    pub outbound_allow: Vec<IpNet>,
    /// Where mails go; nowhere unless set.
    pub mail: Option<mail::MailServer>,
    /// How people sign in.
    pub login: Login,
    /// How logs are written.
    pub log: LogFormat,
    /// Where traces go; nowhere unless set.
    pub telemetry: Option<Telemetry>,
}

/// HTTPS by Admit itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The certificate with its chain, in PEM.
    pub cert_file: PathBuf,
    /// Its private key, in PEM.
    pub key_file: PathBuf,
    /// A listener of its own; without it [`Config::listen`] speaks HTTPS.
    pub listen: Option<SocketAddr>,
}

/// Where the master key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MasterKeySource {
    /// A file with 64 hexadecimal digits.
    File(PathBuf),
    /// An environment variable with 64 hexadecimal digits.
    Env(String),
    /// A command that prints 64 hexadecimal digits, for a KMS.
    Command(Vec<String>),
}

/// Budgets of credentials that turn out to be unknown. Known ones give their unit back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownBudget {
    /// Per source network (/24, /64) and realm.
    pub network: Limit,
    /// Per realm.
    pub realm: Limit,
}

impl Default for UnknownBudget {
    fn default() -> Self {
        let per_minute = |count| Limit::from(Rate::per_minute(count));
        Self { network: per_minute(300), realm: per_minute(6000) }
    }
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Human,
}

/// What the command line says over file and environment.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--data`.
    pub data: Option<PathBuf>,
    /// `--listen`.
    pub listen: Option<Listen>,
    /// `--dev`: another default for the data folder.
    pub dev: bool,
}

/// What `serve` reads where no file is named and this one is there.
pub const DEFAULT_FILE: &str = "admit.toml";

impl Config {
    /// The file that is meant in this folder.
    pub fn file(named: Option<&Path>, here: &Path) -> Option<PathBuf> {
        named.map(Path::to_owned).or_else(|| Some(here.join(DEFAULT_FILE)).filter(|file| file.exists()))
    }

    /// Reads a file (or none) and the environment. `env` is an argument so that tests need not change the process.
    pub fn load(
        file: Option<&Path>,
        overrides: &Overrides,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Vec<Problem>> {
        let text = match file {
            Some(file) => std::fs::read_to_string(file).map_err(|error| {
                vec![Problem { path: file.display().to_string(), message: format!("cannot be read: {error}") }]
            })?,
            None => String::new(),
        };
        Self::parse(&text, overrides, env)
    }

    /// The same from text.
    pub fn parse(
        text: &str,
        overrides: &Overrides,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Vec<Problem>> {
        let env: Vec<_> = env.into_iter().collect();
        let password = env.iter().find(|(name, _)| name == "PGPASSWORD").map(|(_, value)| value.clone());
        resolve::resolve(raw::merge(text, env)?, overrides, password.as_deref())
    }

    /// True where [`Self::listen`] itself speaks TLS.
    pub fn listens_with_tls(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.listen.is_none())
    }

    /// The issuer of a realm that has no host of its own.
    pub fn issuer(&self, realm: &str) -> String {
        if realm == admit_core::realm::DEFAULT {
            self.public_url.clone()
        } else {
            format!("{}/realms/{realm}", self.public_url)
        }
    }

    /// What a reload cannot change: these need a restart.
    pub fn needs_restart(&self, new: &Self) -> Vec<&'static str> {
        let mut keys = Vec::new();
        let mut compare = |name, same: bool| {
            if !same {
                keys.push(name);
            }
        };
        compare("listen", self.listen == new.listen);
        let listener = |config: &Self| config.tls.as_ref().map(|tls| tls.listen);
        compare("tls", listener(self) == listener(new));
        compare("store.url", self.store == new.store);
        compare("cache.max_bytes", self.cache_max_bytes == new.cache_max_bytes);
        compare("ops.listen", self.ops_listen == new.ops_listen);
        compare("login.hash_threads", self.login.hash_threads == new.login.hash_threads);
        compare("log.format", self.log == new.log);
        compare("telemetry", self.telemetry == new.telemetry);
        keys
    }
}
