//! `admit apply`, `diff` and `export`: a realm's state as a file. The server compares and changes; here it is read and shown.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::input;
use crate::cli::output::{Dress, clean};
use crate::cli::server::with_query;
use crate::cli::toml_text;

#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  admit apply -f realm.toml --dry-run
  admit apply -f realm.toml
  admit export | admit apply -f - --prune")]
pub struct Apply {
    /// TOML or JSON with [[api]] [[role]] [[client]] [[user]] [[rule]]; - is stdin
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    /// Only say what would change, and what of it loosens
    #[arg(long)]
    dry_run: bool,
    /// Delete what the file does not have, of the kinds that it mentions
    #[arg(long)]
    prune: bool,
}

#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:\n  admit diff -f realm.toml")]
pub struct Diff {
    /// TOML or JSON as for apply; - is stdin
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    /// Count as a difference what the file does not have, of the kinds that it mentions
    #[arg(long)]
    prune: bool,
    /// Exit with 1 where there is a difference
    #[arg(long)]
    exit_code: bool,
}

#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:\n  admit export > realm.toml\n  admit export --format json")]
pub struct Export {
    /// The form
    #[arg(long, default_value = "toml", value_parser = ["toml", "json"])]
    format: String,
}

/// Applies a file.
pub async fn apply(context: &Context, command: Apply) -> Result<(), Failure> {
    let answer = send(context, &command.file, &[("dry_run", command.dry_run), ("prune", command.prune)]).await?;
    let count = print_changes(context, &answer);
    let done = if command.dry_run { "would be made" } else { "made" };
    context.output.note(&if count == 0 { "nothing to change".to_owned() } else { format!("{count} change(s) {done}") });
    Ok(())
}

/// Shows what applying a file would change.
pub async fn diff(context: &Context, command: Diff) -> Result<(), Failure> {
    let answer = send(context, &command.file, &[("dry_run", true), ("prune", command.prune)]).await?;
    let count = print_changes(context, &answer);
    context.output.note(&if count == 0 { "no difference".to_owned() } else { format!("{count} difference(s)") });
    if count > 0 && command.exit_code { Err(Failure::no()) } else { Ok(()) }
}

/// Prints the state.
pub async fn export(context: &Context, command: Export) -> Result<(), Failure> {
    let server = context.server()?;
    let document = server.get(&server.path(&["export"])?).await?;
    if context.output.json || command.format == "json" {
        context.output.json(&document);
        return Ok(());
    }
    let text = toml_text::write(&document);
    context
        .output
        .text(&text.map_err(|why| Failure::failed(format!("cannot be written as TOML: {why}. Use --format json")))?);
    Ok(())
}

async fn send(context: &Context, file: &Path, flags: &[(&str, bool)]) -> Result<Value, Failure> {
    let document = input::document(context, file)?;
    let server = context.server()?;
    let flags: Vec<_> = flags.iter().map(|(name, is_set)| (*name, is_set.then(|| "true".to_owned()))).collect();
    let path = with_query(&server.path(&["apply"])?, &flags);
    server.post(&path, &document).await
}

/// One line per change; returns how many there are.
fn print_changes(context: &Context, answer: &Value) -> usize {
    let changes = answer.get("changes").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if context.output.json {
        context.output.json(answer);
    } else {
        changes.iter().for_each(|change| context.output.line(&change_line(context, change)));
    }
    changes.len()
}

