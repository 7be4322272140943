//! `admit master-key …`: a new master key beside the old, the change to it, and the end of the old one.
//!
//! Asks the server of the data folder, or works on the store itself where none runs. Keys are made and written here and
//! travel nowhere; a server is told numbers.

use std::path::PathBuf;

use admit_core::audit::Event;
use admit_core::id::Id;
use admit_core::master::line;
use admit_store::{End, Location, Options, Store};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::app::{self, Clock};
use crate::cli::failure::Failure;
use crate::cli::server::{Server, path, with_query};
use crate::cli::table::{Column, Table, plain};
use crate::cli::{Context, config, source};
use crate::config::{Config, MasterKeySource};
use crate::http::problem::Problem;
use crate::master::change::{self, Held, Removal};
use crate::master::source as keys;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Show which master keys there are, which one is active, and what still needs the others
    #[command(before_help = "Examples:\n  admit master-key status\n  admit master-key status --config admit.toml")]
    Status(Files),
    /// Make a new master key and write it beside the old one; nothing uses it yet
    #[command(before_help = "Examples:
  admit master-key add
  admit master-key add --print | vault-write admit-master-key")]
    Add {
        #[command(flatten)]
        files: Files,
        /// Print the line of the new key instead of writing it: for keys in the environment or a KMS
        #[arg(long)]
        print: bool,
    },
    /// Use the newest master key for all that is new, and store each key under it when it is used next
    #[command(before_help = "Examples:\n  admit master-key rotate")]
    Rotate(Files),
    /// Take an old master key away: nothing that was made with it is read any more
    #[command(before_help = "Examples:\n  admit master-key remove 1\n  admit master-key remove 1 --accept")]
    Remove {
        /// The number of the key
        number: i64,
        /// Accept that what still needs it ends
        #[arg(long)]
        accept: bool,
        #[command(flatten)]
        files: Files,
    },
}

#[derive(Debug, clap::Args)]
pub struct Files {
    /// The configuration of the server [default: ./admit.toml where it is]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Who is asked.
enum Door {
    /// A running server; with its configuration where it is one of this machine.
    Server(Box<Server>, Option<Box<Config>>),
    /// The store itself, with the keys of this machine where they can be read.
    Store(Store, Box<Config>, Result<Held, Failure>),
}

/// Runs one of them.
pub async fn run(context: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::Status(files) => {
            let door = Door::open(context, &files)?;
            show(context, &door.status().await?);
            if let Door::Store(_, _, Err(failure)) = &door {
                context.output.note(&format!("the keys here cannot be used: {failure}"));
            }
            Ok(())
        }
        Command::Add { files, print } => add(context, &files, print).await,
        Command::Rotate(files) => {
            let status = Door::open(context, &files)?.rotate().await?;
            show(context, &status);
            let active = &status["active"];
            context.output.note(&format!(
                "master key {active} is active. Each API key moves to it when it is used next; keep the old one until nothing \
                 needs it, and as long as the backups that do. Next: admit master-key status"
            ));
            Ok(())
        }
        Command::Remove { number, accept, files } => remove(context, &files, Removal { number, accept }).await,
    }
}

async fn add(context: &Context, files: &Files, print: bool) -> Result<(), Failure> {
    let door = Door::open(context, files)?;
    let status = door.status().await?;
    let number = next_number(&status);
    let key = Zeroizing::new(app::random::<32>());
    if print {
        context.output.text(&line(number, &key));
        context.output.note(&format!(
            "this is master key {number}: add the line to what every node reads. Next, once all have it: admit master-key rotate"
        ));
        return Ok(());
    }
    let Some(config) = door.config() else {
        return Err(Failure::failed(
            "master keys are written where the server runs. Next: run this there, or admit master-key add --print",
        ));
    };
    let MasterKeySource::File(file) = &config.master_key else {
        return Err(Failure::failed(format!(
            "the master key is {}, which cannot be written from here. Next: admit master-key add --print",
            keys::name(&config.master_key)
        )));
    };
    keys::add(file, number, &key).map_err(|failure| Failure::failed(failure.0))?;
    if context.output.json {
        context.output.json(&json!({ "number": number, "file": file }));
    }
    let file = file.display();
    context.output.note(&format!(
        "added master key {number} to {file}; nothing uses it yet. Keep a copy apart from the store. On several nodes, give \
         each of them the same line first. Next: admit master-key rotate"
    ));
    Ok(())
}

/// Never one that there was before; what a source has and the store does not know yet counts too.
fn next_number(status: &Value) -> i64 {
    let seen = status["keys"].as_array().into_iter().flatten().filter_map(|key| key["number"].as_i64());
    seen.chain(status["last"].as_i64()).max().unwrap_or_default() + 1
}

