//! Applications that register themselves (RFC 7591, RFC 7592).

use admit_core::client::{Client as ClientRow, ClientSpec};
use admit_core::id::ClientId;
use admit_core::secret::SecretHash;
use admit_store::{ClientRegistration, End};
use serde_json::{Value, json};

use super::{Client, REALM, SHOP, TOKEN, events, post, shop};
use crate::app::{Reply, TestApp};

const REGISTER: &str = "/oauth/register";
const API: &str = "urn:admit:realm:default";
const BACK: &str = "https://app.test/cb";

/// The shop, in which applications may register, and the token to do so with.
struct Office {
    app: TestApp,
    initial: String,
}

/// One that registered.
struct Registered {
    path: String,
    token: String,
    told: Value,
}

impl Registered {
    fn id(&self) -> &str {
        self.told["client_id"].as_str().unwrap()
    }

    fn secret(&self) -> &str {
        self.told["client_secret"].as_str().unwrap()
    }
}

impl Office {
    async fn new() -> Self {
        let office = Self::closed().await;
        office.open(json!(true)).await;
        office
    }

    async fn closed() -> Self {
        let app = shop().await;
        let key = app.key(json!({"name": "registrar", "api": API, "scopes": ["clients:register"]})).await;
        Self { app, initial: key["key"].as_str().unwrap().to_owned() }
    }

    async fn open(&self, value: Value) {
        let body = json!({"settings": {"client_registration": value}});
        self.app.manage("PATCH", REALM, body).await.expect(200);
    }

    async fn send(&self, method: &str, path: &str, token: &str, body: Value) -> Reply {
        self.app.manage_as(token, method, path, body).await
    }

    async fn register(&self, metadata: Value) -> Reply {
        self.send("POST", REGISTER, &self.initial, metadata).await
    }

    async fn registered(&self, more: Value) -> Registered {
        let reply = self.register(with(more)).await;
        assert_eq!(reply.header("cache-control"), "no-store", "tk_15");
        let told = reply.expect(201);
        let text = |name: &str| told[name].as_str().unwrap().to_owned();
        let path = text("registration_client_uri").strip_prefix(&self.app.url).unwrap().to_owned();
        Registered { path, token: text("registration_access_token"), told }
    }

    async fn refused(&self, metadata: Value) -> String {
        told(&self.register(metadata).await)
    }

    async fn shown(&self, id: &str) -> Reply {
        self.app.manage("GET", &format!("{REALM}/clients/{id}"), Value::Null).await
    }
}

fn with(more: Value) -> Value {
    let mut whole = json!({"redirect_uris": [BACK], "client_name": "Photo prints"});
    whole.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    whole
}

fn told(reply: &Reply) -> String {
    format!("{} {}", reply.status, reply.json()["error"].as_str().unwrap_or(&reply.text))
}

#[tokio::test]
async fn rfc_7591_an_application_registers_itself_and_is_told_all_that_holds() {
    let office = Office::new().await;
    let one = office.registered(json!({"scope": "openid orders:read", "tos_uri": "https://app.test/terms"})).await;
    for (member, value) in [
        ("client_name", json!("Photo prints")),
        ("grant_types", json!(["authorization_code", "refresh_token"])),
        ("response_types", json!(["code"])),
        ("token_endpoint_auth_method", json!("client_secret_basic")),
        ("scope", json!("openid profile email offline_access orders:read")),
        ("client_secret_expires_at", json!(0)),
        ("tos_uri", json!("https://app.test/terms")),
    ] {
        assert_eq!(one.told[member], value, "{member}");
    }
    assert!(one.token.starts_with("admit_ra_") && one.secret().starts_with("admit_cs_"), "{}", one.told);
    assert!(one.told["client_id_issued_at"].as_i64().unwrap() > 1_700_000_000);
    let shown = office.shown(one.id()).await.expect(200);
    assert_eq!(
        (&shown["dynamic"], &shown["first_party"], &shown["type"]),
        (&json!(true), &json!(false), &json!("web"))
    );
    assert_eq!(shown["rights"], json!({SHOP: ["orders:read"]}));
    // Its secret is good, and opens nothing by itself.
    let client = Client { id: one.id().to_owned(), secret: one.secret().to_owned() };
    let alone = client.post(&office.app, TOKEN, "grant_type=client_credentials").await;
    assert_eq!(told(&alone), "400 unauthorized_client");
    let made = events(&office.app, "client.registered").await;
    assert_eq!((&made[0]["target"], &made[0]["detail"]["name"]), (&json!(one.id()), &json!("Photo prints")));
    assert!(made[0]["actor"].as_str().unwrap().starts_with("key_"), "who gave it the token: {}", made[0]);
}

