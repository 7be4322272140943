//! `admit client …`: applications. A service client acts only as itself. A secret is printed once.

mod secret;

use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::input::{self, Extras, fields, some_list};
use crate::cli::noun::{self, NarrowedList, Noun, changed_list};
use crate::cli::table::Column;

const NOUN: Noun = Noun {
    plural: "clients",
    singular: "client",
    columns: &[
        Column("NAME", "/name"),
        Column("TYPE", "/type"),
        Column("RIGHTS", "/rights"),
        Column("ROLES", "/roles"),
        Column("DISABLED", "/disabled_at"),
        Column("ID", "/id"),
    ],
};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Create a client; its secret, where it has one, is shown this once
    #[command(before_help = "Examples:
  admit client create --name billing --type service --api https://api.example.com --scope orders:read
  admit client create --name shop --type web --redirect-uri https://shop.test/callback --first-party
  admit client create --name wiki --type web --redirect-uri https://wiki.test/cb --backchannel-logout-uri https://wiki.test/out
  admit client create --name signer --type service --jwks-file public-keys.json")]
    Create(Create),
    /// List the clients
    #[command(
        before_help = "Examples:\n  admit client list\n  admit client list --external-id cus_42 --metadata plan=pro"
    )]
    List(NarrowedList),
    /// Show one client
    #[command(before_help = "Examples:\n  admit client show billing")]
    Show(Which),
    /// Add rights, roles and addresses to a client, take them away, and change how people sign in to it
    #[command(before_help = "Examples:
  admit client update billing --api https://api.example.com --scope orders:write
  admit client update billing --remove-role viewer
  admit client update wiki --require-par true --default-max-age 12h")]
    Update(Update),
    /// Switch a client off: nothing it owns is admitted
    #[command(before_help = "Examples:\n  admit client disable billing")]
    Disable(Which),
    /// Switch a client on again
    #[command(before_help = "Examples:\n  admit client enable billing")]
    Enable(Which),
    /// End everything that was issued to a client so far
    #[command(before_help = "Examples:\n  admit client revoke-all billing")]
    RevokeAll(Which),
    /// Add, list and revoke secrets
    #[command(subcommand)]
    Secret(secret::Command),
    /// Delete a client, its secrets and its keys
    #[command(before_help = "Examples:\n  admit client delete billing")]
    Delete(Which),
}

#[derive(Debug, clap::Args)]
pub struct Which {
    /// The name or id
    client: String,
}

/// What somebody may do, for clients and roles alike.
#[derive(Debug, clap::Args)]
pub struct Rights {
    /// The API that --scope is of
    #[arg(long, value_name = "URI")]
    pub api: Option<String>,
    /// A scope; may be repeated
    #[arg(long = "scope", value_name = "SCOPE", requires = "api")]
    pub scopes: Vec<String>,
}

/// How a client proves who it is.
#[derive(Debug, clap::Args)]
pub struct Proof {
    /// How it proves who it is [default: what suits its type]
    #[arg(long, value_name = "METHOD", value_parser = ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"])]
    auth_method: Option<String>,
    /// Its public keys (a JSON Web Key Set), for private_key_jwt; - is stdin
    #[arg(long, value_name = "FILE", conflicts_with = "jwks_uri")]
    jwks_file: Option<PathBuf>,
    /// Where its public keys are fetched, for private_key_jwt
    #[arg(long, value_name = "URI")]
    jwks_uri: Option<String>,
}

impl Proof {
    /// What is said of it. Keys are for one method only, so that it need not be said.
    fn add_to(&self, context: &Context, body: &mut Map<String, Value>) -> Result<(), Failure> {
        let has_keys = self.jwks_file.is_some() || self.jwks_uri.is_some();
        let method = self.auth_method.as_deref().or(has_keys.then_some("private_key_jwt"));
        body.extend(fields([("token_endpoint_auth_method", method.map(Value::from))]));
        if let Some(file) = &self.jwks_file {
            let must = "must hold public keys: {\"keys\": [{…}]}";
            body.insert("jwks".to_owned(), input::json(context, file, must)?);
        }
        if let Some(uri) = &self.jwks_uri {
            body.insert("jwks_uri".to_owned(), uri.as_str().into());
        }
        Ok(())
    }

