//! What the nouns of the command line share: list, show, create, change, act, delete.

use std::num::NonZeroUsize;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::input::Filters;
use crate::cli::output::{Dress, clean};
use crate::cli::server::{Server, with_query};
use crate::cli::table::{Column, Table, record};

/// The most items that one page has.
const PAGE_MAX: usize = 200;

/// A kind of thing that the management API has.
pub struct Noun {
    /// The segment of its URL.
    pub plural: &'static str,
    /// What messages call it.
    pub singular: &'static str,
    /// What lists show.
    pub columns: &'static [Column],
}

/// Which part of a list is wanted.
#[derive(Debug, clap::Args)]
pub struct ListOptions {
    /// Show at most so many
    #[arg(long, value_name = "COUNT")]
    pub limit: Option<NonZeroUsize>,
}

/// Which of the things that have names are wanted.
#[derive(Debug, clap::Args)]
pub struct SearchedList {
    /// Those with this id, or with this in their name or address
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    #[command(flatten)]
    options: ListOptions,
}

/// Which of the things that carry an id of another system and metadata are wanted.
#[derive(Debug, clap::Args)]
pub struct NarrowedList {
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    options: ListOptions,
}

/// Prints the things that the filters leave, page by page.
pub async fn list_narrowed(context: &Context, noun: &Noun, path: &str, list: NarrowedList) -> Result<(), Failure> {
    let parameters = list.filters.parameters();
    let filters: Vec<_> = parameters.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    self::list(context, noun, path, &filters, &list.options).await
}

/// Prints the things that a search finds, page by page.
pub async fn list_searched(context: &Context, noun: &Noun, path: &str, list: SearchedList) -> Result<(), Failure> {
    self::list(context, noun, path, &[("q", list.search)], &list.options).await
}

/// Prints a list, page by page.
pub async fn list(
    context: &Context,
    noun: &Noun,
    path: &str,
    filters: &[(&str, Option<String>)],
    options: &ListOptions,
) -> Result<(), Failure> {
    let server = context.server()?;
    let (mut left, mut cursor) = (options.limit.map_or(usize::MAX, NonZeroUsize::get), None);
    let mut table = Table::new(noun.columns);
    let mut shown = 0;
    loop {
        let page_size = left.clamp(1, PAGE_MAX).to_string();
        let page = [("limit", Some(page_size)), ("cursor", cursor)];
        let mut page = server.get(&with_query(path, &[filters, &page].concat())).await?;
        let mut items = take_items(&mut page);
        items.truncate(left);
        left -= items.len();
        cursor = page.get("next").and_then(Value::as_str).filter(|_| left > 0).map(str::to_owned);
        print_page(context, &mut table, &items, shown);
        shown += items.len();
        // A page of a search may be empty and go on.
        if cursor.is_none() {
            break;
        }
    }
    if context.output.json {
        context.output.line(if shown == 0 { "{\"items\":[],\"next\":null}" } else { "],\"next\":null}" });
    } else if shown == 0 {
        context.output.note(&format!("no {}", noun.plural));
    }
    Ok(())
}

/// Prints one thing.
pub async fn show(context: &Context, path: &str) -> Result<(), Failure> {
    print(context, &context.server()?.get(path).await?);
    Ok(())
}

/// Makes a thing and prints it.
pub async fn create(context: &Context, noun: &Noun, path: &str, body: &Value) -> Result<Value, Failure> {
    let made = context.server()?.post(path, body).await?;
    print(context, &made);
    context.output.note(&format!("{} created", noun.singular));
    print_warnings(context, &made);
    Ok(made)
}

/// Changes a thing by what it is now, and prints it.
pub async fn change(
    context: &Context,
    noun: &Noun,
    path: &str,
    patch: &dyn Fn(&Value) -> Result<Value, Failure>,
) -> Result<(), Failure> {
    let patch_with_content = |now: &Value| match patch(now)? {
        Value::Object(fields) if fields.is_empty() => Err(Failure::usage("nothing to change: say what, see --help")),
        body => Ok(body),
    };
    let changed = context.server()?.change(path, &patch_with_content).await?;
    print(context, &changed);
    context.output.note(&format!("{} changed", noun.singular));
    print_warnings(context, &changed);
    Ok(())
}

/// Switches a thing off: nothing of it is admitted.
pub async fn disable(context: &Context, noun: &Noun, path: &str) -> Result<(), Failure> {
    change(context, noun, path, &|_| Ok(json!({ "disabled": true }))).await
}

/// Switches a thing on again.
pub async fn enable(context: &Context, noun: &Noun, path: &str) -> Result<(), Failure> {
    change(context, noun, path, &|_| Ok(json!({ "disabled": false }))).await
}

