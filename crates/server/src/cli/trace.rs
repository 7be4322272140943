//! A decision's trace as a person reads it: the verdict, each check with its mark, the commands that would change it.

use serde_json::Value;

use crate::cli::output::{Dress, Output, clean};

/// Prints a trace.
pub fn print(output: &Output, trace: &Value) {
    output.line(&verdict(output, trace));
    for step in items(trace, "steps") {
        let (mark, dress) = match text(step, "mark") {
            "ok" => ("✓", Dress::Green),
            "failed" => ("✗", Dress::Red),
            _ => ("·", Dress::Faint),
        };
        output.line(&format!("  {} {}", output.dress(mark, dress), clean(text(step, "text"))));
    }
    let advice: Vec<_> = items(trace, "advice").iter().filter_map(Value::as_str).collect();
    if !advice.is_empty() {
        output.line("To admit it:");
        advice.iter().for_each(|command| output.line(&format!("  {}", clean(command))));
    }
}

/// `req_…  2026-11-22T10:00:00Z  POST shop.test/orders  refused 403 no_rule`.
fn verdict(output: &Output, trace: &Value) -> String {
    let admitted = trace.get("admitted").and_then(Value::as_bool) == Some(true);
    let (word, dress) = if admitted { ("admitted", Dress::Green) } else { ("refused", Dress::Red) };
    let status = trace.get("status").and_then(Value::as_u64).unwrap_or_default();
    let (code, reason) = (text(trace, "code"), text(trace, "reason"));
    let reason = if reason.is_empty() || reason == code { String::new() } else { format!(" ({})", clean(reason)) };
    let target = format!("{} {}{}", text(trace, "method"), text(trace, "host"), text(trace, "path"));
    let parts = [clean(text(trace, "request_id")), clean(text(trace, "at")), clean(target.trim())];
    let known: Vec<_> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    let said = format!("{} {status} {}{reason}", output.dress(word, dress), clean(code));
    if known.is_empty() { said } else { format!("{}  {said}", known.join("  ")) }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn items<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
