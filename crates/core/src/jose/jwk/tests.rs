//! Keys that are none, and the names of those that are.

use serde_json::json;

use super::super::sign::{SigningKey, generate};
use super::*;

/// The key of RFC 7638 §3.1.
fn rsa_of_rfc_7638() -> Value {
    json!({"kty": "RSA", "n": concat!(
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3okn",
        "jhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6",
        "qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"),
        "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"})
}

fn elliptic() -> Value {
    SigningKey::parse(Algorithm::Es256, &generate(Algorithm::Es256).unwrap()).unwrap().public_jwk().clone()
}

/// The same key with other members; null takes one away.
fn with(mut jwk: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(jwk.as_object_mut().unwrap().remove(name)),
            _ => jwk[name.as_str()] = value.clone(),
        }
    }
    jwk
}

fn refused(jwk: Value) -> Flaw {
    VerifyingKey::parse(&jwk).unwrap_err()
}

#[test]
fn rfc_7638_a_key_is_called_by_itself() {
    let expected = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
    assert_eq!(thumbprint(&rsa_of_rfc_7638()).unwrap(), expected);
    let others = with(rsa_of_rfc_7638(), json!({"alg": null, "kid": "x", "use": "sig", "more": [1]}));
    assert_eq!(thumbprint(&others).unwrap(), expected, "only required members count");
    // RFC 8037 A.3
    let edwards = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    assert_eq!(thumbprint(&edwards).unwrap(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    assert_eq!(thumbprint(&json!({"kty": "EC", "crv": "P-256", "x": "AA"})), Err(Flaw::Member));
    assert_eq!(thumbprint(&json!({"kty": "AKP"})), Err(Flaw::KeyKind));
}

#[test]
fn a_key_is_for_what_it_says_or_for_what_its_kind_can_do() {
    let algorithms = |jwk: Value| VerifyingKey::parse(&jwk).unwrap().algorithms().collect::<Vec<_>>();
    assert_eq!(algorithms(rsa_of_rfc_7638()), [Algorithm::Rs256]);
    assert_eq!(algorithms(with(rsa_of_rfc_7638(), json!({"alg": null}))), Algorithm::RSA);
    assert_eq!(algorithms(with(elliptic(), json!({"alg": null, "use": null}))), [Algorithm::Es256]);
}

#[test]
fn jwt_20_a_bad_key_verifies_nothing() {
    let rsa = rsa_of_rfc_7638;
    let n = decode(rsa()["n"].as_str().unwrap()).unwrap();
    let modulus = |bytes: &[u8]| with(rsa(), json!({"n": encode(bytes)}));
    let mut even = n.clone();
    *even.last_mut().unwrap() &= 0xfe;
    for (jwk, flaw) in [
        (modulus(&n[..64]), Flaw::KeyWeak),
        (modulus(&[&[0x7f], &n[1..]].concat()), Flaw::KeyWeak),
        (modulus(&even), Flaw::KeyWeak),
        (modulus(&[&[0], n.as_slice()].concat()), Flaw::KeyWeak),
        (modulus(&[]), Flaw::KeyWeak),
        (modulus(&[0xff; 1025]), Flaw::KeyWeak),
        (with(rsa(), json!({"e": "AQ"})), Flaw::KeyWeak),
        (with(rsa(), json!({"e": "Ag"})), Flaw::KeyWeak),
        (with(rsa(), json!({"e": "AAEAAQ"})), Flaw::KeyWeak),
        (with(rsa(), json!({"e": "AQAB="})), Flaw::Encoding),
        (with(rsa(), json!({"e": 65537})), Flaw::Member),
        (with(rsa(), json!({"use": "enc"})), Flaw::KeyUse),
        (with(rsa(), json!({"key_ops": ["encrypt"]})), Flaw::KeyUse),
        (with(rsa(), json!({"key_ops": "verify"})), Flaw::Member),
        (with(rsa(), json!({"alg": "RSA-OAEP"})), Flaw::KeyUse),
        (with(rsa(), json!({"alg": "ES256"})), Flaw::KeyUse),
        (with(rsa(), json!({"d": "AQAB"})), Flaw::KeyPrivate),
        (with(rsa(), json!({"kid": "x".repeat(KID_MAX + 1)})), Flaw::TooLong),
        (with(rsa(), json!({"kid": 7})), Flaw::Member),
        (with(elliptic(), json!({"alg": "ES384"})), Flaw::KeyUse),
        (with(elliptic(), json!({"crv": "P-384", "alg": null})), Flaw::KeyWeak),
        (with(elliptic(), json!({"crv": "secp256k1", "alg": null})), Flaw::KeyKind),
        (with(elliptic(), json!({"x": encode(&[0; 32]), "y": encode(&[0; 32])})), Flaw::KeyWeak),
        (with(elliptic(), json!({"x": encode(&[7; 32])})), Flaw::KeyWeak),
        (with(elliptic(), json!({"x": encode(&[7; 31])})), Flaw::KeyWeak),
        (json!({"kty": "OKP", "crv": "Ed25519", "x": encode(&[7; 31])}), Flaw::KeyWeak),
        (json!({"kty": "OKP", "crv": "X25519", "x": encode(&[7; 32])}), Flaw::KeyKind),
        (json!({"kty": "oct", "k": "AAAA"}), Flaw::KeyPrivate),
        (json!({"kty": "AKP"}), Flaw::KeyKind),
        (json!({}), Flaw::Member),
        (json!([]), Flaw::Json),
    ] {
        assert_eq!(refused(jwk.clone()), flaw, "{jwk}");
    }
}

#[test]
fn jwt_10_a_key_of_small_order_is_none() {
    // By such a key "nothing" is a signature of one text in eight at most: R the neutral point, S zero.
    let mut nothing = [0; 64];
    nothing[0] = 1;
    for point in SMALL_ORDER {
        for sign in [0, 0x80] {
            let mut x = point;
            x[31] |= sign;
            let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": encode(&x)});
            assert_eq!(refused(jwk), Flaw::KeyWeak, "{x:02x?}");
        }
        let Ok(key) = ParsedPublicKey::new(&signature::ED25519, point) else { continue };
        let is_signed = (0_u8..=255).any(|text| key.verify_sig(&[text], &nothing).is_ok());
        assert!(is_signed || point[31] == 0x7f, "no such point: {point:02x?}");
    }
}

#[test]
fn jwt_20_a_set_is_clear_or_refused() {
    let named = |kid: &str| with(elliptic(), json!({ "kid": kid }));
    let set = |keys: Vec<Value>| KeySet::of(&json!({ "keys": keys }));
    let found =
        set(vec![named("a"), json!({"kty": "AKP"}), with(rsa_of_rfc_7638(), json!({"use": "enc"})), named("b")]);
    let found = found.unwrap();
    assert_eq!(found.keys().len(), 2, "others are for others");
    assert!(found.find(Some("b")).is_some() && found.find(Some("c")).is_none() && found.find(None).is_none());
    assert!(set(vec![named("a")]).unwrap().find(None).is_some());
    let flaw = |keys| set(keys).unwrap_err();
    assert_eq!(flaw(vec![named("a"), with(rsa_of_rfc_7638(), json!({"kid": "a"}))]), Flaw::KeyTwice);
    assert_eq!(flaw(vec![named("a"), json!({"kty": "oct", "k": "AAAA"})]), Flaw::KeyPrivate);
    assert_eq!(flaw(vec![json!({"kty": "AKP"}); 10_000]), Flaw::TooManyKeys);
    assert_eq!(KeySet::parse(br#"{"keys":[],"keys":[]}"#).unwrap_err(), Flaw::Json);
    assert_eq!(KeySet::parse(&vec![b' '; SET_MAX + 1]).unwrap_err(), Flaw::TooLong);
    assert_eq!(KeySet::of(&json!({"keys": {}})).unwrap_err(), Flaw::Member);
}

#[test]
fn a_shared_secret_is_as_long_as_its_hash() {
    for (algorithm, bytes) in [(Algorithm::Hs256, 32), (Algorithm::Hs384, 48), (Algorithm::Hs512, 64)] {
        assert!(VerifyingKey::secret(algorithm, &vec![7; bytes], None).is_ok());
        assert_eq!(VerifyingKey::secret(algorithm, &vec![7; bytes - 1], None).unwrap_err(), Flaw::KeyWeak);
    }
    assert_eq!(VerifyingKey::secret(Algorithm::Es256, &[7; 32], None).unwrap_err(), Flaw::Algorithm);
}
