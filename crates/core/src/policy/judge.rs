//! Whether a caller meets what a rule demands.
//!
//! The steps stand in the order in which their codes win: openness of the rule, then (after the rule's limit, which is
//! the caller's to apply) kind, credential kind, audience, role, scope, self. Assurance has its place between scope and
//! self and no mechanism yet. Knows nothing of how the caller was found out, of limits or of `observe`.

use crate::check::code::Reason;
use crate::id::{ClientId, UserId};
use crate::name::{RoleName, ScopeName};
use crate::principal::{CredentialKind, Principal, Standing, SubjectKind};

use super::index::Target;
use super::rule::{Audience, Demand, Require, Rule};

/// How open a rule is, whoever asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Openness {
    /// Everybody is admitted.
    Public,
    /// Nobody is: [`Reason::DenyRule`].
    Denied,
    /// [`judge_caller`] says who is.
    Guarded,
}

/// Why a caller is not admitted, with what he lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub reason: Reason,
    /// The demanded scopes that he does not have.
    pub missing_scopes: Vec<ScopeName>,
    /// The demanded roles, where he has none of them.
    pub missing_roles: Vec<RoleName>,
}

/// Whether the path is spelled as the rule allows: an encoded slash is refused unless the rule keeps it, and without a
/// rule. Comes before everything else that a rule says.
pub fn judge_spelling(rule: Option<&Rule>, target: &Target<'_>) -> Result<(), Reason> {
    let kept = rule.is_some_and(|rule| rule.keep_encoded_slash);
    if target.has_encoded_slash && !kept { Err(Reason::PathEncodedSlash) } else { Ok(()) }
}

/// How open the rule is.
pub const fn judge_openness(rule: &Rule) -> Openness {
    match rule.demand {
        Demand::Public => Openness::Public,
        Demand::Deny => Openness::Denied,
        Demand::Require(_) => Openness::Guarded,
    }
}

/// Who calls, and what he may do here.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// Who.
    pub principal: &'a Principal,
    /// On the API of the rule.
    pub standing: &'a Standing,
}

impl<'a> From<&'a Principal> for Caller<'a> {
    fn from(principal: &'a Principal) -> Self {
        Self { principal, standing: &principal.standing }
    }
}

/// Whether the caller has what the rule demands, its openness included. `path` is in normal form and matches the rule.
pub fn judge_caller(rule: &Rule, path: &str, caller: Option<Caller<'_>>) -> Result<(), Refused> {
    let require = match &rule.demand {
        Demand::Public => return Ok(()),
        Demand::Deny => return Err(Reason::DenyRule.into()),
        Demand::Require(require) => require,
    };
    let Caller { principal, standing } = caller.ok_or(Reason::NoCredential)?;
    if !require.subjects.is_empty() && !require.subjects.contains(&principal.subject_kind()) {
        return Err(Reason::SubjectKind.into());
    }
    if !require.credentials.is_empty() && !require.credentials.contains(&principal.credential) {
        return Err(Reason::CredentialKind.into());
    }
    // A token without API was issued for what its issuer says of its person, and is no API's.
    let is_demanded = require.is_api_demanded || principal.credential == CredentialKind::AccessToken;
    if !is_audience(&rule.audience, is_demanded, standing) {
        return Err(Reason::OtherAudience.into());
    }
    judge_rights(require, standing)?;
    if require.own.as_deref().is_some_and(|name| !is_self(rule.path.capture(path, name), principal)) {
        return Err(Reason::OtherSubject.into());
    }
    Ok(())
}

impl From<Reason> for Refused {
    fn from(reason: Reason) -> Self {
        Self { reason, missing_scopes: Vec::new(), missing_roles: Vec::new() }
    }
}

/// A caller without API says who, not what: he passes here and has no scopes, unless the rule itself names an API.
fn is_audience(audience: &Audience, is_demanded: bool, standing: &Standing) -> bool {
    match (audience, &standing.api) {
        (Audience::Any, _) => true,
        (Audience::Api(_), None) => !is_demanded,
        (Audience::Api(demanded), Some(given)) => demanded == given,
        (Audience::None, _) => false,
    }
}

fn judge_rights(require: &Require, standing: &Standing) -> Result<(), Refused> {
    let has_role = |role: &RoleName| standing.roles.binary_search(role).is_ok();
    if !require.roles.is_empty() && !require.roles.iter().any(has_role) {
        return Err(Refused { missing_roles: require.roles.clone(), ..Reason::RoleMissing.into() });
    }
    let missing: Vec<_> = require.scopes.iter().filter(|scope| !standing.has_scope(scope)).cloned().collect();
    if !missing.is_empty() {
        return Err(Refused { missing_scopes: missing, ..Reason::ScopeMissing.into() });
    }
    Ok(())
}

