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
fn rfc_6749_what_is_wrong_is_said_in_whole_sentences_that_every_answer_can_hold() {
    let told = |spec: ClientSpec| spec.resolve().unwrap_err().remove(0).message;
    let native = |uri: &str| ClientSpec { redirect_uris: vec![uri.to_owned()], ..signing_in(ClientType::Native) };
    for (spec, begin) in [
        (signing(Value::Null, Some("http://a.test/")), "must be an https:// address"),
        (signing(json!({"keys": [public_key()]}), Some("https://a.test/")), "jwks and jwks_uri exclude each other"),
        (signing(json!([]), None), "must be a set of public keys"),
        (native("myapp:/cb"), "must have a scheme that is a domain"),
        (
            ClientSpec { backchannel_logout_uri: Some("https://127.0.0.1/".to_owned()), ..signing_in(ClientType::Web) },
            "must not be an address of this machine",
        ),
    ] {
        let told = told(spec);
        assert!(told.starts_with(begin) && told.is_ascii(), "{told}");
    }
}

#[test]
fn az_05_an_address_that_holds_an_answer_is_not_registered() {
    let registered =
        |uri: &str| refused(ClientSpec { redirect_uris: vec![uri.to_owned()], ..signing_in(ClientType::Web) });
    assert_eq!(registered("https://app.test/cb?code=x"), ["redirect_uris[0]"]);
    assert_eq!(registered("https://app.test/cb?page=x"), [""; 0]);
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

/// What an application that people sign in to may say beside where browsers come back.
fn signing_in(kind: ClientType) -> ClientSpec {
    ClientSpec { kind, ..client() }
}

#[test]
fn az_02_az_05_a_browser_goes_nowhere_else_after_a_sign_out_either() {
    let after = |kind: ClientType, uri: &str| {
        refused(ClientSpec { post_logout_redirect_uris: vec![uri.to_owned()], ..signing_in(kind) })
    };
    for good in ["https://app.test/bye", "http://localhost:3000/", "https://app.test/bye?a=b"] {
        assert_eq!(after(ClientType::Web, good), [""; 0], "{good}");
    }
    assert_eq!(after(ClientType::Native, "com.example.app:/bye"), [""; 0]);
    for bad in [
        "javascript:alert(1)",
        "data:text/html,x",
        "http://app.test/",
        "https://a@evil.test/",
        "https://app.test/#x",
        "https://*.app.test/",
        "//app.test/",
        "",
    ] {
        assert_eq!(after(ClientType::Web, bad), ["post_logout_redirect_uris[0]"], "{bad}");
    }
    assert_eq!(after(ClientType::Service, "https://app.test/"), ["post_logout_redirect_uris"]);
}

#[test]
fn ir_10_nobody_else_is_told_of_a_sign_out() {
    let told = |kind: ClientType, uri: &str| {
        refused(ClientSpec { backchannel_logout_uri: Some(uri.to_owned()), ..signing_in(kind) })
    };
    assert_eq!(told(ClientType::Web, "https://app.test/backchannel?realm=1"), [""; 0]);
    for bad in [
        "http://app.test/",
        "https://localhost/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/latest",
        "https://u@app.test/",
        "https://app.test/#x",
        "gopher://app.test/",
        "",
    ] {
        assert_eq!(told(ClientType::Web, bad), ["backchannel_logout_uri"], "{bad}");
    }
    assert_eq!(told(ClientType::Service, "https://app.test/"), ["backchannel_logout_uri"]);
}

#[test]
fn rfc_7636_only_what_proves_itself_may_do_without_a_challenge() {
    for kind in ClientType::ALL {
        let without = refused(ClientSpec { require_pkce: false, ..signing_in(kind) });
        assert_eq!(without.is_empty(), kind == ClientType::Web, "{kind:?}: {without:?}");
        let kept = refused(ClientSpec { rotate_refresh_tokens: Some(false), ..signing_in(kind) });
        assert_eq!(kept.is_empty(), kind.is_confidential(), "{kind:?}: {kept:?}");
        assert_eq!(refused(ClientSpec { rotate_refresh_tokens: Some(true), ..signing_in(kind) }), [""; 0]);
    }
    let aged = |seconds: u32| refused(ClientSpec { default_max_age: Some(seconds), ..signing_in(ClientType::Web) });
    assert_eq!((aged(0), aged(MAX_AGE_MAX_S)), (vec![], vec![]));
    assert_eq!(aged(MAX_AGE_MAX_S + 1), ["default_max_age"]);
}

#[test]
fn ir_12_links_that_people_follow_lead_to_pages() {
    let uri = || Some("javascript:alert(1)".to_owned());
    let spec = ClientSpec { client_uri: uri(), policy_uri: uri(), tos_uri: uri(), ..signing_in(ClientType::Web) };
    assert_eq!(refused(spec), ["client_uri", "policy_uri", "tos_uri"]);
}

#[test]
fn what_was_said_of_a_sign_in_is_read_as_it_was_written_and_what_was_not_takes_no_room() {
    let row = json!({"name": "shop", "type": "web", "post_logout_redirect_uris": ["https://a.test/"],
        "backchannel_logout_uri": "https://a.test/out", "id_token_signed_response_alg": "ES256", "require_pkce": false,
        "require_pushed_authorization_requests": true, "rotate_refresh_tokens": true, "default_max_age": 0,
        "client_uri": "https://a.test/", "policy_uri": "https://a.test/p", "tos_uri": "https://a.test/t"});
    let spec: ClientSpec = serde_json::from_value(row.clone()).unwrap();
    assert_eq!(serde_json::to_value(spec.resolve().unwrap()).unwrap(), row);
    assert_eq!(serde_json::to_value(client()).unwrap(), json!({"name": "shop", "type": "service"}));
}
