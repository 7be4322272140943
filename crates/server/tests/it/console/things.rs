//! Lists, details, forms and actions of every kind of thing, without a script.

use serde_json::{Value, json};

use super::person::{all, operator};
use crate::app::{Reply, TestApp};
use crate::pages::person::{Person, encode};

const REALM: &str = "/console/realms/default";

/// Sends the form of a page, with its hidden fields.
async fn fill(person: &mut Person<'_>, path: &str, fields: &[(&str, &str)]) -> Reply {
    let page = person.get(path).await;
    assert_eq!(page.status, 200, "{path}: {}", page.text);
    let (attempt, etag) = (person.value("attempt"), person.value("etag"));
    let etag = etag.replace("&#34;", "\"");
    let hidden = [("attempt", attempt.as_str()), ("etag", etag.as_str())];
    let fields: Vec<_> = hidden.into_iter().chain(fields.iter().copied()).collect();
    person.submit(path, &fields).await
}

/// The path that a form led to, without what it says was done.
#[track_caller]
fn led(reply: &Reply) -> String {
    assert_eq!(reply.status, 303, "{}", reply.text);
    reply.header("location").split('?').next().unwrap().to_owned()
}

/// Makes one of each kind, changes it, acts on it.
#[tokio::test]
async fn every_kind_of_thing_is_made_seen_changed_and_ended() {
    let app = TestApp::new().await;
    let mut olga = operator(&app, "olga", all()).await;
    let mut made = Vec::new();
    for (kind, fields, shown) in [
        (
            "apis",
            &[
                ("uri", "https://api.shop.test"),
                ("defined_scopes", "orders:read Read orders\norders:write"),
                ("hosts", "shop.test"),
                ("token_format", "opaque"),
            ][..],
            "Read orders",
        ),
        (
            "rules",
            &[
                ("name", "read"),
                ("host", "shop.test"),
                ("path", "/orders/**"),
                ("methods", "GET"),
                ("access", "require"),
                ("scopes", "orders:read"),
                ("rate", "100/1m"),
                ("per", "ip"),
            ],
            "/orders/**",
        ),
        (
            "roles",
            &[
                ("name", "clerk"),
                ("description", "Looks at orders"),
                ("rights:https://api.shop.test orders:read", "on"),
            ],
            "orders:read",
        ),
        (
            "clients",
            &[("name", "billing"), ("type", "service"), ("roles:clerk", "on"), ("metadata", "{\"plan\": \"pro\"}")],
            "&#34;plan&#34;: &#34;pro&#34;",
        ),
        (
            "users",
            &[
                ("name", "bob"),
                ("email", "bob@shop.test"),
                ("roles:clerk", "on"),
                ("new_password", "quiet harbours keep their lamps"),
            ],
            "bob@shop.test",
        ),
    ] {
        let reply = fill(&mut olga, &format!("{REALM}/{kind}/new"), fields).await;
        // A client that proves itself by a secret is shown it first.
        let path = match kind {
            "clients" => between(&reply.text, "id=\"to-key\" href=\"", "\""),
            _ => led(&reply),
        };
        let page = olga.get(&format!("{path}?done=made")).await;
        assert!(
            page.status == 200 && page.text.contains(shown) && page.text.contains("It is made."),
            "{kind}: {}",
            page.text
        );
        let list = olga.get(&format!("{REALM}/{kind}")).await;
        assert!(list.text.contains(&format!("href=\"{path}\"")), "{kind}: {}", list.text);
        made.push(path);
    }
    let [api, rule, role, client, user] = &made[..] else { panic!("{made:?}") };
    for (path, fields, shown) in [
        (
            api,
            &[
                ("name", "Shop"),
                ("defined_scopes", "orders:read Read all orders\norders:write"),
                ("hosts", "shop.test"),
                ("token_lifetime", "300"),
            ][..],
            "Read all orders",
        ),
        (
            rule,
            &[
                ("name", "read"),
                ("host", "shop.test"),
                ("path", "/orders/**"),
                ("methods", "GET PUT"),
                ("access", "require"),
                ("scopes", "orders:read"),
            ],
            "PUT",
        ),
        (
            role,
            &[
                ("name", "clerk"),
                ("description", "Looks after orders"),
                ("rights:https://api.shop.test orders:write", "on"),
            ],
            "orders:write",
        ),
        (client, &[("name", "billing"), ("type", "service")], "billing"),
        (user, &[("name", "bob"), ("email", "bob@other.test")], "bob@other.test"),
    ] {
        let reply = fill(&mut olga, &format!("{path}/edit"), fields).await;
        assert_eq!(led(&reply), *path);
        let page = olga.get(&format!("{path}?done=changed")).await;
        assert!(page.text.contains(shown) && page.text.contains("The change is in effect."), "{path}: {}", page.text);
    }
    let role_now = olga.get(role).await.text;
    assert!(!role_now.contains("orders:read"), "what is not ticked is taken away: {role_now}");
    assert!(!olga.get(client).await.text.contains("clerk"), "and so is a role");
    for (path, deeds) in [
        (user, &["verify-email", "unlock", "disable", "enable", "revoke-all", "erase"][..]),
        (client, &["disable", "enable", "revoke-all", "delete"]),
        (role, &["delete"]),
        (rule, &["delete"]),
        (api, &["delete"]),
    ] {
        for deed in deeds {
            let page = olga.get(path).await;
            assert!(page.text.contains(&format!("id=\"do-{deed}\"")), "{deed} is offered: {}", page.text);
            let reply = fill(&mut olga, &format!("{path}/do/{deed}"), &[]).await;
            assert_eq!(reply.status, 303, "{path} {deed}: {}", reply.text);
        }
    }
    assert_eq!(olga.get(api).await.status, 404);
    let erased = olga.get(user).await;
    assert!(erased.status == 200 && !erased.text.contains("bob"), "{}", erased.text);
}

