//! Somebody who can write to the database but has no master key: rows that are moved or planted open nothing (ST-11).

use serde_json::{Value, json};

use super::history::{KEYS, wanted};
use super::program::Program;
use crate::cluster::Cluster;

struct Key {
    secret: String,
    /// How its row of the database is found.
    row: String,
}

fn key(made: &Value) -> Key {
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    Key { secret: text("key"), row: format!("hint = '{}'", text("hint")) }
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
    let change = |set: &str, row: &str| {
        let changed = cluster.sql("postgres", &format!("UPDATE credential SET {set} WHERE {row} RETURNING 1"));
        assert_eq!(changed, "1", "{set}");
    };
    let to = |realm: &str, row: &str| {
        format!(
            "realm_id = (SELECT id FROM realm WHERE name = '{realm}'), key_id = NULL,
             grant_id = (SELECT grant_id FROM credential WHERE {row})"
        )
    };
    change(&to("default", &kept.row), &foreign.row);
    change(&to("acme", &kept.row), &moved.row);
    change(&format!("hash = sha256(convert_to('{}', 'UTF8'))", planted.secret), &planted.row);
    for (what, key) in [("of another realm", &foreign), ("given away", &moved), ("planted", &planted)] {
        let reply = program.ask("GET", "/orders/1", &key.secret).await;
        let is_refused = reply.status == 401 || reply.header("admit-status") == "503";
        assert!(is_refused, "{what}: {} {}", reply.status, reply.text);
    }
    assert_eq!(program.ask("GET", "/orders/1", &kept.secret).await.status, 200, "what nobody touched");
    assert!(!program.said().iter().any(|line| line.contains("panicked")), "{:?}", program.said());
}
