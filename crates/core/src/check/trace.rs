//! Why: the steps of a decision in the order in which they were taken, and the commands that would change it.
//!
//! Derived from the decision and the rules as they were; nothing is recorded on the way, so that an admitted request pays
//! nothing for it. Names keys and rules, never a secret.

use std::net::IpAddr;

use serde::Serialize;

use crate::check::advice;
use crate::check::code::{Code, Reason};
use crate::check::decision::{Decision, Verdict};
use crate::credential::Place;
use crate::name::RealmName;
use crate::policy::index::{NearMiss, Policy, Target};
use crate::policy::rule::{Audience, Demand, Require, Rule};
use crate::principal::{CredentialKind, Principal, Standing};

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// Passed.
    Ok,
    /// Refused here.
    Failed,
    /// Worth knowing, and not decisive.
    Skipped,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// How it went.
    pub mark: Mark,
    /// What was looked at, for people.
    pub text: String,
}

/// The whole story.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Trace {
    /// The steps in order.
    pub steps: Vec<Step>,
    /// Commands that would change the verdict.
    pub advice: Vec<String>,
}

/// What is explained.
pub struct Case<'a> {
    /// The realm that judged.
    pub realm: Option<&'a RealmName>,
    /// As it was read; empty where the request could not be.
    pub method: &'a str,
    /// As it was read.
    pub host: &'a str,
    /// As it was read.
    pub path: &'a str,
    /// From where.
    pub client_ip: Option<IpAddr>,
    /// Where the credential stood and what may be shown of it.
    pub credential: Option<(Place, &'a str)>,
    /// What was decided.
    pub decision: &'a Decision,
    /// The rule that matched.
    pub rule: Option<&'a Rule>,
    /// All rules.
    pub policy: Option<&'a Policy>,
}

impl Case<'_> {
    /// The rules that the request missed in one part only.
    pub(super) fn near_misses(&self) -> Vec<NearMiss<'_>> {
        let (Some(policy), Ok(method)) = (self.policy, self.method.parse()) else { return Vec::new() };
        let target = Target { host: self.host, method: &method, path: self.path, has_encoded_slash: false };
        policy.near_misses(&target)
    }
}

/// Tells the story of a decision.
pub fn explain(case: &Case<'_>) -> Trace {
    let mut story = Story { case, reason: case.decision.reason().or(case.decision.observed), trace: Trace::default() };
    story.tell();
    if let Some(reason) = story.reason {
        story.trace.advice = advice::commands(case, reason);
    }
    story.trace
}

struct Story<'a> {
    case: &'a Case<'a>,
    reason: Option<Reason>,
    trace: Trace,
}

