//! What holds for a server: several connections and nodes, lines that are lost, a server that stands still.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use admit_core::check::code::Code;
use admit_core::id::{GrantId, RealmId, SubjectId};
use admit_store::{AuthorizationUse, Change, ChangeKind, End, Error, News, Store, UsageRow};

use crate::cluster::{Cluster, Database};
use crate::engine::put_meta;
use crate::fixture::{Engine, Home, NOW, Population, TestStore, client, grant, on, open, options_of, realm};

/// A test on a database of the shared server.
fn with_store(test: fn()) {
    on(Engine::Postgres, test);
}

fn database_of(store: &TestStore) -> &Database {
    match &store.home {
        Home::Database(database) => database,
        Home::Folder(_) => panic!("a folder is no database"),
    }
}

/// A use of an authorization that is not there: a statement of which nobody asks how many rows it touched.
fn used(home: RealmId) -> AuthorizationUse {
    AuthorizationUse { realm: home, grant: GrantId::from_bytes([9; 16]), at: NOW, ip: None, agent: None }
}

fn end_every_line(store: &TestStore) {
    let database = database_of(store);
    database.sql(
        "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
}

fn migrations(database: &Database) -> String {
    database.sql("SELECT COUNT(*) || ' ' || MAX(applied_at) FROM migration")
}

#[test]
fn st_10_nodes_that_start_at_once_make_one_store() {
    let database = Cluster::shared().database(None);
    let (url, start) = (database.url(), Arc::new(Barrier::new(4)));
    let nodes: Vec<_> = (0..4)
        .map(|number| {
            let (url, start) = (url.clone(), start.clone());
            thread::spawn(move || {
                start.wait();
                let store = Store::open(&options_of(&url), |_| {}, NOW).unwrap();
                let first = store.write_blocking(move |tx| {
                    let is_first = tx.insert_meta("made by", &[number])?;
                    if is_first {
                        tx.insert_realm(&realm("operators"))?;
                    }
                    Ok(End::Commit(is_first))
                });
                (first.unwrap(), store.point(|tx| tx.find_realm_named("operators")).unwrap().unwrap().id)
            })
        })
        .collect();
    let made: Vec<_> = nodes.into_iter().map(|node| node.join().unwrap()).collect();
    assert_eq!(made.iter().filter(|(first, _)| *first).count(), 1);
    assert!(made.iter().all(|(_, realm)| *realm == made[0].1), "all found what one made");
    assert!(migrations(&database).ends_with(&format!(" {}", NOW.unix_ms())));
}

#[test]
fn o2_a_server_that_would_lose_what_it_acknowledged_is_refused() {
    // Leaked, so that its databases may outlive this function; it ends with the program.
    let cluster: &'static Cluster = Box::leak(Box::new(Cluster::start(&["fsync=off"])));
    let open = || Store::open(&options_of(&cluster.url("postgres")), |_| {}, NOW).err();
    let refused = |word: &str| match open() {
        Some(Error::Unfit { why, next }) => assert!(why.contains(word) && next.contains(word), "{why}; {next}"),
        other => panic!("{other:?}"),
    };
    refused("fsync");
    for (before, now, word) in [
        ("fsync = on", "full_page_writes = off", "full_page_writes"),
        ("full_page_writes = on", "synchronous_commit = off", "synchronous_commit"),
    ] {
        cluster.sql("postgres", &format!("ALTER SYSTEM SET {before}"));
        cluster.sql("postgres", &format!("ALTER SYSTEM SET {now}"));
        cluster.sql("postgres", "SELECT pg_reload_conf()");
        thread::sleep(Duration::from_millis(300));
        refused(word);
    }
    assert_eq!(cluster.sql("postgres", "SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'"), "0");
}

#[test]
fn lines_that_were_lost_between_units_are_made_anew() {
    with_store(|| {
        let store = TestStore::new();
        store.put(|tx| tx.insert_realm(&realm("acme")));
        for round in 0..3 {
            end_every_line(&store);
            assert_eq!(put_meta(&store, &format!("{round}")), Ok(true));
            assert!(store.get(|tx| tx.find_realm_named("acme")).is_some());
        }
    });
}

#[test]
fn a_unit_whose_line_is_lost_before_its_commit_is_run_again() {
    with_store(|| {
        let store = Arc::new(TestStore::new());
        let (runs, held) = (Arc::new(AtomicU32::new(0)), store.clone());
        let counted = runs.clone();
        let made = store.write_blocking(move |tx| {
            let is_new = tx.insert_meta("once", b"x")?;
            if counted.fetch_add(1, Ordering::Relaxed) == 0 {
                end_every_line(&held);
            }
            tx.insert_realm(&realm("acme"))?;
            Ok(End::Commit(is_new))
        });
        assert_eq!((made, runs.load(Ordering::Relaxed)), (Ok(true), 2));
        assert_eq!(store.told().len(), 1, "told once");
    });
}

#[test]
fn a_unit_whose_line_is_lost_while_a_row_waits_for_its_commit_is_run_again() {
    with_store(|| {
        let store = Arc::new(TestStore::new());
        let all = Population::new(&store, "acme");
        let (owner, home, held) = (all.owner(), all.realm.id, store.clone());
        let (runs, own) = (Arc::new(AtomicU32::new(0)), grant(home, owner));
        let (counted, id) = (runs.clone(), own.id);
        let made = store.write_blocking(move |tx| {
            tx.lock_subject(home, owner)?;
            tx.insert_grant(&own)?;
            if counted.fetch_add(1, Ordering::Relaxed) == 0 {
                end_every_line(&held);
                // What the server says as it goes is heard by another thread.
                thread::sleep(Duration::from_millis(200));
            }
            tx.touch_authorization(&used(home))?;
            Ok(End::Commit(()))
        });
        assert_eq!((made, runs.load(Ordering::Relaxed)), (Ok(()), 2));
        assert!(store.get(|tx| tx.find_grant(home, id)).is_some());
    });
}

#[test]
fn o1_a_commit_that_is_not_answered_is_never_a_success_and_never_repeated() {
    with_store(|| {
        let store = TestStore::new();
        database_of(&store).sql(
            "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;
            CREATE CONSTRAINT TRIGGER die AFTER INSERT ON meta DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW WHEN (NEW.name = 'deadly') EXECUTE FUNCTION die()",
        );
        let runs = Arc::new(AtomicU32::new(0));
        let counted = runs.clone();
        let outcome = store.write_blocking(move |tx| {
            counted.fetch_add(1, Ordering::Relaxed);
            tx.insert_meta("deadly", b"x").map(End::Commit)
        });
        assert!(matches!(&outcome, Err(Error::Unavailable(why)) if why.contains("whether it was done")), "{outcome:?}");
        assert_eq!(runs.load(Ordering::Relaxed), 1);
        assert_eq!(put_meta(&store, "harmless"), Ok(true), "and it goes on");
    });
}

#[test]
fn st_04_of_two_who_wait_for_each_other_both_come_through() {
    with_store(|| {
        let store = TestStore::new();
        let all = Population::new(&store, "acme");
        let (home, other) = (all.realm.id, client(all.realm.id, "other"));
        let (first, second) = (all.owner(), SubjectId::Client(other.id));
        store.put(move |tx| tx.insert_client(&other));
        let (meet, runs) = (Arc::new(Barrier::new(2)), Arc::new(AtomicUsize::new(0)));
        let sides: Vec<_> = [(first, second), (second, first)]
            .into_iter()
            .map(|(one, other)| {
                let (store, meet, runs) = (store.store.clone(), meet.clone(), runs.clone());
                thread::spawn(move || {
                    let has_met = Mutex::new(false);
                    store.write_blocking(move |tx| {
                        runs.fetch_add(1, Ordering::Relaxed);
                        tx.lock_subject(home, one)?;
                        if !std::mem::replace(&mut *has_met.lock().unwrap(), true) {
                            meet.wait();
                        }
                        tx.lock_subject(home, other)?;
                        Ok(End::Commit(()))
                    })
                })
            })
            .collect();
        for side in sides {
            assert_eq!(side.join().unwrap(), Ok(()));
        }
        assert!(runs.load(Ordering::Relaxed) > 2, "one of them gave way");
    });
}

#[test]
fn a_panic_and_an_error_undo_only_their_own_unit() {
    with_store(|| {
        let store = TestStore::new();
        let panicked = store.write_blocking(|tx| -> admit_store::Result<End<()>> {
            tx.insert_meta("of the panicking", b"x")?;
            panic!("on purpose")
        });
        assert_eq!(panicked, Err(Error::Unavailable("the unit of work panicked".to_owned())));
        assert_eq!(put_meta(&store, "after"), Ok(true));
        assert_eq!(store.get(|tx| tx.find_meta("of the panicking")), None);
    });
}

#[test]
fn many_rows_go_at_once() {
    with_store(|| {
        let store = TestStore::new();
        let all = Population::new(&store, "acme");
        let row = move |number| UsageRow {
            key: all.key.id,
            number,
            day: 1,
            code: Code::Ok,
            count: 1,
            last_at: NOW,
            last_ip: None,
            last_agent: None,
        };
        let rows: Vec<_> = (0..1_700).map(row).collect();
        store.put(move |tx| tx.add_usage(&rows));
        assert_eq!(database_of(&store).sql("SELECT SUM(count) FROM key_usage"), "1700");
    });
}

#[test]
fn points_are_bounded_in_number_and_in_time() {
    with_store(|| {
        let store = TestStore::new();
        store.put(|tx| tx.insert_realm(&realm("acme")));
        let in_use = Arc::new(Barrier::new(5));
        let (release, held) = (Arc::new(Barrier::new(5)), in_use.clone());
        let holders: Vec<_> = (0..4)
            .map(|_| {
                let (store, held, release) = (store.store.clone(), held.clone(), release.clone());
                thread::spawn(move || {
                    store.point(|tx| {
                        tx.position()?;
                        held.wait();
                        release.wait();
                        tx.find_realm_named("acme")
                    })
                })
            })
            .collect();
        in_use.wait();
        let begun = Instant::now();
        assert_eq!(store.point(|tx| tx.position()), Err(Error::Overloaded));
        assert!((900..2_000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
        release.wait();
        for holder in holders {
            assert!(holder.join().unwrap().unwrap().is_some());
        }
        assert!(store.point(|tx| tx.position()).is_ok(), "and there is room again");
    });
}

#[test]
fn st_04_while_the_server_is_gone_or_stands_still_everything_is_refused_soon_and_comes_back_soon() {
    let cluster: &'static Cluster = Box::leak(Box::new(Cluster::start(&[])));
    let store = Store::open(&options_of(&cluster.url("postgres")), |_| {}, NOW).unwrap();
    assert_eq!(put_meta(&store, "before"), Ok(true));
    assert_eq!(store.point(|tx| tx.position()), Ok(0));
    let takes = |what: &str, at_most_ms: u128| {
        let begun = Instant::now();
        let is_refused = match what {
            "point" => store.point(|tx| tx.position()).is_err(),
            _ => put_meta(&store, "meanwhile").is_err(),
        };
        assert!(is_refused, "{what} was answered by a server that is gone");
        assert!(begun.elapsed().as_millis() < at_most_ms, "{what} took {:?}", begun.elapsed());
    };
    let comes_back = || {
        let begun = Instant::now();
        while store.point(|tx| tx.position()).is_err() || put_meta(&store, "back").is_err() {
            assert!(begun.elapsed() < Duration::from_secs(3), "not back in time");
            thread::sleep(Duration::from_millis(20));
        }
    };
    cluster.freeze();
    takes("point", 1_500);
    (0..20).for_each(|_| takes("point", 50));
    takes("write", 50);
    thread::sleep(Duration::from_millis(1_500));
    takes("point", 50);
    cluster.thaw();
    comes_back();

    cluster.stop();
    takes("point", 500);
    (0..20).for_each(|_| takes("point", 50));
    takes("write", 50);
    cluster.start_again();
    comes_back();
    assert_eq!(store.point(|tx| tx.find_meta("before")), Ok(Some(b"x".to_vec())));
}

/// Another node on the database of a store, with what it was told.
fn another_node(store: &TestStore) -> (Store, Arc<Mutex<Vec<Change>>>) {
    let told = Arc::<Mutex<Vec<Change>>>::default();
    (open(&store.home, &told).unwrap(), told)
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) -> Duration {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(3), "not {what} in time");
        thread::sleep(Duration::from_micros(200));
    }
    begun.elapsed()
}

#[expect(clippy::print_stdout, reason = "the figures are half of the point")]
#[test]
fn o5_what_one_node_changes_another_is_told_once_and_soon() {
    with_store(|| {
        let store = TestStore::new();
        let (_other, told) = another_node(&store);
        let realm = realm("acme");
        let id = realm.id;
        store.put(move |tx| tx.insert_realm(&realm));
        let mut delays: Vec<Duration> = (1..=300)
            .map(|round| {
                store.put(move |tx| tx.change(ChangeKind::Key, id, &[7; 16], NOW));
                wait_until("told", || told.lock().unwrap().len() > round)
            })
            .collect();
        delays.sort_unstable();
        println!("told after p50 {:?}, p99 {:?}, at most {:?}", delays[150], delays[297], delays[299]);
        assert!(delays[299] < Duration::from_secs(1));
        thread::sleep(Duration::from_millis(100));
        let own = store.told();
        assert_eq!((own.len(), told.lock().unwrap().clone()), (301, own), "each once, to both");
    });
}

#[test]
fn a_change_with_a_lower_number_that_is_committed_later_is_told_all_the_same() {
    with_store(|| {
        let store = TestStore::new();
        let (other, told) = another_node(&store);
        let (drawn, commit) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
        let (slow, held, release) = (store.store.clone(), drawn.clone(), commit.clone());
        let id = realm("acme").id;
        let slow = thread::spawn(move || {
            slow.write_blocking(move |tx| {
                tx.change(ChangeKind::Key, id, &[1; 16], NOW)?;
                held.wait();
                release.wait();
                Ok(End::Commit(()))
            })
        });
        drawn.wait();
        store.put(move |tx| tx.change(ChangeKind::Key, id, &[2; 16], NOW));
        wait_until("told of the later", || told.lock().unwrap().len() == 1);
        thread::sleep(Duration::from_millis(100));
        assert!(other.feed_age() < Duration::from_millis(500), "a long transaction holds nothing up");
        commit.wait();
        slow.join().unwrap().unwrap();
        wait_until("told of the earlier", || told.lock().unwrap().len() == 2);
        let numbers: Vec<_> = told.lock().unwrap().iter().map(|change| (change.number, change.id[0])).collect();
        assert_eq!(numbers, [(2, 2), (1, 1)]);
    });
}

#[test]
fn st_07_a_feed_that_is_cut_grows_old_and_misses_nothing_afterwards() {
    let cluster: &'static Cluster = Box::leak(Box::new(Cluster::start(&[])));
    let told = Arc::<Mutex<Vec<Change>>>::default();
    let hear = told.clone();
    let listen = move |news: News<'_>| match news {
        News::Changes(changes) => hear.lock().unwrap().extend_from_slice(changes),
        News::Reset => panic!("nothing was lost"),
    };
    let open = || Store::open(&options_of(&cluster.url("postgres")), |_| {}, NOW).unwrap();
    let (writing, listening) = (open(), Store::open(&options_of(&cluster.url("postgres")), listen, NOW).unwrap());
    let put = |number: u8| {
        let id = realm("acme").id;
        writing.write_blocking(move |tx| tx.change(ChangeKind::Key, id, &[number; 16], NOW).map(End::Commit))
    };
    put(1).unwrap();
    wait_until("told", || told.lock().unwrap().len() == 1);
    assert!(listening.feed_age() < Duration::from_millis(500));
    cluster.freeze();
    thread::sleep(Duration::from_millis(1_200));
    assert!(listening.feed_age() > Duration::from_secs(1), "{:?}", listening.feed_age());
    cluster.thaw();
    wait_until("fresh again", || listening.feed_age() < Duration::from_millis(200));
    cluster.stop();
    cluster.start_again();
    wait_until("written", || put(2).is_ok());
    wait_until("told", || told.lock().unwrap().len() >= 2);
    wait_until("fresh again", || listening.feed_age() < Duration::from_millis(200));
}

#[test]
fn a_store_that_is_behind_what_was_seen_of_it_is_not_believed() {
    with_store(|| {
        let store = TestStore::new();
        store.put(|tx| tx.insert_realm(&realm("acme")));
        store.put(|tx| tx.insert_realm(&realm("later")));
        thread::sleep(Duration::from_millis(100));
        // As a restore of yesterday's backup would leave it.
        database_of(&store).sql("DELETE FROM change WHERE number > 1");
        end_every_line(&store);
        wait_until("found out", || store.feed_age() == Duration::MAX);
        let refused = store.point(|tx| tx.position());
        assert!(matches!(&refused, Err(Error::Unfit { why, .. }) if why.contains("behind")), "{refused:?}");
        assert!(matches!(put_meta(&store, "a"), Err(Error::Unfit { .. })));
    });
}
