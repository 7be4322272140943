//! Values that are kept sealed: whoever reads a table cannot read them, whoever writes one cannot plant or move any.
//!
//! `version ‖ key number ‖ nonce ‖ ciphertext`, AES-256-GCM (NIST SP 800-38D) under a key derived from a master key. Table,
//! column, row and realm are authenticated with it, so that a value is worth nothing anywhere but where it was put. The
//! nonce is drawn by the caller. Knows neither what is sealed nor how rows are kept.

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use zeroize::Zeroizing;

use crate::id::RealmId;
use crate::secret::{MasterKey, Secret};

/// How many random octets a seal needs.
pub const NONCE_BYTES: usize = 12;
const VERSION: u8 = 1;
const HEAD_BYTES: usize = 1 + 4 + NONCE_BYTES;
const TAG_BYTES: usize = 16;

/// Where a sealed value stands.
#[derive(Debug, Clone, Copy)]
pub struct Place<'p> {
    /// The table.
    pub table: &'p str,
    /// The column.
    pub column: &'p str,
    /// The row's id.
    pub row: &'p [u8; 16],
    /// The row's realm.
    pub realm: RealmId,
}

/// Why a value cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotOpened {
    /// The master key of this number is needed, and not here.
    NoKey(i64),
    /// It was not sealed for this place, or by nobody who has the key.
    Forged,
}

/// The sealing key that one master key gives.
#[derive(Clone)]
pub struct SealKey {
    number: u32,
    key: Arc<LessSafeKey>,
}

impl SealKey {
    /// That of the master key of this number.
    pub fn new(master: &MasterKey, number: i64) -> Self {
        Self::of(&master.derive(b"sealed value"), number)
    }

    fn of(bytes: &Zeroizing<[u8; 32]>, number: i64) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, bytes.as_slice()).map(LessSafeKey::new);
        let Ok(key) = key else { unreachable!("32 octets are a key of AES-256") };
        Self { number: u32::try_from(number).unwrap_or_default(), key: Arc::new(key) }
    }

    /// Seals a value for its place.
    pub fn seal(&self, place: &Place<'_>, nonce: [u8; NONCE_BYTES], value: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::with_capacity(HEAD_BYTES + value.len() + TAG_BYTES);
        sealed.push(VERSION);
        sealed.extend_from_slice(&self.number.to_be_bytes());
        let context = context(&sealed, place);
        sealed.extend_from_slice(&nonce);
        let mut text = Zeroizing::new(Vec::with_capacity(value.len() + TAG_BYTES));
        text.extend_from_slice(value);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let done = self.key.seal_in_place_append_tag(nonce, Aad::from(context), &mut *text);
        assert!(done.is_ok(), "a value of a row is far below the bound of AES-GCM");
        sealed.extend_from_slice(&text);
        sealed
    }

    fn open(&self, place: &Place<'_>, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (head, text) = sealed.split_at_checked(HEAD_BYTES)?;
        let (before, nonce) = head.split_at_checked(HEAD_BYTES - NONCE_BYTES)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = Zeroizing::new(text.to_vec());
        let length = self.key.open_in_place(nonce, Aad::from(context(before, place)), &mut text).ok()?.len();
        text.truncate(length);
        Some(text)
    }
}

/// Makes a sealing key of its own for each secret text: what it seals is read by who has that text and a master key, both.
#[derive(Clone)]
pub struct TextSeal {
    number: i64,
    master: Arc<Zeroizing<[u8; 32]>>,
}

impl TextSeal {
    /// That of the master key of this number.
    pub fn new(master: &MasterKey, number: i64) -> Self {
        Self { number, master: Arc::new(master.derive(b"sealed under a text")) }
    }

    /// The key of a text (HKDF-SHA256, RFC 5869).
    pub fn of(&self, text: &Secret) -> SealKey {
        let mut bytes = Zeroizing::new([0; 32]);
        let key = hkdf::Salt::new(hkdf::HKDF_SHA256, self.master.as_slice()).extract(text.expose().as_bytes());
        let filled = key.expand(&[b"reply"], hkdf::HKDF_SHA256).and_then(|okm| okm.fill(bytes.as_mut_slice()));
        assert!(filled.is_ok(), "32 bytes are within the reach of HKDF-SHA256");
        SealKey::of(&bytes, self.number)
    }
}

