//! `admit user …`: people, and what they sign in with.

use admit_core::secret::Secret;
use admit_core::shell::{flag, operand};
use data_encoding::BASE32_NOPAD;
use http::Method;
use serde_json::{Value, json};

use crate::app;
use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::input::{self, Extras, fields, some_list};
use crate::cli::noun::{self, NarrowedList, Noun, changed_list};
use crate::cli::output::clean;
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
    /// Invite somebody: a link leads him to his first password; a user is made where there is none
    #[command(
        before_help = "Examples:\n  admit user invite alice@example.com --role viewer\n  admit user invite alice@example.com --name alice --language de"
    )]
    Invite(Invite),
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
    /// Give a user a password, from stdin or a new one
    #[command(
        before_help = "Examples:\n  admit user set-password alice < password.txt\n  admit user set-password alice --generate"
    )]
    SetPassword(SetPassword),
    /// Forget failed sign-ins, so that devices that are not known may try again
    #[command(before_help = "Examples:\n  admit user unlock alice")]
    Unlock(Which),
    /// Say that the e-mail address is the user's
    #[command(before_help = "Examples:\n  admit user verify-email alice@example.com")]
    VerifyEmail(Which),
    /// End everything that was issued to a user so far
    #[command(before_help = "Examples:\n  admit user revoke-all alice")]
    RevokeAll(Which),
    /// Delete a user and his keys
    #[command(before_help = "Examples:\n  admit user delete alice")]
    Delete(Which),
    /// Take away everything personal, in the audit too; only the id stays
    #[command(before_help = "Examples:\n  admit user erase alice")]
    Erase(Which),
}

#[derive(Debug, clap::Args)]
pub struct Which {
    /// The name, e-mail address or id
    user: String,
}

#[derive(Debug, clap::Args)]
pub struct Invite {
    /// Where the link goes; the id or name of a user who is there already will do
    user: String,
    /// The user name of a new user; the address where absent
    #[arg(long)]
    name: Option<String>,
    /// A role of a new user; may be repeated
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// In which language the mail is written: en, de
    #[arg(long)]
    language: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct SetPassword {
    /// The name, e-mail address or id
    user: String,
    /// Draw a password and print it
    #[arg(long, conflicts_with = "hash")]
    generate: bool,
    /// Stdin is the hash that another system kept: Argon2, bcrypt, PBKDF2 or scrypt
    #[arg(long)]
    hash: bool,
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
        Command::Invite(invite) => {
            make_if_new(context, &path(&[])?, &path(&[&invite.user])?, &invite).await?;
            send_invitation(context, &path(&[&invite.user, "invite"])?, &invite).await
        }
        Command::List(list) => noun::list_narrowed(context, &NOUN, &path(&[])?, list).await,
        Command::Show(which) => noun::show(context, &path(&[&which.user])?).await,
        Command::Update(update) => {
            noun::change(context, &NOUN, &path(&[&update.user])?, &|now| Ok(update.patch(now))).await
        }
        Command::Disable(which) => noun::disable(context, &NOUN, &path(&[&which.user])?).await,
        Command::Enable(which) => noun::enable(context, &NOUN, &path(&[&which.user])?).await,
        Command::SetPassword(set) => set_password(context, &path(&[&set.user, "password"])?, &set).await,
        Command::Unlock(Which { user }) => {
            let answer = context.server()?.post(&path(&[&user, "unlock"])?, &json!({})).await?;
            noun::print(context, &answer);
            let done = if answer["was_locked"] == true { "is unlocked" } else { "was not locked" };
            context.output.note(&format!("user {user} {done}"));
            Ok(())
        }
        Command::VerifyEmail(Which { user }) => {
            noun::act(context, &path(&[&user, "verify-email"])?, &format!("the address of user {user} is verified"))
                .await
        }
        Command::Erase(Which { user }) => {
            let done = format!("everything personal of user {user} is gone");
            noun::act(context, &path(&[&user, "erase"])?, &done).await
        }
        Command::RevokeAll(Which { user }) => {
            let done = format!("everything issued to user {user} so far is revoked");
            noun::act(context, &path(&[&user, "revoke-all"])?, &done).await
        }
        Command::Delete(Which { user }) => {
            noun::delete(context, &path(&[&user])?, &format!("user {user} deleted")).await
        }
    }
}

/// Makes the user who is to be invited, unless he is there.
async fn make_if_new(context: &Context, users: &str, user: &str, invite: &Invite) -> Result<(), Failure> {
    let server = context.server()?;
    if server.find(user).await?.is_none() {
        server.post(users, &invite.user()).await?;
        return Ok(());
    }
    if invite.name.is_none() && invite.roles.is_empty() {
        return Ok(());
    }
    let next = format!("admit user update {} …, then invite without --name and --role", operand(&invite.user));
    Err(Failure::usage(format!("user {} is there already. Change him first: {next}", invite.user)))
}

async fn send_invitation(context: &Context, path: &str, invite: &Invite) -> Result<(), Failure> {
    let body = fields([("language", invite.language.as_deref().map(Value::from))]);
    let answer = context.server()?.post(path, &body.into()).await?;
    let (link, output) = (answer["link"].as_str(), &context.output);
    match link {
        Some(link) if !output.json => output.line(link),
        _ => noun::print(context, &answer),
    }
    let text = |name: &str| clean(answer[name].as_str().unwrap_or_default());
    output.note(&match link {
        Some(_) => format!(
            "no mail is sent from here: hand this link on to {}. It is shown this once and works once, until {}",
            text("email"),
            text("expires_at")
        ),
        None => format!("an invitation is on its way to {}; it is good until {}", text("email"), text("expires_at")),
    });
    Ok(())
}

