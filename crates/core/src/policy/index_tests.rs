//! Tests of [`super`]: order, audiences, and which rule a request meets.

use super::*;
use crate::policy::rule::RawRule;
use proptest::prelude::*;

fn apis() -> Vec<ApiRealm> {
    let cors = crate::policy::cors::RawCors { origins: vec!["https://app.test".to_owned()], credentials: None };
    let api = |uri: &str, host: &str, cors| ApiRealm {
        uri: ApiUri::parse(uri).unwrap(),
        scopes: vec!["orders:read".parse().unwrap()],
        hosts: vec![host.to_owned()],
        cors,
    };
    vec![
        api("https://api.shop.test", "shop.test", Some(cors.resolve().unwrap())),
        api("https://v2.shop.test", "shop.test/v2", None),
    ]
}

fn rule(text: &str) -> Rule {
    toml::from_str::<RawRule>(text).unwrap().resolve().unwrap()
}

/// A guarded rule of shop.test.
fn guarded(methods: &str, path: &str) -> Rule {
    let methods = if methods.is_empty() { String::new() } else { format!("methods = ['{methods}'], ") };
    rule(&format!("match = {{ host = 'shop.test', {methods}path = '{path}' }}\nrequire = {{ authenticated = true }}"))
}

fn build(rules: Vec<Rule>) -> Policy {
    Policy::build(&apis(), rules).unwrap()
}

fn refused(rules: Vec<Rule>) -> String {
    let problems = Policy::build(&apis(), rules).unwrap_err();
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}

fn found(policy: &Policy, method: &str, host: &str, path: &str) -> Option<usize> {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    policy
        .find(&Target { host, method: &method, path, has_encoded_slash: path.contains("%2F") })
        .map(|matched| matched.place)
}

#[test]
fn priority_then_place_then_first_match() {
    let mut late = guarded("", "/**");
    late.priority = 200;
    let policy = build(vec![
        late,
        guarded("GET", "/orders/{id}"),
        guarded("", "/orders/**"),
        rule("deny = true\npriority = 150\nmatch = { host = '*.test', path = '/secret' }"),
    ]);
    assert_eq!(found(&policy, "GET", "shop.test", "/orders/7"), Some(1));
    assert_eq!(found(&policy, "POST", "shop.test", "/orders/7"), Some(2));
    assert_eq!(found(&policy, "GET", "shop.test", "/secret"), Some(3));
    assert_eq!(found(&policy, "GET", "shop.test", "/x"), Some(0));
    assert_eq!(found(&policy, "GET", "a.b.test", "/secret"), Some(3));
    assert_eq!(found(&policy, "GET", "other.test", "/orders/7"), None);
    assert_eq!(policy.rules().map(|matched| matched.place).collect::<Vec<_>>(), [1, 2, 3, 0]);
}

#[test]
fn fa_07_an_unknown_verb_finds_no_rule() {
    let policy = build(vec![guarded("", "/**")]);
    for method in ["GETX", "get", "PRI"] {
        assert_eq!(found(&policy, method, "shop.test", "/orders"), None, "{method}");
    }
}

#[test]
fn fa_06_head_finds_the_rule_of_get_and_a_preflight_that_of_its_method() {
    let policy = build(vec![guarded("GET", "/orders")]);
    assert_eq!(found(&policy, "HEAD", "shop.test", "/orders"), Some(0));
    assert_eq!(found(&policy, "OPTIONS", "shop.test", "/orders"), None);
    let target = Target { host: "shop.test", method: &Method::OPTIONS, path: "/orders", has_encoded_slash: false };
    assert!(policy.find_for(&target, &Method::GET).is_some() && policy.find_for(&target, &Method::POST).is_none());
    assert!(policy.cors(policy.find_for(&target, &Method::GET).map(|matched| matched.rule), &target).is_some());
    assert!(policy.cors(None, &target).is_some());
    assert!(policy.cors(None, &Target { path: "/v2", ..target }).is_none());
}

#[test]
fn a_rule_is_for_the_api_that_owns_its_place() {
    let any = rule("audience = 'any'\nmatch = { path = '/any' }\nrequire = { authenticated = true }");
    let policy = build(vec![guarded("", "/v2/**"), guarded("", "/**"), any]);
    let audiences: Vec<_> = policy.rules().map(|matched| matched.rule.audience.clone()).collect();
    let api = |uri| Audience::Api(ApiUri::parse(uri).unwrap());
    assert_eq!(audiences, [api("https://v2.shop.test"), api("https://api.shop.test"), Audience::Any]);
    assert_eq!(policy.owner_api("shop.test", "/v2/x").map(ApiUri::as_str), Some("https://v2.shop.test"));
    assert_eq!(policy.owner_api("else.test", "/"), None);
}

