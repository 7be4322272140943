use super::reply::Reply;
use super::*;
use crate::client::ClientType;
use crate::grant::{Grant, Subject};
use crate::id::{ClientId, SubjectId, TokenId, UserId};
use crate::key::tests::{client as of_shop, lineage as of_key};
use crate::login::session::{Factor, Factors};
use crate::name::Label;
use crate::oauth::approved::ShownAt;
use crate::oauth::authorized::{Authorized, AuthorizedSpec};
use crate::principal::Principal;
use crate::role::{Role, RoleSpec};
use crate::secret::Secret;
use crate::token;
use crate::user::{User, UserSpec};
use serde_json::Value;

const NOW: Time = Time::from_unix_ms(1_796_083_200_000);
const CLIENT: ClientId = ClientId::from_bytes([7; 16]);
const USER: UserId = UserId::from_bytes([5; 16]);

fn names(names: &[&str]) -> Vec<ScopeName> {
    names.iter().map(|name| ScopeName::parse(name).unwrap()).collect()
}

fn client(kind: ClientType) -> Client {
    let Subject::Client(client) = of_shop(&["orders:read", "orders:write"]) else { panic!("a client") };
    let spec = ClientSpec { kind, ..client.spec };
    Client { id: CLIENT, spec, disabled_at: None, valid_after: None, ..client }
}

/// What alice lets an application do: she may read and write, it may ask for all of that.
fn lineage(kind: ClientType) -> Lineage {
    let key = of_key();
    let rights = of_shop(&["orders:read", "orders:write"]).rights(&[]);
    let user = User {
        id: USER,
        realm: key.realm.id,
        org: None,
        spec: UserSpec {
            name: Label::parse("alice").unwrap(),
            email: None,
            roles: Vec::new(),
            external_id: None,
            metadata: Value::Null,
        },
        disabled_at: None,
        valid_after: None,
        created_at: NOW,
        updated_at: NOW,
        version: 1,
        email_verified_at: None,
        erased_at: None,
    };
    let role = Role {
        id: crate::id::RoleId::from_bytes([4; 16]),
        realm: key.realm.id,
        spec: RoleSpec { name: "buyer".parse().unwrap(), description: String::new(), rights },
        created_at: NOW,
        updated_at: NOW,
        version: 1,
    };
    let mut scopes = names(&["offline_access", "openid", "orders:read", "orders:write"]);
    scopes.sort();
    let grant = Grant {
        kind: GrantKind::Authorization,
        subject: SubjectId::User(USER),
        client: Some(CLIENT),
        scopes,
        created_at: NOW,
        expires_at: Some(NOW + Span::days(90)),
        revoked_at: None,
        ..key.grant
    };
    let authorized = Authorized {
        grant: grant.id,
        realm: key.realm.id,
        user: USER,
        client: CLIENT,
        session: GrantId::from_bytes([8; 16]),
        spec: AuthorizedSpec {
            sign_in: ShownAt { at: NOW, factors: Factors::of(&[Factor::Password]) },
            claims: Value::Null,
        },
        last_at: NOW,
        last_ip: None,
        last_agent: None,
    };
    Lineage {
        grant,
        subject: Some(Subject::User(user)),
        roles: vec![role],
        delegate: Some(client(kind)),
        authorized: Some(authorized),
        ..key
    }
}

fn token_of(number: u8) -> RefreshToken {
    RefreshToken {
        hash: SecretHash([number; 32]),
        lookup_key: 1,
        realm: of_key().realm.id,
        grant: GrantId::from_bytes([1; 16]),
        created_at: NOW,
        expires_at: NOW + Span::days(14),
        last_at: NOW,
        spent_at: None,
        successor: None,
        reply: None,
        reply_ends: None,
    }
}

fn shown(kind: ClientType) -> Shown {
    Shown { token: token_of(1), successor: None, lineage: Arc::new(lineage(kind)) }
}

fn of(shown: &mut Shown) -> &mut Lineage {
    Arc::make_mut(&mut shown.lineage)
}

