//! What holds for a file alone: group commit, one process, a disk that is full.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::thread;

use admit_store::{ChangeKind, End, Error, Options, Store};

use crate::engine::put_meta;
use crate::fixture::{NOW, TestStore, open, realm};

/// Units of work that are certain to share a transaction: they wait behind one that is held up until all are queued.
fn behind_a_closed_gate(store: &TestStore, units: Vec<Box<dyn FnOnce(Store) + Send>>) -> admit_store::Result<()> {
    let (open_gate, gate) = sync_channel::<()>(1);
    let gate = Mutex::new(gate);
    let (say_entered, entered) = sync_channel::<()>(1);
    let holder = store.store.clone();
    let held = thread::spawn(move || {
        holder.write_blocking(move |_| {
            say_entered.send(()).unwrap();
            gate.lock().unwrap().recv().unwrap();
            Ok(End::Commit(()))
        })
    });
    entered.recv().unwrap();
    let count = units.len();
    let threads: Vec<_> = units
        .into_iter()
        .map(|unit| {
            let store = store.store.clone();
            thread::spawn(move || unit(store))
        })
        .collect();
    while store.queued() < count {
        thread::yield_now();
    }
    open_gate.send(()).unwrap();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    held.join().unwrap()
}

#[test]
fn an_error_and_a_panic_in_a_batch_undo_only_themselves() {
    let store = TestStore::new();
    let units: Vec<Box<dyn FnOnce(Store) + Send>> = vec![
        Box::new(|store| assert_eq!(put_meta(&store, "first"), Ok(true))),
        Box::new(|store| {
            let failed = store.write_blocking(|tx| {
                tx.insert_meta("of the failing", b"x")?;
                Err::<End<()>, _>(Error::Conflict { what: "test" })
            });
            assert_eq!(failed, Err(Error::Conflict { what: "test" }));
        }),
        Box::new(|store| {
            let panicked = store.write_blocking(|tx| -> admit_store::Result<End<()>> {
                tx.insert_meta("of the panicking", b"x")?;
                panic!("on purpose")
            });
            assert_eq!(panicked, Err(Error::Unavailable("the unit of work panicked".to_owned())));
        }),
        Box::new(|store| assert_eq!(put_meta(&store, "last"), Ok(true))),
    ];
    assert_eq!(behind_a_closed_gate(&store, units), Ok(()));
    let there = |name: &str| store.get(|tx| tx.find_meta(name)).is_some();
    assert!(there("first") && there("last"));
    assert!(!there("of the failing") && !there("of the panicking"));
}

#[test]
fn more_than_the_queue_holds_is_refused_at_once() {
    let store = TestStore::new();
    let (open_gate, gate) = sync_channel::<()>(1);
    let gate = Mutex::new(gate);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let blocked = async {
        store
            .write(move |_| {
                gate.lock().unwrap().recv().unwrap();
                Ok(End::Commit(()))
            })
            .await
    };
    let crowd = async {
        while store.queued() > 0 {
            tokio::task::yield_now().await;
        }
        let mut waiting: Vec<_> = (0..4096).map(|_| Box::pin(store.write(|_| Ok(End::Commit(()))))).collect();
        for unit in &mut waiting {
            assert!(is_pending(unit.as_mut()));
        }
        let over = store.write(|_| Ok(End::Commit(()))).await;
        open_gate.send(()).unwrap();
        for unit in waiting {
            unit.await.unwrap();
        }
        over
    };
    let (blocked, over) = runtime.block_on(async { tokio::join!(blocked, crowd) });
    assert_eq!((blocked, over), (Ok(()), Err(Error::Overloaded)));
}

