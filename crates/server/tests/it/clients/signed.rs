//! private_key_jwt: what a client signs, and the keys that it publishes.

use std::net::IpAddr;
use std::sync::LazyLock;
use std::time::Duration;

use admit::outbound::Failed;
use admit_core::client::AuthMethod;
use admit_core::jose::algorithm::Algorithm;
use admit_core::jose::sign::{SigningKey, generate};
use admit_core::oauth::ErrorCode;
use admit_core::oauth::client_auth::JWT_BEARER;
use admit_core::outbound::Target;
use admit_core::time::Span;
use http::HeaderMap;
use serde_json::{Value, json};

use super::publisher::{Publisher, Said};
use super::{AWAY, CLIENTS, HOME, basic, by_form, made, shown, told};
use crate::app::TestApp;

fn key(algorithm: Algorithm) -> SigningKey {
    SigningKey::parse(algorithm, &generate(algorithm).unwrap()).unwrap()
}

static ONE: LazyLock<SigningKey> = LazyLock::new(|| key(Algorithm::Es256));
static OTHER: LazyLock<SigningKey> = LazyLock::new(|| key(Algorithm::EdDsa));

fn set(keys: &[&SigningKey]) -> Value {
    json!({ "keys": keys.iter().map(|key| key.public_jwk()).collect::<Vec<_>>() })
}

/// A client with these keys, or with the address of them: its id.
async fn signer(app: &TestApp, keys: Value) -> String {
    named(app, "signer", keys).await
}

async fn named(app: &TestApp, name: &str, keys: Value) -> String {
    let mut client = json!({"name": name, "type": "service", "token_endpoint_auth_method": "private_key_jwt"});
    match keys {
        Value::String(uri) => client["jwks_uri"] = uri.into(),
        keys => client["jwks"] = keys,
    }
    made(app, client).await["id"].as_str().unwrap().to_owned()
}

/// What the client says of itself for the next minute.
fn claims(app: &TestApp, id: &str, jti: &str) -> Value {
    let now = app.app.now().unix_ms() / 1_000;
    json!({"iss": id, "sub": id, "aud": app.app.config.load().public_url, "exp": now + 60, "iat": now, "jti": jti})
}

fn form(assertion: &str) -> String {
    format!("client_assertion_type={}&client_assertion={assertion}", JWT_BEARER.replace(':', "%3A"))
}

/// What comes of an assertion.
async fn show(app: &TestApp, key: &SigningKey, claims: &Value) -> String {
    by_form(app, &form(&key.sign("JWT", claims).unwrap())).await
}

#[tokio::test]
async fn what_a_client_signed_proves_it_with_or_without_its_name() {
    let app = TestApp::new().await;
    let id = signer(&app, set(&[&ONE, &OTHER])).await;
    let signed = |jti: &str| form(&ONE.sign("client-authentication+jwt", &claims(&app, &id, jti)).unwrap());
    let caller = shown(&app, &HeaderMap::new(), &signed("1"), HOME).await.ok().unwrap();
    assert_eq!((caller.method, caller.client.client.id.to_string()), (AuthMethod::PrivateKeyJwt, id.clone()));
    assert_eq!(by_form(&app, &format!("{}&client_id={id}", signed("2"))).await, "signer");
    let other = "cli_01hzzzzzzzzzzzzzzzzzzzzzzz";
    assert_eq!(by_form(&app, &format!("{}&client_id={other}", signed("3"))).await, "invalid_client");
    assert_eq!(show(&app, &OTHER, &claims(&app, &id, "4")).await, "signer", "any of its keys");
    assert_eq!(by_form(&app, &format!("client_id={id}")).await, "invalid_client", "its name alone is not enough");
    app.manage("PATCH", &format!("{CLIENTS}/signer"), json!({"disabled": true})).await.expect(200);
    assert_eq!(show(&app, &ONE, &claims(&app, &id, "5")).await, "invalid_client");
}

