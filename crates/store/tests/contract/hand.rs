//! A stranger's hand: writes to tables behind the back of the store that they belong to. Tests of the server use it too,
//! for statements stand in this crate only.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::types::Value;

use crate::cluster::Cluster;

/// The columns of an event but for its number, and those of a seal.
pub const EVENT: [&str; 10] =
    ["id", "realm_id", "at", "kind", "actor", "target", "reason", "request_id", "detail", "seal_number"];
pub const SEAL: [&str; 8] =
    ["first_event", "last_event", "event_count", "key_number", "tags", "previous_mac", "mac", "sealed_at"];

/// Where it writes.
pub enum Hand {
    File(PathBuf),
    Database(String),
}

impl Hand {
    /// In the file of a data folder, or in the database of a URL.
    pub fn on(folder: &Path, url: Option<&str>) -> Self {
        match url.and_then(|url| url.rsplit_once('/')) {
            Some((_, database)) => Self::Database(database.to_owned()),
            None => Self::File(folder.join("admit.db")),
        }
    }

    /// Runs statements.
    pub fn write(&self, text: &str) {
        match self {
            Self::File(_) => self.connection().execute_batch(text).unwrap(),
            Self::Database(name) => drop(Cluster::shared().sql(name, text)),
        }
    }

    /// The number that a statement finds.
    pub fn number(&self, text: &str) -> i64 {
        match self {
            Self::File(_) => self.connection().query_row(text, [], |row| row.get(0)).unwrap(),
            Self::Database(name) => Cluster::shared().sql(name, text).parse().unwrap(),
        }
    }

    /// How many rows a table has.
    pub fn count(&self, table: &str) -> i64 {
        self.number(&format!("SELECT COUNT(1) FROM {table}"))
    }

    /// The first event of a seal.
    pub fn first_event(&self, seal: i64) -> i64 {
        self.number(&format!("SELECT MIN(number) FROM event WHERE seal_number = {seal}"))
    }

    /// How many events all seals say to have.
    pub fn sealed_events(&self) -> i64 {
        self.number("SELECT CAST(SUM(event_count) AS BIGINT) FROM event_seal")
    }

    pub fn delete_event(&self, number: i64) {
        self.write(&format!("DELETE FROM event WHERE number = {number}"));
    }

    /// The events that say to be in these seals.
    pub fn delete_events_of(&self, seals: RangeInclusive<i64>) {
        let (first, last) = seals.into_inner();
        self.write(&format!("DELETE FROM event WHERE seal_number BETWEEN {first} AND {last}"));
    }

    pub fn delete_seals(&self, seals: RangeInclusive<i64>) {
        let (first, last) = seals.into_inner();
        self.write(&format!("DELETE FROM event_seal WHERE number BETWEEN {first} AND {last}"));
    }

    /// Gives each of two events the other's number.
    pub fn swap(&self, one: i64, other: i64) {
        self.write(&format!(
            "UPDATE event SET number = -1 WHERE number = {one}; UPDATE event SET number = {one} WHERE number = {other};
            UPDATE event SET number = {other} WHERE number = -1;"
        ));
    }

    /// Inserts an event that never happened.
    pub fn insert(&self, number: i64, seal: i64) {
        let id = match self {
            Self::File(_) => "x'000102030405060708090a0b0c0d0e0f'",
            Self::Database(_) => "'\\x000102030405060708090a0b0c0d0e0f'",
        };
        self.write(&format!(
            "INSERT INTO event (number, id, at, kind, actor, target, seal_number)
            VALUES ({number}, {id}, 5, 'key.revoked', 'x', 'y', {seal})"
        ));
    }

    pub fn renumber_seal(&self, seal: i64, number: i64) {
        self.write(&format!("UPDATE event_seal SET number = {number} WHERE number = {seal}"));
    }

    /// Calls a seal as old as time.
    pub fn age_seal(&self, seal: i64) {
        self.write(&format!("UPDATE event_seal SET sealed_at = 0 WHERE number = {seal}"));
    }

    pub fn set_detail(&self, event: i64, detail: &str) {
        self.write(&format!("UPDATE event SET detail = '{detail}' WHERE number = {event}"));
    }

    /// Puts something into the place of a value of the store as a whole.
    pub fn set_meta(&self, name: &str, value: &str) {
        let cast = match self {
            Self::File(_) => format!("CAST('{value}' AS BLOB)"),
            Self::Database(_) => format!("'{value}'::bytea"),
        };
        self.write(&format!(
            "DELETE FROM meta WHERE name = '{name}'; INSERT INTO meta (name, value) VALUES ('{name}', {cast});"
        ));
    }

    /// Keeps events and seals as they are, to be put back.
    pub fn keep(&self) {
        self.write(
            "CREATE TABLE kept_event AS SELECT * FROM event; CREATE TABLE kept_seal AS SELECT * FROM event_seal;",
        );
    }

    /// Puts back what was kept.
    pub fn put_back(&self) {
        self.write(
            "BEGIN; DELETE FROM event; INSERT INTO event SELECT * FROM kept_event;
            DELETE FROM event_seal; INSERT INTO event_seal SELECT * FROM kept_seal; COMMIT;",
        );
    }

    /// Changes one octet of a column, or a number by one; gives one where there is none.
    pub fn flip(&self, table: &str, column: &str, number: i64) {
        match self {
            Self::File(_) => self.flip_in_file(table, column, number),
            Self::Database(name) => {
                let kind = format!(
                    "SELECT data_type FROM information_schema.columns WHERE table_name = '{table}' AND column_name = '{column}'"
                );
                let changed = match Cluster::shared().sql(name, &kind).as_str() {
                    "bytea" => format!("set_byte({column}, 0, get_byte({column}, 0) # 1)"),
                    "text" => format!("COALESCE(chr(ascii({column}) + 1) || substr({column}, 2), 'x')"),
                    _ => format!("{column} + 1"),
                };
                self.write(&format!("UPDATE {table} SET {column} = {changed} WHERE number = {number}"));
            }
        }
    }

    fn flip_in_file(&self, table: &str, column: &str, number: i64) {
        let connection = self.connection();
        let read = format!("SELECT {column} FROM {table} WHERE number = {number}");
        let changed = match connection.query_row(&read, [], |row| row.get(0)).unwrap() {
            Value::Blob(mut octets) => {
                octets[0] ^= 1;
                Value::Blob(octets)
            }
            Value::Text(text) => {
                let mut octets = text.into_bytes();
                octets[0] ^= 1;
                Value::Text(String::from_utf8(octets).unwrap())
            }
            Value::Integer(number) => Value::Integer(number ^ 1),
            _ => Value::Text("x".to_owned()),
        };
        let write = format!("UPDATE {table} SET {column} = ?1 WHERE number = {number}");
        connection.execute(&write, [changed]).unwrap();
    }

    fn connection(&self) -> Connection {
        let Self::File(file) = self else { panic!("a database is no file") };
        let connection = Connection::open(file).unwrap();
        connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
        connection
    }
}
