//! Client libraries that find our endpoints by themselves: tokens by secret and by signed assertion, introspection, revocation,
//! what they are told when they are refused, and what they make of tokens that are not good.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::world::World;
use super::{installed, java, node, python};

/// What a program told of its steps.
fn told(mut command: Command, world: &World) -> Value {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    child.stdin.take().unwrap().write_all(world.as_json().to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Each step ends as it must, `more` too; and each token is judged for the reason that it is here for, in the words of the
/// library.
fn gets_along(command: Command, more: Value, judged: &[(&str, &str)]) {
    let world = World::new();
    let mut told = told(command, &world);
    let tokens = told.as_object_mut().unwrap().remove("tokens").unwrap();
    let mut expected = json!({
        "basic": "orders:read",
        "post": "orders:read",
        "private_key_jwt": "orders:read",
        "subject": world.client["id"],
        "before_revocation": true,
        "after_revocation": false,
        "wrong_secret": "invalid_client",
        "unknown_scope": "invalid_scope",
        "unknown_resource": "invalid_target",
    });
    expected.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    assert_eq!(told, expected);

    assert_eq!(tokens.as_object().unwrap().len(), judged.len(), "{tokens}");
    for (name, reason) in judged {
        let said = tokens[name].as_str().unwrap_or_else(|| panic!("{name}: {tokens}"));
        let is_so = if *reason == "good" { said == "good" } else { said != "good" && said.contains(reason) };
        assert!(is_so, "{name}: {said}, not {reason}");
    }
}

#[test]
fn oauth4webapi() {
    let mut command = node();
    command.arg(installed("crates/server/tests/it/parties/oauth4webapi").join("client.mjs"));
    let judged = [
        ("good", "good"),
        ("narrow", "good"),
        ("other_audience", "\"aud\""),
        ("expired", "\"exp\""),
        ("changed", "signature verification failed"),
        ("changed_claims", "signature verification failed"),
        ("revoked_key", "no applicable keys"),
        ("unsigned", "\"alg\""),
        ("other_type", "\"typ\""),
        ("other_algorithm", "\"alg\""),
    ];
    gets_along(command, json!({"signed_introspection": true}), &judged);
}

/// It has no list of algorithms: whatever fits a published key is good to it.
#[test]
fn authlib() {
    let folder = installed("crates/server/tests/it/parties/authlib");
    let mut command = python(&folder);
    command.arg(folder.join("client.py"));
    let judged = [
        ("good", "good"),
        ("narrow", "good"),
        ("other_audience", "'aud'"),
        ("expired", "expired"),
        ("changed", "bad_signature"),
        ("changed_claims", "bad_signature"),
        ("revoked_key", "No key for kid"),
        ("unsigned", "none"),
        ("other_type", "typ"),
        ("other_algorithm", "good"),
    ];
    gets_along(command, json!({}), &judged);
}

#[test]
fn nimbus() {
    let mut command = java();
    command.arg("-jar").arg(installed("crates/server/tests/it/parties/nimbus").join("target/party.jar"));
    let judged = [
        ("good", "good"),
        ("narrow", "good"),
        ("other_audience", "aud claim rejected"),
        ("expired", "Expired JWT"),
        ("changed", "Invalid signature"),
        ("changed_claims", "Invalid signature"),
        ("revoked_key", "no matching key"),
        ("unsigned", "Unsecured"),
        ("other_type", "typ"),
        ("other_algorithm", "Another algorithm expected"),
    ];
    gets_along(command, json!({}), &judged);
}
