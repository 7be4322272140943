//! `admit scan`: finds leaked secrets in files by their form and checksum; a text that only looks like one is not found.
//!
//! Shows where and which by its hint, never the secret. Follows no symbolic link; `.git`, binary and huge files are left
//! out and counted. What cannot be read is an error: a scan that saw half does not say "clean".

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use admit_core::secret::{self, PREFIX_MAX, SecretKind};
use serde_json::{Value, json};

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::input;
use crate::cli::key::kind_word;
use crate::cli::output::clean;
use crate::cli::server::path;

/// The largest file that is looked into, in bytes.
const FILE_MAX: u64 = 50 << 20;
/// How much of a file is looked at to tell whether it is text.
const SNIFFED: usize = 8 << 10;
/// The letters after the last `_` of a secret.
const BODY_LEN: usize = 36;

#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  admit scan .
  git diff --cached | admit scan -
  admit scan . --revoke")]
pub struct Scan {
    /// Files and folders; - is stdin
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Tell the server of each API key and token, which revokes it
    #[arg(long)]
    revoke: bool,
}

/// A secret in a text.
#[derive(Debug, PartialEq, Eq)]
struct Found<'a> {
    line: usize,
    column: usize,
    text: &'a str,
    kind: SecretKind,
}

/// What a scan has seen so far.
#[derive(Default)]
struct Tally {
    found: Vec<Value>,
    keys: Vec<secret::Secret>,
    skipped: usize,
    unreadable: usize,
}

/// Scans; exit 1 where anything was found or could not be read.
pub async fn run(context: &Context, command: Scan) -> Result<(), Failure> {
    let mut tally = Tally::default();
    for path in &command.paths {
        if path == Path::new("-") {
            let mut bytes = Vec::new();
            let reader = input::open(context, path)?.take(FILE_MAX + 1).read_to_end(&mut bytes);
            reader.map_err(|error| Failure::failed(format!("stdin broke off: {error}")))?;
            if bytes.len() as u64 > FILE_MAX {
                return Err(Failure::usage("stdin is longer than 50 MiB. Split it, or name the files"));
            }
            look(context, &mut tally, path, &bytes);
        } else if fs::symlink_metadata(path).is_ok() {
            walk(context, &mut tally, path);
        } else {
            return Err(Failure::usage(format!("there is no {}", path.display())));
        }
    }
    let next = if command.revoke { "" } else { ". Revoke API keys and tokens: admit scan PATH --revoke" };
    if command.revoke {
        revoke(context, &tally.keys).await?;
    }
    finish(context, tally, next)
}

/// True where the text holds a secret of Admit.
pub fn has_secret(text: &[u8]) -> bool {
    !find(text).is_empty()
}

fn finish(context: &Context, tally: Tally, next: &str) -> Result<(), Failure> {
    let count = tally.found.len();
    if context.output.json {
        context.output.json(&json!({ "items": tally.found }));
    }
    if tally.skipped > 0 {
        context.output.note(&format!("{} binary or huge file(s) not looked into", tally.skipped));
    }
    match (count, tally.unreadable) {
        (0, 0) => {
            context.output.note("no secret found");
            Ok(())
        }
        (0, unreadable) => Err(Failure::failed(format!("{unreadable} file(s) or folder(s) could not be read"))),
        (count, _) => Err(Failure::failed(format!("{count} secret(s) found{next}"))),
    }
}

/// Goes through a folder, names in order, depth first.
fn walk(context: &Context, tally: &mut Tally, root: &Path) {
    let mut waiting = vec![root.to_owned()];
    while let Some(path) = waiting.pop() {
        let visited = visit(context, tally, &path);
        match visited {
            Ok(below) => waiting.extend(below.into_iter().rev()),
            Err(error) => {
                tally.unreadable += 1;
                context.output.note(&format!("cannot read {}: {error}", clean(&path.to_string_lossy())));
            }
        }
    }
}

