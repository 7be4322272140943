//! How the file of a store is locked and opened.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::translate;
use crate::error::{Error, Result};

/// More than there are statements in this crate.
const CACHED_STATEMENTS: usize = 256;
/// What the connection that writes may keep of the file; the system keeps the rest. Taken only by a store that is written to
/// in many places: each page that is not kept is copied once more.
const WRITER_CACHE_KIB: i32 = 16_384;
/// The same for each of those that read, of which there are several: the upper pages of the great tables.
const READER_CACHE_KIB: i32 = 1536;
/// After a checkpoint the log is cut down to this.
const LOG_BYTES: u32 = 64 << 20;
/// After so many pages the log is copied to its place, by the writer, while others who write wait. What was written often goes
/// there once: with the engine's own 1,000 a busy store did little else.
const LOG_PAGES: u32 = 8_192;

/// The connection that writes; makes the file, for nobody else's eyes, where it is not there.
pub(super) fn writer(path: &Path, max_pages: Option<u32>) -> Result<Connection> {
    let made = OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(path);
    made.map_err(|error| Error::Unavailable(format!("{}: {error}", path.display())))?;
    let connection = open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(translate)?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(translate)?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES).map_err(translate)?;
    connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES).map_err(translate)?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB).map_err(translate)?;
    if let Some(pages) = max_pages {
        limit_pages(&connection, pages)?;
    }
    Ok(connection)
}

/// A connection that only reads.
pub(super) fn reader(path: &Path) -> Result<Connection> {
    let connection = open(path)?;
    connection.pragma_update(None, "query_only", true).map_err(translate)?;
    Ok(connection)
}

pub(super) fn open(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(translate)?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(translate)?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    for (setting, on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
        // Else each new parameter may plan the statement anew: 200 µs where the read itself takes 15.
        (DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true),
    ] {
        connection.set_db_config(setting, on).map_err(translate)?;
    }
    connection.pragma_update(None, "cell_size_check", true).map_err(translate)?;
    connection.pragma_update(None, "temp_store", "MEMORY").map_err(translate)?;
    connection.pragma_update(None, "cache_size", -READER_CACHE_KIB).map_err(translate)?;
    Ok(connection)
}

pub(in crate::engine) fn limit_pages(connection: &Connection, pages: u32) -> Result<()> {
    connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).map_err(translate)
}

/// The right of one process to write. Beside the store, not on it: the engine has locks of its own there, and other
/// programs may read along (a backup).
pub(super) struct Lock(File);

impl Lock {
    /// Takes it, or says who has it.
    pub(super) fn take(path: &Path) -> Result<Self> {
        let mut name = OsString::from(path);
        name.push(".lock");
        let lock = PathBuf::from(name);
        let failed = |error: &dyn std::fmt::Display| Error::Unavailable(format!("{}: {error}", lock.display()));
        let opened = OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(0o600).open(&lock);
        let mut file = opened.map_err(|error| failed(&error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::InUse { path: path.to_owned(), by: holder(&mut file) }),
            Err(TryLockError::Error(error)) => return Err(failed(&error)),
        }
        let written = file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0)));
        written.and_then(|_| write!(file, "{}", std::process::id())).map_err(|error| failed(&error))?;
        Ok(Self(file))
    }
}

impl Drop for Lock {
    /// Closing the file would do only where no child that is just being started has it open too.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

fn holder(file: &mut File) -> String {
    let mut number = String::new();
    match file.take(20).read_to_string(&mut number) {
        Ok(_) if !number.is_empty() => format!("process {number}"),
        _ => "another process".to_owned(),
    }
}