#[tokio::test]
async fn rfc_7523_tk_02_what_is_not_for_us_now_proves_nothing() {
    let app = TestApp::new().await;
    let id = signer(&app, set(&[&ONE])).await;
    let (issuer, now) = (app.app.config.load().public_url.clone(), app.app.now().unix_ms() / 1_000);
    for (name, value) in [
        ("aud", json!(format!("{issuer}/oauth/token"))),
        ("aud", json!([issuer.clone(), "https://evil.test"])),
        ("aud", json!("https://evil.test/oauth/token")),
        ("sub", json!("cli_01hzzzzzzzzzzzzzzzzzzzzzzz")),
        ("exp", json!(now + 86_400)),
        ("exp", json!(now - 60)),
        ("exp", Value::Null),
        ("jti", Value::Null),
    ] {
        let mut claims = claims(&app, &id, "x");
        claims[name] = value.clone();
        assert_eq!(show(&app, &ONE, &claims).await, "invalid_client", "{name} {value}");
    }
    assert_eq!(show(&app, &OTHER, &claims(&app, &id, "x")).await, "invalid_client", "a key that is not registered");
    let typed = form(&ONE.sign("at+jwt", &claims(&app, &id, "x")).unwrap());
    assert_eq!(by_form(&app, &typed).await, "invalid_client", "rfc_7523_7");
    for garbage in ["a", "a.b.c", "..", "e30.e30.AA", &"x".repeat(10_000)] {
        assert_eq!(by_form(&app, &form(garbage)).await, "invalid_client", "jwt_16");
    }
    assert_eq!(show(&app, &ONE, &claims(&app, &id, "x")).await, "signer", "none of them had spent it");
}

#[tokio::test]
async fn rfc_7523_4_tk_02_it_is_good_once_also_over_a_restart() {
    let app = TestApp::new().await;
    let id = signer(&app, set(&[&ONE])).await;
    // A server that is started again has another port and so, here, another issuer: it must be said.
    let mut claims = claims(&app, &id, "once");
    let realm = json!({"host": "auth.shop.test"});
    app.manage("PATCH", "/v1/realms/default", realm).await.expect(200);
    claims["aud"] = json!("https://auth.shop.test");
    let text = form(&ONE.sign("JWT", &claims).unwrap());
    assert_eq!(by_form(&app, &text).await, "signer");
    assert_eq!(by_form(&app, &text).await, "invalid_client", "replayed");
    let again = form(&ONE.sign("client-authentication+jwt", &claims).unwrap());
    assert_eq!(by_form(&app, &again).await, "invalid_client", "jwt_10: the name is spent, not the spelling");
    let folder = app.stop().await;
    let app = TestApp::in_folder(folder, "").await;
    assert_eq!(by_form(&app, &text).await, "invalid_client", "replayed after a restart");
    claims["jti"] = json!("twice");
    assert_eq!(show(&app, &ONE, &claims).await, "signer");
}

#[tokio::test]
async fn tk_02_of_many_who_show_one_at_once_one_is_heard() {
    let app = TestApp::new().await;
    let id = signer(&app, set(&[&ONE])).await;
    let text = form(&ONE.sign("JWT", &claims(&app, &id, "x")).unwrap());
    let all = futures_util::future::join_all((0..20).map(|_| by_form(&app, &text))).await;
    assert_eq!(all.iter().filter(|told| *told == "signer").count(), 1, "{all:?}");
}

#[tokio::test]
async fn tk_17_a_right_signature_passes_whatever_is_sent_in_its_name() {
    let app = TestApp::new().await;
    let id = signer(&app, set(&[&ONE])).await;
    let forged = form(&OTHER.sign("JWT", &claims(&app, &id, "f")).unwrap());
    let (none, secret) = (HeaderMap::new(), basic(&id, "admit_cs_wrong"));
    // The last of them stands for connections whose address is not known.
    for ip in [HOME, AWAY, ""] {
        for (kind, headers, text) in [("a secret", &secret, ""), ("another's key", &none, forged.as_str())] {
            let mut last = String::new();
            for _ in 0..100 {
                last = told(shown(&app, headers, text, ip).await);
            }
            assert_eq!(last, "slow_down", "{kind} from {ip:?}");
            let right = form(&ONE.sign("JWT", &claims(&app, &id, &format!("{kind} {ip}"))).unwrap());
            assert_eq!(told(shown(&app, &none, &right, ip).await), "signer", "after {kind} from {ip:?}");
            assert_eq!(told(shown(&app, &none, &right, ip).await), "slow_down", "replayed, it is one more wrong one");
        }
    }
}

