//! Forms are sent only by pages that were made for this browser (SE-04).
//!
//! Each form carries a token: an HMAC over the realm and what only this browser has, the value of a cookie, made different on
//! every page so that it tells nothing to who sees many. Beside it the browser itself must say where a form comes from; see
//! `core::login::browser`. Neither alone is enough, and a token without its cookie proves nothing.

use admit_core::id::RealmId;
use admit_core::master::Keys;
use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;

const SALT_BYTES: usize = 16;

/// A token for the forms of a page, bound to the value of a cookie.
pub fn token(keys: &Keys, realm: RealmId, cookie: &str, salt: [u8; SALT_BYTES]) -> String {
    let tag = sign(&keys.active().form, realm, cookie, &salt);
    BASE64URL_NOPAD.encode(&[&salt[..], tag.as_ref()].concat())
}

/// Whether a token was made for this realm and this cookie, under whichever master key counts.
pub fn is_good(keys: &Keys, realm: RealmId, cookie: &str, token: &str) -> bool {
    let Ok(octets) = BASE64URL_NOPAD.decode(token.as_bytes()) else { return false };
    let Some((salt, tag)) = octets.split_first_chunk::<SALT_BYTES>() else { return false };
    let is_one = |key: &hmac::Key| hmac::verify(key, &message(realm, cookie, salt), tag).is_ok();
    !cookie.is_empty() && keys.usable().iter().any(|key| is_one(&key.form))
}

fn sign(key: &hmac::Key, realm: RealmId, cookie: &str, salt: &[u8; SALT_BYTES]) -> hmac::Tag {
    hmac::sign(key, &message(realm, cookie, salt))
}

/// Of parts with a fixed length but for the last: no two are written alike.
fn message(realm: RealmId, cookie: &str, salt: &[u8; SALT_BYTES]) -> Vec<u8> {
    [&realm.bytes()[..], salt, cookie.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use admit_core::master::{Known, Ring};
    use admit_core::time::Time;

    fn keys(lines: &str, known: Option<Known>) -> Keys {
        let derived = Ring::parse(lines).unwrap().derive();
        let known = known.unwrap_or_else(|| Known::first(&derived));
        Keys::settle(derived, known).unwrap()
    }

    #[test]
    fn se_04_a_token_is_good_for_its_realm_and_cookie_only() {
        let keys = keys(&"11".repeat(32), None);
        let (realm, other) = (RealmId::from_bytes([1; 16]), RealmId::from_bytes([2; 16]));
        let made = token(&keys, realm, "cookie", [7; SALT_BYTES]);
        assert!(is_good(&keys, realm, "cookie", &made));
        assert!(!is_good(&keys, other, "cookie", &made) && !is_good(&keys, realm, "cookia", &made));
        assert_ne!(made, token(&keys, realm, "cookie", [8; SALT_BYTES]), "every page has its own");
        for bad in ["", "x", &made[1..], &made[..made.len() - 1], &format!("{made}AA"), &made.to_uppercase()] {
            assert!(!is_good(&keys, realm, "cookie", bad), "{bad}");
        }
        let unbound = token(&keys, realm, "", [7; SALT_BYTES]);
        assert!(!is_good(&keys, realm, "", &unbound), "without a cookie nothing is bound");
    }

    #[test]
    fn a_page_outlives_the_rotation_of_the_master_key() {
        let (first, both) = ("11".repeat(32), format!("1 {}\n2 {}", "11".repeat(32), "22".repeat(32)));
        let realm = RealmId::from_bytes([1; 16]);
        let before = keys(&first, None);
        let made = token(&before, realm, "cookie", [7; SALT_BYTES]);
        let mut known = before.known().clone();
        known.rotate(&Ring::parse(&both).unwrap().derive(), Time::from_unix_ms(0)).unwrap();
        let after = keys(&both, Some(known));
        assert_eq!(after.active().number, 2);
        assert!(is_good(&after, realm, "cookie", &made));
    }
}
