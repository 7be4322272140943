use super::*;
use crate::grant::GrantKind;
use crate::id::TokenId;
use crate::key::tests::lineage;
use crate::scope::SCOPES_MAX;
use crate::time::Span;
use proptest::prelude::*;
use serde_json::{Value, json};

const NOW: Time = Time::from_unix_ms(1_796_083_200_000);
const ISSUER: &str = "https://auth.example.com";
const API: &str = "https://api.example.com";

fn seconds(after: i64) -> i64 {
    NOW.unix_ms() / 1000 + after
}

fn good() -> Value {
    let client = ClientId::from_bytes([3; 16]);
    json!({
        "iss": ISSUER, "sub": client, "aud": API, "exp": seconds(600), "iat": seconds(0), "nbf": seconds(0),
        "jti": TokenId::from_bytes([5; 16]), "client_id": client, "grant_id": GrantId::from_bytes([6; 16]),
        "scope": "orders:write orders:read", "rvk": ["a"],
    })
}

fn said(claims: &Value) -> Result<Said, Reason> {
    read(&Claims::parse(claims.to_string().as_bytes()).unwrap(), ISSUER, NOW)
}

fn with(name: &str, value: Value) -> Result<Said, Reason> {
    let mut claims = good();
    match value {
        Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
        value => claims[name] = value,
    }
    said(&claims)
}

#[test]
fn a_token_says_whose_it_is_and_what_of_the_grant_it_lends() {
    let said = said(&good()).unwrap();
    let names: Vec<_> = said.scopes.iter().map(ScopeName::as_str).collect();
    assert_eq!(names, ["orders:read", "orders:write"], "sorted");
    assert_eq!(said.token.expires_at, NOW + Span::seconds(600));
    assert_eq!(said.parties.unwrap().audience.as_str(), API);
    assert_eq!(with("scope", Value::Null).unwrap().scopes, []);
}

#[test]
fn rfc_9068_4_what_a_token_of_ours_has_must_be_there_and_be_of_its_type() {
    for name in ["sub", "exp", "iat", "jti", "client_id", "grant_id"] {
        assert_eq!(with(name, Value::Null), Err(Reason::TokenClaims), "{name} is missing");
        assert_eq!(with(name, json!({})), Err(Reason::TokenClaims), "{name} is no text or date");
    }
    for (name, value) in [
        ("jti", json!("x")),
        ("jti", json!(GrantId::from_bytes([5; 16]))),
        ("grant_id", json!("grt_x")),
        ("sub", json!("alice")),
        ("client_id", json!("usr_x")),
        ("scope", json!(["orders:read"])),
        ("scope", json!("a\"b")),
        ("nbf", json!("x")),
        ("cnf", json!({"jkt": "x"})),
    ] {
        assert_eq!(with(name, value.clone()), Err(Reason::TokenClaims), "{name} {value}");
    }
    let many = |count: usize| json!((0..count).map(|number| format!("s{number}")).collect::<Vec<_>>().join(" "));
    assert_eq!(with("scope", many(SCOPES_MAX)).unwrap().scopes.len(), SCOPES_MAX);
    assert_eq!(with("scope", many(SCOPES_MAX + 1)), Err(Reason::TokenClaims));
}

#[test]
fn jwt_14_a_token_is_for_one_api() {
    assert!(with("aud", json!([API])).is_ok(), "a list of one is one");
    for (aud, reason) in [
        (json!([API, "https://other.test"]), Reason::OtherAudience),
        (json!([]), Reason::OtherAudience),
        (json!(""), Reason::OtherAudience),
        (json!(7), Reason::TokenClaims),
        (Value::Null, Reason::TokenClaims),
    ] {
        assert_eq!(with("aud", aud.clone()), Err(reason), "{aud}");
    }
}

#[test]
fn jwt_24_a_token_is_by_this_issuer_letter_by_letter() {
    for other in ["https://auth.example.com/", "https://AUTH.example.com", "https://auth.example.com.evil.test"] {
        assert_eq!(with("iss", json!(other)), Err(Reason::OtherIssuer), "{other}");
    }
    assert_eq!(with("iss", Value::Null), Err(Reason::TokenClaims));
}

#[test]
fn jwt_12_a_token_of_the_future_is_none_yet_and_none_lives_longer_than_any_may() {
    for name in ["iat", "nbf"] {
        assert!(with(name, json!(seconds(10))).is_ok(), "{name}");
        assert_eq!(with(name, json!(seconds(11))), Err(Reason::NotYet), "{name}");
    }
    let day = LONGEST.as_seconds_up();
    assert!(with("exp", json!(seconds(day))).is_ok());
    assert_eq!(with("exp", json!(seconds(day + 1))), Err(Reason::TokenClaims));
    assert_eq!(with("exp", json!(seconds(0))), Err(Reason::TokenClaims), "not after it was issued");
    let mut over = good();
    (over["iat"], over["nbf"], over["exp"]) = (json!(seconds(-700)), json!(seconds(-700)), json!(seconds(-100)));
    assert!(said(&over).is_ok(), "its holder is told that it has expired, when it is used");
}

