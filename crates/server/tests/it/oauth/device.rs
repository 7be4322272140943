//! The device flow (RFC 8628): a television, and Alice with a browser beside it.

use admit_core::time::Span;
use serde_json::{Value, json};

use super::{BILLS, Client, REALM, SHOP, TOKEN, error, events, post, shop};
use crate::app::{Reply, TestApp};
use crate::browser::Tab;
use crate::pages::person::Person;

const PASSWORD: &str = "quiet harbours keep their lamps";
const BEGIN: &str = "/oauth/device";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
const SCOPE: &str = "openid+offline_access+orders:read";

/// The shop with Alice, who may read orders, and a television.
struct Room {
    app: TestApp,
    tv: Client,
}

/// What the television was given to wait with.
struct Codes {
    device: String,
    user: String,
    told: Value,
}

impl Room {
    async fn new() -> Self {
        let app = shop().await;
        let role = json!({"name": "buyer", "rights": {SHOP: ["orders:read"]}});
        app.manage("POST", &format!("{REALM}/roles"), role).await.expect(201);
        let alice = json!({"name": "alice", "password": PASSWORD, "roles": ["buyer"]});
        app.manage("POST", &format!("{REALM}/users"), alice).await.expect(201);
        let tv = Self::device(&app, "Television").await;
        Self { app, tv }
    }

    async fn device(app: &TestApp, name: &str) -> Client {
        let rights = json!({SHOP: ["orders:read", "orders:write"], BILLS: ["bills:read"]});
        Client::of(app, json!({"name": name, "type": "device", "rights": rights})).await
    }

    async fn ask(&self, more: &str) -> Reply {
        post(&self.app, BEGIN, &[], &format!("client_id={}{more}", self.tv.id)).await
    }

    async fn begin(&self) -> Codes {
        self.begin_for(SCOPE).await
    }

    async fn begin_for(&self, scope: &str) -> Codes {
        let told = self.ask(&format!("&scope={scope}")).await.expect(200);
        let text = |name: &str| told[name].as_str().unwrap().to_owned();
        Codes { device: text("device_code"), user: text("user_code"), told }
    }

    async fn poll_as(&self, client: &Client, code: &str) -> Reply {
        let form = format!("grant_type={GRANT}&device_code={code}&client_id={}", client.id);
        post(&self.app, TOKEN, &[], &form).await
    }

    async fn poll(&self, codes: &Codes) -> Reply {
        self.poll_as(&self.tv, &codes.device).await
    }

    async fn error(&self, codes: &Codes) -> String {
        error(&self.poll(codes).await)
    }

    async fn alice(&self) -> Person<'_> {
        let mut alice = Person::new(&self.app);
        assert_eq!(alice.sign_in("alice", PASSWORD).await.status, 303);
        alice
    }

    async fn why(&self) -> Vec<String> {
        let refused = events(&self.app, "token.refused").await;
        refused.iter().map(|event| event["reason"].as_str().unwrap().to_owned()).collect()
    }

    /// Types a code and answers what is asked.
    async fn answer(&self, alice: &mut Person<'_>, typed: &str, answer: &str) -> Reply {
        assert_eq!(alice.get("/device").await.status, 200);
        let shown = alice.submit("/device", &[("code", typed)]).await;
        assert_eq!(shown.status, 200, "{}", shown.text);
        let (seen, code) = (alice.value("seen"), alice.value("code"));
        alice.submit("/device", &[("code", &code), ("seen", &seen), ("answer", answer)]).await
    }
}