#[tokio::test]
async fn a_key_is_shown_once_rolled_disabled_and_revoked() {
    let app = TestApp::new().await;
    app.shop().await;
    let mut olga = operator(&app, "olga", all()).await;
    let fields =
        [("name", "ci"), ("granted:https://api.shop.test orders:read", "on"), ("life", "30"), ("ip", "203.0.113.0/24")];
    let page = fill(&mut olga, &format!("{REALM}/keys/new"), &fields).await;
    assert!(page.status == 201 && page.header("cache-control") == "no-store", "{page:?}");
    let secret = between(&page.text, "id=\"key\" tabindex=\"0\">", "<");
    assert_eq!(app.ask("GET", "/orders/1", Some(&secret)).await.status, 200);
    let path = between(&page.text, "id=\"to-key\" href=\"", "\"");
    let shown = olga.get(&path).await.text;
    assert!(!shown.contains(&secret) && shown.contains("203.0.113.0/24"), "{shown}");

    let rolled = fill(&mut olga, &format!("{path}/do/roll"), &[("overlap", "0")]).await;
    let newer = between(&rolled.text, "id=\"key\" tabindex=\"0\">", "<");
    assert_eq!(app.ask("GET", "/orders/1", Some(&newer)).await.status, 200);
    assert_eq!(app.ask("GET", "/orders/1", Some(&secret)).await.status, 401);
    led(&fill(&mut olga, &format!("{path}/do/disable"), &[]).await);
    assert_eq!(app.ask("GET", "/orders/1", Some(&newer)).await.status, 401);
    led(&fill(&mut olga, &format!("{path}/do/enable"), &[]).await);
    assert_eq!(app.ask("GET", "/orders/1", Some(&newer)).await.status, 200);
    let asked = olga.get(&format!("{path}/do/revoke")).await.text;
    assert!(asked.contains("ci is revoked for ever"), "{asked}");
    led(&fill(&mut olga, &format!("{path}/do/revoke"), &[]).await);
    assert_eq!(app.ask("GET", "/orders/1", Some(&newer)).await.status, 401);
    let live = olga.get(&format!("{REALM}/keys")).await.text;
    let all = olga.get(&format!("{REALM}/keys?state=all")).await.text;
    assert!(!live.contains(&path) && all.contains(&path) && all.contains("revoked"), "{all}");
}

