//! The authorization server's metadata (RFC 8414), under both its names.

use serde_json::{Value, json};

use crate::app::TestApp;

const OAUTH: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";

async fn get(app: &TestApp, path: &str) -> Value {
    app.send("GET", path, &[], None).await.expect(200)
}

#[tokio::test]
async fn rfc_8414_the_issuer_is_the_place_where_it_was_found() {
    let app = TestApp::new().await;
    app.manage("POST", "/v1/realms", json!({"name": "acme"})).await.expect(201);
    for path in [OAUTH, OPENID] {
        let document = get(&app, path).await;
        assert_eq!(document["issuer"], app.url.as_str(), "{path}");
        assert_eq!(document["jwks_uri"], format!("{}/.well-known/jwks.json", app.url));
    }
    let acme = format!("{}/realms/acme", app.url);
    for path in [
        format!("/realms/acme{OAUTH}"),
        format!("/realms/acme{OPENID}"),
        format!("{OAUTH}/realms/acme"),
        format!("{OPENID}/realms/acme"),
    ] {
        let document = get(&app, &path).await;
        assert_eq!(document["issuer"], acme.as_str(), "{path}");
        let keys = document["jwks_uri"].as_str().unwrap().strip_prefix(&app.url).unwrap();
        assert!(get(&app, keys).await["keys"].is_array());
    }
}

#[tokio::test]
async fn ir_14_a_document_is_never_served_where_its_issuer_is_not() {
    let app = TestApp::new().await;
    let acme = json!({"name": "acme", "host": "id.acme.test"});
    app.manage("POST", "/v1/realms", acme).await.expect(201);
    for path in [
        format!("/realms/default{OAUTH}"),
        format!("{OAUTH}/realms/default"),
        format!("{OAUTH}/realms/nowhere"),
        format!("{OAUTH}/realms/acme"),
        format!("/realms/acme{OPENID}"),
        format!("{OAUTH}/default"),
        format!("{OAUTH}/"),
    ] {
        let refused = app.send("GET", &path, &[], None).await;
        assert_eq!((refused.status, refused.code().as_str()), (404, "not_found"), "{path}");
    }
    let own = app.send("GET", OAUTH, &[("host", "id.acme.test")], None).await.expect(200);
    assert_eq!(own["issuer"], "https://id.acme.test");
    assert_eq!(own["token_endpoint"], "https://id.acme.test/oauth/token");
    let twice = app.send("GET", &format!("{OAUTH}/realms/acme"), &[("host", "id.acme.test")], None).await;
    assert_eq!(twice.status, 404);
}

#[tokio::test]
async fn ir_13_no_header_changes_what_an_issuer_says() {
    let app = TestApp::with("public_url = 'https://auth.example.com'\ntrusted_proxies = ['127.0.0.1/32']").await;
    let ours = [("host", "auth.example.com")];
    let plain = app.send("GET", OAUTH, &ours, None).await;
    assert_eq!(plain.json()["issuer"], "https://auth.example.com", "{}", plain.text);
    for forged in [
        ("x-forwarded-host", "evil.test"),
        ("forwarded", "host=evil.test"),
        ("x-forwarded-proto", "http"),
        ("x-original-host", "evil.test"),
    ] {
        let reply = app.send("GET", OAUTH, &[ours[0], forged], None).await;
        assert_eq!((reply.status, &reply.text), (200, &plain.text), "{forged:?}");
    }
    let misdirected = app.send("GET", OAUTH, &[("host", "evil.test")], None).await;
    assert_eq!((misdirected.status, misdirected.code().as_str()), (421, "misdirected_request"));
}

