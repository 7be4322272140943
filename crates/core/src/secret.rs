//! Secrets: how they are written, told apart and looked up.
//!
//! `<prefix>_<30 base62><6 base62>`: the last six are the CRC-32 of all before them, so that a typing error is refused
//! without a look-up. Stored is only `HMAC-SHA256(k_lookup, realm ‖ kind ‖ SHA-256(secret))`: whoever can write a row
//! cannot plant a credential, and neither kind nor realm can be confused. A [`Secret`] cannot be printed.

use std::borrow::Cow;
use std::fmt;

use aws_lc_rs::{constant_time, digest, hkdf, hmac};
use zeroize::Zeroizing;

use crate::id::RealmId;

/// Text that must not reach a log, an error or a page. [`Secret::expose`] is the only way to it.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

/// In time that does not depend on where two texts differ.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        constant_time::verify_slices_are_equal(self.0.as_bytes(), other.0.as_bytes()).is_ok()
    }
}

impl Eq for Secret {}

impl Secret {
    /// Takes the text over.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself: for the one answer that shows it, and for hashing.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What an opaque credential proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SecretKind {
    /// An API key: the prefix is its realm's.
    ApiKey,
    /// An opaque access token.
    AccessToken,
    /// A refresh token.
    RefreshToken,
    /// A browser session.
    Session,
    /// An authorization code.
    Code,
    /// A device code.
    DeviceCode,
    /// What a person types for a device: it has no prefix.
    UserCode,
    /// What lets a client that registered itself change what it said.
    RegistrationToken,
    /// A client's secret.
    ClientSecret,
    /// The key that `serve` writes at each start.
    OperatorKey,
    /// A browser in which somebody signed in before.
    Device,
    /// What the issuer hands on to a protected host.
    HandOff,
    /// What a mailed link carries.
    Link,
    /// What stands for a pushed authorization request.
    PushedRequest,
}

impl SecretKind {
    /// The prefixes that no realm may take, with the kind that each stands for.
    pub const RESERVED: [(&'static str, Self); 12] = [
        ("admit_at", Self::AccessToken),
        ("admit_rt", Self::RefreshToken),
        ("admit_ss", Self::Session),
        ("admit_ac", Self::Code),
        ("admit_dc", Self::DeviceCode),
        ("admit_cs", Self::ClientSecret),
        ("admit_op", Self::OperatorKey),
        ("admit_dv", Self::Device),
        ("admit_ho", Self::HandOff),
        ("admit_ln", Self::Link),
        ("admit_pr", Self::PushedRequest),
        ("admit_ra", Self::RegistrationToken),
    ];

    /// The kind that text with this prefix has.
    pub fn of_prefix(prefix: &str) -> Self {
        Self::RESERVED.iter().find(|(reserved, _)| *reserved == prefix).map_or(Self::ApiKey, |(_, kind)| *kind)
    }

    /// The octet that keeps the hashes of two kinds apart. Stored hashes depend on it: never renumber.
    const fn octet(self) -> u8 {
        match self {
            Self::ApiKey => 1,
            Self::AccessToken => 2,
            Self::RefreshToken => 3,
            Self::Session => 4,
            Self::Code => 5,
            Self::DeviceCode => 6,
            Self::ClientSecret => 7,
            Self::OperatorKey => 8,
            Self::Device => 9,
            Self::Link => 10,
            Self::HandOff => 11,
            Self::PushedRequest => 14,
            Self::UserCode => 12,
            Self::RegistrationToken => 13,
        }
    }
}

/// A key prefix: `[a-z][a-z0-9]*(_[a-z0-9]+)*`, at most 20 letters, none of the reserved kinds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Prefix(String);

/// The longest prefix, in bytes.
pub const PREFIX_MAX: usize = 20;

impl Prefix {
    /// Checks the grammar.
    pub fn parse(text: &str) -> Option<Self> {
        let begins_well = text.starts_with(|letter: char| letter.is_ascii_lowercase());
        let parts_well = text.split('_').all(|part| {
            !part.is_empty() && part.bytes().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit())
        });
        let is_free = SecretKind::of_prefix(text) == SecretKind::ApiKey;
        (begins_well && parts_well && is_free && text.len() <= PREFIX_MAX).then(|| Self(text.to_owned()))
    }

