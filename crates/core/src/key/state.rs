//! What may be said of a key at a moment: whether it can be used, and what its owner should look at.
//!
//! Knows nothing of requests: whether one is admitted is judged from the [`crate::principal::Principal`].

use crate::check::code::Reason;
use crate::grant::{Grant, Lineage};
use crate::key::{Key, KeySecret};
use crate::time::{Span, Time};

/// How long before its end a key is worth a warning.
pub const ENDING_SOON: Span = Span::days(14);

/// Whether a key can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Now.
    Active,
    /// Once it, its owner or its realm is switched on again.
    Disabled,
    /// Never again.
    Revoked,
    /// Once it is rolled or gets another end.
    Expired,
}

impl State {
    /// The word in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }

    /// The state that a word names.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::Disabled, Self::Revoked, Self::Expired].into_iter().find(|state| state.as_str() == text)
    }
}

/// The state of a key.
pub fn state(key: &Key, lineage: &Lineage, now: Time) -> State {
    match of_grant(lineage, now) {
        State::Active if key.disabled_at.is_some() => State::Disabled,
        state => state,
    }
}

/// The state of a grant: what cannot be undone is named first.
pub fn of_grant(lineage: &Lineage, now: Time) -> State {
    let halted = lineage.halted();
    let is_off = matches!(halted, Some(Reason::OwnerDisabled | Reason::RealmDisabled));
    if halted.is_some() && !is_off || lineage.grant.revoked_at.is_some() {
        State::Revoked
    } else if lineage.expires_at().is_some_and(|end| end <= now) {
        State::Expired
    } else if is_off {
        State::Disabled
    } else {
        State::Active
    }
}

/// A secret of a key with its last use.
#[derive(Debug, Clone, Copy)]
pub struct UsedSecret<'a> {
    /// The secret.
    pub secret: &'a KeySecret,
    /// When it was last shown.
    pub last_used_at: Option<Time>,
}

impl UsedSecret<'_> {
    /// True while it opens anything, as far as the secret itself goes.
    pub fn is_live(&self, grant: &Grant, now: Time) -> bool {
        grant.revoked_at.is_none() && self.expires_at(grant).is_none_or(|end| end > now)
    }

    /// When it ends: the key or the secret, whichever is earlier.
    pub fn expires_at(&self, grant: &Grant) -> Option<Time> {
        grant.expires_at.into_iter().chain(self.secret.expires_at).min()
    }
}

/// What the owner of a key should look at, in sentences.
pub fn warnings(key: &Key, grant: &Grant, secrets: &[UsedSecret<'_>], now: Time) -> Vec<String> {
    let mut warnings = Vec::new();
    if grant.revoked_at.is_some() {
        return warnings;
    }
    match grant.expires_at {
        None => warnings.push(format!("It never expires. Give it an end: admit key update {} --expires 90d", key.id)),
        Some(end) if end <= now => {}
        Some(end) if end <= now + ENDING_SOON => {
            warnings.push(format!("It expires within 14 days, at {end}. Roll it: admit key roll {}", key.id));
        }
        Some(_) => {}
    }
    if grant.scopes.is_empty() {
        warnings.push("It has no scopes: it says who calls, not what may be done.".to_owned());
    }
    if key.seen_in_browser_at.is_some() {
        warnings.push(format!(
            "It came from a browser: whoever uses that page can read it. Roll it: admit key roll {} --compromised",
            key.id
        ));
    }
    warnings.extend(old_in_use(grant, secrets, now));
    warnings
}

/// An older secret that still works and was used after the newest was made.
fn old_in_use(grant: &Grant, secrets: &[UsedSecret<'_>], now: Time) -> Option<String> {
    let newest = secrets.iter().max_by_key(|used| used.secret.number)?;
    let old = secrets
        .iter()
        .filter(|used| used.secret.number < newest.secret.number && used.is_live(grant, now))
        .filter(|used| used.last_used_at.is_some_and(|at| at >= newest.secret.created_at))
        .max_by_key(|used| used.last_used_at)?;
    let (number, at) = (old.secret.number, old.last_used_at?);
    let end = old.expires_at(grant).map_or_else(String::new, |end| format!(" and ends at {end}"));
    Some(format!("Secret {number}, from before the roll, is still in use: last at {at}{end}."))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{grant, key, lineage, secret};
    use super::*;

    fn at(days: i64) -> Time {
        Time::default() + Span::days(days)
    }

    #[test]
    fn what_cannot_be_undone_is_named_first() {
        let (mut key, mut lineage) = (key(), lineage());
        lineage.grant.expires_at = Some(at(10));
        assert_eq!(state(&key, &lineage, at(9)), State::Active);
        key.disabled_at = Some(at(1));
        assert_eq!(state(&key, &lineage, at(9)), State::Disabled);
        assert_eq!(state(&key, &lineage, at(10)), State::Expired);
        lineage.realm.disabled_at = Some(at(1));
        lineage.grant.revoked_at = Some(at(2));
        assert_eq!(state(&key, &lineage, at(10)), State::Revoked);
    }

    #[test]
    fn a_key_without_its_owner_is_over() {
        let mut lineage = lineage();
        lineage.subject = None;
        assert_eq!(state(&key(), &lineage, at(0)), State::Revoked);
    }

    #[test]
    fn warnings_are_about_what_the_owner_can_cure() {
        let (mut key, mut grant) = (key(), grant());
        let count = |key: &Key, grant: &Grant| warnings(key, grant, &[], at(0)).len();
        grant.expires_at = Some(at(14) + Span::ms(1));
        assert_eq!(count(&key, &grant), 0);
        grant.expires_at = Some(at(14));
        assert!(warnings(&key, &grant, &[], at(0))[0].contains("within 14 days"));
        grant.expires_at = None;
        grant.scopes.clear();
        key.seen_in_browser_at = Some(at(0));
        let said = warnings(&key, &grant, &[], at(0)).join("\n");
        assert!(said.contains("never expires") && said.contains("no scopes") && said.contains("browser"), "{said}");
        grant.revoked_at = Some(at(0));
        assert_eq!(count(&key, &grant), 0, "nothing is left to cure");
    }

    #[test]
    fn ak_06_an_old_secret_that_is_still_in_use_is_named() {
        let (mut old, mut new) = (secret(1), secret(2));
        (old.expires_at, new.created_at) = (Some(at(3)), at(1));
        let mut grant = grant();
        grant.expires_at = Some(at(100));
        let said = |last: Option<Time>, now: Time| {
            let old = UsedSecret { secret: &old, last_used_at: last };
            warnings(&key(), &grant, &[old, UsedSecret { secret: &new, last_used_at: Some(now) }], now).concat()
        };
        assert!(said(Some(at(2)), at(2)).contains("Secret 1, from before the roll, is still in use"));
        assert_eq!(said(Some(at(0)), at(2)), "", "used before the roll only");
        assert_eq!(said(Some(at(2)), at(3)), "", "its overlap is over");
        assert_eq!(said(None, at(2)), "");
    }
}