fn is_pending<T>(future: Pin<&mut impl Future<Output = T>>) -> bool {
    future.poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

#[test]
fn a_full_disk_refuses_writes_and_not_reads_and_is_forgotten_when_there_is_space_again() {
    let store = TestStore::new();
    store.put(|tx| tx.insert_realm(&realm("acme")));
    store.put(|tx| tx.limit_pages(1));
    let attempts = AtomicUsize::new(0);
    let refused = loop {
        let number = attempts.fetch_add(1, Ordering::Relaxed);
        let written = store.try_put(move |tx| tx.update_meta(&format!("{number}"), &[7; 4000]));
        if let Err(error) = written {
            break error;
        }
        assert!(number < 1000, "the limit was never reached");
    };
    assert!(matches!(&refused, Error::Unavailable(why) if why.contains("full")), "{refused}");
    assert!(store.get(|tx| tx.find_realm_named("acme")).is_some(), "reads go on");
    let told = store.told().len();

    store.put(|tx| tx.limit_pages(1_000_000));
    store.put(|tx| tx.update_meta("after", &[7; 4000]));
    store.put(|tx| tx.insert_realm(&realm("later")));
    assert_eq!(store.told().len(), told + 1);
}

#[test]
fn a_unit_that_finds_the_disk_full_does_not_take_its_neighbours_with_it_in_silence() {
    let store = TestStore::new();
    store.put(|tx| tx.limit_pages(1));
    let outcomes = Arc::new(Mutex::new(Vec::new()));
    let units = (0..40)
        .map(|number| {
            let outcomes = outcomes.clone();
            let unit: Box<dyn FnOnce(Store) + Send> = Box::new(move |store| {
                let written = store.write_blocking(move |tx| {
                    tx.insert_realm(&realm(&format!("r{number}")))?;
                    tx.update_meta(&format!("{number}"), &[7; 4000]).map(End::Commit)
                });
                outcomes.lock().unwrap().push((number, written));
            });
            unit
        })
        .collect();
    // Who held the gate may be of the batch that failed, or of the one before.
    let _ = behind_a_closed_gate(&store, units);
    let outcomes = outcomes.lock().unwrap();
    assert!(outcomes.iter().any(|(_, written)| written.is_err()), "the disk was full for some");
    for (number, written) in outcomes.iter() {
        let is_there = store.get(|tx| tx.find_realm_named(&format!("r{number}"))).is_some();
        assert_eq!(is_there, written.is_ok(), "r{number}: what was acknowledged is there, and nothing else");
    }
    let told = store.told().iter().filter(|change| change.kind == ChangeKind::Realm).count();
    assert_eq!(told, outcomes.iter().filter(|(_, written)| written.is_ok()).count());
}

#[test]
fn two_processes_never_share_a_store() {
    let store = TestStore::new();
    let second = open(&store.home, &store.told).err().unwrap();
    assert!(matches!(second, Error::InUse { .. }));
    let text = second.to_string();
    assert!(text.contains(&format!("process {}", std::process::id())) && text.contains("--data"), "{text}");
    let TestStore { store, told, home } = store;
    store.close();
    assert!(open(&home, &told).is_ok());
}

#[cfg(unix)]
#[test]
fn the_files_are_for_nobody_else() {
    use std::os::unix::fs::PermissionsExt;
    let store = TestStore::new();
    store.put(|tx| tx.insert_realm(&realm("acme")));
    for name in ["admit.db", "admit.db-wal", "admit.db-shm", "admit.db.lock"] {
        let mode = std::fs::metadata(store.home.folder().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let options = Options::new("/nonexistent/admit.db");
    let error = Store::open(&options, |_| {}, NOW).err().unwrap();
    assert!(error.to_string().contains("/nonexistent/admit.db"), "{error}");
}

#[test]
fn a_disk_too_small_for_the_first_tables_is_said_to_be_full_and_by_what() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { max_pages: Some(4), ..Options::new(folder.path().join("admit.db")) };
    let error = Store::open(&options, |_| {}, NOW).err().unwrap().to_string();
    assert!(error.contains("migrations/0001_begin.sql") && error.contains("full"), "{error}");
    assert!(Store::open(&Options { max_pages: None, ..options }, |_| {}, NOW).is_ok(), "and nothing half done is left");
}
