//! Which engine the tests run on: a file in the test's folder, or with `ADMIT_TEST_STORE=postgres` a database of a server
//! that this test program starts. The database is remembered in the folder, so that a server which is started on the folder
//! again finds its store again.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::cluster::Cluster;

const FILE: &str = "test-store-url";

/// The URL of a new database.
pub fn new_database() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let name = format!("server_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    Cluster::shared().sql("postgres", &format!("CREATE DATABASE {name}"));
    Cluster::shared().url(&name)
}

/// Whether the tests run on PostgreSQL.
pub fn is_postgres() -> bool {
    std::env::var_os("ADMIT_TEST_STORE").is_some_and(|engine| engine == "postgres")
}

/// Says where the store of a folder is, before its first use.
pub fn put(folder: &Path, url: &str) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join(FILE), url).unwrap();
}

/// The URL of the store that belongs to a folder; none where it is a file in it.
pub fn url_of(folder: &Path) -> Option<String> {
    if !is_postgres() {
        return None;
    }
    if let Ok(url) = std::fs::read_to_string(folder.join(FILE)) {
        return Some(url);
    }
    let url = new_database();
    put(folder, &url);
    Some(url)
}

/// The same as what is set in the environment of a program.
pub fn variables_of(folder: &Path) -> Option<(String, String)> {
    url_of(folder).map(|url| ("ADMIT__STORE__URL".to_owned(), url))
}
