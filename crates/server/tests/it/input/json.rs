//! JSON that means two things, strings that mean something to another parser, cursors that nobody was given.

use serde_json::{Value, json};

use crate::app::TestApp;

const KEYS: &str = "/v1/realms/default/keys";

/// Quotes, templates, traversals, controls: whatever some parser somewhere would act upon.
const STRANGE: [&str; 14] = [
    "'; DROP TABLE api_key; --",
    "\" OR \"1\"=\"1",
    "1) UNION SELECT hash FROM key_secret --",
    "%' OR '1'='1",
    "*)(uid=*))(|(uid=*",
    "{{7*7}}",
    "${jndi:ldap://x.test/a}",
    "$(id)",
    "`id`",
    "../../../../etc/passwd",
    "<script>alert(1)</script>",
    "%00",
    "\u{202e}txt.exe",
    "x\ny",
];

async fn post(app: &TestApp, path: &str, body: &[u8]) -> (u16, String) {
    let bearer = format!("Bearer {}", app.operator());
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let reply = app.send("POST", path, &headers, Some(body.to_vec())).await;
    (reply.status, reply.code())
}

#[tokio::test]
async fn ht_05_json_that_could_mean_two_things_makes_nothing() {
    let app = TestApp::new().await;
    let deep = format!("{{\"name\":\"a\",\"metadata\":{}", "{\"a\":".repeat(10_000));
    let arrays = format!("{{\"name\":\"a\",\"metadata\":{}", "[".repeat(60_000));
    let utf16: Vec<u8> = "{\"name\":\"a\"}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let bad: [&[u8]; 18] = [
        br#"{"name":"a","name":"b"}"#,
        br#"{"name":"a","metadata":{"x":1,"x":2}}"#,
        br#"{"name":"a","metadata":{"x":NaN}}"#,
        br#"{"name":"a","metadata":{"x":1e999999}}"#,
        br#"{"name":"a","metadata":{"x":-}}"#,
        br#"{"name":"\ud800"}"#,
        b"\xef\xbb\xbf{\"name\":\"a\"}",
        &utf16,
        br#"{"name":"a"} trailing"#,
        br#"{"name":"a"}{"name":"b"}"#,
        br#"{"name":"a" /* c */}"#,
        br#"{"name":"a",}"#,
        b"{\"name\":\"\xff\xfe\"}",
        b"{\"name\":\"a\0b\"}",
        br#"{"name":["a"]}"#,
        br#"{"name":"a","unheard_of":1}"#,
        deep.as_bytes(),
        arrays.as_bytes(),
    ];
    for body in bad {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        for path in [KEYS, "/v1/realms/default/clients", "/v1/realms/default/apply", "/v1/realms/default/check"] {
            assert_eq!(post(&app, path, body).await, (400, "invalid_request".to_owned()), "{path} {shown}");
        }
    }
    assert_eq!(post(&app, KEYS, br#"{"name":"a\u0000b"}"#).await.0, 400, "NUL in a name");
    let items = app.manage("GET", KEYS, Value::Null).await.expect(200);
    assert_eq!(items["items"], json!([]));
}

#[tokio::test]
async fn ht_09_strange_strings_are_strings() {
    let app = TestApp::new().await;
    app.shop().await;
    for (number, strange) in STRANGE.iter().enumerate() {
        let body = json!({"name": strange, "metadata": {"x": strange}, "external_id": format!("ext-{number}")});
        let made = app.manage("POST", KEYS, body).await;
        assert!(matches!(made.status, 201 | 400), "{strange:?}: {} {}", made.status, made.text);
        let encoded = percent_encoding::utf8_percent_encode(strange, percent_encoding::NON_ALPHANUMERIC).to_string();
        for path in [
            format!("{KEYS}/{encoded}"),
            format!("/v1/realms/{encoded}/keys"),
            format!("/v1/realms/default/apis/{encoded}"),
            format!("/v1/realms/default/clients/{encoded}"),
            format!("/v1/realms/default/decisions/{encoded}"),
            format!("/v1/realms/default/grants/{encoded}"),
        ] {
            let reply = app.manage("GET", &path, Value::Null).await;
            assert!(matches!(reply.status, 200 | 400 | 404), "{path}: {} {}", reply.status, reply.text);
        }
        for query in ["owner", "name", "external_id", "expiring", "state", "cursor", "limit", "sort"] {
            let reply = app.manage("GET", &format!("{KEYS}?{query}={encoded}"), Value::Null).await;
            assert!(matches!(reply.status, 200 | 400 | 404), "{query}={strange:?}: {} {}", reply.status, reply.text);
            if matches!(query, "cursor" | "limit" | "expiring" | "state" | "sort") {
                assert_eq!(reply.status, 400, "{query}={strange:?}: {}", reply.text);
            }
        }
        if made.status == 201 {
            let made = made.json();
            let found = app.manage("GET", &format!("{KEYS}?external_id=ext-{number}"), Value::Null).await.expect(200);
            assert_eq!(found["items"].as_array().unwrap().len(), 1);
            assert_eq!(found["items"][0]["name"], **strange, "kept as it was said");
            assert_eq!(found["items"][0]["metadata"]["x"], **strange);
            assert_eq!(found["items"][0]["id"], made["id"]);
        }
    }
    app.key(json!({"name": "still here"})).await;
}

#[tokio::test]
async fn ht_09_a_cursor_is_good_for_the_list_that_gave_it() {
    let app = TestApp::new().await;
    app.manage("POST", "/v1/realms", json!({"name": "acme"})).await.expect(201);
    for number in 0..3 {
        app.key(json!({"name": format!("k{number}")})).await;
        app.manage("POST", "/v1/realms/acme/keys", json!({"name": format!("k{number}")})).await.expect(201);
    }
    let first = app.manage("GET", &format!("{KEYS}?limit=2"), Value::Null).await.expect(200);
    let cursor = first["next"].as_str().unwrap();
    let second = app.manage("GET", &format!("{KEYS}?limit=2&cursor={cursor}"), Value::Null).await.expect(200);
    assert_eq!((second["items"].as_array().unwrap().len(), &second["next"]), (1, &Value::Null));
    let refused = async |path: String| {
        let reply = app.manage("GET", &path, Value::Null).await;
        assert_eq!(reply.status, 400, "{path}: {}", reply.text);
        assert!(matches!(reply.code().as_str(), "invalid_cursor" | "invalid_request"), "{}", reply.text);
    };
    refused(format!("/v1/realms/acme/keys?cursor={cursor}")).await;
    refused(format!("/v1/realms/default/clients?cursor={cursor}")).await;
    for place in 0..cursor.len() {
        let mut forged = cursor.as_bytes().to_vec();
        forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).unwrap();
        refused(format!("{KEYS}?cursor={forged}")).await;
    }
    for bad in ["", "x", &"A".repeat(5000), &cursor[1..], &format!("{cursor}A"), &format!("{cursor}&cursor={cursor}")] {
        refused(format!("{KEYS}?cursor={bad}")).await;
    }
    for bad in ["0", "201", "-1", "1e3", "18446744073709551616", "two"] {
        refused(format!("{KEYS}?limit={bad}")).await;
    }
    for good in ["1", "200"] {
        app.manage("GET", &format!("{KEYS}?limit={good}"), Value::Null).await.expect(200);
    }
}

