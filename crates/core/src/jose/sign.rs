//! Writing signed text: keys that are parsed once, and the public half that others verify by.
//!
//! Keys are made, kept and chosen elsewhere. aws-lc draws the nonces of ECDSA and the salts of PSS itself: the one place
//! in core where randomness is no argument.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{self, KeySize};
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaEncoding};
use serde::Serialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::algorithm::Algorithm;
use super::jwk::thumbprint;
use super::{Flaw, encode};
use crate::der::{INTEGER, SEQUENCE, take};

/// A key that signs, under the name that its public half has by itself (RFC 7638).
pub struct SigningKey {
    algorithm: Algorithm,
    kid: String,
    public: Value,
    pair: Pair,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Edwards(Ed25519KeyPair),
    Rsa(rsa::KeyPair, &'static dyn RsaEncoding),
}

/// Never the key itself.
impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// What Admit signs by.
pub const SIGNING: [Algorithm; 4] = [Algorithm::Es256, Algorithm::Rs256, Algorithm::Ps256, Algorithm::EdDsa];

/// A new private key for this algorithm, as PKCS#8: to be sealed and kept. RSA ones have 2,048 bits and take a while.
pub fn generate(algorithm: Algorithm) -> Result<Zeroizing<Vec<u8>>, Flaw> {
    let random = SystemRandom::new();
    let document = match algorithm {
        Algorithm::Es256 => EcdsaKeyPair::generate_pkcs8(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, &random),
        Algorithm::EdDsa => Ed25519KeyPair::generate_pkcs8(&random),
        Algorithm::Rs256 | Algorithm::Ps256 => {
            let pair = rsa::KeyPair::generate(KeySize::Rsa2048).map_err(|_| Flaw::KeyWeak)?;
            let der = pair.as_der().map_err(|_| Flaw::KeyWeak)?;
            return Ok(Zeroizing::new(der.as_ref().to_vec()));
        }
        _ => return Err(Flaw::Algorithm),
    };
    Ok(Zeroizing::new(document.map_err(|_| Flaw::KeyWeak)?.as_ref().to_vec()))
}

impl SigningKey {
    /// Reads a private key.
    pub fn parse(algorithm: Algorithm, pkcs8: &[u8]) -> Result<Self, Flaw> {
        let (pair, public) = match algorithm {
            Algorithm::Es256 => ecdsa(pkcs8)?,
            Algorithm::EdDsa => edwards(pkcs8)?,
            Algorithm::Rs256 => rsa_pair(pkcs8, &signature::RSA_PKCS1_SHA256)?,
            Algorithm::Ps256 => rsa_pair(pkcs8, &signature::RSA_PSS_SHA256)?,
            _ => return Err(Flaw::Algorithm),
        };
        let kid = thumbprint(&public)?;
        let mut public = public;
        public["kid"] = kid.as_str().into();
        public["alg"] = algorithm.as_str().into();
        public["use"] = "sig".into();
        Ok(Self { algorithm, kid, public, pair })
    }

    /// By what it signs.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Its name.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Its public half, for a set of keys (RFC 7517): `kty` with its members, `kid`, `alg`, `use`.
    pub fn public_jwk(&self) -> &Value {
        &self.public
    }

    /// A JWT of this type with these claims (RFC 7519 §3), in the compact serialization.
    pub fn sign(&self, typ: &str, claims: &impl Serialize) -> Result<String, Flaw> {
        let header = json!({ "alg": self.algorithm.as_str(), "kid": self.kid, "typ": typ }).to_string();
        let payload = serde_json::to_vec(claims).map_err(|_| Flaw::Json)?;
        let mut text = format!("{}.{}", encode(header.as_bytes()), encode(&payload));
        let signature = self.signature(text.as_bytes())?;
        text.push('.');
        text.push_str(&encode(&signature));
        Ok(text)
    }

    /// What the key makes of a text.
    fn signature(&self, signed: &[u8]) -> Result<Vec<u8>, Flaw> {
        let random = SystemRandom::new();
        let failed = |_| Flaw::Signature;
        match &self.pair {
            Pair::Ecdsa(pair) => Ok(pair.sign(&random, signed).map_err(failed)?.as_ref().to_vec()),
            Pair::Edwards(pair) => Ok(pair.try_sign(signed).map_err(failed)?.as_ref().to_vec()),
            Pair::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &random, signed, &mut signature).map_err(failed)?;
                Ok(signature)
            }
        }
    }
}

