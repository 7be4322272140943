use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::api::ApiSpec;
use crate::client::ClientSpec;
use crate::id::{ApiId, ClientId, RealmId, RoleId};
use crate::name::{Label, RoleName};
use crate::role::RoleSpec;
use crate::scope::Rights;
use crate::secret::Prefix;
use crate::time::Time;

const SHOP: &str = "https://api.shop.test";
const BILLS: &str = "https://bills.shop.test";
const NOW: Time = Time::from_unix_ms(1_700_000_000_000);

fn uri(text: &str) -> ApiUri {
    ApiUri::parse(text).unwrap()
}

fn names(scopes: &[&str]) -> Vec<ScopeName> {
    scopes.iter().map(|scope| ScopeName::parse(scope).unwrap()).collect()
}

fn realm() -> Realm {
    let prefix = Prefix::parse("acme").unwrap();
    Realm::new(RealmId::from_bytes([1; 16]), "acme".parse().unwrap(), prefix, NOW)
}

fn api(text: &str, scopes: &[&str]) -> Api {
    let scopes = names(scopes).into_iter().map(|scope| (scope, String::new())).collect::<BTreeMap<_, _>>();
    Api {
        id: ApiId::from_bytes([text.len() as u8; 16]),
        realm: realm().id,
        spec: ApiSpec::new(uri(text), scopes),
        created_at: NOW,
        updated_at: NOW,
        version: 1,
    }
}

fn apis() -> Vec<Api> {
    vec![
        api("urn:admit:realm:acme", &["keys:read"]),
        api(SHOP, &["orders:read", "orders:write"]),
        api(BILLS, &["bills:read"]),
    ]
}

fn rights(rights: &[(&str, &[&str])]) -> Rights {
    rights.iter().map(|(api, scopes)| (uri(api), names(scopes).into_iter().collect::<BTreeSet<_>>())).collect()
}

fn client(given: Rights) -> Client {
    Client {
        id: ClientId::from_bytes([3; 16]),
        realm: realm().id,
        org: None,
        spec: ClientSpec::service(Label::parse("shop").unwrap(), given),
        disabled_at: None,
        valid_after: None,
        created_at: NOW,
        updated_at: NOW,
        version: 1,
    }
}

fn role(name: &str, given: Rights) -> Role {
    Role {
        id: RoleId::from_bytes([4; 16]),
        realm: realm().id,
        spec: RoleSpec { name: RoleName::parse(name).unwrap(), description: String::new(), rights: given },
        created_at: NOW,
        updated_at: NOW,
        version: 1,
    }
}

/// API, scopes and roles of the token, or the word of the refusal.
fn judge(client: &Client, roles: &[Role], apis: &[Api], asked: &Asked<'_>) -> Result<Standing, Refusal> {
    let held = hold(&realm(), client, roles, apis, &asked.resources)?;
    Ok(narrow(&held.whole, roles, asked.scope)?.unwrap_or(held.whole))
}

fn ask<'r>(scope: Option<&'r str>, resources: &[&'r str]) -> Asked<'r> {
    Asked { scope, resources: resources.to_vec() }
}

fn scopes(standing: Result<Standing, Refusal>) -> Result<String, &'static str> {
    standing.map(|standing| scope::join(&standing.scopes)).map_err(|refusal| refusal.as_str())
}

#[test]
fn rfc_6749_4_4_a_client_gets_what_it_may_do_and_no_more() {
    let shop = client(rights(&[(SHOP, &["orders:read", "orders:write", "gone"])]));
    let judge = |asked: &Asked<'_>| scopes(judge(&shop, &[], &apis(), asked));
    assert_eq!(judge(&ask(None, &[])), Ok("orders:read orders:write".to_owned()), "what the API defines of it");
    assert_eq!(judge(&ask(Some("orders:read"), &[])), Ok("orders:read".to_owned()));
    assert_eq!(judge(&ask(Some("orders:write orders:read"), &[SHOP])), Ok("orders:read orders:write".to_owned()));
    for (asked, why) in [
        ("orders:read bills:read", "scope_not_held"),
        ("gone", "scope_not_held"),
        ("orders", "scope_not_held"),
        ("check", "scope_not_held"),
        ("openid", "scope_of_people"),
        ("orders:read offline_access", "scope_of_people"),
        ("orders:read\torders:write", "scope_malformed"),
        ("\"orders:read\"", "scope_malformed"),
    ] {
        assert_eq!(judge(&ask(Some(asked), &[])), Err(why), "tk_05 {asked:?}");
    }
}

#[test]
fn rfc_8707_2_the_resource_decides_for_which_api_a_token_is() {
    let both = client(rights(&[(SHOP, &["orders:read"]), (BILLS, &["bills:read"])]));
    let judge = |asked: &Asked<'_>| judge(&both, &[], &apis(), asked);
    assert_eq!(judge(&ask(None, &[BILLS])).unwrap().api, Some(uri(BILLS)));
    assert_eq!(judge(&ask(None, &[SHOP, SHOP])).unwrap().api, Some(uri(SHOP)), "said twice is said once");
    assert_eq!(judge(&ask(None, &[SHOP, BILLS])), Err(Refusal::ResourceMany));
    let needed = judge(&ask(None, &[])).unwrap_err();
    assert_eq!(needed, Refusal::ResourceNeeded(vec![uri(SHOP), uri(BILLS)]));
    assert_eq!(needed.to_string(), format!("Say for which API with resource: {SHOP} {BILLS}"));
    for bad in ["", "api.shop.test", "https://api.shop.test#a", "/orders", "https://"] {
        assert_eq!(judge(&ask(None, &[bad])), Err(Refusal::ResourceMalformed), "{bad:?}");
    }
    for other in ["https://api.shop.test/", "https://API.shop.test", "https://other.test"] {
        assert_eq!(judge(&ask(None, &[other])), Err(Refusal::ResourceUnknown(uri(other))), "{other:?}");
    }
    assert_eq!(
        judge(&ask(None, &["urn:admit:realm:acme"])),
        Err(Refusal::ResourceNotHeld(uri("urn:admit:realm:acme")))
    );
}

