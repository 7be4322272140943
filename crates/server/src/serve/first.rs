//! The first start: the realms `operators` and `default`, and what the operator is told.

use admit_core::id::{Id, RealmId};
use admit_core::name::RealmName;
use admit_core::realm::{self, DEFAULT, OPERATORS, Realm};
use admit_core::secret::Prefix;
use admit_core::shell::quote;
use admit_core::time::Time;
use admit_store::{End, Result, Store, Tx};

use super::demo::Demo;
use super::{Failure, Places, Server, restore};
use crate::app::{self, App};
use crate::config::Config;
use crate::console;
use crate::login::first_operator;
use crate::realm::insert_realm;

/// Where the store keeps whether it is a development store.
const MARK: &str = "store_mark";
const DEV: &[u8] = b"development";
const PRODUCTION: &[u8] = b"production";
/// The key prefix of the realm of operators.
const OPERATORS_PREFIX: &str = "admit_operators";

/// The realms that every store has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begun {
    /// The realm of operators.
    pub operators: RealmId,
    /// The first ordinary realm.
    pub default_realm: RealmId,
    /// True where they were made by this start.
    pub is_new: bool,
}

/// `serve` refuses a development store and `--dev` any other.
pub fn check_mark(store: &Store, config: &Config, dev: bool) -> std::result::Result<(), Failure> {
    let own = if dev { DEV } else { PRODUCTION };
    let known = store.write_blocking(move |tx| {
        // Not whether the file is new: a first start that was killed left a file without rows.
        if tx.find_realm_named(OPERATORS)?.is_none() {
            tx.insert_meta(MARK, own)?;
        }
        tx.find_meta(MARK).map(End::Commit)
    })?;
    let folder = config.data.display();
    let quoted = quote(&folder.to_string()).into_owned();
    match known.as_deref() {
        Some(mark) if mark == own => Ok(()),
        Some(DEV) => Err(Failure(format!(
            "{folder} is a development store. Next: admit serve --dev --data {quoted}, or another --data"
        ))),
        _ => Err(Failure(format!(
            "{folder} is no development store. Next: admit serve --data {quoted}, or another --data for --dev"
        ))),
    }
}

/// Finds the two realms, or makes them.
pub fn begin(store: &Store, now: Time) -> Result<Begun> {
    store.write_blocking(move |tx| {
        // Of two nodes that start at once, the second finds what the first made.
        tx.lock_meta(MARK)?;
        let known = (tx.find_realm_named(OPERATORS)?, tx.find_realm_named(DEFAULT)?);
        if let (Some(operators), Some(default)) = known {
            return Ok(End::Rollback(Begun { operators: operators.id, default_realm: default.id, is_new: false }));
        }
        let operators = make(tx, OPERATORS, Prefix::parse(OPERATORS_PREFIX), None, now)?;
        let default_realm = make(tx, DEFAULT, None, Some(operators), now)?;
        restore::begin_life(tx, &app::random())?;
        Ok(End::Commit(Begun { operators, default_realm, is_new: true }))
    })
}

fn make(tx: &mut Tx<'_>, name: &str, prefix: Option<Prefix>, operators: Option<RealmId>, now: Time) -> Result<RealmId> {
    let corrupt = || admit_store::Error::Corrupt { what: format!("the built-in realm {name}") };
    let name = RealmName::parse(name).map_err(|_| corrupt())?;
    let prefix = prefix.or_else(|| realm::default_prefix(&name)).ok_or_else(corrupt)?;
    let realm = Realm::new(Id::new(now, app::random()), name, prefix, now);
    insert_realm(tx, &realm, operators, now, &mut app::random)?;
    Ok(realm.id)
}

/// Where operators go: with a link for the first one, as long as nobody manages the server by signing in. The link is a
/// secret: it is for whoever reads this command's stderr, and never for a log.
pub async fn console(app: &App) -> Result<String> {
    let public_url = app.config.load().public_url.clone();
    Ok(match first_operator::make(app).await? {
        Some(link) => format!("{public_url}{}/first?token={}", console::PATH, link.expose()),
        None => format!("{public_url}{}", console::PATH),
    })
}

/// Says on stderr that the server is ready, with what comes next.
#[expect(clippy::print_stderr, reason = "messages of a command go to stderr")]
pub fn say_ready(server: &Server, places: &Places, console: &str, demo: Option<&Demo>) {
    let config = server.app.config.load();
    let (url, data) = (&config.public_url, config.data.display());
    if server.begun.is_new {
        eprintln!("created {data} with a store, a master key and the realms \"operators\" and \"default\"");
    }
    eprintln!("ready");
    eprintln!("  server     {url}   (listening on {})", places.main);
    if let Some(address) = places.tls {
        eprintln!("  https      {address}");
    }
    if places.has_own_local {
        eprintln!("  this host  http://{}   (for the command line)", places.local);
    }
    let once = if console.contains("token=") { "   (for the first operator: good once, for 10 minutes)" } else { "" };
    eprintln!("  console    {console}{once}");
    eprintln!("  docs       {url}/v1/docs");
    if let Some(ops) = config.ops_listen {
        eprintln!("  metrics    http://{ops}/metrics");
    }
    match demo {
        Some(demo) => demo.say(url),
        None => {
            let flag = if data.to_string() == "admit-data" { String::new() } else { format!(" --data {data}") };
            eprintln!("next:");
            eprintln!(
                "  admit{flag} api create https://api.example.com --scope 'orders:read=Read orders' --host shop.test"
            );
            eprintln!("  admit{flag} rule add --host shop.test --path '/orders/**' --method GET --scope orders:read");
            eprintln!("  admit{flag} key create --name first --api https://api.example.com --scope orders:read");
        }
    }
}