    /// The prefix as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const RANDOM_DIGITS: usize = 30;
const CHECK_DIGITS: usize = 6;
const BODY_LEN: usize = RANDOM_DIGITS + CHECK_DIGITS;
/// So many digits are taken off a number at once: what they can say fits into 64 bits.
const CHUNK_DIGITS: usize = 10;
const CHUNK: u64 = 62_u64.pow(CHUNK_DIGITS as u32);

/// Writes a new secret under a prefix (a realm's, or a reserved one) from 256 random bits.
pub fn write(prefix: &str, random: &[u8; 32]) -> Secret {
    let mut text = String::with_capacity(prefix.len() + 1 + BODY_LEN);
    text.push_str(prefix);
    text.push('_');
    let mut number = *random;
    for _ in 0..RANDOM_DIGITS / CHUNK_DIGITS {
        let mut chunk = divide(&mut number, CHUNK);
        for _ in 0..CHUNK_DIGITS {
            text.push(char::from(ALPHABET[(chunk % 62) as usize]));
            chunk /= 62;
        }
    }
    let sum = check_digits(text.as_bytes());
    text.extend(sum.map(char::from));
    Secret::new(text)
}

/// Divides a big-endian number and returns the remainder.
fn divide(number: &mut [u8; 32], by: u64) -> u64 {
    let (parts, _) = number.as_chunks_mut::<8>();
    parts.iter_mut().fold(0, |rest, part| {
        let value = u128::from(rest) << 64 | u128::from(u64::from_be_bytes(*part));
        let quotient = value / u128::from(by);
        *part = (quotient as u64).to_be_bytes();
        (value - quotient * u128::from(by)) as u64
    })
}

/// CRC-32 (IEEE) in base62, most significant digit first, filled up with `0`.
fn check_digits(text: &[u8]) -> [u8; CHECK_DIGITS] {
    let mut sum = crc32fast::hash(text);
    let mut digits = [b'0'; CHECK_DIGITS];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[(sum % 62) as usize];
        sum /= 62;
    }
    digits
}

/// Well-formed text of an opaque secret, its checksum verified. Says nothing of whether it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opaque<'a> {
    /// What stands before the last `_`.
    pub prefix: &'a str,
    /// What the prefix says it is.
    pub kind: SecretKind,
}

/// Why text is no opaque secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotOpaque {
    /// It does not have the form at all.
    Form,
    /// The form is right, the checksum is not: a typing error, or somebody guesses.
    Checksum,
}

/// Reads `<prefix>_<36 base62>` and verifies the checksum.
pub fn read(text: &str) -> Result<Opaque<'_>, NotOpaque> {
    if text.len() > PREFIX_MAX + 1 + BODY_LEN || !text.is_ascii() {
        return Err(NotOpaque::Form);
    }
    let (prefix, body) = text.rsplit_once('_').ok_or(NotOpaque::Form)?;
    if prefix.is_empty() || body.len() != BODY_LEN || !body.bytes().all(|digit| digit.is_ascii_alphanumeric()) {
        return Err(NotOpaque::Form);
    }
    let (before, digits) = text.as_bytes().split_at(text.len() - CHECK_DIGITS);
    if check_digits(before) != digits {
        return Err(NotOpaque::Checksum);
    }
    Ok(Opaque { prefix, kind: SecretKind::of_prefix(prefix) })
}

/// What a list may show of a secret: its prefix and last four digits of the random part.
pub fn hint(text: &str) -> String {
    let shown = match text.rsplit_once('_') {
        Some((prefix, body)) if read(text).is_ok() => (prefix, &body[RANDOM_DIGITS - 4..RANDOM_DIGITS]),
        _ => return "…".to_owned(),
    };
    format!("{}_…{}", shown.0, shown.1)
}

/// The text with each credential of this shape in it replaced by its [`hint`]: for what repeats text that somebody sent.
/// A letter before the prefix hides a secret from this as it does from [`read`].
pub fn redact(text: &str) -> Cow<'_, str> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let mut redacted = Cow::Borrowed(text);
    for word in text.split(|letter| !is_part(letter)).filter(|word| read(word).is_ok()) {
        redacted = Cow::Owned(redacted.replace(word, &hint(word)));
    }
    redacted
}

/// The keyed hash under which a credential is stored and found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SecretHash(pub [u8; 32]);

impl SecretHash {
    /// Whether it is this one, in time that does not depend on where they differ.
    pub fn is(&self, other: &Self) -> bool {
        constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }

    /// The half that names the credential in the change feed and in caches.
    pub fn tag(&self) -> [u8; 16] {
        let mut tag = [0; 16];
        tag.copy_from_slice(&self.0[..16]);
        tag
    }
}

/// SHA-256 of a secret's text: the form in which keys of other systems are imported.
pub fn digest(text: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
    bytes
}

/// 256 bits from which the other keys are derived. Never in the database, never in a backup.
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    /// From the 32 bytes of the key file.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// HKDF-SHA256 (RFC 5869) with `purpose` as its info.
    pub(crate) fn derive(&self, purpose: &[u8]) -> Zeroizing<[u8; 32]> {
        let mut bytes = Zeroizing::new([0; 32]);
        let key = hkdf::Salt::new(hkdf::HKDF_SHA256, b"admit").extract(self.0.as_slice());
        let filled = key.expand(&[purpose], hkdf::HKDF_SHA256).and_then(|okm| okm.fill(bytes.as_mut_slice()));
        assert!(filled.is_ok(), "32 bytes are within the reach of HKDF-SHA256");
        bytes
    }

    /// The value kept in the store to tell whether a master key is the one that made it.
    pub fn check_value(&self) -> [u8; 32] {
        *self.derive(b"check value")
    }

    /// The key of the look-up hashes.
    pub fn lookup_key(&self) -> LookupKey {
        LookupKey(hmac::Key::new(hmac::HMAC_SHA256, self.derive(b"credential look-up").as_slice()))
    }

    /// The key that authenticates pagination cursors.
    pub fn cursor_key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, self.derive(b"pagination cursor").as_slice())
    }

    /// The key of the tokens that forms carry.
    pub fn form_key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, self.derive(b"form token").as_slice())
    }

    /// The key of what stands beside a session's cookie for changes.
    pub fn strict_key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, self.derive(b"strict cookie").as_slice())
    }

    /// The key of what names, in a token, everything that ends it.
    pub fn handle_key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, self.derive(b"revocation handle").as_slice())
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

