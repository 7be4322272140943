//! The queue for slow hashes: so many threads, so many places, and nobody takes all of them.
//!
//! A hash takes tens of milliseconds and megabytes of memory by design, so whoever sends many would take the machine. Here
//! a few threads of low priority work, each in memory of its own that is kept; who finds no place is told to come again,
//! at once. People on devices that are known go first; no source network takes more than an eighth of the places and no
//! realm more than half. Knows nothing of users and sessions.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::thread;

use admit_core::id::RealmId;
use admit_core::login::hash::{Cost, Memory};
use ipnet::IpNet;
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use crate::serve::pages;

/// Places for each thread: a second of work, about.
const PLACES_PER_THREAD: usize = 32;
/// Every so many turns the last lane with somebody in it has its turn.
const LAST_FIRST_EVERY: u32 = 4;
/// How much less the threads matter to the system than those that answer requests.
const NICE: i32 = 10;

/// Who waits behind whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Somebody on a device from which he signed in before.
    KnownDevice,
    /// Anybody.
    Unknown,
    /// What nobody waits for at a screen.
    Import,
}

const LANES: usize = 3;

/// On whose behalf.
#[derive(Debug, Clone, Copy)]
pub struct Asker {
    /// How urgent it is.
    pub lane: Lane,
    /// For which realm.
    pub realm: RealmId,
    /// From which network; none where nobody can be told apart, and then only the realm's share counts.
    pub source: Option<IpNet>,
}

/// There is no place: come again in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

type Job = Box<dyn FnOnce(&mut Memory) + Send>;

struct Waiting {
    asker: Asker,
    job: Job,
}

#[derive(Default)]
struct Places {
    lanes: [VecDeque<Waiting>; LANES],
    /// Waiting and worked on.
    taken: usize,
    of_source: HashMap<IpNet, usize>,
    of_realm: HashMap<RealmId, usize>,
    turn: u32,
    is_closed: bool,
}

struct Shared {
    places: Mutex<Places>,
    wake: Condvar,
    most: usize,
    everyday: Cost,
}

/// The queue. Its threads end when the last handle is gone.
pub struct Hashing {
    shared: Arc<Shared>,
}

impl Hashing {
    /// Starts the threads.
    pub fn start(threads: usize, everyday: Cost) -> std::io::Result<Self> {
        let threads = threads.max(1);
        let most = threads * PLACES_PER_THREAD;
        let shared = Arc::new(Shared { places: Mutex::default(), wake: Condvar::new(), most, everyday });
        for number in 0..threads {
            let shared = shared.clone();
            thread::Builder::new().name(format!("hash-{number}")).spawn(move || shared.work())?;
        }
        Ok(Self { shared })
    }

    /// Runs a hash when its turn comes.
    pub async fn run<T: Send + 'static>(
        &self,
        asker: Asker,
        hash: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, Full> {
        self.enter(asker)?.run(hash).await
    }

    /// Takes a place for a hash that is not yet decided on: who gets none has cost nothing.
    pub fn enter(&self, asker: Asker) -> Result<Entered, Full> {
        self.shared.places.lock().reserve(self.shared.most, &asker)?;
        Ok(Entered { shared: self.shared.clone(), asker, is_kept: true })
    }

    /// How many wait or are worked on.
    pub fn taken(&self) -> usize {
        self.shared.places.lock().taken
    }
}

/// A place in the queue; free again when it is dropped.
pub struct Entered {
    shared: Arc<Shared>,
    asker: Asker,
    /// Until the hash that uses it gives it back.
    is_kept: bool,
}

impl Entered {
    /// Runs a hash when its turn comes.
    pub async fn run<T: Send + 'static>(
        mut self,
        hash: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, Full> {
        let (answer, answered) = oneshot::channel();
        // Who has gone away meanwhile is not worked for.
        let job: Job = Box::new(move |memory| {
            if !answer.is_closed() {
                let _ = answer.send(hash(memory));
            }
        });
        self.is_kept = false;
        self.shared.places.lock().push(Waiting { asker: self.asker, job });
        self.shared.wake.notify_one();
        // Only a hash that panicked leaves no answer.
        answered.await.map_err(|_| Full)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        if self.is_kept {
            self.shared.places.lock().give_back(&self.asker);
        }
    }
}

