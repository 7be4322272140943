//! Tests of [`super`]: what words of a rule mean, and what is said of wrong ones.

use super::*;
use proptest::prelude::*;

fn raw(text: &str) -> RawRule {
    toml::from_str(text).unwrap()
}

/// The key paths that a rule is refused for.
fn refused(text: &str) -> Vec<String> {
    raw(text)
        .resolve()
        .map_or_else(|problems| problems.into_iter().map(|problem| problem.path).collect(), |_| Vec::new())
}

const WHOLE: &str = r#"
name = "read orders"
public = false
authorization = "upstream"
encoded_slash = "keep"
mode = "observe"
priority = 10

[match]
host = "Shop.test"
methods = ["GET", "POST", "GET"]
path = "/users/{id}/orders/**"

[require]
authenticated = true
api = "https://api.shop.test"
scopes = ["orders:write", "orders:read"]
roles = ["buyer"]
subjects = ["user", "client"]
credentials = ["session", "api_key"]
self = "id"

[cors]
origins = ["https://app.test"]
credentials = true

[accept]
query = "api_key"

[limit]
per = "client"
rate = "100/1m"
burst = 20
"#;

#[test]
fn every_word_is_read() {
    let rule = raw(WHOLE).resolve().unwrap();
    assert_eq!(rule.summary(), "GET,POST shop.test/users/{id}/orders/**");
    let require = rule.require().unwrap();
    assert_eq!(require.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>(), ["orders:read", "orders:write"]);
    assert_eq!(require.credentials, [CredentialKind::Session, CredentialKind::ApiKey]);
    assert_eq!(require.own.as_deref(), Some("id"));
    assert_eq!(rule.audience, Audience::Api(ApiUri::parse("https://api.shop.test").unwrap()));
    assert!(rule.observe && rule.authorization_upstream && rule.keep_encoded_slash && rule.cors.is_some());
    let limit = rule.limit.unwrap();
    assert_eq!(
        (limit.per, limit.limit.burst(), limit.limit.rate().to_string()),
        (Per::Client, 20, "100/1m".to_owned())
    );
    assert_eq!((rule.priority, rule.accept_query.as_deref()), (10, Some("api_key")));
}

#[test]
fn what_is_written_again_is_the_same() {
    let whole = raw(WHOLE);
    assert_eq!(raw(&toml::to_string(&whole).unwrap()), whole);
    let json = serde_json::to_value(&whole).unwrap();
    assert_eq!(serde_json::from_value::<RawRule>(json).unwrap(), whole);
    let short = "public = true\n\n[match]\nhost = \"a.test\"\n";
    assert_eq!(toml::to_string(&raw(short)).unwrap(), short);
}

#[test]
fn unknown_keys_are_refused_at_every_level() {
    for text in [
        "hots = 1",
        "match = { hots = 'a' }",
        "require = { scope = ['a'] }",
        "limit = { rates = '1/1s' }",
        "cors = { origin = [] }",
    ] {
        assert!(toml::from_str::<RawRule>(text).unwrap_err().to_string().contains("unknown field"), "{text}");
    }
}

#[test]
fn what_is_absent_has_a_default() {
    let rule = raw(
        "match = { host = 'a.test', methods = ['GET'] }\nrequire = { authenticated = true }\nlimit = { rate = '1/1s' }",
    );
    let rule = rule.resolve().unwrap();
    assert_eq!(rule.name.as_str(), "GET a.test/**");
    assert_eq!((rule.priority, rule.limit.unwrap().per, rule.audience), (DEFAULT_PRIORITY, Per::Grant, Audience::None));
    let public = raw("match = { host = 'a.test' }\npublic = true\nlimit = { rate = '1/1s' }").resolve().unwrap();
    assert_eq!((public.limit.unwrap().per, public.name.as_str()), (Per::Ip, "* a.test/**"));
}

