//! The same with a real browser, which knows what its forms may lead to.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::browser::Tab;

/// An application on this machine: answers anything, and says how it was asked.
async fn application() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/cb", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut read = vec![0; 16 << 10];
            let length = stream.read(&mut read).await.unwrap_or_default();
            let how = if read[..length].starts_with(b"POST") { "Posted at" } else { "At" };
            let page = format!(
                "<!doctype html><html lang=en><title>App</title><link rel=icon href='data:,'><h1>{how} the application</h1>"
            );
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                page.len()
            );
            let _ = stream.write_all(format!("{head}{page}").as_bytes()).await;
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn alice_lets_an_application_in_with_a_browser() {
    let callback = application().await;
    let world = World::with(json!({"type": "native", "redirect_uris": ["http://127.0.0.1/cb"],
        "policy_uri": "https://wiki.test/privacy", "tos_uri": "https://wiki.test/terms"}))
    .await;
    let all = "openid email profile offline_access orders:read orders:write";
    let address = |more: &[(&str, &str)]| {
        let more: Vec<_> =
            [("redirect_uri", callback.as_str()), ("scope", all)].into_iter().chain(more.iter().copied()).collect();
        format!("{}{}", world.app.url, world.address(&more))
    };
    let mut tab = Tab::open().await;
    tab.go(&address(&[("login_hint", ALICE)])).await;
    tab.inspect("authorize-login").await;
    assert_eq!(tab.text("#app").await, "Wiki");
    assert_eq!(tab.evaluate("document.querySelector('#identifier').value").await, ALICE);
    tab.fill("#password", &world.password).await;
    tab.press("Enter").await;
    tab.loaded().await;
    tab.inspect("consent").await;
    assert!(tab.text("#origin").await.starts_with("127.0.0.1:"));
    tab.evaluate("document.querySelector('[name=\"scope:email\"]').click(); true").await;
    tab.click("#consent-allow").await;
    assert_eq!(tab.text("h1").await, "At the application");
    let url = tab.url().await;
    assert!(url.starts_with(&format!("{callback}?code=admit_ac_")) && url.contains("&iss=http"), "{url}");

    tab.go(&address(&[])).await;
    tab.click("#consent-deny").await;
    assert!(tab.url().await.contains("error=access_denied"));
    tab.go(&address(&[("response_mode", "form_post"), ("ui_locales", "de")])).await;
    tab.inspect("consent-de").await;
    tab.click("#consent-allow").await;
    for _ in 0..100 {
        if tab.url().await == callback {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(tab.text("h1").await, "Posted at the application");
    let wrong = format!("{}{}", world.app.url, world.address(&[("redirect_uri", "https://evil.test/")]));
    tab.go_expecting(&wrong, 400).await;
    tab.inspect("authorize-wrong").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn az_10_who_came_for_an_application_that_nobody_knows_goes_on_by_himself() {
    let callback = application().await;
    let world = World::with(json!({"type": "native", "redirect_uris": ["http://127.0.0.1/cb"]})).await;
    world.app.registered_itself(&world.client).await;
    let asked = world.address(&[("redirect_uri", callback.as_str()), ("prompt", "none")]);
    let mut tab = Tab::open().await;
    tab.go_expecting(&format!("{}{asked}", world.app.url), 400).await;
    tab.inspect("authorize-in-vain").await;
    assert!(tab.text("#origin").await.starts_with("127.0.0.1:"));
    tab.click("#back").await;
    assert_eq!(tab.text("h1").await, "At the application");
    let url = tab.url().await;
    assert!(url.starts_with(&format!("{callback}?error=login_required")), "{url}");
}
