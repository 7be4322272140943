//! The token endpoint as such: how it is asked, and how it refuses.

use std::task::{Context, Waker};

use serde_json::json;

use super::{ASKED, BILLS, Client, FORM, TOKEN, error, post, shop};
use crate::app::TestApp;

async fn with_client() -> (TestApp, Client) {
    let app = shop().await;
    let client = Client::new(&app, "billing", json!({"https://api.shop.test": ["orders:read"]})).await;
    (app, client)
}

#[tokio::test]
async fn tk_03_it_is_asked_by_post_with_a_form_and_nothing_is_read_from_the_query() {
    let (app, client) = with_client().await;
    let basic = client.basic();
    for method in ["GET", "PUT", "DELETE", "PATCH", "HEAD"] {
        let reply = app.send(method, &format!("{TOKEN}?{ASKED}"), &[("authorization", &basic)], None).await;
        assert_eq!(reply.status, 405, "{method}");
        assert!(reply.header("allow").contains("POST"), "{method}: {}", reply.header("allow"));
    }
    let refused = |kind: &'static str, body: &'static str| {
        let (app, basic) = (&app, basic.as_str());
        async move {
            let headers = [("authorization", basic), ("content-type", kind)];
            error(&app.send("POST", TOKEN, &headers, Some(body.as_bytes().to_vec())).await)
        }
    };
    for (kind, body) in [
        ("application/json", r#"{"grant_type":"client_credentials"}"#),
        ("multipart/form-data; boundary=x", "--x\r\n"),
        ("text/plain", ASKED),
        ("application/x-www-form-urlencoded; charset=utf-16", ASKED),
        ("", ASKED),
    ] {
        assert_eq!(refused(kind, body).await, "400 invalid_request", "{kind}");
    }
    let headers = [("authorization", basic.as_str())];
    let missing = app.send("POST", TOKEN, &headers, Some(ASKED.into())).await;
    assert_eq!(error(&missing), "400 invalid_request", "no content type");
    let in_query = post(&app, &format!("{TOKEN}?{ASKED}"), &headers, "").await;
    assert_eq!(error(&in_query), "400 invalid_request");
    let path = format!("{TOKEN}?client_id={}&client_secret={}", client.id, client.secret);
    assert_eq!(error(&post(&app, &path, &[], ASKED).await), "401 invalid_client", "a secret in an address is none");
    let scoped = post(&app, &format!("{TOKEN}?scope=orders:write"), &headers, ASKED).await.expect(200);
    assert_eq!(scoped["scope"], "orders:read");
    let utf_8 =
        [("authorization", basic.as_str()), ("content-type", "application/x-www-form-urlencoded;charset=UTF-8")];
    assert_eq!(app.send("POST", TOKEN, &utf_8, Some(ASKED.into())).await.status, 200);
}

#[tokio::test]
async fn tk_03_ht_03_a_body_says_what_it_is_once_and_nothing_lies_around_it() {
    let (app, client) = with_client().await;
    let basic = client.basic();
    let ask = async |path: &str, more: &[(&str, &str)]| {
        let headers: Vec<_> = [("authorization", basic.as_str())].into_iter().chain(more.iter().copied()).collect();
        app.send("POST", path, &headers, Some(ASKED.into())).await
    };
    let kind = |kind| ("content-type", kind);
    for twice in [[FORM, "application/json"], ["application/json", FORM], [FORM, FORM]] {
        for path in [TOKEN, "/oauth/introspect", "/oauth/userinfo", "/oauth/par"] {
            let reply = ask(path, &twice.map(kind)).await;
            assert_eq!(error(&reply), "400 invalid_request", "{path} {twice:?}");
            assert!(reply.text.contains("as Content-Type"), "{path}: {}", reply.text);
        }
    }
    for coding in ["gzip", "br", "identity, gzip", "x"] {
        let reply = ask(TOKEN, &[kind(FORM), ("content-encoding", coding)]).await;
        assert_eq!(error(&reply), "415 invalid_request", "{coding}");
        assert!(reply.text.contains("without Content-Encoding"), "{coding}: {}", reply.text);
    }
    assert_eq!(ask(TOKEN, &[kind(FORM), ("content-encoding", "identity")]).await.status, 200);
}

#[tokio::test]
async fn tk_04_a_grant_type_is_known_and_the_client_may_use_it() {
    let (app, client) = with_client().await;
    let ask = async |form: &str| error(&client.post(&app, TOKEN, form).await);
    for unknown in ["password", "implicit", "CLIENT_CREDENTIALS", "client_credentials%20"] {
        assert_eq!(ask(&format!("grant_type={unknown}")).await, "400 unsupported_grant_type", "{unknown}");
    }
    for others in ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"] {
        assert_eq!(ask(&format!("grant_type={others}")).await, "400 unauthorized_client", "{others}");
    }
    for missing in ["", "grant_type=", "x=y", "grant_type"] {
        assert_eq!(ask(missing).await, "400 invalid_request", "{missing:?}");
    }
    let twice = "grant_type=client_credentials&grant_type=client_credentials";
    assert_eq!(ask(twice).await, "400 invalid_request");
    let rights = json!({"https://api.shop.test": ["orders:read"]});
    let web = json!({"name": "web", "type": "web", "rights": rights, "redirect_uris": ["https://web.test/cb"]});
    let web = Client::of(&app, web).await;
    assert_eq!(web.refused(&app, "").await, "400 unauthorized_client");
    let spa = json!({"name": "spa", "type": "spa", "redirect_uris": ["https://spa.test/cb"]});
    let spa = Client::of(&app, spa).await;
    let public = post(&app, TOKEN, &[], &format!("{ASKED}&client_id={}", spa.id)).await;
    assert_eq!(error(&public), "400 unauthorized_client");
}

