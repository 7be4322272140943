//! `admit key …`: API keys, from creation to revocation. A key's secret is printed once, alone, on stdout.

mod import;
mod inspect;

pub use inspect::kind_word;

use std::ffi::OsString;

use admit_core::shell::operand;
use serde_json::{Map, Value, json};

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::input::{self, Expiry, Extras, Filters, fields, some_list};
use crate::cli::noun::{self, ListOptions, Noun, changed_list};
use crate::cli::output::clean;
use crate::cli::table::{Column, plain};

const NOUN: Noun = Noun {
    plural: "keys",
    singular: "key",
    columns: &[
        Column("NAME", "/name"),
        Column("HINT", "/hint"),
        Column("OWNER", "/owner_name"),
        Column("API", "/api"),
        Column("SCOPES", "/scopes"),
        Column("STATE", "/state"),
        Column("EXPIRES", "/expires_at"),
        Column("LAST USED", "/last_used_at"),
        Column("ID", "/id"),
    ],
};

const USAGE: Noun = Noun {
    plural: "uses",
    singular: "use",
    columns: &[
        Column("DAY", "/day"),
        Column("SECRET", "/secret"),
        Column("ANSWER", "/code"),
        Column("COUNT", "/count"),
    ],
};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Create a key; stdout is the key alone, shown this once
    #[command(before_help = "Examples:
  admit key create --name ci --api https://api.example.com --scope orders:read > ci.key
  admit key create --name partner --owner alice@example.com --expires 30d --ip 203.0.113.0/24 --rate 100/1m")]
    Create(Create),
    /// List keys
    #[command(
        before_help = "Examples:\n  admit key list\n  admit key list --expiring 30d\n  admit key list --owner billing --metadata plan=pro"
    )]
    List(List),
    /// Show a key, its secrets, and who still uses which
    #[command(before_help = "Examples:\n  admit key show ci")]
    Show(Which),
    /// Change a key; its secret stays
    #[command(
        before_help = "Examples:\n  admit key update ci --scope orders:write --expires 30d\n  admit key update ci --rate none"
    )]
    Update(Update),
    /// Switch a key on again
    #[command(before_help = "Examples:\n  admit key enable ci")]
    Enable(Which),
    /// Switch a key off
    #[command(before_help = "Examples:\n  admit key disable ci")]
    Disable(Which),
    /// Give a key a new secret; the old one goes on for a while
    #[command(
        visible_alias = "rotate",
        before_help = "Examples:
  admit key roll ci > ci.key
  admit key roll ci --overlap 7d > ci.key
  admit key roll ci --compromised > ci.key"
    )]
    Roll(Roll),
    /// End a key for good
    #[command(before_help = "Examples:\n  admit key revoke ci")]
    Revoke(Which),
    /// Show how often a key was used, day by day, and what was answered
    #[command(before_help = "Examples:\n  admit key usage ci --days 7")]
    Usage(Usage),
    /// Take over keys of another system by their SHA-256
    #[command(before_help = "Examples:
  admit key import --pattern 'sk_*' --api https://api.example.com --scope orders:read keys.ndjson
  admit key import --pattern 'sk_*' --plain < secrets.txt")]
    Import(import::Import),
    /// Say what a key on stdin is, offline
    #[command(before_help = "Examples:\n  admit key inspect < ci.key")]
    Inspect {
        /// Taken only to be refused, so that no error repeats it
        #[arg(hide = true, num_args = 0.., value_name = "KEY")]
        typed: Vec<OsString>,
    },
}

#[derive(Debug, clap::Args)]
pub struct Which {
    /// The name or id
    key: String,
}

