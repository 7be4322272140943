//! Master keys with numbers: one is active and makes what is new, older ones still read what they made.
//!
//! A source holds a [`Ring`]: lines of a number and 64 hexadecimal digits; digits without a number are key 1. The store
//! remembers what it was made with, [`Known`]: which number is active, and of each number that counts a value that only
//! that key can make. Both together are [`Keys`]. A number that the store does not count, or not any more, reads nothing,
//! whatever a source says. Knows neither where a source is nor how the store keeps anything, and draws no key.

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::{constant_time, hmac};
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::audit::seal;
use crate::id::RealmId;
use crate::login::guard::NobodyKey;
use crate::seal::{self as sealing, NotOpened, Place, SealKey, TextSeal};
use crate::secret::{LookupKey, MasterKey, Secret, SecretHash, SecretKind};
use crate::time::{Span, Time};

/// The most keys of a source: each unknown credential is looked for under every one.
pub const KEYS_MAX: usize = 8;
/// How long after a rotation nothing is taken away: every node has followed by then.
pub const SETTLES: Span = Span::seconds(60);

/// The keys of a source, by number.
pub struct Ring(BTreeMap<i64, MasterKey>);

/// Why text is no list of master keys. Repeats nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRing {
    /// Not of the form.
    Form,
    /// Two lines with one number.
    Twice(i64),
    /// Two numbers with one key.
    Same(i64, i64),
    /// More than [`KEYS_MAX`].
    TooMany,
}

impl fmt::Display for NoRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form => f.write_str("must be 64 hexadecimal digits, or lines of a number and 64 hexadecimal digits"),
            Self::Twice(number) => write!(f, "has two keys with the number {number}"),
            Self::Same(one, other) => write!(f, "has one key under the numbers {one} and {other}"),
            Self::TooMany => write!(
                f,
                "has more than {KEYS_MAX} keys. Take away what nothing needs any more: admit master-key status"
            ),
        }
    }
}

impl Ring {
    /// Reads lines; commas do as well, for what has to stand on one.
    pub fn parse(text: &str) -> Result<Self, NoRing> {
        let mut keys: BTreeMap<i64, MasterKey> = BTreeMap::new();
        for line in text.split(['\n', ',']).map(str::trim).filter(|line| !line.is_empty()) {
            let (number, digits) = match line.split_once([' ', '\t']) {
                Some((number, digits)) => (number.parse().map_err(|_| NoRing::Form)?, digits.trim()),
                None => (1, line),
            };
            let bytes = HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).map(Zeroizing::new).map_err(|_| NoRing::Form)?;
            let key = <[u8; 32]>::try_from(bytes.as_slice()).map(MasterKey::new).map_err(|_| NoRing::Form)?;
            if !(1..=i64::from(u32::MAX)).contains(&number) {
                return Err(NoRing::Form);
            }
            if keys.len() == KEYS_MAX {
                return Err(NoRing::TooMany);
            }
            if let Some((twin, _)) = keys.iter().find(|(_, known)| same(&known.check_value(), &key.check_value())) {
                return Err(if *twin == number { NoRing::Twice(number) } else { NoRing::Same(*twin, number) });
            }
            if keys.insert(number, key).is_some() {
                return Err(NoRing::Twice(number));
            }
        }
        if keys.is_empty() { Err(NoRing::Form) } else { Ok(Self(keys)) }
    }

    /// The numbers, the lowest first.
    pub fn numbers(&self) -> impl DoubleEndedIterator<Item = i64> + '_ {
        self.0.keys().copied()
    }

    /// The number of the newest.
    pub fn newest(&self) -> i64 {
        self.numbers().next_back().unwrap_or_default()
    }

    /// What is derived from each; the keys themselves need not be kept.
    pub fn derive(&self) -> Vec<Derived> {
        self.0.iter().map(|(number, key)| Derived::new(*number, key)).collect()
    }
}

/// A line of a source.
pub fn line(number: i64, key: &[u8; 32]) -> Zeroizing<String> {
    let digits = Zeroizing::new(HEXLOWER.encode(key));
    Zeroizing::new(format!("{number} {}\n", *digits))
}