/// Turns a presented secret into the hash it is stored under.
#[derive(Clone)]
pub struct LookupKey(hmac::Key);

impl LookupKey {
    /// The hash of a secret's text.
    pub fn hash(&self, realm: RealmId, kind: SecretKind, text: &str) -> SecretHash {
        self.hash_digest(realm, kind, &digest(text))
    }

    /// The hash of a secret of which only the SHA-256 is known.
    pub fn hash_digest(&self, realm: RealmId, kind: SecretKind, digest: &[u8; 32]) -> SecretHash {
        let mut message = [0; 16 + 1 + 32];
        message[..16].copy_from_slice(realm.bytes());
        message[16] = kind.octet();
        message[17..].copy_from_slice(digest);
        let mut hash = [0; 32];
        hash.copy_from_slice(hmac::sign(&self.0, &message).as_ref());
        SecretHash(hash)
    }
}

impl fmt::Debug for LookupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LookupKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_can_be_read(random: [u8; 32]) {
            let secret = write("acme_live", &random);
            prop_assert_eq!(read(secret.expose()), Ok(Opaque { prefix: "acme_live", kind: SecretKind::ApiKey }));
        }

        #[test]
        fn ak_02_one_changed_letter_is_refused(random: [u8; 32], place in 0_usize..46, letter in "[A-Za-z0-9]") {
            let good = write("acme_live", &random).expose().to_owned();
            let mut bad = good.clone();
            bad.replace_range(place..=place, &letter);
            if bad != good {
                prop_assert!(read(&bad).is_err());
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,80}") {
            let _ = read(&text);
            let _ = hint(&text);
            let _ = redact(&text);
            let _ = Prefix::parse(&text);
        }
    }

    #[test]
    fn lo_02_a_secret_within_a_text_is_not_repeated() {
        let secret = write("acme_live", &[7; 32]);
        let shown = redact(&format!("no key \"{0}\" at /x/{0}/{0}", secret.expose())).into_owned();
        let hint = hint(secret.expose());
        assert_eq!(shown, format!("no key \"{hint}\" at /x/{hint}/{hint}"));
        assert!(matches!(redact("/orders/42"), Cow::Borrowed("/orders/42")));
    }

    #[test]
    fn the_form_is_github_s() {
        let secret = write("admit", &[0xA5; 32]);
        assert_eq!(
            secret.expose(),
            "admit_xhs1NYYlhCzlLLMXbdZvURdQHM9Qmg0CFSVy",
            "the number in base62, lowest digit first"
        );
        assert_eq!(
            &secret.expose()[36..],
            std::str::from_utf8(&check_digits(&secret.expose().as_bytes()[..36])).unwrap()
        );
        assert_eq!(check_digits(b"123456789"), *b"3jZRME", "CRC-32 of the standard check string is cbf43926");
    }

    #[test]
    fn reserved_prefixes_are_no_realm_s() {
        assert!(Prefix::parse("admit_at").is_none());
        assert!(Prefix::parse("acme_live").is_some());
        for bad in ["", "Acme", "9a", "a__b", "_a", "a_", "a-b", "abcdefghijklmnopqrstu"] {
            assert!(Prefix::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn hashes_differ_by_realm_and_kind() {
        let key = MasterKey::new([1; 32]).lookup_key();
        let (a, b) = (RealmId::from_bytes([1; 16]), RealmId::from_bytes([2; 16]));
        let hash = key.hash(a, SecretKind::ApiKey, "x");
        assert_ne!(hash, key.hash(b, SecretKind::ApiKey, "x"));
        assert_ne!(hash, key.hash(a, SecretKind::Session, "x"));
        assert_eq!(hash, key.hash_digest(a, SecretKind::ApiKey, &digest("x")));
    }

    #[test]
    fn lo_02_a_secret_cannot_be_printed() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(…)");
    }

    #[test]
    fn lo_07_two_secrets_are_one_where_every_letter_is() {
        let secret = Secret::new("hunter2");
        for (text, is_same) in
            [("hunter2", true), ("Hunter2", false), ("hunter3", false), ("hunter", false), ("", false)]
        {
            assert_eq!(secret == Secret::new(text), is_same, "{text}");
        }
        assert_eq!(format!("{:?}", MasterKey::new([7; 32])), "MasterKey(…)");
    }

    #[test]
    fn a_hint_shows_no_more_than_four_digits() {
        let secret = write("admit", &[9; 32]);
        let shown = hint(secret.expose());
        assert_eq!(shown.len(), "admit_…".len() + 4);
        assert_eq!(hint("not a key"), "…");
    }
}
