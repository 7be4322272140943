//! Vectors of others: Wycheproof (JWS, JWK) and the JOSE cookbook (RFC 7520, 8037, 7797).
//!
//! Each case gives what its authors say, but for those that are named here with the reason. They are not part of this
//! repository: `ADMIT_VECTORS` says where they lie, else they are looked for beside it.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::fs;
use std::path::PathBuf;

use admit_core::jose::algorithm::Algorithm;
use admit_core::jose::jwk::{KeySet, VerifyingKey, thumbprint};
use admit_core::jose::jws::Compact;
use admit_core::jose::{Flaw, decode, encode};
use serde_json::{Value, json};

fn vectors() -> PathBuf {
    let named = std::env::var_os("ADMIT_VECTORS").map(PathBuf::from);
    named.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"))
}

fn read(path: &str) -> Value {
    let file = vectors().join(path);
    let text = fs::read(&file).unwrap_or_else(|error| {
        panic!("{}: {error}. Name the folder that holds wycheproof/ and jose-cookbook/: ADMIT_VECTORS", file.display())
    });
    serde_json::from_slice(&text).unwrap()
}

/// A key of the vectors: public, or a secret that two share.
fn key(jwk: &Value) -> Result<VerifyingKey, Flaw> {
    let text = |name: &str| jwk[name].as_str();
    if text("kty") != Some("oct") {
        return VerifyingKey::parse(jwk);
    }
    let algorithm = text("alg").and_then(Algorithm::parse).ok_or(Flaw::KeyUse)?;
    VerifyingKey::secret(algorithm, &decode(text("k").unwrap())?, text("kid").map(str::to_owned))
}

/// One key or several.
fn keys(jwk: &Value) -> Result<KeySet, Flaw> {
    match jwk.get("keys").and_then(Value::as_array) {
        Some(several) => KeySet::new(several.iter().map(key).collect::<Result<_, _>>()?),
        None => KeySet::new(vec![key(jwk)?]),
    }
}

fn verify(jwk: &Value, text: &str) -> Result<Vec<u8>, Flaw> {
    let keys = keys(jwk)?;
    let compact = Compact::parse(text)?;
    let kid = compact.header().kid.as_deref();
    let only = keys.keys().first().filter(|_| keys.keys().len() == 1);
    compact.verify(keys.find(kid).or(only).ok_or(Flaw::UnknownKey)?)
}

const SIGNATURES: &str = "json_web_signature_test.json";

/// Signatures of which we say something else than the vectors, and why.
const OTHERWISE: [(u64, Result<(), Flaw>); 8] = [
    // The key says PS256 and the header PS384: a key is for one algorithm (RFC 8725 §3.1).
    (346, Err(Flaw::Algorithm)),
    (350, Err(Flaw::Algorithm)),
    // The key says "ES521", which is no algorithm: that of P-521 is ES512.
    (347, Err(Flaw::KeyUse)),
    (351, Err(Flaw::KeyUse)),
    // A question mark in base64url (RFC 7515 §2 has none): a text would have many spellings.
    (372, Err(Flaw::Encoding)),
    (373, Err(Flaw::Signature)),
    // Said to be invalid, and letter by letter the text of 357, which is said to be valid.
    (367, Ok(())),
    (370, Ok(())),
];

