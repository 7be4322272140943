//! What is typed and what is read: small texts of flags, documents in TOML or JSON, lines of a stream.
//!
//! Every input has a limit. Nothing that may hold a secret is ever quoted in a message.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::IpAddr;
use std::path::Path;

use admit_core::secret::Secret;
use admit_core::time::Span;
use ipnet::IpNet;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::toml_flaw;

/// The longest document, in bytes.
pub const DOCUMENT_MAX: u64 = 16 << 20;
/// The longest credential on stdin, in bytes.
pub const CREDENTIAL_MAX: u64 = 16 << 10;

/// When something ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// Not by itself.
    Never,
    /// After so many seconds.
    After(i64),
}

impl Expiry {
    /// The fields of a request that say so.
    pub fn fields(self) -> (&'static str, Value) {
        match self {
            Self::Never => ("never_expires", Value::Bool(true)),
            Self::After(seconds) => ("expires_in_s", seconds.into()),
        }
    }
}

/// `never`, or a length of time.
pub fn expiry(text: &str) -> Result<Expiry, String> {
    if text == "never" {
        Ok(Expiry::Never)
    } else {
        seconds(text).map(Expiry::After).map_err(|error| format!("{error}, or never"))
    }
}

/// A length of time in whole seconds: `90d`, `24h`, `0s`.
pub fn seconds(text: &str) -> Result<i64, String> {
    let span: Span = text.parse().map_err(|_| "not a length of time such as 30s, 10m, 24h or 90d".to_owned())?;
    if span.as_ms() % 1000 == 0 { Ok(span.as_ms() / 1000) } else { Err("must be whole seconds".to_owned()) }
}

/// A network, or an address that stands for itself alone.
pub fn network(text: &str) -> Result<String, String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(address).to_string());
    }
    let network: IpNet = text.parse().map_err(|_| "not a network such as 203.0.113.0/24".to_owned())?;
    Ok(network.to_string())
}

/// `name=value`.
pub fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("not of the form name=value")?;
    if name.is_empty() { Err("has no name before =".to_owned()) } else { Ok((name.to_owned(), value.to_owned())) }
}

/// `name` or `name=Description`.
pub fn described(text: &str) -> Result<(String, Option<String>), String> {
    match text.split_once('=') {
        Some(("", _)) => Err("has no name before =".to_owned()),
        Some((name, description)) => Ok((name.to_owned(), Some(description.to_owned()))),
        None => Ok((text.to_owned(), None)),
    }
}

/// `Name: value`.
pub fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("not of the form 'Name: value'")?;
    let name = http::HeaderName::from_bytes(name.as_bytes()).map_err(|_| "has no header name before :")?;
    Ok((name.as_str().to_owned(), value.trim().to_owned()))
}

/// What most things may carry beside their own fields.
#[derive(Debug, Default, clap::Args)]
pub struct Extras {
    /// The id of the same thing in another system
    #[arg(long, value_name = "ID")]
    pub external_id: Option<String>,
    /// Free text under a name; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub metadata: Vec<(String, String)>,
}

impl Extras {
    /// Adds what was given to a request, metadata on top of what there is.
    pub fn add_to(&self, body: &mut Map<String, Value>, now: Option<&Value>) {
        if let Some(id) = &self.external_id {
            body.insert("external_id".to_owned(), id.as_str().into());
        }
        if self.metadata.is_empty() {
            return;
        }
        let kept = now.and_then(|now| now.get("metadata")).and_then(Value::as_object).cloned().unwrap_or_default();
        let added = self.metadata.iter().map(|(name, value)| (name.clone(), value.as_str().into()));
        body.insert("metadata".to_owned(), kept.into_iter().chain(added).collect::<Map<_, _>>().into());
    }
}

/// What lists of things that carry them are narrowed by.
#[derive(Debug, Default, clap::Args)]
pub struct Filters {
    /// Those with this id, or with this in their name or address
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Those with this id in another system
    #[arg(long, value_name = "ID")]
    external_id: Option<String>,
    /// Those with this in their metadata; of several all
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    metadata: Vec<(String, String)>,
}

impl Filters {
    /// The parameters of a list.
    pub fn parameters(self) -> Vec<(String, Option<String>)> {
        let member = |(name, value): (String, String)| (format!("metadata.{name}"), Some(value));
        let external_id = ("external_id".to_owned(), self.external_id);
        let search = ("q".to_owned(), self.search);
        [search, external_id].into_iter().chain(self.metadata.into_iter().map(member)).collect()
    }
}

/// A JSON object of the fields that have a value.
pub fn fields<const N: usize>(given: [(&str, Option<Value>); N]) -> Map<String, Value> {
    given.into_iter().filter_map(|(name, value)| value.map(|value| (name.to_owned(), value))).collect()
}

/// A list where there is anything in it.
pub fn some_list(items: &[String]) -> Option<Value> {
    (!items.is_empty()).then(|| items.into())
}

/// Pairs as a JSON object of texts.
pub fn object(pairs: &[(String, String)]) -> Value {
    pairs.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect::<Map<_, _>>().into()
}

