//! Rules tried without a server: a request, a caller that need not exist, and what should become of them.
//!
//! Judges rules only. Credentials, their addresses and limits have no part in it: a caller is who the case says he is.

use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;
use serde::{Deserialize, Serialize};

use crate::check::code::{Code, Reason};
use crate::check::request::Request;
use crate::id::{ClientId, SubjectId, UserId};
use crate::name::{ApiUri, ExternalId, Label, RoleName, ScopeName};
use crate::policy::index::{Policy, Target};
use crate::policy::judge;
use crate::policy::rule::{Audience, Rule};
use crate::principal::{CredentialKind, Principal, Profile, Standing, SubjectKind};

/// The most cases of one trial.
pub const CASES_MAX: usize = 1_000;

/// One case: `[[case]]` in a file for `admit rule test`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it is called; the request unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Label>,
    /// `GET https://shop.test/orders`.
    pub request: String,
    /// Where it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
    /// Who asks; nobody known where absent.
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    pub caller: Option<Caller>,
    /// `ok` or the code of the refusal.
    pub expect: String,
    /// The name of the rule that should match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

/// A caller that need not exist.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Caller {
    /// The API that his credential is for; that of the matched rule where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<ApiUri>,
    /// What he may do there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<ScopeName>,
    /// The roles that he holds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<RoleName>,
    /// By what he proved who he is: a word of `require.credentials`; `api_key` where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// `user` or `client`, which he is where nothing is said and a key was shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<SubjectKind>,
    /// His name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Label>,
    /// His id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// His id elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<ExternalId>,
}

/// What became of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// What it is called.
    pub name: String,
    /// What should have come.
    pub expected: String,
    /// What came.
    pub got: String,
    /// The rule that matched.
    pub rule: Option<String>,
    /// Whether they are the same.
    pub passed: bool,
    /// Why it came so.
    pub why: String,
}

impl Case {
    /// Tries the case.
    pub fn run(&self, policy: &Policy) -> Outcome {
        let name = self.name.as_ref().map_or_else(|| self.request.chars().take(200).collect(), ToString::to_string);
        let (judged, rule) = self.judge(policy);
        let (code, why) = match judged {
            Ok(()) => (Code::Ok, rule.map_or_else(String::new, |rule| format!("{} admits", rule.summary()))),
            Err(Refusal { reason, why }) => (reason.code(), why),
        };
        let matched = rule.map(|rule| rule.name.to_string());
        let passed = self.expect == code.as_str() && (self.rule.is_none() || self.rule == matched);
        Outcome { name, expected: self.expectation(), got: code.to_string(), rule: matched, passed, why }
    }

    fn expectation(&self) -> String {
        let expected: String = self.expect.chars().take(64).collect();
        match &self.rule {
            Some(rule) => format!("{expected} by rule \"{}\"", rule.chars().take(200).collect::<String>()),
            None => expected,
        }
    }

    fn judge<'p>(&self, policy: &'p Policy) -> (Result<(), Refusal>, Option<&'p Rule>) {
        if Code::ALL.iter().all(|code| code.as_str() != self.expect) {
            let why = "expect must be ok or the code of a refusal, such as insufficient_scope".to_owned();
            return (Err(Refusal { reason: Reason::NothingMatched, why }), None);
        }
        let headers = HeaderMap::new();
        let Some((method, url)) = self.request.split_once(' ') else {
            let why = "the request must be a method and a URL, such as GET https://shop.test/orders".to_owned();
            return (Err(Refusal { reason: Reason::OriginalRequestMissing, why }), None);
        };
        let request = match Request::direct(method, url, &headers, self.ip) {
            Ok(request) => request,
            Err(reason) => {
                return (Err(Refusal { reason, why: format!("the request cannot be judged: {reason}") }), None);
            }
        };
        let (host, path) = (request.host.as_str(), request.path.as_str());
        let target =
            Target { host, method: &request.method, path, has_encoded_slash: request.path.has_encoded_slash() };
        let rule = policy.find(&target).map(|matched| matched.rule);
        let judged = judge::judge_spelling(rule, &target).map_err(|reason| Refusal { reason, why: reason.to_string() });
        (judged.and_then(|()| self.judge_by(rule, path, policy, &target)), rule)
    }

    fn judge_by(&self, rule: Option<&Rule>, path: &str, policy: &Policy, target: &Target<'_>) -> Result<(), Refusal> {
        let Some(rule) = rule else {
            let misses = policy.near_misses(target);
            let near = misses.iter().map(|miss| format!("; \"{}\" differs in its {}", miss.rule.name, miss.why));
            let why = format!("no rule matches{}", near.collect::<String>());
            return Err(Refusal { reason: Reason::NothingMatched, why });
        };
        let principal = self.caller.as_ref().map(|caller| caller.principal(rule)).transpose()?;
        let Err(refused) = judge::judge_caller(rule, path, principal.as_ref().map(Into::into)) else { return Ok(()) };
        let scopes = refused.missing_scopes.iter().map(|scope| format!(", scope {scope} is missing"));
        let roles = refused.missing_roles.iter().map(|role| format!(", role {role} is missing"));
        let why = format!("{} refuses: {}{}", rule.summary(), refused.reason, scopes.chain(roles).collect::<String>());
        if rule.observe { Ok(()) } else { Err(Refusal { reason: refused.reason, why }) }
    }
}

