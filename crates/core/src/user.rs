//! Users: people. What they sign in with is in [`crate::login`]; here is who they are, how they are called and what they may.

use serde::{Deserialize, Serialize};

use crate::api::check_metadata;
use crate::id::{OrgId, RealmId, UserId};
use crate::login::identifier::Identifier;
use crate::metadata;
use crate::name::{BadName, ExternalId, Label, RoleName};
use crate::policy::rule::Problem;
use crate::role;
use crate::time::Time;

/// One person of a realm.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    /// The id.
    pub id: UserId,
    /// Where he belongs.
    pub realm: RealmId,
    /// The customer that he belongs to.
    pub org: Option<OrgId>,
    /// Who he is.
    pub spec: UserSpec,
    /// Since when he is switched off.
    pub disabled_at: Option<Time>,
    /// Grants made before this moment are dead.
    pub valid_after: Option<Time>,
    /// When the row was made.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
    /// Counts its changes; the ETag.
    pub version: i64,
    /// Since when it is known that the address is his; a proof of another address is none.
    pub email_verified_at: Option<Time>,
    /// When everything personal was taken away; what is left says only that this id was somebody's.
    pub erased_at: Option<Time>,
}

/// What an operator says of a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserSpec {
    /// The user name; unique within the realm.
    pub name: Label,
    /// The e-mail address; unique within the realm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Label>,
    /// The roles that he holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<RoleName>,
    /// The id of the same person elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<ExternalId>,
    /// Free JSON of at most 4 kB.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub metadata: serde_json::Value,
}

/// The longest e-mail address, in bytes (RFC 5321 §4.5.3.1.3).
pub const EMAIL_MAX: usize = 254;

/// A text by which a person can be named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naming {
    /// The field that has it: `name` or `email`.
    pub field: &'static str,
    /// As it is written.
    pub text: Label,
    /// Its one form, by which it is found.
    pub form: Result<Identifier, BadName>,
}

impl UserSpec {
    /// By what this person can sign in.
    pub fn namings(&self) -> Vec<Naming> {
        let of = |field, text: &Label| Naming { field, text: text.clone(), form: Identifier::parse(text.as_str()) };
        std::iter::once(of("name", &self.name)).chain(self.email.iter().map(|email| of("email", email))).collect()
    }

    /// What is left of a person who is forgotten: a name that is nobody's, for the row has to have one.
    pub fn erased(id: UserId) -> Self {
        let name = Label::parse(&id.to_string()).unwrap_or_else(|_| Label::unnamed());
        Self { name, email: None, roles: Vec::new(), external_id: None, metadata: serde_json::Value::Null }
    }

    /// The person with the roles in order, or everything that is wrong.
    ///
    /// Names and addresses stand for one another wherever a person is named, so a name with `@` in it must be that
    /// person's own address.
    pub fn resolve(mut self) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let name = self.name.as_str();
        let is_own = || self.email.as_ref().is_some_and(|email| email.as_str().to_lowercase() == name.to_lowercase());
        if UserId::looks_like(name) {
            problems.push(Problem::new("name", "must not look like an id"));
        } else if name.contains('@') && !is_own() {
            problems.push(Problem::new("name", "has an @ and is not the e-mail address of the same person"));
        }
        if self.email.as_ref().is_some_and(|email| !is_email(email.as_str())) {
            let message = format!("must be an address such as alice@example.com, of at most {EMAIL_MAX} bytes");
            problems.push(Problem::new("email", message));
        }
        match role::resolve_held(self.roles) {
            Ok(roles) => self.roles = roles,
            Err(problem) => {
                self.roles = Vec::new();
                problems.push(problem);
            }
        }
        if let Err(message) = check_metadata(&self.metadata) {
            problems.push(Problem::new("metadata", message));
        }
        self.metadata = metadata::canonical(self.metadata);
        if problems.is_empty() { Ok(self) } else { Err(problems) }
    }
}

/// One `@` with something on both sides and no space. What is delivered is an address; nothing else tells.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let part = |text: &str| !text.is_empty() && !text.contains(|letter: char| letter == '@' || letter.is_whitespace());
    text.len() <= EMAIL_MAX && part(local) && part(domain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn user(name: &str, email: Option<&str>) -> UserSpec {
        UserSpec {
            name: name.parse().unwrap(),
            email: email.map(|email| email.parse().unwrap()),
            roles: Vec::new(),
            external_id: None,
            metadata: serde_json::Value::Null,
        }
    }

    fn refused(spec: UserSpec) -> Vec<String> {
        spec.resolve()
            .map_or_else(|problems| problems.into_iter().map(|problem| problem.path).collect(), |_| Vec::new())
    }

    #[test]
    fn ad_02_a_name_is_nobody_elses_address() {
        assert_eq!(refused(user("alice", Some("alice@example.com"))), [""; 0]);
        assert_eq!(refused(user("Alice@example.com", Some("alice@Example.com"))), [""; 0]);
        assert_eq!(refused(user("bob@example.com", Some("alice@example.com"))), ["name"]);
        assert_eq!(refused(user("bob@example.com", None)), ["name"]);
        assert_eq!(refused(user("usr_1", None)), ["name"]);
    }

    #[test]
    fn pw_06_a_name_and_an_address_have_one_form_each() {
        let forms = |spec: UserSpec| {
            spec.namings().into_iter().map(|naming| naming.form.map(|form| form.to_string())).collect::<Vec<_>>()
        };
        let alice = user("Ａlice Smith", Some("Alice@EXAMPLE.com"));
        assert_eq!(forms(alice), [Ok("alice smith".to_owned()), Ok("alice@example.com".to_owned())]);
        assert!(forms(user("two  spaces", None))[0].is_err());
        let gone = UserSpec::erased(UserId::from_bytes([7; 16]));
        assert_eq!((gone.email, UserId::looks_like(gone.name.as_str())), (None, true));
    }

    #[test]
    fn an_address_has_two_halves() {
        for bad in ["a", "@", "a@", "@b", "a@b@c", "a b@c"] {
            assert_eq!(refused(user("alice", Some(bad))), ["email"], "{bad}");
        }
        let long = |length: usize| format!("a@{}", "b".repeat(length - 2));
        assert!(is_email(&long(EMAIL_MAX)));
        assert!(!is_email(&long(EMAIL_MAX + 1)));
        assert_eq!(refused(UserSpec { metadata: serde_json::json!([]), ..user("a", None) }), ["metadata"]);
    }

    proptest! {
        #[test]
        fn any_text_is_an_address_or_refused(text in ".{0,80}") {
            if is_email(&text) {
                prop_assert_eq!(text.matches('@').count(), 1);
            }
        }
    }
}