impl Story<'_> {
    fn add(&mut self, mark: Mark, text: impl Into<String>) {
        self.trace.steps.push(Step { mark, text: text.into() });
    }

    /// Adds a step that failed if its code is that of the refusal. True where the story ends here.
    fn ends_with(&mut self, codes: &[Code]) -> bool {
        let Some(reason) = self.reason.filter(|reason| codes.contains(&reason.code())) else { return false };
        self.add(Mark::Failed, sentence(reason));
        true
    }

    fn tell(&mut self) {
        let (method, host, path) = (self.case.method, self.case.host, self.case.path);
        if self.ends_with(&[Code::MalformedRequest, Code::UntrustedProxy]) {
            return;
        }
        if method.is_empty() {
            self.ends_with(Code::ALL);
            return;
        }
        self.add(Mark::Ok, format!("request is well-formed: {method} {host}{path}"));
        if self.case.decision.verdict == Verdict::Preflight {
            return self.add(Mark::Ok, "preflight from a listed origin, answered here");
        }
        if self.reason == Some(Reason::RealmDisabled) {
            // Nothing of the request was looked at: it does not matter what was sent.
            return self.add(Mark::Failed, sentence(Reason::RealmDisabled));
        }
        if self.tell_credential() || self.tell_limits() || self.tell_rule() {
            return;
        }
        if !self.ends_with(Code::ALL) {
            let text = if self.case.decision.is_admitted() { "admitted" } else { "refused" };
            self.add(Mark::Ok, text);
        }
    }

    fn tell_credential(&mut self) -> bool {
        if self.ends_with(&[Code::ManyCredentials, Code::MalformedCredential]) {
            return true;
        }
        match self.case.credential {
            Some((place, hint)) => self.add(Mark::Ok, format!("credential found: {}, {hint}", place_text(place))),
            None if self.case.decision.principal.is_none() => self.add(Mark::Skipped, "no credential was sent"),
            None => {}
        }
        if let Some(reason) = self.case.decision.ambient {
            self.add(Mark::Skipped, format!("a session cookie was sent and counts as none: {}", sentence(reason)));
        }
        if let Some(principal) = &self.case.decision.principal {
            let state = standing_text(principal, self.case.decision.standing().unwrap_or(&principal.standing));
            self.add(Mark::Skipped, state);
        }
        let about_credential = [
            Code::InvalidCredential,
            Code::ExpiredCredential,
            Code::RevokedCredential,
            Code::WrongRealm,
            Code::SubjectDisabled,
            Code::BindingMismatch,
            Code::WrongIp,
            Code::InsecureTransport,
            Code::CrossSite,
        ];
        let ended = self.ends_with(&about_credential)
            || (matches!(self.reason, Some(Reason::UnknownBudget | Reason::GuessRate))
                && self.ends_with(&[Code::RateLimited]))
            || (self.reason == Some(Reason::QueueFull) && self.ends_with(&[Code::Overloaded]));
        if !ended && let Some(principal) = &self.case.decision.principal {
            let text = live_text(principal);
            self.add(Mark::Ok, text);
        }
        ended
    }

    fn tell_limits(&mut self) -> bool {
        for limit in &self.case.decision.limits {
            let mark = if limit.state.admitted { Mark::Ok } else { Mark::Failed };
            let text = format!("limit \"{}\": {} of {} left", limit.policy, limit.state.remaining, limit.limit.rate());
            self.add(mark, text);
        }
        self.case.decision.limits.iter().any(|limit| !limit.state.admitted)
    }

    fn tell_rule(&mut self) -> bool {
        let Some(rule) = self.case.rule else {
            if self.reason != Some(Reason::NothingMatched) {
                // What Admit demands of its own routes is no rule of the realm.
                return self.ends_with(Code::ALL);
            }
            self.add(
                Mark::Failed,
                format!("no rule matches {} {}{}", self.case.method, self.case.host, self.case.path),
            );
            let near: Vec<_> = self.case.near_misses().iter().map(near_text).collect();
            near.into_iter().for_each(|text| self.add(Mark::Skipped, text));
            return true;
        };
        self.add(Mark::Ok, format!("rule \"{}\" matches: {}", rule.name, rule.summary()));
        match &rule.demand {
            Demand::Public => self.add(Mark::Ok, "the rule is public"),
            Demand::Deny => return self.ends_with(&[Code::Denied]),
            Demand::Require(require) => return self.tell_demands(rule, require),
        }
        false
    }

    fn tell_demands(&mut self, rule: &Rule, require: &Require) -> bool {
        if self.ends_with(&[Code::MissingCredential]) {
            return true;
        }
        let is_for_none = self.case.decision.standing().is_some_and(|standing| standing.api.is_none());
        let audience = match &rule.audience {
            Audience::Api(api) if is_for_none => format!("for callers of {api}; the credential is for no API"),
            Audience::Api(api) => format!("made for {api}"),
            Audience::Any | Audience::None => "made for any API".to_owned(),
        };
        let list = |words: Vec<&str>| words.join(" ");
        let demands = [
            (
                Code::WrongSubjectKind,
                list(require.subjects.iter().map(|kind| kind.as_str()).collect()),
                "caller is one of: ",
            ),
            (
                Code::WrongCredentialKind,
                list(require.credentials.iter().map(|kind| kind.as_str()).collect()),
                "credential is one of: ",
            ),
            (Code::WrongAudience, audience, ""),
            (Code::InsufficientRole, list(require.roles.iter().map(|role| role.as_str()).collect()), "role, one of: "),
            (Code::InsufficientScope, list(require.scopes.iter().map(|scope| scope.as_str()).collect()), "scopes: "),
            (Code::NotYours, require.own.as_deref().unwrap_or_default().to_owned(), "the path names the caller in: "),
        ];
        for (code, what, label) in demands {
            if self.reason.is_some_and(|reason| reason.code() == code) {
                let sentence = self.reason.map_or("", sentence);
                let is_said = code == Code::WrongAudience && is_for_none;
                let text = if is_said { what } else { format!("{label}{what}: {sentence}") };
                self.add(Mark::Failed, text);
                return true;
            }
            if !what.is_empty() {
                self.add(Mark::Ok, format!("{label}{what}"));
            }
        }
        false
    }
}

