//! oauth4webapi: an application in a browser, and what it makes of answers that are not its own.

use serde_json::json;

use super::{World, told};
use crate::parties::{installed, node};

#[test]
fn az_11_az_12_az_13_a_page_signs_alice_in_and_believes_no_answer_but_its_own() {
    let world = World::new();
    let mut alice = world.alice();
    let mut command = node();
    command.arg(installed("crates/server/tests/it/parties/oauth4webapi").join("spa.mjs"));
    let told = told(command, &world, &mut alice);
    let expected = json!({
        "other_state": "unexpected \"state\" response parameter value",
        "other_issuer": "unexpected \"iss\" (issuer) response parameter value",
        "no_issuer": "response parameter \"iss\" (issuer) missing",
        "other_verifier": "invalid_grant",
        "sub": world.person["id"],
        "userinfo": {"sub": world.person["id"], "email": "alice@example.com", "email_verified": true},
        "at_the_api": {"sub": world.person["id"], "client_id": world.spa["id"], "scope": "email openid orders:read"},
        "renewed": true,
        "refresh_after_revocation": "invalid_grant",
        "userinfo_after_revocation": "invalid_token",
        "other_nonce": "unexpected ID Token \"nonce\" claim value",
        "code_again": "invalid_grant",
        "userinfo_after_that": "invalid_token",
    });
    assert_eq!(told, expected);
    assert_eq!(alice.pressed, ["login", "consent-allow"], "then she was known and had agreed");
}