/// Opens a file, or stdin for `-`; stdin can be read once.
pub fn open(context: &Context, file: &Path) -> Result<Box<dyn BufRead>, Failure> {
    if file == Path::new("-") {
        return Ok(context.input.replace(Box::new(std::io::empty())));
    }
    let opened =
        File::open(file).map_err(|error| Failure::failed(format!("cannot read {}: {error}", file.display())))?;
    Ok(Box::new(BufReader::with_capacity(1 << 16, opened)))
}

/// Reads a document in TOML or JSON, told apart by the file's ending, else by its first letter.
pub fn document(context: &Context, file: &Path) -> Result<Value, Failure> {
    let text = document_text(context, file)?;
    let is_json = match file.extension().and_then(|ending| ending.to_str()) {
        Some("json") => true,
        Some("toml") => false,
        _ => text.trim_start().starts_with('{'),
    };
    if !is_json {
        let no_toml = |error| of_file(file, &format!("is no TOML: {}", toml_flaw::tell(&text, &error)));
        return toml::from_str(&text).map_err(no_toml);
    }
    object_of(file, &text, "must hold tables such as {\"rule\": [{…}]}")
}

/// Reads a document that is JSON whatever its name, and an object; `must` says what is wrong with another value.
pub fn json(context: &Context, file: &Path, must: &str) -> Result<Value, Failure> {
    object_of(file, &document_text(context, file)?, must)
}

fn object_of(file: &Path, text: &str, must: &str) -> Result<Value, Failure> {
    // Of any value this parser's messages name the place, and nothing that stands there.
    let value = serde_json::from_str(text).map_err(|error| {
        let what = error.to_string();
        let what = what.split(" at line ").next().unwrap_or_default();
        of_file(file, &format!("is no JSON: line {}, column {}: {what}", error.line(), error.column()))
    })?;
    if Value::is_object(&value) { Ok(value) } else { Err(of_file(file, must)) }
}

fn document_text(context: &Context, file: &Path) -> Result<String, Failure> {
    read_text(open(context, file)?, DOCUMENT_MAX).map_err(|why| of_file(file, &why))
}

fn of_file(file: &Path, why: &str) -> Failure {
    Failure::failed(format!("{}: {why}", file.display()))
}

/// Reads a credential from stdin; nothing where stdin is a terminal or empty.
pub fn credential(context: &Context) -> Result<Option<String>, Failure> {
    if context.input_is_terminal {
        return Ok(None);
    }
    let text = read_text(open(context, Path::new("-"))?, CREDENTIAL_MAX);
    let text = text.map_err(|why| Failure::usage(format!("the credential on stdin {why}")))?;
    Ok(Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned))
}

/// Reads a password, or `what` else is called so, from stdin: all of it but the end of its line. There must be one.
pub fn password(context: &Context, what: &str) -> Result<Secret, Failure> {
    if context.input_is_terminal {
        let next = "admit user set-password USER < FILE, or --generate";
        return Err(Failure::usage(format!("{what} comes from stdin, where it stays out of sight. Next: {next}")));
    }
    let text = read_text(open(context, Path::new("-"))?, CREDENTIAL_MAX);
    let text = Zeroizing::new(text.map_err(|why| Failure::usage(format!("{what} on stdin {why}")))?);
    let line = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    if line.is_empty() {
        return Err(Failure::usage(format!("{what} on stdin is empty")));
    }
    Ok(Secret::new(line))
}

/// Reads text up to a limit.
pub fn read_text(mut reader: impl Read, limit: u64) -> Result<String, String> {
    let mut bytes = Vec::new();
    reader.by_ref().take(limit + 1).read_to_end(&mut bytes).map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > limit {
        return Err(format!("is longer than {limit} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
            let _ = (expiry(&text), network(&text), pair(&text), described(&text), header(&text));
        }

        #[test]
        fn whole_seconds_read_back(count in 0_i64..1_000_000) {
            prop_assert_eq!(seconds(&format!("{count}s")), Ok(count));
            prop_assert_eq!(seconds(&format!("{count}m")), Ok(count * 60));
        }
    }

    #[test]
    fn times_are_whole_seconds_or_never() {
        assert_eq!(expiry("90d"), Ok(Expiry::After(7_776_000)));
        assert_eq!(expiry("never"), Ok(Expiry::Never));
        assert!(expiry("1500ms").unwrap_err().starts_with("must be whole seconds"));
        assert!(expiry("soon").unwrap_err().ends_with("or never"));
    }

    #[test]
    fn an_address_is_a_network_of_one() {
        assert_eq!(network("203.0.113.9").as_deref(), Ok("203.0.113.9/32"));
        assert_eq!(network("2001:db8::/32").as_deref(), Ok("2001:db8::/32"));
        assert!(network("203.0.113.0/33").is_err());
    }

    #[test]
    fn pairs_need_a_name() {
        assert_eq!(pair("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert!(pair("=b").is_err());
        assert_eq!(described("orders:read"), Ok(("orders:read".into(), None)));
        assert_eq!(header("X-A:  b "), Ok(("x-a".into(), "b".into())));
        assert!(header("X A: b").is_err());
    }

    #[test]
    fn text_has_a_limit() {
        assert_eq!(read_text(&b"abcd"[..], 4), Ok("abcd".to_owned()));
        assert_eq!(read_text(&b"abcde"[..], 4), Err("is longer than 4 bytes".to_owned()));
        assert_eq!(read_text(&b"\xff"[..], 4), Err("is not UTF-8".to_owned()));
    }
}