#[tokio::test]
async fn rfc_8628_a_device_gets_its_tokens_once_somebody_has_said_yes() {
    let room = Room::new().await;
    let codes = room.begin().await;
    let at = format!("{}/device", room.app.url);
    assert_eq!(codes.told["verification_uri"], at);
    assert_eq!(codes.told["verification_uri_complete"], format!("{at}?user_code={}", codes.user));
    assert_eq!((&codes.told["expires_in"], &codes.told["interval"]), (&json!(600), &json!(5)));
    assert!(codes.device.starts_with("admit_dc_") && codes.user.len() == 9, "{}", codes.told);
    assert_eq!(room.error(&codes).await, "400 authorization_pending");
    let mut alice = room.alice().await;
    let done = room.answer(&mut alice, &codes.user.to_lowercase().replace('-', " "), "allow").await;
    assert!(done.status == 200 && done.text.contains("Your device is connected"), "{}", done.text);
    let given = room.poll(&codes).await.expect(200);
    assert_eq!(given["scope"], "offline_access openid orders:read");
    assert!(given["refresh_token"].is_string() && given["id_token"].is_string(), "{given}");
    let token = given["access_token"].as_str().unwrap();
    assert_eq!(room.app.ask("GET", "/orders/1", Some(token)).await.status, 200);
    let form = format!(
        "grant_type=refresh_token&refresh_token={}&client_id={}",
        given["refresh_token"].as_str().unwrap(),
        room.tv.id
    );
    post(&room.app, TOKEN, &[], &form).await.expect(200);
    let told = events(&room.app, "device.approved").await;
    assert_eq!(told[0]["detail"]["scopes"], json!(["offline_access", "openid", "orders:read"]));
    assert_eq!(told[0]["target"], room.tv.id);
}

#[tokio::test]
async fn dv_02_what_a_device_hears_while_it_waits_and_afterwards() {
    let room = Room::new().await;
    let wait = |seconds: i64| room.app.clock.advance(Span::seconds(seconds));
    let codes = room.begin().await;
    assert_eq!(room.error(&codes).await, "400 authorization_pending");
    assert_eq!(room.error(&codes).await, "400 slow_down", "rfc_8628_3_5");
    wait(5);
    assert_eq!(room.error(&codes).await, "400 slow_down", "ten seconds from now on");
    wait(10);
    assert_eq!(room.error(&codes).await, "400 authorization_pending", "fifteen were over");
    wait(15);
    assert_eq!(room.error(&codes).await, "400 authorization_pending", "kept");
    wait(6);
    assert_eq!(room.error(&codes).await, "400 slow_down", "kept");
    wait(600);
    assert_eq!(room.error(&codes).await, "400 expired_token");

    let (codes, mut alice) = (room.begin().await, room.alice().await);
    let denied = room.answer(&mut alice, &codes.user, "deny").await;
    assert!(denied.text.contains("turned away"), "{}", denied.text);
    assert_eq!(room.error(&codes).await, "400 access_denied");
    assert_eq!(room.error(&codes).await, "400 access_denied", "however often");

    let codes = room.begin().await;
    room.answer(&mut alice, &codes.user, "allow").await;
    let given = room.poll(&codes).await.expect(200);
    let token = given["access_token"].as_str().unwrap();
    assert_eq!(room.app.ask("GET", "/orders/1", Some(token)).await.status, 200);
    assert_eq!(room.error(&codes).await, "400 invalid_grant", "good once");
    assert_eq!(room.app.ask("GET", "/orders/1", Some(token)).await.status, 401, "and two had it: what it led to ended");
    assert_eq!(events(&room.app, "device_code.replayed").await.len(), 1);
    assert_eq!(room.why().await, ["device_code_expired", "device_denied", "device_denied", "device_code_replayed"]);
}

