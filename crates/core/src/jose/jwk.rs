//! Keys as JSON (RFC 7517, 7518 §6, 8037): read strictly, parsed once, each bound to what it is for.
//!
//! A set of public keys is taken whole or refused whole where something in it shows that its owner does not know what he
//! publishes: a private member, or two keys of one name. Keys of kinds that are not known here are passed over.

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{self, EcdsaVerificationAlgorithm, ParsedPublicKey, RsaParameters};
use aws_lc_rs::{digest, hmac};
use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::jws::{KID_MAX, text_of};
use super::{Flaw, decode, encode};
use crate::json;

/// The most keys of a set.
pub const KEYS_MAX: usize = 100;
/// The longest text of a set, in bytes.
pub const SET_MAX: usize = 256 << 10;
/// Members that only a private or secret key has.
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
/// The size of an RSA modulus, in bits: a larger one is no safer for years, and dear to verify by.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// A key that verifies signatures.
#[derive(Clone)]
pub struct VerifyingKey {
    kid: Option<String>,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    /// The same key for each algorithm that it is for.
    Public(Vec<(Algorithm, ParsedPublicKey)>),
    Secret(Algorithm, Box<hmac::Key>),
}

/// Never the key itself: a secret one must not be printed.
impl std::fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let algorithms: Vec<_> = self.algorithms().map(Algorithm::as_str).collect();
        f.debug_struct("VerifyingKey").field("kid", &self.kid).field("algorithms", &algorithms).finish()
    }
}

impl VerifyingKey {
    /// A public key.
    pub fn parse(jwk: &Value) -> Result<Self, Flaw> {
        let members = jwk.as_object().ok_or(Flaw::Json)?;
        if PRIVATE.iter().any(|name| members.contains_key(*name)) {
            return Err(Flaw::KeyPrivate);
        }
        for_signatures(members)?;
        let keys = match text_of(members, "kty")?.ok_or(Flaw::Member)? {
            "RSA" => rsa(members)?,
            "EC" => vec![elliptic(members)?],
            "OKP" => vec![edwards(members)?],
            _ => return Err(Flaw::KeyKind),
        };
        Ok(Self { kid: kid(members)?, kind: Kind::Public(keys) })
    }

    /// A secret that two share, at least as long as the hash (RFC 7518 §3.2).
    pub fn secret(algorithm: Algorithm, bytes: &[u8], kid: Option<String>) -> Result<Self, Flaw> {
        let (hash, bytes_min) = match algorithm {
            Algorithm::Hs256 => (hmac::HMAC_SHA256, 32),
            Algorithm::Hs384 => (hmac::HMAC_SHA384, 48),
            Algorithm::Hs512 => (hmac::HMAC_SHA512, 64),
            _ => return Err(Flaw::Algorithm),
        };
        if bytes.len() < bytes_min {
            return Err(Flaw::KeyWeak);
        }
        Ok(Self { kid, kind: Kind::Secret(algorithm, Box::new(hmac::Key::new(hash, bytes))) })
    }

    /// Its name.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// What it is for.
    pub fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        let (public, secret) = match &self.kind {
            Kind::Public(keys) => (keys.as_slice(), None),
            Kind::Secret(algorithm, _) => (&[][..], Some(*algorithm)),
        };
        public.iter().map(|(algorithm, _)| *algorithm).chain(secret)
    }

    /// Whether this is its signature.
    pub fn verify(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> Result<(), Flaw> {
        match &self.kind {
            Kind::Public(keys) => {
                let (_, key) = keys.iter().find(|(own, _)| *own == algorithm).ok_or(Flaw::Algorithm)?;
                key.verify_sig(signed, signature).map_err(|_| Flaw::Signature)
            }
            Kind::Secret(own, key) if *own == algorithm => {
                hmac::verify(key, signed, signature).map_err(|_| Flaw::Signature)
            }
            Kind::Secret(..) => Err(Flaw::Algorithm),
        }
    }
}

/// A set of public keys.
#[derive(Debug, Clone, Default)]
pub struct KeySet {
    keys: Vec<VerifyingKey>,
}

impl KeySet {
    /// Reads its text.
    pub fn parse(text: &[u8]) -> Result<Self, Flaw> {
        Self::of(&bounded(text)?)
    }

    /// Reads `{"keys": […]}`.
    pub fn of(set: &Value) -> Result<Self, Flaw> {
        let listed = set.get("keys").and_then(Value::as_array).ok_or(Flaw::Member)?;
        if listed.len() > KEYS_MAX {
            return Err(Flaw::TooManyKeys);
        }
        let mut keys: Vec<VerifyingKey> = Vec::with_capacity(listed.len());
        for jwk in listed {
            match VerifyingKey::parse(jwk) {
                Ok(key) => keys.push(key),
                // For others than us (§5).
                Err(Flaw::KeyKind | Flaw::KeyUse) => {}
                Err(flaw) => return Err(flaw),
            }
        }
        Self::new(keys)
    }

