//! A person's token at the doors.

use serde_json::json;

use super::{ALL, Apps, SHOP};

#[tokio::test]
async fn a_token_says_at_the_doors_who_acts_through_which_application_and_how_he_signed_in() {
    let apps = Apps::new().await;
    let tokens = apps.tokens(&apps.spa, ALL).await;
    let reply = apps.app.ask("GET", "/orders/1", Some(&tokens.access)).await;
    let header = |name: &str| reply.header(name);
    assert_eq!((header("admit-subject"), header("admit-client")), (apps.alice.to_string(), apps.spa.id.clone()));
    assert_eq!((header("admit-kind"), header("admit-name")), ("user".to_owned(), "alice".to_owned()));
    assert_eq!((header("admit-acr").as_str(), header("admit-key").as_str()), ("urn:admit:aal1", ""));
    assert_eq!(header("admit-scope"), "email openid orders:read profile");

    let question = json!({"credential": tokens.access, "require": {"api": SHOP, "scopes": ["orders:read"]}});
    let told = apps.app.manage("POST", "/v1/realms/default/check", question).await.expect(200);
    let principal = &told["principal"];
    assert_eq!((&told["admitted"], &principal["credential"]), (&json!(true), &json!("access_token")));
    assert_eq!((&principal["subject"], &principal["client"]), (&json!(apps.alice), &json!(apps.spa.id)));
    assert_eq!((&principal["acr"], &principal["amr"]), (&json!("urn:admit:aal1"), &json!(["pwd"])));
    assert!(principal["auth_time"].is_string());
}

#[tokio::test]
async fn rules_judge_a_person_s_token_as_a_person_s() {
    let apps = Apps::new().await;
    let tokens = apps.tokens(&apps.spa, ALL).await;
    let rule = |name: &str, require: serde_json::Value| json!({"name": name, "match": {"host": "shop.test", "path": format!("/{name}/**")}, "require": require, "priority": 1});
    apps.app.rule(rule("people", json!({"subjects": ["user"]}))).await;
    apps.app.rule(rule("machines", json!({"subjects": ["client"]}))).await;
    apps.app.rule(rule("tokens", json!({"credentials": ["access_token"]}))).await;
    apps.app.rule(rule("sessions", json!({"credentials": ["session"]}))).await;
    let own = json!({"name": "own", "match": {"host": "shop.test", "path": "/own/{who}"}, "require": {"self": "who"}});
    apps.app.rule(own).await;
    for (path, code) in [
        ("/people/1", ""),
        ("/machines/1", "wrong_subject_kind"),
        ("/tokens/1", ""),
        ("/sessions/1", "wrong_credential_kind"),
        ("/own/alice", ""),
        ("/own/bob", "not_yours"),
    ] {
        assert_eq!(apps.app.ask("GET", path, Some(&tokens.access)).await.code(), code, "{path}");
    }
}

#[tokio::test]
async fn an_application_does_not_get_into_the_management_api_by_its_person_s_weight() {
    let apps = Apps::new().await;
    let operator = json!({"roles": ["buyer", "operator"]});
    apps.change(&format!("users/{}", apps.alice), operator).await;
    let tokens = apps.tokens(&apps.spa, ALL).await;
    let reply = apps.app.manage_as(&tokens.access, "GET", "/v1/realms/default/users", serde_json::Value::Null).await;
    assert_eq!(reply.status, 401, "{}", reply.text);
    assert_eq!(reply.code(), "wrong_audience");
}

/// What `admit why` says can be typed.
#[tokio::test]
async fn what_would_change_a_refusal_is_a_command_that_there_is() {
    let apps = Apps::new().await;
    let less = apps.tokens(&apps.spa, &["openid"]).await;
    let tokens = apps.tokens(&apps.spa, ALL).await;
    let machines = json!({"name": "machines", "match": {"host": "shop.test", "path": "/machines"}, "require": {"subjects": ["client"]}, "priority": 1});
    apps.app.rule(machines).await;
    let advice = async || {
        let list = apps.app.manage("GET", "/v1/realms/default/decisions?limit=1", json!(null)).await.expect(200);
        let path = format!("/v1/realms/default/decisions/{}", list["items"][0]["request_id"].as_str().unwrap());
        let told = apps.app.manage("GET", &path, json!(null)).await.expect(200);
        let lines = told["advice"].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned());
        lines.collect::<Vec<_>>()
    };
    apps.app.ask("GET", "/machines", Some(&tokens.access)).await;
    assert_eq!(advice().await, ["admit rule show machines   # what it asks for"]);
    let headers = [
        ("x-original-method", "GET"),
        ("x-original-uri", "/orders/1"),
        ("x-forwarded-host", "shop.test"),
        ("x-forwarded-proto", "https"),
        ("x-api-key", tokens.access.as_str()),
    ];
    apps.app.send("GET", "/check/nginx", &headers, None).await;
    assert_eq!(advice().await, ["send it as Authorization: Bearer TOKEN"]);
    apps.app.ask("GET", "/orders/1", Some(&less.access)).await;
    let said = advice().await;
    assert!(!said.is_empty(), "{said:?}");
    for line in said.iter().filter_map(|line| line.strip_prefix("admit ")) {
        let words = line.split("   #").next().unwrap().split_whitespace().map(str::to_owned);
        let parsed =
            <admit::cli::Cli as clap::Parser>::try_parse_from(std::iter::once("admit".to_owned()).chain(words));
        assert!(parsed.is_ok(), "{line}: {:?}", parsed.err().map(|error| error.to_string()));
    }
}