/// The first was used at once, and its successor was not.
fn rotated(kind: ClientType) -> Shown {
    let mut shown = shown(kind);
    shown.token.spent_at = Some(NOW);
    shown.token.successor = Some(SecretHash([2; 32]));
    let reply_ends = reply_ends(&client(kind).spec, NOW);
    shown.successor = Some(RefreshToken { reply: Some(vec![1]), reply_ends, ..token_of(2) });
    shown
}

fn judged(shown: &Shown, now: Time) -> Ruling {
    judge(shown, shown.lineage.delegate.as_ref().unwrap(), now)
}

#[test]
fn a_public_client_s_is_good_once_and_a_confidential_one_s_stays() {
    assert_eq!(judged(&shown(ClientType::Spa), NOW), Ruling::Rotate);
    assert_eq!(judged(&shown(ClientType::Native), NOW), Ruling::Rotate);
    let web = shown(ClientType::Web);
    assert_eq!(judged(&web, NOW), Ruling::Keep { is_due: false });
    let part = Span::ms(Span::days(14).as_ms() / 20);
    assert_eq!(judged(&web, NOW + part - Span::ms(1)), Ruling::Keep { is_due: false });
    assert_eq!(judged(&web, NOW + part), Ruling::Keep { is_due: true }, "twenty times in its idle time");
    let mut changed = web;
    if let Some(client) = &mut of(&mut changed).delegate {
        client.spec.rotate_refresh_tokens = Some(true);
    }
    assert_eq!(judged(&changed, NOW), Ruling::Rotate);
    let mut spa = shown(ClientType::Spa);
    if let Some(client) = &mut of(&mut spa).delegate {
        client.spec.rotate_refresh_tokens = Some(false);
    }
    assert_eq!(judged(&spa, NOW), Ruling::Rotate, "nothing else binds it");
}

#[test]
fn tk_08_an_answer_that_was_lost_is_given_again_for_ten_seconds_and_until_it_is_used() {
    let shown = rotated(ClientType::Spa);
    assert_eq!(judged(&shown, NOW + WINDOW - Span::ms(1)), Ruling::Repeat);
    assert_eq!(judged(&shown, NOW + WINDOW), Ruling::Refuse(Why::Spent), "nobody used the successor: all goes on");
    let mut used = shown.clone();
    let next = used.successor.as_mut().unwrap();
    (next.spent_at, next.reply) = (Some(NOW + Span::ms(5)), None);
    assert_eq!(judged(&used, NOW + Span::ms(6)), Ruling::Revoke, "tk_06: within the window, too");
    assert_eq!(judged(&used, NOW + Span::days(3)), Ruling::Revoke);
    let mut swept = shown;
    swept.successor = None;
    assert_eq!(judged(&swept, NOW + Span::ms(6)), Ruling::Revoke);
}

#[test]
fn a_client_that_proves_who_it_is_may_ask_again_until_the_successor_is_used() {
    let mut shown = rotated(ClientType::Web);
    assert_eq!(judged(&shown, NOW + Span::days(3)), Ruling::Repeat);
    shown.successor.as_mut().unwrap().last_at = NOW + Span::ms(5);
    assert_eq!(judged(&shown, NOW + Span::days(3)), Ruling::Revoke, "used, though it stays");
}

