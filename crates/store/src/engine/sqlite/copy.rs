//! Copies of a file store: whole, of one moment, checked, while another process goes on writing; and one put in its place.
//!
//! Knows nothing of keys: what is copied holds hashes and sealed values only. What a copy may be used for is decided by
//! those who open it.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use admit_core::time::Time;
use rusqlite::{Connection, OpenFlags, params};

use super::connection;
use super::translate;
use crate::error::{Error, Result};
use crate::migrate;

/// Where a copy keeps when it was made, and so that it is one.
pub const MADE_AT: &str = "backup_at";

/// What a copy holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// When it was made; none where the file is no copy but a store.
    pub made_at: Option<Time>,
    /// The highest change number in it.
    pub position: i64,
    /// Its size.
    pub bytes: u64,
}

/// Writes a copy of the store, for its owner's eyes only. Never over a file that is there. `growing` is told the file that
/// is being written, for those who show how far it has come.
pub fn back_up(store: &Path, copy: &Path, now: Time, growing: impl FnOnce(&Path)) -> Result<Copied> {
    if copy.exists() {
        return Err(failed(copy, "is there already. Choose another name"));
    }
    if !store.exists() {
        return Err(failed(store, "is not there: no store to copy"));
    }
    let draft = beside(copy, &format!(".draft-{}", std::process::id()));
    let made = write_draft(store, &draft, now, growing).and_then(|()| {
        let copied = inspect(&draft)?;
        // Linked, not renamed: a file that came meanwhile is not overwritten.
        fs::hard_link(&draft, copy).map_err(|error| failed(copy, error))?;
        sync_folder(copy)?;
        Ok(copied)
    });
    let _ = fs::remove_file(&draft);
    made
}

fn write_draft(store: &Path, draft: &Path, now: Time, growing: impl FnOnce(&Path)) -> Result<()> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft);
    made.map_err(|error| failed(draft, error))?;
    growing(draft);
    let name = draft.to_str().ok_or_else(|| failed(draft, "is no name in UTF-8"))?;
    let connection = connection::open(store)?;
    connection.execute("VACUUM INTO ?1", params![name]).map_err(translate)?;
    drop(connection);
    let connection = Connection::open(draft).map_err(translate)?;
    let at = now.unix_ms().to_be_bytes();
    connection
        .execute("INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)", params![MADE_AT, at.as_slice()])
        .map_err(translate)?;
    drop(connection);
    File::open(draft).and_then(|file| file.sync_all()).map_err(|error| failed(draft, error))
}

/// Says what a file holds, after a look at every page. Refuses what is no store, damaged, or of a newer version.
pub fn inspect(copy: &Path) -> Result<Copied> {
    let bytes = fs::metadata(copy).map_err(|error| failed(copy, error))?.len();
    if fs::metadata(beside(copy, "-wal")).is_ok_and(|log| log.len() > 0) {
        return Err(failed(
            copy,
            "has a log beside it (-wal), without which it is older than it looks: it is no finished copy. Make one: admit backup FILE",
        ));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(copy, flags).map_err(translate)?;
    let damage = |error: rusqlite::Error| match translate(error) {
        Error::Corrupt { .. } => failed(copy, "is no store of Admit, or is damaged"),
        other => other,
    };
    let verdict: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(damage)?;
    if verdict != "ok" {
        return Err(failed(copy, format_args!("is damaged: {verdict}")));
    }
    let has_tables =
        "SELECT COUNT(name) FROM sqlite_master WHERE type = 'table' AND name IN ('migration', 'meta', 'change')";
    if connection.query_row(has_tables, [], |row| row.get::<_, i64>(0)).map_err(damage)? != 3 {
        return Err(failed(copy, "is no store of Admit"));
    }
    migrate::judge(&connection)?;
    let position =
        connection.query_row("SELECT COALESCE(MAX(number), 0) FROM change", [], |row| row.get(0)).map_err(translate)?;
    let made_at =
        connection.query_row("SELECT value FROM meta WHERE name = ?1", [MADE_AT], |row| row.get::<_, Vec<u8>>(0));
    let made_at = made_at.ok().and_then(|octets| Some(Time::from_unix_ms(i64::from_be_bytes(octets.try_into().ok()?))));
    Ok(Copied { made_at, position, bytes })
}

/// Puts a copy in the place of a store that nobody has open. The old one is set aside beside it, whole; says where.
pub fn put_back(copy: &Path, store: &Path, marks: &[(&str, &[u8])], now: Time) -> Result<Option<PathBuf>> {
    let lock = connection::Lock::take(store)?;
    let draft = beside(store, ".restoring");
    let _ = fs::remove_file(&draft);
    let filled = fill(copy, &draft, marks);
    if let Err(error) = filled {
        let _ = fs::remove_file(&draft);
        return Err(error);
    }
    let aside = beside(store, &format!(".before-{}", now.unix_ms()));
    let had_one = store.exists();
    if had_one {
        // The log first: without it the file would be older than it is, and nobody would know.
        for end in ["-wal", "-shm", ""] {
            let (from, to) = (beside(store, end), beside(&aside, end));
            if from.exists() {
                fs::rename(&from, &to).map_err(|error| failed(&from, error))?;
            }
        }
    }
    fs::rename(&draft, store).map_err(|error| failed(store, error))?;
    sync_folder(store)?;
    drop(lock);
    Ok(had_one.then_some(aside))
}

fn fill(copy: &Path, draft: &Path, marks: &[(&str, &[u8])]) -> Result<()> {
    let mut from = File::open(copy).map_err(|error| failed(copy, error))?;
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft);
    let mut to = made.map_err(|error| failed(draft, error))?;
    std::io::copy(&mut from, &mut to).map_err(|error| failed(draft, error))?;
    drop(to);
    let connection = Connection::open(draft).map_err(translate)?;
    for (name, value) in marks {
        connection
            .execute("INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)", params![name, value])
            .map_err(translate)?;
    }
    drop(connection);
    File::open(draft).and_then(|file| file.sync_all()).map_err(|error| failed(draft, error))
}

/// The path with something behind its name.
fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

fn sync_folder(file: &Path) -> Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| failed(folder, error))
}

fn failed(path: &Path, why: impl std::fmt::Display) -> Error {
    Error::Unavailable(format!("{} {why}", path.display()))
}
