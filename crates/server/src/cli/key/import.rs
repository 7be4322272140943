//! `admit key import`: keys of another system, known by their SHA-256 only.
//!
//! Streams: a million lines are never in memory at once. With `--plain` the secrets are hashed here; they are neither
//! sent nor shown, and no message ever quotes a line. Running it again is harmless: the server counts what it knows.

use std::io::{BufRead, Read};
use std::path::PathBuf;

use admit_core::secret;
use data_encoding::HEXLOWER;
use serde_json::{Map, Value, json};

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::input::{self, Expiry, fields, some_list};
use crate::cli::output::clean;
use crate::cli::server::Server;

/// How many keys travel in one request.
const BATCH: usize = 1000;
/// The longest line, in bytes.
const LINE_MAX: u64 = 16 << 10;
/// How many problems are told one by one.
const PROBLEMS_SHOWN: u64 = 20;
/// After how many lines a message says how far it is, where nobody watches.
const MILESTONE: u64 = 100_000;
/// What a line may say.
const FIELDS: [&str; 4] = ["sha256", "name", "external_id", "metadata"];

#[derive(Debug, clap::Args)]
pub struct Import {
    /// The form of these keys, with * for what varies
    #[arg(long)]
    pattern: String,
    /// The API they are for
    #[arg(long, value_name = "URI")]
    api: Option<String>,
    /// What may be done with them; may be repeated
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// Who owns them: id, name or e-mail address
    #[arg(long, value_name = "OWNER")]
    owner: Option<String>,
    /// How long they live, or never
    #[arg(long, value_name = "TIME", value_parser = input::expiry)]
    expires: Option<Expiry>,
    /// The lines are the secrets themselves; they are hashed here and not sent
    #[arg(long)]
    plain: bool,
    /// A line per key: {"sha256":"<64 hex digits>","name":"…"}; - is stdin
    #[arg(default_value = "-")]
    file: PathBuf,
}

/// How far an import has come.
#[derive(Default)]
struct Tally {
    lines: u64,
    imported: u64,
    known: u64,
    problems: u64,
}

/// Reads, hashes and sends in batches; exit 1 where a line could not be taken.
pub async fn run(context: &Context, import: &Import) -> Result<(), Failure> {
    let server = context.server()?;
    let mut reader = input::open(context, &import.file)?;
    let mut tally = Tally::default();
    let mut batch: Vec<(u64, Value)> = Vec::with_capacity(BATCH);
    let mut line = Vec::new();
    while read_line(&mut *reader, &mut line)? {
        tally.lines += 1;
        match import.key(&line) {
            Ok(Some(key)) => batch.push((tally.lines, key)),
            Ok(None) => {}
            Err(why) => {
                let problem = format!("line {} {why}", tally.lines);
                tell(context, &mut tally, &problem);
            }
        }
        if batch.len() == BATCH {
            send(context, &server, import, &mut batch, &mut tally).await?;
        }
        if tally.lines.is_multiple_of(MILESTONE) && !context.output.shows_progress() {
            context.output.note(&format!("{} lines read", tally.lines));
        }
    }
    if !batch.is_empty() {
        send(context, &server, import, &mut batch, &mut tally).await?;
    }
    context.output.progress("");
    finish(context, &tally)
}

fn finish(context: &Context, tally: &Tally) -> Result<(), Failure> {
    let Tally { imported, known, problems, .. } = tally;
    if context.output.json {
        context.output.json(&json!({"imported": imported, "known": known, "problems": problems}));
    } else {
        context.output.line(&format!("{imported} imported, {known} known already"));
    }
    if *problems == 0 { Ok(()) } else { Err(Failure::failed(format!("{problems} line(s) were not taken"))) }
}

async fn send(
    context: &Context,
    server: &Server,
    import: &Import,
    batch: &mut Vec<(u64, Value)>,
    tally: &mut Tally,
) -> Result<(), Failure> {
    let (numbers, keys): (Vec<_>, Vec<_>) = batch.drain(..).unzip();
    let mut body = import.terms();
    body.insert("keys".to_owned(), Value::Array(keys));
    let answer = server.post(&server.path(&["keys", "import"])?, &body.into()).await.map_err(|failure| {
        Failure::failed(format!(
            "{failure}\n  stopped after {} imported; the same command goes on from there",
            tally.imported
        ))
    })?;
    let count = |name: &str| answer.get(name).and_then(Value::as_u64).unwrap_or(0);
    tally.imported += count("imported");
    tally.known += count("known");
    for problem in answer.get("problems").and_then(Value::as_array).into_iter().flatten() {
        let text = |name: &str| problem.get(name).and_then(Value::as_str).unwrap_or_default();
        let line = place(text("path")).and_then(|place| numbers.get(place));
        let at = line.map_or_else(|| clean(text("path")), |number| format!("line {number}"));
        tell(context, tally, &format!("{at}: {}", clean(text("message"))));
    }
    context.output.progress(&format!("{} lines read, {} imported", tally.lines, tally.imported));
    Ok(())
}