/// True where the segment is the caller's id, the name of a user, or the id of the same subject elsewhere. What looks
/// like one of our ids is compared with ids only, so that nobody becomes another by taking his id for a name.
fn is_self(segment: Option<&str>, principal: &Principal) -> bool {
    let Some(segment) = segment else { return false };
    if UserId::looks_like(segment) || ClientId::looks_like(segment) {
        return segment.parse() == Ok(principal.subject);
    }
    let is_name = principal.subject_kind() == SubjectKind::User && *principal.name == *segment;
    let external = principal.profile.as_ref().and_then(|profile| profile.external_id.as_deref());
    is_name || external == Some(segment)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::id::SubjectId;
    use crate::policy::rule::RawRule;
    use crate::principal::Profile;
    use proptest::prelude::*;

    const API: &str = "https://api.shop.test";

    fn rule(require: &str) -> Rule {
        let text = format!(
            "match = {{ host = 'shop.test', path = '/users/{{id}}/**' }}\nrequire = {{ api = '{API}', {require} }}"
        );
        toml::from_str::<RawRule>(&text).unwrap().resolve().unwrap()
    }

    fn alice() -> Principal {
        Principal {
            subject: SubjectId::User(UserId::from_bytes([7; 16])),
            client: None,
            grant: None,
            key: None,
            secret_number: 1,
            credential: CredentialKind::ApiKey,
            name: "alice".into(),
            standing: Arc::new(Standing {
                api: Some(API.parse().unwrap()),
                scopes: vec!["a".parse().unwrap(), "b".parse().unwrap()],
                roles: vec!["buyer".parse().unwrap()],
            }),
            expires_at: None,
            rolled: false,
            halted: None,
            profile: Some(Arc::new(Profile { external_id: Some("cus_42".to_owned()), ..Profile::default() })),
            sign_in: None,
            token: None,
        }
    }

    fn robot() -> Principal {
        Principal {
            subject: SubjectId::Client(ClientId::from_bytes([7; 16])),
            name: "robot".into(),
            profile: None,
            ..alice()
        }
    }

    fn with_standing(change: impl FnOnce(&mut Standing)) -> Principal {
        let mut principal = alice();
        change(Arc::make_mut(&mut principal.standing));
        principal
    }

    fn reason(rule: &Rule, path: &str, principal: &Principal) -> Option<Reason> {
        judge_caller(rule, path, Some(principal.into())).err().map(|refused| refused.reason)
    }

    #[test]
    fn the_first_step_that_fails_speaks() {
        let strict = "subjects = ['user'], credentials = ['api_key'], roles = ['buyer'], scopes = ['a'], self = 'id'";
        let rule = rule(strict);
        let elsewhere = |principal: Principal| Principal {
            standing: Arc::new(Standing { api: "https://x".parse().ok(), ..Standing::default() }),
            ..principal
        };
        let steps = [
            (
                elsewhere(Principal { credential: CredentialKind::OperatorKey, ..robot() }),
                "/users/bob",
                Some(Reason::SubjectKind),
            ),
            (
                elsewhere(Principal { credential: CredentialKind::OperatorKey, ..alice() }),
                "/users/bob",
                Some(Reason::CredentialKind),
            ),
            (elsewhere(alice()), "/users/bob", Some(Reason::OtherAudience)),
            (
                with_standing(|standing| (standing.roles, standing.scopes) = Default::default()),
                "/users/bob",
                Some(Reason::RoleMissing),
            ),
            (with_standing(|standing| standing.scopes.clear()), "/users/bob", Some(Reason::ScopeMissing)),
            (alice(), "/users/bob", Some(Reason::OtherSubject)),
            (alice(), "/users/alice/x", None),
        ];
        for (principal, path, expected) in steps {
            assert_eq!(reason(&rule, path, &principal), expected);
        }
        assert_eq!(judge_caller(&rule, "/users/alice", None).unwrap_err().reason, Reason::NoCredential);
    }

    #[test]
    fn what_is_lacking_is_listed() {
        let refused = judge_caller(&rule("scopes = ['c', 'a', 'd']"), "/users/x", Some((&alice()).into())).unwrap_err();
        assert_eq!(refused.missing_scopes, ["c".parse().unwrap(), "d".parse().unwrap()]);
        let refused = judge_caller(&rule("roles = ['x', 'y']"), "/users/x", Some((&alice()).into())).unwrap_err();
        assert_eq!((refused.reason, refused.missing_roles.len()), (Reason::RoleMissing, 2));
        assert_eq!(judge_caller(&rule("roles = ['x', 'buyer']"), "/users/x", Some((&alice()).into())), Ok(()));
    }

    #[test]
    fn a_caller_without_api_is_known_but_may_do_nothing() {
        let who = with_standing(|standing| *standing = Standing::default());
        let followed = |require: &str| {
            let mut rule = rule(require);
            if let Demand::Require(require) = &mut rule.demand {
                require.is_api_demanded = false;
            }
            rule
        };
        assert_eq!(reason(&followed("authenticated = true"), "/users/x", &who), None);
        assert_eq!(reason(&followed("scopes = ['a']"), "/users/x", &who), Some(Reason::ScopeMissing));
        let demanded = reason(&rule("authenticated = true"), "/users/x", &who);
        assert_eq!(demanded, Some(Reason::OtherAudience), "a rule that names its API admits nobody without one");
    }

    #[test]
    fn the_audience_must_be_the_same_unless_any_will_do() {
        let mut rule = rule("authenticated = true");
        let other = with_standing(|standing| standing.api = "https://api.shop.test/".parse().ok());
        assert_eq!(reason(&rule, "/users/x", &other), Some(Reason::OtherAudience));
        rule.audience = Audience::Any;
        assert_eq!(reason(&rule, "/users/x", &other), None);
        rule.audience = Audience::None;
        assert_eq!(reason(&rule, "/users/x", &alice()), Some(Reason::OtherAudience));
    }

    #[test]
    fn self_is_an_id_a_user_name_or_an_external_id() {
        let rule = rule("self = 'id'");
        let id = alice().subject.to_string();
        for segment in ["alice", "cus_42", &id] {
            assert_eq!(reason(&rule, &format!("/users/{segment}"), &alice()), None, "{segment}");
        }
        let other = SubjectId::User(UserId::from_bytes([8; 16])).to_string();
        for segment in ["Alice", "alice%2F", "robot", "cus_4", &other] {
            assert_eq!(reason(&rule, &format!("/users/{segment}"), &alice()), Some(Reason::OtherSubject), "{segment}");
        }
        let thief = Principal { name: other.as_str().into(), ..alice() };
        assert_eq!(reason(&rule, &format!("/users/{other}"), &thief), Some(Reason::OtherSubject));
        assert_eq!(reason(&rule, "/users/robot", &robot()), Some(Reason::OtherSubject), "a client has no user name");
        assert_eq!(reason(&rule, &format!("/users/{}", robot().subject), &robot()), None);
    }

    #[test]
    fn openness_is_known_before_the_caller() {
        let open = |text: &str| toml::from_str::<RawRule>(text).unwrap().resolve().unwrap();
        let (public, deny) = (open("public = true\nmatch = { host = 'a.test' }"), open("deny = true"));
        assert_eq!((judge_openness(&public), judge_openness(&deny)), (Openness::Public, Openness::Denied));
        assert_eq!(judge_openness(&rule("authenticated = true")), Openness::Guarded);
        assert_eq!(judge_caller(&public, "/", None), Ok(()));
        assert_eq!(judge_caller(&deny, "/", Some((&alice()).into())).unwrap_err().reason, Reason::DenyRule);
    }

    #[test]
    fn fa_04_an_encoded_slash_needs_a_rule_that_keeps_it() {
        let mut rule = rule("authenticated = true");
        let target =
            Target { host: "shop.test", method: &http::Method::GET, path: "/users/a%2Fb", has_encoded_slash: true };
        assert_eq!(judge_spelling(Some(&rule), &target), Err(Reason::PathEncodedSlash));
        assert_eq!(judge_spelling(None, &target), Err(Reason::PathEncodedSlash));
        rule.keep_encoded_slash = true;
        assert_eq!(judge_spelling(Some(&rule), &target), Ok(()));
        assert_eq!(judge_spelling(None, &Target { has_encoded_slash: false, ..target }), Ok(()));
    }

    proptest! {
        #[test]
        fn no_scope_is_admitted_that_the_caller_has_not(asked in prop::collection::btree_set("[a-d]", 1..4)) {
            let scopes = asked.iter().map(|scope| format!("'{scope}'")).collect::<Vec<_>>().join(",");
            let admitted = judge_caller(&rule(&format!("scopes = [{scopes}]")), "/users/x", Some((&alice()).into())).is_ok();
            prop_assert_eq!(admitted, asked.iter().all(|scope| ["a", "b"].contains(&scope.as_str())));
        }
    }
}
