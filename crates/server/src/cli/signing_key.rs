//! `admit signing-key …`: the keys that sign for a realm. Their private halves never leave the server.

use serde_json::{Map, Value, json};

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::noun::{self, ListOptions, Noun};
use crate::cli::table::{Column, plain};

const NOUN: Noun = Noun {
    plural: "signing-keys",
    singular: "signing key",
    columns: &[
        Column("ID", "/id"),
        Column("ALGORITHM", "/algorithm"),
        Column("PURPOSE", "/purpose"),
        Column("STATE", "/state"),
        Column("SIGNS FROM", "/signs_from"),
        Column("PUBLISHED UNTIL", "/published_until"),
        Column("KID", "/kid"),
    ],
};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List the keys, those that are over or revoked too
    #[command(before_help = "Examples:\n  admit signing-key list")]
    List {
        #[command(flatten)]
        options: ListOptions,
    },
    /// Make the next key: published now, it signs in ten minutes, when everybody has seen it
    #[command(before_help = "Examples:
  admit signing-key rotate
  admit signing-key rotate --algorithm RS256
  admit signing-key rotate --now")]
    Rotate {
        /// What it signs by: ES256, RS256, PS256 or EdDSA [default: what the realm signs by, where that is one]
        #[arg(long, value_name = "ALGORITHM")]
        algorithm: Option<String>,
        /// What it is for: issuer or upstream [default: issuer]
        #[arg(long, value_name = "PURPOSE")]
        purpose: Option<String>,
        /// It signs at once; who keeps the public keys may not know it for five minutes
        #[arg(long)]
        now: bool,
    },
    /// Take a key back: nothing that it signed is good any more, and another one signs at once
    #[command(before_help = "Examples:\n  admit signing-key revoke sig_01hzzzzzzzzzzzzzzzzzzzzzzz")]
    Revoke {
        /// The id
        signing_key: String,
    },
}

/// Runs one of them.
pub async fn run(context: &Context, command: Command) -> Result<(), Failure> {
    let path = |segments: &[&str]| context.server()?.path(&[&[NOUN.plural], segments].concat());
    match command {
        Command::List { options } => noun::list(context, &NOUN, &path(&[])?, &[], &options).await,
        Command::Rotate { algorithm, purpose, now } => {
            let mut body = Map::new();
            let said = [("algorithm", algorithm), ("purpose", purpose)];
            body.extend(said.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))));
            body.extend(now.then(|| ("now".to_owned(), json!(true))));
            let next = context.server()?.post(&path(&[])?, &Value::Object(body)).await?;
            noun::print(context, &next);
            context.output.note(&match next["state"].as_str() {
                Some("signing") => format!("{} signs now; those before stay published", plain(&next["id"])),
                _ => format!("{} is published, and signs from {}", plain(&next["id"]), plain(&next["signs_from"])),
            });
            Ok(())
        }
        Command::Revoke { signing_key } => {
            let done = format!("{} {signing_key} revoked: nothing that it signed is good any more", NOUN.singular);
            noun::delete(context, &path(&[&signing_key])?, &done).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::test_console::{Console, Reply};

    #[tokio::test]
    async fn a_rotation_says_when_the_next_key_signs() {
        let made = |state: &str| {
            Reply::json(201, json!({"id": "sig_1", "state": state, "signs_from": "2026-12-01T00:10:00Z"}))
        };
        let console = Console::new([made("next"), made("signing")]).await;
        let ran = console.run("signing-key rotate").await;
        assert_eq!(ran.exit, 0, "{}", ran.err);
        assert!(ran.err.contains("sig_1 is published, and signs from 2026-12-01T00:10:00Z"), "{}", ran.err);
        let ran = console.run("signing-key rotate --now --algorithm RS256").await;
        assert!(ran.err.contains("sig_1 signs now"), "{}", ran.err);
        let sent = console.requests();
        assert_eq!(sent[0].line, "POST /v1/realms/default/signing-keys HTTP/1.1");
        assert_eq!((sent[0].json(), sent[1].json()), (json!({}), json!({"algorithm": "RS256", "now": true})));
    }

    #[tokio::test]
    async fn a_revocation_names_the_key() {
        let console = Console::new([Reply::empty(204)]).await;
        let ran = console.run("signing-key revoke sig_1").await;
        assert!(ran.exit == 0 && ran.err.contains("signing key sig_1 revoked"), "{}", ran.err);
        assert_eq!(console.requests()[0].line, "DELETE /v1/realms/default/signing-keys/sig_1 HTTP/1.1");
    }
}
