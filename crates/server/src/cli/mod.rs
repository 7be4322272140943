//! The command line: what can be typed, and the way from there to one command's file.
//!
//! Data goes to stdout, messages to stderr; exit codes are 0 done, 1 refused or failed, 2 usage. Secrets travel through
//! stdin, files and the environment, never through arguments. Decides nothing that the server decides: it asks and prints.

mod api;
mod apply;
mod audit;
mod backup;
mod check;
mod client;
mod config;
mod doctor;
mod events;
mod failure;
mod flags;
mod gateway;
mod generate;
mod grant;
mod input;
mod key;
mod login;
mod master_key;
mod next;
mod noun;
mod output;
mod probe;
mod realm;
mod role;
mod rule;
mod scan;
mod serve;
mod server;
mod session;
mod signing_key;
mod source;
mod table;
#[cfg(test)]
mod test_console;
mod token;
mod toml_text;
mod trace;
mod user;
mod why;

use std::cell::RefCell;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::server::Server;
use crate::cli::source::Given;
use crate::serve::pages;

/// API authentication and authorization: one program that issues every credential and judges all of them.
#[derive(Debug, Parser)]
#[command(name = "admit", version, max_term_width = 120)]
#[command(before_help = "Examples:
  admit serve --dev
  admit api create https://api.example.com --scope 'orders:read=Read orders' --host shop.test
  admit rule add --host shop.test --path '/orders/**' --method GET --scope orders:read
  admit key create --name ci --api https://api.example.com --scope orders:read > ci.key
  admit why --last")]