#[tokio::test]
async fn rfc_8414_a_document_says_what_works_and_nothing_else() {
    let app = TestApp::new().await;
    let document = get(&app, OPENID).await;
    assert_eq!(document, get(&app, OAUTH).await);
    assert_eq!(document["subject_types_supported"], json!(["public"]), "no pairwise ones");
    assert_eq!(document["scopes_supported"], json!(["openid", "profile", "email", "offline_access"]));
    assert_eq!(document["response_types_supported"], json!(["code"]), "no implicit one");
    assert_eq!(document["response_modes_supported"], json!(["query", "fragment", "form_post"]));
    assert_eq!(document["code_challenge_methods_supported"], json!(["S256"]), "plain is none");
    assert_eq!(document["authorization_response_iss_parameter_supported"], true);
    assert_eq!(document["acr_values_supported"], json!(["urn:admit:aal1"]), "there is no second factor yet");
    for refused in ["request_parameter_supported", "request_uri_parameter_supported"] {
        assert_eq!(document[refused], false, "{refused}");
    }
    assert_eq!(document["backchannel_logout_session_supported"], true);
    let claims = document["claims_supported"].as_array().unwrap();
    assert!(["sub", "sid", "email_verified"].iter().all(|name| claims.contains(&json!(name))), "{claims:?}");
    for grant_type in document["grant_types_supported"].as_array().unwrap() {
        let told = asked(&app, "/oauth/token", &format!("grant_type={}", grant_type.as_str().unwrap())).await;
        assert_eq!(told, (401, json!("invalid_client")), "{grant_type} is known");
    }
    assert_eq!(asked(&app, "/oauth/token", "grant_type=password").await.1, "unsupported_grant_type");
}

/// The status and the error of a form that nobody sends.
async fn asked(app: &TestApp, path: &str, form: &str) -> (u16, Value) {
    let kind = [("content-type", "application/x-www-form-urlencoded")];
    let reply = app.send("POST", path, &kind, Some(form.as_bytes().to_vec())).await;
    (reply.status, reply.json()["error"].clone())
}

#[tokio::test]
async fn rfc_8414_every_endpoint_that_is_named_is_there() {
    let app = TestApp::new().await;
    app.manage("POST", "/v1/realms", json!({"name": "acme"})).await.expect(201);
    let open = json!({"settings": {"client_registration": true}});
    app.manage("PATCH", "/v1/realms/acme", open).await.expect(200);
    for (issuer, count) in [("", 8), ("/realms/acme", 9)] {
        let document = get(&app, &format!("{issuer}{OAUTH}")).await;
        assert_eq!(document["registration_endpoint"].is_string(), count == 9, "only where applications may");
        let named = document.as_object().unwrap().iter().filter(|(name, _)| name.ends_with("_endpoint"));
        for (name, address) in named {
            let path = address.as_str().unwrap().strip_prefix(&app.url).unwrap();
            let found = match name.as_str() {
                "authorization_endpoint" => {
                    let reply = app.send("GET", path, &[("accept", "text/html")], None).await;
                    reply.status == 400 && reply.text.contains("Nobody here knows this application")
                }
                "registration_endpoint" => app.send("POST", path, &[], Some(b"{}".to_vec())).await.status == 401,
                "userinfo_endpoint" => app.send("GET", path, &[], None).await.status == 401,
                "end_session_endpoint" => {
                    let reply = app.send("GET", path, &[("accept", "text/html")], None).await;
                    (reply.status, reply.header("location").starts_with(&format!("{issuer}/logout?"))) == (303, true)
                }
                _ => asked(&app, path, "token=x&grant_type=client_credentials").await == (401, json!("invalid_client")),
            };
            assert!(found, "{name}: {path}");
        }
        let named = document.as_object().unwrap().keys().filter(|name| name.ends_with("_endpoint")).count();
        assert_eq!(named, count, "{issuer}");
    }
}

#[tokio::test]
async fn a_document_follows_its_realm() {
    let app = TestApp::new().await;
    app.manage("POST", "/v1/realms", json!({"name": "acme"})).await.expect(201);
    let path = format!("/realms/acme{OAUTH}");
    let first = app.send("GET", &path, &[], None).await;
    assert_eq!((first.status, first.header("content-type").as_str()), (200, "application/json"));
    assert_eq!(first.header("cache-control"), "public, max-age=300");
    let again = app.send("GET", &path, &[("if-none-match", &first.header("etag"))], None).await;
    assert_eq!(again.status, 304);
    app.manage("PATCH", "/v1/realms/acme", json!({"host": "id.acme.test"})).await.expect(200);
    assert_eq!(app.send("GET", &path, &[], None).await.status, 404, "it is elsewhere now");
}