/// What one master key gives.
#[derive(Clone)]
pub struct Derived {
    /// Its number.
    pub number: i64,
    /// Hashes presented secrets.
    pub lookup: LookupKey,
    /// Authenticates pagination cursors.
    pub cursor: hmac::Key,
    /// Makes the tokens that forms carry.
    pub form: hmac::Key,
    /// Makes what stands beside a session's cookie for changes.
    pub strict: hmac::Key,
    /// Makes the handles by which tokens name what ends them.
    pub handle: hmac::Key,
    /// Seals the audit.
    pub audit: seal::Keys,
    /// Seals what is kept and must not be read.
    pub seal: SealKey,
    /// Seals what only who presents a secret may read.
    pub text_seal: TextSeal,
    /// Counts guesses at names that are nobody's.
    pub nobody: NobodyKey,
    check: [u8; 32],
}

impl Derived {
    fn new(number: i64, key: &MasterKey) -> Self {
        Self {
            number,
            lookup: key.lookup_key(),
            cursor: key.cursor_key(),
            form: key.form_key(),
            strict: key.strict_key(),
            handle: key.handle_key(),
            audit: seal::Keys::new(key, number),
            seal: SealKey::new(key, number),
            text_seal: TextSeal::new(key, number),
            nobody: NobodyKey::new(key),
            check: key.check_value(),
        }
    }
}

/// What the store remembers of its master keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    active: i64,
    /// The highest number that there ever was: none is given twice.
    last: i64,
    rotated_at: Option<Time>,
    /// A value that only the key of that number can make, in hexadecimal digits.
    checks: BTreeMap<i64, String>,
}

/// Why a source does not fit a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// The key of this number is another one.
    Other(i64),
    /// The key that makes what is new is not there.
    NoActive(i64),
    /// A key is not there that still counts.
    Missing(i64),
}

/// Why a rotation cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRotation {
    /// There is no newer key.
    NoNewer,
    /// A source does not fit.
    Unfit(Unfit),
}

/// Why a number cannot be taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRemoval {
    /// It does not count.
    Unknown,
    /// It makes what is new.
    Active,
    /// Nodes may still be following the last rotation.
    TooSoon,
}

impl Known {
    /// A store that is made now: the newest key is active, the others count too.
    pub fn first(keys: &[Derived]) -> Self {
        let active = keys.iter().map(|key| key.number).max().unwrap_or_default();
        let checks = keys.iter().map(|key| (key.number, HEXLOWER.encode(&key.check))).collect();
        Self { active, last: active, rotated_at: None, checks }
    }

    /// Reads what the store keeps. The 32 octets alone of an older store are the value of key 1.
    pub fn read(octets: &[u8]) -> Option<Self> {
        if octets.len() == 32 {
            return Some(Self { active: 1, last: 1, rotated_at: None, checks: [(1, HEXLOWER.encode(octets))].into() });
        }
        serde_json::from_slice(octets).ok()
    }

    /// What the store keeps.
    pub fn octets(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The number of the key that makes what is new.
    pub const fn active(&self) -> i64 {
        self.active
    }

    /// The highest number that there ever was.
    pub const fn last(&self) -> i64 {
        self.last
    }

    /// When the active one became it.
    pub const fn rotated_at(&self) -> Option<Time> {
        self.rotated_at
    }

    /// The numbers that count, the lowest first.
    pub fn numbers(&self) -> impl Iterator<Item = i64> + '_ {
        self.checks.keys().copied()
    }

    /// Whether these are all the keys that count, and the same ones.
    pub fn judge(&self, keys: &[Derived]) -> Result<(), Unfit> {
        for (number, check) in &self.checks {
            let Some(key) = keys.iter().find(|key| key.number == *number) else {
                return Err(if *number == self.active { Unfit::NoActive(*number) } else { Unfit::Missing(*number) });
            };
            if !HEXLOWER_PERMISSIVE.decode(check.as_bytes()).is_ok_and(|check| same(&check, &key.check)) {
                return Err(Unfit::Other(*number));
            }
        }
        Ok(())
    }