/// Runs a file; says how many cases there were. `is_ours` passes over what is encryption.
fn wycheproof(name: &str, is_ours: impl Fn(&Value) -> bool) -> usize {
    let file = read(&format!("wycheproof/{name}"));
    let mut count = 0;
    let mut others = Vec::new();
    for group in file["testGroups"].as_array().unwrap() {
        let jwk = group.get("public").unwrap_or(&group["private"]);
        for case in group["tests"].as_array().unwrap().iter().filter(|case| is_ours(case)) {
            count += 1;
            let id = case["tcId"].as_u64().unwrap();
            let text = match &case["jws"] {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let told = verify(jwk, &text);
            let otherwise = OTHERWISE.iter().find(|(known, _)| name == SIGNATURES && *known == id);
            let is_as_said = match otherwise {
                Some((_, expected)) => told.as_ref().map(drop) == expected.as_ref().map(drop),
                None => told.is_ok() == (case["result"] == "valid"),
            };
            if !is_as_said {
                others.push(format!("{id} {}: {told:?}", case["comment"]));
            }
        }
    }
    assert!(others.is_empty(), "{name}: {others:#?}");
    count
}

#[test]
fn wycheproof_signatures() {
    assert_eq!(wycheproof(SIGNATURES, |_| true), 401);
}

#[test]
fn wycheproof_keys() {
    assert_eq!(wycheproof("json_web_key_test.json", |_| true), 26);
}

#[test]
fn wycheproof_signatures_among_encryption() {
    assert!(wycheproof("json_web_crypto_test.json", |case| case.get("jws").is_some()) > 20);
}

/// JWT-16, JWT-17: whatever is encrypted is no signed text, and is refused before any key is looked at.
#[test]
fn jwt_17_encryption_is_refused() {
    let file = read("wycheproof/json_web_encryption_test.json");
    let groups = file["testGroups"].as_array().unwrap();
    let cases: Vec<_> = groups.iter().flat_map(|group| group["tests"].as_array().unwrap()).collect();
    assert_eq!(cases.len(), 139);
    for case in cases {
        let text = case["jwe"].as_str().map_or_else(|| case["jwe"].to_string(), str::to_owned);
        let flaw = Compact::parse(&text).unwrap_err();
        assert!(matches!(flaw, Flaw::NotCompact | Flaw::TooLong), "{} {flaw:?}", case["tcId"]);
    }
}

/// The public half of a private key.
fn public(jwk: &Value) -> Value {
    let mut public = jwk.clone();
    if jwk["kty"] != "oct" {
        public.as_object_mut().unwrap().retain(|name, _| !["d", "p", "q", "dp", "dq", "qi"].contains(&name.as_str()));
    }
    public
}

#[test]
fn cookbook_signatures() {
    let compact =
        ["4_1.rsa_v15_signature", "4_2.rsa-pss_signature", "4_3.ecdsa_signature", "4_4.hmac-sha2_integrity_protection"];
    for name in compact {
        let vector = read(&format!("jose-cookbook/jws/{name}.json"));
        let text = vector["output"]["compact"].as_str().unwrap();
        let payload = verify(&public(&vector["input"]["key"]), text).unwrap();
        assert_eq!(String::from_utf8(payload).unwrap(), vector["input"]["payload"].as_str().unwrap(), "{name}");
    }
    let edwards = read("jose-cookbook/curve25519/jws.json");
    let payload = verify(&public(&edwards["input"]["key"]), edwards["output"]["compact"].as_str().unwrap()).unwrap();
    assert_eq!(payload, b"Example of Ed25519 signing");
}

#[test]
fn cookbook_what_is_not_ours_is_refused() {
    let detached = read("jose-cookbook/jws/4_5.signature_with_detached_content.json");
    let text = detached["output"]["compact"].as_str().unwrap();
    assert_eq!(verify(&detached["input"]["key"], text), Err(Flaw::Signature), "the payload is elsewhere");
    for name in ["4_6.protecting_specific_header_fields", "4_7.protecting_content_only", "4_8.multiple_signatures"] {
        let output = &read(&format!("jose-cookbook/jws/{name}.json"))["output"];
        for form in ["json", "json_flat"] {
            let Some(object) = output.get(form) else { continue };
            assert!(Compact::parse(&object.to_string()).is_err(), "JWT-19 {name} {form}");
        }
    }
    for name in ["4.2.hmac-sha2_b64_false", "hmac-sha2_b64_false"] {
        let vector = read(&format!("jose-cookbook/rfc7797/{name}.json"));
        let header = vector["output"]["json"]["signatures"][0]["protected"].as_str().unwrap();
        assert_eq!(Compact::parse(&format!("{header}.e30.AA")).unwrap_err(), Flaw::Critical, "JWT-06 {name}");
    }
    let nested = read("jose-cookbook/6.nesting_signatures_and_encryption.json");
    let encrypted = nested["encrypt"]["output"]["compact"].as_str().expect("a JWE around a JWS");
    assert_eq!(Compact::parse(encrypted).unwrap_err(), Flaw::NotCompact);
}

#[test]
fn cookbook_keys() {
    let jwk = |name: &str| read(&format!("jose-cookbook/jwk/{name}.json"));
    for (public_name, private_name) in
        [("3_1.ec_public_key", "3_2.ec_private_key"), ("3_3.rsa_public_key", "3_4.rsa_private_key")]
    {
        let (public_key, private_key) = (jwk(public_name), jwk(private_name));
        assert!(VerifyingKey::parse(&public_key).is_ok(), "{public_name}");
        assert_eq!(VerifyingKey::parse(&private_key).unwrap_err(), Flaw::KeyPrivate, "{private_name}");
        assert_eq!(thumbprint(&public_key), thumbprint(&private_key), "both are called the same");
    }
    assert!(key(&jwk("3_5.symmetric_key_mac_computation")).is_ok());
    assert_eq!(key(&jwk("3_6.symmetric_key_encryption")).unwrap_err(), Flaw::KeyUse);
}

/// JWT-02: the public key of an issuer, in whatever form it is published, as the secret of an HMAC.
#[test]
fn jwt_02_a_public_key_is_no_secret() {
    let jwk = public(&read("jose-cookbook/jws/4_1.rsa_v15_signature.json")["input"]["key"]);
    let header = encode(json!({"alg": "HS256", "kid": jwk["kid"]}).to_string().as_bytes());
    let signed = format!("{header}.{}", encode(br#"{"sub":"alice"}"#));
    for secret in [jwk.to_string(), jwk["n"].as_str().unwrap().to_owned(), format!("\n{jwk}"), format!("{jwk} ")] {
        let hmac = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret.as_bytes());
        let text = format!("{signed}.{}", encode(aws_lc_rs::hmac::sign(&hmac, signed.as_bytes()).as_ref()));
        assert_eq!(verify(&jwk, &text), Err(Flaw::Algorithm), "{secret:?}");
    }
}
