//! What signing and verifying cost by themselves: aws-lc's own rate, measured in the same run on one thread.

use std::hint::black_box;
use std::time::Duration;

use admit_core::jose::algorithm::Algorithm;
use admit_core::jose::sign::generate;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256,
};

use crate::report::median;
use crate::{Result, machine};

/// What is signed is as long as the first two parts of a token.
const MESSAGE: [u8; 640] = [b'x'; 640];
/// How many at a time.
const BATCH: u32 = 64;
/// How long one is made, or verified, over and over.
const TURN: Duration = Duration::from_secs(1);

/// A key that signs as Admit does, without a token around it.
enum Pair {
    Ecdsa(EcdsaKeyPair),
    Edwards(Ed25519KeyPair),
    Rsa(Box<rsa::KeyPair>),
}

impl Pair {
    fn new(algorithm: Algorithm) -> Result<Self> {
        let failed = |what: &dyn std::fmt::Debug| format!("cannot make a key for {algorithm}: {what:?}");
        let pkcs8 = generate(algorithm).map_err(|flaw| failed(&flaw))?;
        match algorithm {
            Algorithm::Es256 => EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8).map(Self::Ecdsa),
            Algorithm::EdDsa => Ed25519KeyPair::from_pkcs8(&pkcs8).map(Self::Edwards),
            _ => rsa::KeyPair::from_pkcs8(&pkcs8).map(|pair| Self::Rsa(Box::new(pair))),
        }
        .map_err(|error| failed(&error))
    }

    fn sign(&self, random: &SystemRandom) -> Result<Vec<u8>> {
        let failed = |_| "cannot sign".to_owned();
        match self {
            Self::Ecdsa(pair) => pair.sign(random, &MESSAGE).map(|made| made.as_ref().to_vec()).map_err(failed),
            Self::Edwards(pair) => pair.try_sign(&MESSAGE).map(|made| made.as_ref().to_vec()).map_err(failed),
            Self::Rsa(pair) => {
                let mut made = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, random, &MESSAGE, &mut made).map_err(failed)?;
                Ok(made)
            }
        }
    }

    fn public(&self) -> Result<ParsedPublicKey> {
        let parsed = match self {
            Self::Ecdsa(pair) => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref()),
            Self::Edwards(pair) => ParsedPublicKey::new(&ED25519, pair.public_key().as_ref()),
            Self::Rsa(pair) => ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref()),
        };
        parsed.map_err(|error| format!("a public key is none: {error}"))
    }
}

/// Microseconds of processor time that one signature takes.
pub fn sign_us(algorithm: Algorithm) -> Result<f64> {
    let (pair, random) = (Pair::new(algorithm)?, SystemRandom::new());
    each_us(|| pair.sign(&random).map(|made| drop(black_box(made))))
}

/// The same of verifying one.
pub fn verify_us(algorithm: Algorithm) -> Result<f64> {
    let pair = Pair::new(algorithm)?;
    let (made, public) = (pair.sign(&SystemRandom::new())?, pair.public()?);
    each_us(|| public.verify_sig(black_box(&MESSAGE), &made).map_err(|_| "a signature is none".to_owned()))
}

/// The middle of each column of several turns.
pub fn medians<const N: usize>(turns: &[[f64; N]]) -> [f64; N] {
    std::array::from_fn(|column| median(turns.iter().map(|turn| turn[column]).collect()))
}

/// Repeats for a turn; what this process uses meanwhile is this.
fn each_us(mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    let (own, start) = (std::process::id(), std::time::Instant::now());
    let (before, mut count) = (machine::own_cpu_time(own)?, 0_u32);
    while start.elapsed() < TURN {
        (0..BATCH).try_for_each(|_| work())?;
        count += BATCH;
    }
    let used = machine::own_cpu_time(own)?.saturating_sub(before);
    Ok(used.as_secs_f64() * 1e6 / f64::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_algorithm_signs_and_verifies() {
        for algorithm in [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256] {
            let pair = Pair::new(algorithm).unwrap();
            let made = pair.sign(&SystemRandom::new()).unwrap();
            let public = pair.public().unwrap();
            assert!(public.verify_sig(&MESSAGE, &made).is_ok() && public.verify_sig(b"y", &made).is_err());
        }
    }
}