/// A double click makes one key; the form that was sent twice says which.
#[tokio::test]
async fn a_form_that_is_sent_twice_makes_one() {
    let app = TestApp::new().await;
    app.shop().await;
    let mut olga = operator(&app, "olga", all()).await;
    olga.get(&format!("{REALM}/keys/new")).await;
    let (token, attempt) = (olga.token(), olga.value("attempt"));
    let form = encode(&[("csrf", &token), ("attempt", &attempt), ("name", "ci"), ("life", "7")]);
    let origin = app.url.clone();
    let mut send =
        async || olga.send("POST", &format!("{REALM}/keys/new"), &[("origin", &origin)], Some(form.clone())).await;
    let (first, second) = (send().await, send().await);
    assert_eq!(first.status, 201, "{}", first.text);
    assert!(second.status == 409 && second.text.contains("This was done before and made key_"), "{}", second.text);
    let keys = app.manage("GET", "/v1/realms/default/keys", Value::Null).await.expect(200);
    assert_eq!(keys["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_change_that_was_made_meanwhile_is_told_and_not_overwritten() {
    let app = TestApp::new().await;
    app.shop().await;
    let mut olga = operator(&app, "olga", all()).await;
    let rules = app.manage("GET", "/v1/realms/default/rules", Value::Null).await.expect(200);
    let path = format!("{REALM}/rules/{}", rules["items"][0]["id"].as_str().unwrap());
    olga.get(&format!("{path}/edit")).await;
    let etag = olga.value("etag").replace("&#34;", "\"");
    let other = json!({"match": {"host": "shop.test", "path": "/other/**"}, "require": {"scopes": ["orders:read"]}});
    app.manage("PUT", "/v1/realms/default/rules/read%20orders", other).await.expect(200);
    let fields = [
        ("etag", etag.as_str()),
        ("name", "mine"),
        ("host", "shop.test"),
        ("path", "/mine/**"),
        ("scopes", "orders:read"),
    ];
    let told = olga.submit(&format!("{path}/edit"), &fields).await;
    assert!(told.status == 412 && told.text.contains("This has changed since you read it"), "{}", told.text);
    assert!(told.text.contains("value=\"/mine/**\""), "what was typed is kept: {}", told.text);
    let shown = olga.get(&path).await.text;
    assert!(shown.contains("/other/**") && !shown.contains("/mine/**"), "{shown}");
}

#[tokio::test]
async fn what_is_wrong_stands_beside_its_field_with_what_was_typed() {
    let app = TestApp::new().await;
    let mut olga = operator(&app, "olga", all()).await;
    let fields = [("uri", "https://a.test"), ("token_lifetime", "5"), ("defined_scopes", "a b"), ("name", "<b>&\"'")];
    let told = fill(&mut olga, &format!("{REALM}/apis/new"), &fields).await;
    assert_eq!(told.status, 400, "{}", told.text);
    assert!(told.text.contains("<span class=\"wrong\" lang=\"en\">must be 30 to 86400</span>"), "{}", told.text);
    assert!(told.text.contains("value=\"https://a.test\"") && told.text.contains("value=\"5\""), "{}", told.text);
    assert!(!told.text.contains("<b>&\""), "se_12: {}", told.text);
    let fields = [("uri", "https://a.test"), ("metadata", "[1]")];
    let told = fill(&mut olga, &format!("{REALM}/apis/new"), &fields).await;
    assert!(told.status == 422 && told.text.contains("Write a JSON object"), "{}", told.text);
    let bad = olga.submit(&format!("{REALM}/apis/new"), &[("uri", "https://a.test"), ("attempt", "a\nb")]).await;
    assert_eq!(bad.status, 400, "{}", bad.text);
}

#[tokio::test]
async fn lists_are_searched_and_paged_through() {
    let app = TestApp::new().await;
    for number in 0..60 {
        let user = json!({"name": format!("user-{number:02}"), "email": format!("u{number}@{}.test", if number % 2 == 0 { "even" } else { "odd" })});
        app.manage("POST", "/v1/realms/default/users", user).await.expect(201);
    }
    let mut olga = operator(&app, "olga", all()).await;
    let first = olga.get(&format!("{REALM}/users")).await.text;
    assert!(first.contains("user-49") && !first.contains("user-50") && first.contains("id=\"next\""), "{first}");
    let next = between(&first, "id=\"next\" href=\"", "\"").replace("&#38;", "&");
    let second = olga.get(&next).await.text;
    assert!(second.contains("user-50") && second.contains("user-59") && !second.contains("id=\"next\""), "{second}");
    assert!(second.contains("id=\"first\""));
    let found = olga.get(&format!("{REALM}/users?q=ER-5")).await.text;
    assert!(!found.contains("user-05") && found.contains("user-55") && found.contains("value=\"ER-5\""), "{found}");
    let odd = olga.get(&format!("{REALM}/users?q=%40odd.")).await.text;
    assert!(odd.contains("user-01") && !odd.contains("user-02"), "{odd}");
    let none = olga.get(&format!("{REALM}/users?q=%25")).await.text;
    assert!(none.contains("Nothing was found."), "a % is a letter: {none}");
    let evil = olga.get(&format!("{REALM}/users?q=%22%3E%3Cscript%3E")).await.text;
    assert!(!evil.contains("<script"), "se_12: {evil}");
    let bad = olga.get(&format!("{REALM}/users?cursor=x")).await;
    assert!(bad.status == 400 && bad.text.contains("Begin again without one"), "{}", bad.text);
}

#[tokio::test]
async fn sessions_and_grants_are_seen_and_ended() {
    let (app, password) = TestApp::demo().await;
    let mut alice = Person::new(&app);
    alice.sign_in("alice@example.com", &password).await;
    let mut olga = operator(&app, "olga", all()).await;
    let list = olga.get(&format!("{REALM}/sessions?q=alice%40example.com")).await.text;
    assert!(list.contains("alice") && list.contains("session") && list.contains("known device"), "{list}");
    let link = format!("href=\"{REALM}/sessions/");
    // Both were made in one moment, so that either may stand first.
    let mut rows = list.split("<tr>").filter(|row| row.contains(&link));
    let of_session = rows.find(|row| !row.contains("known device")).unwrap();
    let path = format!("{REALM}/sessions/{}", between(of_session, &link, "\""));
    led(&fill(&mut olga, &format!("{path}/do/end"), &[]).await);
    assert_eq!(alice.get("/account").await.status, 303, "signed out at once");
    let grants = olga.get(&format!("{REALM}/grants")).await.text;
    let of_key = grants.split("<tr>").find(|row| row.contains(">API key<")).unwrap();
    let path = format!("{REALM}/grants/{}", between(of_key, &format!("href=\"{REALM}/grants/"), "\""));
    led(&fill(&mut olga, &format!("{path}/do/revoke"), &[]).await);
    assert!(olga.get(&path).await.text.contains("revoked"));
}

#[tokio::test]
async fn signing_keys_follow_one_another_and_are_taken_back() {
    let app = TestApp::new().await;
    let mut olga = operator(&app, "olga", all()).await;
    let list = format!("{REALM}/signing-keys");
    assert!(olga.get(&list).await.text.contains("There is no signing key yet."));
    let form = [("algorithm", "ES256"), ("purpose", "issuer")];
    let first = led(&fill(&mut olga, &format!("{list}/new"), &form).await);
    assert!(olga.get(&first).await.text.contains("signs"), "the first one signs at once");
    let next = led(&fill(&mut olga, &format!("{list}/new"), &form).await);
    assert_ne!(first, next);
    let shown = olga.get(&format!("{list}?q=next")).await.text;
    assert!(shown.contains(&next) && !shown.contains(&format!("\"{first}\"")), "{shown}");
    let asked = olga.get(&format!("{first}/do/revoke")).await.text;
    assert!(asked.contains("Nothing that the key"), "{asked}");
    led(&fill(&mut olga, &format!("{first}/do/revoke"), &[]).await);
    assert!(olga.get(&first).await.text.contains("revoked"));
    assert!(olga.get(&next).await.text.contains("signs"), "it steps in");
    let hastened = fill(&mut olga, &format!("{list}/new"), &[form[0], form[1], ("signs_now", "on")]).await;
    assert_ne!(led(&hastened), next);
}

/// Where no mail is sent, whoever invites hands the link on.
#[tokio::test]
async fn somebody_is_invited_by_a_link_that_is_shown_once() {
    let app = TestApp::new().await;
    let user = json!({"name": "dora", "email": "dora@shop.test"});
    let user = app.manage("POST", "/v1/realms/default/users", user).await.expect(201);
    let path = format!("{REALM}/users/{}", user["id"].as_str().unwrap());
    let mut olga = operator(&app, "olga", all()).await;
    olga.get(&path).await;
    let attempt = olga.value("attempt");
    let shown = olga.submit(&format!("{path}/do/invite"), &[("attempt", &attempt)]).await;
    assert!(shown.text.contains("/invite?token=admit_ln_"), "{} {}", shown.status, shown.text);
}

#[tokio::test]
async fn realms_are_made_changed_and_switched_off() {
    let app = TestApp::new().await;
    let mut olga = operator(&app, "olga", all()).await;
    let made = fill(&mut olga, "/console/new-realm", &[("realm_name", "acme"), ("prefix", "acme_live")]).await;
    assert_eq!(led(&made), "/console/realms/acme");
    let list = olga.get("/console/realms?q=acm").await.text;
    assert!(list.contains("acme_live") && !list.contains("href=\"/console/realms/operators\""), "{list}");
    led(&fill(&mut olga, "/console/realms/acme/edit", &[("metadata", "{\"a\": 1}")]).await);
    let asked = olga.get("/console/realms/acme/do/disable").await.text;
    assert!(asked.contains("nobody of it is admitted"), "{asked}");
    led(&fill(&mut olga, "/console/realms/acme/do/disable", &[]).await);
    let page = olga.get("/console/realms/acme").await.text;
    assert!(page.contains("disabled") && page.contains("id=\"do-enable\""), "{page}");
    let built_in = fill(&mut olga, "/console/realms/operators/do/disable", &[]).await;
    assert!(built_in.status == 409 && built_in.text.contains("stays as it is"), "{}", built_in.text);
}

#[tokio::test]
async fn a_realm_lets_applications_register_and_stops_doing_so() {
    let app = TestApp::new().await;
    let key = json!({"name": "registrar", "api": "urn:admit:realm:default", "scopes": ["clients:register"]});
    let key = app.key(key).await["key"].as_str().unwrap().to_owned();
    let register = async || {
        let photos = json!({"redirect_uris": ["https://photos.test/cb"], "client_name": "Photos"});
        app.manage_as(&key, "POST", "/oauth/register", photos).await.status
    };
    let mut olga = operator(&app, "olga", all()).await;
    for (status, pressed, offered) in
        [(403, "open-registration", "close-registration"), (201, "close-registration", "open-registration")]
    {
        assert_eq!(register().await, status, "before {pressed}");
        let page = olga.get(REALM).await.text;
        assert!(page.contains(&format!("do-{pressed}")) && !page.contains(&format!("do-{offered}")), "{page}");
        let attempt = olga.value("attempt");
        led(&olga.submit(&format!("{REALM}/do/{pressed}"), &[("attempt", &attempt)]).await);
        assert!(olga.get(REALM).await.text.contains(&format!("do-{offered}")));
    }
    assert_eq!(register().await, 403);
}

#[tokio::test]
async fn a_request_is_tried_against_the_rules() {
    let app = TestApp::new().await;
    app.shop().await;
    let mut olga = operator(&app, "olga", all()).await;
    let path = format!("{REALM}/rules/test");
    let form = |method, scopes| {
        [("method", method), ("url", "https://shop.test/orders/7"), ("somebody", "on"), ("scopes", scopes)]
    };
    let admitted = fill(&mut olga, &path, &form("GET", "orders:read")).await.text;
    assert!(admitted.contains("It would be admitted.") && admitted.contains("read orders"), "{admitted}");
    let refused = fill(&mut olga, &path, &form("GET", "")).await.text;
    assert!(refused.contains("It would be refused.") && refused.contains("insufficient_scope"), "{refused}");
    let no_rule = fill(&mut olga, &path, &form("POST", "orders:read")).await.text;
    assert!(no_rule.contains("no_rule"), "{no_rule}");
    let bad = fill(&mut olga, &path, &[("method", "GET"), ("url", "nonsense")]).await;
    assert!(bad.status == 400 || bad.text.contains("It would be refused."), "{}", bad.text);
}

/// Another site, another browser, no cookie beside the session: nothing is done.
#[tokio::test]
async fn se_04_nothing_is_done_for_another_site() {
    let app = TestApp::new().await;
    let mut olga = operator(&app, "olga", all()).await;
    let path = format!("{REALM}/apis/new");
    olga.get(&path).await;
    let token = olga.token();
    let form = |token: &str| encode(&[("csrf", token), ("uri", "https://a.test")]);
    let origin = app.url.clone();
    let own = [("origin", origin.as_str())];
    for (headers, token) in [
        (&[("sec-fetch-site", "cross-site")][..], token.as_str()),
        (&[("origin", "https://evil.test")], &token),
        (&[], &token),
        (&own, ""),
        (&own, "AAAA"),
    ] {
        let refused = olga.send("POST", &path, headers, Some(form(token))).await;
        assert_eq!(refused.status, 403, "{headers:?} {token}: {}", refused.text);
    }
    let strict = olga.cookies.remove("admit-strict.operators").unwrap();
    let refused = olga.send("POST", &path, &own, Some(form(&token))).await;
    assert!(refused.status == 403 && refused.text.contains("Please sign in again"), "{}", refused.text);
    olga.cookies.insert("admit-strict.operators".to_owned(), strict);
    let apis = app.manage("GET", "/v1/realms/default/apis", Value::Null).await.expect(200);
    assert_eq!(apis["items"].as_array().unwrap().len(), 1, "{apis}");
    let done = olga.send("POST", &path, &own, Some(form(&token))).await;
    assert_eq!(done.status, 303, "{}", done.text);
}

#[track_caller]
fn between(text: &str, before: &str, after: &str) -> String {
    let rest = text.split(before).nth(1).unwrap_or_else(|| panic!("no {before} in {text}"));
    rest.split(after).next().unwrap().to_owned()
}
