//! What anyone can cause as often as he likes, on its way to the audit: bounded in number, and counted beyond that.
//!
//! A group of things that are alike has its first few of a minute one by one, and then one row that counts; a realm has so
//! many rows in a minute, and one more that counts all the rest. What they are is the caller's to know: see `refusal` and
//! `sign_in`.

use std::collections::HashMap;

use admit_core::id::RealmId;
use admit_core::time::Time;
use parking_lot::Mutex;

/// How many of a group are written one by one in a minute.
const SINGLES: u32 = 5;
/// How many of a realm are, and how many of its groups may have a row that counts; with the row for the rest a realm has
/// at most 200 in a minute.
const REALM_SINGLES: u32 = 150;
const REALM_SUMS: u32 = 49;
/// The most rows that wait; what finds no place is counted in a metric.
pub const WAITING_MAX: usize = 1000;

/// Something that happened at a moment.
pub trait Dated: Clone {
    /// When.
    fn at(&self) -> Time;
}

/// What waits, and what this minute has seen.
pub struct Kept<T> {
    /// That of the first thing in the tables.
    minute: i64,
    waiting: Vec<Row<T>>,
    /// How many rows that count there are in the two tables; they wait for the end of the minute.
    sums: usize,
    /// Groups that have a row of their own; as many as rows were written at most.
    groups: HashMap<u64, Group<T>>,
    realms: HashMap<RealmId, Share<T>>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { minute: 0, waiting: Vec::new(), sums: 0, groups: HashMap::new(), realms: HashMap::new() }
    }
}

struct Group<T> {
    singles: u32,
    sum: Option<Sum<T>>,
}

impl<T> Default for Group<T> {
    fn default() -> Self {
        Self { singles: 0, sum: None }
    }
}

/// What a realm has taken of its rows.
struct Share<T> {
    singles: u32,
    sums: u32,
    rest: Option<Sum<T>>,
}

impl<T> Default for Share<T> {
    fn default() -> Self {
        Self { singles: 0, sums: 0, rest: None }
    }
}

/// Several things that are one row.
pub struct Sum<T> {
    /// The first of them.
    pub first: T,
    /// When the last was.
    pub last_at: Time,
    /// How many.
    pub count: u64,
}

/// What becomes a row of the audit.
pub enum Row<T> {
    /// One thing.
    Single(T),
    /// Those of a group that came after its first few.
    OfGroup(Sum<T>),
    /// Those that found no row in which their group is named.
    Rest(Sum<T>),
}

/// What is to be written now: rows that count only once their minute is over.
pub fn take<T: Dated>(kept: &Mutex<Kept<T>>, now: Time) -> Vec<Row<T>> {
    let mut locked = kept.lock();
    if locked.minute == minute(now) {
        return std::mem::take(&mut locked.waiting);
    }
    drop(locked);
    take_all(kept)
}

/// Everything there is, to begin anew.
pub fn take_all<T: Dated>(kept: &Mutex<Kept<T>>) -> Vec<Row<T>> {
    let over = std::mem::take(&mut *kept.lock());
    let mut rows = over.waiting;
    rows.extend(over.groups.into_values().filter_map(|group| group.sum.map(Row::OfGroup)));
    rows.extend(over.realms.into_values().filter_map(|share| share.rest.map(Row::Rest)));
    rows
}

/// Keeps what could not be written, and says how many things found no place.
pub fn put_back<T: Dated>(kept: &Mutex<Kept<T>>, rows: Vec<Row<T>>) -> u64 {
    let mut kept = kept.lock();
    let mut rows = rows.into_iter();
    let room = WAITING_MAX.saturating_sub(kept.waiting.len() + kept.sums);
    kept.waiting.extend(rows.by_ref().take(room));
    rows.map(|row| row.count()).sum()
}

impl<T: Dated> Kept<T> {
    /// Adds one. False where there was no place to count it in.
    pub fn add(&mut self, realm: RealmId, group: u64, thing: &T) -> bool {
        let is_room = self.waiting.len() + self.sums < WAITING_MAX;
        if !is_room && !self.realms.contains_key(&realm) {
            return false;
        }
        if self.realms.is_empty() {
            self.minute = minute(thing.at());
        }
        let share = self.realms.entry(realm).or_default();
        let singles = self.groups.get(&group).map_or(0, |group| group.singles);
        if singles < SINGLES && share.singles < REALM_SINGLES && is_room {
            share.singles += 1;
            self.groups.entry(group).or_default().singles += 1;
            self.waiting.push(Row::Single(thing.clone()));
            return true;
        }
        if let Some(group) = self.groups.get_mut(&group) {
            if let Some(sum) = &mut group.sum {
                sum.add(thing.at());
                return true;
            }
            if share.sums < REALM_SUMS && is_room {
                share.sums += 1;
                self.sums += 1;
                group.sum = Some(Sum::of(thing));
                return true;
            }
        }
        match &mut share.rest {
            Some(rest) => rest.add(thing.at()),
            None if is_room => {
                self.sums += 1;
                share.rest = Some(Sum::of(thing));
            }
            None => return false,
        }
        true
    }
}

impl<T: Dated> Sum<T> {
    fn of(thing: &T) -> Self {
        Self { first: thing.clone(), last_at: thing.at(), count: 1 }
    }

    fn add(&mut self, at: Time) {
        self.last_at = self.last_at.max(at);
        self.count += 1;
    }
}

impl<T> Row<T> {
    /// How many things it stands for.
    pub fn count(&self) -> u64 {
        match self {
            Self::Single(_) => 1,
            Self::OfGroup(sum) | Self::Rest(sum) => sum.count,
        }
    }
}

fn minute(at: Time) -> i64 {
    at.unix_ms().div_euclid(60_000)
}
