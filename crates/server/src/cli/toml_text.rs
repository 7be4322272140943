//! A realm's state as TOML that a person likes to read: one table per thing, its parts inline, its name first.
//!
//! `toml` writes nested tables as headings of their own; here `match = { host = "shop.test" }` stays on one line.

use serde_json::{Map, Value};

/// The kinds in the order in which they depend on one another.
const KINDS: [&str; 5] = ["api", "role", "client", "user", "rule"];
/// What names a thing, before everything else.
const FIRST: [&str; 5] = ["uri", "name", "type", "match", "require"];

/// Writes a document of `admit apply`.
pub fn write(document: &Value) -> Result<String, String> {
    let mut text = String::new();
    for kind in KINDS {
        for item in document.get(kind).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object) {
            text.push_str(if text.is_empty() { "" } else { "\n" });
            text.push_str(&format!("[[{kind}]]\n"));
            write_item(&mut text, item)?;
        }
    }
    Ok(text)
}

fn write_item(text: &mut String, item: &Map<String, Value>) -> Result<(), String> {
    let rank = |name: &str| FIRST.iter().position(|first| *first == name).unwrap_or(FIRST.len());
    let mut fields: Vec<_> = item.iter().filter(|(_, value)| !value.is_null()).collect();
    fields.sort_by_key(|(name, _)| rank(name));
    for (name, value) in fields {
        let value: toml::Value = serde_json::from_value(without_nulls(value)).map_err(|error| error.to_string())?;
        text.push_str(&format!("{name} = {value}\n"));
    }
    Ok(())
}

/// TOML has no null: what is null is left out.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().filter(|item| !item.is_null()).map(without_nulls).collect(),
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(_, value)| !value.is_null());
            kept.map(|(name, value)| (name.clone(), without_nulls(value))).collect::<Map<_, _>>().into()
        }
        value => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_reads_back(name in "\\PC{1,20}", key in "\\PC{1,12}", value in "[\\PC\n\t'\"\\\\]{0,20}", number: i64) {
            let document = json!({"api": [{"uri": name, "scopes": {&key: &value}, "metadata": {"n": number, "l": [value, true]}}]});
            let text = write(&document).unwrap();
            prop_assert_eq!(toml::from_str::<Value>(&text).unwrap(), document);
        }
    }

    #[test]
    fn a_rule_reads_like_the_one_that_a_person_writes() {
        let document = json!({
            "rule": [{"require": {"scopes": ["orders:read"]}, "name": "read orders", "limit": null,
                      "match": {"host": "shop.test", "methods": ["GET"]}}],
            "api": [{"scopes": {"orders:read": "Read"}, "uri": "https://a.test"}]});
        let expected = r#"[[api]]
uri = "https://a.test"
scopes = { "orders:read" = "Read" }

[[rule]]
name = "read orders"
match = { host = "shop.test", methods = ["GET"] }
require = { scopes = ["orders:read"] }
"#;
        assert_eq!(write(&document).unwrap(), expected);
    }
}
