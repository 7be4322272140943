//! Tests of [`super`]: what a session is worth, and for how long.

use super::*;
use crate::grant::Grant;
use crate::id::{ApiId, SubjectId};
use crate::key::tests::{api, lineage};
use crate::realm::Realm;
use crate::role::{Role, RoleSpec};
use crate::user::{User, UserSpec};
use proptest::prelude::*;

const NOW: Time = Time::from_unix_ms(1_796_083_200_000);
const USER: UserId = UserId::from_bytes([5; 16]);

fn principal(line: &Line) -> Principal {
    super::principal(line, NOW)
}

fn realm() -> Realm {
    lineage().realm
}

fn session(number: u8) -> Session {
    Session {
        grant: GrantId::from_bytes([number; 16]),
        realm: realm().id,
        user: USER,
        host: None,
        pending: Factors::default(),
        factors: Factors::of(&[Factor::Password]),
        signed_in_at: NOW,
        idle: Some(Span::days(7)),
        last_at: NOW,
        last_ip: None,
        last_agent: None,
    }
}

fn grant(session: &Session, kind: GrantKind, parent: Option<GrantId>) -> Grant {
    Grant {
        id: session.grant,
        realm: session.realm,
        org: None,
        kind,
        subject: SubjectId::User(session.user),
        client: None,
        parent,
        root: parent.unwrap_or(session.grant),
        api: None,
        scopes: Vec::new(),
        created_at: NOW,
        expires_at: Some(NOW + Span::days(30)),
        revoked_at: None,
    }
}

fn role(name: &str, rights: crate::scope::Rights) -> Role {
    let spec = RoleSpec { name: name.parse().unwrap(), description: String::new(), rights };
    let id = crate::id::RoleId::from_bytes([9; 16]);
    Role { id, realm: realm().id, spec, created_at: NOW, updated_at: NOW, version: 1 }
}

/// Alice, who reads orders as a buyer and is a member of the staff, which gives no rights.
fn line() -> Line {
    let session = session(1);
    let spec = UserSpec {
        name: "alice".parse().unwrap(),
        email: Some("alice@example.com".parse().unwrap()),
        roles: Vec::new(),
        external_id: None,
        metadata: serde_json::Value::Null,
    };
    let user = User {
        id: USER,
        realm: session.realm,
        org: None,
        spec,
        disabled_at: None,
        valid_after: None,
        email_verified_at: None,
        erased_at: None,
        created_at: NOW,
        updated_at: NOW,
        version: 1,
    };
    let scopes = ["orders:read", "gone"].map(|scope| scope.parse().unwrap()).into();
    let rights = [(api().spec.uri, scopes)].into();
    let lineage = Lineage {
        realm: realm(),
        grant: grant(&session, GrantKind::Session, None),
        ancestors: Vec::new(),
        subject: Some(Subject::User(user)),
        roles: vec![role("buyer", rights), role("staff", crate::scope::Rights::new())],
        api: None,
        delegate: None,
        authorized: None,
        session: None,
    };
    Line { root: session.clone(), session, lineage, apis: vec![api()] }
}

/// The same person on a protected host.
fn on_host() -> Line {
    let mut line = line();
    let root = line.lineage.grant.clone();
    line.session = Session { host: Some("shop.test".to_owned()), idle: None, ..session(2) };
    line.lineage.grant = grant(&line.session, GrantKind::Site, Some(root.id));
    line.lineage.ancestors = vec![root];
    line
}

#[test]
fn a_session_may_what_its_person_may_now_on_each_api() {
    let principal = principal(&line());
    assert_eq!(principal.usable(None, NOW), Ok(()));
    assert_eq!((&*principal.name, principal.credential), ("alice", CredentialKind::Session));
    let sign_in = principal.sign_in.as_ref().unwrap();
    let roles = |standing: &Standing| standing.roles.iter().map(|role| role.as_str().to_owned()).collect::<Vec<_>>();
    let there = sign_in.standing_on(&api().spec.uri).unwrap();
    assert_eq!(there.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>(), ["orders:read"], "what is defined");
    assert_eq!(roles(there), ["staff"], "buyer gives more than the API still has");
    assert_eq!((&principal.standing.api, roles(&principal.standing)), (&None, vec!["staff".to_owned()]));
    assert!(sign_in.standing_on(&"https://other".parse().unwrap()).is_none());
    assert_eq!(sign_in.factors.acr(), Some("urn:admit:aal1"));
    let mut without = line();
    without.apis = vec![Api { id: ApiId::from_bytes([8; 16]), ..api() }];
    without.lineage.roles.clear();
    assert!(super::principal(&without, NOW).sign_in.unwrap().standings.is_empty());
}