#[tokio::test]
async fn tk_13_az_27_nothing_is_given_for_the_word_of_a_stranger_nor_for_details_that_nobody_knows() {
    let (app, client) = with_client().await;
    let ask = async |form: &str| error(&client.post(&app, TOKEN, form).await);
    for kind in ["jwt-bearer", "saml2-bearer", "token-exchange"] {
        let form = format!("grant_type=urn:ietf:params:oauth:grant-type:{kind}&assertion=e30.e30.&scope=orders:read");
        assert_eq!(ask(&form).await, "400 unsupported_grant_type", "{kind}");
    }
    let details = "&authorization_details=[{\"type\":\"payment\"}]";
    assert_eq!(client.refused(&app, details).await, "400 invalid_authorization_details");
    let refresh = format!("grant_type=refresh_token&refresh_token=x{details}");
    assert_eq!(ask(&refresh).await, "400 invalid_authorization_details", "not even to have less");
}

#[tokio::test]
async fn po_07_a_certificate_that_somebody_writes_into_a_header_proves_nothing() {
    let (app, client) = with_client().await;
    for header in [
        "x-ssl-client-cert",
        "x-client-cert",
        "x-forwarded-tls-client-cert",
        "x-forwarded-client-cert",
        "client-cert",
        "ssl_client_cert",
    ] {
        let reply = post(&app, TOKEN, &[(header, "MIIB")], &format!("{ASKED}&client_id={}", client.id)).await;
        assert_eq!(error(&reply), "401 invalid_client", "{header}");
    }
}

#[tokio::test]
async fn rfc_6749_3_2_parameters_stand_there_once_and_empty_ones_do_not() {
    let (app, client) = with_client().await;
    for twice in ["&scope=orders:read&scope=orders:read", "&x=1&x=2", "&client_id=a&client_id=a"] {
        assert_eq!(client.refused(&app, twice).await, "400 invalid_request", "{twice}");
    }
    let told = client.ask(&app, "&scope=&resource=&unknown=1").await.expect(200);
    assert_eq!(told["scope"], "orders:read");
}