async fn remove(context: &Context, files: &Files, removal: Removal) -> Result<(), Failure> {
    let door = Door::open(context, files)?;
    let status = door.remove(removal).await?;
    let number = removal.number;
    show(context, &status);
    context.output.note(&format!("master key {number} counts no more"));
    let file = match door.config().map(|config| &config.master_key) {
        Some(MasterKeySource::File(file)) => file.clone(),
        _ => {
            context.output.note("its line can be taken out of what the nodes read, once all of them have followed");
            return Ok(());
        }
    };
    // Last: until now a node that starts finds every key that counts.
    keys::remove(&file, number).map_err(|failure| {
        Failure::failed(format!(
            "its line could not be taken out of {}: {failure}. Take it out by hand",
            file.display()
        ))
    })
}

impl Door {
    fn open(context: &Context, files: &Files) -> Result<Self, Failure> {
        let is_elsewhere =
            context.given.server.is_some() || (context.given.data.is_none() && (context.env)("ADMIT_SERVER").is_some());
        if is_elsewhere {
            return Ok(Self::Server(Box::new(context.server()?), None));
        }
        let config = Box::new(config::load(context, files.config.as_deref())?);
        if source::is_alive(&config.data) {
            let mut given = context.given.clone();
            given.data = Some(config.data.clone());
            let target = source::settle(&given, &*context.env, &context.here)?;
            return Ok(Self::Server(Box::new(Server::new(&target, &context.realm)?), Some(config)));
        }
        if let Location::Sqlite(file) = &config.store
            && !file.exists()
        {
            let data = config.data.display();
            return Err(Failure::failed(format!(
                "there is no store in {data}, so no master key either. Next: admit serve, or name the folder: --data DIR"
            )));
        }
        let options = Options::at(config.store.clone());
        let store = Store::open(&options, |_| {}, Clock::default().now());
        let store = store.map_err(unstored)?;
        let ring = keys::load(&config.master_key, false).map_err(|failure| Failure::failed(failure.0));
        let held = ring.map(|ring| Held { source: config.master_key.clone(), all: ring.derive() });
        Ok(Self::Store(store, config, held))
    }

    fn config(&self) -> Option<&Config> {
        match self {
            Self::Server(_, config) => config.as_deref(),
            Self::Store(_, config, _) => Some(config),
        }
    }

    async fn status(&self) -> Result<Value, Failure> {
        match self {
            Self::Server(server, _) => server.get(&path(&["master-keys"])?).await,
            Self::Store(store, config, held) => {
                let none = || Held { source: config.master_key.clone(), all: Vec::new() };
                read(store, held.clone().unwrap_or_else(|_| none())).await
            }
        }
    }

    async fn rotate(&self) -> Result<Value, Failure> {
        match self {
            Self::Server(server, _) => server.post(&path(&["master-keys", "rotate"])?, &Value::Null).await,
            Self::Store(store, _, held) => {
                let held = held.clone()?;
                let (work_on, event) = (held.clone(), event());
                let done = store.write(move |tx| {
                    let done = change::rotate(tx, &work_on, &event, event.at)?;
                    Ok(if done.is_ok() { End::Commit(done) } else { End::Rollback(done) })
                });
                done.await.map_err(unstored)?.map_err(told)?;
                read(store, held).await
            }
        }
    }

    async fn remove(&self, removal: Removal) -> Result<Value, Failure> {
        match self {
            Self::Server(server, _) => {
                let path = path(&["master-keys", &removal.number.to_string()])?;
                server.delete(&with_query(&path, &[("accept", removal.accept.then(|| "true".to_owned()))])).await
            }
            Self::Store(store, _, held) => {
                let held = held.clone()?;
                let (work_on, event) = (held.clone(), event());
                let done = store.write(move |tx| {
                    let done = change::remove(tx, &work_on, removal, &event, event.at)?;
                    Ok(if done.is_ok() { End::Commit(done) } else { End::Rollback(done) })
                });
                done.await.map_err(unstored)?.map_err(told)?;
                read(store, held).await
            }
        }
    }
}

async fn read(store: &Store, held: Held) -> Result<Value, Failure> {
    let now = Clock::default().now();
    let status = store.read(move |tx| change::status(tx, &held, now)).await.map_err(unstored)?;
    let status =
        status.ok_or_else(|| Failure::failed("the store was not made with any master key yet. Next: admit serve"))?;
    serde_json::to_value(&status).map_err(|error| Failure::failed(error.to_string()))
}

const COLUMNS: &[Column] = &[
    Column("NUMBER", "/number"),
    Column("STATE", "/state"),
    Column("SECRETS", "/secrets"),
    Column("OF CLIENTS", "/client_secrets"),
    Column("REFRESH", "/refresh_tokens"),
    Column("PASSWORDS", "/passwords"),
    Column("SIGNING", "/signing_keys"),
    Column("SEALS", "/seals"),
];

