//! Protected resource metadata (RFC 9728), and the challenge that points there.

use serde_json::{Value, json};

use crate::app::TestApp;

const RESOURCE: &str = "/.well-known/oauth-protected-resource";

#[tokio::test]
async fn rfc_9728_a_challenge_points_to_the_document_of_the_api() {
    let app = TestApp::new().await;
    app.shop().await;
    let key = app.shop_key("writer", &["orders:write"]).await;
    let expected = format!("resource_metadata=\"{}{RESOURCE}/api.shop.test\"", app.url);
    for (key, status) in [(None, 401), (Some("admit_000000000000000000000000000000000000"), 401), (Some(&*key), 403)] {
        let refused = app.ask("GET", "/orders/1", key).await;
        let challenge = refused.header("www-authenticate");
        assert!(refused.status == status && challenge.ends_with(&expected), "{challenge}");
    }
    let document = app.send("GET", &format!("{RESOURCE}/api.shop.test"), &[], None).await;
    assert_eq!(
        document.json(),
        json!({"resource": "https://api.shop.test", "authorization_servers": [app.url],
            "bearer_methods_supported": ["header"], "scopes_supported": ["orders:read", "orders:write"]})
    );
    assert_eq!(document.header("access-control-allow-origin"), "*");
    let anonymous = app.ask("GET", "/orders/1", None).await.header("www-authenticate");
    assert!(!anonymous.contains("error="), "nothing was wrong with what was not sent: {anonymous}");
}

#[tokio::test]
async fn rfc_9728_a_gateway_passes_the_path_on_and_the_document_is_of_its_host() {
    let app = TestApp::new().await;
    for (uri, host) in [("https://mcp.shop.test", "mcp.shop.test"), ("https://mcp.shop.test/v2", "mcp.shop.test/v2")] {
        let api = json!({"uri": uri, "hosts": [host]});
        app.manage("POST", "/v1/realms/default/apis", api).await.expect(201);
    }
    let ask = async |host: &str, path: &str| {
        app.send("GET", &format!("{RESOURCE}{path}"), &[("x-forwarded-host", host)], None).await
    };
    for (host, path, resource) in [
        ("mcp.shop.test", "", "https://mcp.shop.test"),
        ("MCP.shop.test:443", "", "https://mcp.shop.test"),
        ("mcp.shop.test", "/v2", "https://mcp.shop.test/v2"),
    ] {
        let reply = ask(host, path).await;
        assert_eq!(reply.json()["resource"], resource, "{}", reply.text);
        assert_eq!(reply.header("vary"), "X-Forwarded-Host");
    }
    for (host, path) in [("other.test", ""), ("mcp.shop.test", "/v3"), ("mcp.shop.test:8443", "")] {
        assert_eq!(ask(host, path).await.status, 404, "{host}{path}");
    }
    assert_eq!(ask("mcp.shop.test, evil.test", "").await.status, 400);
}

#[tokio::test]
async fn rfc_9728_who_is_no_gateway_chooses_no_host() {
    let app = TestApp::with("trusted_proxies = []").await;
    let api = json!({"uri": "https://mcp.shop.test"});
    app.manage("POST", "/v1/realms/default/apis", api).await.expect(201);
    let reply = app.send("GET", RESOURCE, &[("x-forwarded-host", "mcp.shop.test")], None).await;
    assert_eq!(reply.status, 404, "{}", reply.text);
    let reply =
        app.send("GET", &format!("{RESOURCE}/mcp.shop.test"), &[("x-forwarded-host", "other.test")], None).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
}

#[tokio::test]
async fn rfc_9728_each_realm_speaks_for_its_own_apis_and_not_for_admit() {
    let app = TestApp::new().await;
    app.shop().await;
    app.manage("POST", "/v1/realms", json!({"name": "acme"})).await.expect(201);
    let status = async |path: &str| app.send("GET", path, &[], None).await.status;
    assert_eq!(status(&format!("/realms/acme{RESOURCE}/api.shop.test")).await, 404);
    app.manage("POST", "/v1/realms/acme/apis", json!({"uri": "urn:acme:robots"})).await.expect(201);
    let acme = app.send("GET", &format!("/realms/acme{RESOURCE}/urn:acme:robots"), &[], None).await.expect(200);
    assert_eq!(acme["authorization_servers"], json!([format!("{}/realms/acme", app.url)]));
    for path in ["", "/", "/urn:admit:realm:default", "/api.shop.test/", "/api.shop.test/x"] {
        assert_eq!(status(&format!("{RESOURCE}{path}")).await, 404, "{path}");
    }
    let own = app.send("GET", "/v1/realms/default/apis", &[], None).await;
    assert!(own.status == 401 && !own.header("www-authenticate").contains("resource_metadata"));
    let _: Value = own.json();
}
