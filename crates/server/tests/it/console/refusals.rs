//! Refusals with their reasons: found, told whole, and harmless however they were sent.

use serde_json::{Value, json};

use super::person::{PASSWORD, all, enroll, operator};
use crate::app::TestApp;
use crate::browser::Tab;

const LIST: &str = "/console/realms/default/refusals";
const HOSTILE: &str = "<script>alert(1)</script>\"'&";

/// Who may look at one realm.
fn viewer() -> Value {
    json!({"urn:admit:realm:default": ["decisions:read", "keys:read"]})
}

/// Where the refusals of a page lead.
fn links(page: &str) -> Vec<String> {
    let mark = format!("href=\"{LIST}/");
    let parts = page.split(&mark).skip(1);
    parts.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_refusal_is_told_as_admit_why_tells_it() {
    let app = TestApp::new().await;
    app.shop().await;
    let key = app.shop_key("ci", &["orders:write"]).await;
    app.ask("GET", "/orders?page=2", Some(&key)).await;
    let request = app.last_request().unwrap();
    let mut vera = operator(&app, "vera", viewer()).await;
    let list = vera.get(LIST).await;
    assert_eq!((list.status, links(&list.text)), (200, vec![request.to_string()]), "{}", list.text);
    let said = app.manage("GET", &format!("/v1/realms/default/decisions/{request}"), Value::Null).await.expect(200);
    assert!(said["why"].as_str().unwrap().contains("the credential lacks a scope"), "{said}");
    let page = vera.get(&format!("{LIST}/{request}")).await;
    let shown = page.text.replace("&#34;", "\"").replace("&#39;", "'").replace("&#60;", "<").replace("&#62;", ">");
    for text in
        said["steps"].as_array().unwrap().iter().map(|step| &step["text"]).chain(said["advice"].as_array().unwrap())
    {
        assert!(shown.contains(text.as_str().unwrap()), "{text} is missing in {shown}");
    }
    assert!(!said["advice"].as_array().unwrap().is_empty(), "{said}");
    assert!(shown.contains("insufficient_scope") && shown.contains("scope_missing") && shown.contains("203.0.113.9"));
    assert!(shown.contains(&format!("/console/realms/default/keys/{}", said["principal"]["key"].as_str().unwrap())));
    assert!(!shown.contains(&key), "lo_02: never the secret itself");
}

#[tokio::test]
async fn refusals_are_found_by_answer_and_text_and_page_by_page() {
    let app = TestApp::new().await;
    app.shop().await;
    for number in 0..60 {
        app.ask("GET", &format!("/orders/{number}"), None).await;
    }
    app.ask("GET", "/Elsewhere", None).await;
    let mut vera = operator(&app, "vera", viewer()).await;
    let first = vera.get(LIST).await.text;
    assert_eq!(links(&first).len(), 50);
    let older = first.split("id=\"older\" href=\"").nth(1).unwrap().split('"').next().unwrap().replace("&#38;", "&");
    let second = vera.get(&older).await.text;
    assert_eq!(links(&second).len(), 11, "{second}");
    assert!(links(&second).iter().all(|link| !links(&first).contains(link)) && !second.contains("id=\"older\""));

    let narrowed = async |vera: &mut crate::pages::person::Person<'_>, query: &str| {
        let page = vera.get(&format!("{LIST}?{query}")).await;
        (page.status, links(&page.text).len())
    };
    assert_eq!(narrowed(&mut vera, "code=no_rule").await, (200, 1));
    assert_eq!(narrowed(&mut vera, "code=no_rule&q=elsewhere").await, (200, 1));
    assert_eq!(narrowed(&mut vera, "code=missing_credential&q=elsewhere").await, (200, 0));
    assert_eq!(narrowed(&mut vera, "q=ORDERS%2F42").await, (200, 1));
    assert_eq!(narrowed(&mut vera, "q=203.0.113.9").await, (200, 50));
    assert_eq!(narrowed(&mut vera, &format!("q={}", "x".repeat(200))).await, (200, 0));
    assert_eq!(narrowed(&mut vera, &format!("q={}", "x".repeat(201))).await, (400, 0));
    assert_eq!(narrowed(&mut vera, "cursor=AAAA").await, (400, 0));
    let typed = vera.get(&format!("{LIST}?code=teapot&q=%3Cb%3E")).await;
    assert!(typed.status == 400 && typed.text.contains("code must be one of the codes"), "{}", typed.text);
    assert!(typed.text.contains("value=\"&#60;b&#62;\""), "what was typed is kept: {}", typed.text);
}

