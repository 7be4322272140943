//! The parameter `claims` (OpenID Connect Core §5.5): which claims are wanted where, and of which value.
//!
//! Read strictly where it is understood, ignored where it is not. What claims there are is said by who makes tokens.

use serde_json::{Map, Value};

use crate::json;
use crate::name::ScopeName;
use crate::oauth::identity::IdentityScope;
use crate::oauth::userinfo;

/// The longest text, in bytes.
const TEXT_MAX: usize = 4 << 10;
/// Where claims may be wanted.
const PLACES: [&str; 2] = ["id_token", "userinfo"];

/// What is wanted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Claims(Value);

impl Claims {
    /// Reads the parameter. None: it is not as it must be.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > TEXT_MAX {
            return None;
        }
        let Ok(Value::Object(mut members)) = json::parse(text.as_bytes()) else { return None };
        members.retain(|name, _| PLACES.contains(&name.as_str()));
        let is_well = members.values().all(|wanted| match wanted {
            Value::Null => true,
            Value::Object(claims) => claims.values().all(is_wish),
            _ => false,
        });
        members.retain(|_, wanted| wanted.is_object());
        is_well.then(|| Self(if members.is_empty() { Value::Null } else { Value::Object(members) }))
    }

    /// What is kept with a code.
    pub fn value(&self) -> &Value {
        &self.0
    }

    /// The scopes that stand for the claims about a person that are wanted by their names: he is asked about either alike.
    pub fn scopes(&self) -> impl Iterator<Item = IdentityScope> {
        let is_wanted = |name: &str| PLACES.iter().any(|place| self.0[*place].get(name).is_some());
        userinfo::CLAIMS.into_iter().filter(move |(name, _)| is_wanted(name)).map(|(_, scope)| scope)
    }

    /// What is kept where a person gave these scopes, and whatever they do not stand for.
    pub fn within(&self, given: &[ScopeName]) -> Value {
        let mut kept = self.0.clone();
        let withheld = userinfo::CLAIMS.into_iter().filter(|(_, scope)| !scope.is_in(given));
        for (name, _) in withheld {
            for place in PLACES {
                kept.get_mut(place).and_then(Value::as_object_mut).and_then(|claims| claims.remove(name));
            }
        }
        kept
    }

    /// The values of `acr` one of which the sign-in must have; none where any will do (§5.5.1.1).
    pub fn essential_acr(&self) -> Option<Vec<&str>> {
        let wish =
            self.0["id_token"]["acr"].as_object().filter(|wish| wish.get("essential") == Some(&Value::Bool(true)))?;
        let values = texts(wish);
        (!values.is_empty()).then_some(values)
    }

    /// The person that it must be (§5.5.1, of `sub`).
    pub fn subject(&self) -> Option<&str> {
        PLACES.iter().find_map(|place| self.0[*place]["sub"]["value"].as_str())
    }
}

/// `null`, or an object whose known members are of their type (§5.5.1).
fn is_wish(wish: &Value) -> bool {
    let Value::Object(wish) = wish else { return wish.is_null() };
    wish.get("essential").is_none_or(Value::is_boolean) && wish.get("values").is_none_or(Value::is_array)
}

fn texts(wish: &Map<String, Value>) -> Vec<&str> {
    let several = wish.get("values").and_then(Value::as_array).into_iter().flatten();
    wish.get("value").into_iter().chain(several).filter_map(Value::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_wanted_is_kept_and_what_is_not_understood_is_not() {
        let text = r#"{"userinfo":{"email":null,"x":{"essential":true,"value":1,"new":{}}},"id_token":null,"other":1}"#;
        let claims = Claims::parse(text).unwrap();
        let kept = serde_json::json!({"userinfo": {"email": null, "x": {"essential": true, "value": 1, "new": {}}}});
        assert_eq!(claims.value(), &kept);
        assert_eq!(Claims::parse("{}").unwrap(), Claims::default());
    }

    #[test]
    fn oidc_core_5_5_a_claim_that_is_wanted_by_its_name_is_given_with_its_scope() {
        let text = r#"{"userinfo":{"email":null,"name":null,"x":null},"id_token":{"email":{"essential":true},"auth_time":null}}"#;
        let claims = Claims::parse(text).unwrap();
        assert!(claims.scopes().all(|scope| matches!(scope, IdentityScope::Email | IdentityScope::Profile)));
        assert_eq!(claims.scopes().count(), 2);
        assert_eq!(Claims::default().scopes().count(), 0);
        let within = |names: &[&str]| {
            let given: Vec<_> = names.iter().map(|name| ScopeName::parse(name).unwrap()).collect();
            claims.within(&given)
        };
        let [email, profile] = [IdentityScope::Email, IdentityScope::Profile].map(IdentityScope::as_str);
        assert_eq!(&within(&[email, profile]), claims.value());
        let bare = serde_json::json!({"userinfo": {"x": null}, "id_token": {"auth_time": null}});
        assert_eq!(within(&["openid"]), bare);
        assert_eq!(within(&[profile])["userinfo"], serde_json::json!({"name": null, "x": null}));
        assert_eq!(Claims::default().within(&[]), Value::Null);
    }

    #[test]
    fn az_19_what_is_no_wish_is_refused() {
        for bad in [
            "",
            "[]",
            "null",
            "{",
            r#"{"userinfo":1}"#,
            r#"{"userinfo":{"email":"x"}}"#,
            r#"{"userinfo":{"email":{"essential":"yes"}}}"#,
            r#"{"id_token":{"acr":{"values":"urn:x"}}}"#,
            r#"{"userinfo":{},"userinfo":{}}"#,
            "{} {}",
        ] {
            assert_eq!(Claims::parse(bad), None, "{bad}");
        }
        let long = |length: usize| format!("{{{}}}", " ".repeat(length - 2));
        assert!(Claims::parse(&long(TEXT_MAX)).is_some() && Claims::parse(&long(TEXT_MAX + 1)).is_none());
    }

    #[test]
    fn az_25_only_what_is_essential_and_named_must_be_met() {
        let acr = |wish: &str| {
            let claims = Claims::parse(&format!(r#"{{"id_token":{{"acr":{wish}}}}}"#)).unwrap();
            claims.essential_acr().map(|values| values.join(" "))
        };
        assert_eq!(acr(r#"{"essential":true,"values":["a","b"]}"#).as_deref(), Some("a b"));
        assert_eq!(acr(r#"{"essential":true,"value":"a"}"#).as_deref(), Some("a"));
        for any in ["null", "{}", r#"{"essential":true}"#, r#"{"essential":false,"value":"a"}"#, r#"{"value":"a"}"#] {
            assert_eq!(acr(any), None, "{any}");
        }
        let claims = Claims::parse(r#"{"userinfo":{"sub":{"value":"usr_x"}}}"#).unwrap();
        assert_eq!(claims.subject(), Some("usr_x"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in r#"[{}\[\]":,a-z]{0,40}"#) {
            let _ = Claims::parse(&text).map(|claims| (claims.essential_acr().map(|acr| acr.len()), claims.subject().map(str::len)));
        }
    }
}