#[derive(Debug, clap::Args)]
pub struct Create {
    /// What people call it; need not be unique
    #[arg(long)]
    name: String,
    /// Who owns it: id, name or e-mail address; a new service client of that name where absent
    #[arg(long, value_name = "OWNER")]
    owner: Option<String>,
    /// The API it is for
    #[arg(long, value_name = "URI")]
    api: Option<String>,
    /// What may be done with it; may be repeated
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// How long it lives, or never [default: 90d]
    #[arg(long, value_name = "TIME", value_parser = input::expiry)]
    expires: Option<Expiry>,
    /// Where it may be used from; may be repeated
    #[arg(long = "ip", value_name = "NETWORK", value_parser = input::network)]
    networks: Vec<String>,
    /// How often it may be used
    #[arg(long, value_name = "COUNT/TIME")]
    rate: Option<String>,
    #[command(flatten)]
    extras: Extras,
}

#[derive(Debug, clap::Args)]
pub struct List {
    /// Only those of this owner: id, name or e-mail address
    #[arg(long, value_name = "OWNER")]
    owner: Option<String>,
    /// Only those of this name
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    filters: Filters,
    /// Only those that end within this time
    #[arg(long, value_name = "TIME")]
    expiring: Option<String>,
    /// Only live ones, or all
    #[arg(long, value_name = "STATE", value_parser = ["live", "all"])]
    state: Option<String>,
    #[command(flatten)]
    options: ListOptions,
}

#[derive(Debug, clap::Args)]
pub struct Update {
    /// The name or id
    key: String,
    /// A new name
    #[arg(long)]
    name: Option<String>,
    /// A scope to add; may be repeated
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// A scope to take away; may be repeated
    #[arg(long = "remove-scope", value_name = "SCOPE")]
    remove_scopes: Vec<String>,
    /// How long it lives from now, or never
    #[arg(long, value_name = "TIME", value_parser = input::expiry)]
    expires: Option<Expiry>,
    /// A network to add; may be repeated
    #[arg(long = "ip", value_name = "NETWORK", value_parser = input::network)]
    networks: Vec<String>,
    /// A network to take away; may be repeated
    #[arg(long = "remove-ip", value_name = "NETWORK", value_parser = input::network)]
    remove_networks: Vec<String>,
    /// How often it may be used, or none
    #[arg(long, value_name = "COUNT/TIME")]
    rate: Option<String>,
    #[command(flatten)]
    extras: Extras,
}

#[derive(Debug, clap::Args)]
pub struct Roll {
    /// The name or id
    key: String,
    /// How long the old secret goes on [default: 24h]
    #[arg(long, value_name = "TIME", value_parser = input::seconds, conflicts_with = "compromised")]
    overlap: Option<i64>,
    /// The old secret is in wrong hands: it ends at once
    #[arg(long)]
    compromised: bool,
}

#[derive(Debug, clap::Args)]
pub struct Usage {
    /// The name or id
    key: String,
    /// How many days
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=400))]
    days: u16,
}

/// Runs one of them.
pub async fn run(context: &Context, command: Command) -> Result<(), Failure> {
    let path = |segments: &[&str]| context.server()?.path(&[&[NOUN.plural], segments].concat());
    match command {
        Command::Create(create) => {
            let made = context.server()?.post(&path(&[])?, &create.body()).await?;
            print_new_secret(context, &made)
        }
        Command::List(list) => {
            let List { owner, name, filters, expiring, state, options } = list;
            let narrowed = filters.parameters();
            let own = [("owner", owner), ("name", name), ("expiring", expiring), ("state", state)];
            let narrowed = narrowed.iter().map(|(name, value)| (name.as_str(), value.clone()));
            let filters: Vec<_> = own.into_iter().chain(narrowed).collect();
            noun::list(context, &NOUN, &path(&[])?, &filters, &options).await
        }
        Command::Show(which) => noun::show(context, &path(&[&which.key])?).await,
        Command::Update(update) => {
            noun::change(context, &NOUN, &path(&[&update.key])?, &|now| Ok(update.patch(now))).await
        }
        Command::Enable(Which { key }) => {
            noun::act(context, &path(&[&key, "enable"])?, &format!("key {key} enabled")).await
        }
        Command::Disable(Which { key }) => {
            let done = format!("key {key} disabled. On again: admit key enable {}", operand(&key));
            noun::act(context, &path(&[&key, "disable"])?, &done).await
        }
        Command::Roll(roll) => {
            let rolled = context.server()?.post(&path(&[&roll.key, "roll"])?, &roll.body()).await?;
            print_new_secret(context, &rolled)
        }
        Command::Revoke(Which { key }) => noun::delete(context, &path(&[&key])?, &format!("key {key} revoked")).await,
        Command::Usage(Usage { key, days }) => {
            let filters = [("days", Some(days.to_string()))];
            noun::list(context, &USAGE, &path(&[&key, "usage"])?, &filters, &ListOptions { limit: None }).await
        }
        Command::Import(import) => import::run(context, &import).await,
        Command::Inspect { typed } if typed.is_empty() => inspect::run(context),
        Command::Inspect { .. } => Err(Failure::usage("secrets go through stdin: admit key inspect < ci.key")),
    }
}

