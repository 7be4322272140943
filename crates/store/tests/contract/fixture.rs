//! An empty store and short ways to fill it.

use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

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
use admit_store::{Change, End, Options, Result, Store, StoredRule, Tx};
use serde_json::json;
use tempfile::TempDir;

/// The moment at which everything happens that a test does not move.
pub const NOW: Time = Time::from_unix_ms(1_796_083_200_000);

/// A store of its own, with what its feed was told.
pub struct TestStore {
    pub store: Store,
    pub told: Arc<Mutex<Vec<Change>>>,
    pub folder: TempDir,
}

impl Deref for TestStore {
    type Target = Store;
    fn deref(&self) -> &Store {
        &self.store
    }
}

impl TestStore {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let store = open(&folder, &told).unwrap();
        Self { store, told, folder }
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

pub fn open(folder: &TempDir, told: &Arc<Mutex<Vec<Change>>>) -> Result<Store> {
    let told = told.clone();
    let options = Options::new(folder.path().join("admit.db"));
    Store::open(&options, move |changes| told.lock().unwrap().extend_from_slice(changes), NOW)
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
    Realm {
        id: id(),
        name: RealmName::parse(name).unwrap(),
        prefix: Prefix::parse(&name.replace('-', "_")).unwrap(),
        host: None,
        disabled_at: None,
        valid_after: None,
        metadata: serde_json::Value::Null,
        created_at: NOW,
        updated_at: NOW,
        version: 1,
    }
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