/// Opens a value with the one of these keys that sealed it.
pub fn open<'k>(
    keys: impl IntoIterator<Item = &'k SealKey>,
    place: &Place<'_>,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, NotOpened> {
    let number = number(sealed).ok_or(NotOpened::Forged)?;
    let key = keys.into_iter().find(|key| key.number == number).ok_or(NotOpened::NoKey(number.into()))?;
    key.open(place, sealed).ok_or(NotOpened::Forged)
}

fn number(sealed: &[u8]) -> Option<u32> {
    let (_, rest) = sealed.split_first().filter(|(version, _)| **version == VERSION)?;
    rest.first_chunk().map(|octets| u32::from_be_bytes(*octets))
}

/// What is authenticated with the value; each part is as long as it says, so that no two places read alike.
fn context(head: &[u8], place: &Place<'_>) -> Vec<u8> {
    let Place { table, column, row, realm } = place;
    let mut context = Vec::new();
    for part in [head, table.as_bytes(), column.as_bytes(), row.as_slice(), realm.bytes().as_slice()] {
        context.extend_from_slice(&(part.len() as u64).to_be_bytes());
        context.extend_from_slice(part);
    }
    context
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(octet: u8, number: i64) -> SealKey {
        SealKey::new(&MasterKey::new([octet; 32]), number)
    }

    const ROW: [u8; 16] = [7; 16];
    const REALM: RealmId = RealmId::from_bytes([1; 16]);
    const PLACE: Place<'_> = Place { table: "password", column: "sealed", row: &ROW, realm: REALM };

    #[test]
    fn a_value_opens_where_it_was_put_and_nowhere_else() {
        let (own, other) = (key(1, 1), key(2, 2));
        let sealed = own.seal(&PLACE, [9; 12], b"a hash");
        assert_eq!(sealed.len(), HEAD_BYTES + 6 + TAG_BYTES);
        assert!(!sealed.windows(6).any(|octets| octets == b"a hash"));
        let opened = open([&other, &own], &PLACE, &sealed).unwrap();
        assert_eq!(opened.as_slice(), b"a hash");
        let places = [
            Place { table: "passwor", column: "dsealed", ..PLACE },
            Place { column: "other", ..PLACE },
            Place { row: &[8; 16], ..PLACE },
            Place { realm: RealmId::from_bytes([2; 16]), ..PLACE },
        ];
        for place in places {
            assert_eq!(open([&own], &place, &sealed), Err(NotOpened::Forged), "{place:?}");
        }
        assert_eq!(open([&other], &PLACE, &sealed), Err(NotOpened::NoKey(1)));
        assert_eq!(open([&key(3, 1)], &PLACE, &sealed), Err(NotOpened::Forged), "another key of that number");
    }

    #[test]
    fn a_changed_octet_is_seen_wherever_it_is() {
        let own = key(1, 1);
        let sealed = own.seal(&PLACE, [9; 12], b"a hash");
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert!(open([&own], &PLACE, &changed).is_err(), "octet {place}");
        }
    }

    #[test]
    fn what_is_sealed_under_a_text_needs_that_text_and_the_master_key() {
        let (own, other) = (TextSeal::new(&MasterKey::new([1; 32]), 1), TextSeal::new(&MasterKey::new([2; 32]), 1));
        let (text, wrong) = (Secret::new("admit_rt_1"), Secret::new("admit_rt_2"));
        let sealed = own.of(&text).seal(&PLACE, [9; 12], b"a reply");
        assert_eq!(open([&own.of(&text)], &PLACE, &sealed).unwrap().as_slice(), b"a reply");
        for key in [own.of(&wrong), other.of(&text), key(1, 1)] {
            assert_eq!(open([&key], &PLACE, &sealed), Err(NotOpened::Forged));
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_opened_or_refused(octets in prop::collection::vec(any::<u8>(), 0..80)) {
            prop_assert!(open([&key(1, 1)], &PLACE, &octets).is_err());
        }

        #[test]
        fn what_is_sealed_can_be_opened(value in prop::collection::vec(any::<u8>(), 0..600), nonce: [u8; 12]) {
            let own = key(5, 4);
            let opened = open([&own], &PLACE, &own.seal(&PLACE, nonce, &value)).unwrap();
            prop_assert_eq!(opened.as_slice(), value);
        }
    }
}
