//! `admit session …`: where people are signed in.

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::noun::{self, ListOptions, Noun};
use crate::cli::table::Column;

const NOUN: Noun = Noun {
    plural: "sessions",
    singular: "session",
    columns: &[
        Column("ID", "/id"),
        Column("KIND", "/kind"),
        Column("USER", "/name"),
        Column("HOST", "/host"),
        Column("SIGNED IN", "/signed_in_at"),
        Column("LAST USED", "/last_used_at"),
        Column("STATE", "/state"),
    ],
};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List where people are signed in, and the browsers that they are known by
    #[command(before_help = "Examples:\n  admit session list --user alice@example.com")]
    List {
        /// Only those of this person: id, name or e-mail address
        #[arg(long, value_name = "USER")]
        user: Option<String>,
        /// Those that ended in the last days, too
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        options: ListOptions,
    },
    /// End a session, and with it those of the hosts that grew from it
    #[command(before_help = "Examples:\n  admit session revoke grt_01hzzzzzzzzzzzzzzzzzzzzzzz")]
    Revoke {
        /// The id
        session: String,
    },
}

/// Runs one of them.
pub async fn run(context: &Context, command: Command) -> Result<(), Failure> {
    let path = |segments: &[&str]| context.server()?.path(&[&[NOUN.plural], segments].concat());
    match command {
        Command::List { user, all, options } => {
            let filters = [("user", user), ("state", all.then(|| "all".to_owned()))];
            noun::list(context, &NOUN, &path(&[])?, &filters, &options).await
        }
        Command::Revoke { session } => {
            let done = format!("{} {session} ended", NOUN.singular);
            noun::delete(context, &path(&[&session])?, &done).await
        }
    }
}
