//! What stands around every page of the console: where one is, where one can go, who is signed in.
//!
//! Only what the operator may see is offered. Which is a matter of courtesy: the management API refuses the rest anyway.

use serde_json::Value;

use super::PATH;
use super::operator::Operator;
use crate::http::problem::Problem;
use crate::manage::inside::Ask;
use crate::pages::text::Words;
use crate::pages::{Frame, asset};

/// How many realms the switch offers; the list of realms has all.
const REALMS_SHOWN: &str = "30";
/// The realm that is shown where none was chosen.
const FIRST_REALM: &str = "default";

/// The parts of a realm that have a place in the navigation, each with the scope that shows it.
const SECTIONS: [(&str, &str); 10] = [
    ("apis", "apis:read"),
    ("rules", "rules:read"),
    ("keys", "keys:read"),
    ("clients", "clients:read"),
    ("users", "users:read"),
    ("roles", "roles:read"),
    ("sessions", "sessions:read"),
    ("grants", "grants:read"),
    ("signing-keys", "signing-keys:read"),
    ("refusals", "decisions:read"),
];

/// A way to go.
pub struct Way {
    /// Where to.
    pub href: String,
    /// What it is called.
    pub label: String,
    /// Whether one is there.
    pub is_here: bool,
}

/// What stands around a page.
pub struct Shell {
    /// The texts.
    pub words: &'static Words,
    /// The realm that is looked at.
    pub realm: String,
    /// The realms to switch to.
    pub realms: Vec<Way>,
    /// Pages of the whole server.
    pub server: Vec<Way>,
    /// Pages of the realm.
    pub sections: Vec<Way>,
    /// Where to sign out.
    pub logout: String,
    /// Where one's own account is.
    pub account: String,
    /// For forms.
    pub token: String,
}

impl Shell {
    /// For a page of a realm, or of the server, that stands in a section.
    pub async fn of(operator: &Operator, realm: Option<&str>, section: &str) -> Result<(Frame, Self), Problem> {
        let visit = &operator.visit;
        let words = visit.words;
        let names = realm_names(operator).await?;
        let first = || names.iter().find(|name| *name == FIRST_REALM).or(names.first()).cloned();
        let shown = realm.map(str::to_owned).or_else(first).unwrap_or_default();
        let of_realm = |name: &str| format!("{PATH}/realms/{name}");
        let way = |href: String, label: &str, is_here: bool| Way { href, label: label.to_owned(), is_here };
        let is_shown = |scope: &'static str| operator.may(Some(&shown), scope);
        let sections = SECTIONS.iter().filter(|(_, scope)| is_shown(scope)).map(|(name, _)| {
            let label = words.say(&format!("console.{name}.title"));
            way(format!("{}/{name}", of_realm(&shown)), label, realm.is_some() && section == *name)
        });
        let mut sections: Vec<_> = sections.collect();
        if is_shown("realm:read") {
            let is_here = realm.is_some() && section == "realm";
            sections.push(way(of_realm(&shown), words.say("console.settings"), is_here));
        }
        let mut server = vec![way(PATH.to_owned(), words.say("console.home.title"), section == "home")];
        if operator.may(None, "server:read") {
            server.push(way(
                of_realm("").trim_end_matches('/').to_owned(),
                words.say("console.realms.title"),
                section == "realms",
            ));
        }
        let ticket = visit.ticket();
        // In a session there is a cookie to bind it to, else the operator would not be here.
        debug_assert!(ticket.cookie.is_none(), "a session without what tells its browser");
        let mut frame = visit.frame().filled().of_person(operator.signed_in.principal.name.to_string());
        frame.place = words.say("console.title").to_owned();
        let shell = Self {
            words,
            realms: names.iter().map(|name| way(format!("{}/apis", of_realm(name)), name, *name == shown)).collect(),
            realm: shown,
            server,
            sections,
            logout: visit.path("/logout"),
            account: visit.path("/account"),
            token: ticket.token,
        };
        Ok((frame, shell))
    }

    /// The style sheet of the console.
    pub fn style(&self) -> &'static str {
        asset::path(asset::CONSOLE)
    }
}

/// The first realms of the server, for whom may see them; else those that the operator has rights over.
async fn realm_names(operator: &Operator) -> Result<Vec<String>, Problem> {
    let asked = operator.ask(Ask::get(&["realms"]).param("limit", REALMS_SHOWN)).await?;
    match asked.ok() {
        Ok(answer) => {
            let name = |realm: &Value| realm["name"].as_str().map(str::to_owned);
            Ok(answer.items().iter().filter_map(name).collect())
        }
        Err(_) => Ok(operator.own_realms().iter().map(ToString::to_string).collect()),
    }
}

/// Every text that is asked for by a name put together here.
pub fn texts() -> Vec<String> {
    SECTIONS.iter().map(|(name, _)| format!("console.{name}.title")).collect()
}