    /// Of keys that were read already, all public or all secret, each with a name of its own or none.
    pub fn new(keys: Vec<VerifyingKey>) -> Result<Self, Flaw> {
        let is_secret = |key: &VerifyingKey| matches!(key.kind, Kind::Secret(..));
        if keys.iter().any(is_secret) && !keys.iter().all(is_secret) {
            return Err(Flaw::KeyPrivate);
        }
        let mut names: Vec<_> = keys.iter().filter_map(VerifyingKey::kid).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Flaw::KeyTwice);
        }
        Ok(Self { keys })
    }

    /// The key that a header names. Without a name only a set of one key is clear.
    pub fn find(&self, kid: Option<&str>) -> Option<&VerifyingKey> {
        match kid {
            Some(kid) => self.keys.iter().find(|key| key.kid.as_deref() == Some(kid)),
            None => self.keys.first().filter(|_| self.keys.len() == 1),
        }
    }

    /// All of them.
    pub fn keys(&self) -> &[VerifyingKey] {
        &self.keys
    }
}

/// The text of a set that is one.
pub fn read(text: &[u8]) -> Result<Value, Flaw> {
    let set = bounded(text)?;
    KeySet::of(&set).map(|_| set)
}

fn bounded(text: &[u8]) -> Result<Value, Flaw> {
    if text.len() > SET_MAX {
        return Err(Flaw::TooLong);
    }
    json::parse(text).map_err(|_| Flaw::Json)
}

/// The key that a header names, out of the text of a set that was looked at before. Parsed, a key takes many times its text:
/// whoever keeps many sets keeps them as they are.
pub fn pick(set: &Value, kid: Option<&str>) -> KeySet {
    let listed = set.get("keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let is_named = |jwk: &&Value| kid.is_none_or(|kid| jwk.get("kid").and_then(Value::as_str) == Some(kid));
    // Two suffice to see that it is not clear which one is meant.
    let keys = listed.iter().filter(is_named).filter_map(|jwk| VerifyingKey::parse(jwk).ok()).take(2);
    KeySet { keys: keys.collect() }
}

/// The name that a public key has by itself (RFC 7638): SHA-256 over its required members, as base64url.
pub fn thumbprint(jwk: &Value) -> Result<String, Flaw> {
    let members = jwk.as_object().ok_or(Flaw::Json)?;
    // In the order of their letters, and no others (§3.2, RFC 8037 §2).
    let required: &[&str] = match text_of(members, "kty")? {
        Some("RSA") => &["e", "kty", "n"],
        Some("EC") => &["crv", "kty", "x", "y"],
        Some("OKP") => &["crv", "kty", "x"],
        Some("oct") => &["k", "kty"],
        _ => return Err(Flaw::KeyKind),
    };
    let mut text = String::from("{");
    for name in required {
        let value = text_of(members, name)?.ok_or(Flaw::Member)?;
        let comma = if text.len() > 1 { "," } else { "" };
        text.push_str(&format!("{comma}{}:{}", Value::from(*name), Value::from(value)));
    }
    text.push('}');
    Ok(encode(digest::digest(&digest::SHA256, text.as_bytes()).as_ref()))
}

fn kid(members: &Map<String, Value>) -> Result<Option<String>, Flaw> {
    let kid = text_of(members, "kid")?;
    if kid.is_some_and(|kid| kid.len() > KID_MAX) {
        return Err(Flaw::TooLong);
    }
    Ok(kid.map(str::to_owned))
}

/// `use` and `key_ops` may both be missing; what is there must allow it (RFC 7517 §4.2, §4.3).
fn for_signatures(members: &Map<String, Value>) -> Result<(), Flaw> {
    if text_of(members, "use")?.is_some_and(|purpose| purpose != "sig") {
        return Err(Flaw::KeyUse);
    }
    let Some(operations) = members.get("key_ops") else { return Ok(()) };
    let operations = operations.as_array().ok_or(Flaw::Member)?;
    if operations.iter().any(|operation| operation == "verify") { Ok(()) } else { Err(Flaw::KeyUse) }
}

/// What the key itself says that it is for, where it does.
fn declared(members: &Map<String, Value>) -> Result<Option<Algorithm>, Flaw> {
    match text_of(members, "alg")? {
        Some(name) => Algorithm::parse(name).map(Some).ok_or(Flaw::KeyUse),
        None => Ok(None),
    }
}

fn number(members: &Map<String, Value>, name: &str) -> Result<Vec<u8>, Flaw> {
    decode(text_of(members, name)?.ok_or(Flaw::Member)?)
}

fn rsa(members: &Map<String, Value>) -> Result<Vec<(Algorithm, ParsedPublicKey)>, Flaw> {
    let (n, e) = (number(members, "n")?, number(members, "e")?);
    // In the fewest octets (RFC 7518 §2), odd, and in range: aws-lc looks at the size when it verifies only.
    let is_number = |bytes: &[u8]| bytes.first().is_some_and(|first| *first != 0) && bytes[bytes.len() - 1] & 1 == 1;
    if !is_number(&n) || !is_number(&e) || e == [1] || e.len() > 4 {
        return Err(Flaw::KeyWeak);
    }
    let bits = n.len() * 8 - n[0].leading_zeros() as usize;
    if !RSA_BITS.contains(&bits) || is_roca(&n) {
        return Err(Flaw::KeyWeak);
    }
    let algorithms = match declared(members)? {
        Some(one) if Algorithm::RSA.contains(&one) => vec![one],
        Some(_) => return Err(Flaw::KeyUse),
        None => Algorithm::RSA.to_vec(),
    };
    let components = PublicKeyComponents { n, e };
    let parsed = |algorithm| {
        let key = components.to_parsed_public_key(rsa_parameters(algorithm)?).map_err(|_| Flaw::KeyWeak)?;
        Ok((algorithm, key))
    };
    algorithms.into_iter().map(parsed).collect()
}

/// Whether it has the mark of the smart cards whose keys can be factored (CVE-2017-15361): modulo each of these primes it
/// is a power of 65537, which a good one is once in 2^27.
fn is_roca(n: &[u8]) -> bool {
    const PRIMES: [u32; 17] = [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157];
    PRIMES.iter().all(|prime| {
        let rest = n.iter().fold(0, |rest, octet| (rest << 8 | u32::from(*octet)) % prime);
        let mut power = 1;
        (0..*prime).any(|_| {
            power = power * 65_537 % prime;
            power == rest
        })
    })
}

fn rsa_parameters(algorithm: Algorithm) -> Result<&'static RsaParameters, Flaw> {
    Ok(match algorithm {
        Algorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
        Algorithm::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
        _ => return Err(Flaw::KeyUse),
    })
}