#[tokio::test]
async fn dv_05_a_code_is_its_client_s_and_nobody_else_uses_it_up() {
    let room = Room::new().await;
    let (other, codes) = (Room::device(&room.app, "Radio").await, room.begin().await);
    let mut alice = room.alice().await;
    room.answer(&mut alice, &codes.user, "allow").await;
    assert_eq!(error(&room.poll_as(&other, &codes.device).await), "400 invalid_grant");
    assert_eq!(room.why().await, ["device_code_of_other_client"]);
    let service = Client::new(&room.app, "billing", json!({SHOP: ["orders:read"]})).await;
    let refused = service.post(&room.app, TOKEN, &format!("grant_type={GRANT}&device_code={}", codes.device)).await;
    assert_eq!(error(&refused), "400 unauthorized_client");
    room.poll(&codes).await.expect(200);
    for bad in ["", "&device_code=x", "&device_code=admit_dc_x", &format!("&device_code={}x", codes.device)] {
        let form = format!("grant_type={GRANT}&client_id={}{bad}", room.tv.id);
        let want = if bad.is_empty() { "400 invalid_request" } else { "400 invalid_grant" };
        assert_eq!(error(&post(&room.app, TOKEN, &[], &form).await), want, "{bad}");
    }
}

#[tokio::test]
async fn rfc_8628_3_1_who_may_begin_and_for_what() {
    let room = Room::new().await;
    for (more, wanted) in [
        ("", "400 invalid_target"),
        ("&scope=nothing", "400 invalid_scope"),
        ("&scope=openid&authorization_details=[]", "400 invalid_authorization_details"),
        ("&scope=orders:read&resource=https://nowhere.test", "400 invalid_target"),
        ("&scope=bills:read&resource=https://api.shop.test", "400 invalid_scope"),
    ] {
        assert_eq!(error(&room.ask(more).await), wanted, "{more}");
    }
    room.ask(&format!("&scope=bills:read&resource={BILLS}")).await.expect(200);
    room.ask(&format!("&resource={BILLS}")).await.expect(200);
    let web = json!({"name": "web", "type": "web", "redirect_uris": ["https://app.test/cb"]});
    let web = Client::of(&room.app, web).await;
    assert_eq!(error(&web.post(&room.app, BEGIN, "scope=openid").await), "400 unauthorized_client");
    assert_eq!(error(&post(&room.app, BEGIN, &[], "scope=openid").await), "401 invalid_client");
    assert_eq!(room.app.send("GET", BEGIN, &[], None).await.status, 405);
    let mut refused = 0;
    for _ in 0..40 {
        refused += usize::from(room.ask("&scope=openid").await.status == 429);
    }
    assert!((5..=20).contains(&refused), "each that begins is a row, and they are counted: {refused}");
    room.app.manage("PATCH", &format!("{REALM}/clients/Television"), json!({"disabled": true})).await.expect(200);
    assert_eq!(error(&room.ask("&scope=openid").await), "401 invalid_client");
}

#[tokio::test]
async fn dv_04_a_link_with_the_code_shows_whose_device_it_is_and_asks_for_the_code() {
    let room = Room::new().await;
    let codes = room.begin().await;
    let mut alice = Person::new(&room.app);
    let complete = format!("/device?user_code={}", codes.user);
    let sent = alice.get(&complete).await;
    let who = format!("/login?for=device&user_code={}", codes.user);
    assert_eq!((sent.status, sent.header("location")), (303, who.clone()), "who is it?");
    alice.get(&who).await;
    let (purpose, code) = (alice.value("for"), alice.value("user_code"));
    let fields = [("identifier", "alice"), ("password", PASSWORD), ("for", &*purpose), ("user_code", &*code)];
    assert_eq!(alice.submit("/login", &fields).await.header("location"), complete, "the link is not lost on the way");
    assert_eq!(alice.get(&who).await.header("location"), complete, "nor for who is signed in");
    let shown = alice.get(&complete).await;
    for said in ["Television", "127.0.0.1", "Read orders", "go on when you have signed out", "on a device of yours?"] {
        assert!(shown.text.contains(said), "{said}: {}", shown.text);
    }
    assert!(!shown.text.contains(&codes.user), "it has to be read off the device");
    let seen = alice.value("seen");
    let unread = alice.submit("/device", &[("seen", &seen), ("code", ""), ("answer", "allow")]).await;
    assert_eq!(unread.status, 422);
    assert_eq!(room.error(&codes).await, "400 authorization_pending");
    // The code of another device says nothing of this one.
    let other = room.begin().await;
    alice.get(&complete).await;
    let crossed = alice.submit("/device", &[("seen", &seen), ("code", &other.user), ("answer", "allow")]).await;
    assert!(crossed.status == 200 && crossed.text.contains("Is this your device?"), "{}", crossed.text);
    room.app.clock.advance(Span::seconds(5));
    assert_eq!((room.error(&codes).await, room.error(&other).await), twice("400 authorization_pending"));
    alice.get(&complete).await;
    let done = alice.submit("/device", &[("seen", &seen), ("code", &codes.user), ("answer", "allow")]).await;
    assert!(done.text.contains("Your device is connected"), "{}", done.text);
    room.poll(&codes).await.expect(200);
    // Nothing is remembered: the next one asks again.
    let next = room.begin().await;
    assert!(alice.get(&format!("/device?user_code={}", next.user)).await.text.contains("Is this your device?"));
    assert_eq!(room.error(&next).await, "400 authorization_pending");
}

