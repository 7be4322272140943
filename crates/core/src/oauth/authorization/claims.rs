//! The parameter `claims` (OpenID Connect Core §5.5): which claims are wanted where, and of which value.
//!
//! Read strictly where it is understood, ignored where it is not. What claims there are is said by who makes tokens.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::id::UserId;
use crate::json;
use crate::name::ScopeName;
use crate::oauth::identity::IdentityScope;
use crate::oauth::userinfo;

/// The longest text, in bytes.
const TEXT_MAX: usize = 4 << 10;
/// Where claims may be wanted.
const PLACES: [&str; 2] = ["id_token", "userinfo"];
/// Claims whose wished values decide what is answered. Their values are texts, and one that is none means nobody and nothing.
const DECISIVE: [&str; 2] = ["sub", "acr"];

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
            Value::Object(claims) => claims.iter().all(|(name, wish)| is_wish(name, wish)),
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
    pub fn essential_acr(&self) -> Option<BTreeSet<&str>> {
        let wish = &self.0["id_token"]["acr"];
        texts(wish).filter(|_| wish["essential"] == Value::Bool(true))
    }

    /// The people one of whom it must be; none where anybody may (§5.5.1, of `sub`). What is no id is nobody's.
    pub fn subjects(&self) -> Option<Vec<UserId>> {
        let named = PLACES.iter().filter_map(|place| texts(&self.0[*place]["sub"]));
        let named = named.reduce(|one, other| &one & &other)?;
        Some(named.into_iter().filter_map(|id| id.parse().ok()).collect())
    }
}

/// `null`, or an object whose known members are of their type (§5.5.1).
fn is_wish(name: &str, wish: &Value) -> bool {
    let Value::Object(wish) = wish else { return wish.is_null() };
    let is_value = |value: &Value| value.is_string() || !DECISIVE.contains(&name);
    wish.get("essential").is_none_or(Value::is_boolean)
        && wish.get("value").is_none_or(is_value)
        && wish.get("values").is_none_or(|values| values.as_array().is_some_and(|each| each.iter().all(is_value)))
}

/// The values that a wish allows; none where it names none. Of `value` and `values` both count.
fn texts(wish: &Value) -> Option<BTreeSet<&str>> {
    let one = wish.get("value").map(std::slice::from_ref);
    let several = wish.get("values").and_then(Value::as_array).map(Vec::as_slice);
    let named = [one, several].into_iter().flatten();
    named
        .map(|values| values.iter().filter_map(Value::as_str).collect())
        .reduce(|one: BTreeSet<_>, other| &one & &other)
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
            r#"{"id_token":{"acr":{"essential":true,"values":[3]}}}"#,
            r#"{"id_token":{"acr":{"essential":true,"value":3}}}"#,
            r#"{"id_token":{"acr":{"essential":true,"value":null}}}"#,
            r#"{"id_token":{"sub":{"value":5}}}"#,
            r#"{"userinfo":{"sub":{"values":["usr_x",null]}}}"#,
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
            claims.essential_acr().map(|values| values.into_iter().collect::<Vec<_>>().join(" "))
        };
        assert_eq!(acr(r#"{"essential":true,"values":["a","b"]}"#).as_deref(), Some("a b"));
        assert_eq!(acr(r#"{"essential":true,"value":"a"}"#).as_deref(), Some("a"));
        assert_eq!(acr(r#"{"essential":true,"values":[]}"#).as_deref(), Some(""), "no value is not any");
        assert_eq!(acr(r#"{"essential":true,"value":"a","values":["b"]}"#).as_deref(), Some(""), "both count");
        for any in ["null", "{}", r#"{"essential":true}"#, r#"{"essential":false,"value":"a"}"#, r#"{"value":"a"}"#] {
            assert_eq!(acr(any), None, "{any}");
        }
    }

    #[test]
    fn oidc_core_5_5_1_a_person_is_named_in_every_way_that_there_is() {
        let [alice, bob] = [1, 2].map(|octet| UserId::from_bytes([octet; 16]));
        let subjects = |text: String| Claims::parse(&text).unwrap().subjects();
        let wish = |wish: String| subjects(format!(r#"{{"id_token":{{"sub":{wish}}}}}"#));
        assert_eq!(wish(format!(r#"{{"value":"{alice}"}}"#)), Some(vec![alice]));
        assert_eq!(wish(format!(r#"{{"essential":true,"values":["{bob}"]}}"#)), Some(vec![bob]));
        assert_eq!(wish(format!(r#"{{"values":["{alice}","usr_x","{bob}"]}}"#)), Some(vec![alice, bob]));
        for nobody in [r#"{"value":"usr_x"}"#, r#"{"values":[]}"#] {
            assert_eq!(wish(nobody.to_owned()), Some(Vec::new()), "{nobody}");
        }
        assert_eq!(wish(format!(r#"{{"value":"{alice}","values":["{bob}"]}}"#)), Some(Vec::new()));
        let both =
            format!(r#"{{"id_token":{{"sub":{{"value":"{alice}"}}}},"userinfo":{{"sub":{{"value":"{bob}"}}}}}}"#);
        assert_eq!(subjects(both), Some(Vec::new()), "two cannot be one");
        assert_eq!(subjects(format!(r#"{{"userinfo":{{"sub":{{"value":"{bob}"}}}}}}"#)), Some(vec![bob]));
        for anybody in ["null", "{}", r#"{"essential":true}"#] {
            assert_eq!(wish(anybody.to_owned()), None, "{anybody}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in r#"[{}\[\]":,a-z]{0,40}"#) {
            let _ = Claims::parse(&text).map(|claims| (claims.essential_acr().map(|acr| acr.len()), claims.subjects()));
        }
    }
}