    /// The same in place of what there is: keys and the address of keys exclude each other, and other methods have neither.
    fn patch(&self, context: &Context, body: &mut Map<String, Value>) -> Result<(), Failure> {
        self.add_to(context, body)?;
        if body.contains_key("token_endpoint_auth_method") {
            body.entry("jwks").or_insert(Value::Null);
            body.entry("jwks_uri").or_insert(Value::Null);
        }
        Ok(())
    }
}

/// How people sign in to it and out of it. An empty text takes an address away.
#[derive(Debug, clap::Args)]
pub struct SignIn {
    /// Where it is told of sign-outs
    #[arg(long, value_name = "URI")]
    backchannel_logout_uri: Option<String>,
    /// What signs its ID tokens [default: RS256]
    #[arg(long, value_name = "ALG", value_parser = ["RS256", "ES256", "PS256", "EdDSA"])]
    id_token_alg: Option<String>,
    /// Whether it must send a code challenge; only a web client may do without
    #[arg(long, value_name = "BOOL")]
    require_pkce: Option<bool>,
    /// Whether its authorization requests must be pushed
    #[arg(long, value_name = "BOOL")]
    require_par: Option<bool>,
    /// Whether its refresh tokens are good once [default: those of public clients are]
    #[arg(long, value_name = "BOOL")]
    rotate_refresh_tokens: Option<bool>,
    /// After which time a sign-in is too old for it
    #[arg(long, value_name = "TIME", value_parser = input::seconds)]
    default_max_age: Option<i64>,
    /// A page about it
    #[arg(long, value_name = "URI")]
    client_uri: Option<String>,
    /// The page that says what it does with what it learns
    #[arg(long, value_name = "URI")]
    policy_uri: Option<String>,
    /// The page with the terms of its service
    #[arg(long, value_name = "URI")]
    tos_uri: Option<String>,
}

impl SignIn {
    /// What is said of it; null where an address is taken away.
    fn body(&self) -> Map<String, Value> {
        let word = |text: &Option<String>| text.as_ref().map(|text| Value::from(text.as_str()));
        let address = |text: &Option<String>| word(text).map(|text| if text == "" { Value::Null } else { text });
        fields([
            ("backchannel_logout_uri", address(&self.backchannel_logout_uri)),
            ("id_token_signed_response_alg", word(&self.id_token_alg)),
            ("require_pkce", self.require_pkce.map(Value::Bool)),
            ("require_pushed_authorization_requests", self.require_par.map(Value::Bool)),
            ("rotate_refresh_tokens", self.rotate_refresh_tokens.map(Value::Bool)),
            ("default_max_age", self.default_max_age.map(Value::from)),
            ("client_uri", address(&self.client_uri)),
            ("policy_uri", address(&self.policy_uri)),
            ("tos_uri", address(&self.tos_uri)),
        ])
    }
}

#[derive(Debug, clap::Args)]
pub struct Create {
    /// What people call it; unique in the realm
    #[arg(long)]
    name: String,
    /// The id that it shall have, cli_…; drawn where absent
    #[arg(long)]
    id: Option<String>,
    /// What kind of application it is
    #[arg(long = "type", value_name = "TYPE", value_parser = ["web", "spa", "native", "service", "device"])]
    kind: String,
    #[command(flatten)]
    rights: Rights,
    /// A role it holds; may be repeated
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// Where browsers may be sent back to; may be repeated
    #[arg(long = "redirect-uri", value_name = "URI")]
    redirect_uris: Vec<String>,
    /// Where browsers may be sent after a sign-out; may be repeated
    #[arg(long = "post-logout-redirect-uri", value_name = "URI")]
    post_logout_redirect_uris: Vec<String>,
    /// Where scripts run that may read answers, for spa; may be repeated
    #[arg(long = "origin", value_name = "ORIGIN")]
    origins: Vec<String>,
    #[command(flatten)]
    proof: Proof,
    #[command(flatten)]
    sign_in: SignIn,
    /// It is the operator's own
    #[arg(long)]
    first_party: bool,
    #[command(flatten)]
    extras: Extras,
}