fn twice(text: &str) -> (String, String) {
    (text.to_owned(), text.to_owned())
}

#[tokio::test]
async fn dv_04_only_the_form_of_this_browser_says_yes() {
    let room = Room::new().await;
    let codes = room.begin().await;
    let mut alice = room.alice().await;
    alice.get("/device").await;
    alice.submit("/device", &[("code", &codes.user)]).await;
    let (seen, token, origin) = (alice.value("seen"), alice.token(), room.app.url.clone());
    let form = |token: &str| {
        crate::pages::person::encode(&[("csrf", token), ("code", &codes.user), ("seen", &seen), ("answer", "allow")])
    };
    let forged = alice.send("POST", "/device", &[("origin", &origin)], Some(form("x"))).await;
    let foreign = alice.send("POST", "/device", &[("origin", "https://evil.test")], Some(form(&token))).await;
    assert_eq!((forged.status, foreign.status), (403, 403));
    let mut mallory = Person::new(&room.app);
    mallory.get("/login").await;
    let nobody = mallory.submit("/device", &[("code", &codes.user), ("seen", &seen), ("answer", "allow")]).await;
    assert_eq!(
        (nobody.status, nobody.header("location")),
        (303, format!("/login?for=device&user_code={}", codes.user))
    );
    for (code, left) in [("%22%3E%3Cb%3E", "/device"), ("BCDFGHJK", "/device?user_code=BCDF-GHJK")] {
        alice.get("/device").await;
        let named = alice.get(&format!("/login?for=device&user_code={code}")).await;
        assert_eq!((named.status, named.header("location").as_str()), (303, left), "a code or nothing");
    }
    let elsewhere = alice.get("/login?for=account&user_code=BCDFGHJK").await;
    assert_eq!(elsewhere.header("location"), "/account");
    assert_eq!(room.error(&codes).await, "400 authorization_pending");
}

#[tokio::test]
async fn pw_01_every_code_that_is_no_good_is_told_alike() {
    let room = Room::new().await;
    let mut alice = room.alice().await;
    let [denied, used, over] = [room.begin().await, room.begin().await, room.begin().await];
    room.answer(&mut alice, &denied.user, "deny").await;
    room.answer(&mut alice, &used.user, "allow").await;
    room.poll(&used).await.expect(200);
    room.app.clock.advance(Span::minutes(10));
    let mut pages = Vec::new();
    for code in ["BCDF-GHJK", "x", "", &denied.user, &used.user, &over.user] {
        alice.get("/device").await;
        let reply = alice.submit("/device", &[("code", code)]).await;
        pages.push((reply.status, crate::pages::person::without_tokens(&reply.text)));
    }
    assert!(pages.iter().all(|page| *page == pages[0]), "{pages:?}");
    assert!(pages[0].0 == 422 && pages[0].1.contains("There is no such code"), "{:?}", pages[0]);
}

