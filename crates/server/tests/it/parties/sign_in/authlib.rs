//! Authlib on Python: an application on a server.

use serde_json::json;

use super::{World, told};
use crate::parties::{installed, python};

#[test]
fn tk_06_a_web_application_signs_alice_in_renews_and_signs_her_out() {
    let world = World::new();
    let mut alice = world.alice();
    let folder = installed("crates/server/tests/it/parties/authlib");
    let mut command = python(&folder);
    command.arg(folder.join("web.py"));
    let told = told(command, &world, &mut alice);
    let expected = json!({
        "other_state": "mismatching_state",
        "other_verifier": "invalid_grant",
        "claims": {"sub": world.person["id"], "amr": ["pwd"], "has_sid": true},
        "other_nonce": "invalid_claim",
        "scope": "email offline_access openid orders:read profile",
        "userinfo": {"sub": world.person["id"], "name": "alice", "preferred_username": "alice",
            "email": "alice@example.com", "email_verified": true},
        "renewed": world.person["id"],
        "first_again": "invalid_grant",
        "third_after_that": "invalid_grant",
        "signed_out": "https://shop.test/",
    });
    assert_eq!(told, expected);
    assert_eq!(alice.pressed, ["login", "consent-allow"]);
    assert!(!alice.is_signed_in());
}