impl Drop for Hashing {
    fn drop(&mut self) {
        self.shared.places.lock().is_closed = true;
        self.shared.wake.notify_all();
    }
}

impl Places {
    fn reserve(&mut self, most: usize, asker: &Asker) -> Result<(), Full> {
        let Asker { lane, realm, source } = *asker;
        // A quarter is kept for those on known devices.
        let most_here = if lane == Lane::KnownDevice { most } else { most / 4 * 3 };
        let count = |known: Option<&usize>| known.copied().unwrap_or_default();
        let is_full = self.taken >= most_here
            || count(self.of_realm.get(&realm)) >= most / 2
            || source.is_some_and(|source| count(self.of_source.get(&source)) >= most / 8);
        if is_full {
            return Err(Full);
        }
        self.taken += 1;
        *self.of_realm.entry(realm).or_default() += 1;
        source.into_iter().for_each(|source| *self.of_source.entry(source).or_default() += 1);
        Ok(())
    }

    fn push(&mut self, waiting: Waiting) {
        self.lanes[waiting.asker.lane as usize].push_back(waiting);
    }

    fn next(&mut self) -> Option<Waiting> {
        self.turn = self.turn.wrapping_add(1);
        if self.turn.is_multiple_of(LAST_FIRST_EVERY) {
            self.lanes.iter_mut().rev().find_map(VecDeque::pop_front)
        } else {
            self.lanes.iter_mut().find_map(VecDeque::pop_front)
        }
    }

    fn give_back(&mut self, asker: &Asker) {
        self.taken -= 1;
        release(&mut self.of_realm, asker.realm);
        asker.source.into_iter().for_each(|source| release(&mut self.of_source, source));
    }
}

fn release<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, usize>, key: K) {
    if let std::collections::hash_map::Entry::Occupied(mut count) = counts.entry(key) {
        *count.get_mut() -= 1;
        if *count.get() == 0 {
            count.remove();
        }
    }
}

impl Shared {
    fn work(&self) {
        yield_to_others();
        let (mut memory, mut is_prepared) = (Memory::default(), false);
        loop {
            let mut places = self.places.lock();
            let waiting = loop {
                if let Some(waiting) = places.next() {
                    break waiting;
                }
                if places.is_closed {
                    return;
                }
                self.wake.wait(&mut places);
            };
            drop(places);
            let Waiting { asker, job } = waiting;
            if !std::mem::replace(&mut is_prepared, true) {
                // All of it is gone through in no order: with small pages that takes a seventh longer.
                pages::with_large(|| memory.prepare(self.everyday));
            }
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(&mut memory))).is_err() {
                (memory, is_prepared) = (Memory::default(), false);
            }
            memory.shrink(self.everyday);
            self.places.lock().give_back(&asker);
        }
    }
}

/// Lets whoever answers requests go first. Where the system does not allow it, hashing goes on as it is.
#[cfg(target_os = "linux")]
fn yield_to_others() {
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE) {
        tracing::debug!(error = %error, "hashing has the priority of everything else");
    }
}