#[tokio::test]
async fn lengths_are_taken_at_the_limit_and_refused_beyond() {
    let app = TestApp::new().await;
    let status = async |body: Value| app.manage("POST", KEYS, body).await.status;
    let metadata = |bytes: usize| json!({"a": "x".repeat(bytes - "{\"a\":\"\"}".len())});
    assert_eq!(status(json!({"name": "m", "metadata": metadata(4095)})).await, 201);
    assert_eq!(status(json!({"name": "m", "metadata": metadata(4096)})).await, 201);
    assert_eq!(status(json!({"name": "m", "metadata": metadata(4097)})).await, 400);
    let networks = |count: usize| (0..count).map(|number| format!("10.0.{number}.0/24")).collect::<Vec<_>>();
    assert_eq!(status(json!({"name": "i", "ip": networks(50)})).await, 201);
    assert_eq!(status(json!({"name": "i", "ip": networks(51)})).await, 400);
    assert_eq!(status(json!({"name": "e", "expires_in_s": 0})).await, 400);
    assert_eq!(status(json!({"name": "e", "expires_in_s": 1})).await, 201);
    assert_eq!(status(json!({"name": "e", "expires_in_s": 3650_i64 * 86_400})).await, 201);
    assert_eq!(status(json!({"name": "e", "expires_in_s": 3650_i64 * 86_400 + 1})).await, 400);
    assert_eq!(status(json!({"name": "e", "expires_in_s": i64::MAX})).await, 400);
    assert_eq!(status(json!({"name": ""})).await, 400);
}
