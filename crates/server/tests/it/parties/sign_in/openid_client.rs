//! openid-client on Node: an application on a server, a device, and an application that registers itself.

use std::process::Command;

use serde_json::json;

use super::{World, told};
use crate::parties::{installed, node};

fn program(name: &str) -> Command {
    let mut command = node();
    command.arg(installed("crates/server/tests/it/parties/openid-client").join(name));
    command
}

#[test]
fn tk_06_a_web_application_signs_alice_in_renews_and_signs_her_out() {
    let world = World::new();
    let mut alice = world.alice();
    let told = told(program("web.mjs"), &world, &mut alice);
    let expected = json!({
        "in_the_address": ["client_id", "request_uri"],
        "in_the_answer": ["code", "iss", "state"],
        "claims": {"sub": world.person["id"], "amr": ["pwd"], "auth_time": "number"},
        "scope": "email offline_access openid orders:read profile",
        "userinfo": {"sub": world.person["id"], "name": "alice", "preferred_username": "alice",
            "email": "alice@example.com", "email_verified": true},
        "introspected": {"active": true, "sub": world.person["id"], "aud": "https://api.shop.test"},
        "renewed": {"is_another": true, "sub": world.person["id"]},
        "first_again": "invalid_grant",
        "third_after_that": "invalid_grant",
        "signed_out": "https://shop.test/?state=out",
    });
    assert_eq!(told, expected);
    assert_eq!(alice.pressed, ["login", "consent-allow"], "its hint tells who is to be signed out: nobody is asked");
    assert!(!alice.is_signed_in());
}

#[test]
fn a_device_waits_until_alice_has_said_yes() {
    let world = World::new();
    let mut alice = world.alice();
    let told = told(program("device.mjs"), &world, &mut alice);
    let expected = json!({
        "early": "authorization_pending",
        "person_is_at": "/device",
        "sub": world.person["id"],
        "scope": "offline_access openid orders:read",
        "renewed": world.person["id"],
    });
    assert_eq!(told, expected);
    // She followed the link, which the sign-in does not forget; the code is typed where she says yes.
    assert_eq!(alice.pressed, ["login", "device-confirm"]);
}

#[test]
fn an_application_registers_itself_and_signs_alice_in() {
    let world = World::new();
    let mut alice = world.alice();
    let mut told = told(program("registered.mjs"), &world, &mut alice);
    let metadata = told.as_object_mut().unwrap().remove("metadata").unwrap();
    assert_eq!(metadata["token_endpoint_auth_method"], "client_secret_basic", "{metadata}");
    let id = metadata["client_id"].as_str().unwrap();
    let expected = json!({
        "without_a_token": "invalid_token",
        "sub": world.person["id"],
        "scope": "openid orders:read",
    });
    assert_eq!(told, expected);
    assert_eq!(alice.pressed, ["login", "consent-allow"]);
    let shown = world.desk.works(&format!("admit client show {id} --json"));
    assert!(shown.contains("\"dynamic\": true"), "{shown}");
}
