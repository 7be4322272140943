//! JSON as a person reads it: aligned tables and records. Prints nothing.

use serde_json::Value;

use crate::cli::output::clean;

/// The widest cell of a table; longer text ends in `…`.
const CELL_MAX: usize = 60;

/// One column: its heading and where in an item its value stands (RFC 6901 pointer).
pub struct Column(pub &'static str, pub &'static str);

/// A table that comes page by page: a column never gets narrower.
pub struct Table<'a> {
    columns: &'a [Column],
    widths: Vec<usize>,
}

impl<'a> Table<'a> {
    /// An empty table.
    pub fn new(columns: &'a [Column]) -> Self {
        Self { columns, widths: columns.iter().map(|column| column.0.chars().count()).collect() }
    }

    /// The rows of the next page.
    pub fn page(&mut self, items: &[Value]) -> Vec<String> {
        let rows: Vec<Vec<String>> = items.iter().map(|item| self.cells(item)).collect();
        for row in &rows {
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        rows.iter().map(|row| self.align(row.iter().map(String::as_str))).collect()
    }

    /// The headings, aligned with the pages so far.
    pub fn headings(&self) -> String {
        self.align(self.columns.iter().map(|column| column.0))
    }

    fn cells(&self, item: &Value) -> Vec<String> {
        let cell = |column: &Column| shorten(&item.pointer(column.1).map_or_else(|| "-".to_owned(), plain));
        self.columns.iter().map(cell).collect()
    }

    fn align<'c>(&self, cells: impl Iterator<Item = &'c str>) -> String {
        let padded: Vec<_> = cells.zip(&self.widths).map(|(cell, width)| pad(cell, *width)).collect();
        padded.join("  ").trim_end().to_owned()
    }
}

/// One thing, a line per field: names aligned, what is absent left out, a list of things indented below its name.
pub fn record(item: &Value) -> Vec<String> {
    let Some(fields) = item.as_object() else { return vec![plain(item)] };
    let is_shown = |value: &Value| !value.is_null() && !is_empty(value);
    let fields: Vec<_> = first_things_first(fields).into_iter().filter(|(_, value)| is_shown(value)).collect();
    let width = fields.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for (name, value) in fields {
        match value {
            Value::Array(items) if items.iter().all(Value::is_object) => {
                lines.push(name.clone());
                for item in items {
                    let [first, rest @ ..] = &record(item)[..] else { continue };
                    lines.push(format!("  - {first}"));
                    lines.extend(rest.iter().map(|line| format!("    {line}")));
                }
            }
            value => lines.push(format!("{}  {}", pad(name, width), plain(value))),
        }
    }
    lines
}

/// A value on one line: lists by spaces, objects as `name=value`, an object of lists as `name: a b`.
pub fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => clean(text),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(" "),
        Value::Object(fields) if fields.is_empty() => "-".to_owned(),
        Value::Object(fields) => fields.iter().map(|(name, value)| pair(name, value)).collect::<Vec<_>>().join("; "),
    }
}

fn pair(name: &str, value: &Value) -> String {
    match value {
        Value::Array(_) => format!("{}: {}", clean(name), plain(value)),
        Value::String(text) if text.is_empty() => clean(name),
        value => format!("{}={}", clean(name), plain(value)),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

/// What names a thing comes first, the rest as the server wrote it.
fn first_things_first(fields: &serde_json::Map<String, Value>) -> Vec<(&String, &Value)> {
    const FIRST: [&str; 7] = ["id", "name", "uri", "hint", "state", "type", "owner_name"];
    let rank = |name: &str| FIRST.iter().position(|first| *first == name).unwrap_or(FIRST.len());
    let mut fields: Vec<_> = fields.iter().collect();
    fields.sort_by_key(|(name, _)| rank(name));
    fields
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= CELL_MAX {
        return text.to_owned();
    }
    text.chars().take(CELL_MAX - 1).chain(['…']).collect()
}

fn pad(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(text.chars().count());
    format!("{text}{}", " ".repeat(missing))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const COLUMNS: &[Column] = &[Column("NAME", "/name"), Column("SCOPES", "/scopes")];

    #[test]
    fn columns_align_and_absent_values_are_dashes() {
        let mut table = Table::new(COLUMNS);
        let rows = table.page(&[json!({"name": "a", "scopes": ["x", "y"]}), json!({"name": "longer"})]);
        assert_eq!(table.headings(), "NAME    SCOPES");
        assert_eq!(rows, ["a       x y", "longer  -"]);
    }

    #[test]
    fn a_cell_is_cut_at_its_limit() {
        assert_eq!(shorten(&"é".repeat(CELL_MAX)), "é".repeat(CELL_MAX));
        assert_eq!(shorten(&"é".repeat(CELL_MAX + 1)).chars().count(), CELL_MAX);
    }

    #[test]
    fn a_record_leaves_out_what_is_absent() {
        let lines = record(&json!({"api": "https://a", "id": "key_1", "name": null, "metadata": {}, "live": true}));
        assert_eq!(lines, ["id    key_1", "api   https://a", "live  yes"]);
    }

    #[test]
    fn lists_of_things_stand_below_their_name() {
        let lines = record(&json!({"id": "k", "secrets": [{"number": 1, "hint": "a…"}, {"number": 2}]}));
        assert_eq!(lines, ["id       k", "secrets", "  - hint    a…", "    number  1", "  - number  2"]);
    }

    #[test]
    fn lo_01_text_of_others_cannot_drive_the_terminal() {
        assert_eq!(plain(&json!({"agent": "curl\u{1b}[31m"})), "agent=curl\u{FFFD}[31m");
    }

    #[test]
    fn rights_read_as_lists() {
        assert_eq!(plain(&json!({"https://a": ["r", "w"]})), "https://a: r w");
    }
}