#[test]
fn se_08_a_session_ends_when_it_is_not_used_and_in_the_end_all_the_same() {
    let mut line = line();
    let usable = |line: &Line, at: Time| principal(line).usable(None, at);
    let idle = Span::days(7);
    assert_eq!(usable(&line, NOW + idle - Span::ms(1)), Ok(()));
    assert_eq!(usable(&line, NOW + idle), Err(Reason::Idle), "at the bound");
    line.root.last_at = NOW + Span::days(30) - Span::minutes(1);
    assert_eq!(usable(&line, NOW + Span::days(30) - Span::ms(1)), Ok(()), "used every minute");
    assert_eq!(usable(&line, NOW + Span::days(30)), Err(Reason::Expired), "no use moves the end");
}

#[test]
fn a_site_lives_and_dies_with_the_session_that_it_grew_from() {
    let mut line = on_host();
    let usable = |line: &Line, at: Time| principal(line).usable(None, at);
    assert_eq!(principal(&line).sign_in.unwrap().host.as_deref(), Some("shop.test"));
    assert_eq!(usable(&line, NOW + Span::days(7)), Err(Reason::Idle), "idle time is the root's");
    line.root.last_at = NOW + Span::days(3);
    assert_eq!(usable(&line, NOW + Span::days(7)), Ok(()));
    line.lineage.ancestors[0].revoked_at = Some(NOW);
    assert_eq!(usable(&line, NOW), Err(Reason::ParentEnded));
}

#[test]
fn se_09_while_a_factor_is_pending_it_is_no_session() {
    let pending = Factors::of(&[Factor::Code]);
    let mut own = line();
    own.session.pending = pending;
    assert_eq!(principal(&own).usable(None, NOW), Err(Reason::FactorsPending));
    let mut grown = on_host();
    grown.root.pending = pending;
    assert_eq!(principal(&grown).usable(None, NOW), Err(Reason::FactorsPending), "what grew from one neither");
    let mut device = line();
    device.lineage.grant.kind = GrantKind::Device;
    assert_eq!(principal(&device).usable(None, NOW), Err(Reason::UnknownSecret), "a known device is none either");
}

#[test]
fn a_use_is_written_now_and_then() {
    let due_after = |idle: Span| {
        let mut line = line();
        line.root.idle = Some(idle);
        let sign_in = principal(&line).sign_in.unwrap();
        (0..).map(Span::minutes).find(|later| sign_in.is_due(NOW + *later)).unwrap()
    };
    assert_eq!(due_after(Span::hours(1)), Span::minutes(3));
    assert_eq!(due_after(Span::minutes(10)), Span::minutes(1), "at most once a minute");
    assert_eq!(due_after(Span::days(7)), Span::minutes(504));
}

#[test]
fn a_use_that_is_noted_counts_at_once_and_one_elsewhere_is_asked_for() {
    let sign_in = principal(&line()).sign_in.unwrap();
    let (idle, used) = (Span::days(7), NOW + Span::days(6));
    assert!(sign_in.is_due(used) && !sign_in.is_to_be_read_again(used), "neither idle nor forgotten");
    sign_in.last_use.note(used);
    sign_in.last_use.note(NOW);
    assert!(!sign_in.is_due(used), "an older use takes nothing back");
    assert!(!sign_in.is_idle(NOW + idle));
    assert!(sign_in.is_to_be_read_again(used + idle), "idle by what was read before it was");
    let read = super::principal(&line(), NOW + idle).sign_in.unwrap();
    assert!(read.is_idle(NOW + idle) && !read.is_to_be_read_again(NOW + idle), "nothing new can be there");
}

#[test]
fn a_sign_in_is_fresh_for_five_minutes() {
    let sign_in = principal(&line()).sign_in.unwrap();
    assert!(sign_in.is_fresh(NOW + FRESH - Span::ms(1)));
    assert!(!sign_in.is_fresh(NOW + FRESH));
}

#[test]
fn assurance_comes_from_the_factors_that_were_used() {
    let acr = |factors: &[Factor]| Factors::of(factors).acr();
    assert_eq!(acr(&[]), None);
    assert_eq!(acr(&[Factor::Password, Factor::Password]), Some("urn:admit:aal1"), "one factor twice is one");
    assert_eq!(acr(&[Factor::Password, Factor::Code]), Some("urn:admit:aal2"));
    let both = Factors::of(&[Factor::Password, Factor::Code]);
    assert_eq!(both.to_string(), "pwd otp");
    assert_eq!(both.without(Factors::of(&[Factor::Password])), Factors::of(&[Factor::Code]));
}

#[test]
fn operators_are_signed_in_for_a_day_at_most() {
    let life = |name: &str| Life::of(&name.parse().unwrap());
    assert_eq!(life("operators"), Life { idle: Span::hours(1), absolute: Span::hours(24) });
    assert_eq!(life("default"), Life { idle: Span::days(7), absolute: Span::days(30) });
}

proptest! {
    #[test]
    fn factors_read_back_as_written(bits in 0_u8..4) {
        prop_assert_eq!(Factors::parse(&Factors(bits).to_string()), Some(Factors(bits)));
    }

    #[test]
    fn any_text_is_factors_or_refused(text in ".{0,40}") {
        let _ = Factors::parse(&text);
    }
}
