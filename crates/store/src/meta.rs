//! What the store knows of itself: the master key's check value, whether it is a playground.

use crate::engine::Tx;
use crate::error::Result;

statements! {
    FIND = "SELECT value FROM meta WHERE name = $name";
    INSERT = "INSERT INTO meta (name, value) VALUES ($name, $value) ON CONFLICT (name) DO NOTHING";
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

    /// Keeps a value, whatever there was.
    pub fn update_meta(&mut self, name: &str, value: &[u8]) -> Result<()> {
        self.execute(UPDATE, named! { name, value }).map(drop)
    }
}
