use serde_json::{Value, json};

use super::*;
use crate::client::{ClientSpec, ClientType};
use crate::id::RealmId;
use crate::name::Label;
use crate::scope::Rights;

const NOW: Time = Time::from_unix_ms(1_700_000_000_999);
const ISSUER: &str = "https://auth.example.com";
const BYE: &str = "https://wiki.test/bye";

fn client(number: u8) -> Client {
    let plain = ClientSpec::service(Label::parse("wiki").unwrap(), Rights::new());
    let post_logout_redirect_uris = vec![BYE.to_owned(), "https://wiki.test/?a=b".to_owned()];
    Client {
        id: ClientId::from_bytes([number; 16]),
        realm: RealmId::from_bytes([9; 16]),
        org: None,
        spec: ClientSpec { kind: ClientType::Web, post_logout_redirect_uris, ..plain },
        disabled_at: None,
        valid_after: None,
        created_at: NOW,
        updated_at: NOW,
        version: 1,
    }
}

fn hint_of(client: &Client) -> Hint {
    Hint { client: client.id, user: UserId::from_bytes([2; 16]), session: GrantId::from_bytes([3; 16]) }
}

fn said(of: &Client) -> Value {
    let hint = hint_of(of);
    json!({"iss": ISSUER, "sub": hint.user, "aud": hint.client, "sid": hint.session, "exp": 1, "iat": 0})
}

#[test]
fn lg_01_a_hint_is_an_id_token_of_ours_however_old() {
    let wiki = client(1);
    let read = |claims: &Value| Hint::read(&Claims::parse(claims.to_string().as_bytes()).unwrap(), ISSUER);
    assert_eq!(read(&said(&wiki)), Ok(hint_of(&wiki)), "it ended in 1970");
    let with = |name: &str, value: Value| {
        let mut claims = said(&wiki);
        claims[name] = value;
        read(&claims)
    };
    assert_eq!(with("iss", json!("https://evil.test")), Err(Flaw::Issuer));
    assert_eq!(with("aud", json!("https://api.example.com")), Err(Flaw::Audience), "an access token");
    assert_eq!(with("aud", json!([wiki.id, client(4).id])), Err(Flaw::Audience));
    assert_eq!(with("aud", json!([wiki.id])), Ok(hint_of(&wiki)));
    assert_eq!(with("sub", json!(wiki.id)), Err(Flaw::ClaimType("sub")), "a client's own");
    assert_eq!(with("sid", json!(null)), Err(Flaw::ClaimType("sid")));
    let mut without = said(&wiki);
    without.as_object_mut().unwrap().remove("sid");
    assert_eq!(read(&without), Err(Flaw::ClaimMissing("sid")));
}

