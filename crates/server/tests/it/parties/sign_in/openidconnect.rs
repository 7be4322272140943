//! A web application with a secret, by the Rust crate openidconnect.

use std::process::Command;

use serde_json::json;

use super::{World, told};
use crate::parties::installed;

#[test]
fn openidconnect_signs_alice_in_and_renews_and_signs_her_out() {
    let world = World::new();
    let mut alice = world.alice();
    let folder = installed("crates/server/tests/it/parties/openidconnect");
    let mut told = told(Command::new(folder.join("target/debug/party")), &world, &mut alice);
    let other_nonce = told["other_nonce"].take();
    assert!(other_nonce.as_str().is_some_and(|said| said.contains("nonce mismatch")), "{other_nonce}");
    assert_eq!(
        told,
        json!({
            "state": true,
            "iss": true,
            "other_verifier": "invalid_grant",
            "other_nonce": null,
            "scope": ["email", "offline_access", "openid", "orders:read", "profile"],
            "id_token": {
                "iss": world.issuer,
                "sub": world.person["id"],
                "aud": [world.web["id"]],
                "auth_time": true,
            },
            "userinfo": {
                "sub": world.person["id"],
                "name": world.person["name"],
                "email": world.person["email"],
                "email_verified": true,
            },
            "refreshed": {"access": true, "sub": world.person["id"]},
            "logout_state": true,
        })
    );
    assert_eq!(alice.pressed, ["login", "consent-allow"], "it showed her own ID token: nothing was asked in the end");
    assert!(!alice.is_signed_in());
}
