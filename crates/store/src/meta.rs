//! What the store knows of itself: the master key's check value, whether it is a playground.

use admit_core::time::{Span, Time};

use crate::engine::Tx;
use crate::error::Result;

statements! {
    FIND = "SELECT value FROM meta WHERE name = $name";
    INSERT = "INSERT INTO meta (name, value) VALUES ($name, $value) ON CONFLICT (name) DO NOTHING";
    /// Writes nothing new; see [`Tx::lock_meta`].
    LOCK = "UPDATE meta SET value = value WHERE name = $name";
    CLAIM = "INSERT INTO meta (name, value) VALUES ($name, $value) ON CONFLICT (name) DO UPDATE SET value = excluded.value
        WHERE meta.value <= $before";
    REPLACE = "UPDATE meta SET value = $value WHERE name = $name AND value = $was";
    DELETE = "DELETE FROM meta WHERE name = $name";
    UPDATE = "INSERT INTO meta (name, value) VALUES ($name, $value) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
}

impl Tx<'_> {
    /// What is kept under this name.
    pub fn find_meta(&mut self, name: &str) -> Result<Option<Vec<u8>>> {
        self.find(FIND, named! { name })
    }

    /// Keeps a value unless there is one. False: there is.
    pub fn insert_meta(&mut self, name: &str, value: &[u8]) -> Result<bool> {
        Ok(self.execute(INSERT, named! { name, value })? == 1)
    }

    /// To be called before what belongs to the store as a whole is looked for and made. False: there is no such value.
    pub fn lock_meta(&mut self, name: &str) -> Result<bool> {
        Ok(self.execute(LOCK, named! { name })? == 1)
    }

    /// True for one of all nodes once in a while: the others leave the work to it.
    pub fn claim(&mut self, name: &str, every: Span, now: Time) -> Result<bool> {
        let (value, before) = (now.unix_ms().to_be_bytes(), (now - every).unix_ms().to_be_bytes());
        Ok(self.execute(CLAIM, named! { name, value: value[..], before: before[..] })? == 1)
    }

    /// Puts a value in the place of another. False: that is not there any more.
    pub fn replace_meta(&mut self, name: &str, was: &[u8], value: &[u8]) -> Result<bool> {
        Ok(self.execute(REPLACE, named! { name, was, value })? == 1)
    }

    /// Forgets a value.
    pub fn delete_meta(&mut self, name: &str) -> Result<()> {
        self.execute(DELETE, named! { name }).map(drop)
    }

    /// Keeps a value, whatever there was.
    pub fn update_meta(&mut self, name: &str, value: &[u8]) -> Result<()> {
        self.execute(UPDATE, named! { name, value }).map(drop)
    }
}
