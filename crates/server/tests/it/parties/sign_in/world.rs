//! An issuer with Alice, an API of which she may read the orders, and a client of each type.

use std::fs;

use serde_json::{Value, json};

use super::Alice;
use crate::story::Desk;

/// The API.
pub const AUDIENCE: &str = "https://api.shop.test";
const RIGHTS: &str = "--api https://api.shop.test --scope orders:read --scope orders:write";

/// Everything that a party is told, and what Alice knows. All of it is made by `admit serve` and the command line.
pub struct World {
    pub issuer: String,
    /// Alice's `id`, `name` and `email`
    pub person: Value,
    /// `id`, `secret`, `redirect_uri`, `post_logout_redirect_uri`; its refresh tokens are good once
    pub web: Value,
    /// `id`, `redirect_uri`
    pub spa: Value,
    /// `id`, and a `redirect_uri` that takes any port
    pub native: Value,
    /// `id`
    pub device: Value,
    /// With what applications register themselves.
    pub initial: String,
    pub password: String,
    pub desk: Desk,
}

impl World {
    pub fn new() -> Self {
        let mut desk = Desk::new();
        desk.serve("");
        for line in [
            "admit realm update default --setting client_registration=true",
            "admit key create --name registrar --api urn:admit:realm:default --scope clients:register > initial",
            "admit api create https://api.shop.test --scope 'orders:read=Read orders' --scope orders:write --host shop.test",
            "admit role create --name buyer --api https://api.shop.test --scope orders:read",
            "admit user create --name alice --email alice@example.com --role buyer",
            "admit user verify-email alice",
            "admit user set-password alice --generate > password",
        ] {
            desk.works(line);
        }
        let read = |name: &str| fs::read_to_string(desk.path().join(name)).unwrap().trim().to_owned();
        let [initial, password] = ["initial", "password"].map(read);
        let alice = json(&desk, "admit user show alice --json");
        let person = json!({"id": alice["id"], "name": alice["name"], "email": alice["email"]});
        Self {
            issuer: format!("http://{}", desk.address),
            person,
            web: client(&desk, "shop", "web", Some("https://shop.test"), "--rotate-refresh-tokens true"),
            spa: client(&desk, "board", "spa", Some("https://board.test"), "--origin https://board.test"),
            native: client(&desk, "notes", "native", Some("http://127.0.0.1"), ""),
            device: client(&desk, "television", "device", None, ""),
            initial,
            password,
            desk,
        }
    }

    /// Alice, in front of a browser that knows nobody yet.
    pub fn alice(&self) -> Alice {
        Alice::new(&self.issuer, &self.password)
    }

    /// As the parties read it.
    pub fn as_json(&self) -> Value {
        json!({"issuer": self.issuer, "audience": AUDIENCE, "person": self.person, "web": self.web, "spa": self.spa,
            "native": self.native, "device": self.device, "initial": self.initial})
    }
}

/// A client that may ask for everything of the API. At its origin people come back to `/callback` and, signed out, to `/`.
pub fn client(desk: &Desk, name: &str, kind: &str, origin: Option<&str>, more: &str) -> Value {
    let uri = |path: &str| origin.map(|origin| format!("{origin}{path}"));
    let (redirect, bye) = (uri("/callback"), uri("/"));
    let flag = |flag: &str, uri: &Option<String>| uri.as_ref().map_or_else(String::new, |uri| format!("{flag} {uri}"));
    let ways = [flag("--redirect-uri", &redirect), flag("--post-logout-redirect-uri", &bye)].join(" ");
    let line = format!("admit client create --name {name} --type {kind} {ways} {RIGHTS} {more} --json 2> said");
    let made = json(desk, &line);
    json!({"id": made["id"], "secret": made["secret"], "redirect_uri": redirect, "post_logout_redirect_uri": bye})
}

fn json(desk: &Desk, line: &str) -> Value {
    let said = desk.works(line);
    serde_json::from_str(&said).unwrap_or_else(|_| panic!("{line}: {said}"))
}
