//! Errors as pages: for people who go to one, and for nobody else.

use crate::app::{Reply, TestApp};
use crate::browser::Tab;

const BROWSER: (&str, &str) = ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");

async fn visit(app: &TestApp, path: &str, more: &[(&str, &str)]) -> Reply {
    app.send("GET", path, &[&[BROWSER], more].concat(), None).await
}

fn is_page(reply: &Reply) -> bool {
    reply.header("content-type") == "text/html; charset=utf-8"
}

/// The style sheet that a page loads.
fn style(page: &str) -> &str {
    let from = page.find("/assets/style-").unwrap();
    page[from..].split('"').next().unwrap()
}

#[tokio::test]
async fn a_person_reads_a_page_and_a_program_a_problem() {
    let app = TestApp::new().await;
    let page = visit(&app, "/nothing", &[]).await;
    assert!(page.status == 404 && is_page(&page), "{page:?}");
    assert!(page.text.contains("<html lang=\"en\"") && page.text.contains("There is nothing here"), "{}", page.text);
    let id = page.header("admit-request-id");
    assert!(id.starts_with("req_") && page.text.contains(&id), "what to tell somebody who helps");

    let german = visit(&app, "/nothing", &[("accept-language", "de-CH, en;q=0.5")]).await;
    assert!(german.text.contains("<html lang=\"de\"") && german.text.contains("Hier ist nichts"), "{}", german.text);

    for program in
        [&[][..], &[("accept", "*/*")], &[("accept", "application/json")], &[BROWSER, ("sec-fetch-mode", "cors")]]
    {
        let problem = app.send("GET", "/nothing", program, None).await;
        assert_eq!((problem.status, problem.code().as_str()), (404, "not_found"), "{program:?}");
    }
    for path in ["/v1/nothing", "/v1/realms", "/check/nginx", "/assets/nothing.css"] {
        assert!(!is_page(&visit(&app, path, &[]).await), "{path} is for programs");
    }
}

#[tokio::test]
async fn every_kind_of_refusal_is_a_page_of_its_own() {
    let app = TestApp::new().await;
    let foreign = visit(&app, "/login", &[("host", "evil.test")]).await;
    assert!(foreign.status == 421 && foreign.text.contains("Nobody lives at this address"), "{foreign:?}");
    let method = app.send("DELETE", "/assets/x", &[], None).await;
    assert_eq!(
        (method.status, method.code().as_str(), method.header("allow").as_str()),
        (405, "method_not_allowed", "GET,HEAD")
    );
    let long = visit(&app, &format!("/{}", "x".repeat(17 << 10)), &[]).await;
    assert!(long.status == 414 && is_page(&long) && long.text.contains("That cannot be done"), "{}", long.status);
}

#[tokio::test]
async fn se_06_pages_are_shown_in_no_frame_and_load_nothing_of_others() {
    let app = TestApp::new().await;
    let page = visit(&app, "/nothing", &[]).await;
    let policy = page.header("content-security-policy");
    for part in
        ["default-src 'none'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"]
    {
        assert!(policy.contains(part), "{part}: {policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("script"), "{policy}");
    let want = [
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
    ];
    for (name, value) in want {
        assert_eq!(page.header(name), value, "{name}");
    }
    for outside in ["http://", "https://", "<script", " style=", "onload"] {
        assert!(!page.text.contains(outside), "{outside}: {}", page.text);
    }
}

#[tokio::test]
async fn se_12_what_was_asked_for_is_not_written_into_the_page() {
    let app = TestApp::new().await;
    let page = visit(&app, "/%3Cscript%3Ealert(1)%3C/script%3E?x=%3Cb%3E", &[]).await;
    assert!(page.status == 404 && !page.text.contains("alert(1)"), "{}", page.text);
}

#[tokio::test]
async fn the_style_is_kept_for_a_year_under_its_hash() {
    let app = TestApp::new().await;
    let page = visit(&app, "/nothing", &[]).await;
    let sheet = app.send("GET", style(&page.text), &[], None).await;
    assert_eq!((sheet.status, sheet.header("content-type").as_str()), (200, "text/css; charset=utf-8"));
    assert_eq!(sheet.header("cache-control"), "public, max-age=31536000, immutable");
    let other = style(&page.text).replace("style-", "style-0");
    let gone = app.send("GET", &other, &[], None).await;
    assert_eq!((gone.status, gone.header("cache-control").as_str()), (404, "no-store"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_page_is_for_everybody() {
    let app = TestApp::new().await;
    let mut tab = Tab::open().await;
    tab.go_expecting(&format!("{}/nothing", app.url), 404).await;
    assert_eq!(tab.text("h1").await, "There is nothing here");
    tab.inspect("error-404").await;
    tab.press("Tab").await;
    assert_eq!(tab.evaluate("document.activeElement.className").await, "skip", "the first stop skips to the content");
    tab.speak("de-DE").await;
    tab.go_expecting(&format!("{}/nothing", app.url), 404).await;
    assert_eq!(tab.text("h1").await, "Hier ist nichts");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_the_management_api_is_for_everybody() {
    let app = TestApp::new().await;
    let mut tab = Tab::open().await;
    tab.go(&format!("{}/v1/docs", app.url)).await;
    tab.inspect("docs").await;
}