#[tokio::test]
async fn dv_01_guesses_are_few_for_a_person_for_a_network_and_for_the_realm() {
    let room = Room::new().await;
    let codes = room.begin().await;
    let mut tried = 0;
    let mut alice = room.alice().await;
    alice.get("/device").await;
    for number in 0..200 {
        let ip = format!("198.51.{number}.1");
        let (token, origin) = (alice.token(), room.app.url.clone());
        let form = crate::pages::person::encode(&[("csrf", &token), ("code", "BCDF-GHJK")]);
        let reply = alice.send("POST", "/device", &[("origin", &origin), ("x-forwarded-for", &ip)], Some(form)).await;
        match reply.status {
            422 => tried += 1,
            429 => assert!(!reply.header("retry-after").is_empty() && reply.text.contains("Too many attempts")),
            other => panic!("{other}: {}", reply.text),
        }
    }
    assert!((10..=15).contains(&tried), "one person, from wherever: {tried}");
    let right = alice.get(&format!("/device?user_code={}", codes.user)).await;
    assert_eq!(right.status, 429, "a right one too: else it would tell");
    let guess = async |name: String, ip: String| {
        let mut person = Person::new(&room.app);
        person.sign_in(&name, PASSWORD).await;
        let (mut tried, mut refused) = (0, 0);
        for _ in 0..12 {
            let reply = person.send("GET", "/device?user_code=BCDF-GHJK", &[("x-forwarded-for", &ip)], None).await;
            match reply.status {
                422 => tried += 1,
                429 => refused += 1,
                other => panic!("{other}: {}", reply.text),
            }
        }
        (tried, refused)
    };
    let mut all = 0;
    for number in 0..16 {
        let name = format!("mallory{number}");
        let user = json!({"name": name, "password": PASSWORD});
        room.app.manage("POST", &format!("{REALM}/users"), user).await.expect(201);
        // The first four are of one network.
        let ip = if number < 4 { "192.0.2.1".to_owned() } else { format!("203.0.{number}.1") };
        let (tried, refused) = guess(name, ip).await;
        assert_eq!(tried + refused, 12);
        if number == 3 {
            assert!(all < 40 && tried < 10, "one network, whoever it is: {all} and {tried}");
        }
        all += tried;
    }
    assert!((60..=160).contains(&all), "the realm has had enough of it: {all}");
    room.app.clock.advance(Span::minutes(10));
    assert_eq!(alice.get("/device?user_code=BCDF-GHJK").await.status, 422, "it is over");
}

#[tokio::test]
async fn tk_16_who_was_switched_off_since_gives_nothing() {
    let room = Room::new().await;
    for (path, change) in
        [("users/alice", json!({"disabled": true})), ("clients/Television", json!({"disabled": true}))]
    {
        let codes = room.begin().await;
        let mut alice = room.alice().await;
        room.answer(&mut alice, &codes.user, "allow").await;
        room.app.manage("PATCH", &format!("{REALM}/{path}"), change).await.expect(200);
        let wanted = if path.starts_with("users") { "400 invalid_grant" } else { "401 invalid_client" };
        assert_eq!(room.error(&codes).await, wanted, "{path}");
        room.app.manage("PATCH", &format!("{REALM}/{path}"), json!({"disabled": false})).await.expect(200);
    }
    // Nor does who signed out.
    let (codes, mut alice) = (room.begin_for("openid").await, room.alice().await);
    room.answer(&mut alice, &codes.user, "allow").await;
    alice.get("/logout").await;
    alice.submit("/logout", &[]).await;
    assert_eq!(room.error(&codes).await, "400 invalid_grant");
}