    /// From now on keys count that are newer than any before, so that no node can have another one under their number.
    /// True where there are such.
    pub fn join(&mut self, keys: &[Derived]) -> bool {
        let last = self.last;
        for key in keys.iter().filter(|key| key.number > last) {
            self.checks.insert(key.number, HEXLOWER.encode(&key.check));
            self.last = self.last.max(key.number);
        }
        self.last > last
    }

    /// Makes the newest key the active one.
    pub fn rotate(&mut self, keys: &[Derived], now: Time) -> Result<(), NoRotation> {
        self.judge(keys).map_err(NoRotation::Unfit)?;
        self.join(keys);
        let newest = self.checks.keys().next_back().copied().filter(|newest| *newest > self.active);
        self.active = newest.ok_or(NoRotation::NoNewer)?;
        self.rotated_at = Some(now);
        Ok(())
    }

    /// A number counts no more, and is not given again.
    pub fn remove(&mut self, number: i64, now: Time) -> Result<(), NoRemoval> {
        if !self.checks.contains_key(&number) {
            return Err(NoRemoval::Unknown);
        }
        if number == self.active {
            return Err(NoRemoval::Active);
        }
        if number < self.active && self.rotated_at.is_some_and(|at| now < at + SETTLES) {
            return Err(NoRemoval::TooSoon);
        }
        self.checks.remove(&number);
        Ok(())
    }
}

/// The keys in use: what a source has and the store counts.
#[derive(Clone)]
pub struct Keys {
    /// Those that count, the active one first, then the newest.
    usable: Vec<Derived>,
    /// Those that do not.
    idle: Vec<Derived>,
    known: Known,
}

impl Keys {
    /// Puts source and store together.
    pub fn settle(all: Vec<Derived>, known: Known) -> Result<Self, Unfit> {
        known.judge(&all)?;
        let (mut usable, idle): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|key| known.checks.contains_key(&key.number));
        usable.sort_by_key(|key| (key.number != known.active, -key.number));
        if usable.is_empty() { Err(Unfit::NoActive(known.active)) } else { Ok(Self { usable, idle, known }) }
    }

    /// The same keys by what the store remembers now.
    pub fn follow(&self, known: Known) -> Result<Self, Unfit> {
        Self::settle(self.all(), known)
    }

    /// What the store remembered.
    pub const fn known(&self) -> &Known {
        &self.known
    }

    /// All that the source has.
    pub fn all(&self) -> Vec<Derived> {
        self.usable.iter().chain(&self.idle).cloned().collect()
    }

    /// The one that makes what is new.
    pub fn active(&self) -> &Derived {
        &self.usable[0]
    }

    /// Those that count, the active one first.
    pub fn usable(&self) -> &[Derived] {
        &self.usable
    }

    /// Under what a secret may be stored, the active key's hash first.
    pub fn hashes(&self, realm: RealmId, kind: SecretKind, text: &str) -> Vec<SecretHash> {
        self.usable.iter().map(|key| key.lookup.hash(realm, kind, text)).collect()
    }

    /// Opens a sealed value, whichever of the keys that count it was sealed with.
    pub fn open(&self, place: &Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, NotOpened> {
        sealing::open(self.usable.iter().map(|key| &key.seal), place, sealed)
    }

    /// Opens a value that was sealed under a text, likewise.
    pub fn open_with(&self, text: &Secret, place: &Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, NotOpened> {
        let keys: Vec<_> = self.usable.iter().map(|key| key.text_seal.of(text)).collect();
        sealing::open(&keys, place, sealed)
    }

    /// What verifies the seals of the audit.
    pub fn audit(&self) -> Vec<seal::Keys> {
        self.usable.iter().map(|key| key.audit.clone()).collect()
    }
}

fn same(one: &[u8], other: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(one, other).is_ok()
}

#[cfg(test)]
mod tests;
