//! Signing in on protected hosts: the trip to the issuer and back, and a session that is good at one host only.

use admit::login::session::{self, SignedIn, Why};
use admit::login::site;
use admit_core::check::code::Reason;
use admit_core::login::site::Trip;
use admit_core::time::Span;
use serde_json::{Value, json};

use super::{Shop, cookie_of};
use crate::app::Reply;

/// What a browser on `host` keeps.
struct Browser<'s> {
    shop: &'s Shop,
    host: &'static str,
    cookies: Vec<(String, String)>,
}

impl<'s> Browser<'s> {
    fn new(shop: &'s Shop, host: &'static str) -> Self {
        Self { shop, host, cookies: Vec::new() }
    }

    fn cookie(&self) -> String {
        self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    fn keep(&mut self, reply: &Reply) {
        for line in reply.headers.get_all("set-cookie") {
            let (name, rest) = line.to_str().unwrap().split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            self.cookies.retain(|(known, _)| known != name);
            if !rest.contains("Max-Age=0;") {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
    }

    /// Goes to a page of the host, through a gateway on this machine.
    async fn go(&mut self, path: &str) -> Reply {
        self.go_with(path, &[("sec-fetch-mode", "navigate"), ("sec-fetch-site", "none")]).await
    }

    async fn go_with(&mut self, path: &str, more: &[(&str, &str)]) -> Reply {
        let host = format!("{}:8080", self.host);
        let cookie = self.cookie();
        let mut headers = vec![
            ("x-forwarded-method", "GET"),
            ("x-forwarded-uri", path),
            ("x-forwarded-host", host.as_str()),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-for", "127.0.0.1"),
            ("cookie", cookie.as_str()),
        ];
        headers.extend(more);
        let reply = self.shop.app.send("GET", "/check/forward", &headers, None).await;
        self.keep(&reply);
        reply
    }

    /// Goes to one of Admit's own pages on the host.
    async fn own(&mut self, path: &str, site: &str) -> Reply {
        let host = format!("{}:8080", self.host);
        let cookie = self.cookie();
        let headers = [
            ("x-forwarded-host", host.as_str()),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-for", "127.0.0.1"),
            ("cookie", cookie.as_str()),
            ("sec-fetch-site", site),
        ];
        let reply = self.shop.app.send("GET", path, &headers, None).await;
        self.keep(&reply);
        reply
    }

    /// The whole trip to a page.
    async fn sign_in(&mut self, path: &str, signed_in: &SignedIn) -> Reply {
        let refused = self.go(path).await;
        let trip = self.shop.arrive(&state_of(&refused)).unwrap();
        let callback = self.shop.hand_off(signed_in, &trip).await;
        self.own(&callback, "cross-site").await
    }
}

impl Shop {
    async fn with_sites() -> (Self, SignedIn, admit::login::session::Begun) {
        let shop = Self::new().await;
        for host in ["shop.test", "other.test"] {
            let rule = json!({"name": host, "match": {"host": host, "path": "/**"}, "require": {"authenticated": true}, "login": true});
            shop.app.rule(rule).await;
        }
        let begun = shop.begin(None).await;
        let signed_in = shop.of_request(&cookie_of(&begun)).unwrap();
        (shop, signed_in, begun)
    }

    fn arrive(&self, state: &str) -> Option<Trip> {
        let app = &self.app.app;
        site::arrive(app, &app.policies.named(app, None).unwrap().unwrap(), state, app.now())
    }

    /// Path and query of the address that the browser is sent to.
    async fn hand_off(&self, signed_in: &SignedIn, trip: &Trip) -> String {
        let app = &self.app.app;
        let realm = app.policies.named(app, None).unwrap().unwrap();
        let url = site::hand_off(app, &realm, signed_in, trip, app.now()).await.unwrap();
        url.strip_prefix(&trip.origin()).unwrap().to_owned()
    }
}

fn state_of(refused: &Reply) -> String {
    let login = refused.header("admit-login");
    login.split_once("/login?state=").unwrap_or_else(|| panic!("{} {login:?}", refused.status)).1.to_owned()
}

#[tokio::test]
async fn a_person_is_led_to_the_issuer_and_back_to_where_he_wanted_to_go() {
    let (shop, signed_in, _) = Shop::with_sites().await;
    let mut browser = Browser::new(&shop, "shop.test");
    let refused = browser.go("/orders/1?page=2").await;
    assert_eq!((refused.status, refused.code().as_str()), (401, "missing_credential"));
    let login = refused.header("admit-login");
    assert!(
        login.starts_with(&format!("{}/login?state=", shop.app.url)),
        "the issuer's address from configuration: {login}"
    );
    assert!(login.len() < 3 * 1024 + 100 && !login.contains("page"), "{login}");
    let trip = shop.arrive(&state_of(&refused)).unwrap();
    assert_eq!((trip.origin().as_str(), trip.path.as_str()), ("http://shop.test:8080", "/orders/1?page=2"));
    let callback = shop.hand_off(&signed_in, &trip).await;
    assert!(callback.starts_with("/.admit/callback?code=admit_ho_"), "{callback}");
    let back = browser.own(&callback, "cross-site").await;
    assert_eq!((back.status, back.header("location").as_str()), (303, "/orders/1?page=2"), "{}", back.text);
    let admitted = browser.go("/orders/1?page=2").await;
    assert_eq!((admitted.status, admitted.header("admit-name").as_str()), (200, "alice"), "{}", admitted.text);
    assert_eq!(admitted.header("admit-acr"), "urn:admit:aal1");
    assert_eq!(admitted.header("admit-upstream-cookie"), "", "the application sees none of it");
    let listed = shop.app.manage("GET", "/v1/realms/default/sessions?user=alice", Value::Null).await.expect(200);
    let site = &listed["items"][1];
    assert_eq!((&site["kind"], &site["host"]), (&json!("site"), &json!("shop.test")));
    assert_eq!(site["parent"], json!(signed_in.grant.to_string()));
    let far = browser.go(&format!("/orders/{}?{}", "a".repeat(1500), "b".repeat(1500))).await;
    assert_eq!(far.status, 200);
}

#[tokio::test]
async fn se_03_over_tls_every_cookie_is_bound_to_its_host() {
    let (shop, signed_in, _) = Shop::with_sites().await;
    let gateway =
        [("x-forwarded-host", "shop.test"), ("x-forwarded-proto", "https"), ("x-forwarded-for", "203.0.113.9")];
    let asked = [("x-forwarded-method", "GET"), ("x-forwarded-uri", "/orders/1"), ("sec-fetch-mode", "navigate")];
    let refused = shop.app.send("GET", "/check/forward", &[&gateway[..], &asked[..]].concat(), None).await;
    let trip = shop.arrive(&state_of(&refused)).unwrap();
    assert_eq!(trip.origin(), "https://shop.test");
    let before = refused.header("set-cookie");
    let cookie = [("cookie", before.split(';').next().unwrap())];
    let callback = shop.hand_off(&signed_in, &trip).await;
    let back = shop.app.send("GET", &callback, &[&gateway[..], &cookie[..]].concat(), None).await;
    assert_eq!(back.status, 303, "{}", back.text);
    let set: Vec<_> = back.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect();
    assert_eq!(set.len(), 2);
    for line in set.into_iter().chain([before.as_str()]) {
        assert!(line.starts_with("__Host-admit-site"), "{line}");
        let (_, rest) = line.split_once("; ").unwrap();
        let rest: Vec<_> = rest.split("; ").filter(|part| !part.starts_with("Max-Age=")).collect();
        assert_eq!(rest, ["Path=/", "HttpOnly", "SameSite=Lax", "Secure"], "{line}");
    }
}

#[tokio::test]
async fn only_who_goes_to_a_page_is_led_away() {
    let (shop, ..) = Shop::with_sites().await;
    let mut browser = Browser::new(&shop, "shop.test");
    for more in [&[("sec-fetch-mode", "cors"), ("accept", "text/html")][..], &[("accept", "application/json")], &[]] {
        let refused = browser.go_with("/orders/1", more).await;
        assert_eq!((refused.status, refused.header("admit-login")), (401, String::new()), "{more:?}");
    }
    assert!(!browser.go_with("/orders/1", &[("accept", "text/html")]).await.header("admit-login").is_empty());
    let unknown = admit_core::secret::write("admit", &[3; 32]);
    let bearer = format!("Bearer {}", unknown.expose());
    let refused = browser.go_with("/orders/1", &[("sec-fetch-mode", "navigate"), ("authorization", &bearer)]).await;
    assert_eq!((refused.code().as_str(), refused.header("admit-login")), ("invalid_credential", String::new()));
    let mut elsewhere = Browser::new(&shop, "127.0.0.1");
    let refused = elsewhere.go("/orders/1").await;
    assert_eq!((refused.status, refused.header("admit-login")), (401, String::new()), "no rule says so there");
}

#[tokio::test]
async fn a_host_s_cookie_is_good_at_that_host_and_nowhere_else() {
    let (shop, signed_in, _) = Shop::with_sites().await;
    let mut browser = Browser::new(&shop, "shop.test");
    browser.sign_in("/orders/1", &signed_in).await;
    assert_eq!(browser.go("/orders/1").await.status, 200);
    let (name, value) = browser.cookies.iter().find(|(name, _)| name == "admit-site.default").unwrap().clone();
    let mut thief = Browser::new(&shop, "other.test");
    thief.cookies = vec![(name, value.clone())];
    assert_eq!(thief.go("/orders/1").await.status, 401);
    assert_eq!(shop.passed(), Some(Reason::OtherHost));
    for name in ["admit-site.default", "admit.default"] {
        let cookie = format!("{name}={value}");
        assert_eq!(shop.ask("GET", &cookie).await.status, 401, "{name}: not at the issuer's host");
        assert!(shop.of_request(&cookie).is_none(), "{name}: on none of the issuer's pages");
        for path in ["/v1/whoami", "/v1/realms/default/users"] {
            let reply = shop.app.send("GET", path, &[("cookie", &cookie)], None).await;
            assert_eq!((reply.status, reply.code().as_str()), (401, "missing_credential"), "{name} {path}");
        }
    }
    assert_eq!(browser.go("/orders/1").await.status, 200, "nothing of it hurt its person");
}

#[tokio::test]
async fn a_host_s_session_dies_with_the_one_that_it_grew_from() {
    let (shop, signed_in, begun) = Shop::with_sites().await;
    let mut here = Browser::new(&shop, "shop.test");
    let mut there = Browser::new(&shop, "other.test");
    here.sign_in("/orders/1", &signed_in).await;
    there.sign_in("/orders/1", &signed_in).await;
    assert_eq!((here.go("/").await.status, there.go("/").await.status), (200, 200));
    shop.app.clock.advance(Span::days(6));
    assert_eq!(here.go("/").await.status, 200);
    admit::jobs::activity::write(&shop.app.app).await;
    shop.app.clock.advance(Span::days(6));
    assert_eq!(there.go("/").await.status, 200, "work on one host keeps all of it alive");
    let (app, realm, now) = (&shop.app.app, shop.realm().id, shop.app.app.now());
    session::end(app, realm, shop.alice, begun.grant, Why::SignedOut, now).await.unwrap();
    assert_eq!((here.go("/").await.status, there.go("/").await.status), (401, 401));
    assert_eq!(shop.passed(), Some(Reason::ParentEnded));
}

#[tokio::test]
async fn what_is_handed_on_is_good_once_for_its_browser_host_and_time() {
    let (shop, signed_in, _) = Shop::with_sites().await;
    let mut browser = Browser::new(&shop, "shop.test");
    let trip = shop.arrive(&state_of(&browser.go("/orders/1").await)).unwrap();
    let code = shop.hand_off(&signed_in, &trip).await;
    let has_session = |reply: &Reply| reply.header("set-cookie").starts_with("admit-site.default=");

    let mut stranger = Browser::new(&shop, "shop.test");
    assert_eq!(stranger.own(&code, "cross-site").await.status, 400, "without the cookie of before");
    stranger.go("/orders/1").await;
    let again = stranger.own(&code, "cross-site").await;
    assert_eq!((again.status, again.header("location").as_str()), (303, "/orders/1"), "begun in another window");
    assert!(!has_session(&again), "a code that somebody else was given signs nobody in");
    let mut elsewhere = Browser::new(&shop, "other.test");
    elsewhere.cookies = browser.cookies.clone();
    assert_eq!(elsewhere.own(&code, "cross-site").await.status, 400, "on another host");
    let before = browser.cookies.clone();
    assert!(has_session(&browser.own(&code, "cross-site").await), "tries of others used nothing up");
    browser.cookies = before;
    assert_eq!(browser.own(&code, "cross-site").await.status, 400, "once");
    for bad in ["", "?code=", "?code=x", "?code=admit_ho_x"] {
        assert_eq!(browser.own(&format!("/.admit/callback{bad}"), "cross-site").await.status, 400, "{bad}");
    }
    let late = shop.hand_off(&signed_in, &trip).await;
    shop.app.clock.advance(Span::seconds(30));
    assert_eq!(browser.own(&late, "cross-site").await.status, 400, "30 seconds are over");
    let orphan = shop.hand_off(&signed_in, &trip).await;
    let (app, now) = (&shop.app.app, shop.app.app.now());
    session::end(app, shop.realm().id, shop.alice, signed_in.grant, Why::SignedOut, now).await.unwrap();
    assert_eq!(browser.own(&orphan, "cross-site").await.status, 400, "who signed out meanwhile is not signed in");
}

#[tokio::test]
async fn what_travels_in_the_address_is_sealed_and_short_lived() {
    let (shop, ..) = Shop::with_sites().await;
    let mut browser = Browser::new(&shop, "shop.test");
    let state = state_of(&browser.go("/orders/1").await);
    assert!(shop.arrive(&state).is_some());
    let mut changed = state.clone().into_bytes();
    let middle = changed.len() / 2;
    changed[middle] = if changed[middle] == b'A' { b'B' } else { b'A' };
    for bad in [String::from_utf8(changed).unwrap(), state[1..].to_owned(), String::new(), "x".repeat(4000)] {
        assert!(shop.arrive(&bad).is_none(), "{bad:.40}");
    }
    let operators = shop.app.app.policies.named(&shop.app.app, Some("operators")).unwrap().unwrap();
    assert!(site::arrive(&shop.app.app, &operators, &state, shop.app.app.now()).is_none(), "another realm");
    let rules = shop.app.manage("GET", "/v1/realms/default/rules", Value::Null).await.expect(200);
    let rule = rules["items"].as_array().unwrap().iter().find(|rule| rule["name"] == "shop.test").unwrap().clone();
    shop.app.clock.advance(Span::minutes(10));
    assert!(shop.arrive(&state).is_none(), "10 minutes are over");
    let fresh = state_of(&browser.go("/orders/1").await);
    assert!(shop.arrive(&fresh).is_some());
    shop.app
        .manage("DELETE", &format!("/v1/realms/default/rules/{}", rule["id"].as_str().unwrap()), Value::Null)
        .await
        .expect(204);
    assert!(shop.arrive(&fresh).is_none(), "nobody signs in at that host any more");
}

#[tokio::test]
async fn the_third_trip_in_a_row_is_told_to_be_a_loop() {
    let (shop, signed_in, _) = Shop::with_sites().await;
    let mut browser = Browser::new(&shop, "shop.test");
    for round in 0..3 {
        let trip = shop.arrive(&state_of(&browser.go("/orders/1").await)).unwrap();
        assert_eq!((trip.rounds, trip.is_loop()), (round, round == 2));
        let callback = shop.hand_off(&signed_in, &trip).await;
        assert_eq!(browser.own(&callback, "cross-site").await.status, 303);
        // As if the browser did not keep it.
        browser.cookies.retain(|(name, _)| name != "admit-site.default");
    }
    shop.app.clock.advance(Span::minutes(2));
    let trip = shop.arrive(&state_of(&browser.go("/orders/1").await)).unwrap();
    assert!(!trip.is_loop());
}

#[tokio::test]
async fn signing_out_on_a_host_ends_its_session_on_the_browser_s_own_word() {
    let (shop, signed_in, begun) = Shop::with_sites().await;
    let mut browser = Browser::new(&shop, "shop.test");
    browser.sign_in("/orders/1", &signed_in).await;
    let before = browser.cookies.clone();
    for site in ["cross-site", "same-site"] {
        let refused = browser.own("/.admit/logout", site).await;
        assert_eq!((refused.status, refused.code().as_str()), (403, "cross_site"), "{site}");
    }
    assert_eq!(browser.go("/").await.status, 200);
    let left = browser.own("/.admit/logout", "same-origin").await;
    assert_eq!((left.status, left.header("location")), (303, format!("{}/logout", shop.app.url)));
    assert!(browser.cookies.iter().all(|(name, _)| name != "admit-site.default"), "the cookie is gone");
    browser.cookies = before;
    assert_eq!(browser.go("/").await.status, 401, "and so is what it proved");
    assert!(shop.of_request(&cookie_of(&begun)).is_some(), "at the issuer one is still signed in");
    let events = shop.app.manage("GET", "/v1/realms/default/events?kind=session.ended", Value::Null).await.expect(200);
    let detail = &events["items"][0]["detail"];
    assert_eq!((&detail["why"], &detail["host"]), (&json!("signed_out"), &json!("shop.test")));
}

#[tokio::test]
async fn the_pages_on_protected_hosts_are_asked_for_by_gateways_only() {
    let (shop, ..) = Shop::with_sites().await;
    let direct = shop.app.send("GET", "/.admit/callback?code=x", &[], None).await;
    assert_eq!((direct.status, direct.code().as_str()), (400, "malformed_request"));
    let nowhere =
        shop.app.send("GET", "/realms/nowhere/.admit/callback", &[("x-forwarded-host", "shop.test")], None).await;
    assert_eq!((nowhere.status, nowhere.code().as_str()), (404, "not_found"));
}