#[tokio::test]
async fn keys_are_fetched_when_they_are_needed_and_kept_as_long_as_they_say() {
    let app = TestApp::new().await;
    let host = Publisher::start(Said::ok(&set(&[&ONE]).to_string()).with("Cache-Control: max-age=120")).await;
    host.introduce(&app);
    let id = signer(&app, json!(host.uri())).await;
    let good = async |key: &SigningKey, jti: &str| show(&app, key, &claims(&app, &id, jti)).await;
    assert_eq!((good(&ONE, "1").await.as_str(), good(&ONE, "2").await.as_str(), host.asked()), ("signer", "signer", 1));
    let request = host.request.lock().unwrap().to_ascii_lowercase();
    assert!(request.starts_with("get /jwks http/1.1\r\n") && request.contains("host: keys.test:"), "{request}");
    assert!(!request.contains("authorization") && !request.contains("cookie"), "{request}");

    // A new key is found though the old set is fresh, after a short while.
    host.say(Said::ok(&set(&[&ONE, &OTHER]).to_string()));
    assert_eq!((good(&OTHER, "3").await.as_str(), host.asked()), ("invalid_client", 1), "asked a moment ago");
    app.clock.advance(Span::seconds(10));
    assert_eq!((good(&OTHER, "4").await.as_str(), host.asked()), ("signer", 2));
    app.clock.advance(Span::minutes(4));
    assert_eq!((good(&ONE, "5").await.as_str(), host.asked()), ("signer", 2), "five minutes where nothing is said");
    app.clock.advance(Span::minutes(2));
    host.say(Said::ok(&set(&[&OTHER]).to_string()));
    assert_eq!((good(&ONE, "6").await.as_str(), host.asked()), ("invalid_client", 3), "taken back by the client");
    assert_eq!(good(&OTHER, "7").await, "signer");

    // A host that is away for a moment is not the end; for long it is.
    app.clock.advance(Span::minutes(6));
    host.say(Said { head: "HTTP/1.1 503 Away\r\n".to_owned(), ..Said::ok("") });
    assert_eq!((good(&OTHER, "8").await.as_str(), host.asked()), ("signer", 4));
    assert_eq!(good(&ONE, "9").await, "temporarily_unavailable", "published since, for all that is known");
    app.clock.advance(Span::minutes(5));
    assert_eq!(good(&OTHER, "10").await, "temporarily_unavailable");
}

#[tokio::test]
async fn tk_17_what_nobody_can_judge_is_no_wrong_guess() {
    let app = TestApp::new().await;
    let host = Publisher::start(Said::status("500 Broken")).await;
    host.introduce(&app);
    let id = signer(&app, json!(host.uri())).await;
    for number in 0..100 {
        let text = form(&ONE.sign("JWT", &claims(&app, &id, &format!("{number}"))).unwrap());
        let refused = shown(&app, &HeaderMap::new(), &text, HOME).await.err().unwrap();
        let wait = refused.retry_after_s.unwrap();
        assert_eq!((refused.code, (1..=10).contains(&wait)), (ErrorCode::TemporarilyUnavailable, true), "{wait}");
    }
    assert_eq!(host.asked(), 1, "asked a moment ago");
    let text = format!("grant_type=client_credentials&{}", form(&ONE.sign("JWT", &claims(&app, &id, "t")).unwrap()));
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let told = app.send("POST", "/oauth/token", &headers, Some(text.into_bytes())).await;
    assert_eq!((told.status, told.json()["error"].as_str()), (503, Some("temporarily_unavailable")));
    assert!(told.header("retry-after").parse::<u32>().is_ok_and(|wait| (1..=10).contains(&wait)));

    host.say(Said::ok(&set(&[&ONE]).to_string()));
    app.clock.advance(Span::seconds(10));
    assert_eq!(show(&app, &ONE, &claims(&app, &id, "late")).await, "signer");
    admit::jobs::sign_in::write(&app.app).await;
    let path = "/v1/realms/default/events?kind=client.refused";
    assert_eq!(app.manage("GET", path, Value::Null).await.json()["items"], json!([]), "nobody was refused");
    assert_eq!(show(&app, &OTHER, &claims(&app, &id, "x")).await, "invalid_client", "wrong where it can be judged");
}