#[test]
fn rfc_8707_2_without_a_resource_the_api_follows_from_rights_or_is_the_only_one() {
    let one = &apis()[..2];
    let judge = |given: Rights, apis: &[Api]| scopes(judge(&client(given), &[], apis, &ask(None, &[])));
    assert_eq!(judge(rights(&[(BILLS, &["bills:read"])]), &apis()), Ok("bills:read".to_owned()));
    assert_eq!(judge(Rights::new(), one), Err("resource_not_held"), "the only one, and it may do nothing there");
    assert_eq!(judge(Rights::new(), &apis()), Err("resource_needed"));
    assert_eq!(judge(Rights::new(), &apis()[..1]), Err("resource_needed"), "Admit's own is nobody's only one");
    assert_eq!(judge(rights(&[("https://gone.test", &["x"])]), one), Err("resource_not_held"));
    assert_eq!(judge(rights(&[(SHOP, &[])]), &apis()), Ok(String::new()), "who, not what");
}

#[test]
fn only_a_service_that_is_not_switched_off_acts_as_itself() {
    let given = rights(&[(SHOP, &["orders:read"])]);
    for kind in [ClientType::Web, ClientType::Spa, ClientType::Native, ClientType::Device] {
        let other = Client { spec: ClientSpec { kind, ..client(given.clone()).spec }, ..client(given.clone()) };
        assert_eq!(judge(&other, &[], &apis(), &ask(None, &[])), Err(Refusal::NotOfService), "tk_04 {kind:?}");
    }
    let off = Client { disabled_at: Some(NOW), ..client(given.clone()) };
    assert_eq!(judge(&off, &[], &apis(), &ask(None, &[])), Err(Refusal::Disabled));
    let off = Realm { disabled_at: Some(NOW), ..realm() };
    assert_eq!(hold(&off, &client(given), &[], &apis(), &[]), Err(Refusal::Disabled));
}

#[test]
fn roles_give_rights_and_go_along_where_all_of_theirs_is_there() {
    let roles = [
        role("clerk", rights(&[(SHOP, &["orders:read", "orders:write"])])),
        role("reader", rights(&[(SHOP, &["orders:read"])])),
        role("staff", Rights::new()),
    ];
    let told = |scope| {
        let standing = judge(&client(Rights::new()), &roles, &apis(), &ask(scope, &[])).unwrap();
        standing.roles.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(told(None), "clerk reader staff");
    assert_eq!(told(Some("orders:read")), "reader staff");
    assert_eq!(told(Some("orders:write")), "staff");
}

#[test]
fn a_description_has_the_letters_that_it_may() {
    let many = (0..20).map(|number| uri(&format!("https://{number}.test"))).collect();
    for refusal in [
        Refusal::ScopeNotHeld(names(&["a"]).remove(0), uri(SHOP)),
        Refusal::ResourceUnknown(uri("urn:a'b")),
        Refusal::ResourceNeeded(many),
        Refusal::ResourceNeeded(Vec::new()),
    ] {
        let text = refusal.to_string();
        assert!(text.bytes().all(|letter| matches!(letter, 0x20 | 0x21 | 0x23..=0x5B | 0x5D..=0x7E)), "{text}");
    }
}

proptest! {
    /// Whatever is asked for, nothing is given that the client may not do.
    #[test]
    fn tk_05_nothing_is_ever_widened(
        held in prop::collection::btree_set("[a-e]", 0..5),
        defined in prop::collection::btree_set("[a-e]", 0..5),
        asked in prop::option::of(prop::collection::vec("[a-f]", 0..5)),
    ) {
        let texts = |set: &BTreeSet<String>| set.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        let own: BTreeSet<ScopeName> = held.iter().map(|name| ScopeName::parse(name).unwrap()).collect();
        let defined: Vec<_> = defined.iter().map(String::as_str).collect();
        let apis = [api(SHOP, &defined)];
        let shop = client(Rights::from([(uri(SHOP), own)]));
        let wanted = asked.as_ref().map(|names| names.join(" "));
        let may: BTreeSet<String> = held.iter().filter(|name| defined.contains(&name.as_str())).cloned().collect();
        match scopes(judge(&shop, &[], &apis, &ask(wanted.as_deref(), &[]))) {
            Ok(given) => {
                let expected = asked.map_or_else(|| may.clone(), |names| names.into_iter().collect());
                prop_assert!(expected.is_subset(&may));
                prop_assert_eq!(given, texts(&expected));
            }
            Err(why) => {
                let names = asked.unwrap_or_default();
                prop_assert!(names.is_empty() && why == "scope_malformed" || names.iter().any(|name| !may.contains(name)), "{}", why);
            }
        }
    }
}
