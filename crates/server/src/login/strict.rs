//! What stands beside the cookie of a session for whatever changes something (security.md, "Browsers").
//!
//! The session's own cookie comes along where a link on another site leads here, so that whoever is signed in is known; this
//! one does not (`SameSite=Strict`). It is a keyed hash of the session's secret: nothing is stored for it, it dies with the
//! session, and each new secret needs a new one. Alone it opens nothing.

use admit_core::id::RealmId;
use admit_core::master::Keys;
use admit_core::secret::Secret;
use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;

/// The value for this session.
pub fn value(keys: &Keys, realm: RealmId, session: &str) -> Secret {
    let tag = hmac::sign(&keys.active().strict, &message(realm, session));
    Secret::new(BASE64URL_NOPAD.encode(tag.as_ref()))
}

/// Whether a value was made for this session, under whichever master key counts.
pub fn is_good(keys: &Keys, realm: RealmId, session: &str, shown: &str) -> bool {
    let Ok(tag) = BASE64URL_NOPAD.decode(shown.as_bytes()) else { return false };
    let message = message(realm, session);
    !session.is_empty() && keys.usable().iter().any(|key| hmac::verify(&key.strict, &message, &tag).is_ok())
}

/// The first part has a fixed length: no two are written alike.
fn message(realm: RealmId, session: &str) -> Vec<u8> {
    [&realm.bytes()[..], session.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use admit_core::master::{Known, Ring};

    #[test]
    fn se_04_it_is_good_for_its_session_only() {
        let derived = Ring::parse(&"11".repeat(32)).unwrap().derive();
        let known = Known::first(&derived);
        let keys = Keys::settle(derived, known).unwrap();
        let (realm, other) = (RealmId::from_bytes([1; 16]), RealmId::from_bytes([2; 16]));
        let made = value(&keys, realm, "admit_ss_x");
        let made = made.expose();
        assert!(is_good(&keys, realm, "admit_ss_x", made));
        assert!(!is_good(&keys, other, "admit_ss_x", made) && !is_good(&keys, realm, "admit_ss_y", made));
        for bad in ["", "x", &made[1..], &format!("{made}AA"), "admit_ss_x"] {
            assert!(!is_good(&keys, realm, "admit_ss_x", bad), "{bad}");
        }
        assert!(!is_good(&keys, realm, "", value(&keys, realm, "").expose()), "without a session there is nothing");
    }
}