/// Looks into a file; returns what is in a folder.
fn visit(context: &Context, tally: &mut Tally, path: &Path) -> std::io::Result<Vec<PathBuf>> {
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_dir() {
        let entries: std::io::Result<Vec<_>> = fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect();
        let mut entries = entries?;
        entries.retain(|entry| entry.file_name().is_none_or(|name| name != ".git"));
        entries.sort();
        return Ok(entries);
    }
    if !metadata.is_file() {
        return Ok(Vec::new());
    }
    match read_text_file(path, metadata.len())? {
        Some(bytes) => look(context, tally, path, &bytes),
        None => tally.skipped += 1,
    }
    Ok(Vec::new())
}

/// The content; nothing where it is binary or huge.
fn read_text_file(path: &Path, size: u64) -> std::io::Result<Option<Vec<u8>>> {
    if size > FILE_MAX {
        return Ok(None);
    }
    let mut file = fs::File::open(path)?.take(FILE_MAX + 1);
    let mut bytes = Vec::new();
    file.by_ref().take(SNIFFED as u64).read_to_end(&mut bytes)?;
    if bytes.contains(&0) {
        return Ok(None);
    }
    file.read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= FILE_MAX).then_some(bytes))
}

fn look(context: &Context, tally: &mut Tally, path: &Path, bytes: &[u8]) {
    let shown = clean(&path.to_string_lossy());
    for found in find(bytes) {
        let Found { line, column, text, kind } = found;
        let (hint, kind_word) = (secret::hint(text), kind_word(kind));
        if !context.output.json {
            context.output.line(&format!("{shown}:{line}:{column} {hint} {kind_word}"));
        }
        tally.found.push(json!({"path": shown, "line": line, "column": column, "hint": hint, "kind": kind_word}));
        if matches!(kind, SecretKind::ApiKey | SecretKind::AccessToken | SecretKind::RefreshToken) {
            tally.keys.push(secret::Secret::new(text));
        }
    }
}

async fn revoke(context: &Context, keys: &[secret::Secret]) -> Result<(), Failure> {
    if keys.is_empty() {
        return Ok(());
    }
    let server = context.server()?;
    for key in keys {
        server.post(&path(&["leaked"])?, &json!({ "credential": key.expose() })).await?;
    }
    context.output.note(&format!("{} key(s) and token(s) reported: those of this server are revoked", keys.len()));
    Ok(())
}

/// Every secret in a text, in order.
fn find(bytes: &[u8]) -> Vec<Found<'_>> {
    let mut found = Vec::new();
    let (mut line, mut line_start, mut next) = (1, 0, 0);
    for (place, letter) in bytes.iter().enumerate() {
        match letter {
            b'\n' => (line, line_start) = (line + 1, place + 1),
            b'_' if place >= next => {
                let Some((start, text, kind)) = secret_around(bytes, place) else { continue };
                let column = 1 + bytes[line_start..start].iter().filter(|letter| **letter & 0xC0 != 0x80).count();
                found.push(Found { line, column, text, kind });
                next = start + text.len();
            }
            _ => {}
        }
    }
    found
}

/// The secret whose last `_` stands here, its prefix as long as it can be.
fn secret_around(bytes: &[u8], place: usize) -> Option<(usize, &str, SecretKind)> {
    let body = bytes.get(place + 1..place + 1 + BODY_LEN)?;
    if !body.iter().all(u8::is_ascii_alphanumeric) {
        return None;
    }
    let is_prefix = |letter: &&u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || **letter == b'_';
    let before = bytes[..place].iter().rev().take(PREFIX_MAX).take_while(is_prefix).count();
    let starts = (place - before..place).filter(|start| bytes[*start].is_ascii_lowercase());
    starts.into_iter().find_map(|start| {
        let text = std::str::from_utf8(&bytes[start..place + 1 + BODY_LEN]).ok()?;
        secret::read(text).ok().map(|opaque| (start, text, opaque.kind))
    })
}

#[cfg(test)]
mod tests;