/// The grant of a client as itself.
fn own() -> Lineage {
    let mut lineage = lineage();
    lineage.grant.kind = GrantKind::Client;
    lineage.grant.subject = lineage.subject.as_ref().unwrap().id();
    lineage.grant.expires_at = None;
    lineage
}

fn scopes(names: &[&str]) -> Vec<ScopeName> {
    names.iter().map(|name| ScopeName::parse(name).unwrap()).collect()
}

#[test]
fn a_token_is_worth_what_its_grant_gives_now_and_never_more() {
    let mut lineage = own();
    let all = lineage.standing().scopes;
    assert!(!all.is_empty());
    let whole = share(&lineage, &all);
    assert_eq!((whole.halted, &whole.standing.scopes), (None, &all));
    assert_eq!(share(&lineage, &[]).halted, None, "who, and nothing more");
    let wide = scopes(&["orders:delete"]);
    assert_eq!(share(&lineage, &wide).halted, Some(Reason::RightsShrunk));
    if let Some(Subject::Client(client)) = &mut lineage.subject {
        client.spec.rights.clear();
    }
    assert_eq!(share(&lineage, &all).halted, Some(Reason::RightsShrunk));
    lineage.grant.revoked_at = Some(NOW);
    assert_eq!(share(&lineage, &all).halted, Some(Reason::Revoked), "what ended it says more");
    lineage.api = None;
    lineage.grant.revoked_at = None;
    assert_eq!(share(&lineage, &[]).halted, Some(Reason::ParentEnded));
}

#[test]
fn a_token_ends_with_itself_its_grant_or_by_being_taken_back() {
    let mut lineage = own();
    let all = lineage.standing().scopes;
    let token = Token { id: TokenId::from_bytes([5; 16]), issued_at: NOW, expires_at: NOW + Span::minutes(10) };
    let said = Said { token, grant: lineage.grant.id, scopes: all.clone(), parties: None };
    let principal_of = |lineage: &Lineage, revoked| principal(&share(lineage, &all), &said, revoked).unwrap();
    let live = principal_of(&lineage, false);
    assert_eq!(live.usable(None, NOW + Span::minutes(10) + Span::ms(9_999)), Ok(()), "within the leeway");
    assert_eq!(live.usable(None, NOW + Span::minutes(10) + LEEWAY), Err(Reason::Expired));
    assert_eq!(principal_of(&lineage, true).usable(None, NOW), Err(Reason::Revoked));
    lineage.grant.expires_at = Some(NOW + Span::minutes(1));
    assert_eq!(principal_of(&lineage, false).expires_at, Some(NOW + Span::minutes(1)));
    assert_eq!(live.token.as_deref(), Some(&token));
}

#[test]
fn a_jwt_names_whom_its_grant_names() {
    let lineage = own();
    let SubjectId::Client(client) = lineage.grant.subject else { panic!("a client's own grant") };
    let share = share(&lineage, &[]);
    let audience = ApiUri::parse(API).unwrap();
    let agreed = Parties { subject: lineage.grant.subject, client, audience };
    let other = ClientId::from_bytes([9; 16]);
    let token = Token { id: TokenId::from_bytes([5; 16]), issued_at: NOW, expires_at: NOW };
    let judged = |parties: Parties| {
        let said = Said { token, grant: lineage.grant.id, scopes: Vec::new(), parties: Some(parties) };
        principal(&share, &said, false).map(drop)
    };
    assert_eq!(judged(agreed.clone()), Ok(()));
    assert_eq!(judged(Parties { client: other, ..agreed.clone() }), Err(Reason::TokenClaims));
    let subject = SubjectId::Client(other);
    assert_eq!(judged(Parties { subject, ..agreed.clone() }), Err(Reason::TokenClaims));
    let audience = ApiUri::parse("https://api.example.com.evil.test").unwrap();
    assert_eq!(judged(Parties { audience, ..agreed }), Err(Reason::OtherAudience));
}

#[test]
fn three_parts_are_a_jwt_and_nothing_is_shown_of_one() {
    for (text, is) in [("a.b.c", true), ("..", true), ("a.b", false), ("a.b.c.d", false), ("admit_x", false)] {
        assert_eq!(is_jwt(text), is, "{text}");
    }
    assert_eq!(hint("eyJh.eyJz.c2ln"), "a JWT");
}

proptest! {
    #[test]
    fn any_claims_are_read_or_refused(name in "iss|sub|aud|exp|iat|nbf|jti|client_id|grant_id|scope|cnf", value in "[a-z0-9_ :/.-]{0,40}") {
        let _ = with(&name, json!(value));
    }
}
