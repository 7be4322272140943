//! A browser that runs no script: it keeps cookies, follows redirects on one site, and sends the forms of its pages. It is
//! curl, so that tests of every kind can use it.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use tempfile::TempDir;

use crate::pages::person::encode;

/// The most redirects in a row.
const REDIRECTS_MAX: usize = 10;

/// In front of a page of one site.
pub struct Browser {
    pub site: String,
    folder: TempDir,
    /// Where it is, or where a redirect would lead it that leaves the site.
    pub at: String,
    /// The page that is open; empty where the site was left.
    pub page: String,
}

impl Browser {
    /// One that knows nobody yet; it stays on this site (`http://127.0.0.1:8420`).
    pub fn new(site: &str) -> Self {
        Self { site: site.to_owned(), folder: tempfile::tempdir().unwrap(), at: String::new(), page: String::new() }
    }

    /// Goes to an address, and wherever that leads.
    pub fn go(&mut self, url: &str) {
        self.follow(url.to_owned(), None);
    }

    /// Whether a page of the site is open that has an element with this id.
    pub fn shows(&self, id: &str) -> bool {
        self.page.contains(&format!("id=\"{id}\""))
    }

    /// Types into fields and presses a button: sends the form that it is in.
    #[track_caller]
    pub fn press(&mut self, button: &str, typed: &[(&str, &str)]) {
        self.send(&format!("id=\"{button}\""), typed);
    }

    /// Sends the first form in which this stands, with the button in which it stands.
    #[track_caller]
    pub fn send(&mut self, mark: &str, typed: &[(&str, &str)]) {
        let mut forms = self.page.split("<form ").skip(1).map(|rest| rest.split("</form>").next().unwrap());
        let form = forms.find(|form| form.contains(mark));
        let form = form.unwrap_or_else(|| panic!("no form with {mark} at {}: {}", self.at, self.page));
        let mut fields: BTreeMap<String, String> = tags(form, "<input ").filter_map(filled).collect();
        let button = tags(form, "<button ").find(|tag| tag.contains(mark)).unwrap_or_default();
        fields.extend(attribute(button, "name").map(|name| (name, attribute(button, "value").unwrap_or_default())));
        fields.extend(typed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let action = attribute(form, "action").unwrap();
        self.follow(format!("{}{action}", self.site), Some(encode(&fields)));
    }

    fn follow(&mut self, mut url: String, mut form: Option<String>) {
        for _ in 0..REDIRECTS_MAX {
            let next = self.ask(&url, form.take());
            self.at.clone_from(&url);
            if next.is_empty() {
                return;
            }
            if !next.starts_with(&format!("{}/", self.site)) {
                self.at = next;
                self.page.clear();
                return;
            }
            url = next;
        }
        panic!("no end of redirects at {url}");
    }

    /// Asks once, as a browser would in which the address was opened; where it is to go on.
    fn ask(&mut self, url: &str, form: Option<String>) -> String {
        let mut command = Command::new("curl");
        command.current_dir(self.folder.path()).args(["--silent", "--show-error", "--max-time", "30"]);
        command.args(["--cookie", "jar", "--cookie-jar", "jar", "--output", "page"]);
        command.args(["--header", "Accept: text/html", "--write-out", "%{redirect_url}"]);
        if let Some(form) = form {
            command.args(["--header", &format!("Origin: {}", self.site), "--data-raw", &form]);
        }
        // It writes no file where nothing comes.
        let page = self.folder.path().join("page");
        let _ = fs::remove_file(&page);
        let output = command.arg(url).output().unwrap();
        assert!(output.status.success(), "{url}: {}", String::from_utf8_lossy(&output.stderr));
        self.page = fs::read_to_string(page).unwrap_or_default();
        String::from_utf8(output.stdout).unwrap()
    }
}

/// What begins with such a mark, each to its end.
fn tags<'a>(text: &'a str, mark: &'a str) -> impl Iterator<Item = &'a str> {
    text.match_indices(mark).map(|(at, _)| text[at..].split('>').next().unwrap())
}

/// What a field is sent with when nobody touches it.
fn filled(tag: &str) -> Option<(String, String)> {
    let name = attribute(tag, "name")?;
    let is_box = attribute(tag, "type").as_deref() == Some("checkbox");
    if is_box && !tag.split(' ').any(|word| word == "checked") {
        return None;
    }
    let usual = if is_box { "on" } else { "" };
    Some((name, attribute(tag, "value").unwrap_or_else(|| usual.to_owned())))
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let value = tag.split_once(&format!(" {name}=\""))?.1.split('"').next()?;
    let marks = [("&#34;", "\""), ("&#39;", "'"), ("&#60;", "<"), ("&#62;", ">"), ("&#38;", "&")];
    Some(marks.iter().fold(value.to_owned(), |value, (written, mark)| value.replace(written, mark)))
}