fn show(context: &Context, status: &Value) {
    let output = &context.output;
    if output.json {
        return output.json(status);
    }
    let items = status["keys"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut table = Table::new(COLUMNS);
    let rows = table.page(items);
    output.line(&table.headings());
    rows.iter().for_each(|row| output.line(row));
    items.iter().filter_map(|key| advice(status, key)).for_each(|advice| output.note(&advice));
}

/// What can be done about a key.
fn advice(status: &Value, key: &Value) -> Option<String> {
    let (number, source) = (&key["number"], plain(&status["source"]));
    Some(match key["state"].as_str()? {
        "new" => format!("master key {number} waits. Next, once every node has it: admit master-key rotate"),
        "old" if key["removable"] == true => {
            let since = plain(&status["rotated_at"]);
            format!(
                "nothing in the store needs master key {number}; backups from before {since} do. Next: admit master-key remove {number}"
            )
        }
        "old" => format!(
            "master key {number} is needed by {} secrets of API keys, {} of clients and {} refresh tokens, which move on when they \
             are used, by {} passwords, which move on when their owners sign in, by {} signing keys, which move on by themselves, and by {} seals of \
             the audit",
            key["secrets"],
            key["client_secrets"],
            key["refresh_tokens"],
            key["passwords"],
            key["signing_keys"],
            key["seals"]
        ),
        "missing" => {
            format!("master key {number} counts, and the master key {source} does not have it. Put its line back")
        }
        "idle" => format!("master key {number} of the master key {source} is not used: its line can be taken out"),
        _ => return None,
    })
}

fn event() -> Event {
    let now = Clock::default().now();
    Event {
        id: Id::new(now, app::random()),
        number: 0,
        realm: None,
        at: now,
        kind: String::new(),
        actor: "operator".to_owned(),
        target: String::new(),
        reason: None,
        request_id: None,
        detail: Value::Null,
        seal: None,
    }
}

fn unstored(error: admit_store::Error) -> Failure {
    Failure::failed(error.to_string())
}

fn told(problem: Problem) -> Failure {
    Failure::failed(problem.detail())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::test_console::{Console, Reply};

    fn status() -> Value {
        json!({"source": "/run/master.key", "active": 2, "last": 4, "rotated_at": "2026-11-22T08:00:00Z", "keys": [
            {"number": 1, "state": "old", "secrets": 3, "client_secrets": 4, "refresh_tokens": 6, "passwords": 7, "signing_keys": 2, "seals": 5,
             "removable": false},
            {"number": 2, "state": "active", "secrets": 9, "client_secrets": 5, "refresh_tokens": 8, "passwords": 9, "signing_keys": 0, "seals": 1,
             "removable": false},
            {"number": 3, "state": "new", "secrets": 0, "client_secrets": 0, "refresh_tokens": 0, "passwords": 0, "signing_keys": 0, "seals": 0,
             "removable": true}]})
    }

    #[tokio::test]
    async fn status_says_what_needs_a_key_and_what_comes_next() {
        let ran = Console::new([Reply::json(200, status())]).await.run("master-key status").await;
        assert_eq!(ran.exit, 0, "{}", ran.err);
        assert_eq!(
            ran.out.lines().nth(1).unwrap().split_whitespace().collect::<Vec<_>>(),
            ["1", "old", "3", "4", "6", "7", "2", "5"]
        );
        for part in [
            "needed by 3 secrets of API keys, 4 of clients and 6 refresh tokens",
            "by 7 passwords",
            "by 2 signing keys",
            "5 seals",
            "master key 3 waits. Next, once every node has it: admit master-key rotate",
        ] {
            assert!(ran.err.contains(part), "{part}: {}", ran.err);
        }
    }

    #[tokio::test]
    async fn a_key_of_a_server_elsewhere_is_printed_only_when_asked_for() {
        let console = Console::new([Reply::json(200, status()), Reply::json(200, status())]).await;
        let ran = console.run("master-key add").await;
        assert_eq!((ran.exit, ran.out.as_str()), (1, ""));
        assert!(ran.err.contains("admit master-key add --print"), "{}", ran.err);
        let ran = console.run("master-key add --print").await;
        let (number, digits) = ran.out.trim_end().split_once(' ').unwrap();
        assert_eq!((ran.exit, number, digits.len()), (0, "5", 64), "the numbers 3 and 4 were given before");
        assert!(!ran.err.contains(digits));
    }

    #[tokio::test]
    async fn removal_and_its_acceptance_are_the_server_s_to_judge() {
        let refused = json!({"code": "master_key_needed", "detail": "Master key 1 is still needed. Next: …"});
        let console = Console::new([Reply::json(409, refused), Reply::json(200, status())]).await;
        let ran = console.run("master-key remove 1").await;
        assert!(ran.exit == 1 && ran.err.contains("still needed"), "{}", ran.err);
        assert_eq!(console.run("master-key remove 1 --accept").await.exit, 0);
        let lines: Vec<_> = console.requests().into_iter().map(|request| request.line).collect();
        assert_eq!(lines, ["DELETE /v1/master-keys/1 HTTP/1.1", "DELETE /v1/master-keys/1?accept=true HTTP/1.1"]);
    }
}
