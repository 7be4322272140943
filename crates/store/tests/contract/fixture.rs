//! An empty store and short ways to fill it.

use std::cell::Cell;
use std::ops::Deref;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use admit_core::api::{Api, ApiSpec};
use admit_core::client::{Client, ClientSpec, ClientType};
use admit_core::grant::{Grant, GrantKind};
use admit_core::id::{Id, RealmId, SubjectId};
use admit_core::key::{Key, KeySecret};
use admit_core::name::{ApiUri, Label, RealmName, RoleName, ScopeName};
use admit_core::realm::Realm;
use admit_core::role::{Role, RoleSpec};
use admit_core::scope::Rights;
use admit_core::secret::{Prefix, SecretHash};
use admit_core::time::{Span, Time};
use admit_core::user::{User, UserSpec};
use admit_store::{Change, End, Location, News, Options, PostgresUrl, Result, Store, StoredRule, Tx};
use serde_json::json;
use tempfile::TempDir;

use crate::cluster::{Cluster, Database};

/// The moment at which everything happens that a test does not move.
pub const NOW: Time = Time::from_unix_ms(1_796_083_200_000);

/// Which engine the tests of this thread are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

thread_local! {
    static ENGINE: Cell<Engine> = const { Cell::new(Engine::Sqlite) };
}

/// Makes a test of each engine out of each of these functions.
macro_rules! both {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[test] fn $name() { $crate::fixture::on($crate::fixture::Engine::Sqlite, super::$name) })*
        }
        mod postgres {
            $(#[test] fn $name() { $crate::fixture::on($crate::fixture::Engine::Postgres, super::$name) })*
        }
    };
}

/// Runs a test about an engine.
pub fn on(engine: Engine, test: fn()) {
    ENGINE.set(engine);
    test();
}

/// What this thread's tests are about.
pub fn engine() -> Engine {
    ENGINE.get()
}

/// Where a store of a test is; gone with it.
pub enum Home {
    Folder(TempDir),
    Database(Database),
}

impl Home {
    pub fn new() -> Self {
        match engine() {
            Engine::Sqlite => Self::Folder(tempfile::tempdir().unwrap()),
            Engine::Postgres => Self::Database(Cluster::shared().database(Some(template()))),
        }
    }

    pub fn options(&self) -> Options {
        match self {
            Self::Folder(folder) => Options::new(folder.path().join("admit.db")),
            Self::Database(database) => options_of(&database.url()),
        }
    }

    /// The folder of a file.
    pub fn folder(&self) -> &Path {
        match self {
            Self::Folder(folder) => folder.path(),
            Self::Database(_) => panic!("a database is no folder"),
        }
    }
}

pub fn options_of(url: &str) -> Options {
    Options::at(Location::Postgres(PostgresUrl::parse(url).unwrap()))
}

/// A database with empty tables, to be copied: faster than to make them each time.
fn template() -> &'static str {
    static TEMPLATE: OnceLock<Database> = OnceLock::new();
    let template = TEMPLATE.get_or_init(|| {
        let database = Cluster::shared().database(None);
        Store::open(&options_of(&database.url()), |_| {}, NOW).unwrap().close();
        database
    });
    &template.name
}

/// A store of its own, with what its feed was told.
pub struct TestStore {
    pub store: Store,
    pub told: Arc<Mutex<Vec<Change>>>,
    pub home: Home,
}

impl Deref for TestStore {
    type Target = Store;
    fn deref(&self) -> &Store {
        &self.store
    }
}

impl TestStore {
    pub fn new() -> Self {
        let home = Home::new();
        let told = Arc::new(Mutex::new(Vec::new()));
        let store = open(&home, &told).unwrap();
        Self { store, told, home }
    }

    /// Does and keeps it.
    pub fn put<T: Send + 'static>(&self, work: impl Fn(&mut Tx<'_>) -> Result<T> + Send + 'static) -> T {
        self.try_put(work).unwrap()
    }

    pub fn try_put<T: Send + 'static>(&self, work: impl Fn(&mut Tx<'_>) -> Result<T> + Send + 'static) -> Result<T> {
        self.write_blocking(move |tx| work(tx).map(End::Commit))
    }

    pub fn get<T>(&self, work: impl FnOnce(&mut Tx<'_>) -> Result<T>) -> T {
        self.point(work).unwrap()
    }

    pub fn told(&self) -> Vec<Change> {
        self.told.lock().unwrap().clone()
    }
}

pub fn open(home: &Home, told: &Arc<Mutex<Vec<Change>>>) -> Result<Store> {
    let told = told.clone();
    let hear = move |news: News<'_>| match news {
        News::Changes(changes) => told.lock().unwrap().extend_from_slice(changes),
        News::Reset => {}
    };
    Store::open(&home.options(), hear, NOW)
}

/// Ids that ascend in the order in which they are asked for.
pub fn id<K: admit_core::id::Kind>() -> Id<K> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut random = [0; 10];
    random[2..].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    Id::new(NOW, random)
}

pub fn label(text: &str) -> Label {
    Label::parse(text).unwrap()
}

pub fn scopes(names: &[&str]) -> Vec<ScopeName> {
    names.iter().map(|name| ScopeName::parse(name).unwrap()).collect()
}

pub fn realm(name: &str) -> Realm {
    Realm::new(id(), RealmName::parse(name).unwrap(), Prefix::parse(&name.replace('-', "_")).unwrap(), NOW)
}

