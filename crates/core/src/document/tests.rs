use super::*;
use proptest::prelude::*;

const WHOLE: &str = r#"
[[api]]
uri = "https://api.shop.test"
hosts = ["Shop.test"]
[api.scopes]
"orders:read" = "Read orders"

[[role]]
name = "reader"
rights = { "https://api.shop.test" = ["orders:read"] }

[[client]]
name = "shop"
type = "service"
roles = ["reader"]

[[user]]
name = "alice"
email = "alice@example.com"
roles = ["viewer"]

[[rule]]
match = { host = "shop.test", methods = ["GET"], path = "/orders/**" }
require = { scopes = ["orders:read"] }

[[rule]]
name = "rest"
deny = true
"#;

fn document(text: &str) -> Document {
    toml::from_str(text).unwrap()
}

/// A realm as it is from its first moment.
fn fresh() -> Current {
    let realm = "default".parse().unwrap();
    Current {
        apis: vec![ApiSpec::new(name::management_api(&realm), scope::management_scopes())],
        roles: role::ready_roles(&realm),
        ..Current::default()
    }
}

/// The realm after a document.
fn applied(mut current: Current, text: &str, prune: bool) -> Current {
    let plan = document(text).plan(&current, prune).unwrap();
    let Document { api, role, client, user, rule } = plan.wanted;
    let put = |list: &mut Vec<ApiSpec>, new: Vec<ApiSpec>| {
        list.retain(|old| (!prune || name::is_built_in(&old.uri)) && new.iter().all(|new| new.uri != old.uri));
        list.extend(new);
    };
    if let Some(api) = api {
        put(&mut current.apis, api);
    }
    if let Some(new) = role {
        current.roles.retain(|old| (!prune || role::is_ready(&old.name)) && new.iter().all(|new| new.name != old.name));
        current.roles.extend(new);
    }
    if let Some(new) = client {
        current.clients.retain(|old| !prune && new.iter().all(|new| new.name != old.name));
        current.clients.extend(new);
    }
    if let Some(new) = user {
        current.users.retain(|old| !prune && new.iter().all(|new| new.name != old.name));
        current.users.extend(new);
    }
    let known: Vec<RawRule> =
        rule.into_iter().flatten().chain(current.rules.into_iter().map(|(rule, _)| rule)).collect();
    let find = |name: &str| known.iter().find(|rule| rule.name.as_deref() == Some(name)).unwrap().clone();
    current.rules = plan.places.iter().map(|(name, place)| (find(name), *place)).collect();
    current
}

fn told(current: &Current, text: &str, prune: bool) -> Vec<String> {
    let plan = document(text).plan(current, prune).unwrap();
    let tell = |change: Change| {
        let loosens = change.loosens.map_or_else(String::new, |what| format!(": {what}"));
        let action = serde_json::to_value(change.action).unwrap();
        format!(
            "{} {} {} [{}]{loosens}",
            action.as_str().unwrap(),
            change.kind.as_str(),
            change.name,
            change.fields.join(",")
        )
    };
    plan.changes.into_iter().map(tell).collect()
}