struct Refusal {
    reason: Reason,
    why: String,
}

impl Caller {
    fn principal(&self, rule: &Rule) -> Result<Principal, Refusal> {
        let credential = self.credential()?;
        let sorted = |mut scopes: Vec<ScopeName>| {
            scopes.sort();
            scopes
        };
        let mut roles = self.roles.clone();
        roles.sort();
        let of_rule = || match &rule.audience {
            Audience::Api(uri) if !self.scopes.is_empty() => Some(uri.clone()),
            _ => None,
        };
        let standing = Standing { api: self.api.clone().or_else(of_rule), scopes: sorted(self.scopes.clone()), roles };
        let profile = Profile { external_id: self.external_id.as_ref().map(ToString::to_string), ..Profile::default() };
        Ok(Principal {
            subject: self.subject(credential)?,
            client: None,
            grant: None,
            key: None,
            secret_number: 1,
            credential,
            name: self.name.as_ref().map_or("", Label::as_str).into(),
            standing: Arc::new(standing),
            expires_at: None,
            rolled: false,
            halted: None,
            profile: Some(Arc::new(profile)),
            sign_in: None,
            token: None,
        })
    }

    fn credential(&self) -> Result<CredentialKind, Refusal> {
        let refusal = |why: &str| Refusal { reason: Reason::CredentialKind, why: why.to_owned() };
        let word = self.credential.as_deref().unwrap_or(CredentialKind::ApiKey.as_str());
        let kind = CredentialKind::of_rule(word);
        let kind = kind.ok_or_else(|| refusal("as.credential must be api_key, session, basic or access_token"))?;
        let is_of_people = matches!(kind, CredentialKind::Session | CredentialKind::Basic);
        if is_of_people && self.kind == Some(SubjectKind::Client) {
            return Err(refusal("as.credential is one that only people have, and as.kind is client"));
        }
        Ok(kind)
    }