#[test]
fn lg_01_a_browser_is_sent_where_its_application_is_known_to_be_and_nowhere_else() {
    let (wiki, other) = (client(1), client(4));
    let (id, other_id) = (wiki.id.to_string(), other.id.to_string());
    let hinted = LogoutRequest { hint: Some(Ok(hint_of(&wiki))), ..LogoutRequest::default() };
    let to = |uri: &'static str| LogoutRequest { uri: Some(uri), ..hinted };
    let go = |request: LogoutRequest<'_>| request.judge(Some(&wiki));

    assert_eq!(go(to(BYE)), Ok(Some(BYE.to_owned())));
    assert_eq!(go(LogoutRequest { client_id: Some(&id), ..to(BYE) }), Ok(Some(BYE.to_owned())));
    let stated = LogoutRequest { state: Some("a b&c=ü"), ..to(BYE) };
    assert_eq!(go(stated), Ok(Some(format!("{BYE}?state=a%20b%26c%3D%C3%BC"))));
    let stated = LogoutRequest { state: Some("x"), ..to("https://wiki.test/?a=b") };
    assert_eq!(go(stated), Ok(Some("https://wiki.test/?a=b&state=x".to_owned())));
    assert_eq!(go(hinted), Ok(None));
    assert_eq!(LogoutRequest::default().judge(None), Ok(None));

    for uri in [
        "https://wiki.test/bye/",
        "https://wiki.test/bye?x=1",
        "https://WIKI.test/bye",
        "https://evil.test/",
        "https://wiki.test/bye#x",
        "javascript:alert(1)",
    ] {
        assert_eq!(go(to(uri)), Err(Wrong::Address), "{uri}");
    }
    let long = "x".repeat(STATE_MAX + 1);
    let state = |length: usize| go(LogoutRequest { state: Some(&long[..length]), ..to(BYE) });
    assert!(state(STATE_MAX).is_ok());
    assert_eq!(state(STATE_MAX + 1), Err(Wrong::State));
    assert_eq!(go(LogoutRequest { client_id: Some(&other_id), ..to(BYE) }), Err(Wrong::OtherClient));
    assert_eq!(go(LogoutRequest { client_id: Some("wiki"), ..to(BYE) }), Err(Wrong::OtherClient));
    assert_eq!(
        go(LogoutRequest { hint: Some(Err(Flaw::Signature)), client_id: Some(&id), ..to(BYE) }),
        Err(Wrong::Hint)
    );
    let off = Client { disabled_at: Some(NOW), ..client(1) };
    assert_eq!(to(BYE).judge(Some(&off)), Err(Wrong::Client));
    assert_eq!(to(BYE).judge(None), Err(Wrong::Client));
    let nobodys = LogoutRequest { uri: Some(BYE), ..LogoutRequest::default() };
    assert_eq!(nobodys.judge(None), Err(Wrong::Client), "an address of nobody");
}

#[test]
fn lg_01_who_asks_is_known_from_the_hint_else_from_its_name() {
    let wiki = client(1);
    let id = wiki.id.to_string();
    let named = LogoutRequest { client_id: Some(&id), ..LogoutRequest::default() };
    assert_eq!(named.client(), Some(wiki.id));
    assert_eq!(LogoutRequest { hint: Some(Err(Flaw::Signature)), ..named }.client(), None, "a bad hint hides nothing");
    assert_eq!(LogoutRequest { hint: Some(Ok(hint_of(&client(4)))), ..named }.client(), Some(client(4).id));
    assert_eq!(LogoutRequest { client_id: Some("x"), ..named }.client(), None);
}

#[test]
fn oidc_backchannel_1_a_logout_token_says_who_is_signed_out_of_what_and_nothing_else() {
    let hint = hint_of(&client(1));
    let token = LogoutToken::new(ISSUER, hint.client, hint.user, hint.session, TokenId::from_bytes([5; 16]), NOW);
    let said = serde_json::to_value(token).unwrap();
    let expected = json!({"iss": ISSUER, "sub": hint.user, "aud": hint.client, "iat": 1_700_000_000, "exp": 1_700_000_120,
        "jti": TokenId::from_bytes([5; 16]), "sid": hint.session,
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}}});
    assert_eq!(said, expected, "no nonce, above all");
}

#[test]
fn lg_03_an_application_is_told_again_ever_more_seldom() {
    let seconds: Vec<_> = (0..8).map(|tries| pause(tries).as_ms() / 1000).collect();
    assert_eq!(seconds, [10, 30, 90, 270, 810, 2430, 3600, 3600]);
    assert_eq!(pause(u32::MAX), LAST_PAUSE);
}

#[test]
fn a_form_may_lead_to_the_origin_of_the_application() {
    assert_eq!(source_of("https://wiki.test/bye?a=b"), "https://wiki.test");
    assert_eq!(source_of("http://localhost:3000?a=/b"), "http://localhost:3000");
    assert_eq!(source_of("https://wiki.test"), "https://wiki.test");
    assert_eq!(source_of("com.example.app:/bye"), "com.example.app:");
}
