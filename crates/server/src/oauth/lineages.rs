//! What is known of authorizations: what the worth of each depends on, read once and kept until something of it changes.
//!
//! Only of those that live by themselves: one that ends with its session depends on when that was used last, of which no
//! change tells. Refresh tokens themselves are always read: whether one is good once more, only the store knows.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use admit_core::grant::{Lineage, Subject};
use admit_core::id::{GrantId, RealmId};
use admit_core::name::ScopeName;
use admit_core::role::Role;
use admit_store::Tx;
use serde::Serialize;

use super::recent::Recent;
use crate::app::App;
use crate::authn::epoch::{Slot, slot};
use crate::authn::freshness::{self, Before};

/// What was read lately.
pub struct Lineages(Recent<(RealmId, GrantId), Known>);

struct Known {
    lineage: Arc<Lineage>,
    depends: Box<[Slot]>,
    position: AtomicI64,
    read_at_us: i64,
}

impl Lineages {
    /// None yet, and never more than about so many bytes of them.
    pub fn new(bytes_max: usize) -> Self {
        Self(Recent::new(bytes_max))
    }

    /// That of an authorization; none where there is no such.
    pub fn find(
        &self,
        app: &App,
        tx: &mut Tx<'_>,
        (realm, grant): (RealmId, GrantId),
        before: Before,
    ) -> admit_store::Result<Option<Arc<Lineage>>> {
        if let Some(known) = self.0.get(&(realm, grant)).filter(|known| known.is_current(app)) {
            return Ok(Some(known.lineage.clone()));
        }
        let lineage = tx.find_authorization(realm, grant)?.map(Arc::new);
        if let Some(lineage) = lineage.as_ref().filter(|lineage| lineage.session.is_none()) {
            let known = Known::new(lineage.clone(), before);
            self.0.keep((realm, grant), Arc::new(known), bytes(lineage));
        }
        Ok(lineage)
    }

    /// Reads one again next time: that it was used was written, of which no change tells.
    pub fn forget(&self, realm: RealmId, grant: GrantId) {
        self.0.forget(&(realm, grant));
    }
}

impl Known {
    fn new(lineage: Arc<Lineage>, Before { position, read_at_us }: Before) -> Self {
        let mut depends = vec![slot(lineage.realm.id.bytes()), slot(lineage.grant.id.bytes())];
        depends.push(slot(lineage.grant.subject.bytes()));
        depends.extend(lineage.grant.client.iter().map(|client| slot(client.bytes())));
        depends.extend(lineage.ancestors.iter().map(|ancestor| slot(ancestor.id.bytes())));
        Self { lineage, depends: depends.into(), position: AtomicI64::new(position), read_at_us }
    }

    fn is_current(&self, app: &App) -> bool {
        let slots = self.depends.iter().copied();
        let Some(position) = app.epochs.renew(slots, self.position.load(Ordering::Relaxed)) else { return false };
        self.position.fetch_max(position, Ordering::Relaxed);
        freshness::overdue_since(app, self.read_at_us).is_none()
    }
}

/// About what one takes: what its parts say of themselves as JSON, twice, for what is read of it has room to grow.
fn bytes(lineage: &Lineage) -> usize {
    let Lineage { realm, grant, ancestors, subject, roles, api, delegate, authorized, session: _ } = lineage;
    let said = [
        written(&realm.settings) + written(&realm.metadata),
        subject.as_ref().map_or(0, |subject| match subject {
            Subject::User(user) => written(&user.spec),
            Subject::Client(client) => written(&client.spec),
        }),
        roles.iter().map(|role| size_of::<Role>() + written(&role.spec)).sum(),
        api.as_ref().map_or(0, |api| written(&api.spec)),
        delegate.as_ref().map_or(0, |client| written(&client.spec)),
        authorized.as_ref().map_or(0, |authorized| written(&authorized.spec)),
    ];
    let scopes = [grant].into_iter().chain(ancestors).flat_map(|grant| &grant.scopes);
    let scopes: usize = scopes.map(|scope| size_of::<ScopeName>() + scope.as_str().len()).sum();
    let own = size_of::<Known>() + size_of::<Lineage>() + size_of_val(&**ancestors);
    own + scopes + 2 * said.iter().sum::<usize>()
}

fn written(part: &impl Serialize) -> usize {
    serde_json::to_string(part).map_or(0, |text| text.len())
}