/// The secret alone on stdout; what it is, on stderr.
fn print_new_secret(context: &Context, made: &Value) -> Result<(), Failure> {
    let output = &context.output;
    if output.json {
        output.json(made);
    } else {
        let secret = made.get("key").and_then(Value::as_str);
        output.line(
            secret
                .ok_or_else(|| Failure::failed("the server answered without the key. Roll it: admit key roll NAME"))?,
        );
    }
    summary(made).iter().for_each(|line| output.note(line));
    noun::print_warnings(context, made);
    Ok(())
}

fn summary(made: &Value) -> Vec<String> {
    let text = |name: &str| made.get(name).filter(|value| !value.is_null()).map(plain);
    let known = |name: &str| text(name).unwrap_or_default();
    let mut lines = vec![format!("key \"{}\" ({}), shown this once", known("name"), known("id"))];
    lines.push(format!("  owner    {} ({})", known("owner_name"), known("owner")));
    if let Some(api) = text("api") {
        lines.push(format!("  api      {api}"));
    }
    lines.push(format!(
        "  scopes   {}",
        text("scopes").filter(|scopes| scopes != "-").unwrap_or("none: it says who, not what".into())
    ));
    lines.push(format!("  expires  {}", text("expires_at").unwrap_or("never".into())));
    if let Some(end) = text("old_secret_ends_at") {
        lines
            .push(format!("  the old secret ends at {end}; who still uses it: admit key show {}", clean(&known("id"))));
    }
    lines
}

impl Create {
    fn body(&self) -> Value {
        let text = |text: &Option<String>| text.as_deref().map(Value::from);
        let mut body = fields([
            ("name", Some(self.name.as_str().into())),
            ("owner", text(&self.owner)),
            ("api", text(&self.api)),
            ("scopes", some_list(&self.scopes)),
            ("ip", some_list(&self.networks)),
            ("limit", text(&self.rate)),
        ]);
        body.extend(self.expires.map(Expiry::fields).map(|(name, value)| (name.to_owned(), value)));
        self.extras.add_to(&mut body, None);
        body.into()
    }
}

impl Update {
    fn patch(&self, now: &Value) -> Value {
        let rate = |rate: &str| if rate == "none" { Value::Null } else { rate.into() };
        let mut body: Map<_, _> = fields([
            ("name", self.name.as_deref().map(Value::from)),
            ("scopes", changed_list(now.get("scopes"), &self.scopes, &self.remove_scopes)),
            ("ip", changed_list(now.get("ip"), &self.networks, &self.remove_networks)),
            ("limit", self.rate.as_deref().map(rate)),
        ]);
        body.extend(self.expires.map(Expiry::fields).map(|(name, value)| (name.to_owned(), value)));
        self.extras.add_to(&mut body, Some(now));
        body.into()
    }
}

