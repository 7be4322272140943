//! People as their rights are judged where no grant stands between: see `core::login::basic`.

use admit_core::grant::{Lineage, Subject};
use admit_core::id::{RealmId, SubjectId, UserId};
use admit_core::login::basic::Person;
use admit_core::time::Time;

use crate::engine::Tx;
use crate::error::Result;

impl Tx<'_> {
    /// A person with all that his rights depend on.
    pub fn find_person(&mut self, realm: RealmId, id: UserId, now: Time) -> Result<Option<Person>> {
        let (Some(user), Some(realm)) = (self.find_user(realm, id)?, self.find_realm(realm)?) else { return Ok(None) };
        let roles = self.list_roles_of(realm.id, SubjectId::User(id))?;
        let id = realm.id;
        let lineage = Lineage::of_subject(realm, Subject::User(user), roles, now);
        let mut apis = Vec::new();
        for uri in lineage.rights_on() {
            apis.extend(self.find_api_by_uri(id, uri.as_str())?);
        }
        Ok(Some(Person { lineage, apis }))
    }
}