#[tokio::test]
async fn tk_11_what_was_confirmed_and_is_not_fetched_goes_with_what_its_person_or_an_operator_takes_back() {
    let room = Room::new().await;
    let mut alice = room.alice().await;
    let [first, waiting, other] = [room.begin().await, room.begin().await, room.begin().await];
    let radio = Room::device(&room.app, "Radio").await;
    for codes in [&first, &waiting] {
        room.answer(&mut alice, &codes.user, "allow").await;
    }
    room.poll(&first).await.expect(200);
    for (client, left) in [(&radio.id, 404), (&room.tv.id, 303)] {
        alice.get("/account").await;
        assert_eq!(alice.submit("/account/apps/revoke", &[("client", client)]).await.status, left);
    }
    assert_eq!(room.error(&waiting).await, "400 invalid_grant");
    assert_eq!(room.error(&other).await, "400 authorization_pending", "nobody has said anything of it");
    room.answer(&mut alice, &other.user, "allow").await;
    room.app.clock.advance(Span::seconds(5));
    let path = format!("{REALM}/clients/{}/revoke-all", room.tv.id);
    room.app.manage("POST", &path, json!({})).await.expect(200);
    assert_eq!(room.error(&other).await, "400 expired_token");
}

#[tokio::test]
async fn what_goes_on_when_somebody_is_away_needs_a_sign_in_of_now_and_nobody_gives_what_he_has_not() {
    let room = Room::new().await;
    let mut alice = room.alice().await;
    room.app.clock.advance(Span::minutes(6));
    let codes = room.begin_for("offline_access+orders:read+orders:write").await;
    let again = room.answer(&mut alice, &codes.user, "allow").await;
    let who = format!("/login?for=device-again&user_code={}", codes.user);
    assert_eq!((again.status, again.header("location")), (303, who.clone()));
    assert!(alice.get(&who).await.text.contains("show once more"), "asked again");
    let fields = [
        ("identifier", "alice"),
        ("password", PASSWORD),
        ("for", "device-again"),
        ("user_code", &alice.value("user_code")),
    ];
    let signed = alice.submit("/login", &fields).await;
    assert_eq!(signed.header("location"), format!("/device?user_code={}", codes.user));
    room.answer(&mut alice, &codes.user, "allow").await;
    assert_eq!(room.poll(&codes).await.expect(200)["scope"], "offline_access orders:read", "she may not write herself");
    let codes = room.begin_for("orders:write").await;
    let nothing = room.answer(&mut alice, &codes.user, "allow").await;
    assert!(nothing.text.contains("You may do nothing of what the device asks for"), "{}", nothing.text);
    assert_eq!(room.error(&codes).await, "400 authorization_pending");
}

#[tokio::test(flavor = "multi_thread")]
async fn alice_connects_her_television_in_the_browser() {
    let room = Room::new().await;
    let (codes, other) = (room.begin().await, room.begin().await);
    let at = |path: &str| format!("{}{path}", room.app.url);
    let mut tab = Tab::open().await;
    tab.go(&at("/device")).await;
    tab.fill("#identifier", "alice").await;
    tab.fill("#password", PASSWORD).await;
    tab.click("#login").await;
    assert_eq!(tab.url().await, at("/device"));
    tab.inspect("device").await;
    tab.expect(&at("/device"), 422);
    tab.fill("#code", "BCDF-GHJK").await;
    tab.click("#device-code").await;
    assert!(tab.text("#error").await.contains("There is no such code"));
    tab.inspect("device-unknown").await;
    tab.fill("#code", &codes.user.to_lowercase()).await;
    tab.press("Enter").await;
    tab.loaded().await;
    assert_eq!(tab.text("h1").await, "Is this your device?");
    tab.inspect("device-confirm").await;
    tab.click("#device-confirm").await;
    tab.inspect("device-connected").await;
    room.poll(&codes).await.expect(200);
    tab.go(&at(&format!("/device?user_code={}", other.user))).await;
    tab.inspect("device-link").await;
    tab.click("#device-deny").await;
    assert_eq!(tab.text("h1").await, "The device is turned away");
}