#[tokio::test]
async fn jwt_22_names_of_unknown_keys_make_no_flood_of_requests() {
    let app = TestApp::new().await;
    let host = Publisher::start(Said::ok(&set(&[&ONE]).to_string())).await;
    host.introduce(&app);
    let id = signer(&app, json!(host.uri())).await;
    assert_eq!(show(&app, &ONE, &claims(&app, &id, "0")).await, "signer");
    app.clock.advance(Span::seconds(10));
    let strange = form(&OTHER.sign("JWT", &claims(&app, &id, "x")).unwrap());
    let (headers, valid) = (HeaderMap::new(), claims(&app, &id, "1"));
    let flood = futures_util::future::join_all((0..100).map(|_| shown(&app, &headers, &strange, AWAY)));
    let (flood, good) = tokio::join!(flood, show(&app, &ONE, &valid));
    assert!(flood.into_iter().all(|one| ["invalid_client", "slow_down"].contains(&told(one).as_str())));
    assert_eq!((good.as_str(), host.asked()), ("signer", 2), "once for all of them, and valid ones go on");

    // Where the host is away they learn nothing and hinder nobody, and are wrong again when it is back.
    app.clock.advance(Span::seconds(10));
    host.say(Said::status("500 Broken"));
    for _ in 0..100 {
        assert_eq!(by_form(&app, &strange).await, "temporarily_unavailable");
    }
    assert_eq!((show(&app, &ONE, &claims(&app, &id, "2")).await.as_str(), host.asked()), ("signer", 3));
    app.clock.advance(Span::seconds(10));
    host.say(Said::ok(&set(&[&ONE]).to_string()));
    assert_eq!((by_form(&app, &strange).await.as_str(), host.asked()), ("invalid_client", 4));
    assert_eq!((by_form(&app, &strange).await.as_str(), host.asked()), ("invalid_client", 4), "asked a moment ago");
}

#[tokio::test]
async fn keys_that_are_on_their_way_arrive_though_nobody_waits_for_them_any_more() {
    let app = TestApp::new().await;
    let slow = Said { after: Duration::from_millis(300), ..Said::ok(&set(&[&ONE]).to_string()) };
    let host = Publisher::start(slow).await;
    host.introduce(&app);
    let id = signer(&app, json!(host.uri())).await;
    let text = form(&ONE.sign("JWT", &claims(&app, &id, "1")).unwrap());
    let left = tokio::time::timeout(Duration::from_millis(50), by_form(&app, &text)).await;
    assert!(left.is_err(), "the client went away");
    let waits = show(&app, &ONE, &claims(&app, &id, "2")).await;
    assert_eq!((waits.as_str(), host.asked()), ("signer", 1), "asked once, and for all");
}

#[tokio::test]
async fn where_there_was_no_place_to_ask_it_may_be_asked_again_at_once() {
    let app = TestApp::new().await;
    let slow = Said { after: Duration::from_millis(500), ..Said::ok(&set(&[&ONE]).to_string()) };
    let host = Publisher::start(slow).await;
    host.introduce(&app);
    let of = async |name: &str| named(&app, name, json!(format!("{}?{name}", host.uri()))).await;
    let others = [of("a").await, of("b").await, of("c").await, of("d").await];
    let last = of("e").await;
    let shown = others.each_ref().map(|id| claims(&app, id, "1"));
    let all = shown.iter().map(|claims| show(&app, &ONE, claims));
    let late = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        show(&app, &ONE, &claims(&app, &last, "1")).await
    };
    let (all, refused) = tokio::join!(futures_util::future::join_all(all), late);
    assert_eq!(
        (all, refused.as_str(), host.asked()),
        (["a", "b", "c", "d"].map(str::to_owned).to_vec(), "temporarily_unavailable", 4)
    );
    let again = show(&app, &ONE, &claims(&app, &last, "2")).await;
    assert_eq!((again.as_str(), host.asked()), ("e", 5));
}

/// What comes of fetching, past everything that would refuse what it brings.
async fn fetched(app: &TestApp, uri: &str) -> Result<(), Failed> {
    let (realm, target) = (app.app.default_realm, Target::parse(uri).unwrap());
    let allowed = app.app.config.load().outbound_allow.clone();
    app.app.outbound.get_json(realm, &target, &allowed).await.map(drop)
}

#[tokio::test]
async fn ir_10_nothing_is_asked_that_only_this_network_can_reach() {
    for (addresses, why) in [
        (&["127.0.0.1"][..], "this machine"),
        (&["::1"], "this machine"),
        (&["::ffff:127.0.0.1"], "in other clothes"),
        (&["0.0.0.0"], "any of this machine"),
        (&["169.254.169.254"], "what a cloud tells its machines"),
        (&["10.0.0.7", "192.168.0.7", "fd00::7", "100.64.0.7"], "private networks"),
        (&[], "a name without an address"),
    ] {
        let app = TestApp::new().await;
        let host = Publisher::start(Said::ok(&set(&[&ONE]).to_string())).await;
        let found: Vec<IpAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        host.introduce_at(&app, move |_| found.clone(), false);
        let id = signer(&app, json!(host.uri())).await;
        assert_eq!(show(&app, &ONE, &claims(&app, &id, "x")).await, "temporarily_unavailable", "{why}");
        assert_eq!(host.asked(), 0, "{why}: not even a connection");
        let failed = fetched(&app, &host.uri()).await.unwrap_err();
        let is_barred = matches!(failed, Failed::Barred(_));
        assert!(if addresses.is_empty() { failed == Failed::NoAddress } else { is_barred }, "{why}: {failed:?}");
    }
}