fn refused(current: &Current, text: &str) -> String {
    let problems = document(text).plan(current, false).unwrap_err();
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn an_empty_realm_becomes_what_is_said() {
    assert_eq!(
        told(&fresh(), WHOLE, false),
        [
            "create api https://api.shop.test []",
            "create role reader []: gives more rights",
            "create client shop []: holds more roles",
            "create user alice []: holds more roles",
            "create rule GET shop.test/orders/** []: admits callers whom no rule of that name admitted",
            "create rule rest []",
        ]
    );
}

#[test]
fn twice_is_once() {
    let once = applied(fresh(), WHOLE, false);
    assert_eq!(told(&once, WHOLE, false), [""; 0]);
    assert_eq!(told(&once, WHOLE, true), [""; 0]);
    assert_eq!(applied(once.clone(), WHOLE, true), once);
}

#[test]
fn what_is_not_mentioned_is_left_alone() {
    let current = applied(fresh(), WHOLE, false);
    assert_eq!(told(&current, "", true), [""; 0]);
    assert_eq!(told(&current, "user = []", false), [""; 0]);
    assert_eq!(told(&current, "user = []", true), ["delete user alice []"]);
    let others = "[[rule]]\nname = 'open'\npriority = 50\nmatch = { host = 'open.test' }\npublic = true";
    assert_eq!(told(&current, others, false), ["create rule open []: opens to the public"]);
}

#[test]
fn pruning_keeps_what_admit_is_and_removes_in_order() {
    let current = applied(fresh(), WHOLE, false);
    assert_eq!(
        told(&current, "api = []\nrole = []\nclient = []\nuser = []\nrule = []", true),
        [
            "delete rule GET shop.test/orders/** []",
            "delete rule rest []: drops a deny",
            "delete user alice []",
            "delete client shop []",
            "delete role reader []",
            "delete api https://api.shop.test []",
        ]
    );
}

#[test]
fn an_update_names_its_members_and_what_it_loosens() {
    let current = applied(fresh(), WHOLE, false);
    let text = WHOLE
        .replace("scopes = [\"orders:read\"]", "authenticated = true")
        .replace("rights = { \"https://api.shop.test\" = [\"orders:read\"] }", "description = \"Reads\"")
        .replace("roles = [\"viewer\"]", "roles = [\"operator\"]");
    assert_eq!(
        told(&current, &text, false),
        [
            "update role reader [description,rights]",
            "update user alice [roles]: holds more roles",
            "update rule GET shop.test/orders/** [require]: asks for fewer scopes",
        ]
    );
}

fn rules(names: &[&str]) -> String {
    let one = |name: &&str| format!("[[rule]]\nname = '{name}'\nmatch = {{ path = '/{name}' }}\ndeny = true\n");
    names.iter().map(one).collect()
}

fn names(current: &Current) -> Vec<String> {
    current.rules.iter().map(|(rule, _)| rule_name(rule)).collect()
}

#[test]
fn rules_stand_in_the_order_of_the_document() {
    let current = applied(fresh(), &rules(&["a", "b"]), false);
    let current = applied(current, &rules(&["x"]), false);
    assert_eq!(names(&current), ["a", "b", "x"]);
    assert_eq!(told(&current, &rules(&["a", "b"]), false), [""; 0], "a rule beside the document moves nothing");

    let between = applied(current.clone(), &rules(&["a", "n", "b"]), false);
    assert_eq!(names(&between), ["a", "n", "b", "x"]);
    assert_eq!(told(&current, &rules(&["a", "n", "b"]), false), ["create rule n []"]);
    assert_eq!(told(&between, &rules(&["a", "n", "b"]), false), [""; 0]);

    assert_eq!(
        told(&current, &rules(&["b", "a"]), false),
        [
            "update rule a [place]: is tried at another place",
            "update rule b [place]: is tried at another place",
            "update rule x [place]: is tried at another place"
        ]
    );
    assert_eq!(names(&applied(current, &rules(&["b", "a"]), false)), ["b", "x", "a"]);
}

#[test]
fn priorities_stand_before_places() {
    let late = "[[rule]]\nname = 'late'\npriority = 200\nmatch = { path = '/late' }\ndeny = true\n";
    let text = format!("{late}{}", rules(&["a"]));
    let current = applied(fresh(), &text, false);
    assert_eq!(names(&current), ["a", "late"]);
    assert_eq!(told(&current, &text, false), [""; 0]);
    assert_eq!(
        told(&current, &format!("{}{late}", rules(&["a"])), false),
        [""; 0],
        "the order of judgement is the same"
    );
}

#[test]
fn ad_02_what_admit_is_stands_in_no_document() {
    let text = "[[role]]\nname = 'viewer'\n\n[[api]]\nuri = 'urn:admit:realm:default'\n";
    let problems = refused(&fresh(), text);
    assert!(
        problems.contains("role viewer is built in") && problems.contains("api urn:admit:realm:default is built in"),
        "{problems}"
    );
}

#[test]
fn all_problems_are_told_at_once_with_what_to_do() {
    let text = r#"
[[api]]
uri = "https://api.shop.test"
token_lifetime = "1s"
[[api]]
uri = "https://api.shop.test"
[[client]]
name = "shop"
type = "service"
metadata = 1
[[rule]]
name = "open"
"#;
    let problems = refused(&fresh(), text);
    for said in [
        "api https://api.shop.test: token_lifetime",
        "stands in the document twice",
        "client shop: metadata",
        "rule open: require",
    ] {
        assert!(problems.contains(said), "{said}: {problems}");
    }
    let text = r#"
[[role]]
name = "reader"
rights = { "https://gone.test" = ["a"] }
[[user]]
name = "alice"
roles = ["writer"]
[[rule]]
match = { host = "shop.test" }
require = { authenticated = true }
"#;
    let problems = refused(&fresh(), text);
    for said in [
        "admit api create https://gone.test --scope a",
        "admit role create --name writer",
        "admit api create https://shop.test --host shop.test",
    ] {
        assert!(problems.contains(said), "{said}: {problems}");
    }
}

#[test]
fn an_api_goes_with_the_rules_that_need_it() {
    let current = applied(fresh(), WHOLE, false);
    let problems = document("api = []").plan(&current, true).unwrap_err();
    assert!(problems.iter().any(|problem| problem.path.contains("GET shop.test/orders/**")), "{problems:?}");
}

#[test]
fn what_was_broken_before_may_stay() {
    let orphan = || {
        vec![
            toml::from_str::<RawRule>("match = { host = 'a.test' }\nrequire = { authenticated = true }")
                .unwrap()
                .resolve()
                .unwrap(),
        ]
    };
    let (empty, before) = (Policy::load(&[], Vec::new()), Policy::load(&[], orphan()));
    assert!(broken(&before, &before).is_empty());
    assert_eq!(broken(&empty, &before).len(), 1);
}

#[test]
fn limits_hold_at_their_edge() {
    let roles = |count: usize| {
        let role = |number| RoleSpec {
            name: format!("r{number}").parse().unwrap(),
            description: String::new(),
            rights: Rights::new(),
        };
        Document { role: Some((0..count).map(role).collect()), ..Document::default() }.resolve()
    };
    assert!(roles(ITEMS_MAX).is_ok());
    assert_eq!(roles(ITEMS_MAX + 1).unwrap_err()[0].path, "role");
}

#[test]
fn unknown_kinds_and_members_are_refused() {
    for text in ["[[apis]]", "[[api]]\nuri = 'https://a'\nhost = 'a'", "[[user]]\nname = 'a'\npassword = 'b'"] {
        assert!(toml::from_str::<Document>(text).unwrap_err().to_string().contains("unknown field"), "{text}");
    }
}

#[test]
fn a_rule_beside_the_document_keeps_its_place_among_those_of_its_priority() {
    let early = "[[rule]]\nname = 'b'\npriority = 50\nmatch = { path = '/b' }\ndeny = true\n";
    let text = format!("{}{early}{}", rules(&["a"]), rules(&["c"]));
    let current = applied(applied(fresh(), &rules(&["z"]), false), &text, false);
    assert_eq!(names(&current), ["b", "z", "a", "c"]);
    assert_eq!(told(&current, &text, false), [""; 0], "b is tried before z, and does not lead it");
}

proptest! {
    #[test]
    fn an_order_is_reached_in_one_step(first in order_of(), second in order_of(), third in order_of(), prune: bool) {
        let current = applied(applied(fresh(), &ordered(&first), false), &ordered(&second), false);
        let after = applied(current, &ordered(&third), prune);
        prop_assert_eq!(told(&after, &ordered(&third), prune), [""; 0]);
        let mut named = third;
        named.sort_by_key(|(_, priority)| *priority);
        let named: Vec<_> = named.into_iter().map(|(name, _)| name).collect();
        let stands: Vec<_> = names(&after).into_iter().filter(|name| named.contains(&name.as_str())).collect();
        prop_assert_eq!(stands, named);
        let judged = |rule: &(RawRule, i64)| (rule.0.priority.unwrap_or(100), rule.1);
        prop_assert!(after.rules.windows(2).all(|pair| judged(&pair[0]) < judged(&pair[1])));
    }
}

fn ordered(rules: &[(&str, i64)]) -> String {
    let rule = |(name, priority): &(&str, i64)| {
        format!("[[rule]]\nname = '{name}'\npriority = {priority}\nmatch = {{ path = '/{name}' }}\ndeny = true\n")
    };
    rules.iter().map(rule).collect()
}

fn order_of() -> impl Strategy<Value = Vec<(&'static str, i64)>> {
    let priority = || prop::sample::select(vec![50_i64, 100, 200]);
    (Just(vec!["a", "b", "c", "d"]).prop_shuffle(), prop::collection::vec(priority(), 0..=4))
        .prop_map(|(order, priorities)| order.into_iter().zip(priorities).collect())
}
