//! Requests that are pushed before (RFC 9126).

use admit_core::form::REQUEST_MAX;
use admit_core::time::Span;
use serde_json::json;

use super::*;

const URN: &str = "urn:ietf:params:oauth:request_uri:";

impl World {
    async fn push(&self, more: &[(&str, &str)]) -> Reply {
        let basic = self.basic();
        super::super::post(&self.app, "/oauth/par", &[("authorization", &basic)], &self.query(more)).await
    }

    async fn pushed(&self, more: &[(&str, &str)]) -> String {
        self.push(more).await.expect(201)["request_uri"].as_str().unwrap().to_owned()
    }

    fn by(&self, request_uri: &str) -> String {
        format!("/oauth/authorize?{}", encode(&[("client_id", &self.client), ("request_uri", request_uri)]))
    }
}

#[tokio::test]
async fn rfc_9126_what_is_pushed_is_asked_once() {
    let world = World::new().await;
    let reply = world.push(&[]).await;
    assert_eq!((reply.status, reply.header("cache-control").as_str()), (201, "no-store"), "{}", reply.text);
    assert_eq!(reply.json()["expires_in"], 90);
    let uri = reply.json()["request_uri"].as_str().unwrap().to_owned();
    assert!(uri.starts_with(&format!("{URN}admit_pr_")), "{uri}");
    let mut alice = world.alice().await;
    let consent = alice.get(&world.by(&uri)).await.header("location");
    assert!(consent.starts_with("/consent?flow="), "{consent}");
    is_page(&alice.get(&world.by(&uri)).await, "This request is over");
    assert_eq!(alice.get(&consent).await.status, 200, "who began with it goes on");
    let flow = alice.value("flow");
    let allow = [("flow", flow.as_str()), ("decision", "allow"), ("scope:orders:read", "on")];
    let back = told(&alice.submit("/consent", &allow).await);
    assert_eq!(back["state"], "s t&");
    assert_eq!(world.redeem(&back["code"], VERIFIER).await.status, 200);
    is_page(&alice.get(&consent).await, "This sign-in is over");
}

#[tokio::test]
async fn az_22_what_was_pushed_is_answered_by_a_no_as_well() {
    let world = World::new().await;
    let mut alice = world.alice().await;
    for said in [[("decision", "deny"), ("scope:orders:read", "on")], [("decision", "allow"), ("unticked", "x")]] {
        let uri = world.pushed(&[("scope", "orders:read")]).await;
        let consent = alice.get(&world.by(&uri)).await.header("location");
        alice.get(&consent).await;
        let flow = alice.value("flow");
        let no = [("flow", flow.as_str()), said[0], said[1]];
        assert_eq!(error(&alice.submit("/consent", &no).await), "access_denied");
        let back = [("flow", flow.as_str()), ("decision", "allow"), ("scope:orders:read", "on")];
        is_page(&alice.submit("/consent", &back).await, "This sign-in is over");
        is_page(&alice.get(&consent).await, "This sign-in is over");
    }
}

#[tokio::test]
async fn az_22_only_what_its_client_pushed_a_moment_ago_is_good() {
    let world = World::new().await;
    let mut alice = world.alice().await;
    let other = json!({"name": "Other", "type": "web", "redirect_uris": [CALLBACK]});
    let other = world.app.manage("POST", "/v1/realms/default/clients", other).await.expect(201);
    let uri = world.pushed(&[]).await;
    let by_other = encode(&[("client_id", other["id"].as_str().unwrap()), ("request_uri", &uri)]);
    is_page(&alice.get(&format!("/oauth/authorize?{by_other}")).await, "This request is over");
    is_page(
        &alice.get(&format!("/oauth/authorize?{}", encode(&[("request_uri", &uri)]))).await,
        "This request is over",
    );
    let beside = format!("{}&{}", world.by(&uri), encode(&[("scope", "x"), ("redirect_uri", "https://evil.test/")]));
    let used = alice.get(&beside).await.header("location");
    assert!(used.starts_with("/consent?flow="), "what stands beside it counts for nothing: {used}");
    for guess in [String::new(), "1".to_owned(), admit_core::secret::write("admit_pr", &[7; 32]).expose().to_owned()] {
        is_page(&alice.get(&world.by(&format!("{URN}{guess}"))).await, "This request is over");
    }
    let late = world.pushed(&[]).await;
    world.app.clock.advance(Span::seconds(90));
    is_page(&alice.get(&world.by(&late)).await, "This request is over");
}

#[tokio::test]
async fn az_20_az_22_rfc_9101_two_requests_in_one_are_none() {
    let world = World::new().await;
    let mut alice = world.alice().await;
    let uri = world.pushed(&[]).await;
    for request in ["request=e30.e30.", "request=e30.e30.&request=e30.e30."] {
        let both = format!("{}&{request}", world.by(&uri));
        let told = world.app.send("GET", &both, &[], None).await;
        assert_eq!((told.status, told.code().as_str()), (400, "invalid_request"), "{}", told.text);
        is_page(&alice.get(&both).await, "That cannot be done");
    }
    let alone = alice.get(&world.by(&uri)).await.header("location");
    assert!(alone.starts_with("/consent?flow="), "nothing was used up: {alone}");
}

#[tokio::test]
async fn az_20_a_request_uri_that_is_none_is_not_blamed_on_the_address() {
    let world = World::new().await;
    let mut alice = world.alice().await;
    let [one, two] = [world.pushed(&[]).await, world.pushed(&[]).await];
    let doubled = format!("{}&{}", world.by(&one), encode(&[("request_uri", &two)]));
    for address in [world.by("https://wiki.test/request"), world.by("urn:x"), doubled] {
        let address = format!("{address}&scope=openid");
        let told = world.app.send("GET", &address, &[], None).await;
        assert_eq!((told.status, told.code().as_str()), (400, "invalid_request"), "{}", told.text);
        assert!(told.text.contains("request_uri"), "{}", told.text);
        is_page(&alice.get(&address).await, "That cannot be done");
    }
}

