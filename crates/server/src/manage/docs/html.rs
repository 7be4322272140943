//! The page for people, from the OpenAPI description: links and anchors only, readable without style.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::code;

/// The order of methods on the page.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// The whole page.
pub fn page(description: &Value, style: &str) -> String {
    let sections = sections(description);
    let mut page = String::with_capacity(256 << 10);
    page.push_str("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    page.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\">");
    let _ = write!(page, "<title>Admit management API</title><style>{style}</style></head><body>");
    page.push_str(
        "<a class=\"skip\" href=\"#content\">Skip to content</a><nav aria-label=\"Contents\"><h2>Contents</h2><ul>",
    );
    for tag in sections.keys() {
        let _ = write!(page, "<li><a href=\"#tag-{0}\">{0}</a></li>", escape(tag));
    }
    page.push_str("<li><a href=\"#schemas\">Schemas</a></li><li><a href=\"#errors\">Errors</a></li></ul></nav><main id=\"content\">");
    introduce(&mut page, description);
    for (tag, operations) in &sections {
        let _ = write!(page, "<section aria-labelledby=\"tag-{0}\"><h2 id=\"tag-{0}\">{0}</h2>", escape(tag));
        operations.iter().for_each(|operation| operation.write(&mut page));
        page.push_str("</section>");
    }
    schemas(&mut page, description);
    errors(&mut page);
    page.push_str("</main></body></html>\n");
    page
}

struct Operation<'d> {
    method: &'static str,
    path: &'d str,
    said: &'d Value,
}

fn sections(description: &Value) -> BTreeMap<&str, Vec<Operation<'_>>> {
    let mut sections: BTreeMap<&str, Vec<Operation<'_>>> = BTreeMap::new();
    for (path, methods) in description["paths"].as_object().into_iter().flatten() {
        for method in METHODS {
            let Some(said) = methods.get(method) else { continue };
            let tag = said["tags"][0].as_str().unwrap_or("server");
            sections.entry(tag).or_default().push(Operation { method, path, said });
        }
    }
    sections
}

fn introduce(page: &mut String, description: &Value) {
    let info = &description["info"];
    let text = |name: &str| escape(info[name].as_str().unwrap_or_default());
    let _ = write!(page, "<h1>{}</h1><p>Version {}. {}</p>", text("title"), text("version"), text("description"));
    page.push_str("<p>Send an API key as <code>Authorization: Bearer …</code>. Lists take <code>limit</code> and <code>cursor</code> and answer <code>items</code> and <code>next</code>. ");
    page.push_str(
        "Resources carry an <code>ETag</code>; send it as <code>If-Match</code> to change only what you saw. ",
    );
    page.push_str("A POST with an <code>Idempotency-Key</code> is done once. The same as data: <a href=\"openapi.json\">openapi.json</a>.</p>");
}

impl Operation<'_> {
    fn write(&self, page: &mut String) {
        let id = escape(self.said["operationId"].as_str().unwrap_or_default());
        let method = self.method.to_uppercase();
        let _ = write!(
            page,
            "<article><h3 id=\"{id}\"><a href=\"#{id}\"><span class=\"method\">{method}</span> <code>{}</code></a></h3>",
            escape(self.path)
        );
        for text in ["summary", "description"] {
            if let Some(text) = self.said[text].as_str().filter(|text| !text.is_empty()) {
                let _ = write!(page, "<p>{}</p>", prose(text));
            }
        }
        self.write_parameters(page);
        if let Some(shape) = shape_of(&self.said["requestBody"]["content"]["application/json"]["schema"]) {
            let _ = write!(page, "<p>Body: {shape}</p>");
        }
        self.write_answers(page);
        page.push_str("</article>");
    }

    fn write_parameters(&self, page: &mut String) {
        let Some(parameters) = self.said["parameters"].as_array().filter(|list| !list.is_empty()) else { return };
        page.push_str("<table><caption>Parameters</caption><thead><tr><th scope=\"col\">Name</th><th scope=\"col\">In</th><th scope=\"col\">Meaning</th></tr></thead><tbody>");
        for parameter in parameters {
            let text = |name: &str| escape(parameter[name].as_str().unwrap_or_default());
            let _ = write!(
                page,
                "<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>",
                text("name"),
                text("in"),
                prose(parameter["description"].as_str().unwrap_or_default())
            );
        }
        page.push_str("</tbody></table>");
    }

    fn write_answers(&self, page: &mut String) {
        page.push_str("<table><caption>Answers</caption><thead><tr><th scope=\"col\">Status</th><th scope=\"col\">Meaning</th><th scope=\"col\">Body</th></tr></thead><tbody>");
        for (status, answer) in self.said["responses"].as_object().into_iter().flatten() {
            let contents = answer["content"].as_object().into_iter().flat_map(|content| content.values());
            let shape = contents.filter_map(|content| shape_of(&content["schema"])).next().unwrap_or_default();
            let _ = write!(
                page,
                "<tr><td>{}</td><td>{}</td><td>{shape}</td></tr>",
                escape(status),
                prose(answer["description"].as_str().unwrap_or_default())
            );
        }
        page.push_str("</tbody></table>");
    }
}

