//! What an application is told of a person (OpenID Connect Core §5.1, §5.3): what he let it ask for, by scope or by name.
//!
//! Every claim has one source, a row of the person; nothing that is free to write becomes one. Knows neither HTTP nor tokens.

use serde_json::{Map, Value, json};

use super::identity::IdentityScope;
use crate::name::ScopeName;
use crate::user::User;

/// Every claim about a person, with the scope that asks for it.
pub const CLAIMS: [(&str, IdentityScope); 5] = [
    ("name", IdentityScope::Profile),
    ("preferred_username", IdentityScope::Profile),
    ("updated_at", IdentityScope::Profile),
    ("email", IdentityScope::Email),
    ("email_verified", IdentityScope::Email),
];

/// The claims that scopes and the parameter `claims` ask for. What is not known is left out, never null.
pub fn claims(user: &User, scopes: &[ScopeName], asked: &Value) -> Map<String, Value> {
    let is_asked = |name: &str, scope: IdentityScope| scope.is_in(scopes) || asked.get(name).is_some();
    let known = CLAIMS.into_iter().filter(|(name, scope)| is_asked(name, *scope));
    known.filter_map(|(name, _)| Some((name.to_owned(), of(user, name)?))).collect()
}

fn of(user: &User, name: &str) -> Option<Value> {
    let email = user.spec.email.as_ref();
    Some(match name {
        "name" | "preferred_username" => json!(user.spec.name),
        "updated_at" => json!(user.updated_at.unix_ms().div_euclid(1000)),
        "email" => json!(email?),
        "email_verified" => json!(email.map(|_| user.email_verified_at.is_some())?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{RealmId, UserId};
    use crate::name::Label;
    use crate::time::Time;
    use crate::user::UserSpec;

    fn alice() -> User {
        let at = Time::from_unix_ms(1_700_000_000_999);
        let label = |text: &str| Label::parse(text).unwrap();
        User {
            id: UserId::from_bytes([1; 16]),
            realm: RealmId::from_bytes([2; 16]),
            org: None,
            spec: UserSpec {
                name: label("alice"),
                email: Some(label("alice@example.com")),
                roles: Vec::new(),
                external_id: None,
                metadata: json!({"email": "evil@example.com", "sub": "usr_evil"}),
            },
            disabled_at: None,
            valid_after: None,
            created_at: at,
            updated_at: at,
            version: 1,
            email_verified_at: Some(at),
            erased_at: None,
        }
    }

    fn told(user: &User, scopes: &[&str], asked: &Value) -> Value {
        let scopes: Vec<_> = scopes.iter().map(|name| ScopeName::parse(name).unwrap()).collect();
        Value::Object(claims(user, &scopes, asked))
    }

    #[test]
    fn oidc_core_5_4_scopes_ask_for_claims() {
        let alice = alice();
        assert_eq!(told(&alice, &["openid", "offline_access"], &Value::Null), json!({}));
        let profile = json!({"name": "alice", "preferred_username": "alice", "updated_at": 1_700_000_000});
        assert_eq!(told(&alice, &["profile"], &Value::Null), profile);
        let email = json!({"email": "alice@example.com", "email_verified": true});
        assert_eq!(told(&alice, &["email"], &Value::Null), email);
    }

    #[test]
    fn oidc_core_5_5_claims_are_asked_for_by_name_and_nothing_unknown_is_told() {
        let mut alice = alice();
        let asked =
            json!({"email": null, "name": {"essential": true}, "phone_number": {"essential": true}, "sub": null});
        assert_eq!(told(&alice, &["openid"], &asked), json!({"email": "alice@example.com", "name": "alice"}));
        alice.spec.email = None;
        assert_eq!(told(&alice, &["email"], &asked), json!({"name": "alice"}), "left out, never null");
        alice.email_verified_at = None;
        alice.spec.email = Some(Label::parse("a@b").unwrap());
        assert_eq!(told(&alice, &["email"], &Value::Null)["email_verified"], false);
    }
}