pub struct Cli {
    /// The realm that is spoken of
    #[arg(long, global = true, env = "ADMIT_REALM", default_value = "default", value_name = "NAME", help_heading = GLOBAL)]
    realm: String,
    /// The data folder of a server on this machine [env: ADMIT_DATA] [default: ./admit-data, or ./admit-dev]
    #[arg(long, global = true, value_name = "DIR", help_heading = GLOBAL)]
    data: Option<PathBuf>,
    /// The server, with --operator-key-file [env: ADMIT_SERVER, with ADMIT_OPERATOR_KEY]
    #[arg(long, global = true, value_name = "URL", help_heading = GLOBAL)]
    server: Option<String>,
    /// The file that holds the operator key
    #[arg(long, global = true, value_name = "FILE", help_heading = GLOBAL)]
    operator_key_file: Option<PathBuf>,
    /// Print JSON
    #[arg(long, global = true, help_heading = GLOBAL)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

const GLOBAL: &str = "Everywhere";

#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one, read once")]
enum Command {
    /// Run the server
    Serve(serve::Serve),
    /// APIs: what is protected, with its scopes and hosts
    #[command(subcommand)]
    Api(api::Command),
    /// API keys
    #[command(subcommand)]
    Key(key::Command),
    /// Clients: applications and service accounts
    #[command(subcommand)]
    Client(client::Command),
    /// Users: people
    #[command(subcommand)]
    User(user::Command),
    /// Roles: named sets of rights
    #[command(subcommand)]
    Role(role::Command),
    /// Realms: isolated populations
    #[command(subcommand)]
    Realm(realm::Command),
    /// Rules: what a request needs to be admitted
    #[command(subcommand)]
    Rule(rule::Command),
    /// Sessions: where people are signed in
    #[command(subcommand)]
    Session(session::Command),
    /// Grants: everything that can act
    #[command(subcommand)]
    Grant(grant::Command),
    /// Signing keys: what tokens are signed by
    #[command(subcommand)]
    SigningKey(signing_key::Command),
    /// Access tokens: issue one, read one, ask what one is worth
    #[command(subcommand)]
    Token(token::Command),
    /// Sign in as an application would
    #[command(subcommand)]
    Login(login::Command),
    /// Bring a realm into the state that a file describes
    Apply(apply::Apply),
    /// Show what apply would change
    Diff(apply::Diff),
    /// Print the state of a realm as a file for apply
    Export(apply::Export),
    /// Judge a request that nobody sent; the credential comes on stdin
    Check(check::Check),
    /// Say why a request was refused, and what would admit it
    Why(why::Why),
    /// The audit
    Events(events::Events),
    /// Whether the audit is what it was
    #[command(subcommand)]
    Audit(audit::Command),
    /// Look for what is wrong, here and at a gateway
    Doctor(doctor::Doctor),
    /// Print a complete configuration for a gateway
    GatewayConfig(gateway::GatewayConfig),
    /// Find leaked secrets in files
    Scan(scan::Scan),
    /// Copy the store while the server runs
    Backup(backup::Backup),
    /// Put a copy of the store back, and accept what that costs
    Restore(backup::Restore),
    /// Master keys: add one, rotate to it, take an old one away
    #[command(subcommand)]
    MasterKey(master_key::Command),
    /// The configuration file
    #[command(subcommand)]
    Config(config::Command),
    /// Print completions for a shell
    Completions(generate::Completions),
    /// Print the version
    #[command(before_help = "Examples:\n  admit version")]
    Version,
    #[command(subcommand, hide = true)]
    Generate(generate::Command),
}

/// A look at the environment.
type Env = Box<dyn Fn(&str) -> Option<String>>;

/// What every command has at hand.
pub struct Context {
    /// Where output goes.
    pub output: Output,
    /// Which server was named.
    pub given: Given,
    /// The realm that is spoken of.
    pub realm: String,
    /// The environment.
    pub env: Env,
    /// The working directory.
    pub here: PathBuf,
    /// Stdin.
    pub input: RefCell<Box<dyn BufRead>>,
    /// True where nobody pipes anything in.
    pub input_is_terminal: bool,
}

impl Context {
    /// The server that the command talks to.
    pub fn server(&self) -> Result<Server, Failure> {
        Server::new(&source::settle(&self.given, &*self.env, &self.here)?, &self.realm)
    }
}

/// The program: reads the arguments, runs the command, prints what went wrong.
pub fn main() -> ExitCode {
    pages::small();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if let Err(failure) = refuse_secrets(&arguments) {
        return end(&Output::process(false, no_color), Err(failure));
    }
    let cli = Cli::parse_from(arguments);
    let stdin = std::io::stdin();
    let context = Context {
        output: Output::process(cli.json, no_color).of_realm(&realm(&cli)),
        given: given(&cli),
        realm: realm(&cli),
        env: Box::new(|name| std::env::var(name).ok().filter(|value| !value.is_empty())),
        here: PathBuf::from("."),
        input_is_terminal: stdin.is_terminal(),
        input: RefCell::new(Box::new(BufReader::with_capacity(1 << 16, stdin))),
    };
    let runtime = match &cli.command {
        Command::Serve(_) => tokio::runtime::Builder::new_multi_thread().enable_all().build(),
        _ => tokio::runtime::Builder::new_current_thread().enable_all().build(),
    };
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(run(cli.command, &context)),
        Err(error) => Err(Failure::failed(format!("cannot start: {error}"))),
    };
    end(&context.output, outcome)
}

async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Serve(command) => serve::run(context, command).await,
        Command::Api(command) => api::run(context, command).await,
        Command::Key(command) => key::run(context, command).await,
        Command::Client(command) => client::run(context, command).await,
        Command::User(command) => user::run(context, command).await,
        Command::Role(command) => role::run(context, command).await,
        Command::Realm(command) => realm::run(context, command).await,
        Command::Rule(command) => rule::run(context, command).await,
        Command::Session(command) => session::run(context, command).await,
        Command::Grant(command) => grant::run(context, command).await,
        Command::SigningKey(command) => signing_key::run(context, command).await,
        Command::Token(command) => token::run(context, command).await,
        Command::Login(command) => login::run(context, command).await,
        Command::Apply(command) => apply::apply(context, command).await,
        Command::Diff(command) => apply::diff(context, command).await,
        Command::Export(command) => apply::export(context, command).await,
        Command::Check(command) => check::run(context, command).await,
        Command::Why(command) => why::run(context, command).await,
        Command::Events(command) => events::run(context, command).await,
        Command::Audit(command) => audit::run(context, command).await,
        Command::Doctor(command) => doctor::run(context, command).await,
        Command::GatewayConfig(command) => gateway::run(context, &command),
        Command::Scan(command) => scan::run(context, command).await,
        Command::Backup(command) => backup::backup(context, &command),
        Command::Restore(command) => backup::restore(context, &command),
        Command::MasterKey(command) => master_key::run(context, command).await,
        Command::Config(command) => config::run(context, command),
        Command::Completions(command) => generate::completions(context, &command),
        Command::Version => version(context),
        Command::Generate(command) => generate::run(context, &command),
    }
}