#[tokio::test]
async fn ir_10_a_name_that_turns_private_is_asked_no_more() {
    let app = TestApp::with("[outbound]\nallow = ['10.99.0.0/16']").await;
    let host = Publisher::start(Said::ok(&set(&[&ONE]).to_string())).await;
    let (public, private) = ("127.0.0.1".parse::<IpAddr>().unwrap(), "127.0.0.2".parse().unwrap());
    let asked = std::sync::atomic::AtomicUsize::new(0);
    // Only 127.0.0.1 at its port stands for the world here: what comes second is this machine.
    let turns = move |_: &str| match asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
        0 => vec![public],
        _ => vec![private],
    };
    host.introduce_at(&app, turns, true);
    let id = signer(&app, json!(host.uri())).await;
    assert_eq!(show(&app, &ONE, &claims(&app, &id, "1")).await, "signer");
    app.clock.advance(Span::minutes(11));
    assert_eq!(show(&app, &ONE, &claims(&app, &id, "2")).await, "temporarily_unavailable");
    let failed = fetched(&app, &host.uri()).await.unwrap_err();
    assert!(matches!(failed, Failed::Barred(_)), "{failed:?}");
    assert_eq!(host.asked(), 1);
}

#[tokio::test]
async fn ir_10_jwt_20_what_is_no_set_of_public_keys_is_not_taken_and_not_told() {
    let body = set(&[&ONE]).to_string();
    let mut private: Value = serde_json::from_str(&body).unwrap();
    private["keys"][0]["d"] = json!("AAAA");
    let twins = json!({"keys": [ONE.public_jwk(), ONE.public_jwk()]}).to_string();
    let too_long = format!("{body}{}", " ".repeat((64 << 10) + 1 - body.len()));
    let moved = |status: &str| Said {
        head: format!("HTTP/1.1 {status}\r\nLocation: http://169.254.169.254/\r\n"),
        ..Said::ok(&body)
    };
    for (said, why) in [
        (moved("302 Found"), "a redirect"),
        (moved("307 Temporary Redirect"), "a redirect"),
        (moved("404 Not Found"), "another status"),
        (Said::ok("canary of the inner network"), "no JSON"),
        (Said::ok("[]"), "no set"),
        (Said::ok(&private.to_string()), "private keys"),
        (Said::ok(&twins), "two of one name"),
        (Said::ok(&too_long), "more than 64 kB"),
        (Said { after: Duration::from_secs(4), ..Said::ok(&body) }, "too slow"),
    ] {
        let app = TestApp::new().await;
        let host = Publisher::start(said).await;
        host.introduce(&app);
        let id = signer(&app, json!(host.uri())).await;
        let text = form(&ONE.sign("JWT", &claims(&app, &id, "x")).unwrap());
        let refused = shown(&app, &HeaderMap::new(), &text, HOME).await.err().unwrap();
        let told = "The keys of this client cannot be fetched from its jwks_uri right now.";
        assert_eq!((refused.code, &*refused.description), (ErrorCode::TemporarilyUnavailable, told), "{why}");
        assert_eq!(host.asked(), 1, "{why}");
    }
    let app = TestApp::new().await;
    let most = format!("{body}{}", " ".repeat((64 << 10) - body.len()));
    let host = Publisher::start(Said::ok(&most)).await;
    host.introduce(&app);
    let id = signer(&app, json!(host.uri())).await;
    assert_eq!(show(&app, &ONE, &claims(&app, &id, "x")).await, "signer", "64 kB are read");
}

#[tokio::test]
async fn ir_10_a_certificate_for_another_name_is_none() {
    let app = TestApp::new().await;
    let host = Publisher::start(Said::ok(&set(&[&ONE]).to_string())).await;
    host.introduce(&app);
    let other = host.uri().replace("keys.test", "other.test");
    let id = signer(&app, json!(other)).await;
    assert_eq!(show(&app, &ONE, &claims(&app, &id, "x")).await, "temporarily_unavailable");
    assert_eq!(host.request.lock().unwrap().as_str(), "", "nothing was said to it");
}
