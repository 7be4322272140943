//! LO-02: secrets of every kind are sent in every way, and none turns up in a log at TRACE, a metric, an answer, a trace,
//! an event, an export or the process list.

use admit_core::secret;
use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::app::Reply;
use crate::fault::program::{Program, serve};

/// Port of nobody for the moment.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The program at its most talkative, with `/metrics`; where that is.
pub async fn talkative(data: &std::path::Path) -> (Program, String) {
    let ops = format!("127.0.0.1:{}", free_port());
    let mut command = serve(data);
    command.env("ADMIT_LOG", "trace").env("ADMIT__OPS__LISTEN", &ops).env("ADMIT__LOG__FORMAT", "json");
    let program = Program::run(command, data).await;
    (program, format!("http://{ops}/metrics"))
}

/// A page by its whole URL.
pub async fn page(url: &str) -> String {
    reqwest::get(url).await.unwrap().text().await.unwrap()
}

/// Every canary, with what it is.
struct Canaries(Vec<(&'static str, String)>);

impl Canaries {
    /// Texts that an answer must not hold: the secrets, and their hashes' and encodings' more than guessable parts.
    fn found_in(&self, text: &str) -> Vec<&'static str> {
        let hit = |canary: &str| text.contains(canary) || text.contains(&BASE64.encode(canary.as_bytes()));
        self.0.iter().filter(|(_, canary)| hit(canary)).map(|(what, _)| *what).collect()
    }
}

/// Sends a secret at every place where somebody might put it.
async fn spread(program: &Program, canary: &str, answers: &mut Vec<Reply>) {
    let basic =
        |user: &str, password: &str| format!("Basic {}", BASE64.encode(format!("{user}:{password}").as_bytes()));
    let credentials = [
        ("authorization", format!("Bearer {canary}")),
        ("authorization", format!("ApiKey {canary}")),
        ("authorization", format!("Digest {canary}")),
        ("authorization", canary.to_owned()),
        ("authorization", basic(canary, "")),
        ("authorization", basic("alice", canary)),
        ("x-api-key", canary.to_owned()),
        ("cookie", format!("__Host-admit.default={canary}; other={canary}")),
        ("user-agent", format!("curl/{canary}")),
        ("origin", format!("https://{canary}.test")),
        ("referer", format!("https://app.test/?key={canary}")),
        ("idempotency-key", canary.to_owned()),
    ];
    for (name, value) in &credentials {
        for target in [
            "/orders/1".to_owned(),
            format!("/orders/1?api_key={canary}&{canary}=1"),
            format!("/orders/{canary}"),
            format!("/nowhere/{canary}/x"),
        ] {
            let headers = [
                ("x-original-method", "GET"),
                ("x-original-uri", target.as_str()),
                ("x-forwarded-host", "shop.test"),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-for", "203.0.113.9"),
                (*name, value.as_str()),
            ];
            answers.extend(program.try_send("GET", "/check/nginx", &headers, Value::Null).await);
            let headers = [
                ("x-forwarded-method", "POST"),
                ("x-forwarded-uri", target.as_str()),
                ("x-forwarded-host", "shop.test"),
                ("x-forwarded-proto", "http"),
                ("x-forwarded-for", "203.0.113.9"),
                (*name, value.as_str()),
            ];
            answers.extend(program.try_send("GET", "/check/forward", &headers, Value::Null).await);
        }
        let headers = [
            ("x-original-method", canary),
            ("x-original-uri", "/orders/1"),
            ("x-forwarded-host", "shop.test"),
            ("x-forwarded-proto", "https"),
            (*name, value.as_str()),
        ];
        answers.extend(program.try_send("GET", "/check/nginx", &headers, Value::Null).await);
        for path in ["/v1/realms", "/v1/realms/default/keys", "/v1/whoami", "/nowhere"] {
            answers.extend(program.try_send("GET", path, &[(*name, value.as_str())], Value::Null).await);
            answers.extend(
                program.try_send("POST", path, &[(*name, value.as_str())], json!({"name": "x", "key": canary})).await,
            );
        }
    }
    for path in [
        format!("/v1/realms/default/keys?api_key={canary}"),
        format!("/v1/realms/default/keys/{canary}"),
        format!("/v1/realms/{canary}"),
        format!("/v1/realms/default/clients/{canary}"),
        format!("/v1/realms/default/decisions/{canary}"),
        format!("/{canary}"),
        format!("/v1/realms/default/keys?cursor={canary}"),
        format!("/v1/realms/default/keys?owner={canary}"),
        format!("/v1/realms/default/keys?expiring={canary}"),
    ] {
        answers.push(program.manage("GET", &path, Value::Null).await);
    }
    for (path, body) in [
        (
            "/v1/realms/default/check",
            json!({"credential": canary, "method": "GET", "url": format!("https://shop.test/orders?k={canary}")}),
        ),
        (
            "/v1/realms/default/check?trace=true",
            json!({"headers": {"authorization": format!("Bearer {canary}"), "x-api-key": canary}, "method": "GET", "url": "https://shop.test/orders"}),
        ),
        (
            "/v1/realms/default/check?trace=true",
            json!({"credential": canary, "method": "GET", "url": format!("https://shop.test/{canary}")}),
        ),
        ("/v1/realms/default/keys", json!({"name": "x", "owner": canary})),
        ("/v1/realms/default/keys", json!({"name": "x", "api": canary})),
        ("/v1/realms/default/keys", json!({"name": "x", "scopes": [canary]})),
        ("/v1/realms/default/keys", json!({"name": "x", "expires_in_s": canary})),
        ("/v1/realms/default/keys/import", json!({"pattern": "sk_*", "keys": [{"sha256": canary}]})),
        ("/v1/realms/default/rules", json!({"match": {"path": canary}})),
    ] {
        answers.push(program.manage("POST", path, body).await);
    }
}

/// People with a password and with a hash from elsewhere, well and badly sent.
async fn give_passwords(program: &Program, answers: &mut Vec<Reply>) -> [(&'static str, String); 2] {
    let (password, hash) =
        ("canary otter cancels tuesday", "$2b$04$abcdefghijklmnopqrstuuKAbCf0FrEMqP6uxscx2X5vbhwe2ssIi");
    let users = "/v1/realms/default/users";
    for (method, path, body) in [
        ("POST", users.to_owned(), json!({"name": "pat", "password": password})),
        ("POST", users.to_owned(), json!({"name": "kim", "password_hash": hash})),
        ("POST", users.to_owned(), json!({"name": "kim", "password": password, "password_hash": hash})),
        ("POST", users.to_owned(), json!({"name": "kim", "password": password, "surprise": 1})),
        ("POST", users.to_owned(), json!({"name": "two  spaces", "password": password})),
        ("PUT", format!("{users}/pat/password"), json!({"password": password, "password_hash": 1})),
        ("PUT", format!("{users}/pat/password"), json!({"password_hash": password})),
        ("PUT", format!("{users}/nobody/password"), json!({"password": password})),
        ("PUT", format!("{users}/pat/password"), json!({"password": password})),
        ("PATCH", format!("{users}/pat"), json!({"password": password})),
        ("GET", users.to_owned(), Value::Null),
    ] {
        answers.push(program.manage(method, &path, body).await);
    }
    let statuses: Vec<_> = answers[answers.len() - 11..].iter().map(|reply| reply.status).collect();
    assert_eq!(statuses, [201, 201, 400, 400, 400, 400, 400, 404, 200, 400, 200]);
    [("a password", password.to_owned()), ("an imported hash", hash.to_owned())]
}

/// A password with a request, where a rule takes it and where none does, the right one and another. What was sent each time.
async fn send_password(program: &Program, password: &str, answers: &mut Vec<Reply>) -> [(&'static str, String); 2] {
    let rule = json!({"name": "mail", "match": {"host": "shop.test", "path": "/mail/**"},
        "require": {"authenticated": true, "credentials": ["api_key", "basic"]}});
    program.manage("POST", "/v1/realms/default/rules", rule).await.expect(201);
    let pairs = [format!("pat:{password}"), format!("pat:another {password}")];
    let mut statuses = Vec::new();
    for (pair, path) in pairs.iter().flat_map(|pair| ["/mail/1", "/orders/1"].map(|path| (pair, path))) {
        let authorization = format!("Basic {}", BASE64.encode(pair.as_bytes()));
        let headers = [
            ("x-original-method", "GET"),
            ("x-original-uri", path),
            ("x-forwarded-host", "shop.test"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-for", "203.0.113.9"),
            ("authorization", authorization.as_str()),
        ];
        let reply = program.try_send("GET", "/check/nginx", &headers, Value::Null).await.unwrap();
        statuses.push(reply.status);
        answers.push(reply);
        let body = json!({"headers": {"authorization": authorization}, "url": format!("https://shop.test{path}")});
        answers.push(program.manage("POST", "/v1/realms/default/check?trace=true", body).await);
    }
    assert_eq!(statuses, [200, 401, 401, 401]);
    let [right, wrong] = pairs;
    [("a name and a password", right), ("a name and a wrong password", wrong)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lo_02_ak_04_no_secret_turns_up_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let (program, metrics) = talkative(folder.path()).await;
    program.shop().await;
    let make = async |name: &str| {
        let body = json!({"name": name, "api": "https://api.shop.test", "scopes": ["orders:read"]});
        program.manage("POST", "/v1/realms/default/keys", body).await.expect(201)["key"].as_str().unwrap().to_owned()
    };
    let (live, revoked) = (make("live").await, make("revoked").await);
    program.manage("DELETE", "/v1/realms/default/keys/revoked", Value::Null).await.expect(204);
    let master_key = std::fs::read_to_string(folder.path().join("master.key")).unwrap().trim().to_owned();
    let made = |prefix: &str, byte: u8| secret::write(prefix, &[byte; 32]).expose().to_owned();
    let canaries = Canaries(vec![
        ("a live key", live.clone()),
        ("a revoked key", revoked),
        ("an unknown key", made("admit", 1)),
        ("a key of no realm", made("acme_live", 2)),
        ("a refresh token", made("admit_rt", 3)),
        ("a session", made("admit_ss", 4)),
        ("a client secret", made("admit_cs", 5)),
        ("an old operator key", made("admit_op", 6)),
    ]);
    let mut answers = Vec::new();
    for (_, canary) in &canaries.0 {
        spread(&program, canary, &mut answers).await;
    }
    let mut all = canaries.0;
    let given = give_passwords(&program, &mut answers).await;
    all.extend(send_password(&program, &given[0].1, &mut answers).await);
    all.extend(given);
    all.extend([("the operator key", program.operator.clone()), ("the master key", master_key)]);
    let canaries = Canaries(all);
    // What was refused is in the audit a second later.
    let refused = "/v1/realms/default/events?limit=200&kind=access.refused";
    let mut told = Value::Null;
    for _ in 0..100 {
        told = program.manage("GET", refused, Value::Null).await.expect(200);
        if told["items"][0].is_object() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(told.to_string().contains("revoked") && told.to_string().contains("unknown_secret"), "{told}");

    for path in [
        "/v1/realms/default/decisions?limit=200",
        "/v1/realms/default/events?limit=200",
        refused,
        "/v1/realms/default/export",
        "/v1/realms/default/keys?state=all",
        "/v1/realms/default/keys/live",
        "/v1/realms/default/keys/live/usage",
        "/v1/realms/default/grants",
        "/v1/realms/default/clients",
        "/v1/doctor",
        "/v1/realms/operators/decisions?limit=200",
        "/v1/realms/operators/events?limit=200",
    ] {
        let reply = program.manage("GET", path, Value::Null).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        // What a user agent says of itself is kept for the owner of the key, cut; a secret in it is his own.
        assert_eq!(canaries.found_in(&reply.text), Vec::<&str>::new(), "{path}");
        answers.push(reply);
    }
    for reply in &answers {
        let headers = format!("{:?}", reply.headers);
        let found = canaries.found_in(&format!("{headers}\n{}", reply.text));
        assert!(found.is_empty(), "{found:?} in an answer {}: {headers} {}", reply.status, reply.text);
    }
    assert!(answers.len() > 1000, "{}", answers.len());
    let page = page(&metrics).await;
    assert!(page.contains("admit_decisions_total"), "{page}");
    assert_eq!(canaries.found_in(&page), Vec::<&str>::new(), "metrics");
    for file in ["cmdline", "environ", "status"] {
        let text = std::fs::read(format!("/proc/{}/{file}", program.pid())).unwrap();
        assert_eq!(canaries.found_in(&String::from_utf8_lossy(&text)), Vec::<&str>::new(), "/proc/…/{file}");
    }
    let said = program.said().join("\n");
    assert_eq!(canaries.found_in(&said), Vec::<&str>::new(), "the log at TRACE");
    let server = std::fs::read_to_string(folder.path().join("server.json")).unwrap();
    assert_eq!(canaries.found_in(&server), Vec::<&str>::new());
    let store = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path());
    for file in store.filter(|file| file.file_name().unwrap().to_string_lossy().starts_with("admit.db")) {
        let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
        let found = canaries.found_in(&text);
        assert!(found.is_empty(), "st_12: {found:?} in {}", file.display());
    }
}
