//! The overview: its figures are those of the counters, and it is for those who may see them.

use admit::check::Door;
use admit_core::check::code::Code;
use admit_core::time::{Span, Time};
use serde_json::{Value, json};

use super::person::{PASSWORD, all, enroll, operator};
use crate::app::TestApp;
use crate::browser::Tab;
use crate::pages::person::Person;

/// Whoever may look at the whole server.
fn viewer() -> Value {
    json!({"urn:admit:server": ["server:read"]})
}

/// Whoever may make keys in one realm.
fn key_issuer() -> Value {
    json!({"urn:admit:realm:default": ["keys:read", "keys:write", "apis:read"]})
}

/// What stands on the page for an answer: how often, and which part of all.
fn line(page: &str, code: &str) -> Vec<String> {
    let page = page.replace("<wbr>", "");
    let Some(place) = page.find(&format!(">{code}<")) else { return Vec::new() };
    let row = page[place..].split("</tr>").next().unwrap();
    row.split("<td>").skip(1).map(|cell| cell.split('<').next().unwrap().to_owned()).collect()
}

/// As many requests as are said, with this key or none.
async fn ask(app: &TestApp, count: u64, path: &str, key: Option<&str>) {
    for _ in 0..count {
        app.ask("GET", path, key).await;
    }
}

fn remember(app: &TestApp, at: Time) {
    app.app.metrics.remember(&app.app, at);
}

#[tokio::test]
async fn the_figures_on_the_page_are_those_of_the_counters() {
    let app = TestApp::new().await;
    app.shop().await;
    let key = app.shop_key("nightly <report>", &["orders:read"]).await;
    let unknown = format!("{}x", &key[..key.len() - 1]);
    ask(&app, 7, "/orders", Some(&key)).await;
    ask(&app, 3, "/orders", None).await;
    ask(&app, 2, "/orders", Some(&unknown)).await;
    ask(&app, 4, "/elsewhere", Some(&key)).await;
    let mut vera = operator(&app, "vera", viewer()).await;
    let mut wrong = Person::new(&app);
    wrong.base = "/realms/operators";
    assert_eq!(wrong.sign_in("vera", "another long walk along the coast").await.status, 401);
    remember(&app, app.app.now());

    let page = vera.get("/console").await;
    assert_eq!(page.status, 200, "{}", page.text);
    for (code, count) in [(Code::Ok, 7), (Code::MissingCredential, 3), (Code::InvalidCredential, 2), (Code::NoRule, 4)]
    {
        assert_eq!(app.app.metrics.decisions_of(Door::Nginx, code), count, "{code}");
        assert_eq!(line(&page.text, code.as_str()).first(), Some(&count.to_string()), "{code}: {}", page.text);
    }
    assert_eq!(line(&page.text, "ok"), ["7", "43.8 %"]);
    assert!(!page.text.contains("operator_key"), "what the management API was asked is not counted in");
    let tile = |label: &str| {
        let tile = page.text.split(&format!("<dt>{label}</dt>")).nth(1).unwrap().split("</div>").next().unwrap();
        tile.replace("<dd><strong>", "").replace("</strong><span class=\"small\">", " | ").replace("</span></dd>", "")
    };
    assert_eq!(tile("Requests").trim(), "16 | 56.2 % refused");
    assert_eq!(tile("Sign-ins").trim(), "1 | 1 failed");
    let busiest = page.text.split("id=\"busiest\"").nth(1).unwrap();
    assert!(
        busiest.contains("<bdi>nightly &#60;report&#62;</bdi>") && busiest.contains("<td>11</td><td>4</td>"),
        "{busiest}"
    );

    let overview = app.manage("GET", "/v1/overview?span=10m", Value::Null).await.expect(200);
    assert_eq!(
        (overview["total"]["requests"]["ok"].as_u64(), overview["total"]["sign_ins_wrong"].as_u64()),
        (Some(7), Some(1))
    );
    assert_eq!(
        (overview["keys"][0]["uses"].as_u64(), overview["keys"][0]["realm"].as_str()),
        (Some(11), Some("default"))
    );
    assert!(overview["total"]["p99_s"].as_f64().is_some_and(|p99| p99 > 0.0 && p99 < 10.0), "{overview}");
}

#[tokio::test]
async fn steps_are_those_that_were_asked_for() {
    let app = TestApp::new().await;
    for (span, steps, step_s) in [("10m", 60, 10), ("1h", 60, 60), ("24h", 96, 900)] {
        remember(&app, app.app.now());
        let overview = app.manage("GET", &format!("/v1/overview?span={span}"), Value::Null).await.expect(200);
        assert_eq!((overview["steps"].as_array().unwrap().len(), overview["step_s"].as_i64()), (steps, Some(step_s)));
    }
    let refused = app.manage("GET", "/v1/overview?span=2h", Value::Null).await.expect(400);
    assert!(refused["detail"].as_str().unwrap().contains("10m, 1h or 24h"), "{refused}");
}

