use super::*;
use crate::api::ApiSpec;
use crate::id::{ApiId, ClientId, RealmId};
use crate::name::ApiUri;
use crate::time::Time;
use proptest::prelude::*;

const BACK: &str = "https://app.test/cb";

fn apis() -> Vec<Api> {
    let api = |number: u8, uri: &str, scopes: &[&str]| {
        let scopes = scopes.iter().map(|scope| (ScopeName::parse(scope).unwrap(), String::new())).collect();
        let (id, realm, now) = (ApiId::from_bytes([number; 16]), RealmId::from_bytes([1; 16]), Time::from_unix_ms(0));
        let spec = ApiSpec::new(ApiUri::parse(uri).unwrap(), scopes);
        Api { id, realm, spec, created_at: now, updated_at: now, version: 1 }
    };
    vec![
        api(1, "https://shop", &["read", "write", "check"]),
        api(2, "https://bills", &["read"]),
        api(3, "urn:admit:realm:default", &["keys:write"]),
    ]
}

fn resolve(metadata: Value) -> Result<ClientSpec, Error> {
    Metadata::deserialize(metadata).unwrap().resolve(&apis())
}

/// What a good application says, but for this.
fn with(more: Value) -> Value {
    let mut whole = json!({"redirect_uris": [BACK], "client_name": "Shop"});
    whole.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    whole
}

#[track_caller]
fn refused(metadata: Value) -> (String, String) {
    let error = resolve(metadata.clone()).expect_err(&metadata.to_string());
    (error.code.to_string(), error.description.split(':').next().unwrap().to_owned())
}

fn client(spec: ClientSpec) -> Client {
    let now = Time::from_unix_ms(1_796_083_200_000);
    Client {
        id: ClientId::from_bytes([7; 16]),
        realm: RealmId::from_bytes([1; 16]),
        org: None,
        spec,
        disabled_at: None,
        valid_after: None,
        created_at: now,
        updated_at: now,
        version: 1,
    }
}

#[test]
fn rfc_7591_1_all_that_holds_is_told_defaults_too() {
    let told = tell(&client(resolve(with(json!({}))).unwrap()));
    for (member, value) in [
        ("client_name", json!("Shop")),
        ("redirect_uris", json!([BACK])),
        ("grant_types", json!(["authorization_code", "refresh_token"])),
        ("response_types", json!(["code"])),
        ("token_endpoint_auth_method", json!("client_secret_basic")),
        ("application_type", json!("web")),
        ("scope", json!("openid profile email offline_access")),
        ("subject_type", json!("public")),
        ("id_token_signed_response_alg", json!("RS256")),
        ("client_id_issued_at", json!(1_796_083_200)),
    ] {
        assert_eq!(told[member], value, "{member}");
    }
    assert!(told.values().all(|value| !value.is_null()), "{told:?}");
}

#[test]
fn rfc_7591_2_what_is_not_known_is_left_out() {
    let spec = resolve(with(json!({"first_party": true, "roles": ["operator"], "rights": {"https://shop": ["read"]},
        "logo_uri": "javascript:alert(1)", "client_name#de": "Laden", "dynamic": false, "contacts": ["a@b.test"]})));
    let spec = spec.unwrap();
    assert!(!spec.first_party && spec.dynamic && spec.roles.is_empty() && spec.rights.is_empty());
    assert_eq!(spec, resolve(with(json!({}))).unwrap(), "nothing of it is kept");
}

#[test]
fn rfc_7591_3_keys_stand_in_one_place() {
    let jwks = json!({"keys": []});
    let both = json!({"jwks": jwks, "jwks_uri": "https://app.test/jwks"});
    assert_eq!(refused(with(both)), ("invalid_client_metadata".to_owned(), "jwks_uri".to_owned()));
    let idle = resolve(with(json!({"jwks_uri": "https://app.test/jwks"}))).unwrap();
    assert_eq!(idle.jwks_uri, None, "of who shows a secret they prove nothing");
    let signs = json!({"jwks_uri": "https://app.test/jwks", "token_endpoint_auth_method": "private_key_jwt"});
    assert!(resolve(with(signs)).unwrap().jwks_uri.is_some());
    let none = json!({"token_endpoint_auth_method": "private_key_jwt"});
    assert_eq!(refused(with(none)).1, "jwks");
}