fn ecdsa(pkcs8: &[u8]) -> Result<(Pair, Value), Flaw> {
    let pair = EcdsaKeyPair::from_pkcs8(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8);
    let pair = pair.map_err(|_| Flaw::KeyWeak)?;
    // Uncompressed: 4, x, y.
    let (x, y) = pair.public_key().as_ref().get(1..).ok_or(Flaw::KeyWeak)?.split_at(32);
    let public = json!({ "kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y) });
    Ok((Pair::Ecdsa(pair), public))
}

fn edwards(pkcs8: &[u8]) -> Result<(Pair, Value), Flaw> {
    let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_| Flaw::KeyWeak)?;
    let public = json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref()) });
    Ok((Pair::Edwards(pair), public))
}

fn rsa_pair(pkcs8: &[u8], encoding: &'static dyn RsaEncoding) -> Result<(Pair, Value), Flaw> {
    let pair = rsa::KeyPair::from_pkcs8(pkcs8).map_err(|_| Flaw::KeyWeak)?;
    let (n, e) = rsa_numbers(pair.public_key().as_ref()).ok_or(Flaw::KeyWeak)?;
    let public = json!({ "kty": "RSA", "n": encode(n), "e": encode(e) });
    Ok((Pair::Rsa(pair, encoding), public))
}

/// Modulus and exponent of an RSAPublicKey (RFC 8017 A.1.1), in the fewest octets.
fn rsa_numbers(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (numbers, _) = take(der, SEQUENCE)?;
    let (n, rest) = take(numbers, INTEGER)?;
    let (e, _) = take(rest, INTEGER)?;
    let bare = |number: &'_ [u8]| number.iter().position(|octet| *octet != 0);
    Some((&n[bare(n)?..], &e[bare(e)?..]))
}

#[cfg(test)]
mod tests {
    use super::super::jwk::{KeySet, VerifyingKey};
    use super::super::jws::Compact;
    use super::*;

    #[test]
    fn what_is_signed_is_verified_by_the_public_half_and_by_nothing_else() {
        for algorithm in SIGNING {
            let [key, other] = [(); 2].map(|()| SigningKey::parse(algorithm, &generate(algorithm).unwrap()).unwrap());
            let token = key.sign("at+jwt", &json!({ "sub": "alice" })).unwrap();
            let compact = Compact::parse(&token).unwrap();
            assert!(compact.header().is_type("at+jwt"));
            assert_eq!((compact.header().algorithm, compact.header().kid.as_deref()), (algorithm, Some(key.kid())));
            let set = KeySet::of(&json!({ "keys": [key.public_jwk(), other.public_jwk()] })).unwrap();
            let found = set.find(Some(key.kid())).unwrap();
            assert_eq!(compact.verify(found).unwrap(), br#"{"sub":"alice"}"#, "{algorithm}");
            let mut renamed = other.public_jwk().clone();
            renamed["kid"] = key.kid().into();
            assert_eq!(compact.verify(&VerifyingKey::parse(&renamed).unwrap()), Err(Flaw::Signature), "{algorithm}");
            assert!(set.find(None).is_none(), "two keys and no name");
        }
    }

    #[test]
    fn a_public_half_shows_nothing_private_and_is_called_by_itself() {
        for algorithm in SIGNING {
            let key = SigningKey::parse(algorithm, &generate(algorithm).unwrap()).unwrap();
            let mut members: Vec<_> = key.public_jwk().as_object().unwrap().keys().cloned().collect();
            members.sort();
            let own: &[&str] = match algorithm {
                Algorithm::Es256 => &["alg", "crv", "kid", "kty", "use", "x", "y"],
                Algorithm::EdDsa => &["alg", "crv", "kid", "kty", "use", "x"],
                _ => &["alg", "e", "kid", "kty", "n", "use"],
            };
            assert_eq!(members, own);
            assert_eq!(thumbprint(key.public_jwk()).unwrap(), key.kid());
            assert!(!format!("{key:?}").contains("pair"));
        }
    }

    #[test]
    fn a_key_is_for_one_algorithm() {
        let elliptic = generate(Algorithm::Es256).unwrap();
        for other in [Algorithm::EdDsa, Algorithm::Rs256, Algorithm::Ps256] {
            assert_eq!(SigningKey::parse(other, &elliptic).unwrap_err(), Flaw::KeyWeak, "{other}");
        }
        assert_eq!(SigningKey::parse(Algorithm::Hs256, &elliptic).unwrap_err(), Flaw::Algorithm);
    }
}