async fn set_password(context: &Context, path: &str, set: &SetPassword) -> Result<(), Failure> {
    let (field, what) = if set.hash { ("password_hash", "the hash") } else { ("password", "the password") };
    let chosen = if set.generate { generated() } else { input::password(context, what)? };
    let answer = context.server()?.send(Method::PUT, path, Some(&json!({ field: chosen.expose() }))).await?.body;
    if set.generate && context.output.json {
        let mut shown = answer;
        shown["password"] = chosen.expose().into();
        context.output.json(&shown);
    } else if set.generate {
        context.output.line(chosen.expose());
    } else {
        noun::print(context, &answer);
    }
    let shown = if set.generate { ", shown this once" } else { "" };
    context.output.note(&format!(
        "the password of user {user} is set{shown}; he is signed out everywhere, of applications too. His keys go on. Next: admit key list{owner}",
        user = set.user,
        owner = flag("owner", &set.user)
    ));
    Ok(())
}

/// 125 bits in groups that can be read aloud.
fn generated() -> Secret {
    let mut digits = BASE32_NOPAD.encode(&app::random::<16>()).to_lowercase();
    digits.truncate(25);
    let groups: Vec<&str> = [0, 5, 10, 15, 20].iter().map(|place| &digits[*place..place + 5]).collect();
    Secret::new(groups.join("-"))
}

impl Invite {
    /// Who is made where nobody is there.
    fn user(&self) -> Value {
        let name = self.name.as_deref().unwrap_or(&self.user);
        fields([
            ("name", Some(name.into())),
            ("email", Some(self.user.as_str().into())),
            ("roles", some_list(&self.roles)),
        ])
        .into()
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
    async fn a_password_comes_from_stdin_as_it_is_or_is_drawn() {
        let set = || Reply::json(200, json!({"sign_ins_ended": 2}));
        let console = Console::new([set(), set(), set()]).await.with_input(" with a space \n");
        let ran = console.run("user set-password alice").await;
        assert_eq!((ran.exit, ran.out.contains("space")), (0, false), "{}", ran.err);
        assert_eq!(console.requests()[0].line, "PUT /v1/realms/default/users/alice/password HTTP/1.1");
        assert_eq!(
            console.requests()[0].json(),
            json!({"password": " with a space "}),
            "only the end of the line goes"
        );
        let ran = console.run("user set-password alice --generate").await;
        let drawn = ran.out.trim_end().to_owned();
        assert_eq!((ran.exit, drawn.len()), (0, 29), "{}", ran.err);
        assert_eq!(console.requests()[1].json(), json!({"password": drawn}));
        assert!(!ran.err.contains(&drawn) && ran.err.contains("shown this once"), "{}", ran.err);
        let console = console.with_input("$2b$10$x\n");
        assert_eq!(console.run("user set-password alice --hash").await.exit, 0);
        assert_eq!(console.requests()[2].json(), json!({"password_hash": "$2b$10$x"}));
        for typed in ["user set-password alice", "user set-password alice --generate --hash"] {
            assert_eq!(console.run(typed).await.exit, 2, "{typed}");
        }
    }

    #[tokio::test]
    async fn who_is_not_there_is_made_and_invited() {
        let invited =
            json!({"user": "usr_1", "email": "al@x.test", "expires_at": "2026-11-25T00:00:00Z", "mailed": true});
        let link = "https://auth.test/invite?token=admit_ln_x";
        let by_hand =
            json!({"user": "usr_1", "email": "al@x.test", "expires_at": "2026", "mailed": false, "link": link});
        let nobody = Reply::json(404, json!({"code": "not_found", "detail": "There is no user."}));
        let user = || Reply::json(200, json!({"id": "usr_1"}));
        let console =
            Console::new([nobody, user(), Reply::json(201, invited), user(), Reply::json(201, by_hand), user()]).await;
        let ran = console.run("user invite al@x.test --role viewer --language de").await;
        assert_eq!(ran.exit, 0, "{}", ran.err);
        assert!(ran.err.contains("an invitation is on its way to al@x.test"), "{}", ran.err);
        assert_eq!(
            console.requests()[1].json(),
            json!({"name": "al@x.test", "email": "al@x.test", "roles": ["viewer"]})
        );
        assert_eq!(console.requests()[2].line, "POST /v1/realms/default/users/al%40x.test/invite HTTP/1.1");
        assert_eq!(console.requests()[2].json(), json!({"language": "de"}));
        let ran = console.run("user invite al@x.test").await;
        assert_eq!((ran.exit, ran.out.trim_end()), (0, link), "the link alone: {}", ran.err);
        assert!(!ran.err.contains(link) && ran.err.contains("hand this link on"), "{}", ran.err);
        let ran = console.run("user invite al@x.test --role operator").await;
        assert!(ran.exit == 2 && ran.err.contains("admit user update al@x.test"), "{}", ran.err);
    }

    #[tokio::test]
    async fn unlock_says_whether_there_was_a_lock() {
        let reply = |was_locked| Reply::json(200, json!({"was_locked": was_locked}));
        let console = Console::new([reply(true), reply(false)]).await;
        assert!(console.run("user unlock alice").await.err.ends_with("user alice is unlocked\n"));
        assert!(console.run("user unlock alice").await.err.ends_with("user alice was not locked\n"));
        assert_eq!(console.requests()[0].line, "POST /v1/realms/default/users/alice/unlock HTTP/1.1");
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
