//! What a person ends of his own beside sign-ins: applications that know him or act for him, and keys.
//!
//! It is written in the transaction of what it goes with, such as a new password, so that there is no moment in which that is
//! new and what was to end with it goes on. What is not his is passed over.

use admit_core::audit::Event;
use admit_core::form::Form;
use admit_core::id::{ClientId, KeyId, SubjectId};
use admit_store::{Result, Tx};
use serde_json::json;

use crate::app::App;
use crate::manage::keys::Owner;

/// What is to end.
#[derive(Debug, Clone, Default)]
pub struct Ticked {
    apps: Vec<ClientId>,
    keys: Vec<KeyId>,
}

impl Ticked {
    /// What the boxes of a form name, `app:…` and `key:…`.
    pub fn read(form: &Form) -> Self {
        Self {
            apps: form.ticked("app:").filter_map(|id| id.parse().ok()).collect(),
            keys: form.ticked("key:").filter_map(|id| id.parse().ok()).collect(),
        }
    }

    /// One application.
    pub fn app(id: ClientId) -> Self {
        Self { apps: vec![id], ..Self::default() }
    }

    /// One key.
    pub fn key(id: KeyId) -> Self {
        Self { keys: vec![id], ..Self::default() }
    }

    /// The same with its events, whose ids are drawn outside of transactions.
    pub fn of(&self, app: &App, owner: Owner) -> Ending {
        let Owner { realm, user, request_id, now } = owner;
        let event = |kind| Event::new(app.id(now), realm, kind, now).by(user).asked_by(request_id);
        let apps = self.apps.iter().map(|id| (*id, event("consent.revoked").on(id)));
        let keys = self.keys.iter().map(|id| (*id, event("key.revoked").on(id)));
        Ending { owner, apps: apps.collect(), keys: keys.collect() }
    }
}

/// What is to end, ready to be written.
pub struct Ending {
    owner: Owner,
    apps: Vec<(ClientId, Event)>,
    keys: Vec<(KeyId, Event)>,
}

impl Ending {
    /// Ends it, and says how many of them were his.
    pub fn write(&self, tx: &mut Tx<'_>) -> Result<usize> {
        let mut count = 0;
        for (client, event) in &self.apps {
            count += usize::from(self.end_app(tx, *client, event)?);
        }
        for (key, event) in &self.keys {
            count += usize::from(self.end_key(tx, *key, event)?);
        }
        Ok(count)
    }

    /// The decision, and everything that was given by it: the application asks again. False: it had nothing of this person.
    fn end_app(&self, tx: &mut Tx<'_>, client: ClientId, event: &Event) -> Result<bool> {
        let Owner { realm, user, now, .. } = self.owner;
        // Who gives something by that decision, and who exchanges what he gave, holds the same.
        tx.lock_subject(realm, SubjectId::User(user))?;
        let is_forgotten = tx.delete_consent(realm, user, client)?;
        let ended = tx.revoke_authorizations(realm, user, client, now)?;
        if !is_forgotten && ended == 0 {
            return Ok(false);
        }
        let detail = json!({ "authorizations": ended, "remembered": is_forgotten });
        tx.insert_event(&Event { detail, ..event.clone() })?;
        Ok(true)
    }

    /// False: it is not his, or there is none.
    fn end_key(&self, tx: &mut Tx<'_>, key: KeyId, event: &Event) -> Result<bool> {
        let Owner { realm, user, now, .. } = self.owner;
        let found = tx.find_key(realm, key)?;
        let Some(issued) = found.filter(|issued| issued.grant.subject == SubjectId::User(user)) else {
            return Ok(false);
        };
        if tx.revoke_grant(realm, issued.grant.id, now)? {
            let detail = json!({ "name": issued.key.name, "grant": issued.grant.id });
            tx.insert_event(&Event { detail, ..event.clone() })?;
        }
        Ok(true)
    }
}
