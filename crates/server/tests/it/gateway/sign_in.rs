//! A browser signs in on a protected host through the real gateways, and out again.

use admit::login::session::{self, Entry, Seen, SignedIn};
use admit::login::site;
use admit_core::id::UserId;
use admit_core::login::session::Factor;
use serde_json::{Value, json};

use super::{Answer, Ask, Gateway, Shop};

/// Somebody who is signed in at the issuer.
async fn sign_in(shop: &Shop) -> SignedIn {
    let app = &shop.app.app;
    let made = shop.app.manage("POST", "/v1/realms/default/users", json!({"name": "alice"})).await.expect(201);
    let user: UserId = made["id"].as_str().unwrap().parse().unwrap();
    let realm = app.policies.named(app, None).unwrap().unwrap();
    let entry = Entry::new(user, &[Factor::Password], Seen::default(), None);
    let begun = session::begin(app, &realm.realm, entry, app.now()).await.unwrap();
    let cookie = format!("admit.default={}", begun.secret.expose()).parse().unwrap();
    let headers = http::HeaderMap::from_iter([(http::header::COOKIE, cookie)]);
    session::of_request(app, &realm, &headers, None, app.now()).unwrap().unwrap()
}

/// Goes to a page as browsers do.
async fn go(gateway: &Gateway, path: &str, cookie: &str) -> Answer {
    let ask = Ask::new(&format!("GET {path}")).host(&format!("shop.test:{}", gateway.address.port()));
    let ask = ask.with("Sec-Fetch-Mode", "navigate").with("Sec-Fetch-Site", "same-origin").with("Cookie", cookie);
    gateway.ask(&ask).await
}

/// `name=value` of what a browser keeps of an answer.
fn kept(answer: &Answer) -> Vec<String> {
    answer.all("set-cookie").iter().map(|line| line.split(';').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_browser_signs_in_through_the_gateway_and_out_again() {
    let shop = Shop::open().await;
    let rule = json!({"name": "pages", "match": {"host": "shop.test", "methods": ["GET"], "path": "/pages/**"},
        "require": {"authenticated": true}, "login": true});
    shop.app.rule(rule).await;
    let signed_in = sign_in(&shop).await;
    let app = &shop.app.app;
    let realm = app.policies.named(app, None).unwrap().unwrap();
    for gateway in &shop.gateways {
        let (kind, seen) = (gateway.kind, shop.echo.seen());
        let away = go(gateway, "/pages/1?a=b", "theme=dark").await;
        assert_eq!((away.status, shop.echo.seen()), (302, seen), "{kind:?}\n{}", gateway.printed());
        let state = away.one("location").strip_prefix(&format!("{}/login?state=", shop.app.url)).unwrap().to_owned();
        let before = kept(&away);
        assert!(before.len() == 1 && before[0].starts_with("admit-site-pre.default="), "{kind:?} {before:?}");
        let trip = site::arrive(app, &realm, &state, app.now()).unwrap();
        assert_eq!(trip.origin(), format!("http://shop.test:{}", gateway.address.port()), "{kind:?}");

        let back = site::hand_off(app, &realm, &signed_in, &trip, app.now()).await.unwrap();
        let arrived = go(gateway, back.strip_prefix(&trip.origin()).unwrap(), &before[0]).await;
        assert_eq!((arrived.status, arrived.one("location")), (303, "/pages/1?a=b"), "{kind:?}\n{}", gateway.printed());
        let cookies = format!("theme=dark; {}", kept(&arrived).join("; "));
        assert!(cookies.contains("admit-site.default=admit_ss_"), "{kind:?}");

        let page = go(gateway, "/pages/1?a=b", &cookies).await;
        assert_eq!((page.status, shop.echo.seen()), (200, seen + 1), "{kind:?}\n{}", gateway.printed());
        let headers = &page.json()["headers"];
        assert_eq!(
            (&headers["admit-name"], &headers["cookie"]),
            (&json!(["alice"]), &json!(["theme=dark"])),
            "{kind:?}"
        );

        let left = go(gateway, "/.admit/logout", &cookies).await;
        assert_eq!((left.status, left.one("location")), (303, format!("{}/logout", shop.app.url).as_str()), "{kind:?}");
        let nobody = go(gateway, "/pages/1", &cookies).await;
        assert_eq!((nobody.status, shop.echo.seen()), (302, seen + 1), "{kind:?}: what was signed out is nobody");
    }
    let fetched = shop.gateways[0].ask(&Ask::new("GET /pages/1").with("Sec-Fetch-Mode", "cors")).await;
    assert_eq!((fetched.status, fetched.code().as_str()), (401, "missing_credential"), "a script is told");
    let sessions = shop.app.manage("GET", "/v1/realms/default/sessions", Value::Null).await.expect(200);
    assert_eq!(sessions["items"].as_array().unwrap().len(), 1, "that of the issuer goes on");
}