#[test]
fn a_rule_must_say_who_is_admitted() {
    assert_eq!(refused("match = { host = 'a.test' }"), ["require"]);
    assert_eq!(refused("require = {}"), ["require"]);
    assert_eq!(refused("public = false"), ["require"]);
    assert_eq!(refused("require = { authenticated = false }"), ["require.authenticated"]);
    assert_eq!(refused("public = true"), ["match.host"]);
    assert_eq!(refused("public = true\nmatch = { host = '*.a.test' }"), ["match.host"]);
    assert_eq!(refused("public = true\ndeny = true\nmatch = { host = 'a.test' }"), ["deny"]);
    assert_eq!(refused("deny = true\nrequire = { authenticated = true }"), ["require"]);
    assert_eq!(refused("deny = true\nlimit = { rate = '1/1s' }"), ["limit"]);
    assert_eq!(refused("deny = true"), [""; 0]);
}

#[test]
fn words_without_mechanism_are_refused_by_name() {
    let rule = "require = { acr = 'a', max_age = 300 }";
    let problems = raw(rule).resolve().unwrap_err();
    let paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(paths, ["require.acr", "require.max_age"]);
    assert!(problems.iter().all(|problem| problem.message.contains("this version of Admit does not have")));
    assert_eq!(refused("require = { credentials = ['certificate'] }"), ["require.credentials"]);
    let taken = raw("require = { credentials = ['certificate', 'access_token'] }").resolve().unwrap();
    assert_eq!(taken.require().unwrap().credentials, [CredentialKind::AccessToken]);
    assert_eq!(refused("require = { credentials = ['operator_key'] }"), ["require.credentials"]);
}

#[test]
fn who_is_sent_to_sign_in_must_know_where_to_come_back_to_and_be_taken() {
    let login = |rest: &str| format!("login = true\nmatch = {{ host = 'shop.test' }}\n{rest}");
    let rule = raw(&login("require = { authenticated = true }")).resolve().unwrap();
    assert!(rule.login);
    assert_eq!(refused("login = true\nrequire = { authenticated = true }"), ["match.host"]);
    assert_eq!(refused(&login("public = true")), ["login"]);
    assert_eq!(refused(&login("deny = true")), ["login"]);
    assert_eq!(refused(&login("require = { credentials = ['api_key'] }")), ["login"]);
    assert_eq!(refused(&login("require = { credentials = ['api_key', 'session'], subjects = ['user'] }")), [""; 0]);
    assert_eq!(refused(&login("require = { subjects = ['client'] }")), ["login"]);
}

#[test]
fn all_problems_are_told_at_once() {
    let rule = r#"
name = "a\nb"
authorization = "drop"
encoded_slash = "decode"
mode = "shadow"
audience = "all"
priority = -1
match = { host = "a b", methods = ["get"], path = "orders" }
require = { api = "shop", scopes = ["a b"], roles = [], subjects = ["robot"], self = "id" }
cors = { origins = ["app.test"] }
accept = { query = "a b" }
limit = { per = "key", rate = "fast" }
"#;
    let mut paths = refused(rule);
    paths.sort_unstable();
    let all = [
        "accept.query",
        "audience",
        "audience",
        "authorization",
        "cors.origins",
        "encoded_slash",
        "limit.per",
        "limit.rate",
        "match.host",
        "match.methods",
        "match.path",
        "mode",
        "name",
        "priority",
        "require.api",
        "require.roles",
        "require.scopes",
        "require.self",
        "require.subjects",
    ];
    assert_eq!(paths, all);
}

#[test]
fn the_remedy_is_named() {
    let rows = [
        ("require = { authenticated = true, self = 'id' }\nmatch = { path = '/{user}' }", "self = \"id\""),
        ("public = true\nmatch = { host = 'a.test' }\nlimit = { per = 'grant', rate = '1/1s' }", "say ip or rule"),
        ("require = { authenticated = true }\nlimit = { burst = 3 }", "such as 100/1m"),
        ("require = { authenticated = true }\naccept = {}", "query = \"api_key\""),
        ("match = { methods = [] }\ndeny = true", "leave it out for all methods"),
        ("public = true\nmatch = { host = 'a.test' }\naudience = 'any'", "leave it out"),
    ];
    for (text, said) in rows {
        let problems = raw(text).resolve().unwrap_err();
        assert!(problems.len() == 1 && problems[0].to_string().contains(said), "{text}: {problems:?}");
    }
}

