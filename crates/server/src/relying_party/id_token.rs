//! Whether an ID token is one, for this application and from this sign-in (OpenID Connect Core §3.1.3.7).

use admit_core::jose::Flaw;
use admit_core::jose::algorithm::Algorithm;
use admit_core::jose::claims::Claims;
use admit_core::jose::jwk::KeySet;
use admit_core::jose::jws::Compact;
use admit_core::secret::digest;
use admit_core::time::Time;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Map, Value};

use super::Trouble;

/// What it must be.
pub struct Expected<'a> {
    /// Whose.
    pub issuer: &'a str,
    /// For which application.
    pub client_id: &'a str,
    /// From which attempt; none where a refresh gave it.
    pub nonce: Option<&'a str>,
    /// The access token that came along.
    pub access_token: &'a str,
    /// The moment.
    pub now: Time,
}

/// What it says, once it is true.
pub fn verify(id_token: &str, keys: &Value, expected: &Expected<'_>) -> Result<Map<String, Value>, Trouble> {
    let bad = |flaw: Flaw| Trouble::Untrue(format!("the ID token is not good: {flaw}"));
    let keys = KeySet::of(keys).map_err(bad)?;
    let compact = Compact::parse(id_token).map_err(bad)?;
    let Some(key) = keys.find(compact.header().kid.as_deref()) else {
        return Err(Trouble::Untrue("the ID token is signed by a key that is not published".to_owned()));
    };
    let claims = Claims::parse(&compact.verify(key).map_err(bad)?).map_err(bad)?;
    claims.must_be_issued_by(expected.issuer).map_err(bad)?;
    claims.must_be_for(expected.client_id).map_err(bad)?;
    claims.must_be_timely(expected.now).map_err(bad)?;
    claims.must_be_text("sub").map_err(bad)?;
    if claims.text("nonce").map_err(bad)? != expected.nonce {
        return Err(Trouble::Untrue("the ID token is from another sign-in: its nonce is not ours".to_owned()));
    }
    let hash = claims.text("at_hash").map_err(bad)?;
    if hash.is_some_and(|hash| half(compact.header().algorithm, expected.access_token).is_some_and(|own| own != hash)) {
        return Err(Trouble::Untrue("the ID token came with another access token".to_owned()));
    }
    Ok(claims.members().clone())
}

/// `at_hash` (OpenID Connect Core §3.1.3.6), by the hash of the algorithm; those with another than SHA-256 are not compared.
fn half(algorithm: Algorithm, access_token: &str) -> Option<String> {
    let is_256 = algorithm.as_str().ends_with("256");
    is_256.then(|| BASE64URL_NOPAD.encode(&digest(access_token)[..16]))
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use admit_core::jose::sign::{SigningKey, generate};
    use serde_json::json;

    use super::*;

    const NOW: Time = Time::from_unix_ms(1_796_083_200_000);

    static KEY: LazyLock<SigningKey> = LazyLock::new(|| key(Algorithm::Es256));

    fn key(algorithm: Algorithm) -> SigningKey {
        SigningKey::parse(algorithm, &generate(algorithm).unwrap()).unwrap()
    }

    fn judged(change: impl Fn(&mut Value), by: &SigningKey) -> Result<Map<String, Value>, Trouble> {
        let seconds = NOW.unix_ms() / 1_000;
        let mut claims = json!({"iss": "https://auth.test", "sub": "usr_1", "aud": "cli_1", "exp": seconds + 60,
            "iat": seconds, "nonce": "n", "at_hash": half(Algorithm::Es256, "token")});
        change(&mut claims);
        let expected = Expected {
            issuer: "https://auth.test",
            client_id: "cli_1",
            nonce: Some("n"),
            access_token: "token",
            now: NOW,
        };
        verify(&by.sign("JWT", &claims).unwrap(), &json!({"keys": [KEY.public_jwk()]}), &expected)
    }

    #[test]
    fn an_id_token_is_for_us_from_this_sign_in_or_nothing_of_it_is_believed() {
        assert_eq!(judged(|_| (), &KEY).unwrap()["sub"], "usr_1");
        let set = |name: &'static str, value: Value| move |claims: &mut Value| claims[name] = value.clone();
        for (name, value, why) in [
            ("iss", json!("https://evil.test"), "iss"),
            ("aud", json!("cli_2"), "aud"),
            ("exp", json!(NOW.unix_ms() / 1_000 - 60), "exp"),
            ("nonce", json!("m"), "nonce"),
            ("nonce", json!(null), "nonce"),
            ("at_hash", json!("AAAA"), "another access token"),
        ] {
            let Err(Trouble::Untrue(said)) = judged(set(name, value.clone()), &KEY) else { panic!("{name} {value}") };
            assert!(said.contains(why), "{name} {value}: {said}");
        }
        let Err(Trouble::Untrue(said)) = judged(|_| (), &key(Algorithm::Es256)) else { panic!("another key") };
        assert!(said.contains("not published"), "{said}");
    }
}