#[tokio::test]
async fn who_may_not_see_the_server_sees_his_realms_and_no_figure() {
    let app = TestApp::new().await;
    app.shop().await;
    ask(&app, 3, "/orders", None).await;
    remember(&app, app.app.now());
    let mut ivan = operator(&app, "ivan", key_issuer()).await;
    let page = ivan.get("/console").await;
    assert!(page.status == 200 && page.text.contains("/console/realms/default"), "{}", page.text);
    for figure in ["missing_credential", "<svg", "tiles", "Refresh"] {
        assert!(!page.text.contains(figure), "{figure}: {}", page.text);
    }
    let role = json!({"name": "issuer", "rights": key_issuer()});
    app.manage("POST", "/v1/realms/operators/roles", role).await.expect(201);
    let client = json!({"name": "issuer", "type": "service", "roles": ["issuer"]});
    app.manage("POST", "/v1/realms/operators/clients", client).await.expect(201);
    let key = json!({"name": "issuer", "owner": "issuer", "api": "urn:admit:realm:default", "scopes": ["keys:read"]});
    let key = app.manage("POST", "/v1/realms/operators/keys", key).await.expect(201);
    let refused = app.manage_as(key["key"].as_str().unwrap(), "GET", "/v1/overview", Value::Null).await;
    assert_eq!((refused.status, refused.code().as_str()), (401, "wrong_audience"), "{}", refused.text);
}

/// A screen that is left alone stops by itself: it shall not keep a session alive.
#[tokio::test]
async fn the_page_is_loaded_again_only_where_that_is_asked_and_not_for_ever() {
    let app = TestApp::new().await;
    let mut vera = operator(&app, "vera", viewer()).await;
    let mut refresh = async |query: &str| {
        let page = vera.get(&format!("/console{query}")).await;
        assert_eq!(page.status, 200, "{query}");
        page.text
            .split("http-equiv=\"refresh\" content=\"")
            .nth(1)
            .map(|rest| rest.split('"').next().unwrap().to_owned())
    };
    assert_eq!(refresh("").await, None);
    assert_eq!(refresh("?every=30").await.as_deref(), Some("30; url=/console?span=1h&#38;every=30&#38;left=59"));
    assert_eq!(
        refresh("?span=10m&every=10&left=1").await.as_deref(),
        Some("10; url=/console?span=10m&#38;every=10&#38;left=0")
    );
    for odd in ["?every=1", "?every=30&left=0", "?every=30&left=61", "?every=30&left=x", "?every=%3Cscript%3E"] {
        assert_eq!(refresh(odd).await, None, "{odd}");
    }
}

/// Half an hour of traffic that comes and goes.
async fn traffic(app: &TestApp) {
    app.shop().await;
    let (day, night) = (app.shop_key("web shop", &["orders:read"]).await, app.shop_key("nightly report", &[]).await);
    let unknown = format!("{}x", &day[..day.len() - 1]);
    let now = app.app.now();
    for minute in 0..48_u64 {
        let wave = 6 + (minute % 16).abs_diff(8) * 2;
        ask(app, wave, "/orders", Some(&day)).await;
        ask(app, minute % 5, "/orders/7", Some(&night)).await;
        ask(app, minute % 3, "/orders", None).await;
        ask(app, u64::from(minute % 9 == 4) * 8, "/orders", Some(&unknown)).await;
        ask(app, u64::from(minute % 13 == 6) * 4, "/nothing", Some(&day)).await;
        remember(app, now - Span::minutes(48 - i64::try_from(minute).unwrap()));
    }
}

#[tokio::test]
async fn the_overview_is_looked_at() {
    let app = TestApp::new().await;
    enroll(&app, "olga", all()).await;
    let mut tab = Tab::open().await;
    tab.go(&format!("{}/console", app.url)).await;
    tab.fill("#identifier", "olga").await;
    tab.fill("#password", PASSWORD).await;
    tab.click("#login").await;
    tab.inspect("overview-empty").await;
    traffic(&app).await;
    remember(&app, app.app.now());
    tab.go(&format!("{}/console", app.url)).await;
    assert_eq!(tab.text("#well").await.replace('\u{a0}', " "), "✓ Nothing needs your attention.");
    tab.inspect("overview").await;
    tab.evaluate("document.querySelectorAll('details').forEach(found => found.open = true)").await;
    tab.inspect("overview-figures").await;
    tab.go(&format!("{}/console?span=10m", app.url)).await;
    tab.inspect("overview-10m").await;
    tab.go(&format!("{}/console?span=24h", app.url)).await;
    tab.inspect("overview-24h").await;
    for days in [3, 20] {
        let body = json!({"name": format!("ends-{days}"), "expires_in_s": days * 86_400});
        app.manage("POST", "/v1/realms/default/keys", body).await.expect(201);
    }
    admit::jobs::expiry::count(&app.app).await;
    tab.speak("de").await;
    tab.go(&format!("{}/console", app.url)).await;
    assert_eq!(tab.text("#attention").await, "Verlangt Ihre Aufmerksamkeit");
    tab.inspect("overview-attention").await;
}