#[test]
fn rfc_7591_4_5_redirects_grants_and_responses_go_together() {
    let bad = |code: &str, member: &str| (code.to_owned(), member.to_owned());
    let metadata = |member: &str| bad("invalid_client_metadata", member);
    assert_eq!(refused(json!({})), bad("invalid_redirect_uri", "redirect_uris"));
    assert_eq!(refused(json!({"redirect_uris": []})), bad("invalid_redirect_uri", "redirect_uris"));
    for grants in [
        json!([]),
        json!(["refresh_token"]),
        json!(["client_credentials"]),
        json!(["implicit", CODE]),
        json!(["password"]),
    ] {
        assert_eq!(refused(with(json!({ "grant_types": grants }))), metadata("grant_types"), "{grants}");
    }
    for responses in
        [json!([]), json!(["token"]), json!(["code", "id_token"]), json!(["code id_token"]), json!(["none"])]
    {
        assert_eq!(refused(with(json!({ "response_types": responses }))), metadata("response_types"), "{responses}");
    }
    let tv = json!({"grant_types": [DEVICE]});
    assert_eq!(resolve(tv).unwrap().kind, ClientType::Device);
    assert_eq!(refused(json!({"grant_types": [DEVICE], "response_types": ["code"]})), metadata("response_types"));
    assert_eq!(
        refused(json!({"grant_types": [DEVICE], "redirect_uris": [BACK]})),
        bad("invalid_redirect_uri", "redirect_uris")
    );
    assert_eq!(refused(with(json!({"grant_types": [CODE, DEVICE]}))), metadata("grant_types"));
    let native = with(json!({"grant_types": [CODE, DEVICE], "application_type": "native"}));
    assert_eq!(resolve(native).unwrap().kind, ClientType::Native);
}

#[test]
fn oidc_registration_2_the_web_is_elsewhere_and_native_is_here() {
    let at = |uri: &str, application: Value| resolve(json!({"redirect_uris": [uri], "application_type": application}));
    for here in ["http://127.0.0.1:8080/cb", "http://localhost/cb", "https://localhost/cb", "https://127.0.0.1/cb"] {
        let web = at(here, json!("web")).unwrap_err();
        assert_eq!(web.code, ErrorCode::InvalidRedirectUri, "{here}");
        assert_eq!(at(here, json!("native")).unwrap().kind, ClientType::Native, "{here}");
    }
    assert_eq!(at("com.example.app:/cb", json!("native")).unwrap().kind, ClientType::Native);
    assert_eq!(at("com.example.app:/cb", json!("web")).unwrap_err().code, ErrorCode::InvalidRedirectUri);
    assert_eq!(at("http://127.0.0.1/cb", Value::Null).unwrap().kind, ClientType::Native, "by where it is");
    assert_eq!(at(BACK, Value::Null).unwrap().kind, ClientType::Web);
    for bad in ["http://app.test/cb", "javascript:alert(1)", "https://app.test/#x", "https://*.app.test/", "myapp:/cb"]
    {
        for application in [json!("web"), json!("native"), Value::Null] {
            assert_eq!(at(bad, application).unwrap_err().code, ErrorCode::InvalidRedirectUri, "{bad}");
        }
    }
    let spa = with(
        json!({"token_endpoint_auth_method": "none", "redirect_uris": ["https://app.test:443/a", "https://app.test/b"]}),
    );
    let spa = resolve(spa).unwrap();
    assert_eq!((spa.kind, spa.origins), (ClientType::Spa, vec!["https://app.test".to_owned()]));
    let secret = json!({"application_type": "native", "token_endpoint_auth_method": "client_secret_basic"});
    assert_eq!(refused(with(secret)).1, "token_endpoint_auth_method");
}

#[test]
fn a_client_that_registered_itself_asks_people_and_has_no_rights_of_admit() {
    let scoped = |scope: &str| resolve(with(json!({ "scope": scope })));
    let spec = scoped("openid address read write").unwrap();
    let rights: Vec<_> = spec.rights.iter().map(|(api, scopes)| format!("{api} {}", scopes.len())).collect();
    assert_eq!(rights, ["https://bills 1", "https://shop 2"]);
    assert_eq!(tell(&client(spec))["scope"], "openid profile email offline_access read write");
    for bad in ["check", "keys:write", "nothing", "read  write", "clients:register"] {
        assert_eq!(scoped(bad).unwrap_err().code, ErrorCode::InvalidClientMetadata, "{bad}");
    }
}

