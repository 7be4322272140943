//! `admit grant …`: everything that can act, whatever carries it.

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::noun::{self, ListOptions, Noun};
use crate::cli::table::Column;

const NOUN: Noun = Noun {
    plural: "grants",
    singular: "grant",
    columns: &[
        Column("ID", "/id"),
        Column("KIND", "/kind"),
        Column("SUBJECT", "/subject"),
        Column("API", "/api"),
        Column("SCOPES", "/scopes"),
        Column("EXPIRES", "/expires_at"),
        Column("STATE", "/state"),
    ],
};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List the grants
    #[command(before_help = "Examples:\n  admit grant list --subject alice@example.com")]
    List {
        /// Only those of this subject: id, name or e-mail address
        #[arg(long, value_name = "SUBJECT")]
        subject: Option<String>,
        #[command(flatten)]
        options: ListOptions,
    },
    /// Revoke a grant and all that hangs on it
    #[command(before_help = "Examples:\n  admit grant revoke grt_01hzzzzzzzzzzzzzzzzzzzzzzz")]
    Revoke {
        /// The id
        grant: String,
    },
}

/// Runs one of them.
pub async fn run(context: &Context, command: Command) -> Result<(), Failure> {
    let path = |segments: &[&str]| context.server()?.path(&[&[NOUN.plural], segments].concat());
    match command {
        Command::List { subject, options } => {
            noun::list(context, &NOUN, &path(&[])?, &[("subject", subject)], &options).await
        }
        Command::Revoke { grant } => {
            let done = format!("{} {grant} revoked", NOUN.singular);
            noun::delete(context, &path(&[&grant])?, &done).await
        }
    }
}
