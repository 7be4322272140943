//! Probes against gateways that do right, and against each that does one thing wrong.

use serde_json::json;

use super::*;
use crate::cli::doctor::Level;
use crate::cli::test_console::{Console, Reply, Request};

const KEY: &str = "canary-key";

fn refused(code: &str) -> Reply {
    Reply::json(401, json!({ "code": code })).header("Admit-Request-Id: req_1")
}

fn echo(headers: Value) -> Reply {
    Reply::json(200, json!({ "headers": headers })).header("Admit-Request-Id: req_1")
}

fn has_key(request: &Request) -> bool {
    request.header("authorization") == Some(&format!("Bearer {KEY}"))
}

/// A gateway as it should be.
fn good(request: &Request) -> Reply {
    if request.header("admit_subject").is_some() || request.header("admit.subject").is_some() {
        return Reply::json(400, json!({"code": "malformed_request"}));
    }
    if has_key(request) { echo(json!({"admit-subject": "cli_1"})) } else { refused("missing_credential") }
}

async fn findings(answer: impl FnMut(&Request) -> Reply + Send + 'static, key: Option<&str>) -> Vec<Finding> {
    let console = Console::answering(answer).await;
    let url = Url::parse(&console.url).unwrap();
    run(&url, Some("shop.test"), key.map(Secret::new).as_ref()).await.unwrap()
}

fn errors(findings: &[Finding]) -> Vec<&str> {
    findings.iter().filter(|finding| finding.level == Level::Error).map(|finding| finding.what.as_str()).collect()
}

#[tokio::test]
async fn a_good_gateway_has_no_errors() {
    let found = findings(good, Some(KEY)).await;
    assert!(found.iter().all(|finding| finding.level == Level::Ok), "{found:?}");
    assert!(found.iter().any(|finding| finding.what == "identity headers spelled with _: refused"));
    assert!(found.iter().any(|finding| finding.what == "a spoofed X-Forwarded-Uri: ignored"));
    let without_key = findings(good, None).await;
    assert_eq!(without_key.last().unwrap().level, Level::Warning);
}

#[tokio::test]
async fn the_host_is_the_one_that_was_named() {
    let console = Console::answering(good).await;
    let url = Url::parse(&console.url).unwrap();
    run(&url, Some("shop.test"), None).await.unwrap();
    assert!(console.requests().iter().all(|request| request.header("host") == Some("shop.test")));
}

#[tokio::test]
async fn fa_02_a_gateway_that_believes_the_client_s_path_is_found() {
    let believes = |request: &Request| {
        let is_elsewhere = request.header("x-original-uri").is_some();
        if is_elsewhere { Reply::json(200, json!({})) } else { good(request) }
    };
    assert_eq!(
        errors(&findings(believes, None).await),
        ["a spoofed X-Original-URI: turned 401 Unauthorized into 200 OK"]
    );
    let changes = |request: &Request| {
        let is_elsewhere = request.header("x-forwarded-host").is_some();
        if is_elsewhere { Reply::json(403, json!({"code": "no_rule"})) } else { good(request) }
    };
    let found = findings(changes, None).await;
    assert!(errors(&found)[0].contains("so they are believed"), "{found:?}");
}

#[tokio::test]
async fn fa_01_a_spoof_that_arrives_is_found() {
    let passes_on = |request: &Request| match request.header("admit-org") {
        Some(org) if has_key(request) => echo(json!({"admit-subject": "cli_1", "Admit_Org": [org]})),
        _ => good(request),
    };
    let found = findings(passes_on, Some(KEY)).await;
    assert_eq!(errors(&found), ["with the key, spoofed identity headers: Admit_Org arrived behind the gateway"]);
    let address = |request: &Request| match request.header("x-original-uri") {
        Some(uri) if has_key(request) => echo(json!({"admit-subject": "cli_1", "X-Original-Uri": uri})),
        _ => good(request),
    };
    let found = findings(address, Some(KEY)).await;
    assert!(errors(&found).is_empty());
    assert!(
        found.iter().any(|finding| finding.what.ends_with("X-Original-Uri arrived behind the gateway")),
        "{found:?}"
    );
}

#[tokio::test]
async fn fa_12_a_key_that_arrives_is_found() {
    let passes_on = |request: &Request| {
        if has_key(request) { echo(json!({"Authorization": format!("Bearer {KEY}")})) } else { good(request) }
    };
    let found = findings(passes_on, Some(KEY)).await;
    let expected = [
        "the application is not told who calls: Admit-Subject is empty or missing",
        "the key itself arrives at the application",
    ];
    assert_eq!(errors(&found), expected);
    assert!(!format!("{found:?}").contains(KEY));
}

#[tokio::test]
async fn a_gateway_that_asks_nobody_is_found() {
    let found = findings(|_| Reply::json(200, json!({})), None).await;
    assert_eq!(errors(&found), ["without a credential the gateway answers 200 OK, and Admit was not asked"]);
}

#[tokio::test]
async fn fa_08_a_gateway_that_does_not_serve_the_host_proves_nothing() {
    let found = findings(|_| Reply::json(421, json!({})), Some(KEY)).await;
    assert_eq!(errors(&found), ["the gateway does not serve this host: it answers 421"]);
    assert_eq!((found.len(), found[0].fix.as_deref()), (1, Some("name the protected host: --host HOST")));
}

#[tokio::test]
async fn a_gateway_that_is_down_is_found() {
    let found = run(&Url::parse("http://127.0.0.1:1").unwrap(), None, None).await.unwrap();
    assert_eq!((found.len(), found[0].level), (1, Level::Error));
}

#[tokio::test]
async fn of_a_gateway_that_never_asks_nothing_is_said_to_be_well() {
    for answer in [Reply::json(200, json!({})), Reply::json(404, json!({}))] {
        let found = findings(move |_| answer.clone(), None).await;
        assert!(found.iter().all(|finding| finding.level != Level::Ok), "{found:?}");
        assert!(found.iter().any(|finding| finding.what.contains("spoofed headers is not known")), "{found:?}");
    }
}
