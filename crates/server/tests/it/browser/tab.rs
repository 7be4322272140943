//! The words of a test that sits in front of a browser.

use serde_json::{Value, json};

use super::cdp::Browser;

/// A page in a browser.
pub struct Tab {
    pub(super) browser: Browser,
    complaints: Vec<String>,
    /// What a complaint may say all the same.
    allowed: Vec<&'static str>,
    /// Statuses that pages were expected to have: the browser tells of them as errors.
    expected: Vec<(String, u16)>,
}

impl Tab {
    /// A browser of its own.
    pub async fn open() -> Self {
        Self { browser: Browser::start().await, complaints: Vec::new(), allowed: Vec::new(), expected: Vec::new() }
    }

    /// Goes to a page.
    pub async fn go(&mut self, url: &str) {
        self.go_expecting(url, 200).await;
    }

    /// Goes to a page that is expected to answer with a status.
    pub async fn go_expecting(&mut self, url: &str, status: u16) {
        self.expected.push((url.to_owned(), status));
        self.forget_loads();
        let gone = self.browser.call("Page.navigate", json!({"url": url})).await;
        assert!(gone["errorText"].is_null(), "{url}: {gone}");
        self.wait_until_loaded().await;
        let document = self
            .browser
            .wait_for("an answer", |event| {
                event["method"] == "Network.responseReceived" && event["params"]["type"] == "Document"
            })
            .await;
        assert_eq!(document["params"]["response"]["status"], status, "{url}");
    }

    /// Takes whatever certificate it is shown: those of tests are signed by nobody whom it knows.
    pub async fn trust_every_certificate(&mut self) {
        self.browser.call("Security.setIgnoreCertificateErrors", json!({"ignore": true})).await;
    }

    /// The browser may complain in these words.
    pub fn allow(&mut self, words: &'static str) {
        self.allowed.push(words);
    }

    /// A page is expected to answer with a status that the browser takes for an error.
    pub fn expect(&mut self, url: &str, status: u16) {
        self.expected.push((url.to_owned(), status));
    }

    /// Waits until the page is there that was just asked for.
    pub async fn loaded(&mut self) {
        self.wait_until_loaded().await;
    }

    /// Does what leads to another page, and waits until that is there.
    pub async fn click(&mut self, selector: &str) {
        self.forget_loads();
        let name = selector.to_owned();
        let is_there = self.evaluate(&format!("!!document.querySelector({name:?})")).await;
        assert_eq!(is_there, true, "no {selector} on {}", self.url().await);
        let click = format!("setTimeout(() => document.querySelector({name:?}).click(), 0)");
        self.browser.call("Runtime.evaluate", json!({"expression": click, "userGesture": true})).await;
        self.wait_until_loaded().await;
    }

    /// Types into a field, as a person would.
    pub async fn fill(&mut self, selector: &str, text: &str) {
        let focus = "f => f && (f.focus(), f.select && f.select(), true)";
        let found = self.evaluate(&format!("({focus})(document.querySelector({selector:?}))")).await;
        assert_eq!(found, true, "no {selector} on {}", self.url().await);
        self.browser.call("Input.insertText", json!({"text": text})).await;
    }

    /// Presses a key: `Tab`, `Enter`.
    pub async fn press(&mut self, key: &str) {
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            other => panic!("no code for {other}"),
        };
        self.forget_loads();
        for kind in ["keyDown", "keyUp"] {
            let mut event = json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code});
            if kind == "keyDown" && key == "Enter" {
                event["text"] = "\r".into();
            }
            self.browser.call("Input.dispatchKeyEvent", event).await;
        }
    }

    /// Waits until an element that is seen has a text, on a page whose script takes its time.
    pub async fn until(&mut self, selector: &str, text: &str) {
        for _ in 0..500 {
            let seen = format!("(e => e?.checkVisibility() ? e.innerText : '')(document.querySelector({selector:?}))");
            let seen = self.evaluate(&seen).await;
            if seen.as_str().unwrap().trim().starts_with(text) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("no {selector} with {text} at {}", self.url().await);
    }

    /// The text of an element, as it is seen.
    pub async fn text(&mut self, selector: &str) -> String {
        let text = self.evaluate(&format!("document.querySelector({selector:?})?.innerText ?? null")).await;
        text.as_str().unwrap_or_else(|| panic!("no {selector}: {text}")).trim().to_owned()
    }

    /// Where one is.
    pub async fn url(&mut self) -> String {
        self.evaluate("location.href").await.as_str().unwrap_or_default().to_owned()
    }

    /// What an expression is worth.
    pub async fn evaluate(&mut self, expression: &str) -> Value {
        let ask = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let answer = self.browser.call("Runtime.evaluate", ask).await;
        assert!(answer["exceptionDetails"].is_null(), "{expression:.200}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    /// The language that pages are asked for in.
    pub async fn speak(&mut self, languages: &str) {
        let agent = self.evaluate("navigator.userAgent").await;
        let wanted = json!({"userAgent": agent, "acceptLanguage": languages});
        self.browser.call("Network.setUserAgentOverride", wanted).await;
    }

    /// Fails where the browser complained of anything. Called when the tab goes, too.
    pub fn assert_quiet(&mut self) {
        self.listen();
        assert!(self.complaints.is_empty(), "the browser complains: {:#?}", self.complaints);
    }

    async fn wait_until_loaded(&mut self) {
        self.browser.wait_for("a page", |event| event["method"] == "Page.loadEventFired").await;
    }

    /// What was loaded before does not count.
    fn forget_loads(&mut self) {
        self.listen();
        self.browser.events.clear();
    }

    /// Keeps complaints of what happened.
    fn listen(&mut self) {
        for event in &self.browser.events {
            let params = &event["params"];
            let complaint = match event["method"].as_str().unwrap_or_default() {
                "Runtime.exceptionThrown" => Some(params["exceptionDetails"].to_string()),
                "Runtime.consoleAPICalled"
                    if ["error", "assert", "warning"].iter().any(|kind| params["type"] == *kind) =>
                {
                    Some(params["args"].to_string())
                }
                "Log.entryAdded" if ["error", "warning"].iter().any(|level| params["entry"]["level"] == *level) => {
                    Some(params["entry"].to_string()).filter(|_| !self.is_expected(&params["entry"]))
                }
                _ => None,
            };
            self.complaints.extend(complaint.filter(|said| !self.allowed.iter().any(|words| said.contains(words))));
        }
    }

    fn is_expected(&self, entry: &Value) -> bool {
        let text = entry["text"].as_str().unwrap_or_default();
        let is_one = |(url, status): &(String, u16)| {
            entry["url"] == **url && text.contains(&format!("responded with a status of {status} "))
        };
        entry["source"] == "network" && self.expected.iter().any(is_one)
    }
}

impl Drop for Tab {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.assert_quiet();
        }
    }
}