/// The curve is the algorithm (RFC 7518 §3.4).
fn elliptic(members: &Map<String, Value>) -> Result<(Algorithm, ParsedPublicKey), Flaw> {
    let (algorithm, octets, verification): (_, _, &'static EcdsaVerificationAlgorithm) =
        match text_of(members, "crv")?.ok_or(Flaw::Member)? {
            "P-256" => (Algorithm::Es256, 32, &signature::ECDSA_P256_SHA256_FIXED),
            "P-384" => (Algorithm::Es384, 48, &signature::ECDSA_P384_SHA384_FIXED),
            "P-521" => (Algorithm::Es512, 66, &signature::ECDSA_P521_SHA512_FIXED),
            _ => return Err(Flaw::KeyKind),
        };
    if declared(members)?.is_some_and(|declared| declared != algorithm) {
        return Err(Flaw::KeyUse);
    }
    let (x, y) = (number(members, "x")?, number(members, "y")?);
    if x.len() != octets || y.len() != octets {
        return Err(Flaw::KeyWeak);
    }
    let point = [&[4], x.as_slice(), y.as_slice()].concat();
    let key = ParsedPublicKey::new(verification, point).map_err(|_| Flaw::KeyWeak)?;
    Ok((algorithm, key))
}

fn edwards(members: &Map<String, Value>) -> Result<(Algorithm, ParsedPublicKey), Flaw> {
    if text_of(members, "crv")? != Some("Ed25519") {
        return Err(Flaw::KeyKind);
    }
    if declared(members)?.is_some_and(|declared| declared != Algorithm::EdDsa) {
        return Err(Flaw::KeyUse);
    }
    let x = number(members, "x")?;
    if SMALL_ORDER.iter().any(|small| is_same_but_sign(&x, small)) {
        return Err(Flaw::KeyWeak);
    }
    let key = ParsedPublicKey::new(&signature::ED25519, x).map_err(|_| Flaw::KeyWeak)?;
    Ok((Algorithm::EdDsa, key))
}

/// The points of small order and their other spellings, without the sign: signatures by them say nothing (JWT-10).
const SMALL_ORDER: [[u8; 32]; 7] = [
    spelled(0, 0, 0),
    spelled(1, 0, 0),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
        0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
        0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
    spelled(0xec, 0xff, 0x7f),
    spelled(0xed, 0xff, 0x7f),
    spelled(0xee, 0xff, 0x7f),
];

const fn spelled(first: u8, between: u8, last: u8) -> [u8; 32] {
    let mut point = [between; 32];
    point[0] = first;
    point[31] = last;
    point
}

fn is_same_but_sign(x: &[u8], small: &[u8; 32]) -> bool {
    x.len() == 32 && x[..31] == small[..31] && x[31] & 0x7f == small[31] & 0x7f
}

#[cfg(test)]
mod tests;