#[test]
fn tk_11_nothing_is_given_once_anything_it_rests_on_is_over() {
    let refused = |change: fn(&mut Shown)| {
        let mut shown = shown(ClientType::Spa);
        change(&mut shown);
        let Ruling::Refuse(why) = judge(&shown, &client(ClientType::Spa), NOW + Span::days(1)) else {
            panic!("it was given")
        };
        why
    };
    let ended = |reason| Why::Ended(reason);
    let user = |shown: &mut Shown| match &mut of(shown).subject {
        Some(Subject::User(user)) => user.disabled_at = Some(NOW),
        _ => panic!("a person"),
    };
    assert_eq!(refused(user), ended(Reason::OwnerDisabled));
    assert_eq!(refused(|shown| of(shown).subject = None), ended(Reason::OwnerGone));
    assert_eq!(refused(|shown| of(shown).delegate = None), ended(Reason::ClientGone));
    let delegate = |shown: &mut Shown| of(shown).delegate.as_mut().unwrap().disabled_at = Some(NOW);
    assert_eq!(refused(delegate), ended(Reason::ClientDisabled));
    let cutoff = |shown: &mut Shown| of(shown).delegate.as_mut().unwrap().valid_after = Some(NOW + Span::ms(1));
    assert_eq!(refused(cutoff), ended(Reason::IssuedBeforeCutoff));
    assert_eq!(refused(|shown| of(shown).grant.revoked_at = Some(NOW)), ended(Reason::Revoked));
    assert_eq!(refused(|shown| of(shown).api = None), ended(Reason::ParentEnded));
    assert_eq!(refused(|shown| of(shown).realm.disabled_at = Some(NOW)), ended(Reason::RealmDisabled));
    assert_eq!(refused(|shown| of(shown).grant.expires_at = Some(NOW + Span::days(1))), Why::Expired);
    assert_eq!(refused(|shown| shown.token.expires_at = NOW + Span::days(1)), Why::Expired);
    assert_eq!(refused(|shown| shown.token.last_at = NOW - Span::days(13)), Why::Idle);
    assert_eq!(refused(|shown| of(shown).grant.client = None), Why::OfOtherClient);
    assert_eq!(refused(|shown| of(shown).grant.kind = GrantKind::Session), Why::OfOtherClient);
    let other = Client { id: ClientId::from_bytes([9; 16]), ..client(ClientType::Spa) };
    assert_eq!(
        judge(&rotated(ClientType::Spa), &other, NOW),
        Ruling::Refuse(Why::OfOtherClient),
        "and revokes nothing"
    );
}

#[test]
fn what_a_session_began_ends_when_nobody_uses_that() {
    let mut shown = shown(ClientType::Spa);
    let session = Session {
        grant: GrantId::from_bytes([8; 16]),
        realm: shown.lineage.realm.id,
        user: USER,
        host: None,
        pending: Factors::default(),
        factors: Factors::of(&[Factor::Password]),
        signed_in_at: NOW,
        idle: Some(Span::days(7)),
        last_at: NOW,
        last_ip: None,
        last_agent: None,
    };
    let parent = Grant { kind: GrantKind::Session, scopes: Vec::new(), api: None, ..shown.lineage.grant.clone() };
    of(&mut shown).ancestors = vec![parent];
    of(&mut shown).session = Some(session);
    assert_eq!(judged(&shown, NOW + Span::days(7) - Span::ms(1)), Ruling::Rotate);
    assert!(!shown.lineage.standing().scopes.is_empty(), "a session narrows nothing");
    assert_eq!(judged(&shown, NOW + Span::days(7)), Ruling::Refuse(Why::Idle));
    of(&mut shown).ancestors[0].revoked_at = Some(NOW);
    assert_eq!(judged(&shown, NOW), Ruling::Refuse(Why::Ended(Reason::ParentEnded)));
}

#[test]
fn an_authorization_gives_what_was_granted_is_the_person_s_and_the_client_may_ask_for() {
    let whole = lineage(ClientType::Spa);
    let told = |lineage: &Lineage| super::scope::join(&lineage.standing().scopes);
    assert_eq!(told(&whole), "offline_access openid orders:read orders:write");
    let uri = whole.api.as_ref().unwrap().spec.uri.clone();
    let mut client_less = whole.clone();
    let rights = &mut client_less.delegate.as_mut().unwrap().spec.rights;
    rights.get_mut(&uri).unwrap().remove("orders:write");
    assert_eq!(told(&client_less), "offline_access openid orders:read");
    let mut person_less = whole.clone();
    person_less.roles.clear();
    assert_eq!(told(&person_less), "offline_access openid");
    let mut granted_less = whole.clone();
    granted_less.grant.scopes = names(&["orders:read"]);
    assert_eq!(told(&granted_less), "orders:read");
    let mut of_no_api = whole.clone();
    (of_no_api.grant.api, of_no_api.api) = (None, None);
    let standing = of_no_api.standing();
    assert_eq!((standing.api, super::scope::join(&standing.scopes)), (None, "offline_access openid".to_owned()));
    assert!(standing.roles.is_empty(), "who he is, and not with whose weight");
    let mut key = whole;
    (key.grant.kind, key.grant.client) = (GrantKind::Key, None);
    assert_eq!(told(&key), "orders:read orders:write", "no key asks who somebody is");
}