#[test]
fn a_rule_for_which_no_api_follows_is_refused() {
    let rows = [
        (
            "match = { host = 'a.test' }\nrequire = { scopes = ['x:y'] }",
            "admit api create https://a.test --host a.test --scope x:y",
        ),
        ("match = { host = '*.shop.test' }\nrequire = { authenticated = true }", "no single host"),
        ("require = { authenticated = true }", "no single host"),
        ("require = { api = 'https://no.test', scopes = ['a'] }", "admit api create https://no.test --scope a"),
        (
            "match = { host = 'shop.test' }\nrequire = { scopes = ['a'] }",
            "admit api update https://api.shop.test --scope a",
        ),
        ("audience = 'any'\nrequire = { scopes = ['a', 'orders:read'] }", "has a, which no API defines"),
    ];
    for (text, said) in rows {
        let problems = refused(vec![rule(text)]);
        assert!(problems.contains(said) && problems.lines().count() == 1, "{text}: {problems}");
    }
    build(vec![rule("match = { host = 'a.test' }\npublic = true"), rule("deny = true")]);
}

#[test]
fn a_rule_that_can_never_match_is_refused_with_both_names() {
    let problems = refused(vec![guarded("", "/orders/**"), guarded("GET", "/orders/{id}")]);
    assert!(
        problems.contains("rule \"GET shop.test/orders/{id}\": match can never match: rule \"* shop.test/orders/**\""),
        "{problems}"
    );
    build(vec![guarded("GET", "/orders/{id}"), guarded("", "/orders/**")]);
    let mut first = guarded("GET", "/orders/{id}");
    first.priority = 99;
    build(vec![guarded("", "/orders/**"), first]);
    assert!(refused(vec![guarded("GET", "/a"), guarded("HEAD", "/a")]).contains("can never match"));
    assert!(refused(vec![guarded("GET", "/a"), guarded("GET", "/a")]).contains("give each its own"));
}

#[test]
fn a_stored_rule_with_a_problem_denies() {
    let mut orphan = rule("match = { host = 'gone.test' }\nrequire = { authenticated = true }\nmode = 'observe'");
    orphan.priority = 1;
    let policy = Policy::load(&apis(), vec![guarded("", "/**"), orphan]);
    assert_eq!(policy.problems().len(), 1);
    let matched =
        policy.find(&Target { host: "gone.test", method: &Method::GET, path: "/", has_encoded_slash: false }).unwrap();
    assert_eq!((&matched.rule.demand, matched.rule.observe, matched.place), (&Demand::Deny, false, 1));
    assert_eq!(found(&policy, "GET", "shop.test", "/"), Some(0));
}

#[test]
fn near_misses_tell_the_part_that_differs() {
    let mut other = guarded("", "/orders");
    (other.host, other.name) = (HostPattern::parse("shop2.test").unwrap(), "other".parse().unwrap());
    other.audience = Audience::Any;
    let policy =
        build(vec![guarded("POST", "/users"), guarded("POST", "/orders/{id}/items"), other, guarded("GET", "/orders")]);
    let misses = |path| {
        let target = Target { host: "shop.test", method: &Method::POST, path, has_encoded_slash: false };
        policy.near_misses(&target).into_iter().map(|miss| (miss.place, miss.why)).collect::<Vec<_>>()
    };
    assert_eq!(misses("/orders"), [(3, Missed::Method), (1, Missed::Path), (2, Missed::Host)]);
    assert_eq!(misses("/orders/7/item"), [(1, Missed::Path), (0, Missed::Path)]);
}

#[test]
fn w1_a_thousand_rules_cost_as_ten() {
    let candidates = |count: usize| {
        let mut rules: Vec<_> = (0..count).map(|number| guarded("GET", &format!("/v1/r{number}/{{id}}"))).collect();
        rules.extend((0..count).map(|number| rule(&format!("public = true\nmatch = {{ host = 'h{number}.test' }}"))));
        let policy = build(rules);
        let mut seen = 0;
        let target = Target { host: "shop.test", method: &Method::GET, path: "/v1/r7/1", has_encoded_slash: false };
        policy.visit(&target, |list| seen += list.len());
        seen
    };
    assert_eq!((candidates(10), candidates(500)), (1, 1));
}