/// A link to a schema, or the schema itself.
fn shape_of(schema: &Value) -> Option<String> {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return Some(format!("<a href=\"#schema-{0}\">{0}</a>", escape(name)));
    }
    let is_said = schema.as_object().is_some_and(|members| !members.is_empty());
    is_said.then(|| format!("<code>{}</code>", escape(&schema.to_string())))
}

fn schemas(page: &mut String, description: &Value) {
    page.push_str("<section aria-labelledby=\"schemas\"><h2 id=\"schemas\">Schemas</h2>");
    for (name, schema) in description["components"]["schemas"].as_object().into_iter().flatten() {
        let _ = write!(page, "<article><h3 id=\"schema-{0}\"><a href=\"#schema-{0}\">{0}</a></h3>", escape(name));
        if let Some(text) = schema["description"].as_str() {
            let _ = write!(page, "<p>{}</p>", prose(text));
        }
        members(page, schema);
        page.push_str("</article>");
    }
    page.push_str("</section>");
}

fn members(page: &mut String, schema: &Value) {
    let Some(properties) = schema["properties"].as_object() else { return };
    let required = |name: &str| schema["required"].as_array().is_some_and(|list| list.iter().any(|one| one == name));
    page.push_str("<table><thead><tr><th scope=\"col\">Member</th><th scope=\"col\">Type</th><th scope=\"col\">Meaning</th></tr></thead><tbody>");
    for (name, property) in properties {
        let must = if required(name) { " <small>required</small>" } else { "" };
        let meaning = prose(property["description"].as_str().unwrap_or_default());
        let _ = write!(
            page,
            "<tr><td><code>{}</code>{must}</td><td>{}</td><td>{meaning}</td></tr>",
            escape(name),
            type_of(property)
        );
    }
    page.push_str("</tbody></table>");
}

fn type_of(property: &Value) -> String {
    if property["$ref"].is_string() {
        return shape_of(property).unwrap_or_default();
    }
    let word = match &property["type"] {
        Value::String(word) => word.clone(),
        Value::Array(words) => words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => "any".to_owned(),
    };
    if word.starts_with("array") {
        return format!("{} of {}", escape(&word), type_of(&property["items"]));
    }
    let choices: Vec<_> = property["enum"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if choices.is_empty() { escape(&word) } else { escape(&choices.join(" | ")) }
}

fn errors(page: &mut String) {
    page.push_str("<section aria-labelledby=\"errors\"><h2 id=\"errors\">Errors</h2><p>Every error has a <code>code</code>; its <code>type</code> leads here.</p><dl>");
    for meaning in code::all() {
        let code::Meaning { code, status, text } = meaning;
        let _ = write!(
            page,
            "<dt id=\"{code}\"><a href=\"#{code}\"><code>{code}</code></a> <span>{status}</span></dt><dd>{}</dd>",
            prose(text)
        );
    }
    page.push_str("</dl></section>");
}

/// Escaped; what stands between backticks is code.
fn prose(text: &str) -> String {
    let mut prose = String::with_capacity(text.len());
    for (place, part) in text.split('`').enumerate() {
        match place % 2 {
            0 => prose.push_str(&escape(part)),
            _ => prose.push_str(&format!("<code>{}</code>", escape(part))),
        }
    }
    prose
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            letter => escaped.push(letter),
        }
    }
    escaped
}
