//! How often somebody may guess at a password.
//!
//! Per account at most [`FAILURES_MAX`] failures in a row from devices that are not known, counted in the store for all
//! nodes; then such devices need a mailed link. Known devices go on, so that nobody is locked out by a stranger. Beside
//! that each node lets nobody hurry: the more guesses of one network at one account, the longer between two of them. Names
//! that are nobody's are counted as if they were somebody's. Knows neither rows nor clocks.

use aws_lc_rs::hmac;

use crate::id::{RealmId, UserId};
use crate::limit::{Limit, Rate};
use crate::secret::MasterKey;
use crate::time::Span;

/// The most failures in a row from unknown devices.
pub const FAILURES_MAX: i64 = 100;
/// When failures that nothing followed are forgotten; a lock lasts no longer. What is refused meanwhile does not count.
pub const FORGOTTEN_AFTER: Span = Span::hours(24);

/// Under what failures at an account are counted: a person's id, or a keyed hash of what names nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Account(pub [u8; 16]);

impl From<UserId> for Account {
    fn from(user: UserId) -> Self {
        Self(*user.bytes())
    }
}

/// Makes accounts of what names nobody.
#[derive(Clone)]
pub struct NobodyKey(hmac::Key);

impl NobodyKey {
    /// That of a master key.
    pub fn new(master: &MasterKey) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, master.derive(b"names of nobody").as_slice()))
    }

    /// The account of a text in its one form, or as it was typed where it has none.
    pub fn account(&self, realm: RealmId, text: &str) -> Account {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(realm.bytes());
        context.update(text.as_bytes());
        let mut account = [0; 16];
        account.copy_from_slice(&context.sign().as_ref()[..16]);
        Account(account)
    }
}

/// How fast one network may guess at one account: the first rate that is used up decides how long it waits, so that the
/// delay grows from seconds over minutes to a quarter of an hour. Known devices are held to the same, each account by itself.
pub fn pace() -> [Limit; 3] {
    let of = |count, per| Rate::new(count, per).unwrap_or(Rate::per_minute(1));
    [of(10, Span::minutes(1)), of(30, Span::hours(1)), of(100, Span::days(1))].map(Limit::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit;

    #[test]
    fn pw_02_the_delay_grows() {
        let mut counts = [0_i64; 3];
        let (mut now_us, mut waits, mut tried) = (0_i64, Vec::new(), 0);
        while tried < 120 {
            let looked =
                pace().into_iter().zip(counts).map(|(limit, mut count)| limit::admit(&limit, &mut count, now_us));
            match looked.map(|verdict| verdict.retry_after_s).max().unwrap() {
                0 => {
                    for (limit, count) in pace().iter().zip(&mut counts) {
                        assert!(limit::admit(limit, count, now_us).admitted);
                    }
                    tried += 1;
                }
                wait_s => {
                    waits.push(wait_s);
                    now_us += wait_s * 1_000_000;
                }
            }
        }
        let (first, middle, last) = (waits[0], waits[waits.len() / 2], waits[waits.len() - 1]);
        assert!((1..=6).contains(&first) && (60..=120).contains(&middle) && (800..=900).contains(&last), "{waits:?}");
        assert!(now_us / 1_000_000 > 3 * 3600, "120 guesses take hours: {now_us}");
    }

    #[test]
    fn pw_02_nobody_is_somebody_else_in_another_realm_and_under_another_key() {
        let realm = |number: u8| RealmId::from_bytes([number; 16]);
        let key = |octet: u8| NobodyKey::new(&MasterKey::new([octet; 32]));
        let account = key(1).account(realm(1), "nobody");
        assert_eq!(account, key(1).account(realm(1), "nobody"));
        for other in [
            key(2).account(realm(1), "nobody"),
            key(1).account(realm(2), "nobody"),
            key(1).account(realm(1), "nobody else"),
        ] {
            assert_ne!(account, other);
        }
    }
}
