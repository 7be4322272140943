//! The first operator: the link that `serve` prints.

use std::time::Duration;

use admit_core::time::Span;

use super::person::PASSWORD;
use crate::app::TestApp;
use crate::fault::program::Program;
use crate::pages::person::Person;

const FORM: [(&str, &str); 3] = [("name", "olga"), ("email", "olga@operators.test"), ("password", PASSWORD)];

/// The path of a new link; none where somebody can operate already.
async fn link(app: &TestApp) -> Option<String> {
    let printed = admit::serve::console(&app.app).await.unwrap();
    let path = printed.strip_prefix(&app.url).unwrap().to_owned();
    path.contains("?token=").then_some(path)
}

fn token_of(link: &str) -> &str {
    link.split("token=").nth(1).unwrap()
}

async fn send(person: &mut Person<'_>, link: &str, form: &[(&str, &str)]) -> crate::app::Reply {
    person.get(link).await;
    let form: Vec<_> = form.iter().copied().chain([("token", token_of(link))]).collect();
    person.submit("/console/first", &form).await
}

#[tokio::test]
async fn ad_03_the_link_makes_one_operator_who_is_signed_in() {
    let app = TestApp::new().await;
    let path = link(&app).await.unwrap();
    let mut olga = Person::new(&app);
    for _ in 0..2 {
        let page = olga.get(&path).await;
        assert!(
            page.status == 200 && page.text.contains("The first operator"),
            "looking uses nothing up: {}",
            page.text
        );
    }
    let weak =
        send(&mut olga, &path, &[("name", "olga"), ("email", "olga@operators.test"), ("password", "password1234567")])
            .await;
    assert!(
        weak.status == 422 && weak.text.contains("id=\"error\"") && weak.text.contains("value=\"olga\""),
        "{}",
        weak.text
    );
    let done = send(&mut olga, &path, &FORM).await;
    assert_eq!((done.status, done.header("location").as_str()), (303, "/console"), "{}", done.text);
    let console = olga.get("/console/realms").await;
    assert!(console.status == 200 && console.text.contains("default"), "{}", console.text);
    let mut eve = Person::new(&app);
    assert_eq!(eve.get(&path).await.status, 400, "the page is gone");
    eve.get("/realms/operators/login").await;
    let form = [("name", "eve"), ("email", "eve@operators.test"), ("password", PASSWORD), ("token", token_of(&path))];
    let again = eve.submit("/console/first", &form).await;
    assert!(again.status == 400 && again.text.contains("This link is no good any more"), "{}", again.text);
    assert_eq!(link(&app).await, None, "nobody else is let in this way");
    let users = app.manage("GET", "/v1/realms/operators/users", serde_json::Value::Null).await.expect(200);
    let users = users["items"].as_array().unwrap();
    assert_eq!(users.len(), 1, "{users:?}");
    assert_eq!((users[0]["name"].as_str(), users[0]["roles"][0].as_str()), (Some("olga"), Some("server-operator")));
    let events = app.manage("GET", "/v1/realms/operators/events", serde_json::Value::Null).await.expect(200);
    let has = |kind: &str| {
        let mut events = events["items"].as_array().unwrap().iter();
        events.any(|event| event["kind"] == kind && event["actor"] == "first_operator")
    };
    assert!(has("user.created") && has("operator.link_made"), "{events}");
}

#[tokio::test]
async fn ad_03_a_link_dies_in_ten_minutes_and_needs_its_browser() {
    let app = TestApp::new().await;
    let path = link(&app).await.unwrap();
    let mut olga = Person::new(&app);
    olga.get(&path).await;
    let token = olga.token();
    let mut other = Person::new(&app);
    other.get(&path).await;
    let fields = crate::pages::person::encode(&[("csrf", &token), ("token", token_of(&path))]);
    let origin = app.url.clone();
    let foreign = other.send("POST", "/console/first", &[("origin", &origin)], Some(fields)).await;
    assert!(foreign.status == 403 && foreign.text.contains("This page has grown old"), "{}", foreign.text);
    app.clock.advance(Span::seconds(598));
    assert_eq!(olga.get(&path).await.status, 200);
    app.clock.advance(Span::seconds(2));
    assert_eq!(olga.get(&path).await.status, 400);
    for bad in ["/console/first", "/console/first?token=x", "/console/first?token=admit_ln_"] {
        assert_eq!(olga.get(bad).await.status, 400, "{bad}");
    }
}

/// Of two who have a link each, and of two who have the same one, one becomes the operator.
#[tokio::test(flavor = "multi_thread")]
async fn ad_03_of_several_at_once_one_wins() {
    let app = TestApp::new().await;
    let links = [link(&app).await.unwrap(), link(&app).await.unwrap()];
    let tries = [("a", 0), ("b", 0), ("c", 1), ("d", 1)].map(|(name, at)| {
        let (app, path) = (&app, links[at].clone());
        async move {
            let email = format!("{name}@operators.test");
            let form = [("name", name), ("email", email.as_str()), ("password", PASSWORD)];
            send(&mut Person::new(app), &path, &form).await.status
        }
    });
    let [a, b, c, d] = tries;
    let (a, b, c, d) = tokio::join!(a, b, c, d);
    let won = [a, b, c, d].iter().filter(|status| **status == 303).count();
    assert_eq!(won, 1, "{:?}", [a, b, c, d]);
    let users = app.manage("GET", "/v1/realms/operators/users", serde_json::Value::Null).await.expect(200);
    assert_eq!(users["items"].as_array().unwrap().len(), 1);
}

/// Printed by the real program, once; after a sign-in is possible only the address is.
#[tokio::test(flavor = "multi_thread")]
async fn lo_02_serve_prints_the_link_and_no_log_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut server = Program::start(&data).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let said = server.said();
    let lines: Vec<_> = said.iter().filter(|line| line.contains("token=")).collect();
    assert_eq!(lines.len(), 1, "{said:#?}");
    assert!(lines[0].contains("/console/first?token=admit_ln_") && lines[0].contains("10 minutes"), "{}", lines[0]);
    assert!(server.stop().await);
}
