//! Somebody with a browser that runs no script: it keeps cookies, and sends the forms of the pages that it shows.

use std::collections::BTreeMap;

use crate::app::{Reply, TestApp};

/// Somebody in front of a browser.
pub struct Person<'a> {
    app: &'a TestApp,
    /// By name; what the server took away is gone.
    pub cookies: BTreeMap<String, String>,
    /// What stands before the paths of the pages.
    pub base: &'static str,
    page: String,
}

impl<'a> Person<'a> {
    pub fn new(app: &'a TestApp) -> Self {
        Self { app, cookies: BTreeMap::new(), base: "", page: String::new() }
    }

    /// Opens a page.
    pub async fn get(&mut self, path: &str) -> Reply {
        let path = format!("{}{path}", self.base);
        self.send("GET", &path, &[], None).await
    }

    /// Fills in a form of the page that is open and sends it to a path.
    pub async fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let path = format!("{}{path}", self.base);
        let token = self.token();
        let fields: Vec<_> = [("csrf", token.as_str())].into_iter().chain(fields.iter().copied()).collect();
        let origin = self.app.url.clone();
        self.send("POST", &path, &[("origin", &origin)], Some(encode(&fields))).await
    }

    /// Sends a request as it is said, with the cookies.
    pub async fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], form: Option<String>) -> Reply {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = cookies.join("; ");
        let mut all = vec![("accept", "text/html"), ("user-agent", "curl/8.14.1")];
        if form.is_some() {
            all.push(("content-type", "application/x-www-form-urlencoded"));
        }
        all.extend(headers.iter().copied());
        if !cookies.is_empty() {
            all.push(("cookie", &cookies));
        }
        let reply = self.app.send(method, path, &all, form.map(String::into_bytes)).await;
        for cookie in reply.headers.get_all("set-cookie") {
            let (name, rest) = cookie.to_str().unwrap().split_once('=').unwrap();
            match rest.split(';').next().unwrap() {
                "" => self.cookies.remove(name),
                value => self.cookies.insert(name.to_owned(), value.to_owned()),
            };
        }
        if reply.status == 200 || !reply.text.is_empty() {
            self.page.clone_from(&reply.text);
        }
        reply
    }

    /// Signs in; the reply to the form.
    pub async fn sign_in(&mut self, identifier: &str, password: &str) -> Reply {
        self.get("/login").await;
        self.submit("/login", &[("identifier", identifier), ("password", password)]).await
    }

    /// The token of the forms of the page that is open.
    pub fn token(&self) -> String {
        self.value("csrf")
    }

    /// The value of the first field of this name on the page that is open.
    pub fn value(&self, name: &str) -> String {
        let mark = format!("name=\"{name}\" value=\"");
        let rest = self.page.split(&mark).nth(1).unwrap_or_default();
        rest.split('"').next().unwrap_or_default().to_owned()
    }
}

/// A form as a browser writes it.
pub fn encode(fields: &[(&str, &str)]) -> String {
    let octets = |text: &str| text.bytes().map(|octet| format!("%{octet:02X}")).collect::<String>();
    fields.iter().map(|(name, value)| format!("{}={}", octets(name), octets(value))).collect::<Vec<_>>().join("&")
}

/// The path of the link in the newest mail, once there are so many.
pub async fn link(app: &TestApp, count: usize) -> String {
    for _ in 0..500 {
        let mails = app.send("GET", "/dev/mail", &[("accept", "application/json")], None).await.json();
        if mails["items"].as_array().unwrap().len() == count {
            let text = mails["items"][0]["text"].as_str().unwrap().to_owned();
            let link = text.lines().find(|line| line.starts_with("http")).unwrap();
            return link.strip_prefix(&app.url).unwrap_or_else(|| panic!("{link}")).to_owned();
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("{count} mails have not come");
}

/// All mails, the newest first.
pub async fn mails(app: &TestApp) -> Vec<serde_json::Value> {
    let mails = app.send("GET", "/dev/mail", &[("accept", "application/json")], None).await.json();
    mails["items"].as_array().unwrap().clone()
}

/// What differs from page to page taken out: the tokens of forms.
pub fn without_tokens(page: &str) -> String {
    let mut parts = page.split("name=\"csrf\" value=\"");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |page, rest| page + rest.split_once('"').map_or("", |(_, rest)| rest))
}
