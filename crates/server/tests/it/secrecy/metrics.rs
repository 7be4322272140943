//! LO-06: `/metrics` is not on the public listener, and no caller can make it grow.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::canary::{page, talkative};

/// Names and labels, without the figures.
fn series(page: &str) -> BTreeSet<String> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.rsplit_once(' ').map(|(series, _)| series.to_owned())).collect()
}

#[tokio::test]
async fn lo_06_labels_come_from_closed_lists() {
    let folder = tempfile::tempdir().unwrap();
    let (program, metrics) = talkative(folder.path()).await;
    let before = series(&page(&metrics).await);
    assert!(before.iter().any(|line| line.starts_with("admit_decisions_total{")), "{before:?}");
    program.shop().await;
    for number in 0..100 {
        program.ask(&format!("VERB{number}"), &format!("/path/{number}"), &format!("key-{number}")).await;
        program.manage("GET", &format!("/v1/realms/realm{number}/keys/{number}"), Value::Null).await;
        program.manage("POST", "/v1/realms/default/keys", json!({"name": format!("name-{number}")})).await.expect(201);
    }
    let after = page(&metrics).await;
    assert_eq!(series(&after), before);
    let counted =
        after.lines().find(|line| line.contains("door=\"nginx\"") && line.contains("code=\"invalid_credential\""));
    assert_eq!(counted.and_then(|line| line.rsplit(' ').next()), Some("100"), "{after}");
}

#[tokio::test]
async fn lo_06_metrics_are_not_for_the_public() {
    let folder = tempfile::tempdir().unwrap();
    let (program, metrics) = talkative(folder.path()).await;
    for path in ["/metrics", "/v1/metrics", "/debug", "/debug/pprof", "/ops/metrics"] {
        let reply = program.manage("GET", path, Value::Null).await;
        assert_eq!((reply.status, reply.code().as_str()), (404, "not_found"), "{path}");
    }
    let ops = metrics.trim_end_matches("/metrics");
    for path in ["/v1/realms", "/v1/docs", "/v1/whoami"] {
        let status = reqwest::get(format!("{ops}{path}")).await.unwrap().status();
        assert_eq!(status, 404, "{path}: the listener for machines manages nothing");
    }
}

/// Names of metrics in a text: what looks like one of ours or of the process.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| word.starts_with("admit_") || word.starts_with("process_")).map(str::to_owned).collect()
}

#[tokio::test]
async fn every_metric_of_dashboard_alerts_and_book_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let (_program, metrics) = talkative(folder.path()).await;
    let page = page(&metrics).await;
    let there = names(&page);
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let dashboard = std::fs::read_to_string(format!("{root}/examples/grafana-dashboard.json")).unwrap();
    let parsed: Value = serde_json::from_str(&dashboard).unwrap();
    let asked: Vec<_> =
        parsed["panels"].as_array().unwrap().iter().flat_map(|panel| panel["targets"].as_array().unwrap()).collect();
    assert!(asked.len() > 15);
    for target in asked {
        let wanted = names(target["expr"].as_str().unwrap());
        assert!(!wanted.is_empty() && wanted.is_subset(&there), "{target}");
    }
    let alerts = std::fs::read_to_string(format!("{root}/examples/prometheus-alerts.yml")).unwrap();
    assert!(names(&alerts).is_subset(&there), "{:?}", names(&alerts).difference(&there));
    let book = std::fs::read_to_string(format!("{root}/docs/book/src/reference/metrics.md")).unwrap();
    let shown: BTreeSet<_> = there
        .iter()
        .map(|name| {
            ["_bucket", "_sum", "_count"]
                .iter()
                .fold(name.as_str(), |name, end| name.strip_suffix(end).unwrap_or(name))
                .to_owned()
        })
        .collect();
    let told = names(&book);
    for name in page.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split(['{', ' ']).next()) {
        let family =
            ["_bucket", "_sum", "_count"].iter().fold(name, |name, end| name.strip_suffix(end).unwrap_or(name));
        assert!(told.contains(family), "the book does not tell of {family}");
    }
    assert!(told.is_subset(&shown), "{:?}", told.difference(&shown));
}

#[tokio::test]
async fn keys_that_end_soon_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (mut program, _) = talkative(folder.path()).await;
    program.shop().await;
    for (name, expires_in_s) in [("today", 3600), ("week", 5 * 86_400), ("month", 20 * 86_400), ("later", 80 * 86_400)]
    {
        program
            .manage("POST", "/v1/realms/default/keys", json!({"name": name, "expires_in_s": expires_in_s}))
            .await
            .expect(201);
    }
    assert!(program.stop().await);
    let (_program, metrics) = talkative(folder.path()).await;
    let wanted =
        ["admit_keys_ending{days=\"1\"} 1", "admit_keys_ending{days=\"7\"} 2", "admit_keys_ending{days=\"30\"} 3"];
    for _ in 0..100 {
        let page = page(&metrics).await;
        if wanted.iter().all(|line| page.contains(line)) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{}", page(&metrics).await);
}
