//! Brings the tables of a store up to date.
//!
//! Migrations are numbered files that only grow in number: what was applied is remembered with its hash, and a store that
//! does not fit the program is refused rather than guessed at. A file is one text for every engine; its type words are
//! expanded here.

use admit_core::time::Time;
use aws_lc_rs::digest;
use rusqlite::{Connection, params};

use crate::engine::translate;
use crate::error::{Error, Result};

/// Every migration in order, by the name of its file.
pub(crate) const FILES: &[File] =
    &[File { name: "0001_begin.sql", text: include_str!("../../../migrations/0001_begin.sql") }];

/// One migration.
pub(crate) struct File {
    pub(crate) name: &'static str,
    pub(crate) text: &'static str,
}

/// What the type words stand for here.
const WORDS: &[(&str, &str)] = &[
    ("{id}", "BLOB"),
    ("{bytes}", "BLOB"),
    ("{text}", "TEXT"),
    ("{int}", "INTEGER"),
    ("{serial}", "INTEGER PRIMARY KEY AUTOINCREMENT"),
    ("{strict}", " STRICT"),
    ("{clustered}", " STRICT, WITHOUT ROWID"),
];

const BEGIN: &str = "CREATE TABLE IF NOT EXISTS migration (
  number INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL, hash TEXT NOT NULL, applied_at INTEGER NOT NULL) STRICT";
const LIST: &str = "SELECT number, name, hash FROM migration ORDER BY number";
const INSERT: &str = "INSERT INTO migration (number, name, hash, applied_at) VALUES (?1, ?2, ?3, ?4)";

/// Applies what is missing, each file in a transaction of its own.
pub(crate) fn run(connection: &Connection, files: &[File], now: Time) -> Result<()> {
    connection.execute_batch(BEGIN).map_err(translate)?;
    let applied = applied(connection)?;
    for (place, (number, name, hash)) in applied.iter().enumerate() {
        let Some(file) = files.get(place) else { return Err(Error::Newer { found: name.clone() }) };
        let is_same = *number == number_of(place) && file.name == name && file.hash() == *hash;
        if !is_same {
            return Err(Error::Changed { file: name.clone() });
        }
    }
    for (place, file) in files.iter().enumerate().skip(applied.len()) {
        apply(connection, place, file, now).map_err(|error| match error {
            Error::Unavailable(cause) => Error::Unavailable(format!("migrations/{}: {cause}", file.name)),
            other => other,
        })?;
    }
    Ok(())
}

fn applied(connection: &Connection) -> Result<Vec<(i64, String, String)>> {
    let mut statement = connection.prepare(LIST).map_err(translate)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).map_err(translate)?;
    rows.collect::<rusqlite::Result<_>>().map_err(translate)
}

fn apply(connection: &Connection, place: usize, file: &File, now: Time) -> Result<()> {
    let transaction = connection.unchecked_transaction().map_err(translate)?;
    transaction.execute_batch(&expand(file.text)).map_err(translate)?;
    let row = params![number_of(place), file.name, file.hash(), now.unix_ms()];
    transaction.execute(INSERT, row).map_err(translate)?;
    transaction.commit().map_err(translate)
}

fn number_of(place: usize) -> i64 {
    place as i64 + 1
}

fn expand(text: &str) -> String {
    WORDS.iter().fold(text.to_owned(), |text, (word, meaning)| text.replace(word, meaning))
}

impl File {
    /// SHA-256 of the text as it is written, in hexadecimal.
    fn hash(&self) -> String {
        let hash = digest::digest(&digest::SHA256, self.text.as_bytes());
        hash.as_ref().iter().map(|octet| format!("{octet:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations");

    fn names(connection: &Connection) -> Vec<String> {
        applied(connection).unwrap().into_iter().map(|(_, name, _)| name).collect()
    }

    #[test]
    fn every_file_of_the_folder_is_known_here_in_its_order() {
        let files = std::fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut found: Vec<_> = files.filter(|name| name != "HASHES").collect();
        found.sort();
        assert_eq!(found, FILES.iter().map(|file| file.name).collect::<Vec<_>>());
        for (place, file) in FILES.iter().enumerate() {
            assert!(file.name.starts_with(&format!("{:04}_", number_of(place))), "{}", file.name);
        }
    }

    #[test]
    fn a_migration_never_changes_once_it_is_listed() {
        let listed = std::fs::read_to_string(format!("{FOLDER}/HASHES")).unwrap();
        let hashes: String = FILES.iter().map(|file| format!("{}  {}\n", file.hash(), file.name)).collect();
        assert_eq!(listed, hashes);
    }

    #[test]
    fn every_type_word_is_expanded() {
        for file in FILES {
            assert!(!expand(file.text).contains(['{', '}']), "{}", file.name);
        }
    }

    #[test]
    fn applying_twice_is_applying_once() {
        let connection = Connection::open_in_memory().unwrap();
        run(&connection, FILES, Time::from_unix_ms(1)).unwrap();
        run(&connection, FILES, Time::from_unix_ms(2)).unwrap();
        let at: i64 = connection.query_row("SELECT MAX(applied_at) FROM migration", [], |row| row.get(0)).unwrap();
        assert_eq!((names(&connection).len(), at), (FILES.len(), 1));
    }

    #[test]
    fn a_store_grows_by_what_is_new() {
        let connection = Connection::open_in_memory().unwrap();
        let first = File { name: "0001_a.sql", text: "CREATE TABLE a (x {int}){strict};" };
        run(&connection, std::slice::from_ref(&first), Time::default()).unwrap();
        let second = File { name: "0002_b.sql", text: "CREATE TABLE b (x {id}){strict};" };
        run(&connection, &[first, second], Time::default()).unwrap();
        assert_eq!(names(&connection), ["0001_a.sql", "0002_b.sql"]);
    }

    #[test]
    fn a_store_that_does_not_fit_is_refused_with_the_next_command() {
        let connection = Connection::open_in_memory().unwrap();
        let file = |text| File { name: "0001_a.sql", text };
        run(&connection, &[file("CREATE TABLE a (x {int});")], Time::default()).unwrap();
        let changed = run(&connection, &[file("CREATE TABLE a (x {int}); ")], Time::default()).unwrap_err();
        assert_eq!(changed, Error::Changed { file: "0001_a.sql".to_owned() });
        assert!(changed.to_string().contains("admit restore"));
        let newer = run(&connection, &[], Time::default()).unwrap_err();
        assert_eq!(newer, Error::Newer { found: "0001_a.sql".to_owned() });
        assert!(newer.to_string().contains("admit restore"));
    }

    #[test]
    fn a_migration_that_fails_leaves_nothing_and_names_its_file() {
        let connection = Connection::open_in_memory().unwrap();
        let broken = File { name: "0001_a.sql", text: "CREATE TABLE a (x {int}); CREATE TABLE a (x {int});" };
        let error = run(&connection, &[broken], Time::default()).unwrap_err();
        assert!(matches!(&error, Error::Unavailable(cause) if cause.starts_with("migrations/0001_a.sql")), "{error}");
        assert!(names(&connection).is_empty());
        assert!(connection.prepare("SELECT x FROM a").is_err());
    }
}