fn change_line(context: &Context, change: &Value) -> String {
    let text = |name: &str| change.get(name).and_then(Value::as_str).map(clean).unwrap_or_default();
    let (mark, dress) = match text("action").as_str() {
        "create" => ("+", Dress::Green),
        "delete" => ("-", Dress::Red),
        _ => ("~", Dress::Yellow),
    };
    let names: Vec<_> =
        change.get("fields").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let fields = if names.is_empty() { String::new() } else { format!(" ({})", clean(&names.join(", "))) };
    let mut line = format!("{} {} \"{}\"{fields}", context.output.dress(mark, dress), text("kind"), text("name"));
    if !text("loosens").is_empty() {
        line.push_str(&context.output.dress(&format!("  loosens: {}", text("loosens")), Dress::Red));
    }
    line
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::cli::test_console::{Console, Reply};

    const FILE: &str = "[[rule]]\nname = \"a\"\nmatch = { path = \"/a\" }\npublic = true\n";

    fn answer() -> Reply {
        Reply::json(
            200,
            json!({"applied": false, "changes": [
                {"action": "create", "kind": "rule", "name": "a", "loosens": "opens to the public", "fields": []},
                {"action": "update", "kind": "api", "name": "https://a", "loosens": null, "fields": ["scopes", "hosts"]}]}),
        )
    }

    #[tokio::test]
    async fn a_dry_run_lists_what_loosens() {
        let console = Console::new([answer()]).await.with_input(FILE);
        let ran = console.run("apply -f - --dry-run --prune").await;
        assert_eq!(ran.out, "+ rule \"a\"  loosens: opens to the public\n~ api \"https://a\" (scopes, hosts)\n");
        assert_eq!((ran.exit, ran.err.as_str()), (0, "2 change(s) would be made\n"));
        let request = &console.requests()[0];
        assert_eq!(request.line, "POST /v1/realms/default/apply?dry_run=true&prune=true HTTP/1.1");
        assert_eq!(request.json(), json!({"rule": [{"name": "a", "match": {"path": "/a"}, "public": true}]}));
    }

    #[tokio::test]
    async fn diff_fails_only_where_asked() {
        let console = Console::new([answer(), answer()]).await;
        assert_eq!(console.with_input(FILE).run("diff -f -").await.exit, 0);
        let console = Console::new([answer()]).await;
        assert_eq!(console.with_input("{\"rule\": []}").run("diff -f - --exit-code").await.exit, 1);
    }

    #[tokio::test]
    async fn a_broken_file_says_where() {
        let ran = Console::new([]).await.with_input("[[rule]\n").run("apply -f -").await;
        assert_eq!(ran.exit, 1);
        assert!(ran.err.starts_with("error: -: is no TOML: line 1, column 8: "), "{}", ran.err);
        let ran = Console::new([]).await.with_input("{\"rule\": [}").run("apply -f -").await;
        assert_eq!(ran.err, "error: -: is no JSON: line 1, column 11: expected value\n");
    }

    #[tokio::test]
    async fn lo_02_a_file_that_is_no_document_is_not_shown() {
        let secret = admit_core::secret::write("admit", &[9; 32]);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("{}\n", secret.expose())).unwrap();
        let file = file.path().to_str().unwrap();
        for (typed, what) in [
            (vec!["apply", "-f", file], "is no TOML: line 1, column "),
            (vec!["diff", "-f", file], "is no TOML: line 1, column "),
            (vec!["rule", "test", file], "is no TOML: line 1, column "),
            (
                vec!["client", "create", "--name", "c", "--type", "web", "--jwks-file", file],
                "is no JSON: line 1, column 1: expected value",
            ),
            (vec!["client", "update", "c", "--jwks-file", file], "is no JSON: line 1, column 1: expected value"),
        ] {
            let ran = Console::new([]).await.run_words(&typed).await;
            assert!(ran.exit == 1 && ran.err.starts_with(&format!("error: {file}: {what}")), "{}", ran.err);
            assert!(!ran.err.contains(secret.expose()), "{}", ran.err);
        }
    }

    #[tokio::test]
    async fn what_is_exported_can_be_applied() {
        let state = json!({"api": [{"uri": "https://a", "scopes": {"r": ""}}], "rule": []});
        let console = Console::new([Reply::json(200, state)]).await;
        assert_eq!(console.run("export").await.out, "[[api]]\nuri = \"https://a\"\nscopes = { r = \"\" }\n");
    }
}
