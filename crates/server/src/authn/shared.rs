//! What many callers share: each of it kept once, however many credentials have it.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

use admit_core::login::session::SignIn;
use admit_core::principal::{Principal, Profile, Standing};
use admit_core::role::Role;
use parking_lot::Mutex;

/// Above this many, those that nobody uses any more are dropped before one is added.
const SWEEP_AT: usize = 4096;

/// All that is shared.
#[derive(Default)]
pub struct Shared {
    standings: Once<Standing>,
    several: Once<[Arc<Standing>]>,
    texts: Once<str>,
    profiles: Once<Profile>,
    roles: Once<[Role]>,
}

impl Shared {
    /// The one copy of this API, scopes and roles.
    pub fn standing(&self, standing: Arc<Standing>) -> Arc<Standing> {
        self.standings.of(standing)
    }

    /// The one copy of these roles.
    pub fn roles(&self, roles: Vec<Role>) -> Arc<[Role]> {
        self.roles.of(roles.into())
    }

    /// The same principal, made of what others have too. A person has many sessions; few keys have a name in common.
    pub fn part(&self, principal: &mut Principal) {
        self.standings.replace(&mut principal.standing);
        let Some(SignIn { standings, host, .. }) = principal.sign_in.as_deref_mut() else { return };
        *standings = self.several.of(standings.iter().map(|standing| self.standings.of(standing.clone())).collect());
        self.texts.replace(&mut principal.name);
        if let Some(host) = host {
            self.texts.replace(host);
        }
        if let Some(profile) = &mut principal.profile {
            self.profiles.replace(profile);
        }
    }
}

/// Values of one kind, each once.
struct Once<T: ?Sized>(Mutex<Kept<T>>);

struct Kept<T: ?Sized> {
    all: HashSet<Arc<T>>,
    sweep_at: usize,
}

impl<T: ?Sized> Default for Once<T> {
    fn default() -> Self {
        Self(Mutex::new(Kept { all: HashSet::new(), sweep_at: SWEEP_AT }))
    }
}

impl<T: ?Sized + Eq + Hash> Once<T>
where
    Arc<T>: Borrow<T>,
{
    fn replace(&self, value: &mut Arc<T>) {
        *value = self.of(value.clone());
    }

    fn of(&self, value: Arc<T>) -> Arc<T> {
        let mut kept = self.0.lock();
        if let Some(known) = kept.all.get(&*value) {
            return known.clone();
        }
        if kept.all.len() >= kept.sweep_at {
            kept.all.retain(|value| Arc::strong_count(value) > 1);
            kept.sweep_at = SWEEP_AT.max(kept.all.len() * 2);
        }
        kept.all.insert(value.clone());
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_same_is_kept_once_and_what_nobody_uses_is_dropped() {
        let once = Once::<str>::default();
        let (first, second) = (once.of("alice".into()), once.of("alice".into()));
        assert!(Arc::ptr_eq(&first, &second));
        (0..2 * SWEEP_AT).for_each(|number| drop(once.of(number.to_string().into())));
        assert!(once.0.lock().all.len() <= SWEEP_AT, "nobody uses them");
        assert!(Arc::ptr_eq(&first, &once.of("alice".into())), "somebody uses this one");
    }
}
