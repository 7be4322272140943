//! `/demo/app` as somebody tries it who has just started `serve --dev`: a real sign-in, and the end of what it gave.

use crate::parties::sign_in::Alice;
use crate::story::Desk;

const APP: &str = "/demo/app";
const TAKEN_BACK: &str = "The access was taken back";

/// Alice before the demo's application.
struct Demo {
    alice: Alice,
    url: String,
    _desk: Desk,
}

impl Demo {
    fn new() -> Self {
        let mut desk = Desk::new();
        let password = desk.serve_demo();
        let url = format!("http://{}", desk.address);
        Self { alice: Alice::new(&url, &password), url, _desk: desk }
    }

    #[track_caller]
    fn sign_in(&mut self) {
        assert_eq!(self.alice.visit(&format!("{}{APP}", self.url)), format!("{}{APP}", self.url));
        self.press("demo-sign-in");
    }

    /// Presses a button of the application, which leads back to it; what it shows then.
    #[track_caller]
    fn press(&mut self, button: &str) -> &str {
        assert_eq!(self.alice.press(button), format!("{}{APP}", self.url), "{}", self.alice.browser.page);
        &self.alice.browser.page
    }
}

#[test]
fn alice_signs_in_to_the_demo_and_takes_its_access_back() {
    let mut demo = Demo::new();
    demo.sign_in();
    assert_eq!(demo.alice.pressed, ["login", "consent-allow"]);
    let page = demo.alice.browser.page.clone();
    for (claim, value) in [("email", "alice@example.com"), ("preferred_username", "alice"), ("iss", demo.url.as_str())]
    {
        assert!(page.contains(&format!("<dt>{claim}</dt><dd>{value}</dd>")), "{claim}: {page}");
    }
    assert!(page.contains("<p id=\"scopes\">email openid orders:read profile</p>"), "{page}");
    assert!(demo.press("demo-call").contains("The API answered 200."), "{}", demo.alice.browser.page);
    assert!(demo.press("demo-refresh").contains("New tokens came."), "{}", demo.alice.browser.page);

    let account = format!("{}/account", demo.url);
    demo.alice.visit(&account);
    assert!(demo.alice.browser.page.contains("<bdi>demo app</bdi>"), "{}", demo.alice.browser.page);
    demo.alice.browser.send("action=\"/account/apps/revoke\"", &[]);
    assert!(demo.alice.browser.at.ends_with("/account?done=app"), "{}", demo.alice.browser.at);
    assert!(!demo.alice.browser.page.contains("<bdi>demo app</bdi>"), "{}", demo.alice.browser.page);

    demo.alice.visit(&format!("{}{APP}", demo.url));
    let refused = demo.press("demo-call");
    assert!(refused.contains("The API answered 401") && refused.contains("revoked_credential"), "{refused}");
    let refused = demo.press("demo-refresh");
    assert!(refused.contains(TAKEN_BACK), "{refused}");
    assert!(demo.alice.is_signed_in(), "she herself is");
}

#[test]
fn who_signs_out_of_the_demo_is_signed_out_here_too() {
    let mut demo = Demo::new();
    demo.sign_in();
    assert!(demo.alice.is_signed_in());
    demo.alice.visit(&format!("{}{APP}", demo.url));
    demo.press("demo-sign-out");
    assert!(demo.alice.browser.shows("demo-sign-in"), "{}", demo.alice.browser.page);
    assert_eq!(demo.alice.pressed, ["login", "consent-allow"], "nobody is asked: the application showed whose session");
    assert!(!demo.alice.is_signed_in());
}

#[test]
fn who_says_no_is_told_of_it_by_the_demo() {
    let mut demo = Demo::new();
    demo.alice.visit(&format!("{}/account", demo.url));
    demo.alice.visit(&format!("{}{APP}", demo.url));
    demo.alice.browser.press("demo-sign-in", &[]);
    demo.alice.browser.press("consent-deny", &[]);
    assert!(demo.alice.browser.page.contains("It did not work: access_denied"), "{}", demo.alice.browser.page);
    assert!(demo.alice.browser.shows("demo-sign-in"), "{}", demo.alice.browser.page);
}