#[test]
fn limits_hold_at_their_edge() {
    let scopes = |count| format!("require = {{ scopes = {:?} }}", vec!["a"; count]);
    assert_eq!(refused(&scopes(MAX_WORDS)), [""; 0]);
    assert_eq!(refused(&scopes(MAX_WORDS + 1)), ["require.scopes"]);
    assert_eq!(refused(&format!("deny = true\npriority = {MAX_PRIORITY}")), [""; 0]);
    assert_eq!(refused(&format!("deny = true\npriority = {}", MAX_PRIORITY + 1)), ["priority"]);
    let accept =
        |letters| format!("accept = {{ query = '{}' }}\nrequire = {{ authenticated = true }}", "a".repeat(letters));
    assert_eq!((refused(&accept(64)).len(), refused(&accept(65)).len(), refused(&accept(0)).len()), (0, 1, 1));
    let path = |letters: usize| format!("deny = true\nmatch = {{ path = '/{}' }}", "a".repeat(letters));
    assert_eq!((refused(&path(196)), refused(&path(197))), (vec![], vec!["name".to_owned()]));
}

#[test]
fn a_rule_may_go_on_without_the_store_for_a_while() {
    let stale_for = |text: &str| format!("require = {{ authenticated = true }}\nstale_for = '{text}'");
    let read = |text: &str| raw(&stale_for(text)).resolve().unwrap().stale_for;
    assert_eq!((read("1s"), read("5m")), (Span::seconds(1), MAX_STALE_FOR));
    for bad in ["999ms", "301s", "0s", "soon", ""] {
        assert_eq!(refused(&stale_for(bad)), ["stale_for"], "{bad}");
    }
    assert_eq!(refused("deny = true\nstale_for = '30s'"), ["stale_for"]);
    let unread = raw("require = { authenticated = true }\nstale_for = '30s'\npriority = -1").resolve_or_deny().0;
    assert_eq!(unread.stale_for, Span::ZERO);
}

#[test]
fn a_stored_rule_that_cannot_be_read_denies_what_it_may_have_meant() {
    let text = "match = { host = 'a.test', path = 'orders', methods = ['get'] }\nrequire = { authenticated = true }\nmode = 'observe'";
    let (rule, problems) = raw(text).resolve_or_deny();
    assert_eq!(problems.len(), 2);
    assert_eq!(
        (rule.demand, rule.observe, rule.path, rule.methods),
        (Demand::Deny, false, PathPattern::any(), Methods::Every)
    );
    assert!(raw("deny = true").resolve_or_deny().1.is_empty());
}

proptest! {
    #[test]
    fn any_words_make_a_rule_or_problems(word in "[a-z*{}/.:0-9]{0,12}|.{0,12}", number: i64, flag: Option<bool>) {
        let list = Some(vec![word.clone()]);
        let rule = RawRule {
            name: Some(word.clone()),
            matching: Some(RawMatch { host: Some(word.clone()), methods: list.clone(), path: Some(word.clone()) }),
            require: Some(RawRequire { scopes: list.clone(), credentials: list, own: Some(word.clone()), ..RawRequire::default() }),
            public: flag,
            limit: Some(RawLimit { per: None, rate: Some(word), burst: Some(number) }),
            priority: Some(number),
            ..RawRule::default()
        };
        if let Err(problems) = rule.resolve() {
            prop_assert!(!problems.is_empty());
            prop_assert_eq!(rule.resolve_or_deny().0.demand, Demand::Deny);
        }
    }
}

#[test]
fn a_token_for_the_application_names_it_and_needs_a_caller() {
    let guarded =
        |audience: &str| format!("token = {{ audience = '{audience}' }}\nrequire = {{ authenticated = true }}");
    let rule = raw(&guarded("https://shop.internal")).resolve().unwrap();
    assert_eq!(rule.token_audience.as_deref(), Some("https://shop.internal"));
    assert!(raw(&guarded(&"a".repeat(AUDIENCE_MAX))).resolve().is_ok());
    for bad in ["", "a b", "a\"b", "é", &"a".repeat(AUDIENCE_MAX + 1)] {
        assert_eq!(refused(&guarded(bad)), ["token.audience"], "{bad}");
    }
    assert_eq!(refused("token = {}\nrequire = { authenticated = true }"), ["token.audience"]);
    assert_eq!(refused("token = { audience = 'a' }\npublic = true\nmatch = { host = 'a.test' }"), ["token"]);
    assert_eq!(refused("token = { audience = 'a' }\ndeny = true"), ["token"]);
}