fn principal_of(lineage: &Lineage, scopes: &[ScopeName]) -> Principal {
    token::share(lineage, scopes)
}

#[test]
fn a_token_of_an_authorization_says_who_signed_in_and_how() {
    let mut lineage = lineage(ClientType::Spa);
    let read = names(&["openid", "orders:read"]);
    let principal = principal_of(&lineage, &read);
    assert_eq!((principal.halted, principal.client), (None, Some(CLIENT)));
    let sign_in = principal.sign_in.as_deref().unwrap();
    assert_eq!(
        (sign_in.at, sign_in.factors.acr(), sign_in.is_due(NOW + Span::days(9))),
        (NOW, Some("urn:admit:aal1"), false)
    );
    assert!(principal.everywhere().is_none(), "it is good for its own API");
    lineage.delegate.as_mut().unwrap().disabled_at = Some(NOW);
    assert_eq!(principal_of(&lineage, &read).halted, Some(Reason::ClientDisabled));
    (lineage.grant.api, lineage.api) = (None, None);
    lineage.delegate.as_mut().unwrap().disabled_at = None;
    assert_eq!(principal_of(&lineage, &names(&["openid"])).halted, None, "for userinfo");
    lineage.grant.kind = GrantKind::Session;
    assert_eq!(principal_of(&lineage, &[]).halted, Some(Reason::ParentEnded));
}

#[test]
fn tk_05_less_may_be_asked_for_and_never_more() {
    let lineage = lineage(ClientType::Spa);
    let uri = lineage.api.as_ref().unwrap().spec.uri.to_string();
    let narrowed = |scope: Option<&str>| narrow(&lineage, scope, [uri.as_str()].into_iter());
    assert_eq!(narrowed(None).unwrap(), lineage.standing());
    assert_eq!(super::scope::join(&narrowed(Some("orders:read openid")).unwrap().scopes), "openid orders:read");
    let never = ScopeName::parse("orders:delete").unwrap();
    assert_eq!(narrowed(Some("orders:read orders:delete")), Err(TooMuch::Scope(never)));
    assert_eq!(narrowed(Some("email")), Err(TooMuch::Scope(ScopeName::parse("email").unwrap())));
    assert_eq!(narrowed(Some("orders:read\torders:write")), Err(TooMuch::ScopeMalformed));
    for other in ["https://other.test", "", "orders"] {
        assert_eq!(narrow(&lineage, None, [other].into_iter()), Err(TooMuch::Resource), "rfc_8707_3 {other:?}");
    }
    let mut shrunk = lineage.clone();
    shrunk.roles.clear();
    let left = narrow(&shrunk, Some("orders:read openid"), std::iter::empty()).unwrap();
    assert_eq!(super::scope::join(&left.scopes), "openid", "granted once, and not held any more");
}

#[test]
fn lives_are_those_of_the_table() {
    let lineage = lineage(ClientType::Web);
    let of = |kind| Life::of(&lineage.realm, &client(kind).spec);
    assert_eq!(of(ClientType::Web), Life { idle: Span::days(14), absolute: Span::days(90) });
    assert_eq!(of(ClientType::Spa), Life { idle: Span::days(14), absolute: Span::days(30) });
    assert_eq!(ends_at(&lineage, &client(ClientType::Web).spec, NOW), NOW + Span::days(90));
    assert_eq!(ends_at(&lineage, &client(ClientType::Spa).spec, NOW), NOW + Span::days(14));
    assert_eq!(ends_at(&lineage, &client(ClientType::Spa).spec, NOW + Span::days(80)), NOW + Span::days(90));
}

#[test]
fn an_answer_is_read_as_it_was_kept() {
    for opaque in [None, Some(Secret::new("admit_at_1"))] {
        let reply = Reply {
            successor: Secret::new("admit_rt_2"),
            id: TokenId::from_bytes([5; 16]),
            opaque,
            issued_at: NOW,
            expires_at: NOW + Span::minutes(10),
            scopes: names(&["orders:read"]),
        };
        assert_eq!(Reply::read(&reply.octets()), Some(reply));
    }
    assert_eq!(Reply::read(b"{}"), None);
}
