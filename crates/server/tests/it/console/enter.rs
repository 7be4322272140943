//! Who gets into the console: operators, in a browser that no other site sent there.

use super::person::{all, enroll, operator};
use crate::app::TestApp;
use crate::pages::person::{Person, encode};

#[tokio::test]
async fn an_operator_signs_in_and_nobody_else_gets_in() {
    let app = TestApp::new().await;
    let mut stranger = Person::new(&app);
    let led = stranger.get("/console").await;
    assert_eq!((led.status, led.header("location").as_str()), (303, "/realms/operators/login?for=console"));
    enroll(&app, "olga", all()).await;
    stranger.get("/realms/operators/login?for=console").await;
    let form = [("identifier", "olga"), ("password", super::person::PASSWORD), ("for", "console")];
    let done = stranger.submit("/realms/operators/login", &form).await;
    assert_eq!((done.status, done.header("location").as_str()), (303, "/console"), "{}", done.text);
    let page = stranger.get("/console").await;
    assert!(page.status == 200 && page.text.contains("olga") && page.text.contains("default"), "{}", page.text);
    assert_eq!(page.header("cache-control"), "no-store");
}

/// A cookie of the console says nothing at the management API: only this process names an insider.
#[tokio::test]
async fn se_04_cookies_are_worthless_at_the_management_api() {
    let app = TestApp::new().await;
    let mut olga = operator(&app, "olga", all()).await;
    assert_eq!(olga.get("/console").await.status, 200);
    for headers in [&[][..], &[("sec-fetch-site", "same-origin")], &[("origin", app.url.as_str())]] {
        let reply = olga.send("GET", "/v1/realms", headers, None).await;
        assert_eq!((reply.status, reply.code().as_str()), (401, "missing_credential"), "{}", reply.text);
    }
    let session = format!("Bearer {}", olga.cookies["admit.operators"]);
    let reply = app.send("GET", "/v1/realms", &[("authorization", &session)], None).await;
    assert_eq!((reply.status, reply.code().as_str()), (401, "invalid_credential"), "{}", reply.text);
}

#[tokio::test]
async fn se_04_a_browser_that_another_site_sent_goes_on_by_a_step_of_its_own() {
    let app = TestApp::new().await;
    let mut olga = operator(&app, "olga", all()).await;
    let strict = olga.cookies.remove("admit-strict.operators").unwrap();
    let page = olga.send("GET", "/console?x=1", &[("sec-fetch-site", "cross-site")], None).await;
    assert!(page.status == 200 && page.text.contains("href=\"/console?x=1\""), "{}", page.text);
    assert!(!page.text.contains("olga"), "nothing is shown: {}", page.text);
    let lost = olga.send("GET", "/console", &[("sec-fetch-site", "none")], None).await;
    assert_eq!(lost.header("location"), "/realms/operators/login?for=console");
    let again = olga.get("/realms/operators/login?for=console").await;
    assert!(again.status == 200 && again.text.contains("id=\"login\""), "not round in circles: {}", again.text);
    olga.cookies.insert("admit-strict.operators".to_owned(), strict);
    assert_eq!(olga.get("/console").await.status, 200);
    let next = olga.get("/realms/operators/login?for=console").await;
    assert_eq!((next.status, next.header("location").as_str()), (303, "/console"));
}

/// Each session has its own: that of another, and one that was made up, are none.
#[tokio::test]
async fn se_04_changes_need_the_strict_cookie_of_this_session() {
    let app = TestApp::new().await;
    let mut olga = operator(&app, "olga", all()).await;
    let of_olga = olga.cookies["admit-strict.operators"].clone();
    let mut otto = operator(&app, "otto", all()).await;
    otto.base = "/realms/operators";
    otto.get("/account").await;
    let token = otto.token();
    let end = encode(&[("csrf", &token), ("grant", "grt_00000000000000000000000000")]);
    let origin = app.url.clone();
    let own = otto.cookies.insert("admit-strict.operators".to_owned(), of_olga).unwrap();
    let path = "/realms/operators/account/end";
    let refused = otto.send("POST", path, &[("origin", &origin)], Some(end.clone())).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    assert!(refused.text.contains("Please sign in again"), "{}", refused.text);
    let cross = otto.send("POST", path, &[("sec-fetch-site", "cross-site")], Some(end.clone())).await;
    assert!(cross.status == 403 && cross.text.contains("did not come from here"), "{}", cross.text);
    otto.cookies.insert("admit-strict.operators".to_owned(), own);
    let judged = otto.send("POST", path, &[("origin", &origin)], Some(end)).await;
    assert_eq!(judged.status, 404, "judged by itself: {}", judged.text);
    let signed_out = olga.get("/realms/operators/logout").await;
    assert_eq!(signed_out.status, 200);
    olga.base = "/realms/operators";
    olga.submit("/logout", &[]).await;
    assert!(!olga.cookies.contains_key("admit-strict.operators"), "gone with its session");
}
