//! What somebody should look at, from what stands now and what happened lately. Nothing is the usual case.

use admit_core::time::{Span, Time};

use crate::http::certificate;
use crate::manage::overview::Overview;
use crate::pages::text::Words;

/// One thing.
pub struct Notice {
    /// What.
    pub text: String,
    /// The command that comes next; none where there is nothing to type.
    pub next: &'static str,
    /// Whether it cannot wait.
    pub is_urgent: bool,
}

/// Everything, the urgent first.
pub fn notices(words: &'static Words, overview: &Overview, now: Time) -> Vec<Notice> {
    let (state, total) = (&overview.state, &overview.total);
    let mut found = Vec::new();
    let mut add = |is_so: bool, is_urgent, text: String, next| {
        if is_so {
            found.push(Notice { text, next, is_urgent });
        }
    };
    if let Some(wrong) = &state.master_keys_wrong {
        add(true, true, words.with("console.home.see_master", "what", wrong), "admit master-key status");
    }
    let late = state.feed_age_ms.div_ceil(1000).to_string();
    add(state.feed_is_late, true, words.with("console.home.see_feed", "n", late), "admit doctor");
    let behind = state.clock_behind_s.to_string();
    add(state.clock_behind_s > 0, true, words.with("console.home.see_clock", "n", behind), "admit doctor");
    if let Some(end) = state.certificate_ends_at {
        add(end <= now, true, words.with("console.home.see_certificate_over", "when", words.date(end)), "");
        let is_soon = end > now && end <= now + certificate::SOON;
        add(
            is_soon,
            end <= now + Span::days(3),
            words.with("console.home.see_certificate", "when", words.date(end)),
            "",
        );
    }
    let missing = i64::try_from(state.audit_missing).unwrap_or(i64::MAX);
    add(missing > 0, true, words.count("console.home.see_audit", missing), "admit doctor");
    let locked = i64::try_from(total.accounts_locked).unwrap_or(i64::MAX);
    add(locked > 0, false, words.count("console.home.see_locked", locked), "admit events --limit 200");
    let full = i64::try_from(total.overloaded).unwrap_or(i64::MAX);
    add(full > 0, false, words.count("console.home.see_full", full), "admit doctor");
    let (week, month) = (state.keys_ending_7d, state.keys_ending_30d);
    add(week > 0, false, words.count("console.home.see_keys_week", week), "admit key list --expiring 7d");
    add(month > week, false, words.count("console.home.see_keys_month", month - week), "admit key list --expiring 30d");
    found.sort_by_key(|notice| !notice.is_urgent);
    found
}

#[cfg(test)]
mod tests {
    use admit_core::text::Language;
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    /// What is said of a state with these parts.
    fn said(parts: serde_json::Value, locked: u64) -> Vec<(String, bool)> {
        let mut state = json!({"feed_age_ms": 0, "feed_is_late": false, "certificate_ends_at": null, "master_keys_wrong": null,
            "clock_behind_s": 0, "keys_ending_7d": 0, "keys_ending_30d": 0, "audit_missing": 0});
        state.as_object_mut().unwrap().extend(parts.as_object().unwrap().clone());
        let total = crate::manage::overview::Figures { accounts_locked: locked, ..Default::default() };
        let overview = json!({"span": "1h", "running_since": "2026-11-22T10:00:00Z", "until": null, "step_s": 60, "steps": [],
            "total": total, "keys": [], "state": state});
        let now = Time::parse_rfc3339("2026-11-22T12:00:00Z").unwrap();
        let overview = Overview::deserialize(&overview).unwrap();
        let found = notices(Words::of(Language::English), &overview, now);
        found.into_iter().map(|notice| (notice.text, notice.is_urgent)).collect()
    }

    #[test]
    fn all_is_well_unless_something_is_not() {
        assert_eq!(said(json!({}), 0), []);
        assert_eq!(said(json!({"certificate_ends_at": "2027-03-01T00:00:00Z", "feed_age_ms": 20}), 0), []);
    }

    #[test]
    fn what_cannot_wait_comes_first() {
        let found =
            said(json!({"keys_ending_7d": 1, "keys_ending_30d": 3, "feed_is_late": true, "feed_age_ms": 4100}), 2);
        let urgent: Vec<_> = found.iter().map(|(_, is_urgent)| *is_urgent).collect();
        assert_eq!(urgent, [true, false, false, false]);
        assert!(found[0].0.contains("5 s") && found[1].0.starts_with("2 accounts"), "{found:?}");
        assert!(found[2].0.starts_with("1 key ends") && found[3].0.starts_with("2 more keys end"), "{found:?}");
    }

    #[test]
    fn an_end_of_the_certificate_is_told_in_time() {
        let urgent = |end: &str| said(json!({"certificate_ends_at": end}), 0).first().map(|(_, is_urgent)| *is_urgent);
        assert_eq!(urgent("2026-12-06T12:00:00Z"), Some(false));
        assert_eq!(urgent("2026-12-06T12:00:01Z"), None);
        assert_eq!(urgent("2026-11-25T12:00:00Z"), Some(true));
        assert_eq!(urgent("2026-11-22T12:00:00Z"), Some(true), "it is over");
    }
}
