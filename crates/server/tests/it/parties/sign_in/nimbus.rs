//! A web application that registers itself and pushes its requests, by the OpenID Connect SDK of Nimbus.

use serde_json::json;

use super::{World, told};
use crate::parties::{installed, java};

#[test]
fn nimbus_registers_pushes_signs_alice_in_and_out_and_leaves() {
    let world = World::new();
    let mut alice = world.alice();
    let mut program = java();
    let jar = installed("crates/server/tests/it/parties/nimbus").join("target/party.jar");
    program.arg("-classpath").arg(jar).arg("com.example.parties.SignIn");
    let mut told = told(program, &world, &mut alice);
    let other_nonce = told["other_nonce"].take();
    assert!(other_nonce.as_str().is_some_and(|said| said.contains("nonce")), "{other_nonce}");
    let pushed_for = told["pushed_for"].take();
    assert!(pushed_for.as_i64().is_some_and(|seconds| seconds > 0), "{pushed_for}");
    assert_eq!(
        told,
        json!({
            "pushed_for": null,
            "state": true,
            "iss": true,
            "other_verifier": "invalid_grant",
            "scope": "email offline_access openid orders:read profile",
            "id_token": {"sub": world.person["id"], "acr": "urn:admit:aal1"},
            "other_nonce": null,
            "userinfo": {
                "sub": world.person["id"],
                "name": world.person["name"],
                "email": world.person["email"],
                "email_verified": true,
            },
            "refreshed": {"access": true, "sub": world.person["id"]},
            "logout_state": true,
            "after_deletion": "invalid_client",
        })
    );
    assert_eq!(alice.pressed, ["login", "consent-allow"], "it showed her own ID token: nothing was asked in the end");
    assert!(!alice.is_signed_in());
}