#[test]
fn limits_hold_at_their_edge() {
    let rules = |count| {
        (0..count).map(|number| rule(&format!("deny = true\npriority = {number}\nmatch = {{ host = 'h{number}' }}")))
    };
    let mut most: Vec<_> = rules(3).collect();
    assert!(Policy::load(&[], most.clone()).problems().is_empty());
    most = vec![most[0].clone(); MAX_RULES];
    let counted = |rules| {
        Policy::load(&[], rules).problems().iter().filter(|problem| problem.message.contains("10001 rules")).count()
    };
    assert_eq!(counted(most.clone()), 0);
    most.push(most[0].clone());
    assert_eq!(counted(most), 1);
}

proptest! {
    #[test]
    fn the_index_finds_what_a_walk_through_all_rules_finds(
        given in prop::collection::vec((0_usize..4, "(GET|POST|)", "(/(a|b|\\{x\\})){0,3}(/|/\\*\\*)?", 99_u32..102), 0..12),
        host in "(a\\.)?(shop|other)\\.test", method in "GET|HEAD|PUT", path in "(/(a|b|c)){0,3}/?",
    ) {
        let hosts = ["", "host = 'shop.test', ", "host = '*.shop.test', ", "host = '*.test', "];
        let rules: Vec<Rule> = given.iter().filter(|(_, _, path, _)| path.starts_with('/')).map(|(host, methods, path, priority)| {
            let methods = if methods.is_empty() { String::new() } else { format!("methods = ['{methods}'], ") };
            let path = path.replacen("{x}", "{y}", 1).replacen("{x}", "{z}", 1);
            rule(&format!("deny = true\npriority = {priority}\nmatch = {{ {}{methods}path = '{path}' }}", hosts[*host]))
        }).collect();
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let policy = Policy::load(&apis(), rules.clone());
        let target = Target { host: &host, method: &method, path: &path, has_encoded_slash: false };
        let fits = |rule: &Rule| rule.host.matches(&host) && rule.methods.has(&method) && rule.path.matches(&path);
        let first = rules.iter().enumerate().filter(|(_, rule)| fits(rule)).min_by_key(|(place, rule)| (rule.priority, *place));
        prop_assert_eq!(policy.find(&target).map(|matched| matched.place), first.map(|(place, _)| place));
        for miss in policy.near_misses(&target) {
            prop_assert!(!fits(miss.rule));
        }
    }
}

#[test]
fn many_rules_are_compared_with_few() {
    let many = 5_000;
    let rules: Vec<_> = (0..many)
        .map(|number| {
            let (host, place) = (number % 50, number / 50);
            let path = if place % 2 == 0 { format!("/v1/r{place}/{{id}}") } else { format!("/v1/r{place}/**") };
            let method = ["GET", "POST", "DELETE"][number % 3];
            let mut rule = guarded(method, &path);
            rule.host = HostPattern::parse(&format!("h{host}.shop.test")).unwrap();
            rule.name = format!("rule {number}").parse().unwrap();
            rule
        })
        .chain([rule("deny = true\nname = 'last'\npriority = 200")])
        .collect();
    let policy = Policy::load(&[], rules);
    let compared: usize = (0..=many).map(|number| policy.earlier_candidates(number).len()).sum();
    assert!(compared <= many, "{compared} comparisons for {many} rules");
}

fn a_rule() -> impl Strategy<Value = Rule> {
    let hosts = prop::sample::select(vec![
        "",
        "host = 'a.test', ",
        "host = 'b.a.test', ",
        "host = '*.test', ",
        "host = '*.a.test', ",
    ]);
    let methods = prop::sample::select(vec!["", "methods = ['GET'], ", "methods = ['POST', 'GET'], "]);
    let paths = prop::sample::select(vec!["/**", "/a", "/a/**", "/a/", "/{x}", "/{x}/**", "/{x}/b", "/a/b"]);
    (hosts, methods, paths)
        .prop_map(|(host, methods, path)| rule(&format!("deny = true\nmatch = {{ {host}{methods}path = '{path}' }}")))
}

proptest! {
    #[test]
    fn what_is_never_reached_is_what_one_earlier_rule_covers(rules in prop::collection::vec(a_rule(), 0..12)) {
        let rules: Vec<_> = rules.into_iter().enumerate().map(|(number, mut rule)| {
            rule.name = format!("rule {number}").parse().unwrap();
            rule
        }).collect();
        let expected = rules.iter().enumerate().filter_map(|(number, rule)| {
            let earlier = rules[..number].iter().find(|earlier| earlier.covers(rule))?;
            Some(Problem::new("match", never_reached(earlier, rule)).of_rule(rule.name.as_str()))
        });
        let expected: Vec<_> = expected.collect();
        let policy = Policy::load(&[], rules.clone());
        prop_assert_eq!(policy.problems(), expected);
    }
}
