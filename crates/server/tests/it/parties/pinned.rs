//! What the book says of counterparties is what their files pin, and those name nothing of the machine that wrote them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

const VERIFY: &str = include_str!("../../../../../docs/book/src/verify-our-tokens.md");
const SIGN_IN: &str = include_str!("../../../../../docs/book/src/add-sign-in-to-an-app.md");
const OWN: &str = "crates/server/tests/it/parties";
const PYTHON: [&str; 3] = ["Authlib", "PyJWT", "fastapi"];
const VERIFIERS: [&str; 4] = ["verify-express", "verify-fastapi", "verify-go", "verify-spring"];
const APPLICATIONS: [&str; 4] = ["sign-in-device", "sign-in-native", "sign-in-spa", "sign-in-web"];
const CLIENTS: [&str; 6] = ["authlib", "go-oidc", "nimbus", "oauth4webapi", "openid-client", "openidconnect"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Name, registry and version.
type Row = [String; 3];

fn row(name: &str, from: &str, version: &str) -> Row {
    [name, from, version].map(str::to_owned)
}

fn example(name: &str) -> String {
    format!("examples/{name}")
}

fn own(name: &str) -> String {
    format!("{OWN}/{name}")
}

/// What stands in the table of a page.
fn told(page: &str) -> BTreeSet<Row> {
    let rows = page.lines().skip_while(|line| !line.starts_with("| counterparty |")).skip(2);
    let cells = rows.take_while(|line| line.starts_with('|')).map(|line| line.split('|').map(str::trim));
    cells
        .map(|mut cells| {
            let mut next = || cells.next().unwrap();
            next();
            [next().trim_matches('`').to_owned(), next().to_owned(), next().to_owned()]
        })
        .collect()
}

/// What a lock file of npm has for the packages that are asked for by name.
fn npm(folder: &str) -> Vec<Row> {
    let lock: Value = serde_json::from_str(&read(&format!("{folder}/package-lock.json"))).unwrap();
    let asked = lock["packages"][""]["dependencies"].as_object().unwrap();
    let version = |name: &str| lock["packages"][format!("node_modules/{name}")]["version"].as_str().unwrap().to_owned();
    asked
        .iter()
        .map(|(name, pin)| (name, pin.as_str().unwrap(), version(name)))
        .map(|(name, pin, version)| {
            assert_eq!(pin, version, "{name} is pinned in package.json, too");
            row(name, "npm", &version)
        })
        .collect()
}

/// Each line names one version; those that the page is about.
fn pip(folder: &str) -> Vec<Row> {
    let text = read(&format!("{folder}/requirements.txt"));
    let pins = text.lines().map(|line| line.split_once("==").unwrap_or_else(|| panic!("{line} is not pinned")));
    pins.filter(|(name, _)| PYTHON.contains(name)).map(|(name, version)| row(name, "PyPI", version)).collect()
}

fn go(folder: &str) -> Vec<Row> {
    let text = read(&format!("{folder}/go.mod"));
    let lines = text.lines().map(|line| line.trim().trim_start_matches("require ")).filter(|line| line.contains(" v"));
    let direct = lines.filter(|line| !line.ends_with("// indirect"));
    direct.map(|line| line.split_once(' ').unwrap()).map(|(name, version)| row(name, "Go", version)).collect()
}

/// The parent and the dependencies with a version of their own.
fn maven(folder: &str) -> Vec<Row> {
    let text = read(&format!("{folder}/pom.xml"));
    let value = |part: &str, name: &str| {
        let rest = part.split_once(&format!("<{name}>"))?.1;
        Some(rest.split('<').next().unwrap().to_owned())
    };
    let parts = text.split("<dependency>").skip(1).chain(text.split("<parent>").skip(1));
    let ends = parts.map(|part| part.split("</dependency>").next().unwrap().split("</parent>").next().unwrap());
    let named =
        ends.filter_map(|part| Some((value(part, "groupId")?, value(part, "artifactId")?, value(part, "version")?)));
    named.map(|(group, artifact, version)| row(&format!("{group}:{artifact}"), "Maven", &version)).collect()
}

/// The dependencies that no other version satisfies, as they are locked.
fn cargo(folder: &str) -> Vec<Row> {
    let pins = toml(&format!("{folder}/Cargo.toml"))["dependencies"].clone();
    let locked = toml(&format!("{folder}/Cargo.lock"))["package"].clone();
    let version = |name: &str| {
        let found = locked.as_array().unwrap().iter().find(|package| package["name"].as_str() == Some(name));
        found.unwrap()["version"].as_str().unwrap().to_owned()
    };
    let exact = |pin: &toml::Value| pin.get("version")?.as_str()?.strip_prefix('=').map(str::to_owned);
    let pinned = pins.as_table().unwrap().iter().filter_map(|(name, pin)| Some((name, exact(pin)?)));
    pinned
        .map(|(name, pin)| {
            assert_eq!(pin, version(name), "{name}");
            row(name, "crates.io", &pin)
        })
        .collect()
}

fn toml(file: &str) -> toml::Value {
    toml::from_str(&read(file)).unwrap()
}

#[test]
fn the_tables_of_the_book_are_what_is_pinned() {
    let verifies = [
        npm(&example("verify-express")),
        npm(&own("oauth4webapi")),
        pip(&example("verify-fastapi")),
        pip(&own("authlib")),
        go(&example("verify-go")),
        maven(&example("verify-spring")),
        maven(&own("nimbus")),
    ];
    assert_eq!(told(VERIFY), verifies.concat().into_iter().collect());
    let signs_in = [
        npm(&own("openid-client")),
        npm(&own("oauth4webapi")),
        npm(&example("sign-in-device")),
        npm(&example("sign-in-spa")),
        npm(&example("sign-in-web")),
        pip(&own("authlib")),
        pip(&example("sign-in-native")),
        go(&own("go-oidc")),
        maven(&own("nimbus")),
        cargo(&own("openidconnect")),
    ];
    assert_eq!(told(SIGN_IN), signs_in.concat().into_iter().collect());
}

#[test]
fn the_pages_show_what_is_run() {
    for (page, folders) in [(VERIFY, VERIFIERS), (SIGN_IN, APPLICATIONS)] {
        let shown: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("{{#include ../../../")).collect();
        let files: Vec<_> = shown.iter().map(|line| line.trim_end_matches('}')).collect();
        files.iter().for_each(|file| drop(read(file)));
        for folder in folders.map(example) {
            assert!(files.iter().any(|file| file.starts_with(&format!("{folder}/"))), "{folder}: {files:?}");
        }
    }
}

/// npm would write it as `resolved`; who funds a package it names too, and may.
#[test]
fn what_is_pinned_names_no_registry() {
    let examples = VERIFIERS.into_iter().chain(APPLICATIONS).map(example);
    for folder in examples.chain(CLIENTS.map(own)) {
        for name in ["package-lock.json", "requirements.txt", "go.mod", "go.sum", "pom.xml", "Cargo.toml"] {
            let Ok(text) = fs::read_to_string(root().join(&folder).join(name)) else { continue };
            assert!(!text.contains("\"resolved\""), "{folder}/{name}");
            let text = text.replace("http://maven.apache.org/POM/4.0.0", "");
            let is_quiet = name == "package-lock.json" || !text.contains("://");
            assert!(is_quiet, "{folder}/{name} names an address");
        }
        assert!(!root().join(&folder).join(".npmrc").exists(), "{folder}");
    }
}