#[tokio::test]
async fn rfc_6749_5_a_client_that_is_not_known_is_told_one_thing() {
    let (app, client) = with_client().await;
    let wrong = Client { id: client.id.clone(), secret: "admit_cs_wrong".to_owned() };
    let nobody = Client { id: "cli_01hzzzzzzzzzzzzzzzzzzzzzzz".to_owned(), secret: client.secret.clone() };
    let mut told = Vec::new();
    for stranger in [wrong, nobody] {
        let reply = stranger.ask(&app, "").await;
        assert_eq!(error(&reply), "401 invalid_client");
        assert_eq!(reply.header("www-authenticate"), r#"Basic realm="default", charset="UTF-8""#);
        told.push(reply.text);
    }
    assert_eq!(told[0], told[1], "tk_18");
    let none = post(&app, TOKEN, &[], ASKED).await;
    assert_eq!(error(&none), "401 invalid_client");
}

#[tokio::test]
async fn tk_21_what_is_too_long_is_refused_before_anybody_is_looked_for() {
    let (app, client) = with_client().await;
    let misses = app.app.metrics.cache_misses.get();
    let long = |name: &str, length: usize| format!("{ASKED}&client_id={}&{name}={}", client.id, "a".repeat(length));
    let names = ["scope", "resource", "audience", "client_secret"];
    for name in names {
        for length in [4097, 1 << 20] {
            assert_eq!(error(&post(&app, TOKEN, &[], &long(name, length)).await), "400 invalid_request", "{name}");
        }
    }
    let many = (0..100_000).map(|number| format!("s{number}")).collect::<Vec<_>>().join("+");
    assert_eq!(error(&post(&app, TOKEN, &[], &format!("{ASKED}&scope={many}")).await), "400 invalid_request");
    assert_eq!(app.app.metrics.cache_misses.get(), misses, "nobody was looked up");
    for name in names {
        let told = error(&post(&app, TOKEN, &[], &long(name, 4096)).await);
        assert_eq!(told, "401 invalid_client", "{name}: at the limit it is looked who asks");
    }
    let at_the_limit = format!("{ASKED}&x={}", "a".repeat(3000));
    assert_eq!(client.post(&app, TOKEN, &at_the_limit).await.status, 200);
}

#[tokio::test]
async fn where_too_many_wait_to_be_written_down_the_next_one_is_asked_to_come_again() {
    let (app, client) = with_client().await;
    let writer = Client::new(&app, "writer", json!({BILLS: ["bills:read"]})).await;
    assert_eq!((writer.ask(&app, "").await.status, client.ask(&app, "").await.status), (200, 200), "both are known");
    let realm = app.app.default_realm;
    let mut all: Vec<_> = (0..1024).map(|_| Box::pin(app.app.lanes.enter(realm))).collect();
    // Each takes its place, or stands in line.
    let mut taken = Vec::new();
    for one in &mut all {
        taken.push(one.as_mut().poll(&mut Context::from_waker(Waker::noop())));
    }
    let refused = writer.ask(&app, "").await;
    assert_eq!(error(&refused), "503 temporarily_unavailable");
    assert!(refused.header("retry-after").parse::<u32>().unwrap() >= 1);
    assert_eq!(client.ask(&app, "").await.status, 200, "what writes nothing goes on");
    drop((all, taken));
    assert_eq!(writer.ask(&app, "").await.status, 200);
}

#[tokio::test]
async fn a_realm_has_its_endpoint_at_its_own_place() {
    let (app, client) = with_client().await;
    app.manage("POST", "/v1/realms", json!({"name": "acme"})).await.expect(201);
    let elsewhere = client.post(&app, "/realms/acme/oauth/token", ASKED).await;
    assert_eq!(error(&elsewhere), "401 invalid_client", "ad_01");
    assert!(elsewhere.header("www-authenticate").contains("realm=\"acme\""));
    assert_eq!(client.post(&app, "/realms/nobody/oauth/token", ASKED).await.status, 404);
    let api = json!({"uri": "https://acme.test", "scopes": {"a": ""}});
    app.manage("POST", "/v1/realms/acme/apis", api).await.expect(201);
    let made = json!({"name": "c", "type": "service", "rights": {"https://acme.test": ["a"]}});
    let made = app.manage("POST", "/v1/realms/acme/clients", made).await.expect(201);
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    let own = Client { id: text("id"), secret: text("secret") };
    let told = own.post(&app, "/realms/acme/oauth/token", ASKED).await.expect(200);
    let (_, claims) = super::decode(told["access_token"].as_str().unwrap());
    assert_eq!(claims["iss"], format!("{}/realms/acme", app.url));
    assert_eq!(error(&own.ask(&app, "").await), "401 invalid_client");
}
