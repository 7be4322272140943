//! One refusal as a page tells it, from what the management API says of it.
//!
//! Hosts, paths and names were chosen by whoever sent the request: what drives a terminal or turns text round is taken out
//! here, the page escapes the rest.

use admit_core::name::is_unprintable;
use admit_core::time::Time;
use serde_json::Value;

use crate::pages::graph::Tone;
use crate::pages::text::Words;

/// Stands for what cannot be shown.
const UNSHOWN: char = '\u{FFFD}';

/// One refusal.
pub struct Trace {
    /// The id of the request.
    pub id: String,
    /// When it was, for machines.
    pub at: String,
    /// When it was, for people.
    pub ago: String,
    /// Method, host and path; empty where the request could not be read.
    pub request: String,
    /// The names of the parameters of the query.
    pub query: String,
    /// The status of the answer.
    pub status: u64,
    /// The code of the answer, or the one that a rule that only observes would have given.
    pub code: String,
    /// Why, in one word.
    pub reason: String,
    /// Why, in a sentence.
    pub why: String,
    /// The colour of it.
    pub tone: &'static str,
    /// Whether it was admitted all the same.
    pub is_observed: bool,
    /// Through which door it came.
    pub door: String,
    /// From where.
    pub ip: String,
    /// Where the credential stood and what may be shown of it.
    pub credential: String,
    /// Who it was.
    pub caller: String,
    /// The key that was shown.
    pub key: String,
    /// The name of the rule.
    pub rule: String,
    /// What was looked at.
    pub steps: Vec<Step>,
    /// What would change it.
    pub advice: Vec<String>,
}

/// One step.
pub struct Step {
    /// Its class in the style sheet.
    pub class: &'static str,
    /// Its sign.
    pub sign: &'static str,
    /// What the sign means, for who does not see it.
    pub meaning: &'static str,
    /// What was looked at.
    pub text: String,
}

impl Trace {
    /// Reads one.
    pub fn of(json: &Value, words: &'static Words, now: Time) -> Self {
        let observed = text(&json["observed"]);
        let status = json["status"].as_u64().unwrap_or_default();
        let code = if observed.is_empty() { text(&json["code"]) } else { observed.clone() };
        let at = text(&json["at"]);
        let (place, hint) = (text(&json["credential"]["place"]), text(&json["credential"]["hint"]));
        let request = [text(&json["method"]), format!("{}{}", text(&json["host"]), text(&json["path"]))];
        Self {
            id: text(&json["request_id"]),
            ago: Time::parse_rfc3339(&at).map(|at| words.ago(at, now)).unwrap_or_default(),
            at,
            request: request.join(" ").trim().to_owned(),
            query: texts(&json["query_names"]).join(" "),
            status,
            reason: text(&json["reason"]),
            why: text(&json["why"]),
            tone: if observed.is_empty() { tone(status) } else { Tone::Faint }.class(),
            is_observed: !observed.is_empty(),
            code,
            door: text(&json["door"]),
            ip: text(&json["client_ip"]),
            credential: format!("{place} {hint}").trim().to_owned(),
            caller: text(&json["principal"]["name"]),
            key: text(&json["principal"]["key"]),
            rule: text(&json["rule"]["name"]),
            steps: items(&json["steps"]).iter().map(|step| Step::of(step, words)).collect(),
            advice: texts(&json["advice"]),
        }
    }

    /// What it is called where it stands alone.
    pub fn title(&self) -> &str {
        if self.request.is_empty() { &self.id } else { &self.request }
    }
}

impl Step {
    fn of(json: &Value, words: &'static Words) -> Self {
        let (class, sign, meaning) = match json["mark"].as_str() {
            Some("ok") => ("passed", "✓", words.say("console.trace.passed")),
            Some("failed") => ("failed", "✗", words.say("console.trace.failed")),
            _ => ("noted", "·", words.say("console.trace.noted")),
        };
        Self { class, sign, meaning, text: text(&json["text"]) }
    }
}

/// The colour of a status.
pub const fn tone(status: u64) -> Tone {
    match status {
        ..300 => Tone::Good,
        401 => Tone::Warn,
        403 => Tone::Bad,
        429 => Tone::Slow,
        _ => Tone::Broken,
    }
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn texts(value: &Value) -> Vec<String> {
    items(value).iter().map(text).collect()
}

/// A text as it may be shown.
pub fn text(value: &Value) -> String {
    let letters = value.as_str().unwrap_or_default().chars();
    letters.map(|letter| if is_unprintable(letter) { UNSHOWN } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use admit_core::text::Language;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(json: &Value) -> Trace {
        Trace::of(json, Words::of(Language::English), Time::from_unix_ms(1_795_348_800_000))
    }

    #[test]
    fn a_refusal_is_read_whole() {
        let trace = read(&json!({
            "request_id": "req_1", "at": "2026-11-22T11:59:00Z", "door": "nginx", "admitted": false, "observed": null,
            "status": 403, "code": "insufficient_scope", "reason": "scope_missing", "method": "GET", "host": "shop.test",
            "path": "/orders", "query_names": ["page", "q"], "client_ip": "203.0.113.9",
            "credential": {"place": "bearer", "hint": "admit_…abcd"},
            "principal": {"name": "ci", "key": "key_1"}, "rule": {"id": "rul_1", "name": "read orders"},
            "why": "scopes: orders:read: the credential lacks a scope",
            "steps": [{"mark": "ok", "text": "a"}, {"mark": "failed", "text": "b"}, {"mark": "skipped", "text": "c"}],
            "advice": ["admit key update ci --scope orders:read"]}));
        assert_eq!((trace.request.as_str(), trace.query.as_str()), ("GET shop.test/orders", "page q"));
        assert_eq!((trace.status, trace.tone, trace.is_observed), (403, "tone-bad", false));
        assert_eq!((trace.ago.as_str(), trace.credential.as_str()), ("1 minute ago", "bearer admit_…abcd"));
        let steps: Vec<_> = trace.steps.iter().map(|step| (step.class, step.text.as_str())).collect();
        assert_eq!(steps, [("passed", "a"), ("failed", "b"), ("noted", "c")]);
        assert_eq!(trace.advice, ["admit key update ci --scope orders:read"]);
    }

    #[test]
    fn what_a_rule_would_have_refused_is_told_apart() {
        let trace = read(&json!({"status": 200, "code": "ok", "observed": "no_rule", "request_id": "req_1"}));
        assert_eq!((trace.code.as_str(), trace.is_observed, trace.title()), ("no_rule", true, "req_1"));
    }

    proptest! {
        #[test]
        fn lo_01_whatever_was_sent_nothing_drives_a_terminal_or_turns_text_round(sent in "[\u{0}-\u{ff}\u{200b}-\u{2069}\\PC]{0,40}") {
            let trace = read(&json!({"method": &sent, "host": &sent, "path": &sent, "why": &sent, "query_names": [&sent],
                "credential": {"place": "bearer", "hint": &sent}, "principal": {"name": &sent}, "rule": {"name": &sent},
                "steps": [{"mark": "ok", "text": &sent}], "advice": [&sent]}));
            let shown = [trace.request, trace.query, trace.why, trace.credential, trace.caller, trace.rule, trace.steps[0].text.clone(), trace.advice[0].clone()];
            prop_assert!(!shown.iter().any(|text| text.chars().any(is_unprintable)));
        }
    }
}
