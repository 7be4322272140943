//! `admit client secret …`: two at most, so that one can follow the other. A secret is printed once, alone, on stdout.

use admit_core::shell::operand;
use serde_json::Value;

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::input;
use crate::cli::noun::{self, ListOptions, Noun};
use crate::cli::table::{Column, plain};

const NOUN: Noun = Noun {
    plural: "secrets",
    singular: "secret",
    columns: &[
        Column("HINT", "/hint"),
        Column("LIVE", "/live"),
        Column("MADE", "/created_at"),
        Column("EXPIRES", "/expires_at"),
        Column("LAST USED", "/last_used_at"),
        Column("ID", "/id"),
    ],
};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Give a client one more secret; stdout is the secret alone, shown this once
    #[command(before_help = "Examples:
  admit client secret add billing > billing.secret
  admit client secret add billing --expires 90d > billing.secret")]
    Add(Add),
    /// List the secrets of a client: when they were made, end, and were last used
    #[command(before_help = "Examples:\n  admit client secret list billing")]
    List(Of),
    /// End a secret at once
    #[command(before_help = "Examples:\n  admit client secret revoke billing sec_01h2xcejqtf2nbrexx3vqjhp41")]
    Revoke(Which),
}

#[derive(Debug, clap::Args)]
pub struct Of {
    /// The name or id of the client
    client: String,
}

#[derive(Debug, clap::Args)]
pub struct Add {
    /// The name or id of the client
    client: String,
    /// How long it is good [default: until it is revoked]
    #[arg(long, value_name = "TIME", value_parser = input::seconds)]
    expires: Option<i64>,
}

#[derive(Debug, clap::Args)]
pub struct Which {
    /// The name or id of the client
    client: String,
    /// The id of the secret, sec_…
    secret: String,
}

/// Runs one of them.
pub async fn run(context: &Context, command: Command) -> Result<(), Failure> {
    let path =
        |client: &str, rest: &[&str]| context.server()?.path(&[&["clients", client, NOUN.plural], rest].concat());
    match command {
        Command::Add(Add { client, expires }) => {
            let body = input::fields([("expires_in_s", expires.map(Value::from))]);
            let made = context.server()?.post(&path(&client, &[])?, &Value::Object(body)).await?;
            print_new(context, &made, &client)
        }
        Command::List(Of { client }) => {
            noun::list(context, &NOUN, &path(&client, &[])?, &[], &ListOptions { limit: None }).await
        }
        Command::Revoke(Which { client, secret }) => {
            noun::delete(context, &path(&client, &[&secret])?, &format!("secret {secret} of client {client} revoked"))
                .await
        }
    }
}

/// The secret alone on stdout; what it is, on stderr.
fn print_new(context: &Context, made: &Value, client: &str) -> Result<(), Failure> {
    let client = operand(client);
    let output = &context.output;
    if output.json {
        output.json(made);
    } else {
        let secret = made.get("secret").and_then(Value::as_str);
        let missing = || {
            let next = format!("admit client secret add {client}");
            Failure::failed(format!("the server answered without the secret. Add one: {next}"))
        };
        output.line(secret.ok_or_else(missing)?);
    }
    let known = |name: &str| made.get(name).filter(|value| !value.is_null()).map(plain);
    let text = |name: &str| known(name).unwrap_or_default();
    output.note(&format!("secret {} of client {}, shown this once", text("id"), text("client")));
    output.note(&format!("  expires  {}", known("expires_at").unwrap_or("never".into())));
    output.note(&format!("Once the application has it, revoke the other one: admit client secret list {client}"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::test_console::{Console, Reply};

    #[tokio::test]
    async fn the_secret_stands_alone_on_stdout() {
        let made = json!({"id": "sec_1", "client": "cli_1", "hint": "admit_cs_…x", "secret": "admit_cs_x", "expires_at": null});
        let console = Console::new([Reply::json(201, made.clone()), Reply::json(201, made)]).await;
        let ran = console.run("client secret add c --expires 90d").await;
        assert_eq!((ran.exit, ran.out.as_str()), (0, "admit_cs_x\n"));
        assert!(ran.err.contains("shown this once") && !ran.err.contains("admit_cs_x"), "{}", ran.err);
        assert_eq!(console.requests()[0].line, "POST /v1/realms/default/clients/c/secrets HTTP/1.1");
        assert_eq!(console.requests()[0].json(), json!({"expires_in_s": 7_776_000}));
        assert!(ran.err.ends_with("admit client secret list c\n"), "{}", ran.err);
        let ran = console.run("client secret add c --json").await;
        assert_eq!(serde_json::from_str::<Value>(&ran.out).unwrap()["secret"], "admit_cs_x");
        assert_eq!(console.requests()[1].json(), json!({}));
    }

    #[tokio::test]
    async fn a_secret_is_revoked_by_its_id() {
        let console = Console::new([Reply::empty(204)]).await;
        assert_eq!(console.run("client secret revoke c sec_1").await.exit, 0);
        assert_eq!(console.requests()[0].line, "DELETE /v1/realms/default/clients/c/secrets/sec_1 HTTP/1.1");
    }
}