fn version(context: &Context) -> Result<(), Failure> {
    let version = env!("CARGO_PKG_VERSION");
    if context.output.json {
        context.output.json(&serde_json::json!({ "version": version }));
    } else {
        context.output.line(&format!("admit {version}"));
    }
    Ok(())
}

fn given(cli: &Cli) -> Given {
    Given { server: cli.server.clone(), operator_key_file: cli.operator_key_file.clone(), data: cli.data.clone() }
}

/// An empty variable says nothing.
fn realm(cli: &Cli) -> String {
    if cli.realm.is_empty() { admit_core::realm::DEFAULT.to_owned() } else { cli.realm.clone() }
}

/// Arguments are seen by every user of the machine and kept in the shell's history: no secret belongs there.
fn refuse_secrets(arguments: &[OsString]) -> Result<(), Failure> {
    if !arguments.iter().any(|argument| scan::has_secret(argument.as_encoded_bytes())) {
        return Ok(());
    }
    Err(Failure::usage(
        "an argument holds a secret: others on this machine can read it. Secrets go through stdin, a file or the environment; \
         if it is in use, roll it: admit key roll NAME --compromised",
    ))
}

fn end(output: &Output, outcome: Result<(), Failure>) -> ExitCode {
    let Err(failure) = outcome else { return ExitCode::SUCCESS };
    if !failure.message.is_empty() {
        output.note(&format!("error: {failure}"));
    }
    ExitCode::from(failure.exit)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    /// Every command that does something begins its help with examples.
    #[test]
    fn every_help_begins_with_examples() {
        fn walk(command: &clap::Command) {
            let leaf = command.get_subcommands().next().is_none();
            let help = command.get_before_help().map(ToString::to_string).unwrap_or_default();
            assert!(!leaf || help.starts_with("Examples:\n  admit "), "{}: {help:?}", command.get_name());
            command.get_subcommands().for_each(walk);
        }
        walk(&Cli::command());
    }

    #[test]
    fn every_example_parses() {
        fn walk(command: &clap::Command) {
            let help = command.get_before_help().map(ToString::to_string).unwrap_or_default();
            for line in help.lines().filter(|line| line.trim().starts_with("admit ")) {
                let parsed = Cli::try_parse_from(words(line));
                assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
            }
            command.get_subcommands().for_each(walk);
        }
        walk(&Cli::command());
    }

    /// The words of a line as a shell parts them, up to a redirection.
    fn words(line: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        for (place, part) in line.trim().split('\'').enumerate() {
            if place % 2 == 1 {
                words.last_mut().unwrap().push_str(part);
                continue;
            }
            for (place, word) in part.split(' ').enumerate() {
                match word {
                    "<" | ">" | "|" => return words.into_iter().filter(|word| !word.is_empty()).collect(),
                    word if place > 0 => words.push(word.to_owned()),
                    word => words.last_mut().unwrap().push_str(word),
                }
            }
        }
        words.into_iter().filter(|word| !word.is_empty()).collect()
    }

    #[test]
    fn ak_04_a_secret_in_an_argument_is_refused_and_not_repeated() {
        let secret = admit_core::secret::write("admit", &[3; 32]);
        let argument = format!("--url=https://shop.test/?k={}", secret.expose());
        let failure = refuse_secrets(&["admit".into(), argument.into()]).unwrap_err();
        assert_eq!(failure.exit, 2);
        assert!(failure.message.contains("Secrets go through stdin") && !failure.message.contains(secret.expose()));
        assert!(refuse_secrets(&["admit".into(), "key_01hzzzzzzzzzzzzzzzzzzzzzzz".into()]).is_ok());
    }
}
