//! What is made from the command line itself: shell completions, and for the repository the reference and the OpenAPI text.

use clap::{Arg, Command as Described, CommandFactory};
use clap_complete::Shell;

use crate::cli::failure::Failure;
use crate::cli::{Cli, Context, GLOBAL};

#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:\n  admit completions bash > ~/.local/share/bash-completion/completions/admit")]
pub struct Completions {
    /// Which shell
    shell: Shell,
}

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// The description of the management API
    #[command(before_help = "Examples:\n  admit generate openapi")]
    Openapi,
    /// The reference of all commands, in Markdown
    #[command(before_help = "Examples:\n  admit generate cli")]
    Cli,
}

/// Prints the completions.
pub fn completions(context: &Context, command: &Completions) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(command.shell, &mut Cli::command(), "admit", &mut script);
    context.output.text(&String::from_utf8_lossy(&script));
    Ok(())
}

/// Prints one of the generated texts.
pub fn run(context: &Context, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Openapi => context.output.text(&crate::generate::openapi()),
        Command::Cli => context.output.text(&reference()),
    }
    Ok(())
}

fn reference() -> String {
    let mut cli = Cli::command();
    cli.build();
    let mut text = "# The command line\n\nMade by `admit generate cli`. Data goes to stdout, messages to stderr; exit codes: 0 done, \
                    1 refused or failed, 2 usage.\n\n## Everywhere\n\n"
        .to_owned();
    text.push_str(&argument_table(&cli, true));
    for command in cli.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help") {
        section(&mut text, command, "admit");
    }
    text
}

fn section(text: &mut String, command: &Described, parent: &str) {
    let name = format!("{parent} {}", command.get_name());
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let leaf = command.get_subcommands().next().is_none();
    if leaf {
        text.push_str(&format!("\n### `{name}`\n\n{about}.\n"));
        let examples = command.get_before_help().map(ToString::to_string).unwrap_or_default();
        let examples: Vec<_> = examples.lines().skip(1).map(str::trim).collect();
        text.push_str(&format!("\n```text\n{}\n```\n", examples.join("\n")));
        let table = argument_table(command, false);
        text.push_str(&if table.is_empty() { table } else { format!("\n{table}") });
    } else {
        text.push_str(&format!("\n## `{name}`\n\n{about}.\n"));
    }
    for below in command.get_subcommands().filter(|below| !below.is_hide_set() && below.get_name() != "help") {
        section(text, below, &name);
    }
}

/// The arguments of a command: those that stand everywhere, or the others.
fn argument_table(command: &Described, everywhere: bool) -> String {
    let is_global = |argument: &&Arg| argument.get_help_heading() == Some(GLOBAL);
    let is_own = |argument: &&Arg| !matches!(argument.get_id().as_str(), "help" | "version") && !argument.is_hide_set();
    let rows: Vec<_> = command
        .get_arguments()
        .filter(|argument| is_own(argument) && is_global(argument) == everywhere)
        .map(|argument| format!("| `{}` | {} |\n", spelled(argument), explained(argument)))
        .collect();
    if rows.is_empty() { String::new() } else { format!("| argument | meaning |\n|---|---|\n{}", rows.concat()) }
}

fn spelled(argument: &Arg) -> String {
    let takes_value = argument.get_action().takes_values();
    let names: Vec<_> = argument.get_value_names().unwrap_or_default().iter().map(ToString::to_string).collect();
    let value = if takes_value { names.join(" ") } else { String::new() };
    match (argument.get_short(), argument.get_long()) {
        (Some(short), Some(long)) => format!("-{short}, --{long} {value}").trim_end().to_owned(),
        (None, Some(long)) => format!("--{long} {value}").trim_end().to_owned(),
        _ => value,
    }
}

fn explained(argument: &Arg) -> String {
    let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let choices: Vec<_> =
        argument.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect();
    let takes_value = argument.get_action().takes_values();
    let choices = if choices.is_empty() || !takes_value { String::new() } else { format!(": {}", choices.join(", ")) };
    let defaults: Vec<_> =
        argument.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    let defaults = if defaults.is_empty() || !takes_value {
        String::new()
    } else {
        format!(" (default `{}`)", defaults.join(" "))
    };
    format!("{help}{choices}{defaults}").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::test_console::Console;

    #[test]
    fn the_reference_has_every_command_and_argument_once() {
        let text = reference();
        for part in ["### `admit key roll`", "`--overlap TIME`", "## Everywhere", "`--realm NAME`", "### `admit scan`"]
        {
            assert_eq!(text.matches(part).count(), 1, "{part}\n{text}");
        }
        assert!(!text.contains("admit generate openapi"), "hidden commands stay hidden");
    }

    #[test]
    fn what_this_version_lacks_is_not_listed() {
        let text = reference();
        for absent in ["migrate", "import"] {
            assert!(!text.contains(&format!("`admit {absent}")), "{absent}");
        }
    }

    #[tokio::test]
    async fn every_shell_gets_completions() {
        for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
            let ran = Console::new([]).await.run(&format!("completions {shell}")).await;
            assert!(ran.exit == 0 && ran.out.contains("gateway-config"), "{shell}");
        }
    }
}
