//! `admit role …`: named sets of rights.

use serde_json::Value;

use crate::cli::Context;
use crate::cli::client::{Rights, changed_rights};
use crate::cli::failure::Failure;
use crate::cli::input::fields;
use crate::cli::noun::{self, Noun, SearchedList};
use crate::cli::table::Column;

const NOUN: Noun = Noun {
    plural: "roles",
    singular: "role",
    columns: &[
        Column("NAME", "/name"),
        Column("DESCRIPTION", "/description"),
        Column("RIGHTS", "/rights"),
        Column("ID", "/id"),
    ],
};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Create a role
    #[command(before_help = "Examples:
  admit role create --name clerk --api https://api.example.com --scope orders:read --scope orders:write")]
    Create(Create),
    /// List the roles
    #[command(before_help = "Examples:\n  admit role list")]
    List(SearchedList),
    /// Show one role
    #[command(before_help = "Examples:\n  admit role show clerk")]
    Show(Which),
    /// Add rights to a role or take them away; every holder feels it at once
    #[command(
        before_help = "Examples:\n  admit role update clerk --api https://api.example.com --remove-scope orders:write"
    )]
    Update(Update),
    /// Delete a role
    #[command(before_help = "Examples:\n  admit role delete clerk")]
    Delete(Which),
}

#[derive(Debug, clap::Args)]
pub struct Which {
    /// The name or id
    role: String,
}

#[derive(Debug, clap::Args)]
pub struct Create {
    /// What it is called; unique in the realm
    #[arg(long)]
    name: String,
    /// What it means to a person
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    #[command(flatten)]
    rights: Rights,
}

#[derive(Debug, clap::Args)]
pub struct Update {
    /// The name or id
    role: String,
    /// A new name
    #[arg(long)]
    name: Option<String>,
    /// What it means to a person
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// The API that --scope and --remove-scope are of
    #[arg(long, value_name = "URI")]
    api: Option<String>,
    /// A scope to add; may be repeated
    #[arg(long = "scope", value_name = "SCOPE", requires = "api")]
    scopes: Vec<String>,
    /// A scope to take away; may be repeated
    #[arg(long = "remove-scope", value_name = "SCOPE", requires = "api")]
    remove_scopes: Vec<String>,
}

/// Runs one of them.
pub async fn run(context: &Context, command: Command) -> Result<(), Failure> {
    let path = |segments: &[&str]| context.server()?.path(&[&[NOUN.plural], segments].concat());
    match command {
        Command::Create(create) => noun::create(context, &NOUN, &path(&[])?, &create.body()).await.map(drop),
        Command::List(list) => noun::list_searched(context, &NOUN, &path(&[])?, list).await,
        Command::Show(which) => noun::show(context, &path(&[&which.role])?).await,
        Command::Update(update) => {
            noun::change(context, &NOUN, &path(&[&update.role])?, &|now| Ok(update.patch(now))).await
        }
        Command::Delete(Which { role }) => {
            noun::delete(context, &path(&[&role])?, &format!("role {role} deleted")).await
        }
    }
}

impl Create {
    fn body(&self) -> Value {
        let name = Some(self.name.as_str().into());
        let description = self.description.as_deref().map(Value::from);
        fields([("name", name), ("description", description), ("rights", self.rights.body())]).into()
    }
}

impl Update {
    fn patch(&self, now: &Value) -> Value {
        fields([
            ("name", self.name.as_deref().map(Value::from)),
            ("description", self.description.as_deref().map(Value::from)),
            ("rights", changed_rights(now, self.api.as_deref(), &self.scopes, &self.remove_scopes)),
        ])
        .into()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::cli::test_console::{Console, Reply};

    #[tokio::test]
    async fn create_names_the_rights_by_api() {
        let console = Console::new([Reply::json(201, json!({"name": "clerk"}))]).await;
        assert_eq!(console.run("role create --name clerk --api https://a --scope r --scope w").await.exit, 0);
        assert_eq!(console.requests()[0].json(), json!({"name": "clerk", "rights": {"https://a": ["r", "w"]}}));
    }
}