pub fn api(realm: RealmId, uri: &str) -> Api {
    let defined = scopes(&["orders:read", "orders:write"]).into_iter().map(|scope| (scope, String::new())).collect();
    let spec = ApiSpec::new(ApiUri::parse(uri).unwrap(), defined);
    Api { id: id(), realm, spec, created_at: NOW, updated_at: NOW, version: 1 }
}

pub fn role(realm: RealmId, name: &str) -> Role {
    let rights =
        Rights::from([(ApiUri::parse("https://api.test").unwrap(), scopes(&["orders:write"]).into_iter().collect())]);
    let spec = RoleSpec { name: RoleName::parse(name).unwrap(), description: String::new(), rights };
    Role { id: id(), realm, spec, created_at: NOW, updated_at: NOW, version: 1 }
}

pub fn client(realm: RealmId, name: &str) -> Client {
    let rights =
        Rights::from([(ApiUri::parse("https://api.test").unwrap(), scopes(&["orders:read"]).into_iter().collect())]);
    let spec = ClientSpec { kind: ClientType::Service, ..ClientSpec::service(label(name), rights) };
    Client {
        id: id(),
        realm,
        org: None,
        spec,
        disabled_at: None,
        valid_after: None,
        created_at: NOW,
        updated_at: NOW,
        version: 1,
    }
}

pub fn user(realm: RealmId, name: &str) -> User {
    let spec = UserSpec {
        name: label(name),
        email: Some(label(&format!("{name}@example.com"))),
        roles: Vec::new(),
        external_id: None,
        metadata: serde_json::Value::Null,
    };
    User {
        id: id(),
        realm,
        org: None,
        spec,
        disabled_at: None,
        valid_after: None,
        created_at: NOW,
        updated_at: NOW,
        version: 1,
        email_verified_at: None,
        erased_at: None,
    }
}

pub fn grant(realm: RealmId, subject: SubjectId) -> Grant {
    let id = id();
    Grant {
        id,
        realm,
        org: None,
        kind: GrantKind::Key,
        subject,
        client: None,
        parent: None,
        root: id,
        api: None,
        scopes: scopes(&["orders:read"]),
        created_at: NOW,
        expires_at: Some(NOW + Span::days(90)),
        revoked_at: None,
    }
}

pub fn key(grant: &Grant, name: &str) -> Key {
    Key {
        id: id(),
        realm: grant.realm,
        org: None,
        grant: grant.id,
        name: label(name),
        lifetime: Some(Span::days(90)),
        rate: None,
        ip: Vec::new(),
        external_id: None,
        metadata: serde_json::Value::Null,
        disabled_at: None,
        seen_in_browser_at: None,
        created_by: "operator".to_owned(),
        created_at: NOW,
        updated_at: NOW,
        version: 1,
    }
}

pub fn secret(key: &Key, number: u32) -> KeySecret {
    let mut hash = [0; 32];
    hash[..16].copy_from_slice(key.id.bytes());
    hash[16] = number as u8;
    hash.rotate_right(8);
    KeySecret {
        hash: SecretHash(hash),
        lookup_key: 1,
        key: key.id,
        number,
        hint: format!("acme_…{number:04}"),
        created_at: NOW,
        expires_at: None,
    }
}

pub fn rule(realm: RealmId, name: &str, priority: i64, place: i64) -> StoredRule {
    let spec = json!({ "name": name, "match": { "path": "/orders/**" }, "deny": true });
    StoredRule {
        id: id(),
        realm,
        name: name.to_owned(),
        priority,
        place,
        spec,
        created_at: NOW,
        updated_at: NOW,
        version: 1,
    }
}

/// A realm with one of each.
#[derive(Clone)]
pub struct Population {
    pub realm: Realm,
    pub api: Api,
    pub role: Role,
    pub client: Client,
    pub user: User,
    pub grant: Grant,
    pub key: Key,
    pub secret: KeySecret,
    pub rule: StoredRule,
}

impl Population {
    pub fn new(store: &TestStore, name: &str) -> Self {
        let realm = realm(name);
        let api = api(realm.id, "https://api.test");
        let role = role(realm.id, "editor");
        let mut client = client(realm.id, "robot");
        client.spec.roles = vec![role.spec.name.clone()];
        let user = user(realm.id, "alice");
        let mut grant = grant(realm.id, SubjectId::Client(client.id));
        grant.api = Some(api.id);
        let key = key(&grant, "deploy");
        let secret = secret(&key, 1);
        let rule = rule(realm.id, "orders", 100, 1);
        let all = Self { realm, api, role, client, user, grant, key, secret, rule };
        let made = all.clone();
        store.put(move |tx| {
            tx.insert_realm(&made.realm)?;
            tx.insert_api(&made.api)?;
            tx.insert_role(&made.role)?;
            tx.insert_client(&made.client)?;
            tx.insert_user(&made.user)?;
            tx.insert_key(&made.grant, &made.key, &made.secret)?;
            tx.insert_rule(&made.rule)
        });
        all
    }

    pub fn owner(&self) -> SubjectId {
        SubjectId::Client(self.client.id)
    }

    /// Another key of the same owner with its grant and secret, not stored.
    pub fn another_key(&self, name: &str) -> (Grant, Key, KeySecret) {
        let mut grant = grant(self.realm.id, self.owner());
        grant.api = Some(self.api.id);
        let key = key(&grant, name);
        let secret = secret(&key, 1);
        (grant, key, secret)
    }
}