/// Does something to a thing that answers with it or with nothing.
pub async fn act(context: &Context, path: &str, done: &str) -> Result<(), Failure> {
    let server = context.server()?;
    let thing = path.rsplit_once('/').map_or(path, |(thing, _)| thing);
    let named = named(context, &server, thing).await;
    match (server.post(path, &Value::Object(Map::new())).await?, named) {
        (Value::Null, named) => named.iter().for_each(|named| context.output.json(named)),
        (answer, _) => print(context, &answer),
    }
    context.output.note(done);
    Ok(())
}

/// Removes a thing.
pub async fn delete(context: &Context, path: &str, done: &str) -> Result<(), Failure> {
    let server = context.server()?;
    let named = named(context, &server, path).await;
    server.delete(path).await?;
    named.iter().for_each(|named| context.output.json(named));
    context.output.note(done);
    Ok(())
}

/// What a program is told of a thing that is done with: its id, which is asked for while there still is one. What cannot be
/// asked for, such as the secret of a client, was called by its id.
async fn named(context: &Context, server: &Server, path: &str) -> Option<Value> {
    if !context.output.json {
        return None;
    }
    let found = server.find(path).await.ok().flatten().map(|mut found| found["id"].take());
    let typed = || percent_decode_str(path.rsplit('/').next().unwrap_or_default()).decode_utf8_lossy().into_owned();
    let id = found.filter(Value::is_string).unwrap_or_else(|| typed().into());
    Some(json!({ "id": id }))
}

/// Prints one thing as the caller wants it.
pub fn print(context: &Context, item: &Value) {
    if context.output.json {
        return context.output.json(item);
    }
    record(item).iter().for_each(|line| context.output.line(line));
}

/// Prints the warnings that an answer carries.
pub fn print_warnings(context: &Context, answer: &Value) {
    for warning in answer.get("warnings").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        context.output.note(&format!("warning: {}", clean(warning)));
    }
}

/// The items of a list, taken out of it.
pub fn take_items(page: &mut Value) -> Vec<Value> {
    match page.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    }
}

/// A list of texts changed: `add` at the end where not there yet, `remove` gone. Nothing where it stays as it is.
pub fn changed_list(now: Option<&Value>, add: &[String], remove: &[String]) -> Option<Value> {
    let now: Vec<&str> = now.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let mut list: Vec<&str> = now.iter().copied().filter(|item| !remove.iter().any(|gone| gone == item)).collect();
    for item in add {
        if !list.contains(&item.as_str()) {
            list.push(item);
        }
    }
    (list != now).then(|| list.into())
}

fn print_page(context: &Context, table: &mut Table<'_>, items: &[Value], shown: usize) {
    let output = &context.output;
    if output.json {
        for (place, item) in items.iter().enumerate() {
            output.text(if shown + place == 0 { "{\"items\":[\n" } else { ",\n" });
            output.text(&item.to_string());
        }
        return;
    }
    let rows = table.page(items);
    if shown == 0 && !rows.is_empty() {
        output.line(&output.dress(&table.headings(), Dress::Bold));
    }
    rows.iter().for_each(|row| output.line(row));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::test_console::{Console, Reply};

    #[tokio::test]
    async fn what_is_gone_is_named_where_json_is_wanted() {
        for typed in [
            "key revoke ci",
            "signing-key revoke sig_1",
            "grant revoke grt_1",
            "client delete shop",
            "rule remove sales",
            "user revoke-all alice",
        ] {
            let console = Console::new([Reply::json(200, json!({"id": "x_1"})), Reply::empty(204)]).await;
            let ran = console.run(&format!("{typed} --json")).await;
            let said: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{typed}: {}", ran.out));
            assert_eq!((ran.exit, said), (0, json!({"id": "x_1"})), "{typed}: {}", ran.err);
            let console = Console::new([Reply::empty(204)]).await;
            assert_eq!(console.run(typed).await.out, "", "{typed}");
        }
        let console = Console::new([Reply::empty(405), Reply::empty(204)]).await;
        let ran = console.run("client secret revoke shop sec_1 --json").await;
        assert_eq!(serde_json::from_str::<Value>(&ran.out).unwrap(), json!({"id": "sec_1"}), "{}", ran.err);
        let console = Console::new([Reply::json(200, json!({"id": "x_1"})), Reply::json(404, json!({}))]).await;
        let ran = console.run("key revoke ci --json").await;
        assert_eq!((ran.exit, ran.out.as_str()), (1, ""), "nothing is said to be done that is not");
    }

    #[test]
    fn lists_grow_and_shrink_by_name() {
        let now = json!(["a", "b"]);
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(changed_list(Some(&now), &words(&["b", "c"]), &words(&["a"])), Some(json!(["b", "c"])));
        assert_eq!(changed_list(Some(&now), &words(&["a"]), &[]), None);
        assert_eq!(changed_list(None, &words(&["a"]), &[]), Some(json!(["a"])));
    }
}