#[test]
fn ir_12_names_and_pages_are_what_they_seem() {
    let named = |name: &str| resolve(with(json!({ "client_name": name })));
    assert_eq!(
        named("<script>alert(1)</script>").unwrap().name.as_str(),
        "<script>alert(1)</script>",
        "escaped where shown"
    );
    assert!(named(&"é".repeat(NAME_MAX)).is_ok());
    for bad in [&"é".repeat(NAME_MAX + 1), "a\u{202e}b", "", " a", "a\nb", &"x".repeat(10_000)] {
        assert_eq!(named(bad).unwrap_err().code, ErrorCode::InvalidClientMetadata, "{bad:.20}");
    }
    for page in ["client_uri", "policy_uri", "tos_uri"] {
        assert!(resolve(with(json!({ page: "https://app.test/x" }))).is_ok());
        for bad in ["javascript:alert(1)", "http://app.test/", "data:text/html,x"] {
            assert_eq!(refused(with(json!({ page: bad }))), ("invalid_client_metadata".to_owned(), page.to_owned()));
        }
    }
    let nameless = resolve(json!({"redirect_uris": [BACK]})).unwrap();
    assert_eq!(nameless.name.as_str(), "app.test");
    let apart = told_apart(&nameless.name, &client(nameless.clone()));
    assert!(apart.as_str().starts_with("app.test (") && apart.as_str().len() == "app.test ()".len() + 6, "{apart}");
    let long = named(&"é".repeat(NAME_MAX)).unwrap();
    assert_ne!(told_apart(&long.name, &client(long.clone())), long.name);
}

#[test]
fn what_a_client_would_rely_on_and_not_get_is_refused() {
    for member in NOT_HERE {
        let wanted = if member.ends_with("tokens") { json!(true) } else { json!("ES256") };
        assert_eq!(refused(with(json!({ member: wanted }))).1, member);
        assert!(resolve(with(json!({ member: null }))).is_ok(), "{member}");
    }
    assert!(resolve(with(json!({"dpop_bound_access_tokens": false}))).is_ok());
    assert_eq!(refused(with(json!({"subject_type": "pairwise"}))).1, "subject_type");
    assert_eq!(refused(with(json!({"id_token_signed_response_alg": "none"}))).1, "id_token_signed_response_alg");
    assert_eq!(refused(with(json!({"id_token_signed_response_alg": "HS256"}))).1, "id_token_signed_response_alg");
}

#[test]
fn rfc_7592_2_2_a_change_names_its_client_and_says_nothing_of_ours() {
    let client = client(resolve(with(json!({}))).unwrap());
    let judge = |more: Value| {
        let judged = Metadata::deserialize(with(more)).unwrap().judge_change(&client);
        judged.map_err(|error| error.description.split(':').next().unwrap().to_owned())
    };
    let id = client.id.to_string();
    assert_eq!(judge(json!({ "client_id": id })), Ok(()));
    assert_eq!(judge(json!({})), Err("client_id".to_owned()));
    assert_eq!(judge(json!({"client_id": "cli_other"})), Err("client_id".to_owned()));
    for ours in OURS {
        assert_eq!(judge(json!({ "client_id": id, ours: "x" })), Err(ours.to_owned()));
    }
}

proptest! {
    #[test]
    fn whatever_becomes_a_client_asks_people_only(
        grants in prop::collection::vec(prop::sample::select(vec![CODE, REFRESH, DEVICE, "client_credentials", "implicit"]), 0..4),
        method in prop::option::of(prop::sample::select(vec!["none", "client_secret_post", "private_key_jwt", "x"])),
        uri in prop::sample::select(vec![BACK, "http://localhost/", "com.example.app:/", "x"]),
    ) {
        let said = json!({"grant_types": grants, "token_endpoint_auth_method": method, "redirect_uris": [uri], "first_party": true});
        if let Ok(spec) = resolve(said) {
            prop_assert!(spec.dynamic && !spec.first_party && spec.kind != ClientType::Service);
        }
    }
}
