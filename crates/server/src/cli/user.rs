//! `admit user …`: people. What they sign in with is not here.

use serde_json::Value;

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::input::{Extras, fields, some_list};
use crate::cli::noun::{self, NarrowedList, Noun, changed_list};
use crate::cli::table::Column;

const NOUN: Noun = Noun {
    plural: "users",
    singular: "user",
    columns: &[
        Column("NAME", "/name"),
        Column("E-MAIL", "/email"),
        Column("ROLES", "/roles"),
        Column("DISABLED", "/disabled_at"),
        Column("ID", "/id"),
    ],
};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Create a user
    #[command(before_help = "Examples:\n  admit user create --name alice --email alice@example.com --role viewer")]
    Create(Create),
    /// List the users
    #[command(before_help = "Examples:\n  admit user list\n  admit user list --external-id cus_42 --metadata plan=pro")]
    List(NarrowedList),
    /// Show one user
    #[command(before_help = "Examples:\n  admit user show alice@example.com")]
    Show(Which),
    /// Change a user, add roles or take them away
    #[command(before_help = "Examples:\n  admit user update alice --role operator --remove-role viewer")]
    Update(Update),
    /// Switch a user off: nothing he owns is admitted
    #[command(before_help = "Examples:\n  admit user disable alice")]
    Disable(Which),
    /// Switch a user on again
    #[command(before_help = "Examples:\n  admit user enable alice")]
    Enable(Which),
    /// End everything that was issued to a user so far
    #[command(before_help = "Examples:\n  admit user revoke-all alice")]
    RevokeAll(Which),
    /// Delete a user and his keys
    #[command(before_help = "Examples:\n  admit user delete alice")]
    Delete(Which),
}

#[derive(Debug, clap::Args)]
pub struct Which {
    /// The name, e-mail address or id
    user: String,
}

#[derive(Debug, clap::Args)]
pub struct Create {
    /// The user name; unique in the realm
    #[arg(long)]
    name: String,
    /// The e-mail address; unique in the realm
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// A role he holds; may be repeated
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    #[command(flatten)]
    extras: Extras,
}

#[derive(Debug, clap::Args)]
pub struct Update {
    /// The name, e-mail address or id
    user: String,
    /// A new user name
    #[arg(long)]
    name: Option<String>,
    /// A new e-mail address
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// A role to add; may be repeated
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// A role to take away; may be repeated
    #[arg(long = "remove-role", value_name = "ROLE")]
    remove_roles: Vec<String>,
    #[command(flatten)]
    extras: Extras,
}

/// Runs one of them.
pub async fn run(context: &Context, command: Command) -> Result<(), Failure> {
    let path = |segments: &[&str]| context.server()?.path(&[&[NOUN.plural], segments].concat());
    match command {
        Command::Create(create) => noun::create(context, &NOUN, &path(&[])?, &create.body()).await.map(drop),
        Command::List(list) => noun::list_narrowed(context, &NOUN, &path(&[])?, list).await,
        Command::Show(which) => noun::show(context, &path(&[&which.user])?).await,
        Command::Update(update) => {
            noun::change(context, &NOUN, &path(&[&update.user])?, &|now| Ok(update.patch(now))).await
        }
        Command::Disable(which) => noun::disable(context, &NOUN, &path(&[&which.user])?).await,
        Command::Enable(which) => noun::enable(context, &NOUN, &path(&[&which.user])?).await,
        Command::RevokeAll(Which { user }) => {
            let done = format!("everything issued to user {user} so far is revoked");
            noun::act(context, &path(&[&user, "revoke-all"])?, &done).await
        }
        Command::Delete(Which { user }) => {
            noun::delete(context, &path(&[&user])?, &format!("user {user} deleted")).await
        }
    }
}

impl Create {
    fn body(&self) -> Value {
        let mut body = fields([
            ("name", Some(self.name.as_str().into())),
            ("email", self.email.as_deref().map(Value::from)),
            ("roles", some_list(&self.roles)),
        ]);
        self.extras.add_to(&mut body, None);
        body.into()
    }
}

impl Update {
    fn patch(&self, now: &Value) -> Value {
        let mut body = fields([
            ("name", self.name.as_deref().map(Value::from)),
            ("email", self.email.as_deref().map(Value::from)),
            ("roles", changed_list(now.get("roles"), &self.roles, &self.remove_roles)),
        ]);
        self.extras.add_to(&mut body, Some(now));
        body.into()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::cli::test_console::{Console, Reply};

    #[tokio::test]
    async fn update_keeps_the_other_roles_and_metadata() {
        let now = json!({"name": "alice", "roles": ["viewer", "staff"], "metadata": {"team": "a"}});
        let console = Console::new([Reply::json(200, now.clone()), Reply::json(200, now)]).await;
        let ran =
            console.run("user update alice@example.com --role operator --remove-role viewer --metadata desk=4").await;
        assert_eq!(ran.exit, 0, "{}", ran.err);
        assert_eq!(console.requests()[0].line, "GET /v1/realms/default/users/alice%40example.com HTTP/1.1");
        let patch = json!({"roles": ["staff", "operator"], "metadata": {"team": "a", "desk": "4"}});
        assert_eq!(console.requests()[1].json(), patch);
    }

    #[tokio::test]
    async fn revoke_all_is_a_post() {
        let console = Console::new([Reply::empty(204)]).await;
        let ran = console.run("user revoke-all alice").await;
        assert_eq!((ran.exit, ran.out.as_str()), (0, ""));
        assert_eq!(ran.err, "everything issued to user alice so far is revoked\n");
        assert_eq!(console.requests()[0].line, "POST /v1/realms/default/users/alice/revoke-all HTTP/1.1");
    }
}
