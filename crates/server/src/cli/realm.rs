//! `admit realm …`: isolated populations. Here the realm is the thing spoken of, not the place.

use serde_json::{Map, Value};

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::input::{fields, object, pair, seconds};
use crate::cli::noun::{self, Noun, SearchedList};
use crate::cli::server::path;
use crate::cli::table::Column;

const NOUN: Noun = Noun {
    plural: "realms",
    singular: "realm",
    columns: &[
        Column("NAME", "/name"),
        Column("PREFIX", "/prefix"),
        Column("ISSUER", "/issuer"),
        Column("DISABLED", "/disabled_at"),
        Column("ID", "/id"),
    ],
};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Create a realm
    #[command(before_help = "Examples:\n  admit realm create --name acme --prefix acme_live --host auth.acme.test")]
    Create(Create),
    /// List the realms
    #[command(before_help = "Examples:\n  admit realm list")]
    List(SearchedList),
    /// Show one realm
    #[command(before_help = "Examples:\n  admit realm show acme")]
    Show {
        /// The name or id
        name: String,
    },
    /// Change a realm
    #[command(
        before_help = "Examples:\n  admit realm update acme --host auth.acme.test\n  admit realm update acme --disable\n  admit realm update default --setting self_registration=true --setting session_idle_s=12h"
    )]
    Update(Update),
}

#[derive(Debug, clap::Args)]
pub struct Create {
    /// What it is called: part of its URLs
    #[arg(long)]
    name: String,
    /// What its API keys begin with; made of the name where absent
    #[arg(long)]
    prefix: Option<String>,
    /// A host of its own
    #[arg(long)]
    host: Option<String>,
    /// Free text under a name; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    metadata: Vec<(String, String)>,
}

#[derive(Debug, clap::Args)]
pub struct Update {
    /// The name or id
    name: String,
    /// A host of its own
    #[arg(long)]
    host: Option<String>,
    /// Give up its own host
    #[arg(long, conflicts_with = "host")]
    no_host: bool,
    /// Switch it off: nobody of it is admitted
    #[arg(long)]
    disable: bool,
    /// Switch it on again
    #[arg(long, conflicts_with = "disable")]
    enable: bool,
    /// What `realm show` lists under settings, or NAME=default; times as 30m, 12h, 7d; may be repeated
    #[arg(long = "setting", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, Value)>,
    /// Free text under a name; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    metadata: Vec<(String, String)>,
}

/// One setting: which there are, and within which limits, the server knows.
fn setting(text: &str) -> Result<(String, Value), String> {
    let (name, value) = pair(text)?;
    let value = match value.as_str() {
        "default" => Value::Null,
        "true" | "on" => Value::Bool(true),
        "false" | "off" => Value::Bool(false),
        figure => match figure.parse::<i64>() {
            Ok(number) => number.into(),
            Err(_) if name.ends_with("_s") => seconds(figure)?.into(),
            Err(_) => return Err("must be true, false, a number, or default".to_owned()),
        },
    };
    Ok((name, value))
}

/// Runs one of them.
pub async fn run(context: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::Create(create) => {
            noun::create(context, &NOUN, &path(&["realms"])?, &create.body()).await?;
            context.output.note(&format!("Work in it: admit --realm {} api create URI", create.name));
            Ok(())
        }
        Command::List(list) => noun::list_searched(context, &NOUN, &path(&["realms"])?, list).await,
        Command::Show { name } => noun::show(context, &path(&["realms", &name])?).await,
        Command::Update(update) => {
            noun::change(context, &NOUN, &path(&["realms", &update.name])?, &|now| Ok(update.patch(now))).await
        }
    }
}

impl Create {
    fn body(&self) -> Value {
        let text = |text: &Option<String>| text.as_deref().map(Value::from);
        let metadata = (!self.metadata.is_empty()).then(|| object(&self.metadata));
        let name = Some(self.name.as_str().into());
        fields([("name", name), ("prefix", text(&self.prefix)), ("host", text(&self.host)), ("metadata", metadata)])
            .into()
    }
}

impl Update {
    fn patch(&self, now: &Value) -> Value {
        let host = self.host.as_deref().map(Value::from).or_else(|| self.no_host.then_some(Value::Null));
        let disabled = (self.disable || self.enable).then_some(Value::Bool(self.disable));
        let settings = (!self.settings.is_empty()).then(|| self.settings.iter().cloned().collect::<Map<_, _>>().into());
        let mut body = fields([("host", host), ("disabled", disabled), ("settings", settings)]);
        if !self.metadata.is_empty() {
            let mut metadata = now.get("metadata").and_then(Value::as_object).cloned().unwrap_or_default();
            metadata.extend(self.metadata.iter().map(|(name, value)| (name.clone(), value.as_str().into())));
            body.insert("metadata".to_owned(), metadata.into());
        }
        body.into()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::cli::test_console::{Console, Reply};

    #[tokio::test]
    async fn a_host_is_given_up_by_null() {
        let console = Console::new([Reply::json(200, json!({})), Reply::json(200, json!({}))]).await;
        assert_eq!(console.run("realm update acme --no-host --enable").await.exit, 0);
        assert_eq!(console.requests()[1].line, "PATCH /v1/realms/acme HTTP/1.1");
        assert_eq!(console.requests()[1].json(), json!({"host": null, "disabled": false}));
    }

    #[tokio::test]
    async fn settings_are_said_as_people_say_them() {
        let console = Console::new([Reply::json(200, json!({})), Reply::json(200, json!({}))]).await;
        let typed = "realm update acme --setting self_registration=on --setting session_idle_s=12h --setting hash_passes=2 \
            --setting reset_life_s=default";
        assert_eq!(console.run(typed).await.exit, 0);
        let settings =
            json!({"self_registration": true, "session_idle_s": 43200, "hash_passes": 2, "reset_life_s": null});
        assert_eq!(console.requests()[1].json(), json!({ "settings": settings }));
        for wrong in ["--setting x", "--setting self_rename=perhaps", "--setting session_idle_s=soon"] {
            assert_eq!(console.run(&format!("realm update acme {wrong}")).await.exit, 2, "{wrong}");
        }
    }
}