#[cfg(not(target_os = "linux"))]
const fn yield_to_others() {}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    const REALM: RealmId = RealmId::from_bytes([1; 16]);

    fn network(number: u8) -> Option<IpNet> {
        Some(format!("192.0.{number}.0/24").parse().unwrap())
    }

    fn asker(lane: Lane, realm: u8, source: u8) -> Asker {
        Asker { lane, realm: RealmId::from_bytes([realm; 16]), source: network(source) }
    }

    impl Places {
        fn take(&mut self, most: usize, waiting: Waiting) -> Result<(), Full> {
            self.reserve(most, &waiting.asker).map(|()| self.push(waiting))
        }
    }

    fn waiting(asker: Asker) -> Waiting {
        Waiting { asker, job: Box::new(|_| ()) }
    }

    /// How many get a place.
    fn fitting(places: &mut Places, askers: impl Iterator<Item = Asker>) -> usize {
        askers.filter(|asker| places.take(64, waiting(*asker)).is_ok()).count()
    }

    #[test]
    fn pw_04_no_source_no_realm_and_no_stranger_takes_all_places() {
        let mut places = Places::default();
        let one = |realm: usize| asker(Lane::Unknown, (realm % 2) as u8 + 1, 1);
        assert_eq!(fitting(&mut places, (0..100).map(one)), 8, "one network, in all realms");
        while let Some(waiting) = places.next() {
            places.give_back(&waiting.asker);
        }
        assert_eq!(fitting(&mut places, (0..100).map(|number| asker(Lane::Unknown, 1, number))), 32, "one realm: half");
        assert_eq!(
            fitting(&mut places, (0..100).map(|number| asker(Lane::Unknown, 2, 100 + number))),
            16,
            "three quarters"
        );
        assert_eq!(
            fitting(&mut places, (0..100).map(|number| asker(Lane::KnownDevice, 2, 100 + number))),
            16,
            "the rest"
        );
        assert_eq!(places.taken, 64);
        while let Some(waiting) = places.next() {
            places.give_back(&waiting.asker);
        }
        assert_eq!((places.taken, places.of_realm.len(), places.of_source.len()), (0, 0, 0));
    }

    #[test]
    fn known_devices_go_first_and_nobody_waits_for_ever() {
        let mut places = Places::default();
        for (lane, source) in [(Lane::Import, 1), (Lane::Unknown, 2)] {
            places.take(64, waiting(asker(lane, 1, source))).unwrap();
        }
        for source in 3..9 {
            places.take(64, waiting(asker(Lane::KnownDevice, 1, source))).unwrap();
        }
        let order: Vec<_> = std::iter::from_fn(|| places.next()).map(|waiting| waiting.asker.lane).collect();
        let (known, unknown, import) = (Lane::KnownDevice, Lane::Unknown, Lane::Import);
        assert_eq!(order, [known, known, known, import, known, known, known, unknown]);
    }

    #[tokio::test]
    async fn a_hash_that_panics_frees_its_place_and_the_thread_goes_on() {
        let hashing = Hashing::start(1, Cost::default()).unwrap();
        let of = asker(Lane::Unknown, 1, 1);
        assert_eq!(hashing.run(of, |_| panic!("a test")).await, Err::<(), _>(Full));
        assert_eq!(hashing.run(of, |_| 7).await, Ok(7));
    }

    #[tokio::test]
    async fn a_place_that_was_not_used_is_free_again() {
        let hashing = Hashing::start(1, Cost::default()).unwrap();
        let of = asker(Lane::Unknown, 1, 1);
        let entered: Vec<_> = (0..PLACES_PER_THREAD / 8).map(|_| hashing.enter(of).ok().unwrap()).collect();
        assert_eq!(hashing.enter(of).err(), Some(Full));
        drop(entered);
        assert_eq!(hashing.taken(), 0);
        assert_eq!(hashing.enter(of).ok().unwrap().run(|_| 7).await, Ok(7));
    }

    #[tokio::test]
    async fn who_finds_no_place_is_told_at_once_and_who_left_is_not_worked_for() {
        let hashing = Arc::new(Hashing::start(1, Cost::default()).unwrap());
        let of = asker(Lane::Unknown, 1, 1);
        let (open, gate) = mpsc::channel::<()>();
        let (first, hold) = (hashing.clone(), async move |hashing: Arc<Hashing>| {
            hashing.run(of, move |_| gate.recv_timeout(Duration::from_secs(30)).unwrap()).await
        });
        let held = tokio::spawn(hold(first));
        while hashing.taken() == 0 {
            tokio::task::yield_now().await;
        }
        let (mut left, worked) = (Vec::new(), Arc::new(AtomicBool::new(false)));
        for _ in 0..PLACES_PER_THREAD / 8 - 1 {
            let hashing = hashing.clone();
            let worked = worked.clone();
            left.push(tokio::spawn(
                async move { hashing.run(of, move |_| worked.store(true, Ordering::Relaxed)).await },
            ));
        }
        while hashing.taken() < PLACES_PER_THREAD / 8 {
            tokio::task::yield_now().await;
        }
        assert_eq!(hashing.run(of, |_| ()).await, Err(Full));
        for task in left {
            task.abort();
            assert!(task.await.unwrap_err().is_cancelled());
        }
        open.send(()).unwrap();
        held.await.unwrap().unwrap();
        while hashing.taken() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(hashing.run(Asker { realm: REALM, ..of }, |_| 7).await, Ok(7));
        assert!(!worked.load(Ordering::Relaxed), "they came before this one");
    }
}
