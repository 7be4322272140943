//! `admit rule …`: what a request needs to be admitted. Knows the words of a rule, not what they mean: the server judges.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::input::{self, fields, some_list};
use crate::cli::noun::{self, Noun, SearchedList, take_items};
use crate::cli::output::{Dress, clean};
use crate::cli::table::Column;

const NOUN: Noun = Noun {
    plural: "rules",
    singular: "rule",
    columns: &[
        Column("NAME", "/name"),
        Column("HOST", "/match/host"),
        Column("PATH", "/match/path"),
        Column("METHODS", "/match/methods"),
        Column("REQUIRE", "/require"),
        Column("PUBLIC", "/public"),
        Column("DENY", "/deny"),
        Column("LIMIT", "/limit/rate"),
        Column("MODE", "/mode"),
        Column("ID", "/id"),
    ],
};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Add a rule
    #[command(before_help = "Examples:
  admit rule add --host shop.test --path '/orders/**' --method GET --scope orders:read
  admit rule add --host shop.test --path /health --public
  admit rule add --host shop.test --path '/pages/**' --authenticated --login
  admit rule add --host shop.test --path '/orders/**' --scope orders:read --limit 100/1m --burst 20 --per grant")]
    Add(Box<Add>),
    /// List the rules in the order in which they are tried
    #[command(before_help = "Examples:\n  admit rule list")]
    List(SearchedList),
    /// Show one rule
    #[command(before_help = "Examples:\n  admit rule show rul_01hzzzzzzzzzzzzzzzzzzzzzzz")]
    Show(Which),
    /// Remove a rule
    #[command(before_help = "Examples:\n  admit rule remove rul_01hzzzzzzzzzzzzzzzzzzzzzzz")]
    Remove(Which),
    /// Judge the cases of a file by its rules, or by the realm's
    #[command(
        before_help = "Examples:\n  admit rule test cases.toml",
        after_help = "A case, of which a file has many:
  [[case]]
  request = \"GET https://shop.test/orders/7\"
  as      = { scopes = [\"orders:read\"] }   # nobody where absent; also kind, api, roles, name, id, external_id
  expect  = \"ok\"                         # or a code, such as missing_credential or no_rule"
    )]
    Test {
        /// [[case]] entries, with [[rule]] and [[api]] where others than the realm's are meant; - is stdin
        file: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
pub struct Which {
    /// The name or id
    rule: String,
}

#[derive(Debug, clap::Args)]
pub struct Add {
    /// What it is called; made of methods, host and path where absent
    #[arg(long)]
    name: Option<String>,
    /// The host, shop.test or *.shop.test; any where absent
    #[arg(long)]
    host: Option<String>,
    /// The path: {name} is one segment, ** the rest; any where absent
    #[arg(long)]
    path: Option<String>,
    /// A method; may be repeated; any where absent
    #[arg(long = "method", value_name = "METHOD")]
    methods: Vec<String>,
    /// The API that the caller's credential must be for; the owner of the host where absent
    #[arg(long, value_name = "URI")]
    api: Option<String>,
    /// Callers of any API, where none owns the host
    #[arg(long, value_name = "WHICH", value_parser = ["any"], conflicts_with = "api")]
    audience: Option<String>,
    /// A scope that is needed; may be repeated, then all are
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// A role that is needed; may be repeated, then one of them is
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// A kind of credential that will do; may be repeated; any where absent
    #[arg(long = "credential", value_name = "KIND")]
    credentials: Vec<String>,
    /// The segment of the path that must be the caller's own id, name or external id
    #[arg(long = "self", value_name = "SEGMENT")]
    own: Option<String>,
    /// Any caller with a good credential
    #[arg(long)]
    authenticated: bool,
    /// Everybody
    #[arg(long, conflicts_with_all = ["deny", "scopes", "roles", "authenticated", "api", "audience", "credentials", "own", "login"])]
    public: bool,
    /// Nobody
    #[arg(long, conflicts_with_all = ["scopes", "roles", "authenticated", "api", "audience", "credentials", "own", "login"])]
    deny: bool,
    /// Send people who are not known to sign in, where they go to a page
    #[arg(long)]
    login: bool,
    /// How often, such as 100/1m
    #[arg(long, value_name = "COUNT/TIME")]
    limit: Option<String>,
    /// How many at once
    #[arg(long, value_name = "COUNT", requires = "limit")]
    burst: Option<u32>,
    /// Who shares the limit
    #[arg(long, requires = "limit", value_parser = ["grant", "subject", "client", "org", "ip", "rule"])]
    per: Option<String>,
    /// Lower ones are tried first [default: 100]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    priority: Option<i32>,
    /// Judge and record, but admit anyway
    #[arg(long)]
    observe: bool,
}

/// Runs one of them.
pub async fn run(context: &Context, command: Command) -> Result<(), Failure> {
    let path = |segments: &[&str]| context.server()?.path(&[&[NOUN.plural], segments].concat());
    match command {
        Command::Add(add) => {
            let body = add.body()?;
            noun::create(context, &NOUN, &path(&[])?, &body).await.map(drop)
        }
        Command::List(list) => noun::list_searched(context, &NOUN, &path(&[])?, list).await,
        Command::Show(which) => noun::show(context, &path(&[&which.rule])?).await,
        Command::Remove(Which { rule }) => {
            noun::delete(context, &path(&[&rule])?, &format!("rule {rule} removed")).await
        }
        Command::Test { file } => {
            let cases = input::document(context, &file)?;
            print_test(context, context.server()?.post(&path(&["test"])?, &cases).await?)
        }
    }
}

impl Add {
    fn body(&self) -> Result<Value, Failure> {
        let says_nothing = [&self.scopes, &self.roles, &self.credentials].iter().all(|listed| listed.is_empty())
            && self.api.is_none()
            && self.own.is_none();
        if says_nothing && !self.authenticated && !self.public && !self.deny {
            return Err(Failure::usage(
                "the rule does not say who is admitted. Add --scope SCOPE, --role ROLE, --authenticated, --public or --deny",
            ));
        }
        let text = |text: &Option<String>| text.as_deref().map(Value::from);
        let matched =
            fields([("host", text(&self.host)), ("methods", some_list(&self.methods)), ("path", text(&self.path))]);
        let require = fields([
            ("authenticated", self.authenticated.then_some(Value::Bool(true))),
            ("api", text(&self.api)),
            ("scopes", some_list(&self.scopes)),
            ("roles", some_list(&self.roles)),
            ("credentials", some_list(&self.credentials)),
            ("self", text(&self.own)),
        ]);
        let limit =
            fields([("rate", text(&self.limit)), ("burst", self.burst.map(Value::from)), ("per", text(&self.per))]);
        let part = |part: Map<String, Value>| (!part.is_empty()).then_some(Value::Object(part));
        let rule = fields([
            ("name", text(&self.name)),
            ("match", part(matched)),
            ("require", part(require)),
            ("public", self.public.then_some(Value::Bool(true))),
            ("deny", self.deny.then_some(Value::Bool(true))),
            ("audience", text(&self.audience)),
            ("login", self.login.then_some(Value::Bool(true))),
            ("limit", part(limit)),
            ("priority", self.priority.map(Value::from)),
            ("mode", self.observe.then(|| json!("observe"))),
        ]);
        Ok(rule.into())
    }
}

/// One line per case, what failed with its reason.
fn print_test(context: &Context, mut answer: Value) -> Result<(), Failure> {
    let output = &context.output;
    let failed = answer.get("failed").and_then(Value::as_u64).unwrap_or(0);
    if output.json {
        output.json(&answer);
    } else {
        take_items(&mut answer).iter().for_each(|case| output.line(&case_line(context, case)));
    }
    let passed = answer.get("passed").and_then(Value::as_u64).unwrap_or(0);
    output.note(&format!("{passed} passed, {failed} failed"));
    if failed == 0 { Ok(()) } else { Err(Failure::no()) }
}

fn case_line(context: &Context, case: &Value) -> String {
    let text = |name: &str| case.get(name).and_then(Value::as_str).map(clean).unwrap_or_default();
    if case.get("passed").and_then(Value::as_bool) == Some(true) {
        return format!("{} {}  {}", context.output.dress("✓", Dress::Green), text("name"), text("got"));
    }
    let rule = Some(text("rule"))
        .filter(|rule| !rule.is_empty())
        .map_or("no rule".to_owned(), |rule| format!("rule \"{rule}\""));
    let mark = context.output.dress("✗", Dress::Red);
    format!("{mark} {}  expected {}, got {} by {rule}: {}", text("name"), text("expected"), text("got"), text("why"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::test_console::{Console, Reply};

    #[tokio::test]
    async fn a_rule_is_what_was_typed() {
        let console = Console::new([Reply::json(201, json!({"id": "rul_1", "name": "GET shop.test/orders/**"}))]).await;
        let typed = "rule add --host shop.test --path /orders/** --method GET --scope orders:read --role clerk \
                     --limit 100/1m --burst 20 --per grant --priority 5 --observe --audience any";
        assert_eq!(console.run(typed).await.exit, 0);
        let rule = json!({"audience": "any",
            "match": {"host": "shop.test", "methods": ["GET"], "path": "/orders/**"},
            "require": {"scopes": ["orders:read"], "roles": ["clerk"]},
            "limit": {"rate": "100/1m", "burst": 20, "per": "grant"}, "priority": 5, "mode": "observe",
        });
        assert_eq!(console.requests()[0].json(), rule);
    }

    #[tokio::test]
    async fn a_rule_for_people_is_what_was_typed() {
        let console = Console::new([Reply::json(201, json!({"id": "rul_1", "name": "me"}))]).await;
        let typed = "rule add --name me --host shop.test --path /people/{id} --credential session --self id --login";
        assert_eq!(console.run(typed).await.exit, 0);
        let rule = json!({"name": "me", "match": {"host": "shop.test", "path": "/people/{id}"},
            "require": {"credentials": ["session"], "self": "id"}, "login": true});
        assert_eq!(console.requests()[0].json(), rule);
        assert_eq!(console.run("rule add --host shop.test --public --login").await.exit, 2, "nobody needs to");
    }

    #[tokio::test]
    async fn a_rule_says_who_is_admitted() {
        let console = Console::new([]).await;
        let ran = console.run("rule add --host shop.test").await;
        assert_eq!(ran.exit, 2);
        assert!(ran.err.starts_with("error: the rule does not say who is admitted. Add --scope"), "{}", ran.err);
        assert_eq!(console.run("rule add --host shop.test --public --scope x").await.exit, 2);
    }

    #[tokio::test]
    async fn a_failed_case_is_exit_1_with_its_reason() {
        let answer = json!({"passed": 1, "failed": 1, "items": [
            {"name": "a", "expected": "ok", "got": "ok", "rule": "r", "passed": true, "why": ""},
            {"name": "b", "expected": "ok", "got": "no_rule", "rule": null, "passed": false, "why": "nothing matches"}]});
        let cases = "[[case]]\nrequest = \"GET https://shop.test/\"\nexpect = \"ok\"\n";
        let console = Console::new([Reply::json(200, answer)]).await.with_input(cases);
        let ran = console.run("rule test -").await;
        assert_eq!((ran.exit, ran.err.as_str()), (1, "1 passed, 1 failed\n"));
        assert_eq!(ran.out, "✓ a  ok\n✗ b  expected ok, got no_rule by no rule: nothing matches\n");
        assert_eq!(console.requests()[0].json()["case"][0]["expect"], "ok");
    }
}