#[derive(Debug, clap::Args)]
pub struct Update {
    /// The name or id
    client: String,
    /// A new name
    #[arg(long)]
    name: Option<String>,
    /// The API that --scope and --remove-scope are of
    #[arg(long, value_name = "URI")]
    api: Option<String>,
    /// A scope to add; may be repeated
    #[arg(long = "scope", value_name = "SCOPE", requires = "api")]
    scopes: Vec<String>,
    /// A scope to take away; may be repeated
    #[arg(long = "remove-scope", value_name = "SCOPE", requires = "api")]
    remove_scopes: Vec<String>,
    /// A role to add; may be repeated
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// A role to take away; may be repeated
    #[arg(long = "remove-role", value_name = "ROLE")]
    remove_roles: Vec<String>,
    /// An address to add; may be repeated
    #[arg(long = "redirect-uri", value_name = "URI")]
    redirect_uris: Vec<String>,
    /// An address to take away; may be repeated
    #[arg(long = "remove-redirect-uri", value_name = "URI")]
    remove_redirect_uris: Vec<String>,
    /// An address to add where browsers may be sent after a sign-out; may be repeated
    #[arg(long = "post-logout-redirect-uri", value_name = "URI")]
    post_logout_redirect_uris: Vec<String>,
    /// One of those to take away; may be repeated
    #[arg(long = "remove-post-logout-redirect-uri", value_name = "URI")]
    remove_post_logout_redirect_uris: Vec<String>,
    /// An origin to add, for spa; may be repeated
    #[arg(long = "origin", value_name = "ORIGIN")]
    origins: Vec<String>,
    /// An origin to take away; may be repeated
    #[arg(long = "remove-origin", value_name = "ORIGIN")]
    remove_origins: Vec<String>,
    #[command(flatten)]
    proof: Proof,
    #[command(flatten)]
    sign_in: SignIn,
    /// Whether it is the operator's own
    #[arg(long, value_name = "BOOL")]
    first_party: Option<bool>,
    #[command(flatten)]
    extras: Extras,
}

/// Runs one of them.
pub async fn run(context: &Context, command: Command) -> Result<(), Failure> {
    let path = |segments: &[&str]| context.server()?.path(&[&[NOUN.plural], segments].concat());
    match command {
        Command::Create(create) => {
            let made = noun::create(context, &NOUN, &path(&[])?, &create.body(context)?).await?;
            if made.get("secret").is_some() {
                context.output.note("its secret is shown this once");
            }
            Ok(())
        }
        Command::List(list) => noun::list_narrowed(context, &NOUN, &path(&[])?, list).await,
        Command::Show(which) => noun::show(context, &path(&[&which.client])?).await,
        Command::Update(update) => {
            // Read once: a change that somebody else was faster with is made again.
            let mut proof = Map::new();
            update.proof.patch(context, &mut proof)?;
            let patch = |now: &Value| Ok(update.patch(now, &proof));
            noun::change(context, &NOUN, &path(&[&update.client])?, &patch).await
        }
        Command::Disable(which) => noun::disable(context, &NOUN, &path(&[&which.client])?).await,
        Command::Enable(which) => noun::enable(context, &NOUN, &path(&[&which.client])?).await,
        Command::RevokeAll(Which { client }) => {
            let done = format!("everything issued to client {client} so far is revoked");
            noun::act(context, &path(&[&client, "revoke-all"])?, &done).await
        }
        Command::Secret(command) => secret::run(context, command).await,
        Command::Delete(Which { client }) => {
            noun::delete(context, &path(&[&client])?, &format!("client {client} deleted")).await
        }
    }
}

impl Rights {
    /// `{"https://api.example.com": ["orders:read"]}`.
    pub fn body(&self) -> Option<Value> {
        let api = self.api.as_ref().filter(|_| !self.scopes.is_empty())?;
        Some(Value::Object(Map::from_iter([(api.clone(), self.scopes.as_slice().into())])))
    }
}

/// A merge patch of rights: the scopes of one API grow and shrink; an API without scopes goes.
pub fn changed_rights(now: &Value, api: Option<&str>, add: &[String], remove: &[String]) -> Option<Value> {
    let api = api?;
    let scopes = changed_list(now.get("rights").and_then(|rights| rights.get(api)), add, remove)?;
    let none_left = scopes.as_array().is_some_and(Vec::is_empty);
    Some(Value::Object(Map::from_iter([(api.to_owned(), if none_left { Value::Null } else { scopes })])))
}

impl Create {
    fn body(&self, context: &Context) -> Result<Value, Failure> {
        let mut body = fields([
            ("id", self.id.as_deref().map(Value::from)),
            ("name", Some(self.name.as_str().into())),
            ("type", Some(self.kind.as_str().into())),
            ("rights", self.rights.body()),
            ("roles", some_list(&self.roles)),
            ("redirect_uris", some_list(&self.redirect_uris)),
            ("post_logout_redirect_uris", some_list(&self.post_logout_redirect_uris)),
            ("origins", some_list(&self.origins)),
            ("first_party", self.first_party.then_some(Value::Bool(true))),
        ]);
        self.proof.add_to(context, &mut body)?;
        body.extend(self.sign_in.body());
        self.extras.add_to(&mut body, None);
        Ok(body.into())
    }
}

