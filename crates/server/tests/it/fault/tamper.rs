//! Somebody who can write to the database but has no master key: rows that are moved or planted open nothing (ST-11).

use serde_json::{Value, json};

use super::history::{KEYS, wanted};
use super::program::Program;
use crate::cluster::Cluster;
use crate::outside;

struct Key {
    secret: String,
    hint: String,
}

fn key(made: &Value) -> Key {
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    Key { secret: text("key"), hint: text("hint") }
}

#[tokio::test]
async fn st_11_rows_that_are_moved_or_planted_open_nothing() {
    let (cluster, folder) = (Cluster::start(&[]), tempfile::tempdir().unwrap());
    let program = Program::start_on(folder.path(), &cluster.url("postgres")).await;
    program.shop().await;
    program.manage("POST", "/v1/realms", json!({"name": "acme"})).await.expect(201);
    let here = async |name: &str| key(&program.manage("POST", KEYS, wanted(name)).await.expect(201));
    let (kept, planted, moved) = (here("kept").await, here("planted").await, here("moved").await);
    let foreign = program.manage("POST", "/v1/realms/acme/keys", json!({"name": "foreign"})).await.expect(201);
    let foreign = key(&foreign);

    // None was asked for yet: every answer comes from the rows as they are then.
    outside::move_credential(&cluster, &foreign.hint, "default", &kept.hint);
    outside::move_credential(&cluster, &moved.hint, "acme", &kept.hint);
    outside::plant_credential(&cluster, &planted.hint, &planted.secret);
    for (what, key) in [("of another realm", &foreign), ("given away", &moved), ("planted", &planted)] {
        let reply = program.ask("GET", "/orders/1", &key.secret).await;
        let is_refused = reply.status == 401 || reply.header("admit-status") == "503";
        assert!(is_refused, "{what}: {} {}", reply.status, reply.text);
    }
    assert_eq!(program.ask("GET", "/orders/1", &kept.secret).await.status, 200, "what nobody touched");
    assert!(!program.said().iter().any(|line| line.contains("panicked")), "{:?}", program.said());
}