impl Roll {
    fn body(&self) -> Value {
        let compromised = self.compromised.then_some(json!(true));
        fields([("overlap_s", self.overlap.map(Value::from)), ("compromised", compromised)]).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::test_console::{Console, Reply};

    #[tokio::test]
    async fn the_key_stands_alone_on_stdout() {
        let made = json!({"id": "key_1", "name": "ci", "key": "admit_secret", "owner": "cli_1", "owner_name": "ci",
            "api": "https://a", "scopes": ["r"], "expires_at": "2027-02-20T00:00:00Z", "warnings": ["ends soon"]});
        let console = Console::new([Reply::json(201, made.clone()), Reply::json(201, made)]).await;
        let typed = "key create --name ci --api https://a --scope r --expires never --ip 203.0.113.9 --rate 100/1m --metadata a=b";
        let ran = console.run(typed).await;
        assert_eq!((ran.exit, ran.out.as_str()), (0, "admit_secret\n"));
        assert!(ran.err.contains("shown this once") && ran.err.contains("warning: ends soon"), "{}", ran.err);
        assert!(!ran.err.contains("admit_secret"));
        let body = json!({"name": "ci", "api": "https://a", "scopes": ["r"], "never_expires": true,
            "ip": ["203.0.113.9/32"], "limit": "100/1m", "metadata": {"a": "b"}});
        assert_eq!(console.requests()[0].json(), body);
        assert_eq!(console.requests()[0].header("authorization"), Some("Bearer operator"));
        let ran = console.run("key create --name ci --json").await;
        assert_eq!(serde_json::from_str::<Value>(&ran.out).unwrap()["key"], "admit_secret");
    }

    #[tokio::test]
    async fn roll_has_an_alias_and_prints_the_new_key() {
        let rolled = json!({"id": "key_1", "name": "ci", "key": "new", "old_secret_ends_at": "2026-11-23T00:00:00Z"});
        let console = Console::new([Reply::json(200, rolled.clone()), Reply::json(200, rolled)]).await;
        let ran = console.run("key rotate ci --overlap 24h").await;
        assert_eq!(ran.out, "new\n");
        assert!(
            ran.err.contains("the old secret ends at 2026-11-23T00:00:00Z; who still uses it: admit key show key_1")
        );
        assert_eq!(console.requests()[0].json(), json!({"overlap_s": 86400}));
        assert_eq!(console.run("key roll ci --compromised").await.exit, 0);
        assert_eq!(console.requests()[1].json(), json!({"compromised": true}));
        assert_eq!(console.run("key roll ci --compromised --overlap 1h").await.exit, 2);
    }

    #[tokio::test]
    async fn an_ambiguous_name_is_an_error_that_lists_the_ids() {
        let body = json!({"code": "ambiguous_name", "detail": "two keys are called ci: key_1, key_2. Use an id"});
        let ran = Console::new([Reply::json(409, body)]).await.run("key revoke ci").await;
        assert_eq!((ran.exit, ran.err.as_str()), (1, "error: two keys are called ci: key_1, key_2. Use an id\n"));
    }

    #[tokio::test]
    async fn revoke_names_the_key_by_its_url() {
        let console = Console::new([Reply::empty(204)]).await;
        assert_eq!(console.run_words(&["--realm", "acme", "key", "revoke", "a b/c"]).await.exit, 0);
        assert_eq!(console.requests()[0].line, "DELETE /v1/realms/acme/keys/a%20b%2Fc HTTP/1.1");
    }

    #[tokio::test]
    async fn a_rate_is_ended_by_none() {
        let console = Console::new([Reply::json(200, json!({"scopes": ["r"]})), Reply::json(200, json!({}))]).await;
        assert_eq!(console.run("key update ci --rate none --scope w --expires 30d").await.exit, 0);
        let patch = json!({"limit": null, "scopes": ["r", "w"], "expires_in_s": 2_592_000});
        assert_eq!(console.requests()[1].json(), patch);
    }
}