impl Update {
    fn patch(&self, now: &Value, proof: &Map<String, Value>) -> Value {
        let redirects = changed_list(now.get("redirect_uris"), &self.redirect_uris, &self.remove_redirect_uris);
        let (add, remove) = (&self.post_logout_redirect_uris, &self.remove_post_logout_redirect_uris);
        let mut body = fields([
            ("name", self.name.as_deref().map(Value::from)),
            ("post_logout_redirect_uris", changed_list(now.get("post_logout_redirect_uris"), add, remove)),
            ("first_party", self.first_party.map(Value::Bool)),
            ("rights", changed_rights(now, self.api.as_deref(), &self.scopes, &self.remove_scopes)),
            ("roles", changed_list(now.get("roles"), &self.roles, &self.remove_roles)),
            ("redirect_uris", redirects),
            ("origins", changed_list(now.get("origins"), &self.origins, &self.remove_origins)),
        ]);
        body.extend(proof.clone());
        body.extend(self.sign_in.body());
        self.extras.add_to(&mut body, Some(now));
        body.into()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::test_console::{Console, Reply};

    #[test]
    fn rights_grow_shrink_and_go() {
        let now = json!({"rights": {"https://a": ["r"]}});
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let change =
            |add: &[&str], remove: &[&str]| changed_rights(&now, Some("https://a"), &words(add), &words(remove));
        assert_eq!(change(&["w"], &[]), Some(json!({"https://a": ["r", "w"]})));
        assert_eq!(change(&[], &["r"]), Some(json!({"https://a": null})));
        assert_eq!(change(&["r"], &[]), None);
    }

    #[tokio::test]
    async fn a_scope_needs_its_api() {
        let ran = Console::new([]).await.run("client create --name c --type service --scope r").await;
        assert_eq!(ran.exit, 2);
        assert!(ran.err.contains("--api <URI>"), "{}", ran.err);
    }

    #[tokio::test]
    async fn create_says_what_was_typed() {
        let console = Console::new([Reply::json(201, json!({"name": "c"}))]).await;
        let ran = console.run("client create --name c --type web --id cli_1 --first-party").await;
        assert_eq!(ran.exit, 0, "{}", ran.err);
        let said = json!({"id": "cli_1", "name": "c", "type": "web", "first_party": true});
        assert_eq!(console.requests()[0].json(), said);
    }

    #[tokio::test]
    async fn a_secret_is_printed_once_and_said_to_be() {
        let made = json!({"id": "cli_1", "name": "c", "secret": "admit_cs_x"});
        let ran = Console::new([Reply::json(201, made)]).await.run("client create --name c --type service").await;
        assert_eq!(ran.out, "id      cli_1\nname    c\nsecret  admit_cs_x\n");
        assert!(ran.err.contains("shown this once") && !ran.err.contains("admit_cs_x"), "{}", ran.err);
    }

    #[tokio::test]
    async fn keys_say_how_a_client_proves_who_it_is() {
        let now = || Reply::json(200, json!({"name": "c"}));
        let console = Console::new([Reply::json(201, json!({})), now(), now(), now(), now()]).await;
        console.run("client create --name c --type service --jwks-uri https://c.test/jwks").await;
        let said = json!({"name": "c", "type": "service", "token_endpoint_auth_method": "private_key_jwt",
            "jwks_uri": "https://c.test/jwks"});
        assert_eq!(console.requests()[0].json(), said);
        console.run("client update c --auth-method client_secret_basic").await;
        let said = json!({"token_endpoint_auth_method": "client_secret_basic", "jwks": null, "jwks_uri": null});
        assert_eq!(console.requests()[2].json(), said);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.json");
        std::fs::write(&file, r#"{"keys": []}"#).unwrap();
        console.run_words(&["client", "update", "c", "--jwks-file", file.to_str().unwrap()]).await;
        let said = json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": []}, "jwks_uri": null});
        assert_eq!(console.requests()[4].json(), said);
    }

    #[tokio::test]
    async fn how_people_sign_in_is_said_and_taken_back() {
        let now = json!({"name": "c", "post_logout_redirect_uris": ["https://c.test/a"]});
        let console =
            Console::new([Reply::json(201, json!({})), Reply::json(200, now), Reply::json(200, json!({}))]).await;
        let words = "client create --name c --type web --post-logout-redirect-uri https://c.test/a \
            --backchannel-logout-uri https://c.test/out --id-token-alg ES256 --require-pkce false --require-par true \
            --rotate-refresh-tokens true --default-max-age 12h --client-uri https://c.test/";
        assert_eq!(console.run(words).await.exit, 0);
        let said = json!({"name": "c", "type": "web", "post_logout_redirect_uris": ["https://c.test/a"],
            "backchannel_logout_uri": "https://c.test/out", "id_token_signed_response_alg": "ES256",
            "require_pkce": false, "require_pushed_authorization_requests": true, "rotate_refresh_tokens": true,
            "default_max_age": 43_200, "client_uri": "https://c.test/"});
        assert_eq!(console.requests()[0].json(), said);
        let uri = "--remove-post-logout-redirect-uri";
        let words =
            ["client", "update", "c", uri, "https://c.test/a", "--backchannel-logout-uri", "", "--first-party", "true"];
        assert_eq!(console.run_words(&words).await.exit, 0);
        let said = json!({"post_logout_redirect_uris": [], "backchannel_logout_uri": null, "first_party": true});
        assert_eq!(console.requests()[2].json(), said);
    }

    #[tokio::test]
    async fn disable_says_so_in_a_patch() {
        let console = Console::new([Reply::json(200, json!({})), Reply::json(200, json!({"name": "c"}))]).await;
        assert_eq!(console.run("client disable c").await.out, "name  c\n");
        assert_eq!(console.requests()[1].json(), json!({"disabled": true}));
    }

    #[tokio::test]
    async fn every_page_of_a_list_is_shown_under_one_heading() {
        let first = json!({"items": [{"name": "a", "type": "web", "id": "cli_1"}], "next": "c/2"});
        let second = json!({"items": [{"name": "b", "type": "spa", "id": "cli_2"}], "next": null});
        let console = Console::new([Reply::json(200, first), Reply::json(200, second)]).await;
        let ran = console.run("client list").await;
        let lines: Vec<_> = ran.out.lines().collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0], "NAME  TYPE  RIGHTS  ROLES  DISABLED  ID");
        assert_eq!(lines[2], "b     spa   -       -      -         cli_2");
        assert_eq!(console.requests()[1].line, "GET /v1/realms/default/clients?limit=200&cursor=c%2F2 HTTP/1.1");
    }