/// The number in `keys[17].sha256`.
fn place(path: &str) -> Option<usize> {
    let (_, rest) = path.split_once('[')?;
    rest.split_once(']')?.0.parse().ok()
}

fn tell(context: &Context, tally: &mut Tally, problem: &str) {
    tally.problems += 1;
    match tally.problems {
        shown if shown < PROBLEMS_SHOWN => context.output.note(problem),
        PROBLEMS_SHOWN => context.output.note(&format!("{problem}\nfurther problems are only counted")),
        _ => {}
    }
}

/// Reads one line without its end; false at the end of the input.
fn read_line(reader: &mut dyn BufRead, line: &mut Vec<u8>) -> Result<bool, Failure> {
    line.clear();
    let read = reader.take(LINE_MAX + 1).read_until(b'\n', line);
    let read = read.map_err(|error| Failure::failed(format!("the input broke off: {error}")))?;
    if read as u64 > LINE_MAX {
        return Err(Failure::failed(format!(
            "a line is longer than {LINE_MAX} bytes: is this a file of one key per line?"
        )));
    }
    while line.last().is_some_and(|letter| matches!(letter, b'\n' | b'\r')) {
        line.pop();
    }
    Ok(read > 0)
}

impl Import {
    /// What holds for all of them.
    fn terms(&self) -> Map<String, Value> {
        let text = |text: &Option<String>| text.as_deref().map(Value::from);
        let mut terms = fields([
            ("pattern", Some(self.pattern.as_str().into())),
            ("api", text(&self.api)),
            ("scopes", some_list(&self.scopes)),
            ("owner", text(&self.owner)),
        ]);
        terms.extend(self.expires.map(Expiry::fields).map(|(name, value)| (name.to_owned(), value)));
        terms
    }

    /// What a line asks for; nothing where it is blank. The error completes "line 7 …" and quotes nothing.
    fn key(&self, line: &[u8]) -> Result<Option<Value>, String> {
        let text = std::str::from_utf8(line).map_err(|_| "is not UTF-8")?.trim();
        if text.is_empty() {
            return Ok(None);
        }
        if is_slow_hash(text) {
            return Err(
                "is a slow hash, which says nothing at the speed of a request. Import SHA-256, or issue new keys"
                    .into(),
            );
        }
        if self.plain { self.hashed(text).map(Some) } else { declared(text).map(Some) }
    }

    fn hashed(&self, text: &str) -> Result<Value, String> {
        if !matches(&self.pattern, text) {
            return Err(format!("does not have the form {}", self.pattern));
        }
        Ok(json!({ "sha256": HEXLOWER.encode(&secret::digest(text)) }))
    }
}

/// A line of JSON.
fn declared(text: &str) -> Result<Value, String> {
    let shape = "is no JSON object such as {\"sha256\":\"…\",\"name\":\"…\"}. Lines of plain secrets: --plain";
    let key: Value = serde_json::from_str(text).map_err(|_| shape)?;
    let object = key.as_object().ok_or(shape)?;
    let hash = object.get("sha256").and_then(Value::as_str).ok_or("has no sha256")?;
    if is_slow_hash(hash) {
        return Err(
            "has a slow hash, which says nothing at the speed of a request. Import SHA-256, or issue new keys".into()
        );
    }
    if hash.len() != 64 || !hash.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err("has a sha256 that is not 64 hex digits".into());
    }
    if object.keys().any(|name| !FIELDS.contains(&name.as_str())) {
        return Err(format!("has a field that is none of {}", FIELDS.join(", ")));
    }
    Ok(key)
}

/// bcrypt, argon2, scrypt and their like (PHC strings).
fn is_slow_hash(text: &str) -> bool {
    text.starts_with('$') && text.matches('$').count() >= 2
}

/// `sk_*`: one star for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return pattern == text };
    text.len() >= before.len() + after.len() && text.starts_with(before) && text.ends_with(after)
}

#[cfg(test)]
mod tests;
