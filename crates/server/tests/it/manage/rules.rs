//! Changes of rules: what they refer to, and what happens when two are made at once.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::app::TestApp;

const REALM: &str = "/v1/realms/default";

fn asking_for(name: &str, role: &str) -> Value {
    json!({"name": name, "match": {"host": "shop.test", "path": format!("/{name}")}, "require": {"roles": [role]}, "audience": "any"})
}

#[tokio::test]
async fn a_rule_asks_only_for_roles_that_there_are() {
    let app = TestApp::new().await;
    let rules = format!("{REALM}/rules");
    let refused = app.manage("POST", &rules, asking_for("a", "clerk")).await.expect(400);
    assert_eq!(refused["problems"][0]["path"], "require.roles");
    assert!(refused["detail"].as_str().unwrap().contains("admit role create --name clerk"), "{refused}");
    app.manage("POST", &rules, asking_for("a", "viewer")).await.expect(201);
    let put = app.manage("PUT", &format!("{rules}/a"), asking_for("a", "clerk")).await.expect(400);
    assert_eq!(put["problems"][0]["path"], "require.roles");

    let apply = format!("{REALM}/apply");
    let alone = app.manage("POST", &apply, json!({"rule": [asking_for("b", "clerk")]})).await.expect(400);
    assert_eq!(alone["problems"][0]["path"], "rule \"b\": require.roles");
    let dry = app.manage("POST", &format!("{apply}?dry_run=true"), json!({"rule": [asking_for("b", "clerk")]})).await;
    assert_eq!(dry.expect(400)["problems"], alone["problems"]);
    let both = json!({"role": [{"name": "clerk"}], "rule": [asking_for("b", "clerk"), asking_for("c", "gateway")]});
    app.manage("POST", &apply, both).await.expect(200);
    app.manage("PUT", &format!("{rules}/a"), asking_for("a", "clerk")).await.expect(200);
    let pruned = json!({"role": [], "rule": [asking_for("b", "clerk")]});
    let refused = app.manage("POST", &format!("{apply}?prune=true"), pruned).await.expect(400);
    assert!(refused["detail"].as_str().unwrap().contains("there is no role clerk"), "{refused}");
}

#[tokio::test]
async fn a_role_stays_for_as_long_as_rules_ask_for_it() {
    let app = TestApp::new().await;
    let (roles, apply) = (format!("{REALM}/roles"), format!("{REALM}/apply?prune=true"));
    app.manage("POST", &roles, json!({"name": "clerk"})).await.expect(201);
    app.manage("POST", &format!("{REALM}/rules"), asking_for("a", "clerk")).await.expect(201);
    let renamed = json!({"name": "agent"});
    for (method, path, body) in [
        ("DELETE", format!("{roles}/clerk"), Value::Null),
        ("PATCH", format!("{roles}/clerk"), renamed.clone()),
        ("POST", apply.clone(), json!({"role": []})),
    ] {
        let refused = app.manage(method, &path, body).await.expect(400);
        assert_eq!(refused["problems"][0]["path"], "rule \"a\": require.roles", "{method}");
        assert!(refused["detail"].as_str().unwrap().contains("asks for role clerk"), "{refused}");
    }
    app.manage("PATCH", &format!("{roles}/clerk"), json!({"description": "x"})).await.expect(200);
    app.manage("POST", &apply, json!({"role": [], "rule": [asking_for("a", "viewer")]})).await.expect(200);
    app.manage("POST", &roles, json!({"name": "clerk"})).await.expect(201);
    app.manage("PATCH", &format!("{roles}/clerk"), renamed).await.expect(200);
    app.manage("DELETE", &format!("{roles}/agent"), Value::Null).await.expect(204);
}

#[tokio::test]
async fn changes_at_the_same_time_are_each_judged_by_what_stands() {
    let app = Arc::new(TestApp::new().await);
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..20 {
        let app = app.clone();
        let name = format!("r{}", number / 2);
        calls.spawn(async move { app.manage("POST", &format!("{REALM}/rules"), asking_for(&name, "viewer")).await });
    }
    let replies = calls.join_all().await;
    let made: Vec<_> = replies.iter().filter(|reply| reply.status == 201).collect();
    assert_eq!(made.len(), 10, "one of each name");
    assert!(replies.iter().filter(|reply| reply.status != 201).all(|reply| reply.code() == "already_exists"));
    let listed = app.manage("GET", &format!("{REALM}/rules"), Value::Null).await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 10);
}

#[tokio::test]
async fn an_api_does_not_go_while_a_rule_for_it_comes() {
    let app = Arc::new(TestApp::new().await);
    for round in 0..10 {
        let uri = format!("urn:x:{round}");
        app.manage("POST", &format!("{REALM}/apis"), json!({"uri": uri})).await.expect(201);
        let rule = json!({"name": uri, "match": {"path": format!("/{round}")}, "require": {"api": uri}});
        let (apis, rules) = (format!("{REALM}/apis/{uri}"), format!("{REALM}/rules"));
        let (gone, made) = tokio::join!(app.manage("DELETE", &apis, Value::Null), app.manage("POST", &rules, rule));
        assert!(
            matches!((gone.status, made.status), (204, 400) | (400, 201)),
            "round {round}: {} and {}",
            gone.status,
            made.text
        );
    }
}
