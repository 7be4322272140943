//! Typed ids: `usr_…`, `key_…`, `grt_…`. 16 bytes, sortable by creation, never used again.
//!
//! Text is the kind's prefix, `_` and 26 Crockford base32 digits (lower case), so that ids sort as text as they sort as
//! bytes. Knows nothing of the clock or of randomness: both are arguments.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use crate::time::Time;

/// What an id names; its prefix keeps the ids of two kinds apart as text, its type as code.
pub trait Kind: 'static {
    /// The three letters before `_`.
    const PREFIX: &'static str;
}

/// 48 bits of milliseconds, then 80 random bits.
pub struct Id<K> {
    bytes: [u8; 16],
    kind: PhantomData<fn() -> K>,
}

/// Declares the kinds, one per line, with the alias that code uses.
macro_rules! kinds {
    ($($(#[$doc:meta])* $alias:ident = $kind:ident $prefix:literal;)*) => {$(
        #[doc = concat!("Marks ids that begin with `", $prefix, "_`.")]
        pub enum $kind {}
        impl Kind for $kind { const PREFIX: &'static str = $prefix; }
        $(#[$doc])*
        pub type $alias = Id<$kind>;
    )*};
}

kinds! {
    /// An isolated population.
    RealmId = RealmKind "rlm";
    /// A protected resource.
    ApiId = ApiKind "api";
    /// An application or a service account.
    ClientId = ClientKind "cli";
    /// A person.
    UserId = UserKind "usr";
    /// A customer inside a realm.
    OrgId = OrgKind "org";
    /// A named set of scopes.
    RoleId = RoleKind "rol";
    /// Everything that can act.
    GrantId = GrantKind "grt";
    /// An API key.
    KeyId = KeyKind "key";
    /// A rule.
    RuleId = RuleKind "rul";
    /// A secret of a client.
    SecretId = SecretIdKind "sec";
    /// A key that signs.
    SigningKeyId = SigningKeyKind "sig";
    /// An access token: its `jti`.
    TokenId = TokenKind "tok";
    /// A line of the audit.
    EventId = EventKind "evt";
    /// One judged request.
    RequestId = RequestKind "req";
}

/// Text that is no id of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadId {
    /// The prefix that was expected.
    pub expected: &'static str,
}

impl fmt::Display for BadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not an id of the form {}_…", self.expected)
    }
}

impl std::error::Error for BadId {}

const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// What each letter stands for; 32 and more for nothing.
const VALUES: [u8; 256] = {
    let mut values = [u8::MAX; 256];
    let mut value = 0;
    while value < DIGITS.len() {
        values[DIGITS[value] as usize] = value as u8;
        value += 1;
    }
    values
};
const DIGIT_COUNT: usize = 26;

impl<K: Kind> Id<K> {
    /// A new id from the moment of creation and 80 random bits.
    pub fn new(now: Time, random: [u8; 10]) -> Self {
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&now.unix_ms().max(0).to_be_bytes()[2..]);
        bytes[6..].copy_from_slice(&random);
        Self::from_bytes(bytes)
    }

    /// The id as the store keeps it.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self { bytes, kind: PhantomData }
    }

    /// The id as the store keeps it.
    pub const fn bytes(&self) -> &[u8; 16] {
        &self.bytes
    }

    /// Appends the text of the id. What [`fmt::Display`] writes, without its machinery: answers carry several ids each.
    pub fn append_to(&self, text: &mut Vec<u8>) {
        text.extend_from_slice(K::PREFIX.as_bytes());
        text.push(b'_');
        text.extend_from_slice(&digits(&self.bytes));
    }

    /// True where the text claims to be an id of this kind (and may still be a wrong one).
    pub fn looks_like(text: &str) -> bool {
        text.strip_prefix(K::PREFIX).is_some_and(|rest| rest.starts_with('_'))
    }
}

/// The 26 digits of 16 bytes: 128 bits in groups of five, the first group of three.
fn digits(bytes: &[u8; 16]) -> [u8; DIGIT_COUNT] {
    let number = u128::from_be_bytes(*bytes);
    std::array::from_fn(|place| DIGITS[(number >> (5 * (DIGIT_COUNT - 1 - place)) & 31) as usize])
}

fn number(text: &str) -> Option<u128> {
    if text.len() != DIGIT_COUNT || !(b'0'..=b'7').contains(&text.as_bytes()[0]) {
        return None;
    }
    text.bytes().try_fold(0_u128, |number, digit| {
        let value = VALUES[usize::from(digit)];
        (value < 32).then_some(number << 5 | u128::from(value))
    })
}

impl<K: Kind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(K::PREFIX)?;
        f.write_str("_")?;
        let digits = digits(&self.bytes);
        f.write_str(std::str::from_utf8(&digits).unwrap_or_default())
    }
}

impl<K: Kind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<K: Kind> FromStr for Id<K> {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let bad = BadId { expected: K::PREFIX };
        let rest = text.strip_prefix(K::PREFIX).and_then(|rest| rest.strip_prefix('_')).ok_or(bad)?;
        Ok(Self::from_bytes(number(rest).ok_or(bad)?.to_be_bytes()))
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.bytes.cmp(&other.bytes)
    }
}
impl<K> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes.hash(state);
    }
}

impl<K: Kind> serde::Serialize for Id<K> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, K: Kind> serde::Deserialize<'de> for Id<K> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Who can act: a person or an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SubjectId {
    /// A person.
    User(UserId),
    /// An application; a service account is a client that acts only as itself.
    Client(ClientId),
}

impl SubjectId {
    /// The id as the store keeps it.
    pub fn bytes(&self) -> &[u8; 16] {
        match self {
            Self::User(id) => id.bytes(),
            Self::Client(id) => id.bytes(),
        }
    }
}

impl SubjectId {
    /// Appends the text of the id.
    pub fn append_to(&self, text: &mut Vec<u8>) {
        match self {
            Self::User(id) => id.append_to(text),
            Self::Client(id) => id.append_to(text),
        }
    }
}

impl fmt::Display for SubjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => id.fmt(f),
            Self::Client(id) => id.fmt(f),
        }
    }
}

impl FromStr for SubjectId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        if ClientId::looks_like(text) { text.parse().map(Self::Client) } else { text.parse().map(Self::User) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn text_and_bytes_are_the_same_id(bytes: [u8; 16]) {
            let id = KeyId::from_bytes(bytes);
            prop_assert_eq!(id.to_string().parse::<KeyId>(), Ok(id));
            let mut text = Vec::new();
            id.append_to(&mut text);
            prop_assert_eq!(text, id.to_string().into_bytes());
        }

        #[test]
        fn text_sorts_as_bytes_do(a: [u8; 16], b: [u8; 16]) {
            let (a, b) = (KeyId::from_bytes(a), KeyId::from_bytes(b));
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
        }

        #[test]
        fn any_text_is_parsed_or_refused(text in ".{0,64}") {
            if let Ok(id) = text.parse::<KeyId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }

    #[test]
    fn a_later_id_sorts_later() {
        let early = KeyId::new(Time::from_unix_ms(1_000), [255; 10]);
        let late = KeyId::new(Time::from_unix_ms(1_001), [0; 10]);
        assert!(early < late);
    }

    #[test]
    fn an_id_of_another_kind_is_refused() {
        let key = KeyId::from_bytes([7; 16]).to_string();
        assert_eq!(key.parse::<GrantId>(), Err(BadId { expected: "grt" }));
        assert_eq!("key_8zzzzzzzzzzzzzzzzzzzzzzzzz".parse::<KeyId>(), Err(BadId { expected: "key" }), "over 128 bits");
    }
}
