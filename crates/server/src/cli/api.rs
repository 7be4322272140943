//! `admit api …`: protected resources with their scopes and hosts.

use admit_core::shell::operand;
use serde_json::{Map, Value};

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::input::{self, Extras, fields, some_list};
use crate::cli::noun::{self, NarrowedList, Noun, changed_list};
use crate::cli::table::Column;

const NOUN: Noun = Noun {
    plural: "apis",
    singular: "API",
    columns: &[Column("URI", "/uri"), Column("SCOPES", "/scopes"), Column("HOSTS", "/hosts"), Column("ID", "/id")],
};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Name an API by its audience URI
    #[command(before_help = "Examples:
  admit api create https://api.example.com --scope 'orders:read=Read orders' --host shop.test
  admit api create https://api.example.com --token-format opaque --token-lifetime 5m
  admit api create https://old.example.com --token-alg RS256 --token-typ JWT")]
    Create(Create),
    /// List the APIs
    #[command(before_help = "Examples:\n  admit api list\n  admit api list --external-id cus_42 --metadata plan=pro")]
    List(NarrowedList),
    /// Show one API
    #[command(before_help = "Examples:\n  admit api show https://api.example.com")]
    Show {
        /// The URI or id
        api: String,
    },
    /// Add to or take from an API
    #[command(before_help = "Examples:
  admit api update https://api.example.com --scope orders:write
  admit api update https://api.example.com --remove-host old.test")]
    Update(Update),
    /// Delete an API; its keys are worth nothing afterwards
    #[command(before_help = "Examples:\n  admit api delete https://api.example.com")]
    Delete {
        /// The URI or id
        api: String,
    },
}

#[derive(Debug, clap::Args)]
pub struct Settings {
    /// What people call it
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// A scope it defines, with what it means to a person; may be repeated
    #[arg(long = "scope", value_name = "SCOPE[=DESCRIPTION]", value_parser = input::described)]
    scopes: Vec<(String, Option<String>)>,
    /// A host it owns, shop.test or shop.test/api; may be repeated
    #[arg(long = "host", value_name = "HOST")]
    hosts: Vec<String>,
    /// The form of its access tokens
    #[arg(long, value_name = "FORM", value_parser = ["jwt", "opaque"])]
    token_format: Option<String>,
    /// How long its access tokens live; of a new API 10m, or 60m where they are opaque
    #[arg(long, value_name = "TIME", value_parser = input::seconds)]
    token_lifetime: Option<i64>,
    /// What signs its access tokens that are JWTs
    #[arg(long, value_name = "ALG", value_parser = ["ES256", "RS256", "PS256", "EdDSA"])]
    token_alg: Option<String>,
    /// The typ in their header; JWT for verifiers that do not know RFC 9068
    #[arg(long, value_name = "TYP", value_parser = ["at+jwt", "JWT"])]
    token_typ: Option<String>,
    #[command(flatten)]
    extras: Extras,
}

#[derive(Debug, clap::Args)]
pub struct Create {
    /// The audience: the resource of RFC 8707, the aud of tokens
    uri: String,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, clap::Args)]
pub struct Update {
    /// The URI or id
    api: String,
    #[command(flatten)]
    settings: Settings,
    /// A scope it defines no longer; may be repeated
    #[arg(long = "remove-scope", value_name = "SCOPE")]
    remove_scopes: Vec<String>,
    /// A host it owns no longer; may be repeated
    #[arg(long = "remove-host", value_name = "HOST")]
    remove_hosts: Vec<String>,
}

/// Runs one of them.
pub async fn run(context: &Context, command: Command) -> Result<(), Failure> {
    let path = |segments: &[&str]| context.server()?.path(&[&[NOUN.plural], segments].concat());
    match command {
        Command::Create(create) => {
            noun::create(context, &NOUN, &path(&[])?, &create.body()).await?;
            if create.settings.hosts.is_empty() {
                let next = format!("admit api update {} --host HOST", operand(&create.uri));
                context.output.note(&format!("It owns no host yet; rules for it need --api. Give it one: {next}"));
            }
            Ok(())
        }
        Command::List(list) => noun::list_narrowed(context, &NOUN, &path(&[])?, list).await,
        Command::Show { api } => noun::show(context, &path(&[&api])?).await,
        Command::Update(update) => {
            noun::change(context, &NOUN, &path(&[&update.api])?, &|now| Ok(update.patch(now))).await
        }
        Command::Delete { api } => noun::delete(context, &path(&[&api])?, &format!("API {api} deleted")).await,
    }
}

