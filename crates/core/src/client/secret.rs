//! Secrets of clients: at most two live ones, so that one can follow the other without a gap.
//!
//! They are as random as keys, and so a keyed hash is enough to keep and to find them by. Knows no rows and no requests.

use serde::{Deserialize, Serialize};

use crate::id::{ClientId, RealmId, SecretId};
use crate::master::Keys;
use crate::policy::rule::Problem;
use crate::secret::{SecretHash, SecretKind};
use crate::time::{Span, Time};

/// The most secrets of one client that have not ended.
pub const LIVE_MAX: usize = 2;
/// The longest life that can be asked for; without one a secret goes on until it is revoked.
pub const LIFETIME_MAX: Span = Span::days(3650);

/// One secret of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientSecret {
    /// Its id.
    pub id: SecretId,
    /// What it is found by.
    pub hash: SecretHash,
    /// Which master key's hash that is.
    pub lookup_key: i64,
    /// Where it belongs.
    pub realm: RealmId,
    /// Whose it is.
    pub client: ClientId,
    /// What a list may show of it.
    pub hint: String,
    /// When it was made.
    pub created_at: Time,
    /// When it ends by itself.
    pub expires_at: Option<Time>,
    /// About when it was last used.
    pub last_used_at: Option<Time>,
}

impl ClientSecret {
    /// Whether it proves anything now.
    pub fn is_live(&self, now: Time) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

/// What is asked for: the body of `POST clients/{client}/secrets`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretRequest {
    /// Seconds until it ends; without them it goes on until it is revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_s: Option<i64>,
}

impl SecretRequest {
    /// When it ends.
    pub fn expires_at(&self, now: Time) -> Result<Option<Time>, Problem> {
        match self.expires_in_s {
            None => Ok(None),
            Some(seconds) if seconds >= 1 && Span::seconds(seconds) <= LIFETIME_MAX => {
                Ok(Some(now + Span::seconds(seconds)))
            }
            Some(_) => Err(Problem::new("expires_in_s", format!("must be between 1 second and {LIFETIME_MAX}"))),
        }
    }
}

/// A text that somebody shows as a client's secret, hashed under every master key that counts. It costs the same whoever the
/// client is, and whether there is one.
pub struct Shown(Vec<SecretHash>);

impl Shown {
    /// The text in this realm.
    pub fn new(keys: &Keys, realm: RealmId, text: &str) -> Self {
        Self(keys.hashes(realm, SecretKind::ClientSecret, text))
    }

    /// Under what it would be stored now.
    pub fn active(&self) -> SecretHash {
        self.0[0]
    }

    /// The one of these secrets that it is, while that is live. Looks at all of them.
    pub fn find<'s>(&self, secrets: impl IntoIterator<Item = &'s ClientSecret>, now: Time) -> Option<&'s ClientSecret> {
        let is_it = |secret: &ClientSecret| self.0.iter().fold(false, |found, hash| found | hash.is(&secret.hash));
        secrets
            .into_iter()
            .fold(None, |found, secret| if is_it(secret) && secret.is_live(now) { Some(secret) } else { found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::master::{Known, Ring};

    const REALM: RealmId = RealmId::from_bytes([1; 16]);
    const NOW: Time = Time::from_unix_ms(1_796_083_200_000);

    fn keys(numbers: &[u8]) -> Keys {
        let lines: Vec<_> =
            numbers.iter().map(|number| format!("{number} {}", format!("{number:02x}").repeat(32))).collect();
        let all = Ring::parse(&lines.join("\n")).unwrap().derive();
        let known = Known::first(&all);
        Keys::settle(all, known).unwrap()
    }

    fn secret(number: u8, hash: SecretHash) -> ClientSecret {
        ClientSecret {
            id: SecretId::from_bytes([number; 16]),
            hash,
            lookup_key: 1,
            realm: REALM,
            client: ClientId::from_bytes([3; 16]),
            hint: String::new(),
            created_at: NOW,
            expires_at: None,
            last_used_at: None,
        }
    }

    #[test]
    fn a_secret_is_found_under_whichever_master_key_it_was_kept() {
        let old = Shown::new(&keys(&[1]), REALM, "x").active();
        let shown = Shown::new(&keys(&[1, 2]), REALM, "x");
        assert_ne!(shown.active(), old);
        let kept = [secret(1, SecretHash([0; 32])), secret(2, old)];
        assert_eq!(shown.find(&kept, NOW).unwrap().id, kept[1].id);
        assert_eq!(Shown::new(&keys(&[1, 2]), REALM, "y").find(&kept, NOW), None);
        assert_eq!(Shown::new(&keys(&[2]), REALM, "x").find(&kept, NOW), None, "that key counts no more");
        let other = RealmId::from_bytes([2; 16]);
        assert_eq!(Shown::new(&keys(&[1]), other, "x").find(&kept, NOW), None, "ad_02: another realm");
    }

    #[test]
    fn tk_01_a_secret_that_has_ended_proves_nothing() {
        let shown = Shown::new(&keys(&[1]), REALM, "x");
        let ended = ClientSecret { expires_at: Some(NOW), ..secret(1, shown.active()) };
        assert_eq!(shown.find([&ended], NOW), None);
        assert!(shown.find([&ended], NOW - Span::ms(1)).is_some());
    }

    #[test]
    fn a_life_is_between_a_second_and_ten_years_or_open() {
        let asked = |seconds| SecretRequest { expires_in_s: seconds }.expires_at(NOW);
        assert_eq!(asked(None), Ok(None));
        assert_eq!(asked(Some(1)), Ok(Some(NOW + Span::seconds(1))));
        let most = LIFETIME_MAX.as_seconds_up();
        assert!(asked(Some(most)).is_ok());
        for bad in [0, -1, most + 1, i64::MAX] {
            assert_eq!(asked(Some(bad)).unwrap_err().path, "expires_in_s", "{bad}");
        }
    }
}