#[tokio::test]
async fn rfc_7591_6_nobody_registers_without_the_setting_or_without_a_token_for_it() {
    let office = Office::closed().await;
    assert_eq!(office.refused(with(json!({}))).await, "403 access_denied");
    let said = async || office.app.send("GET", "/.well-known/openid-configuration", &[], None).await.expect(200);
    assert_eq!(said().await.get("registration_endpoint"), None, "rfc_8414: only what works");
    office.open(json!(true)).await;
    assert_eq!(said().await["registration_endpoint"], format!("{}{REGISTER}", office.app.url));
    let other = office.app.key(json!({"name": "other", "api": API, "scopes": ["clients:write"]})).await;
    for (token, status) in [
        ("", 401),
        ("admit_xyz", 401),
        (other["key"].as_str().unwrap(), 403),
        (&office.app.shop_key("shop", &["orders:read"]).await, 401),
    ] {
        let reply = match token {
            "" => {
                office.app.send("POST", REGISTER, &[("content-type", "application/json")], Some(b"{}".to_vec())).await
            }
            token => office.send("POST", REGISTER, token, with(json!({}))).await,
        };
        assert_eq!(reply.status, status, "{token}: {}", reply.text);
        let (challenge, body) = (reply.header("www-authenticate"), reply.json());
        assert!(challenge.starts_with("Bearer realm=\"default\""), "{token}: {challenge}");
        let error = match (token, status) {
            ("", _) => None,
            (_, 403) => Some("insufficient_scope"),
            _ => Some("invalid_token"),
        };
        assert_eq!(body["error"].as_str(), error, "{token}: {body}");
        assert_eq!(challenge.contains("error="), error.is_some(), "rfc_6750_3_1 {token}: {challenge}");
        assert_eq!(challenge.contains("scope=\"clients:register\""), status == 403, "{token}: {challenge}");
        assert!(body["error_description"].is_string() && reply.header("content-type") == "application/json", "{body}");
        assert!(!reply.header("admit-request-id").is_empty(), "{token}: admit why finds it");
    }
    let in_query = format!("{REGISTER}?access_token={}", office.initial);
    let json_body = [("content-type", "application/json")];
    assert_eq!(
        office.app.send("POST", &in_query, &json_body, Some(with(json!({})).to_string().into())).await.status,
        401
    );
    office.registered(json!({})).await;
    // A realm's own token is worth nothing in another.
    office.app.manage("POST", "/v1/realms", json!({"name": "acme"})).await.expect(201);
    let acme = json!({"settings": {"client_registration": true}});
    office.app.manage("PATCH", "/v1/realms/acme", acme).await.expect(200);
    let at = format!("/realms/acme{REGISTER}");
    let stranger = office.send("POST", &at, &office.initial, with(json!({}))).await;
    assert_eq!(told(&stranger), "401 invalid_token", "ad_02");
    let nobody = office.app.send("POST", &at, &json_body, Some(b"{}".to_vec())).await;
    for (reply, challenge) in [(stranger, "Bearer realm=\"acme\", error="), (nobody, "Bearer realm=\"acme\"")] {
        let shown = reply.header("www-authenticate");
        assert!(shown.starts_with(challenge), "of the path, whosever the token is: {shown}");
    }
    let key = json!({"name": "r", "api": "urn:admit:realm:acme", "scopes": ["clients:register"]});
    let key = office.app.manage("POST", "/v1/realms/acme/keys", key).await.expect(201);
    let there = office.send("POST", &at, key["key"].as_str().unwrap(), with(json!({}))).await.expect(201);
    assert!(there["registration_client_uri"].as_str().unwrap().contains("/realms/acme/oauth/register/cli_"));
    // Nobody hands out what he has not.
    let issuer = office.app.key(json!({"name": "issuer", "api": API, "scopes": ["keys:write"]})).await;
    let more = json!({"name": "more", "api": API, "scopes": ["clients:register"]});
    let refused = office.app.manage_as(issuer["key"].as_str().unwrap(), "POST", &format!("{REALM}/keys"), more).await;
    assert_eq!(refused.code(), "exceeds_own_rights", "ak_01");
    // Closed again: what is there may be read and ended, and says nothing new.
    let one = office.registered(json!({})).await;
    office.open(Value::Null).await;
    assert_eq!(office.refused(with(json!({}))).await, "403 access_denied");
    office.send("GET", &one.path, &one.token, Value::Null).await.expect(200);
    let change = with(json!({"client_id": one.id()}));
    assert_eq!(told(&office.send("PUT", &one.path, &one.token, change).await), "403 access_denied");
    assert_eq!(office.send("DELETE", &one.path, &one.token, Value::Null).await.status, 204);
}

