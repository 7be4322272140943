//! A command on somebody's machine, which is a device too, by go-oidc and golang.org/x/oauth2.

use std::process::Command;

use serde_json::{Value, json};

use super::{World, told};
use crate::parties::installed;

#[test]
fn go_oidc_signs_alice_in_and_renews_and_connects_a_device() {
    let world = World::new();
    let mut alice = world.alice();
    let program = Command::new(installed("crates/server/tests/it/parties/go-oidc").join("program"));
    let mut told = told(program, &world, &mut alice);
    let id_token = json!({
        "sub": world.person["id"],
        "nonce": true,
        "at_hash": true,
        "other_at_hash": "access token hash does not match value in ID token",
        "is_of_a_moment": true,
    });
    let scope = "email offline_access openid orders:read profile";
    let device = told["device"].take();
    assert_eq!(device, json!({"scope": scope, "id_token": id_token}));
    assert_eq!(
        told,
        json!({
            "state": true,
            "iss": true,
            "other_verifier": "invalid_grant",
            "type": "Bearer",
            "scope": scope,
            "id_token": id_token,
            "userinfo": {
                "sub": world.person["id"],
                "name": world.person["name"],
                "email": world.person["email"],
                "email_verified": true,
            },
            "refreshed": {"access": true, "refresh": true, "sub": world.person["id"]},
            "reused": "invalid_grant",
            "after_reuse": "invalid_grant",
            "device": Value::Null,
            "device_again": "invalid_grant",
        })
    );
    assert_eq!(alice.pressed, ["login", "consent-allow", "device-confirm"], "she is asked for each of them");
}
