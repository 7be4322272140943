use serde_json::json;

use super::*;

fn client() -> ClientSpec {
    ClientSpec::service(Label::parse("shop").unwrap(), Rights::new())
}

fn refused(spec: ClientSpec) -> Vec<String> {
    spec.resolve().map_or_else(|problems| problems.into_iter().map(|problem| problem.path).collect(), |_| Vec::new())
}

/// A public key of everybody's (RFC 7517 A.1).
fn public_key() -> Value {
    json!({"kty": "EC", "crv": "P-256", "kid": "1", "use": "sig",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"})
}

fn signing(jwks: Value, jwks_uri: Option<&str>) -> ClientSpec {
    let token_endpoint_auth_method = Some(AuthMethod::PrivateKeyJwt);
    ClientSpec { token_endpoint_auth_method, jwks, jwks_uri: jwks_uri.map(str::to_owned), ..client() }
}

#[test]
fn limits_hold_at_their_edge() {
    assert_eq!(refused(ClientSpec { name: Label::parse("cli_x").unwrap(), ..client() }), ["name"]);
    assert_eq!(refused(ClientSpec { metadata: json!(1), ..client() }), ["metadata"]);
    let with = |bytes: usize| {
        let size = json!({"keys": [public_key()], "x": ""}).to_string().len();
        refused(signing(json!({"keys": [public_key()], "x": "x".repeat(bytes - size)}), None))
    };
    assert_eq!((with(JWKS_MAX), with(JWKS_MAX + 1)), (vec![], vec!["jwks".to_owned()]));
    let many = |count: usize| {
        let named = |number: usize| {
            let mut key = public_key();
            key["kid"] = json!(number.to_string());
            key
        };
        let problems = signing(json!({"keys": (0..count).map(named).collect::<Vec<_>>()}), None).resolve();
        problems.err().map(|problems| problems[0].message.clone())
    };
    assert_eq!((many(KEYS_MAX), many(KEYS_MAX + 1)), (None, Some("has 11 keys, at most 10 are kept".to_owned())));
}

#[test]
fn an_older_row_is_still_read() {
    let row = r#"{"name": "shop", "type": "web", "redirect_uris": ["com.example.app:/cb"], "first_party": true}"#;
    let spec: ClientSpec = serde_json::from_str(row).unwrap();
    assert!(spec.proves_by(AuthMethod::ClientSecretPost) && spec.has_secrets());
    let unknown = serde_json::from_str::<ClientSpec>(r#"{"name": "a", "type": "web", "grant_types": []}"#);
    assert!(unknown.unwrap_err().to_string().contains("unknown field"));
}

#[test]
fn rfc_7591_5_a_kind_of_client_has_its_ways() {
    for (kind, method, is_good) in [
        (ClientType::Service, AuthMethod::ClientSecretBasic, true),
        (ClientType::Web, AuthMethod::ClientSecretPost, true),
        (ClientType::Service, AuthMethod::None, false),
        (ClientType::Spa, AuthMethod::None, true),
        (ClientType::Spa, AuthMethod::ClientSecretBasic, false),
        (ClientType::Native, AuthMethod::PrivateKeyJwt, false),
        (ClientType::Device, AuthMethod::ClientSecretPost, false),
    ] {
        let spec = ClientSpec { kind, token_endpoint_auth_method: Some(method), ..client() };
        let told = refused(spec.clone());
        assert_eq!(told.is_empty(), is_good, "{kind:?} {method}: {told:?}");
        assert!(spec.proves_by(method));
    }
    let basic_only = ClientSpec { token_endpoint_auth_method: Some(AuthMethod::ClientSecretBasic), ..client() };
    assert!(!basic_only.proves_by(AuthMethod::ClientSecretPost), "what was said is all that counts");
    assert!(client().proves_by(AuthMethod::ClientSecretBasic) && client().proves_by(AuthMethod::ClientSecretPost));
    assert!(!client().proves_by(AuthMethod::PrivateKeyJwt) && !client().proves_by(AuthMethod::None));
}

#[test]
fn rfc_7591_3_keys_come_along_or_are_fetched_and_not_both() {
    let keys = || json!({"keys": [public_key()]});
    assert_eq!(refused(signing(keys(), None)), [""; 0]);
    assert_eq!(refused(signing(Value::Null, Some("https://a.test/jwks"))), [""; 0]);
    assert_eq!(refused(signing(keys(), Some("https://a.test/jwks"))), ["jwks_uri"]);
    assert_eq!(refused(signing(Value::Null, None)), ["jwks"]);
    assert_eq!(refused(ClientSpec { jwks: keys(), ..client() }), ["jwks"], "keys that nothing would look at");
    assert_eq!(refused(ClientSpec { jwks_uri: Some("https://a.test".to_owned()), ..client() }), ["jwks_uri"]);
    for bad in ["http://a.test/jwks", "https://localhost/jwks", "https://169.254.169.254/", "file:///etc/passwd", ""] {
        assert_eq!(refused(signing(Value::Null, Some(bad))), ["jwks_uri"], "ir_10: {bad}");
    }
}

#[test]
fn jwt_20_keys_that_verify_nothing_are_not_registered() {
    let with = |name: &str, value: &str| {
        let mut key = public_key();
        key[name] = value.into();
        json!({"keys": [key]})
    };
    let mut twins = json!({"keys": [public_key(), public_key()]});
    twins["keys"][1]["use"] = json!("sig");
    for bad in [
        json!({}),
        json!([]),
        json!("x"),
        json!({"keys": []}),
        with("d", "AA"),
        with("use", "enc"),
        with("x", "AA"),
        with("y", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        json!({"keys": [{"kty": "oct", "k": "AAAA"}]}),
        json!({"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]}),
        twins,
        json!({"keys": vec![public_key(); 10_000]}),
    ] {
        let shown: String = bad.to_string().chars().take(120).collect();
        assert_eq!(refused(signing(bad, None)), ["jwks"], "{shown}");
    }
}