fn near_text(miss: &NearMiss<'_>) -> String {
    format!("nearly: rule \"{}\" ({}) differs in its {}", miss.rule.name, miss.rule.summary(), miss.why)
}

const fn place_text(place: Place) -> &'static str {
    match place {
        Place::Bearer => "Authorization: Bearer",
        Place::ApiKey => "Authorization: ApiKey",
        Place::XApiKey => "X-API-Key",
        Place::Basic => "Authorization: Basic",
        Place::Query => "query parameter",
        Place::Cookie => "cookie",
    }
}

fn standing_text(principal: &Principal, standing: &Standing) -> String {
    let api = standing.api.as_ref().map_or_else(|| "no API".to_owned(), ToString::to_string);
    let scopes: Vec<_> = standing.scopes.iter().map(|scope| scope.as_str()).collect();
    let scopes = if scopes.is_empty() { "no scopes".to_owned() } else { scopes.join(" ") };
    match (principal.credential, principal.key) {
        (CredentialKind::OperatorKey, _) => "the operator key of this server".to_owned(),
        (_, Some(key)) => {
            format!("it is key {key} (secret {}) of \"{}\": {api}, {scopes}", principal.secret_number, principal.name)
        }
        (CredentialKind::AccessToken, _) => {
            let id = principal.token.as_ref().map(|token| format!(" {}", token.id)).unwrap_or_default();
            let grant = principal.grant.map(|grant| format!(" under grant {grant}")).unwrap_or_default();
            format!("it is token{id} of \"{}\"{grant}: {api}, {scopes}", principal.name)
        }
        (CredentialKind::Session, _) => {
            let at = principal.sign_in.as_ref().map(|sign_in| format!(", signed in at {}", sign_in.at));
            format!("it is \"{}\"{}: {api}, {scopes}", principal.name, at.unwrap_or_default())
        }
        (_, None) => format!("it is \"{}\": {api}, {scopes}", principal.name),
    }
}

fn live_text(principal: &Principal) -> String {
    match principal.expires_at {
        Some(end) => format!("it is live until {end}"),
        None => "it is live and never expires".to_owned(),
    }
}