    fn subject(&self, credential: CredentialKind) -> Result<SubjectId, Refusal> {
        let kind = self.kind.or((credential != CredentialKind::ApiKey).then_some(SubjectKind::User));
        let no_id = || Refusal {
            reason: Reason::SubjectKind,
            why: "as.id must be an id of that kind: usr_… or cli_…".to_owned(),
        };
        let nobody = match kind {
            Some(SubjectKind::User) => SubjectId::User(UserId::from_bytes([0; 16])),
            Some(SubjectKind::Client) | None => SubjectId::Client(ClientId::from_bytes([0; 16])),
        };
        let Some(id) = &self.id else { return Ok(nobody) };
        let id: SubjectId = id.parse().map_err(|_| no_id())?;
        let of_id = if matches!(id, SubjectId::User(_)) { SubjectKind::User } else { SubjectKind::Client };
        if kind.is_some_and(|said| said != of_id) { Err(no_id()) } else { Ok(id) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::index::ApiRealm;
    use crate::policy::rule::RawRule;
    use proptest::prelude::*;

    fn policy() -> Policy {
        let api = |uri: &str, host: &str| ApiRealm {
            uri: uri.parse().unwrap(),
            scopes: vec!["orders:read".parse().unwrap()],
            hosts: vec![host.to_owned()],
            cors: None,
        };
        let apis = [api("https://api.shop.test", "shop.test"), api("https://other.test", "other.test")];
        let rules = [
            "name = 'read'\nmatch = { host = 'shop.test', methods = ['GET'], path = '/orders/**' }\nrequire = { scopes = ['orders:read'] }",
            "name = 'own'\nmatch = { host = 'shop.test', path = '/users/{id}' }\nrequire = { subjects = ['user'], self = 'id' }",
            "name = 'staff'\nmatch = { host = 'shop.test', path = '/staff' }\nrequire = { roles = ['staff'] }",
            "name = 'people'\nmatch = { host = 'shop.test', path = '/people' }\nrequire = { credentials = ['session', 'basic'] }",
            "name = 'open'\nmatch = { host = 'shop.test', path = '/' }\npublic = true",
            "name = 'never'\nmatch = { host = 'shop.test', path = '/never' }\ndeny = true",
        ];
        let rules = rules.iter().map(|text| toml::from_str::<RawRule>(text).unwrap().resolve().unwrap()).collect();
        Policy::build(&apis, rules).unwrap()
    }

    fn case(text: &str) -> Case {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn each_case_tells_what_came_of_it() {
        let policy = policy();
        let rows = [
            ("GET https://shop.test/", "", "ok", Some("open")),
            ("GET https://shop.test/orders", "", "missing_credential", Some("read")),
            ("GET https://shop.test/orders", "as = { scopes = ['orders:read'] }", "ok", Some("read")),
            ("HEAD https://shop.test/orders/7", "as = { scopes = ['orders:read'] }", "ok", Some("read")),
            ("GET https://shop.test/orders", "as = {}", "insufficient_scope", Some("read")),
            (
                "GET https://shop.test/orders",
                "as = { api = 'https://other.test', scopes = ['orders:read'] }",
                "wrong_audience",
                Some("read"),
            ),
            ("POST https://shop.test/orders", "as = { scopes = ['orders:read'] }", "no_rule", None),
            ("GET https://shop.test/users/alice", "as = { kind = 'user', name = 'alice' }", "ok", Some("own")),
            ("GET https://shop.test/users/alice", "as = { kind = 'user', name = 'bob' }", "not_yours", Some("own")),
            ("GET https://shop.test/users/cus_1", "as = { kind = 'user', external_id = 'cus_1' }", "ok", Some("own")),
            ("GET https://shop.test/users/alice", "as = { name = 'alice' }", "wrong_subject_kind", Some("own")),
            ("GET https://shop.test/staff", "as = { roles = ['staff'] }", "ok", Some("staff")),
            ("GET https://shop.test/staff", "as = { roles = ['guest'] }", "insufficient_role", Some("staff")),
            ("GET https://shop.test/people", "as = { credential = 'session' }", "ok", Some("people")),
            ("GET https://shop.test/people", "as = { credential = 'basic', name = 'alice' }", "ok", Some("people")),
            ("GET https://shop.test/people", "as = {}", "wrong_credential_kind", Some("people")),
            ("GET https://shop.test/users/bob", "as = { credential = 'basic', name = 'bob' }", "ok", Some("own")),
            ("GET https://shop.test/never", "as = {}", "denied", Some("never")),
            ("GET https://shop.test/a/../b", "", "malformed_request", None),
            ("GET", "", "malformed_request", None),
        ];
        for (request, caller, code, rule) in rows {
            let outcome = case(&format!("request = '{request}'\nexpect = '{code}'\n{caller}")).run(&policy);
            assert_eq!(
                (outcome.got.as_str(), outcome.rule.as_deref(), outcome.passed),
                (code, rule, true),
                "{request} {caller}: {}",
                outcome.why
            );
        }
    }

    #[test]
    fn a_case_fails_for_another_code_or_rule() {
        let policy = policy();
        let failed = |text: &str| {
            let outcome = case(text).run(&policy);
            assert!(!outcome.passed, "{text}");
            outcome
        };
        let outcome = failed("request = 'GET https://shop.test/orders'\nexpect = 'ok'");
        assert_eq!((outcome.got.as_str(), outcome.expected.as_str()), ("missing_credential", "ok"));
        let outcome = failed("request = 'GET https://shop.test/'\nexpect = 'ok'\nrule = 'read'");
        assert_eq!((outcome.expected.as_str(), outcome.rule.as_deref()), ("ok by rule \"read\"", Some("open")));
        assert!(failed("request = 'GET https://shop.test/'\nexpect = 'fine'").why.contains("expect must be"));
        let outcome = failed("request = 'POST https://shop.test/orders'\nexpect = 'ok'");
        assert!(outcome.why.contains("\"read\" differs in its method"), "{}", outcome.why);
        let failed_by =
            |caller: &str| failed(&format!("request = 'GET https://shop.test/people'\nexpect = 'ok'\nas = {caller}"));
        assert!(failed_by("{ credential = 'token' }").why.contains("must be api_key, session, basic or access_token"));
        assert!(failed_by("{ credential = 'basic', kind = 'client' }").why.contains("only people have"));
        assert!(
            failed("request = 'GET https://shop.test/staff'\nexpect = 'ok'\nas = { id = 'key_1' }")
                .why
                .contains("as.id")
        );
    }

    proptest! {
        #[test]
        fn any_request_has_an_outcome(request in ".{0,60}", expect in ".{0,12}", id in prop::option::of(".{0,12}")) {
            let caller = Caller { id, ..Caller::default() };
            let case = Case { name: None, request, ip: None, caller: Some(caller), expect, rule: None };
            prop_assert!(!case.run(&policy()).why.is_empty());
        }
    }
}
