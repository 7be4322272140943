//! What somebody asks of a test's database, or does to it, who does not come through the store. For tests of the server.

use std::path::Path;

use crate::cluster::Cluster;

/// The processes that serve the tails of nodes.
pub fn tails(cluster: &Cluster) -> Vec<String> {
    let sql = "SELECT pid FROM pg_stat_activity WHERE query LIKE '%FROM change WHERE xid%' AND pid <> pg_backend_pid()";
    cluster.sql("postgres", sql).lines().map(str::to_owned).collect()
}

/// Whether a process waits for its client, and so holds nothing that others need.
pub fn waits_for_client(cluster: &Cluster, pid: &str) -> bool {
    let sql = format!("SELECT state = 'idle' AND wait_event = 'ClientRead' FROM pg_stat_activity WHERE pid = {pid}");
    cluster.sql("postgres", &sql) == "t"
}

/// To whom the tables of a database belong.
pub fn owners(cluster: &Cluster, database: &str) -> String {
    cluster.sql(database, "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'")
}

/// Gives a credential another realm and the grant of another one; both are found by their hints.
pub fn move_credential(cluster: &Cluster, hint: &str, realm: &str, to_grant_of: &str) {
    let set = format!(
        "realm_id = (SELECT id FROM realm WHERE name = '{realm}'), key_id = NULL,
         grant_id = (SELECT grant_id FROM credential WHERE hint = '{to_grant_of}')"
    );
    change(cluster, &set, hint);
}

/// Plants a secret as somebody would who does not have the master key.
pub fn plant_credential(cluster: &Cluster, hint: &str, secret: &str) {
    change(cluster, &format!("hash = sha256(convert_to('{secret}', 'UTF8'))"), hint);
}

fn change(cluster: &Cluster, set: &str, hint: &str) {
    let changed = cluster.sql("postgres", &format!("UPDATE credential SET {set} WHERE hint = '{hint}' RETURNING 1"));
    assert_eq!(changed, "1", "{set}");
}

/// Makes everything in a file have been issued that much later.
pub fn issue_later(file: &Path, by_ms: i64) {
    let store = rusqlite::Connection::open(file).unwrap();
    for table in ["access_grant", "credential"] {
        let changed = store.execute(&format!("UPDATE {table} SET created_at = created_at + ?1"), [by_ms]).unwrap();
        assert!(changed > 0, "{table}");
    }
}
