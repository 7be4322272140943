//! Signing out: what an application may ask for, what it is told, and what a person sees of it.

mod apps;
mod asked;
mod told;

use admit::oauth::mint;
use admit_core::api::TokenAlg;
use admit_core::grant::{Grant, GrantKind};
use admit_core::id::{ClientId, GrantId, SubjectId, UserId};
use admit_core::jose::algorithm::Algorithm;
use admit_core::login::session::{Factor, Factors};
use admit_core::name::ScopeName;
use admit_core::oauth::approved::ShownAt;
use admit_core::oauth::authorized::{Authorized, AuthorizedSpec};
use admit_core::time::Span;
use admit_store::End;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::pages::person::Person;

const ALICE: &str = "alice@example.com";
const REALM: &str = "/v1/realms/default";
const BYE: &str = "https://wiki.test/bye";

/// An application that people sign in to.
struct Wiki {
    id: ClientId,
}

impl Wiki {
    async fn new(app: &TestApp, name: &str, more: Value) -> Self {
        let mut client = json!({"name": name, "type": "web", "redirect_uris": ["https://wiki.test/cb"],
            "post_logout_redirect_uris": [BYE]});
        client.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let made = app.manage("POST", &format!("{REALM}/clients"), client).await.expect(201);
        Self { id: made["id"].as_str().unwrap().parse().unwrap() }
    }

    /// Alice lets it know her in this session; what it goes on with when she is away, where it is `offline`.
    async fn let_in(&self, app: &TestApp, (user, session): (UserId, GrantId), is_offline: bool) -> GrantId {
        let (now, realm) = (app.app.now(), app.app.default_realm);
        let (id, scopes) = (app.app.id(now), ["openid", "offline_access"].map(|name| ScopeName::parse(name).unwrap()));
        let grant = Grant {
            id,
            realm,
            org: None,
            kind: GrantKind::Authorization,
            subject: SubjectId::User(user),
            client: Some(self.id),
            parent: (!is_offline).then_some(session),
            root: if is_offline { id } else { session },
            api: None,
            scopes: scopes.into(),
            created_at: now,
            expires_at: Some(now + Span::days(90)),
            revoked_at: None,
        };
        let sign_in = ShownAt { at: now, factors: Factors::of(&[Factor::Password]) };
        let authorized = Authorized {
            grant: id,
            realm,
            user,
            client: self.id,
            session,
            spec: AuthorizedSpec { sign_in, claims: Value::Null },
            last_at: now,
            last_ip: None,
            last_agent: None,
        };
        let store = &app.app.store;
        store.write(move |tx| tx.insert_authorization(&grant, &authorized).map(End::Commit)).await.unwrap();
        id
    }

    /// An ID token of this session.
    async fn id_token(&self, app: &TestApp, (user, session): (UserId, GrantId)) -> String {
        self.signed(app, "JWT", &json!({"sub": user, "sid": session})).await
    }

    /// The same with other claims.
    async fn signed(&self, app: &TestApp, typ: &'static str, more: &Value) -> String {
        let realm = app.app.policies.of(&app.app, app.app.default_realm).unwrap().unwrap();
        let now = app.app.now();
        let mut claims = json!({"iss": app.url, "aud": self.id, "iat": 1, "exp": 2});
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let text = mint::jwt(&app.app, &realm, TokenAlg::Rs256.algorithm(), typ, &claims, now).await.unwrap();
        assert_eq!(TokenAlg::Rs256.algorithm(), Algorithm::Rs256);
        text.expose().to_owned()
    }
}

/// Alice in front of her browser, with who she is and the session that has just begun.
async fn alice<'a>(app: &'a TestApp, password: &str) -> (Person<'a>, (UserId, GrantId)) {
    let mut alice = Person::new(app);
    assert_eq!(alice.sign_in(ALICE, password).await.status, 303);
    (alice, newest(app).await)
}

/// Who Alice is, and the session of hers that began last.
async fn newest(app: &TestApp) -> (UserId, GrantId) {
    let sessions = app.manage("GET", &format!("{REALM}/sessions?user=alice"), Value::Null).await.expect(200);
    let newest = sessions["items"].as_array().unwrap().iter().rfind(|item| item["kind"] == "session").unwrap().clone();
    let user = app.manage("GET", &format!("{REALM}/users/alice"), Value::Null).await.expect(200);
    (user["id"].as_str().unwrap().parse().unwrap(), newest["id"].as_str().unwrap().parse().unwrap())
}

/// Whether the session of a browser is still one.
async fn is_in(person: &mut Person<'_>) -> bool {
    person.get("/account").await.status == 200
}
