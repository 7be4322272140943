//! Which scripts may read what the token endpoint answers.

use serde_json::{Value, json};

use super::{ASKED, Client, REALM, TOKEN, post, shop};

const OURS: &str = "https://app.shop.test";

#[tokio::test]
async fn tk_15_scripts_of_registered_origins_may_read_and_no_others() {
    let app = shop().await;
    let preflight = async |origin: &str| {
        let headers = [("origin", origin), ("access-control-request-method", "POST")];
        app.send("OPTIONS", TOKEN, &headers, None).await
    };
    let reply = preflight(OURS).await;
    assert_eq!((reply.status, reply.header("access-control-allow-origin").as_str()), (204, ""), "nobody registered it");
    let spa = json!({"name": "spa", "type": "spa", "redirect_uris": [format!("{OURS}/cb")], "origins": [OURS]});
    let spa = Client::of(&app, spa).await;

    let reply = preflight(OURS).await;
    assert_eq!((reply.status, reply.header("access-control-allow-origin").as_str()), (204, OURS));
    assert_eq!(reply.header("access-control-allow-methods"), "POST");
    assert_eq!(reply.header("vary"), "Origin");
    let asked = post(&app, TOKEN, &[("origin", OURS)], &format!("{ASKED}&client_id={}", spa.id)).await;
    assert_eq!((asked.status, asked.header("access-control-allow-origin").as_str()), (400, OURS), "errors too");
    for (other, reply) in [
        ("https://evil.test", preflight("https://evil.test").await),
        ("null", preflight("null").await),
        ("*", post(&app, TOKEN, &[("origin", "*")], ASKED).await),
        (
            "https://app.shop.test.evil.test",
            post(&app, TOKEN, &[("origin", "https://app.shop.test.evil.test")], ASKED).await,
        ),
    ] {
        assert_eq!(reply.header("access-control-allow-origin"), "", "{other}");
        assert_eq!(reply.header("access-control-allow-credentials"), "", "{other}");
    }
    for two in [[OURS, "https://evil.test"], ["https://evil.test", OURS], [OURS, OURS]] {
        let headers = two.map(|origin| ("origin", origin));
        for reply in [post(&app, TOKEN, &headers, ASKED).await, app.send("OPTIONS", TOKEN, &headers, None).await] {
            assert_eq!(reply.header("access-control-allow-origin"), "", "{two:?}");
            assert_eq!(reply.header("vary"), "Origin", "{two:?}");
        }
    }
    for answered in [preflight(OURS).await, asked] {
        assert_eq!(answered.header("access-control-allow-credentials"), "", "cookies never come along");
    }
    let revoke = "/oauth/revoke";
    let headers = [("origin", OURS), ("access-control-request-method", "POST")];
    let allowed = app.send("OPTIONS", revoke, &headers, None).await;
    assert_eq!((allowed.status, allowed.header("access-control-allow-origin").as_str()), (204, OURS));
    let given_back = post(&app, revoke, &[("origin", OURS)], &format!("token=x&client_id={}", spa.id)).await;
    assert_eq!((given_back.status, given_back.header("access-control-allow-origin").as_str()), (200, OURS));
    let other = post(&app, revoke, &[("origin", "https://evil.test")], &format!("token=x&client_id={}", spa.id)).await;
    assert_eq!((other.status, other.header("access-control-allow-origin").as_str()), (200, ""));
    for secret in ["/oauth/introspect", "/v1/check"] {
        let reply = app.send("OPTIONS", secret, &headers, None).await;
        assert_eq!(reply.header("access-control-allow-origin"), "", "{secret} is for servers");
    }
    let elsewhere = app.send("OPTIONS", "/realms/operators/oauth/token", &[("origin", OURS)], None).await;
    assert_eq!(elsewhere.header("access-control-allow-origin"), "", "another realm knows it not");

    app.manage("DELETE", &format!("{REALM}/clients/{}", spa.id), Value::Null).await;
    assert_eq!(preflight(OURS).await.header("access-control-allow-origin"), "", "the client is gone");
}