impl Settings {
    fn fields(&self, now: Option<&Value>) -> Map<String, Value> {
        let text = |text: &Option<String>| text.as_deref().map(Value::from);
        let mut body = fields([
            ("name", text(&self.name)),
            ("token_format", text(&self.token_format)),
            ("token_lifetime_s", self.token_lifetime.map(Value::from)),
            ("token_alg", text(&self.token_alg)),
            ("token_typ", text(&self.token_typ)),
        ]);
        self.extras.add_to(&mut body, now);
        body
    }
}

impl Create {
    fn body(&self) -> Value {
        let mut body = self.settings.fields(None);
        body.insert("uri".to_owned(), self.uri.as_str().into());
        let described = |(scope, description): &(String, Option<String>)| {
            (scope.clone(), Value::from(description.as_deref().unwrap_or_default()))
        };
        let scopes: Map<_, _> = self.settings.scopes.iter().map(described).collect();
        if !scopes.is_empty() {
            body.insert("scopes".to_owned(), scopes.into());
        }
        body.extend(fields([("hosts", some_list(&self.settings.hosts))]));
        body.into()
    }
}

impl Update {
    /// A merge patch (RFC 7396): scopes are an object, so only what changes is said; hosts are a list, so all of them are.
    fn patch(&self, now: &Value) -> Value {
        let mut body = self.settings.fields(Some(now));
        let known = |scope: &str| now.get("scopes").is_some_and(|scopes| scopes.get(scope).is_some());
        let mut scopes = Map::new();
        for (scope, description) in &self.settings.scopes {
            match description {
                None if known(scope) => {}
                description => drop(scopes.insert(scope.clone(), description.as_deref().unwrap_or_default().into())),
            }
        }
        scopes.extend(self.remove_scopes.iter().map(|scope| (scope.clone(), Value::Null)));
        if !scopes.is_empty() {
            body.insert("scopes".to_owned(), scopes.into());
        }
        body.extend(fields([("hosts", changed_list(now.get("hosts"), &self.settings.hosts, &self.remove_hosts))]));
        body.into()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::cli::test_console::{Console, Reply};

    #[tokio::test]
    async fn create_says_what_was_typed() {
        let console = Console::new([Reply::json(201, json!({"id": "api_1", "uri": "https://a.test"}))]).await;
        let ran = console
            .run("api create https://a.test --scope r=Read --scope w --host shop.test --token-lifetime 5m")
            .await;
        assert_eq!((ran.exit, ran.out.as_str()), (0, "id   api_1\nuri  https://a.test\n"));
        assert_eq!(ran.err, "API created\n");
        let request = &console.requests()[0];
        assert_eq!(request.line, "POST /v1/realms/default/apis HTTP/1.1");
        assert_eq!(
            request.json(),
            json!({"uri": "https://a.test", "scopes": {"r": "Read", "w": ""}, "hosts": ["shop.test"], "token_lifetime_s": 300})
        );
    }

    #[tokio::test]
    async fn update_adds_and_leaves_the_rest() {
        let now = json!({"uri": "https://a.test", "scopes": {"r": "Read"}, "hosts": ["a.test", "b.test"]});
        let console = Console::new([Reply::json(200, now.clone()).etag("\"v3\""), Reply::json(200, now)]).await;
        let ran = console.run("api update https://a.test --scope r --scope w --remove-host a.test").await;
        assert_eq!(ran.exit, 0, "{}", ran.err);
        let patch = &console.requests()[1];
        assert_eq!(patch.line, "PATCH /v1/realms/default/apis/https%3A%2F%2Fa.test HTTP/1.1");
        assert_eq!(patch.header("if-match"), Some("\"v3\""));
        assert_eq!(patch.json(), json!({"scopes": {"w": ""}, "hosts": ["b.test"]}));
    }

    #[tokio::test]
    async fn update_begins_anew_where_somebody_was_faster() {
        let state = || Reply::json(200, json!({"hosts": []})).etag("\"v1\"");
        let console = Console::new([state(), Reply::json(412, json!({})), state(), Reply::json(200, json!({}))]).await;
        assert_eq!(console.run("api update a --host h").await.exit, 0);
        assert_eq!(console.requests().len(), 4);
    }

    #[tokio::test]
    async fn update_without_a_change_is_a_usage_error() {
        let console = Console::new([Reply::json(200, json!({}))]).await;
        let ran = console.run("api update a").await;
        assert_eq!((ran.exit, ran.err.as_str()), (2, "error: nothing to change: say what, see --help\n"));
    }
}