    #[tokio::test]
    async fn a_list_is_narrowed_by_what_is_known_elsewhere() {
        let none = || Reply::json(200, json!({"items": [], "next": null}));
        let console = Console::new([none(), none()]).await;
        console.run("client list --external-id cus_42 --metadata plan=pro&more --metadata a=b").await;
        console.run("key list --owner o --metadata plan=pro").await;
        let asked = "external_id=cus_42&metadata.plan=pro%26more&metadata.a=b&limit=200";
        assert_eq!(console.requests()[0].line, format!("GET /v1/realms/default/clients?{asked} HTTP/1.1"));
        assert_eq!(
            console.requests()[1].line,
            "GET /v1/realms/default/keys?owner=o&metadata.plan=pro&limit=200 HTTP/1.1"
        );
    }

    #[tokio::test]
    async fn a_list_as_json_is_one_document_over_all_pages() {
        let page = |name: &str, next: Value| Reply::json(200, json!({"items": [{"name": name}], "next": next}));
        let console = Console::new([page("a", json!("2")), page("b", Value::Null)]).await;
        let ran = console.run("client list --json").await;
        let read: Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!(read, json!({"items": [{"name": "a"}, {"name": "b"}], "next": null}));
        let ran =
            Console::new([Reply::json(200, json!({"items": [], "next": null}))]).await.run("client list --json").await;
        assert_eq!(serde_json::from_str::<Value>(&ran.out).unwrap()["items"], json!([]));
    }

    #[tokio::test]
    async fn a_limit_ends_a_list_early() {
        let page = json!({"items": [{"name": "a"}], "next": "2"});
        let console = Console::new([Reply::json(200, page)]).await;
        assert_eq!(console.run("client list --limit 1").await.out.lines().count(), 2);
        assert_eq!(console.requests().len(), 1);
    }
}