#[tokio::test]
async fn se_12_lo_01_what_was_sent_is_shown_and_does_nothing() {
    let app = TestApp::new().await;
    app.shop().await;
    let rule = json!({"name": HOSTILE, "match": {"host": "shop.test", "path": "/hostile"}, "deny": true});
    app.rule(rule).await;
    let key = app.shop_key(HOSTILE, &[]).await;
    let bearer = format!("Bearer {key}");
    let uris = [
        "/hostile",
        "/<script>alert(1)</script>",
        "/%3Cscript%3Ealert(1)%3C/script%3E",
        "/a%1b%5b31mred",
        "/%E2%80%AEgnp",
        "/x?<script>=1",
    ];
    for uri in uris {
        let headers = [
            ("x-original-method", "GET"),
            ("x-original-uri", uri),
            ("x-forwarded-host", "shop.test"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-for", "203.0.113.9"),
            ("user-agent", "<script>alert(2)</script>"),
            ("authorization", bearer.as_str()),
        ];
        assert_ne!(app.send("GET", "/check/nginx", &headers, None).await.status, 200, "{uri}");
    }
    let mut vera = operator(&app, "vera", viewer()).await;
    let mut pages = vec![vera.get(LIST).await.text];
    let found = links(&pages[0]);
    assert_eq!(found.len(), uris.len());
    for request in found {
        let page = vera.get(&format!("{LIST}/{request}")).await;
        assert_eq!(page.status, 200);
        pages.push(page.text);
    }
    for page in &pages {
        for never in ["<script", "alert(2)", "\u{1b}", "\u{202e}", "onload=", " style="] {
            assert!(!page.contains(never), "{never:?} in {page}");
        }
    }
    assert!(pages[0].contains("&#60;script&#62;alert(1)&#60;/script&#62;"), "it is shown as it was: {}", pages[0]);
}

#[tokio::test]
async fn who_may_not_see_refusals_is_told_so() {
    let app = TestApp::new().await;
    app.shop().await;
    app.ask("GET", "/orders", None).await;
    let request = app.last_request().unwrap();
    let rights = json!({"urn:admit:realm:default": ["keys:read", "keys:write"]});
    let mut ivan = operator(&app, "ivan", rights).await;
    assert!(!ivan.get("/console").await.text.contains("/refusals"), "it is not offered");
    for path in [LIST.to_owned(), format!("{LIST}/{request}")] {
        let refused = ivan.get(&path).await;
        assert!(refused.status == 403 && !refused.text.contains("/orders"), "{path}: {}", refused.text);
        assert!(refused.text.contains("The credential lacks a scope that is needed here."), "{}", refused.text);
    }
    let mut vera = operator(&app, "vera", viewer()).await;
    assert_eq!(vera.get(&format!("{LIST}/req_00000000000000000000000000")).await.status, 404);
    assert_eq!(vera.get("/console/realms/operators/refusals").await.status, 403, "another realm's are not his");
    app.manage("POST", "/v1/realms", json!({"name": "other", "prefix": "other"})).await.expect(201);
    let mut olga = operator(&app, "olga", all()).await;
    let elsewhere = olga.get(&format!("/console/realms/other/refusals/{request}")).await;
    assert_eq!(elsewhere.status, 404, "a request is one of the realm that judged it: {}", elsewhere.text);
}

#[tokio::test]
async fn refusals_are_looked_at() {
    let app = TestApp::new().await;
    app.shop().await;
    enroll(&app, "olga", all()).await;
    let key = app.shop_key("nightly report", &["orders:write"]).await;
    let limited = app
        .key(json!({"name": "web shop", "api": "https://api.shop.test", "scopes": ["orders:read"], "limit": "1/1m"}))
        .await;
    let rule = json!({"name": "prices, tried out", "match": {"host": "shop.test", "path": "/prices"}, "require": {"scopes": ["orders:read"]}, "mode": "observe"});
    app.rule(rule).await;
    let mut tab = Tab::open().await;
    tab.go(&format!("{}/console", app.url)).await;
    tab.fill("#identifier", "olga").await;
    tab.fill("#password", PASSWORD).await;
    tab.click("#login").await;
    tab.click(&format!("a[href='{LIST}']")).await;
    tab.inspect("console-refusals-none").await;
    app.ask("GET", "/orders", None).await;
    app.ask("GET", "/orders/2026/a-very-long-path-that-somebody-asked-for/with-many-parts/and-no-end-to-it", None)
        .await;
    app.ask("GET", "/orders", Some("admit_000000000000000000000000000000000000")).await;
    for _ in 0..2 {
        app.ask("GET", "/orders", Some(limited["key"].as_str().unwrap())).await;
    }
    app.ask("GET", "/orders/../secret", None).await;
    app.ask("GET", "/prices", None).await;
    app.ask("DELETE", "/orders/7", Some(&key)).await;
    app.ask("GET", "/orders/7", Some(&key)).await;
    tab.go(&format!("{}{LIST}", app.url)).await;
    tab.inspect("console-refusals").await;
    tab.click(".refusals li a").await;
    tab.inspect("console-refusal").await;
    tab.speak("de").await;
    tab.go(&format!("{}{LIST}?code=no_rule", app.url)).await;
    tab.inspect("console-refusals-narrowed").await;
    tab.click(".refusals li a").await;
    tab.inspect("console-refusal-no-rule").await;
    tab.expect(&format!("{}{LIST}/req_x", app.url), 404);
    tab.go_expecting(&format!("{}{LIST}/req_x", app.url), 404).await;
    tab.inspect("console-declined").await;
}
