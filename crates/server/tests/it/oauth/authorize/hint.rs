//! `id_token_hint` (OpenID Connect Core §3.1.2.1): who it must be.

use admit::oauth::mint;
use admit_core::api::TokenAlg;
use admit_core::time::Span;
use serde_json::json;

use super::super::decode;
use super::*;

const SECRET: &str = "quiet harbours keep their lamps";

/// What is asked for, without a page.
const SILENT: [(&str, &str); 2] = [("scope", "openid"), ("prompt", "none")];

impl World {
    /// An application of the operator's own, Mallory beside Alice, and the ID tokens of both.
    async fn of_two() -> (Self, [String; 2]) {
        let world = Self::with(json!({"first_party": true})).await;
        let mallory = json!({"name": "mallory", "password": SECRET});
        world.app.manage("POST", "/v1/realms/default/users", mallory).await.expect(201);
        let tokens = [world.id_token(ALICE, &world.password.clone()).await, world.id_token("mallory", SECRET).await];
        (world, tokens)
    }

    async fn id_token(&self, name: &str, password: &str) -> String {
        let mut person = Person::new(&self.app);
        assert_eq!(person.sign_in(name, password).await.status, 303);
        let code = told(&person.get(&self.address(&SILENT)).await).remove("code").unwrap();
        self.redeem(&code, VERIFIER).await.expect(200)["id_token"].as_str().unwrap().to_owned()
    }

    /// A token of our own key with some other claims than an ID token has.
    async fn signed(&self, id_token: &str, more: Value) -> String {
        let realm = self.app.app.policies.of(&self.app.app, self.app.app.default_realm).unwrap().unwrap();
        let mut claims = decode(id_token).1;
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let algorithm = TokenAlg::Rs256.algorithm();
        let signed = mint::jwt(&self.app.app, &realm, algorithm, "JWT", &claims, self.app.app.now()).await;
        signed.unwrap().expose().to_owned()
    }
}

/// The error at the callback; `code` where there is one, and the page where there is neither.
#[track_caller]
fn outcome(reply: &Reply) -> String {
    match reply.header("location").split_once("?flow=") {
        Some((page, _)) => page.to_owned(),
        None => told(reply).remove("error").unwrap_or_else(|| "code".to_owned()),
    }
}

#[tokio::test]
async fn az_24_a_hint_says_who_it_must_be() {
    let (world, [of_alice, of_mallory]) = World::of_two().await;
    let mut alice = world.alice().await;
    let mut asked = async |hint: &str, prompt: &str| {
        let more = [("scope", "openid"), ("prompt", prompt), ("id_token_hint", hint)];
        outcome(&alice.get(&world.address(&more)).await)
    };
    assert_eq!(asked(&of_alice, "none").await, "code");
    assert_eq!(asked(&of_mallory, "none").await, "login_required", "somebody else is signed in");
    assert_eq!(asked(&of_mallory, "").await, "/login");
    world.app.clock.advance(Span::hours(1));
    assert_eq!(asked(&of_alice, "none").await, "code", "it may have expired");

    let mut elsewhere = world.alice().await;
    let more = [("scope", "openid"), ("id_token_hint", of_mallory.as_str())];
    let login = elsewhere.get(&world.address(&more)).await.header("location");
    assert!(!login.contains(&of_mallory), "the hint itself goes nowhere");
    elsewhere.get(&login).await;
    let flow = elsewhere.value("flow");
    let fields = [("identifier", ALICE), ("password", world.password.as_str()), ("flow", &flow)];
    let onward = elsewhere.submit("/login", &fields).await.header("location");
    assert_eq!(error(&elsewhere.get(&onward).await), "login_required", "who signs in is not the one");
    elsewhere.get(&login).await;
    let flow = elsewhere.value("flow");
    assert_eq!(flow, "", "and the way there is over, for the browser has another name");
}

#[tokio::test]
async fn jwt_13_jwt_24_what_is_no_id_token_of_ours_for_this_application_is_no_hint() {
    let (world, [of_alice, _]) = World::of_two().await;
    let mut alice = world.alice().await;
    let cut = of_alice.rsplit_once('.').unwrap().0.to_owned();
    let access = world.signed(&of_alice, json!({"sid": null})).await;
    for (what, hint) in [
        ("of another issuer", world.signed(&of_alice, json!({"iss": "https://evil.test"})).await),
        ("of another client", world.signed(&of_alice, json!({"aud": "cli_01hzzzzzzzzzzzzzzzzzzzzzzz"})).await),
        ("of several", world.signed(&of_alice, json!({"aud": [world.client, "x"]})).await),
        ("of no session", access),
        ("unsigned", format!("{cut}.")),
        ("forged", format!("{cut}.{}", "A".repeat(342))),
        ("no token", "x.y.z".to_owned()),
    ] {
        for prompt in ["", "none"] {
            let more = [("scope", "openid"), ("prompt", prompt), ("id_token_hint", hint.as_str())];
            assert_eq!(error(&alice.get(&world.address(&more)).await), "invalid_request", "{what} {prompt}");
        }
    }
    let own = world.signed(&of_alice, json!({"exp": 1})).await;
    let more = [SILENT[0], SILENT[1], ("id_token_hint", own.as_str())];
    assert_eq!(outcome(&alice.get(&world.address(&more)).await), "code", "by the same hand, one that is");
}

#[tokio::test]
async fn of_a_hint_whose_key_is_gone_nobody_can_say_who_it_is() {
    let (world, [of_alice, _]) = World::of_two().await;
    let keys = "/v1/realms/default/signing-keys";
    let all = world.app.manage("GET", keys, Value::Null).await.expect(200);
    let old = all["items"].as_array().unwrap().iter().find(|key| key["algorithm"] == "RS256").unwrap();
    let old = format!("{keys}/{}", old["id"].as_str().unwrap());
    world.app.manage("POST", keys, json!({"algorithm": "RS256", "now": true})).await.expect(201);
    world.app.manage("DELETE", &old, Value::Null).await.expect(204);
    let mut alice = world.alice().await;
    let hinted = ("id_token_hint", of_alice.as_str());
    let silent = alice.get(&world.address(&[SILENT[0], SILENT[1], hinted])).await;
    assert_eq!(error(&silent), "login_required");
    world.app.clock.advance(Span::seconds(1));
    let login = alice.get(&world.address(&[SILENT[0], hinted])).await.header("location");
    assert!(login.starts_with("/login?flow="), "nobody is taken for him who says nothing: {login}");
    alice.get(&login).await;
    let flow = alice.value("flow");
    let fields = [("identifier", ALICE), ("password", world.password.as_str()), ("flow", &flow)];
    let onward = alice.submit("/login", &fields).await.header("location");
    assert_eq!(outcome(&alice.get(&onward).await), "code", "where somebody can be asked, it is whoever signs in");
}
