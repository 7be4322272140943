//! Certificates for tests: self-signed, P-256, with any dates, made by hand so that nothing has to be installed.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use admit_core::time::{Span, Time};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use data_encoding::BASE64;

/// ecdsa-with-SHA256, id-ecPublicKey with prime256v1, commonName, subjectAltName.
const ECDSA_SHA256: &[u8] = &[0x06, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 4, 3, 2];
const P256: &[u8] = &[0x06, 7, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 2, 1, 0x06, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 3, 1, 7];
const COMMON_NAME: &[u8] = &[0x06, 3, 0x55, 4, 3];
const ALTERNATIVE_NAME: &[u8] = &[0x06, 3, 0x55, 0x1D, 0x11];

/// A certificate with its key, as PEM and in DER.
pub struct Made {
    pub cert: String,
    pub key: String,
    pub der: Vec<u8>,
}

/// The moment, for dates around it.
pub fn now() -> Time {
    admit::app::Clock::default().now()
}

/// For `localhost` and 127.0.0.1, from yesterday on, for as many days.
pub fn make(days: i64) -> Made {
    make_for(now() - Span::days(1), now() + Span::days(days))
}

/// With these dates.
pub fn make_for(begins: Time, ends: Time) -> Made {
    make_of("localhost", begins, ends)
}

/// For another name, from yesterday to tomorrow.
pub fn make_named(name: &str) -> Made {
    make_of(name, now() - Span::days(1), now() + Span::days(1))
}

fn make_of(host: &str, begins: Time, ends: Time) -> Made {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref()).unwrap();
    let serial: [u8; 8] = admit::app::random();
    let name = sequence(&[element(0x31, &sequence(&[COMMON_NAME.to_vec(), element(0x0C, host.as_bytes())]))]);
    let public = [&[0], pair.public_key().as_ref()].concat();
    let names = sequence(&[element(0x82, host.as_bytes()), element(0x87, &[127, 0, 0, 1])]);
    let extension = sequence(&[ALTERNATIVE_NAME.to_vec(), element(0x04, &names)]);
    let body = sequence(&[
        element(0xA0, &element(0x02, &[2])),
        element(0x02, &[&[1], serial.as_slice()].concat()),
        sequence(&[ECDSA_SHA256.to_vec()]),
        name.clone(),
        sequence(&[date(begins), date(ends)]),
        name,
        sequence(&[sequence(&[P256.to_vec()]), element(0x03, &public)]),
        element(0xA3, &sequence(&[extension])),
    ]);
    let signature = [&[0], pair.sign(&random, &body).unwrap().as_ref()].concat();
    let der = sequence(&[body, sequence(&[ECDSA_SHA256.to_vec()]), element(0x03, &signature)]);
    Made { cert: pem("CERTIFICATE", &der), key: pem("PRIVATE KEY", pkcs8.as_ref()), der }
}

impl Made {
    /// Writes both files and returns the section of the configuration that names them.
    pub fn write(&self, folder: &Path) -> String {
        let [cert, key] = files(folder);
        std::fs::write(&cert, &self.cert).unwrap();
        std::fs::write(&key, &self.key).unwrap();
        format!("[tls]\ncert_file = '{}'\nkey_file = '{}'\n", cert.display(), key.display())
    }
}

/// Where [`Made::write`] writes.
pub fn files(folder: &Path) -> [PathBuf; 2] {
    ["tls.crt", "tls.key"].map(|name| folder.join(name))
}

pub fn pem(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in BASE64.encode(der).as_bytes().chunks(64) {
        let _ = writeln!(text, "{}", String::from_utf8_lossy(line));
    }
    text + &format!("-----END {label}-----\n")
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = match content.len() {
        short @ 0..=0x7F => vec![u8::try_from(short).unwrap()],
        middle @ 0x80..=0xFF => vec![0x81, u8::try_from(middle).unwrap()],
        long => [vec![0x82], u16::try_from(long).unwrap().to_be_bytes().to_vec()].concat(),
    };
    [vec![tag], length, content.to_vec()].concat()
}

fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    element(0x30, &parts.concat())
}

fn date(at: Time) -> Vec<u8> {
    let digits: String = at.to_string().chars().filter(char::is_ascii_digit).collect();
    element(0x18, format!("{digits}Z").as_bytes())
}
