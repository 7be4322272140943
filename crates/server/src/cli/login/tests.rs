use serde_json::json;

use super::*;
use crate::cli::test_console::{Console, Reply};

fn read(client: Value) -> Result<Registered, String> {
    Registered::read(&client, "my shop").map_err(|failure| failure.message)
}

#[test]
fn a_client_without_a_redirect_to_this_machine_is_told_how_to_have_one() {
    let far =
        json!({"id": "cli_1", "type": "web", "redirect_uris": ["https://shop.test/cb", "http://127.0.0.1.evil.test/"]});
    let told = read(far).err().unwrap();
    assert!(told.contains("admit client update 'my shop' --redirect-uri http://127.0.0.1:8765/callback"), "{told}");
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
        assert_eq!((found.id.as_str(), found.redirect_uri.as_str()), ("cli_1", uris[2]));
        (found.is_public, found.has_any_port)
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
    assert!(ran.err.contains("admit login test shop --secret-file FILE"), "{}", ran.err);
    let lines: Vec<_> = console.requests().into_iter().map(|request| request.line).collect();
    assert_eq!(lines, ["GET /v1/realms/default/clients/shop HTTP/1.1", "GET /v1/realms/default HTTP/1.1"]);
}