#[tokio::test]
async fn az_22_who_only_looks_uses_nothing_up() {
    let world = World::new().await;
    let mut alice = world.alice().await;
    let uri = world.pushed(&[]).await;
    let looked = alice.send("HEAD", &world.by(&uri), &[], None).await;
    assert_eq!((looked.status, looked.header("allow").as_str()), (405, "GET, POST"), "{}", looked.text);
    let asked = alice.get(&world.by(&uri)).await.header("location");
    assert!(asked.starts_with("/consent?flow="), "it is as good as before: {asked}");
}

#[tokio::test]
async fn rfc_9126_2_3_a_request_that_is_too_long_is_told_so() {
    let world = World::new().await;
    let pushed = async |path: &str, bytes: usize| {
        let form = format!("x={}", "x".repeat(bytes - 2));
        let basic = world.basic();
        let reply = super::super::post(&world.app, path, &[("authorization", &basic)], &form).await;
        (reply.status, reply.json()["error"].clone(), reply.json()["error_description"].to_string())
    };
    for (path, bytes, status) in
        [("/oauth/par", REQUEST_MAX, 400), ("/oauth/par", REQUEST_MAX + 1, 413), ("/oauth/token", REQUEST_MAX + 1, 400)]
    {
        let (told, error, why) = pushed(path, bytes).await;
        assert_eq!((told, error), (status, json!("invalid_request")), "{path} {bytes}: {why}");
        assert_eq!(why.contains("The body may have at most"), bytes > REQUEST_MAX, "{path} {bytes}: {why}");
    }
}

#[tokio::test]
async fn az_20_az_22_az_23_az_27_what_cannot_be_asked_is_not_kept() {
    let world = World::with(json!({"require_pushed_authorization_requests": true})).await;
    let refused = async |more: &[(&str, &str)]| super::super::error(&world.push(more).await);
    for (name, value, what) in [
        ("redirect_uri", "https://evil.test/", "400 invalid_request"),
        ("redirect_uri", "", "400 invalid_request"),
        ("request_uri", "urn:ietf:params:oauth:request_uri:x", "400 invalid_request"),
        ("request", "e30.e30.", "400 request_not_supported"),
        ("authorization_details", "[]", "400 invalid_authorization_details"),
        ("scope", "x", "400 invalid_scope"),
        ("code_challenge_method", "plain", "400 invalid_request"),
        ("response_type", "token", "400 unsupported_response_type"),
        ("resource", "https://other.test", "400 invalid_target"),
        ("client_id", "cli_other", "400 invalid_request"),
    ] {
        assert_eq!(refused(&[(name, value)]).await, what, "{name}={value}");
    }
    let bare = super::super::post(&world.app, "/oauth/par", &[], &world.query(&[])).await;
    assert_eq!(super::super::error(&bare), "401 invalid_client");
    let get = world.app.send("GET", "/oauth/par", &[], None).await;
    assert_eq!((get.status, get.header("allow").contains("POST")), (405, true));
    let mut alice = world.alice().await;
    assert_eq!(error(&alice.get(&world.address(&[])).await), "invalid_request", "az_23");
    let pushed = alice.get(&world.by(&world.pushed(&[]).await)).await;
    assert!(pushed.header("location").starts_with("/consent?flow="));
}

#[tokio::test]
async fn az_31_nothing_that_was_pushed_is_seen_in_the_browser() {
    let world = World::new().await;
    let nonce = "n-0S6_WzA2Mj";
    let uri = world.pushed(&[("nonce", nonce), ("state", "af0ifjsldkj"), ("login_hint", "ann@example.com")]).await;
    let mut alice = Person::new(&world.app);
    let login = alice.get(&world.by(&uri)).await;
    let page = alice.get(&login.header("location")).await;
    assert!(page.text.contains("value=\"\" autocomplete=\"username\""), "filled in with nothing: {}", page.text);
    let flow = alice.value("flow");
    let fields = [("identifier", ALICE), ("password", world.password.as_str()), ("flow", &flow)];
    let signed_in = alice.submit("/login", &fields).await;
    let consent = alice.get(&signed_in.header("location")).await;
    let cookies = format!("{:?}", alice.cookies);
    for text in [&login.header("location"), &page.text, &signed_in.header("location"), &consent.text, &cookies] {
        for value in [nonce, "af0ifjsldkj", "ann@example.com", CHALLENGE, CALLBACK] {
            assert!(!text.contains(value), "{value}: {text}");
        }
    }
    assert!(flow.len() < 400, "what travels is only where it is kept: {}", flow.len());
}

#[tokio::test]
async fn whoever_only_says_who_he_is_pushes_so_many_and_no_more() {
    let world = World::with(json!({"type": "spa"})).await;
    let push = async || super::super::post(&world.app, "/oauth/par", &[], &world.query(&[])).await;
    let mut pushed = 0;
    let refused = loop {
        let reply = push().await;
        if reply.status != 201 {
            break reply;
        }
        pushed += 1;
        assert!(pushed < 120, "nobody counts");
    };
    // One a second comes back while they are sent.
    assert!(pushed >= 60, "{pushed}");
    assert_eq!((refused.status, refused.json()["error"].as_str()), (429, Some("slow_down")));
    assert!(!refused.header("retry-after").is_empty());
}