#[tokio::test]
async fn rfc_7591_3_2_2_what_cannot_be_is_told_in_its_words() {
    let office = Office::new().await;
    for (more, wanted) in [
        (json!({"redirect_uris": []}), "400 invalid_redirect_uri"),
        (json!({"redirect_uris": ["http://app.test/cb"]}), "400 invalid_redirect_uri"),
        (json!({"redirect_uris": ["https://app.test/cb?iss=https://auth.test"]}), "400 invalid_redirect_uri"),
        (json!({"redirect_uris": ["http://localhost/cb"], "application_type": "web"}), "400 invalid_redirect_uri"),
        (json!({"redirect_uris": "https://app.test/cb"}), "400 invalid_client_metadata"),
        (json!({"jwks": {"keys": []}, "jwks_uri": "https://app.test/jwks"}), "400 invalid_client_metadata"),
        (json!({"grant_types": ["client_credentials"]}), "400 invalid_client_metadata"),
        (json!({"response_types": ["token"]}), "400 invalid_client_metadata"),
        (json!({"scope": "keys:write"}), "400 invalid_client_metadata"),
        (json!({"tos_uri": "javascript:alert(1)"}), "400 invalid_client_metadata"),
        (json!({"client_name": "x".repeat(101)}), "400 invalid_client_metadata"),
        (json!({"client_name": "a\u{202e}b"}), "400 invalid_client_metadata"),
    ] {
        assert_eq!(office.refused(with(more.clone())).await, wanted, "ir_12 {more}");
    }
    let bearer = format!("Bearer {}", office.initial);
    for (kind, body, wanted) in [
        ("application/json", "[]", "400 invalid_client_metadata"),
        ("application/json", "{", "400 invalid_client_metadata"),
        ("application/json", r#"{"scope":"a","scope":"b"}"#, "400 invalid_client_metadata"),
        ("text/plain", "{}", "400 invalid_request"),
        ("application/json", &format!("{{\"x\":\"{}\"}}", "x".repeat(70_000)), "400 invalid_request"),
    ] {
        let headers = [("authorization", bearer.as_str()), ("content-type", kind)];
        let reply = office.app.send("POST", REGISTER, &headers, Some(body.as_bytes().to_vec())).await;
        assert_eq!(told(&reply), wanted, "ht_05 {body:.40}");
    }
    for method in ["GET", "PUT", "DELETE"] {
        let reply = office.send(method, REGISTER, &office.initial, Value::Null).await;
        assert_eq!(
            (told(&reply).as_str(), reply.header("allow").as_str()),
            ("405 invalid_request", "POST"),
            "{method}"
        );
    }
    let listed = office.app.manage("GET", &format!("{REALM}/clients?q=Photo"), Value::Null).await.expect(200);
    assert_eq!(listed["items"], json!([]), "nothing was made");
}

#[tokio::test]
async fn rfc_7591_2_what_is_not_known_is_ignored_and_nothing_of_it_is_kept() {
    let office = Office::new().await;
    let one = office
        .registered(
            json!({"first_party": true, "dynamic": false, "roles": ["operator"], "rights": {API: ["keys:write"]},
        "logo_uri": "https://app.test/logo.png", "x": {"y": 1}, "client_name#de": "Fotos"}),
        )
        .await;
    let shown = office.shown(one.id()).await.expect(200);
    assert_eq!((&shown["first_party"], &shown["roles"], &shown["rights"]), (&json!(false), &json!([]), &json!({})));
    for unknown in ["logo_uri", "x", "client_name#de", "first_party", "rights"] {
        assert!(one.told.get(unknown).is_none(), "{unknown}");
    }
    // Two of one name are told apart, and each keeps its own.
    let [second, third] = [office.registered(json!({})).await, office.registered(json!({})).await];
    let name = |one: &Registered| one.told["client_name"].as_str().unwrap().to_owned();
    assert!(name(&second).starts_with("Photo prints (") && name(&second) != name(&third), "{}", name(&second));
    let same = with(json!({"client_id": second.id()}));
    let again = office.send("PUT", &second.path, &second.token, same).await.expect(200);
    assert_eq!(again["client_name"], second.told["client_name"]);
    // Nor does an operator call it his own, or what he made registered.
    let own = json!({"first_party": true});
    let refused = office.app.manage("PATCH", &format!("{REALM}/clients/{}", one.id()), own).await;
    assert!(refused.status == 400 && refused.text.contains("registered itself"), "{}", refused.text);
    for body in [json!({"name": "a", "type": "web", "dynamic": true})] {
        let refused = office.app.manage("POST", &format!("{REALM}/clients"), body).await;
        assert!(refused.status == 400 && refused.text.contains("dynamic"), "{}", refused.text);
    }
    let document = office.app.manage("GET", &format!("{REALM}/export"), Value::Null).await.expect(200);
    assert!(!document.to_string().contains("Photo prints"), "what registers itself stands in no document");
}

#[tokio::test]
async fn ir_09_a_registration_token_is_good_for_its_client_in_the_header_and_while_that_is_there() {
    let office = Office::new().await;
    let [one, two] = [office.registered(json!({})).await, office.registered(json!({})).await];
    let read = office.send("GET", &one.path, &one.token, Value::Null).await.expect(200);
    assert_eq!(read["registration_access_token"], one.token.as_str());
    assert!(read.get("client_secret").is_none(), "nobody knows it any more");
    let nobody = office.app.send("GET", &one.path, &[], None).await;
    let in_query = office.app.send("GET", &format!("{}?access_token={}", one.path, one.token), &[], None).await;
    for reply in [nobody, in_query] {
        assert_eq!((reply.status, reply.json().get("error")), (401, None), "{}", reply.text);
        let challenge = reply.header("www-authenticate");
        assert_eq!(challenge, "Bearer realm=\"default\"", "rfc_6750_3_1: no error where nothing was sent");
    }
    let mut refused = Vec::new();
    let unknown = format!("{REGISTER}/cli_01h2xcejqtf2nbrexx3vqjhp41");
    for (path, token) in [
        (&one.path, two.token.as_str()),
        (&one.path, &office.initial),
        (&one.path, office.app.operator()),
        (&one.path, one.secret()),
        (&one.path, "x"),
        (&unknown, &one.token),
        (&format!("{REGISTER}/x"), &one.token),
    ] {
        for method in ["GET", "DELETE"] {
            refused.push(office.send(method, path, token, Value::Null).await);
        }
    }
    office.app.manage("DELETE", &format!("{REALM}/clients/{}", two.id()), Value::Null).await.expect(204);
    refused.push(office.send("GET", &two.path, &two.token, Value::Null).await);
    assert_eq!(office.send("DELETE", &one.path, &one.token, Value::Null).await.status, 204);
    refused.push(office.send("GET", &one.path, &one.token, Value::Null).await);
    refused.push(office.send("DELETE", &one.path, &one.token, Value::Null).await);
    for reply in &refused {
        assert_eq!((told(reply).as_str(), &reply.text), ("401 invalid_token", &refused[0].text), "one answer for all");
        assert!(reply.header("www-authenticate").contains("invalid_token"));
    }
    // As a bearer elsewhere it is nothing.
    let third = office.registered(json!({})).await;
    assert_eq!(office.send("GET", "/v1/whoami", &third.token, Value::Null).await.status, 401);
}

#[tokio::test]
async fn rfc_7592_2_a_change_is_all_that_the_client_says() {
    let office = Office::new().await;
    let one =
        office.registered(json!({"scope": "orders:read orders:write", "tos_uri": "https://app.test/terms"})).await;
    let id = one.id().to_owned();
    let put = async |more: Value| office.send("PUT", &one.path, &one.token, with(more)).await;
    for (more, what) in [
        (json!({}), "client_id: is missing"),
        (json!({"client_id": "cli_other"}), "client_id: is another"),
        (json!({"client_id": id, "client_secret": "x"}), "client_secret:"),
        (json!({"client_id": id, "client_secret": 7}), "client_secret:"),
        (json!({"client_id": id, "registration_access_token": one.token}), "registration_access_token:"),
        (json!({"client_id": id, "redirect_uris": []}), "redirect_uris:"),
        (json!({"client_id": id, "scope": "bills:read"}), "scope: has bills:read"),
    ] {
        let reply = put(more.clone()).await;
        assert!(reply.status == 400 && reply.text.contains(what), "{more}: {}", reply.text);
    }
    // What an operator adds stays.
    let role = json!({"name": "app", "rights": {}});
    office.app.manage("POST", &format!("{REALM}/roles"), role).await.expect(201);
    let given = json!({"roles": ["app"], "metadata": {"plan": "pro"}, "require_pushed_authorization_requests": true});
    office.app.manage("PATCH", &format!("{REALM}/clients/{id}"), given).await.expect(200);
    let less =
        put(json!({"client_id": id, "client_secret": one.secret(), "scope": "orders:read", "client_name": "Prints"}))
            .await;
    let less = less.expect(200);
    assert_eq!(
        (&less["client_name"], &less["scope"]),
        (&json!("Prints"), &json!("openid profile email offline_access orders:read"))
    );
    assert_eq!(less["require_pushed_authorization_requests"], true, "what an operator demands is not taken back");
    assert!(less.get("tos_uri").is_none() && less.get("client_secret").is_none(), "{less}");
    let shown = office.shown(&id).await.expect(200);
    assert_eq!(
        (&shown["roles"], &shown["metadata"]["plan"], &shown["dynamic"]),
        (&json!(["app"]), &json!("pro"), &json!(true))
    );
    let back = put(json!({"client_id": id, "scope": "orders:read orders:write"})).await;
    assert!(back.status == 400 && back.text.contains("not registered with"), "no way up: {}", back.text);
    // Without a secret, and with a new one.
    put(json!({"client_id": id, "token_endpoint_auth_method": "none"})).await.expect(200);
    assert_eq!(office.shown(&id).await.expect(200)["secrets"], json!([]));
    let with_secret = put(json!({"client_id": id})).await.expect(200);
    assert_ne!(with_secret["client_secret"], one.secret());
    office.app.manage("PATCH", &format!("{REALM}/clients/{id}"), json!({"disabled": true})).await.expect(200);
    assert_eq!(told(&put(json!({"client_id": id})).await), "403 access_denied");
}

#[tokio::test]
async fn rfc_7591_6_registrations_are_counted() {
    let office = Office::new().await;
    let mut late = 0;
    for _ in 0..30 {
        let reply = office.register(with(json!({}))).await;
        late += usize::from(reply.status == 429);
        assert!(matches!(reply.status, 201 | 429), "{}", reply.text);
    }
    assert!((5..=12).contains(&late), "{late}");
}

#[tokio::test]
async fn rfc_7591_3_2_2_a_realm_that_has_as_many_as_it_may_says_so_in_its_words() {
    let office = Office::new().await;
    let first = office.registered(json!({})).await;
    let (realm, id) = (office.app.app.default_realm, first.id().parse().unwrap());
    let fill = move |tx: &mut admit_store::Tx<'_>| {
        let client = tx.find_client(realm, id)?.unwrap();
        for number in 1..10_000_u128 {
            let id = ClientId::from_bytes(number.to_be_bytes());
            let name = format!("copy {number}").parse().unwrap();
            let copy = ClientRow { id, spec: ClientSpec { name, ..client.spec.clone() }, ..client.clone() };
            tx.insert_client(&copy)?;
            let hash = SecretHash(std::array::from_fn(|at| id.bytes()[at % 16]));
            let registered_by = "a test".to_owned();
            let (lookup_key, created_at) = (1, client.created_at);
            tx.insert_client_registration(&ClientRegistration {
                client: id,
                realm,
                hash,
                lookup_key,
                registered_by,
                created_at,
            })?;
        }
        Ok(End::Commit(()))
    };
    office.app.app.store.write(fill).await.unwrap();
    let full = office.register(with(json!({}))).await;
    assert_eq!(told(&full), "403 access_denied");
    let said = full.json()["error_description"].as_str().unwrap().to_owned();
    assert!(said.contains("10000 clients") && said.contains("admit client delete"), "{said}");
    office.send("DELETE", &first.path, &first.token, Value::Null).await.expect(204);
    office.register(with(json!({}))).await.expect(201);
}

#[tokio::test]
async fn a_registered_device_begins_to_wait_and_ends_with_its_registration() {
    let office = Office::new().await;
    let grants = json!(["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"]);
    let tv = json!({"client_name": "Television", "grant_types": grants, "scope": "orders:read"});
    let told = office.register(tv).await.expect(201);
    assert_eq!((&told["token_endpoint_auth_method"], &told["response_types"]), (&json!("none"), &json!([])));
    assert!(told.get("client_secret").is_none());
    let form = format!("client_id={}&scope=openid+orders:read", told["client_id"].as_str().unwrap());
    post(&office.app, "/oauth/device", &[], &form).await.expect(200);
    let path = told["registration_client_uri"].as_str().unwrap().strip_prefix(&office.app.url).unwrap().to_owned();
    let token = told["registration_access_token"].as_str().unwrap();
    assert_eq!(office.send("DELETE", &path, token, Value::Null).await.status, 204);
    assert_eq!(post(&office.app, "/oauth/device", &[], &form).await.status, 401);
}
