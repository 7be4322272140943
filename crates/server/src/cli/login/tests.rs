use serde_json::json;

use super::*;
use crate::cli::test_console::{Console, Reply};

fn read(client: Value) -> Result<Registered, String> {
    Registered::read(&client, "my shop", "https://auth.test").map_err(|failure| failure.message)
}

#[test]
fn who_cannot_be_signed_in_to_is_told_what_works_instead() {
    for (client, told) in [
        (json!({"id": "cli_1", "type": "service"}), "admit token issue --client 'my shop'"),
        (json!({"id": "cli_1", "type": "device"}), "curl --data client_id=cli_1 https://auth.test/oauth/device"),
        (
            json!({"id": "cli_1", "type": "web", "disabled_at": "2026-11-23T00:00:00Z",
                "redirect_uris": ["http://127.0.0.1:1/cb"]}),
            "client 'my shop' is switched off. Next: admit client enable 'my shop'",
        ),
    ] {
        let said = read(client).err().unwrap();
        assert!(said.ends_with(told) && !said.contains("redirect"), "{said}");
    }
}

#[test]
fn a_refusal_says_what_it_means_and_names_the_client() {
    let said = |error: &str, description: &str| {
        let trouble = Trouble::Refused { error: error.to_owned(), description: description.to_owned() };
        failed("the answer", &trouble, "my shop").message
    };
    let denied = said("access_denied", "The person said no.");
    assert!(denied.starts_with("the answer: access_denied: The person said no. The client is well. "), "{denied}");
    assert!(said("invalid_client", "").ends_with("admit client secret list 'my shop'"));
    assert!(said("invalid_scope", "").ends_with("admit client show 'my shop'"));
    assert!(said("invalid_target", "").ends_with("admit api list"));
    assert!(said("invalid_request", "").ends_with("admit client show 'my shop'"));
    assert!(said("invalid_grant", "").ends_with("See why: admit events"), "the audit has it: token.refused");
    assert_eq!(said("server_error", "Not now."), "the answer: server_error: Not now.");
}

#[tokio::test]
async fn where_one_redirect_is_taken_another_is_heard_at_and_where_all_are_it_is_said() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let busy = format!("http://{}/cb", taken.local_addr().unwrap());
    let client = |uris: Value| read(json!({"id": "cli_1", "type": "web", "redirect_uris": uris})).unwrap();
    let said = listen(&client(json!([busy])), "my shop").await.err().unwrap().message;
    assert!(said.starts_with(&format!("cannot listen at {busy}: ")), "{said}");
    let next = "admit client update --redirect-uri http://127.0.0.1:PORT/callback 'my shop'";
    assert!(said.ends_with(next), "{said}");
    let free = listen(&client(json!([busy, "http://127.0.0.1:0/cb"])), "my shop").await.ok().unwrap();
    assert_eq!(free.redirect_uri(), "http://127.0.0.1:0/cb");
}

#[test]
fn a_client_without_a_redirect_to_this_machine_is_told_how_to_have_one() {
    let far =
        json!({"id": "cli_1", "type": "web", "redirect_uris": ["https://shop.test/cb", "http://127.0.0.1.evil.test/"]});
    let told = read(far).err().unwrap();
    assert!(told.contains("admit client update --redirect-uri http://127.0.0.1:8765/callback 'my shop'"), "{told}");
    let signer = json!({"id": "cli_1", "type": "web", "token_endpoint_auth_method": "private_key_jwt",
        "redirect_uris": ["http://127.0.0.1:1/cb"]});
    assert!(read(signer).err().unwrap().contains("private key"));
}

#[test]
fn what_is_registered_says_how_the_client_proves_itself_and_where_its_answer_comes() {
    let client = |kind: &str, method: Value| {
        let uris = ["https://a.test/cb", "http://localhost:9000/cb", "http://127.0.0.1:9000/cb"];
        let client = json!({"id": "cli_1", "type": kind, "token_endpoint_auth_method": method, "redirect_uris": uris});
        let found = read(client).unwrap();
        assert_eq!((found.id.as_str(), found.redirect_uris[0].as_str()), ("cli_1", uris[2]));
        assert!(!found.has_any_port(uris[1]), "a name has the port that is registered");
        (found.is_public, found.has_any_port(uris[2]))
    };
    assert_eq!(client("web", Value::Null), (false, false));
    assert_eq!(client("web", json!("client_secret_post")), (false, false));
    assert_eq!(client("spa", Value::Null), (true, false));
    assert_eq!(client("native", Value::Null), (true, true));
}

#[tokio::test]
async fn a_confidential_client_without_its_secret_is_a_usage_error_that_names_the_next_command() {
    let client = json!({"id": "cli_1", "type": "web", "redirect_uris": ["http://127.0.0.1:9000/cb"]});
    let realm = json!({"name": "default", "issuer": "http://127.0.0.1:1"});
    let console = Console::new([Reply::json(200, client), Reply::json(200, realm)]).await;
    let ran = console.run("login test shop").await;
    assert_eq!(ran.exit, 2, "{}", ran.err);
    assert!(ran.err.contains("admit login test --secret-file FILE shop"), "{}", ran.err);
    let lines: Vec<_> = console.requests().into_iter().map(|request| request.line).collect();
    assert_eq!(lines, ["GET /v1/realms/default/clients/shop HTTP/1.1", "GET /v1/realms/default HTTP/1.1"]);
}
