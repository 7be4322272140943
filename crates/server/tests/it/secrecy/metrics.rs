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