/// A reason for people.
pub const fn sentence(reason: Reason) -> &'static str {
    match reason {
        Reason::DoubledHeader => "a header that counts stands there twice",
        Reason::AliasHeader => "a header that counts stands there in another spelling, with _ or . for -",
        Reason::UnreadableHeader => "a header that counts is not visible ASCII, or too long",
        Reason::OriginalRequestMissing => "the gateway did not say method, host and URI of the original request",
        Reason::BadMethod => "the method is no HTTP token",
        Reason::BadHost => "the host is neither a host name nor an address",
        Reason::HostConflict => "the request names two different hosts",
        Reason::BadForwardedFor => "X-Forwarded-For is no list of addresses",
        Reason::BadForwardedProto => "X-Forwarded-Proto is neither http nor https",
        Reason::PathTooLong => "the path is too long",
        Reason::PathNotAbsolute => "the path does not begin with /",
        Reason::PathDotSegment => "the path has a . or .. segment",
        Reason::PathEmptySegment => "the path has an empty segment (//)",
        Reason::PathEncodedSlash => {
            "the path has an encoded slash, which the rule does not keep (encoded_slash = \"keep\")"
        }
        Reason::PathBackslash => "the path has a backslash",
        Reason::PathControl => "the path has a control character",
        Reason::PathDoubleEncoding => "the path is encoded twice",
        Reason::PathParameter => "the path has a ; parameter",
        Reason::PathFragment => "the path has a #",
        Reason::PathBadEscape => "the path has a broken % escape",
        Reason::PathNotUtf8 => "the path is not UTF-8",
        Reason::TwoCredentials => "there are two explicit credentials; send one",
        Reason::DoubledCredential => "one credential header has two values; send one",
        Reason::NoCredential => "no credential was sent, and the rule needs one",
        Reason::UnknownScheme => "the Authorization scheme is not one that is known here",
        Reason::CredentialForm => "the Authorization header has no credential that can be read",
        Reason::BasicForm => "the Basic credentials are no base64 of user:password",
        Reason::Checksum => "the checksum of the key is wrong: a typing error or a guess; nothing was looked up",
        Reason::UnknownShape => "the text is like no credential of this server",
        Reason::UnknownSecret => "well-formed, and not known in this realm",
        Reason::OtherRealm => "it is another realm's of this server",
        Reason::TokenForm => {
            "a JWT that cannot be read: not three parts of base64url, not JSON, critical or doubled members"
        }
        Reason::TokenType => "a JWT of another kind than an access token for this API",
        Reason::TokenAlgorithm => "the algorithm is not that of the key that it names",
        Reason::OtherIssuer => "the JWT is by another issuer",
        Reason::UnknownSigningKey => "the JWT names no key by which this realm signs or signed lately",
        Reason::TokenSignature => "the signature is not that of the key that the JWT names",
        Reason::TokenClaims => "a claim of the JWT is missing, of the wrong type, or not what its grant says",
        Reason::NotYet => "its time is to come: a clock is wrong",
        Reason::RightsShrunk => "it has a scope that its grant does not give any more; a new token has what is left",
        Reason::SecretInWrongPlace => "a secret of this kind never belongs in this place",
        Reason::Expired => "it has expired",
        Reason::RolledOver => "the key was rolled and the overlap of this old secret is over",
        Reason::Revoked => "it was revoked",
        Reason::KeyDisabled => "the key is disabled",
        Reason::IssuedBeforeCutoff => "everything issued to its owner before a moment was revoked",
        Reason::ParentEnded => "what it grew from, or its API, is gone",
        Reason::OwnerDisabled => "its owner is disabled",
        Reason::OwnerGone => "its owner is gone",
        Reason::ClientDisabled => "the application that holds it is disabled",
        Reason::ClientGone => "the application that held it is gone",
        Reason::RealmDisabled => "the realm is disabled",
        Reason::OtherAudience => "the credential was made for another API",
        Reason::ScopeMissing => "the credential lacks a scope",
        Reason::RoleMissing => "the caller holds none of these roles",
        Reason::SubjectKind => "the caller is of another kind",
        Reason::CredentialKind => "the credential is of another kind",
        Reason::Assurance => "the sign-in is too weak or too old",
        Reason::IpNotAllowed => "the address is not on the key's list",
        Reason::IpUnknown => "the key has a list of addresses and the client's is not known",
        Reason::PlainHttp => "the key came over plain HTTP and must count as known to others",
        Reason::OtherSubject => "the path names somebody else",
        Reason::NothingMatched => "no rule matches",
        Reason::DenyRule => "the rule denies",
        Reason::PeerNotTrusted => "the peer is not in trusted_proxies",
        Reason::KeyLimit => "the limit of the key is used up",
        Reason::DefaultLimit => "the default limit is used up",
        Reason::RuleLimit => "the limit of the rule is used up",
        Reason::WrongPassword => "name and password do not go together",
        Reason::LinkNeeded => "too many wrong passwords in a row: only a mailed link or an operator helps",
        Reason::GuessRate => "too many wrong passwords came from this network",
        Reason::UnknownBudget => "too many unknown credentials came from this network or realm",
        Reason::QueueFull => "a queue is full",
        Reason::StoreUnavailable => "the store did not answer",
        Reason::OriginNotListed => "the origin is on no cors list",
        Reason::NotSameOrigin => {
            "a cookie acts on this only where the browser says that the page is of the same origin"
        }
        Reason::Idle => "it was not used for too long",
        Reason::FactorsPending => "the sign-in is not complete",
        Reason::OtherHost => "it is good at another host only",
        Reason::NotAskedFor => "it is for an API that the asking grant does not name",
    }
}
