//! `/.well-known/jwks.json`.

use admit::signing;
use admit_core::jose::algorithm::Algorithm;
use admit_core::jose::jwk::{KeySet, VerifyingKey};
use admit_core::jose::sign::SIGNING;
use admit_core::signing_key::Purpose;
use serde_json::{Value, json};

use crate::app::{Reply, TestApp};

const JWKS: &str = "/.well-known/jwks.json";

async fn get(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> Reply {
    app.send("GET", path, headers, None).await
}

/// Makes a key of a realm.
async fn sign(app: &TestApp, realm: Option<&str>, purpose: Purpose, algorithm: Algorithm) -> String {
    let policy = app.app.policies.named(&app.app, realm).unwrap().unwrap();
    signing::key(&app.app, &policy, purpose, algorithm, app.app.now()).await.unwrap().kid().to_owned()
}

#[tokio::test]
async fn rfc_7517_a_set_shows_public_members_alone_and_names_each_key() {
    let app = TestApp::new().await;
    for algorithm in SIGNING {
        sign(&app, None, Purpose::Issuer, algorithm).await;
    }
    let set = get(&app, JWKS, &[]).await;
    assert_eq!(set.header("content-type"), "application/jwk-set+json");
    assert_eq!(set.header("access-control-allow-origin"), "*");
    let keys = set.json()["keys"].as_array().unwrap().clone();
    assert_eq!(keys.len(), 4);
    for key in &keys {
        let members: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
        let public = ["alg", "crv", "e", "kid", "kty", "n", "use", "x", "y"];
        assert!(members.iter().all(|member| public.contains(member)), "{members:?}");
        assert_eq!(key["use"], "sig");
        let parsed = VerifyingKey::parse(key).unwrap();
        assert_eq!(parsed.algorithms().map(Algorithm::as_str).collect::<Vec<_>>(), [key["alg"].as_str().unwrap()]);
    }
    assert_eq!(KeySet::parse(set.text.as_bytes()).unwrap().keys().len(), 4, "each name once");
}

#[tokio::test]
async fn rfc_7517_a_set_may_be_kept_as_long_as_no_key_is_missed() {
    let app = TestApp::new().await;
    let kept = async || get(&app, JWKS, &[]).await.header("cache-control");
    assert_eq!(kept().await, "no-cache", "the first key signs at once");
    sign(&app, None, Purpose::Issuer, Algorithm::Es256).await;
    assert_eq!(kept().await, "public, max-age=300");
    let empty = get(&app, "/upstream/.well-known/jwks.json", &[]).await;
    assert_eq!((empty.json(), empty.header("cache-control").as_str()), (json!({"keys": []}), "no-cache"));
}

/// Some applications read the set when they start, and never again.
#[tokio::test]
async fn what_signs_id_tokens_is_published_before_anybody_signs_in() {
    let app = TestApp::new().await;
    let realm = "/v1/realms/default";
    let published = async || {
        let set = get(&app, JWKS, &[]).await.expect(200);
        set["keys"].as_array().unwrap().iter().map(|key| key["alg"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let web = |name: &str, more: Value| {
        let mut client = json!({"name": name, "type": "web", "redirect_uris": ["https://wiki.test/cb"]});
        client.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        client
    };
    let clients = format!("{realm}/clients");
    app.manage("POST", &clients, json!({"name": "job", "type": "service"})).await.expect(201);
    assert!(published().await.is_empty(), "nobody signs in to a service");
    app.manage("POST", &clients, web("wiki", json!({}))).await.expect(201);
    assert_eq!(published().await, ["RS256"]);
    app.manage("POST", &clients, web("mails", json!({}))).await.expect(201);
    assert_eq!(published().await, ["RS256"], "once");
    let change = json!({"id_token_signed_response_alg": "ES256"});
    app.manage("PATCH", &format!("{clients}/mails"), change).await.expect(200);
    assert_eq!(published().await.len(), 2, "changed");
    let document = json!({"client": [web("shop", json!({"id_token_signed_response_alg": "PS256"}))]});
    app.manage("POST", &format!("{realm}/apply"), document).await.expect(200);
    assert_eq!(published().await.len(), 3, "applied");

    let settings = json!({"settings": {"client_registration": true}});
    app.manage("PATCH", realm, settings).await.expect(200);
    let metadata = json!({"redirect_uris": ["https://prints.test/cb"], "id_token_signed_response_alg": "EdDSA"});
    let registrar = json!({"name": "registrar", "api": "urn:admit:realm:default", "scopes": ["clients:register"]});
    let registrar = app.key(registrar).await["key"].as_str().unwrap().to_owned();
    app.manage_as(&registrar, "POST", "/oauth/register", metadata).await.expect(201);
    let mut all = published().await;
    all.sort();
    assert_eq!(all, ["ES256", "EdDSA", "PS256", "RS256"], "registered");
}

#[tokio::test]
async fn a_set_that_is_known_is_not_sent_again() {
    let app = TestApp::new().await;
    sign(&app, None, Purpose::Issuer, Algorithm::Es256).await;
    let first = get(&app, JWKS, &[]).await;
    let tag = first.header("etag");
    let again = get(&app, JWKS, &[("if-none-match", &tag)]).await;
    assert_eq!((again.status, again.text.as_str(), again.header("etag")), (304, "", tag.clone()));
    sign(&app, None, Purpose::Issuer, Algorithm::EdDsa).await;
    let changed = get(&app, JWKS, &[("if-none-match", &tag)]).await;
    assert_eq!((changed.status, changed.json()["keys"].as_array().unwrap().len()), (200, 2));
    assert_ne!(changed.header("etag"), tag);
}

#[tokio::test]
async fn a_document_is_read_and_nothing_else() {
    let app = TestApp::new().await;
    sign(&app, None, Purpose::Issuer, Algorithm::Es256).await;
    let (get, head) = (get(&app, JWKS, &[]).await, app.send("HEAD", JWKS, &[], None).await);
    assert_eq!((head.status, head.text.as_str()), (200, ""));
    for name in ["content-type", "content-length", "cache-control", "etag", "access-control-allow-origin"] {
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let refused = app.send(method, JWKS, &[], None).await;
        assert_eq!((refused.status, refused.header("allow").as_str()), (405, "GET, HEAD, OPTIONS"), "{method}");
    }
    let asked = [("origin", "https://app.test"), ("access-control-request-method", "GET")];
    let preflight = app.send("OPTIONS", JWKS, &asked, None).await;
    assert_eq!((preflight.status, preflight.header("access-control-allow-origin").as_str()), (204, "*"));
    for header in ["x-content-type-options", "referrer-policy", "strict-transport-security"] {
        assert!(!get.header(header).is_empty(), "{header}");
    }
}

#[tokio::test]
async fn realms_and_purposes_have_keys_of_their_own() {
    let app = TestApp::new().await;
    app.manage("POST", "/v1/realms", json!({"name": "acme"})).await.expect(201);
    let ours = sign(&app, None, Purpose::Issuer, Algorithm::Es256).await;
    let upstream = sign(&app, None, Purpose::Upstream, Algorithm::Es256).await;
    let theirs = sign(&app, Some("acme"), Purpose::Issuer, Algorithm::Es256).await;
    for (path, kid) in
        [(JWKS, &ours), ("/upstream/.well-known/jwks.json", &upstream), ("/realms/acme/.well-known/jwks.json", &theirs)]
    {
        let set = get(&app, path, &[]).await.expect(200);
        let kids: Vec<_> = set["keys"].as_array().unwrap().iter().map(|key| &key["kid"]).collect();
        assert_eq!(kids, [&Value::from(kid.as_str())], "{path}");
    }
    for path in ["/realms/nowhere/.well-known/jwks.json", "/realms/default/.well-known/jwks.json"] {
        assert_eq!(get(&app, path, &[]).await.status, 404, "{path}");
    }
}
