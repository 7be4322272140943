//! Several nodes over one PostgreSQL, each a process of its own.

mod app;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cluster::Cluster;
use crate::fault::program::{Program, bare, serve};
use crate::outside::{tails, waits_for_client};
use crate::store;

/// How many keys are revoked on one node while the other is asked.
const ROUNDS: usize = 1_000;

struct Node {
    program: Program,
    _folder: TempDir,
}

/// A node on a database; all nodes have the master key of the first.
async fn node(url: &str, master_key: &str) -> Node {
    let folder = tempfile::tempdir().unwrap();
    let mut command = serve(folder.path());
    bare(&mut command, folder.path());
    command.env("ADMIT__STORE__URL", url).env("ADMIT__MASTER_KEY__ENV", "TEST_MASTER_KEY");
    command.env("TEST_MASTER_KEY", master_key);
    Node { program: Program::run(command, folder.path()).await, _folder: folder }
}

fn master_key() -> String {
    "5a".repeat(32)
}

async fn key(node: &Node, number: usize) -> (String, String) {
    let wanted = json!({"name": format!("k{number}"), "api": "https://api.shop.test", "scopes": ["orders:read"]});
    let made = node.program.manage("POST", "/v1/realms/default/keys", wanted).await.expect(201);
    (made["id"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned())
}

async fn status(node: &Node, key: &str) -> u16 {
    node.program.ask("GET", "/orders/1", key).await.status
}

#[expect(clippy::print_stdout, reason = "the figures are half of the point")]
#[tokio::test(flavor = "multi_thread")]
async fn o5_a_key_that_is_revoked_on_one_node_is_refused_by_the_other() {
    let url = store::new_database();
    let master_key = master_key();
    let (one, other) = tokio::join!(node(&url, &master_key), node(&url, &master_key));
    one.program.shop().await;
    let mut delays = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        let (id, key) = key(&one, round).await;
        assert_eq!(status(&other, &key).await, 200, "known to both");
        let revoked = one.program.manage("DELETE", &format!("/v1/realms/default/keys/{id}"), Value::Null).await;
        let acknowledged = Instant::now();
        assert_eq!(revoked.status, 204);
        let delay = loop {
            let asked = acknowledged.elapsed();
            if status(&other, &key).await == 401 {
                break asked;
            }
            assert!(asked < Duration::from_secs(1), "round {round}: admitted {asked:?} after the acknowledgement");
        };
        assert_eq!(status(&one, &key).await, 401, "refused at once where it was revoked");
        delays.push(delay);
    }
    delays.sort_unstable();
    let at = |part: usize| delays[(ROUNDS - 1) * part / 1000];
    println!("revoked on one node, refused by the other: p50 {:?}, p99 {:?}, at most {:?}", at(500), at(990), at(1000));
    assert!(at(1000) < Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_one_name_are_made_on_two_nodes_at_once() {
    let (url, master_key) = (store::new_database(), master_key());
    let (one, other) = tokio::join!(node(&url, &master_key), node(&url, &master_key));
    one.program.shop().await;
    let make = async |node: &Node| {
        let wanted = json!({"name": "load", "api": "https://api.shop.test", "scopes": ["orders:read"]});
        node.program.manage("POST", "/v1/realms/default/keys", wanted).await
    };
    for _ in 0..10 {
        let (a, b, c, d) = tokio::join!(make(&one), make(&other), make(&one), make(&other));
        for made in [a, b, c, d] {
            assert_eq!(made.status, 201, "{}", made.text);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn st_07_a_node_that_is_cut_off_from_the_database_gives_no_stale_yes() {
    let cluster: &'static Cluster = Box::leak(Box::new(Cluster::start(&[])));
    let node = node(&cluster.url("postgres"), &master_key()).await;
    node.program.shop().await;
    let patient = json!({"name": "patient", "match": {"host": "shop.test", "methods": ["GET"], "path": "/patient/**"},
        "require": {"scopes": ["orders:read"]}, "stale_for": "20s", "priority": 1});
    node.program.manage("POST", "/v1/realms/default/rules", patient).await.expect(201);
    let (_, key) = key(&node, 1).await;
    let client = json!({"name": "till", "type": "service", "rights": {"https://api.shop.test": ["orders:read"]}});
    node.program.manage("POST", "/v1/realms/default/clients", client).await.expect(201);
    let made = node.program.manage("POST", "/v1/realms/default/tokens", json!({"client": "till"})).await.expect(201);
    let token = made["access_token"].as_str().unwrap().to_owned();
    let ask = async |path: &str| node.program.ask("GET", path, &key).await;
    let ask_by_token = async |path: &str| node.program.ask("GET", path, &token).await;
    assert_eq!((ask("/orders/1").await.status, ask("/patient/1").await.status), (200, 200));
    assert_eq!((ask_by_token("/orders/1").await.status, ask_by_token("/patient/1").await.status), (200, 200));
    for (cut, mend) in
        [(Cluster::freeze as fn(&Cluster), Cluster::thaw as fn(&Cluster)), (Cluster::stop, Cluster::start_again)]
    {
        cut(cluster);
        let since = Instant::now();
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        let until = since + Duration::from_secs(4);
        while Instant::now() < until {
            let begun = Instant::now();
            let refused = ask("/orders/1").await;
            // nginx knows no 503; the true figure stands beside.
            assert_eq!((refused.status, refused.header("admit-status").as_str()), (403, "503"), "{}", refused.text);
            assert!(!refused.header("retry-after").is_empty());
            let patient = ask("/patient/1").await;
            assert_eq!(patient.status, 200, "{}", patient.text);
            let age: u64 = patient.header("admit-stale").parse().unwrap();
            assert!((1..=10).contains(&age), "{age}");
            assert!(begun.elapsed() < Duration::from_secs(2), "answered in {:?}", begun.elapsed());
            let (refused, patient) = (ask_by_token("/orders/1").await, ask_by_token("/patient/1").await);
            assert_eq!(refused.header("admit-status"), "503", "{}", refused.text);
            assert_eq!((patient.status, patient.header("admit-stale").is_empty()), (200, false), "{}", patient.text);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        mend(cluster);
        let mended = Instant::now();
        while ask("/orders/1").await.status != 200 {
            assert!(mended.elapsed() < Duration::from_secs(3), "not back in time");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(ask_by_token("/orders/1").await.status, 200);
        let fresh = ask("/patient/1").await;
        assert_eq!((fresh.status, fresh.header("admit-stale").as_str()), (200, ""));
    }
    let told = async || {
        let events = node.program.manage("GET", "/v1/realms/default/events?kind=store.", Value::Null).await;
        assert_eq!(events.status, 200, "{}\n{}", events.text, node.program.said().join("\n"));
        events.json()["items"].as_array().is_some_and(|items| items.iter().any(|item| item["target"] == "patient"))
    };
    let begun = Instant::now();
    while !told().await {
        assert!(begun.elapsed() < Duration::from_secs(5), "the audit was not told");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Only the line of the feed is cut, and silently: everything else of the database answers.
#[expect(clippy::print_stdout, reason = "the figures are half of the point")]
#[tokio::test(flavor = "multi_thread")]
async fn st_07_a_node_whose_feed_alone_is_cut_gives_no_stale_yes() {
    let cluster = Cluster::start(&[]);
    let (url, master_key) = (cluster.url("postgres"), master_key());
    let one = node(&url, &master_key).await;
    one.program.shop().await;
    let of_one = tails(&cluster);
    assert_eq!(of_one.len(), 1, "{of_one:?}");
    let other = node(&url, &master_key).await;
    let mut longest = Duration::ZERO;
    for round in 0..4 {
        let ((id, ended), (_, kept), (own, ended_here)) =
            (key(&one, round * 3).await, key(&one, round * 3 + 1).await, key(&one, round * 3 + 2).await);
        for key in [&ended, &kept, &ended_here] {
            assert_eq!(status(&other, key).await, 200);
        }
        let stopped: Vec<_> = tails(&cluster).into_iter().filter(|pid| !of_one.contains(pid)).collect();
        assert_eq!(stopped.len(), 1, "round {round}: {stopped:?}");
        cluster.tell(&format!("kill -STOP {}", stopped[0]));
        while !waits_for_client(&cluster, &stopped[0]) {
            // Stopped in the middle of a statement it may hold what the whole database needs.
            cluster.tell(&format!("kill -CONT {0}; sleep 0.002; kill -STOP {0}", stopped[0]));
        }

        let revoke = async |node: &Node, id: &str| {
            let path = format!("/v1/realms/default/keys/{id}");
            assert_eq!(node.program.manage("DELETE", &path, Value::Null).await.status, 204, "round {round}");
        };
        revoke(&one, &id).await;
        let acknowledged = Instant::now();
        revoke(&other, &own).await;
        assert_eq!(status(&other, &ended_here).await, 401, "its own changes need no feed");
        while status(&other, &ended).await == 200 {
            longest = longest.max(acknowledged.elapsed());
            assert!(acknowledged.elapsed() < Duration::from_millis(1_200), "round {round}: a stale yes");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(status(&one, &ended_here).await, 401, "the other way it is not cut");
        // It finds another line by itself, while the first one still stands.
        while status(&other, &kept).await != 200 || tails(&cluster).len() < 3 {
            assert!(acknowledged.elapsed() < Duration::from_secs(8), "round {round}: not back in time");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(status(&other, &ended).await, 401);
        cluster.tell(&format!(
            "kill -CONT {} && while kill -0 {} 2>/dev/null; do sleep 0.01; done",
            stopped[0], stopped[0]
        ));
    }
    println!("with its feed cut a node admitted for at most {longest:?} after the acknowledgement");
}

/// A node that reads its master keys from a file of its own.
async fn node_with_file(url: &str, keys: &str) -> (Node, std::path::PathBuf) {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("master.key");
    std::fs::write(&file, keys).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut command = serve(folder.path());
    bare(&mut command, folder.path());
    command.env("ADMIT__STORE__URL", url);
    (Node { program: Program::run(command, folder.path()).await, _folder: folder }, file)
}

/// Says 503, never 401, of a key that another node has moved out of its sight, and goes on once it has the master key.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_the_new_master_key_refuses_nobody_for_it() {
    let url = store::new_database();
    let first = format!("1 {}\n", master_key());
    let ((one, one_file), (other, other_file)) =
        tokio::join!(node_with_file(&url, &first), node_with_file(&url, &first));
    one.program.shop().await;
    let ((_, moved), (_, idle)) = (key(&one, 1).await, key(&one, 2).await);
    admit::master::source::add(&one_file, 2, &[7; 32]).unwrap();
    one.program.manage("POST", "/v1/master-keys/rotate", Value::Null).await.expect(200);
    let figure = async |node: &Node, key: &str| {
        let reply = node.program.ask("GET", "/orders/1", key).await;
        if reply.status == 200 { "200".to_owned() } else { reply.header("admit-status") }
    };
    assert_eq!(figure(&one, &moved).await, "200");
    let (_, new) = key(&one, 3).await;
    let since = Instant::now();
    let mut seen = std::collections::BTreeSet::new();
    while since.elapsed() < Duration::from_secs(6) {
        seen.insert(figure(&other, &new).await);
        assert_eq!(figure(&other, &idle).await, "200", "what has not moved is read as ever");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["503"], "never 401: it cannot know");
    assert_eq!(figure(&other, &moved).await, "503", "it moved when the first node read it");
    let ready = other.program.try_send("GET", "/readyz", &[], Value::Null).await.unwrap();
    assert_eq!((ready.status, ready.text.contains("admit master-key status")), (503, true), "{}", ready.text);
    assert!(
        other.program.said().iter().any(|line| line.contains("the store uses master key 2")),
        "{:?}",
        other.program.said()
    );
    std::fs::copy(&one_file, &other_file).unwrap();
    let since = Instant::now();
    while figure(&other, &new).await != "200" {
        assert!(since.elapsed() < Duration::from_secs(10), "{:?}", other.program.said());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!((figure(&other, &moved).await, figure(&one, &idle).await), ("200".to_owned(), "200".to_owned()));
    assert_eq!(other.program.try_send("GET", "/readyz", &[], Value::Null).await.unwrap().status, 200);
}

/// The names of the keys that a node publishes.
async fn published(node: &Node) -> Vec<Value> {
    let set = node.program.try_send("GET", "/.well-known/jwks.json", &[], Value::Null).await.unwrap().expect(200);
    set["keys"].as_array().unwrap().iter().map(|key| key["kid"].clone()).collect()
}

#[expect(clippy::print_stdout, reason = "the figures are half of the point")]
#[tokio::test(flavor = "multi_thread")]
async fn st_09_a_signing_key_that_one_node_makes_or_revokes_is_known_to_the_other() {
    const KEYS: &str = "/v1/realms/default/signing-keys";
    let (url, master_key) = (store::new_database(), master_key());
    let (one, other) = tokio::join!(node(&url, &master_key), node(&url, &master_key));
    assert!(published(&other).await.is_empty());
    let mut delays = Vec::new();
    for _ in 0..50 {
        let made = one.program.manage("POST", KEYS, json!({"now": true})).await.expect(201);
        let (kid, id) = (&made["kid"], made["id"].as_str().unwrap());
        delays.push(until(async || published(&other).await.contains(kid)).await);
        assert_eq!(one.program.manage("DELETE", &format!("{KEYS}/{id}"), Value::Null).await.status, 204);
        assert!(!published(&one).await.contains(kid), "at once where it was revoked");
        delays.push(until(async || !published(&other).await.contains(kid)).await);
    }
    delays.sort_unstable();
    println!("made or revoked on one node, seen on the other: p50 {:?}, at most {:?}", delays[50], delays[99]);
    assert!(delays[99] < Duration::from_secs(1));
}

/// How long it took until something was so.
async fn until(is_so: impl AsyncFn() -> bool) -> Duration {
    let begun = Instant::now();
    loop {
        let asked = begun.elapsed();
        if is_so().await {
            return asked;
        }
        assert!(asked < Duration::from_secs(2), "it did not become so");
    }
}

/// How often each thing that ends a token is done, for signed and for opaque ones.
const TOKEN_ROUNDS: usize = 25;

/// A client of the shop, and tokens for it as an operator issues them.
struct Till<'n> {
    one: &'n Node,
    other: &'n Node,
    client: String,
}

impl Till<'_> {
    async fn token(&self) -> String {
        let wanted = json!({"client": self.client, "api": "https://api.shop.test"});
        let made = self.one.program.manage("POST", "/v1/realms/default/tokens", wanted).await.expect(201);
        made["access_token"].as_str().unwrap().to_owned()
    }

    async fn grant(&self, token: &str) -> String {
        let asked = self.one.program.manage("POST", "/v1/realms/default/check", json!({"credential": token})).await;
        asked.expect(200)["principal"]["grant"].as_str().unwrap().to_owned()
    }

    async fn set_disabled(&self, is_disabled: bool) {
        let path = format!("/v1/realms/default/clients/{}", self.client);
        self.one.program.manage("PATCH", &path, json!({"disabled": is_disabled})).await.expect(200);
    }

    /// Ends a token in one way, on one node.
    async fn end(&self, how: &str, token: &str) {
        let manage = async |method: &str, path: &str, body: Value| {
            let reply = self.one.program.manage(method, path, body).await;
            assert!(reply.status < 300, "{how}: {}", reply.text);
        };
        match how {
            "a client that is disabled" => self.set_disabled(true).await,
            "a token that is taken back" => manage("POST", "/v1/leaked", json!({"credential": token})).await,
            "a grant that is revoked" => {
                let grant = self.grant(token).await;
                manage("DELETE", &format!("/v1/realms/default/grants/{grant}"), Value::Null).await;
            }
            _ => {
                manage("POST", &format!("/v1/realms/default/clients/{}/revoke-all", self.client), Value::Null).await;
            }
        }
    }

    /// How long the other node admitted it after it was ended on the first.
    async fn round(&self, how: &str) -> Duration {
        let token = self.token().await;
        while status(self.other, &token).await != 200 {
            // What the first node has just been told is on its way.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        assert_eq!(status(self.one, &token).await, 200);
        self.end(how, &token).await;
        let acknowledged = Instant::now();
        let delay = loop {
            let asked = acknowledged.elapsed();
            if status(self.other, &token).await == 401 {
                break asked;
            }
            assert!(asked < Duration::from_secs(1), "{how}: admitted {asked:?} after the acknowledgement");
        };
        assert_eq!(status(self.one, &token).await, 401, "{how}: refused at once where it was ended");
        if how == "a client that is disabled" {
            self.set_disabled(false).await;
        }
        delay
    }
}

/// Sends a form to an endpoint of OAuth with a client's id and secret.
async fn post(node: &Node, path: &str, client: &Value, form: &str) -> Value {
    let (id, secret) = (client["id"].as_str().unwrap(), client["secret"].as_str());
    let request = reqwest::Client::new().post(format!("{}{path}", node.program.url)).basic_auth(id, secret);
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(form.to_owned());
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200, "{path}");
    response.json().await.unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn ir_04_a_token_that_is_given_back_is_active_on_no_node() {
    let (url, master_key) = (store::new_database(), master_key());
    let (one, two, three) = tokio::join!(node(&url, &master_key), node(&url, &master_key), node(&url, &master_key));
    one.program.shop().await;
    let wanted = json!({"name": "till", "type": "service", "rights": {"https://api.shop.test": ["orders:read"]}});
    let client = one.program.manage("POST", "/v1/realms/default/clients", wanted).await.expect(201);
    for _ in 0..10 {
        let given = post(&one, "/oauth/token", &client, "grant_type=client_credentials").await;
        let form = format!("token={}", given["access_token"].as_str().unwrap());
        let is_active =
            async |node: &Node| post(node, "/oauth/introspect", &client, &form).await["active"] == json!(true);
        for node in [&one, &two, &three] {
            until(async || is_active(node).await).await;
        }
        post(&two, "/oauth/revoke", &client, &form).await;
        assert!(!is_active(&two).await, "at once where it was given back");
        for node in [&one, &three] {
            let delay = until(async || !is_active(node).await).await;
            assert!(delay < Duration::from_secs(1), "{delay:?}");
        }
    }
}

#[expect(clippy::print_stdout, reason = "the figures are half of the point")]
#[tokio::test(flavor = "multi_thread")]
async fn o5_whatever_ends_a_token_on_one_node_ends_it_on_the_other() {
    let url = store::new_database();
    let master_key = master_key();
    let (one, other) = tokio::join!(node(&url, &master_key), node(&url, &master_key));
    one.program.shop().await;
    let wanted = json!({"name": "till", "type": "service", "rights": {"https://api.shop.test": ["orders:read"]}});
    let made = one.program.manage("POST", "/v1/realms/default/clients", wanted).await.expect(201);
    let till = Till { one: &one, other: &other, client: made["id"].as_str().unwrap().to_owned() };
    let apis = one.program.manage("GET", "/v1/realms/default/apis", Value::Null).await.expect(200);
    let shop = apis["items"].as_array().unwrap().iter().find(|api| api["uri"] == "https://api.shop.test").unwrap();
    let shop = format!("/v1/realms/default/apis/{}", shop["id"].as_str().unwrap());
    let ways =
        ["a client that is disabled", "a token that is taken back", "a grant that is revoked", "a subject's cutoff"];
    let mut worst = Vec::new();
    for format in ["jwt", "opaque"] {
        one.program.manage("PATCH", &shop, json!({"token_format": format})).await.expect(200);
        for how in ways {
            let mut delays = Vec::with_capacity(TOKEN_ROUNDS);
            for _ in 0..TOKEN_ROUNDS {
                delays.push(till.round(how).await);
            }
            delays.sort_unstable();
            let (median, most) = (delays[TOKEN_ROUNDS / 2], delays[TOKEN_ROUNDS - 1]);
            println!("{format}, {how}: refused by the other node after p50 {median:?}, at most {most:?}");
            worst.extend(delays);
        }
    }
    worst.sort_unstable();
    let p99 = worst[(worst.len() - 1) * 99 / 100];
    println!("all ways of ending a token: p99 {p99:?} of {} rounds", worst.len());
    assert!(p99 <= Duration::from_millis(250), "p99 {p99:?}");
}
