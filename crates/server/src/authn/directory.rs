//! Which realms there are: by name, by key prefix and by host. A row each, no task and no cache.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};

use admit_core::id::RealmId;
use admit_core::realm::Realm;
use admit_store::{Change, ChangeKind, Page, Result, Store};
use parking_lot::{Mutex, RwLock};

#[derive(Default)]
struct Maps {
    by_name: HashMap<String, RealmId>,
    by_prefix: HashMap<String, RealmId>,
    by_host: HashMap<String, RealmId>,
    names: HashMap<RealmId, (String, String, Option<String>)>,
}

/// The directory.
#[derive(Default)]
pub struct Directory {
    maps: RwLock<Maps>,
    changed: Mutex<VecDeque<RealmId>>,
    is_behind: AtomicBool,
    /// Some realm has a host of its own, or had one.
    has_hosts: AtomicBool,
    /// Everything is to be read again.
    is_lost: AtomicBool,
    /// Held by the one who reads what has changed: of two who read at once, the one with the older row might be last.
    reading: Mutex<()>,
}

impl Directory {
    /// Reads all realms, page by page.
    pub fn load(&self, store: &Store) -> Result<()> {
        let mut after = None;
        loop {
            let realms = store.point(|tx| tx.list_realms(&Page { limit: 200, after }))?;
            let Some(last) = realms.last() else { return Ok(()) };
            after = Some(*last.id.bytes());
            let mut maps = self.maps.write();
            realms.iter().for_each(|realm| maps.put(realm));
            self.has_hosts.fetch_or(!maps.by_host.is_empty(), Ordering::Release);
        }
    }

    /// Notes which realms have changed; they are read again at the next look-up.
    pub fn mark(&self, changes: &[Change]) {
        let realms = changes.iter().filter(|change| change.kind == ChangeKind::Realm).map(|change| change.realm);
        let mut changed = self.changed.lock();
        changed.extend(realms);
        if !changed.is_empty() {
            self.is_behind.store(true, Ordering::Release);
        }
    }

    /// Notes that any realm may have changed.
    pub fn forget(&self) {
        self.is_lost.store(true, Ordering::Release);
        self.is_behind.store(true, Ordering::Release);
    }

    /// True where some realm may have a host of its own: whether it is worth asking which.
    pub fn has_hosts(&self) -> bool {
        self.is_behind.load(Ordering::Acquire) || self.has_hosts.load(Ordering::Acquire)
    }

    /// How many realms there are.
    pub fn count(&self) -> usize {
        self.maps.read().names.len()
    }

    /// Every realm.
    pub fn all(&self) -> Vec<RealmId> {
        self.maps.read().names.keys().copied().collect()
    }

    /// The realm of this name.
    pub fn named(&self, name: &str, store: &Store) -> Result<Option<RealmId>> {
        self.catch_up(store)?;
        Ok(self.maps.read().by_name.get(name).copied())
    }

    /// The realm whose keys begin with this prefix.
    pub fn of_prefix(&self, prefix: &str, store: &Store) -> Result<Option<RealmId>> {
        self.catch_up(store)?;
        Ok(self.maps.read().by_prefix.get(prefix).copied())
    }

    /// The realm whose issuer is this host.
    pub fn of_host(&self, host: &str, store: &Store) -> Result<Option<RealmId>> {
        self.catch_up(store)?;
        Ok(self.maps.read().by_host.get(host).copied())
    }

    fn catch_up(&self, store: &Store) -> Result<()> {
        if !self.is_behind.load(Ordering::Acquire) {
            return Ok(());
        }
        let _reading = self.reading.lock();
        if self.is_lost.swap(false, Ordering::AcqRel)
            && let Err(error) = self.load(store)
        {
            self.is_lost.store(true, Ordering::Release);
            return Err(error);
        }
        loop {
            // Those who mark never wait for a read: they hold up the feed.
            let Some(id) = self.changed.lock().front().copied() else { break };
            if let Some(realm) = store.point(|tx| tx.find_realm(id))? {
                self.maps.write().put(&realm);
                self.has_hosts.fetch_or(realm.host.is_some(), Ordering::Release);
            }
            self.changed.lock().pop_front();
        }
        let changed = self.changed.lock();
        self.is_behind.store(!changed.is_empty() || self.is_lost.load(Ordering::Acquire), Ordering::Release);
        Ok(())
    }
}

impl Maps {
    fn put(&mut self, realm: &Realm) {
        let (name, prefix) = (realm.name.as_str().to_owned(), realm.prefix.as_str().to_owned());
        if let Some((_, _, Some(host))) =
            self.names.insert(realm.id, (name.clone(), prefix.clone(), realm.host.clone()))
        {
            // Another realm may have taken it meanwhile.
            if self.by_host.get(&host) == Some(&realm.id) {
                self.by_host.remove(&host);
            }
        }
        self.by_name.insert(name, realm.id);
        self.by_prefix.insert(prefix, realm.id);
        if let Some(host) = &realm.host {
            self.by_host.insert(host.clone(), realm.id);
        }
    }
}
