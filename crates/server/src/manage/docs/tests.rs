use std::collections::HashSet;
use std::path::Path;

use admit_core::api::{Api, ApiSpec};
use admit_core::document::Document;
use admit_core::id::{ApiId, ClientId, RealmId, RoleId, UserId};
use admit_core::role::Role;
use admit_core::time::Time;
use admit_core::trial::Case;

use super::*;
use crate::manage::{apis, clients, roles, users};

fn whole() -> Value {
    let (_, description) = crate::manage::open_api().split_for_parts();
    describe(description)
}

fn operations(whole: &Value) -> Vec<&Value> {
    let paths = whole["paths"].as_object().unwrap().values();
    paths.flat_map(|methods| methods.as_object().unwrap().values()).collect()
}

#[test]
fn every_operation_has_its_own_id_and_summary() {
    let whole = whole();
    assert!(whole["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut ids = HashSet::new();
    for operation in operations(&whole) {
        let id = operation["operationId"].as_str().unwrap();
        assert!(ids.insert(id), "{id} stands there twice");
        assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{id} has no summary");
        assert!(operation["responses"]["default"].is_object(), "{id}");
    }
    assert!(ids.len() > 40, "{}", ids.len());
}

#[test]
fn every_reference_leads_somewhere() {
    fn references<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let whole = whole();
    let mut found = Vec::new();
    references(&whole, &mut found);
    for path in found {
        let name = path.strip_prefix("#/components/schemas/").unwrap();
        assert!(whole["components"]["schemas"][name].is_object(), "{path}");
    }
}

/// What serde reads, the shapes know, and the other way round.
#[test]
fn the_shapes_say_what_is_read() {
    let shapes: Value = serde_json::from_str(SHAPES).unwrap();
    let full = r#"{
        "api": [{"uri": "https://a", "name": "a", "scopes": {"a": "b"}, "hosts": ["a.test"], "token_format": "opaque", "token_lifetime": "5m",
                 "token_alg": "RS256", "token_typ": "JWT",
                 "cors": {"origins": ["https://b"], "credentials": true}, "external_id": "x", "metadata": {"a": 1}}],
        "role": [{"name": "r", "description": "d", "rights": {"https://a": ["a"]}}],
        "client": [{"name": "c", "type": "service", "rights": {"https://a": ["a"]}, "roles": ["r"], "redirect_uris": ["https://c"], "origins": ["https://c"],
                    "token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": []}, "jwks_uri": "https://c",
                    "post_logout_redirect_uris": ["https://c"], "backchannel_logout_uri": "https://c", "id_token_signed_response_alg": "ES256",
                    "require_pkce": false, "require_pushed_authorization_requests": true, "rotate_refresh_tokens": true, "default_max_age": 1,
                    "client_uri": "https://c", "policy_uri": "https://c", "tos_uri": "https://c", "first_party": true, "external_id": "x", "metadata": {"a": 1}}],
        "user": [{"name": "u", "email": "u@example.com", "roles": ["r"], "external_id": "x", "metadata": {"a": 1}}],
        "rule": [{"name": "n", "match": {"host": "a.test", "methods": ["GET"], "path": "/{id}"},
                  "require": {"authenticated": true, "api": "https://a", "scopes": ["a"], "roles": ["r"], "subjects": ["user"], "credentials": ["api_key"], "acr": "1", "max_age": 1, "self": "id"},
                  "public": true, "deny": true, "login": true, "token": {"audience": "x"}, "cors": {"origins": ["*"]}, "accept": {"query": "k"}, "authorization": "upstream",
                  "encoded_slash": "keep", "stale_for": "1s", "mode": "observe", "audience": "any", "limit": {"per": "grant", "rate": "1/1s", "burst": 1}, "priority": 1}]}"#;
    let document: Document = serde_json::from_str(full).unwrap();
    let written = serde_json::to_value(&document).unwrap();
    for (kind, shape) in
        [("api", "ApiSpec"), ("role", "RoleSpec"), ("client", "ClientSpec"), ("user", "UserSpec"), ("rule", "Rule")]
    {
        assert_members(&written[kind][0], &shapes[shape], shape);
    }
    for part in ["match", "require", "limit"] {
        assert_members(&written["rule"][0][part], &shapes["Rule"]["properties"][part], part);
    }
    let case = r#"{"name": "c", "request": "GET https://a", "ip": "1.2.3.4", "expect": "ok", "rule": "n",
        "as": {"api": "https://a", "scopes": ["a"], "roles": ["r"], "credential": "session", "kind": "user", "name": "u", "id": "usr_1", "external_id": "x"}}"#;
    let case = serde_json::to_value(serde_json::from_str::<Case>(case).unwrap()).unwrap();
    let shape = &shapes["Trial"]["properties"]["case"]["items"];
    assert_members(&case, shape, "Case");
    assert_members(&case["as"], &shape["properties"]["as"], "Case.as");
    assert!(serde_json::from_str::<ApiSpec>(r#"{"uri": "https://a"}"#).is_ok(), "only the URI is required");
}

/// What is answered has every member, and its shape says so.
#[test]
fn the_shapes_say_what_is_shown() {
    let shapes: Value = serde_json::from_str(SHAPES).unwrap();
    let (now, realm) = (Time::from_unix_ms(1_000), RealmId::from_bytes([1; 16]));
    let spec = ApiSpec::new("https://a".parse().unwrap(), [].into());
    let api = Api { id: ApiId::from_bytes([1; 16]), realm, spec, created_at: now, updated_at: now, version: 1 };
    let spec = serde_json::from_value(json!({"name": "r"})).unwrap();
    let role = Role { id: RoleId::from_bytes([1; 16]), realm, spec, created_at: now, updated_at: now, version: 1 };
    let spec = serde_json::from_value(json!({"name": "c", "type": "service"})).unwrap();
    let client = clients::new(ClientId::from_bytes([1; 16]), realm, spec, now);
    let user = serde_json::from_value(json!({"name": "u"})).unwrap();
    let user = users::new(UserId::from_bytes([1; 16]), realm, user, now);
    let shown = [
        ("Api", serde_json::to_value(apis::View::from(api)).unwrap()),
        ("Role", serde_json::to_value(roles::View::from(role)).unwrap()),
        ("Client", serde_json::to_value(clients::View::from(client)).unwrap()),
        ("User", serde_json::to_value(users::View::from(user)).unwrap()),
    ];
    for (name, written) in shown {
        assert_members(&written, &shapes[name], name);
        let required: HashSet<_> =
            shapes[name]["required"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert!(written.as_object().unwrap().keys().all(|member| required.contains(member.as_str())), "{name}");
        for (member, empty) in
            [("rights", json!({})), ("roles", json!([])), ("hosts", json!([])), ("metadata", json!({}))]
        {
            assert!(written.get(member).is_none_or(|value| *value == empty), "{name}.{member}");
        }
    }
}

fn assert_members(written: &Value, shape: &Value, name: &str) {
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<HashSet<_>>();
    assert_eq!(names(written), names(&shape["properties"]), "{name}");
}

/// The words behind `Problem::new(404, ` in the sources.
fn codes_in(folder: &Path, found: &mut HashSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            codes_in(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            for call in text.split("Problem::new(").chain(text.split("Self::new(")).skip(1) {
                let Some((status, rest)) = call.split_once(',') else { continue };
                let Some(code) = rest.trim_start().strip_prefix('"').filter(|_| status.trim().parse::<u16>().is_ok())
                else {
                    continue;
                };
                found.extend(code.split_once('"').map(|(code, _)| code.to_owned()));
            }
        }
    }
}

#[test]
fn every_code_has_a_meaning_and_an_anchor() {
    let mut used = HashSet::new();
    codes_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut used);
    assert!(used.contains("not_found") && used.contains("built_in"), "{used:?}");
    let known: HashSet<String> = code::all().map(|meaning| meaning.code.to_owned()).collect();
    let unknown: Vec<_> = used.difference(&known).collect();
    assert!(unknown.is_empty(), "without a meaning: {unknown:?}");
    let page = html::page(&whole(), STYLE);
    for code in known {
        assert_eq!(page.matches(&format!("<dt id=\"{code}\">")).count(), 1, "{code}");
    }
}

#[test]
fn the_page_is_one_file_without_scripts_and_other_hosts() {
    let page = html::page(&whole(), STYLE);
    for absent in ["<script", "javascript:", "src=", "<link", "@import", "url(", "style=\"", "href=\"http"] {
        assert!(!page.contains(absent), "{absent}");
    }
    assert!(page.contains("prefers-color-scheme: dark") && page.contains("id=\"insufficient_scope\""));
    assert!(page.contains("class=\"skip\""), "the keyboard reaches the content");
    assert!(!page.contains('`'), "code is marked as code");
    assert_eq!(page.matches("<article").count(), page.matches("</article>").count());
    let policy = content_security_policy().unwrap();
    assert!(policy.to_str().unwrap().contains("style-src 'sha256-"));
}

#[test]
fn an_anchor_is_never_said_twice() {
    let page = html::page(&whole(), STYLE);
    let mut seen = HashSet::new();
    for id in page.split(" id=\"").skip(1).filter_map(|rest| rest.split_once('"')) {
        assert!(seen.insert(id.0), "{}", id.0);
    }
}
