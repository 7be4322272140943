//! The one pipeline: rule, credential, limits, policy, decision. The same for every door.
//!
//! The rule is matched first and speaks late; the order in which refusals win is the contract's (§3.1): request
//! well-formed, credential, limit of the key or default, no rule, deny or public, limit of the rule, then what the rule
//! demands. What follows from the decision is [`conclude`]'s.

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use admit_core::check::address;
use admit_core::check::code::Reason;
use admit_core::check::decision::{Decision, LimitState, Verdict};
use admit_core::check::request::Request;
use admit_core::credential::{self, NamePassword, Place, Presented};
use admit_core::id::KeyId;
use admit_core::limit::{Limit, Per};
use admit_core::login::browser;
use admit_core::policy::index::{Matched, Target};
use admit_core::policy::judge::{self, Caller, Openness};
use admit_core::policy::rule::Rule;
use admit_core::principal::Principal;
use admit_core::time::{Span, Time};
use admit_core::token;

use super::ambient::{self, Ambient};
use super::policies::RealmPolicy;
use super::upstream::{self, Unminted};
use super::{Door, Question, conclude};
use crate::app::App;
use crate::authn::basic::{self, Asked, Outcome};
use crate::authn::resolve::{self, Ask, Resolved};

/// The policy name of a key's own limit.
static KEY_POLICY: LazyLock<Arc<str>> = LazyLock::new(|| "key".into());
/// The policy name of `[limits.default]`.
static DEFAULT_POLICY: LazyLock<Arc<str>> = LazyLock::new(|| "default".into());

/// A decision with what the answer and the record need beside it.
pub struct Judged<'p> {
    /// The decision.
    pub decision: Decision,
    /// The matched rule.
    pub rule: Option<Matched<'p>>,
    /// Where the credential stood and what may be shown of it; for refusals only.
    pub credential: Option<(Place, String)>,
    /// What must be asked first. The decision is none then: judge again with the answer.
    pub question: Option<Box<Question>>,
}

/// Judges one request of a realm and emits what follows from it, unless something must be asked first.
pub fn run<'p>(
    app: &App,
    realm: &'p Arc<RealmPolicy>,
    request: &Request<'_>,
    door: Door,
    asked: Option<&Asked>,
    now: Time,
) -> Judged<'p> {
    let begin = Instant::now();
    let mut judged = judge(app, realm, request, asked, Asking::Gateway, now);
    if judged.question.is_none() {
        mint(app, realm, &mut judged, now);
    }
    if judged.question.is_some() {
        return judged;
    }
    conclude::judged(app, realm, request, door, &judged, now);
    let took = begin.elapsed();
    app.metrics.took(door, took);
    #[cfg(feature = "otel")]
    app.spans.add(request.headers, realm.realm.name.as_str(), door, &judged, now, took);
    judged
}

/// Tells the application who calls, where the rule says so. What cannot be told is not admitted.
fn mint(app: &App, realm: &Arc<RealmPolicy>, judged: &mut Judged<'_>, now: Time) {
    let audience = judged.rule.as_ref().and_then(|found| found.rule.token_audience.as_deref());
    let Some(audience) = audience.filter(|_| judged.decision.is_admitted()) else { return };
    match upstream::token(app, realm, &judged.decision, audience, now) {
        Ok(token) => judged.decision.token = token,
        Err(Unminted::NoKey) => judged.question = Some(Box::new(Question::UpstreamKey(realm.clone()))),
        Err(Unminted::Refused(reason)) => judged.decision.verdict = Verdict::Refused(reason),
    }
}

/// On whose behalf a request is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asking {
    /// A gateway has it before itself.
    Gateway,
    /// A service describes it. What a client proves itself by is not looked at: it is for gateways and endpoints only, and
    /// the right one is told like a wrong one.
    Service,
    /// The same of a request that nobody sent: limits are looked at, and nothing is taken from them.
    Rehearsal,
}

/// Judges without counting usage or keeping a record.
pub fn judge<'p>(
    app: &App,
    realm: &'p Arc<RealmPolicy>,
    request: &Request<'_>,
    asked: Option<&Asked>,
    asking: Asking,
    now: Time,
) -> Judged<'p> {
    let target = target_of(request);
    let preflight = request.preflight();
    let asked_rule = preflight.as_ref().and_then(|asked| realm.policy.find_for(&target, &asked.method));
    let matched = match asked_rule.filter(|found| realm.policy.cors(Some(found.rule), &target).is_some()) {
        Some(found) => Some(found),
        None => realm.policy.find(&target),
    };
    let mut case = Case {
        app,
        realm,
        request,
        asking,
        now,
        rule: matched.as_ref().map(|found| found.rule),
        decision: Decision::of(asked.map_or_else(|| app.request_id(now), |asked| asked.request_id), Verdict::Admitted),
        presented: Ok(None),
        asked,
        question: None,
    };
    let verdict = case.recent_enough().and_then(|()| case.verdict());
    case.decision.verdict = match verdict {
        Ok(verdict) => verdict,
        Err(reason) if case.may_observe(reason) => {
            case.decision.observed = Some(reason);
            Verdict::Admitted
        }
        Err(reason) => Verdict::Refused(reason),
    };
    case.add_cors();
    let is_noted = case.decision.reason().is_some() || case.decision.observed.is_some();
    let credential = match &case.presented {
        Ok(Some(presented)) if is_noted => Some((presented.place, token::hint(&presented.text))),
        _ => None,
    };
    Judged { rule: matched, credential, decision: case.decision, question: case.question }
}

/// What a key's own limit counts, at every door.
pub fn of_key(principal: &Principal) -> (&'static str, Option<KeyId>) {
    ("key", principal.key)
}

/// What the rules look at.
pub fn target_of<'r>(request: &'r Request<'_>) -> Target<'r> {
    Target {
        host: request.host.as_str(),
        method: &request.method,
        path: request.path.as_str(),
        has_encoded_slash: request.path.has_encoded_slash(),
    }
}

struct Case<'c> {
    app: &'c App,
    realm: &'c Arc<RealmPolicy>,
    request: &'c Request<'c>,
    asking: Asking,
    now: Time,
    rule: Option<&'c Rule>,
    decision: Decision,
    presented: Result<Option<Presented<'c>>, Reason>,
    asked: Option<&'c Asked>,
    question: Option<Box<Question>>,
}

impl<'c> Case<'c> {
    /// Rules that could not be read again in time judge nothing, but for one that says for how long it may.
    fn recent_enough(&mut self) -> Result<(), Reason> {
        let Some(overdue) = self.realm.overdue(self.app) else { return Ok(()) };
        let age = self.rule.and_then(|rule| overdue.within(rule.stale_for)).ok_or(Reason::StoreUnavailable)?;
        self.decision.stale = Some(age);
        Ok(())
    }

    fn verdict(&mut self) -> Result<Verdict, Reason> {
        judge::judge_spelling(self.rule, &target_of(self.request))?;
        if self.realm.realm.disabled_at.is_some() {
            return Err(Reason::RealmDisabled);
        }
        if let Some(verdict) = self.preflight() {
            return verdict;
        }
        let accept = self.rule.map(Rule::accept).unwrap_or_default();
        self.presented = credential::present(self.request.headers, self.request.query, &accept);
        self.authenticate()?;
        self.limit_caller()?;
        let Some(rule) = self.rule else { return Err(Reason::NothingMatched) };
        let openness = judge::judge_openness(rule);
        if openness == Openness::Denied {
            return Err(Reason::DenyRule);
        }
        let principal = self.decision.principal.clone();
        if openness == Openness::Guarded && principal.is_none() {
            return Err(Reason::NoCredential);
        }
        self.limit_rule(rule)?;
        if openness == Openness::Public {
            return Ok(Verdict::Admitted);
        }
        let standing = self.decision.standing();
        let caller = principal.as_deref().zip(standing).map(|(principal, standing)| Caller { principal, standing });
        judge::judge_caller(rule, self.request.path.as_str(), caller).map_err(|refused| {
            self.decision.missing_scopes = refused.missing_scopes;
            self.decision.missing_roles = refused.missing_roles;
            refused.reason
        })?;
        Ok(Verdict::Admitted)
    }

    /// A preflight carries no credential: it is answered from the rule of the method that it asks for.
    fn preflight(&mut self) -> Option<Result<Verdict, Reason>> {
        let asked = self.request.preflight()?;
        let rule = self.rule?;
        let cors = self.realm.policy.cors(Some(rule), &target_of(self.request))?;
        let headers = self.request.headers.get(http::header::ACCESS_CONTROL_REQUEST_HEADERS);
        let headers = headers.and_then(|value| value.to_str().ok());
        Some(match cors.preflight(asked.origin, &asked.method, headers, &rule.methods) {
            Some(fields) => {
                self.decision.cors = fields;
                Ok(Verdict::Preflight)
            }
            None => Err(Reason::OriginNotListed),
        })
    }

    fn authenticate(&mut self) -> Result<(), Reason> {
        let Some(presented) = self.presented.as_ref().map_err(|reason| *reason)? else { return self.look_for_cookie() };
        let stale_for = self.rule.map_or(Span::ZERO, |rule| rule.stale_for);
        let person = presented.person.clone().filter(|_| !self.realm.has_imported_shape(&presented.text));
        let resolved = match &person {
            Some(shown) if shown.client().is_some() && self.asking != Asking::Gateway => {
                return Err(Reason::SecretInWrongPlace);
            }
            Some(shown) if shown.client().is_some() => self.ask_for_client(shown, stale_for)?,
            Some(typed) => self.ask_for(typed, stale_for)?,
            None => {
                let ask = Ask { stale_for, ..Ask::at(self.request.client_ip, self.now) };
                resolve::resolve(self.app, self.realm, presented, &ask)?
            }
        };
        let principal = resolved.principal;
        self.decision.stale = self.decision.stale.max(resolved.stale);
        let usable = principal.usable(self.request.client_ip, self.now);
        self.decision.principal = Some(principal);
        usable?;
        if self.request.is_plain_http() {
            return Err(Reason::PlainHttp);
        }
        if person.is_some() {
            self.take_in_person()?;
        }
        self.decision.is_identified = true;
        Ok(())
    }

    /// Who has this name and password: remembered, or as was asked for this request, or not known yet.
    fn ask_for(&mut self, typed: &NamePassword, stale_for: Span) -> Result<Resolved, Reason> {
        let Some(asked) = self.asked else {
            if let Some(principal) = basic::known(self.app, self.realm, typed, self.now) {
                return Ok(principal.into());
            }
            let (ip, id) = (self.request.client_ip, self.decision.request_id);
            let question = basic::Question::new(self.app, self.realm, typed, ip, id);
            self.question = Some(Box::new(Question::Password(question)));
            // Nobody is told: it is judged again.
            return Err(Reason::QueueFull);
        };
        match &asked.outcome {
            Outcome::Proved(principal) => Ok(principal.clone().into()),
            Outcome::Refused { reason: reason @ Reason::StoreUnavailable, .. } => {
                basic::known_before(self.app, self.realm, typed, stale_for, self.now).ok_or(*reason)
            }
            Outcome::Refused { reason, guess_after_s } => {
                self.decision.guess_after_s = *guess_after_s;
                Err(*reason)
            }
        }
    }

    /// A client that shows its id and secret.
    fn ask_for_client(&mut self, shown: &NamePassword, stale_for: Span) -> Result<Resolved, Reason> {
        let found = basic::client(self.app, self.realm, shown, self.request.client_ip, stale_for, self.now);
        found.map_err(|(reason, guess_after_s)| {
            self.decision.guess_after_s = guess_after_s;
            reason
        })
    }

    /// A browser sends a password again unasked, whoever made it send the request: then it must say who did. What may be
    /// done depends on the place, as for who signed in.
    fn take_in_person(&mut self) -> Result<(), Reason> {
        if self.request.from_browser() {
            browser::judge(self.request, self.realm.policy.cors(self.rule, &target_of(self.request)))?;
        }
        let principal = self.decision.principal.as_deref();
        let Some((principal, sign_in)) = principal.and_then(|it| Some((it, it.everywhere()?))) else {
            return Ok(());
        };
        let standing = ambient::standing(self.app, self.realm, self.request, self.rule, principal, sign_in);
        self.decision.standing = Some(standing);
        Ok(())
    }

    /// Nothing explicit was sent. A cookie that is refused counts as none, and why is kept for who asks.
    fn look_for_cookie(&mut self) -> Result<(), Reason> {
        let ambient = ambient::authenticate(self.app, self.realm, self.request, self.rule, self.now);
        match ambient {
            Ambient::None => return Ok(()),
            Ambient::Passed(reason) => self.decision.ambient = Some(reason),
            Ambient::Refused { presented, reason, principal } => {
                (self.presented, self.decision.principal) = (Ok(Some(presented)), principal);
                return Err(reason);
            }
            Ambient::Accepted { presented, resolved, standing } => {
                self.presented = Ok(Some(presented));
                self.decision.stale = self.decision.stale.max(resolved.stale);
                self.decision.principal = Some(resolved.principal);
                self.decision.standing = Some(standing);
                self.decision.is_identified = true;
            }
        }
        Ok(())
    }

    /// The limit of the key, or the default where neither key nor rule sets one.
    fn limit_caller(&mut self) -> Result<(), Reason> {
        let principal = self.decision.principal.clone();
        let own = principal.as_ref().and_then(|principal| principal.profile.as_ref()?.rate);
        if let (Some(rate), Some(principal)) = (own, &principal) {
            return self.take(KEY_POLICY.clone(), &of_key(principal), &Limit::from(rate), Reason::KeyLimit);
        }
        if self.rule.is_some_and(|rule| rule.limit.is_some()) {
            return Ok(());
        }
        let Some((per, limit)) = self.app.config.load().default_limit else { return Ok(()) };
        let counted = ("default", self.counted(per, principal.as_deref()));
        self.take(DEFAULT_POLICY.clone(), &counted, &limit, Reason::DefaultLimit)
    }

    fn limit_rule(&mut self, rule: &Rule) -> Result<(), Reason> {
        let Some(limit) = &rule.limit else { return Ok(()) };
        let principal = self.decision.principal.clone();
        let counted = ("rule", rule.name.as_str(), self.counted(limit.per, principal.as_deref()));
        self.take(rule.name.shared(), &counted, &limit.limit, Reason::RuleLimit)
    }

    /// What is counted together. Who has no grant, subject or client is counted by his address; an organisation that is
    /// not there by its subject.
    fn counted(&self, per: Per, principal: Option<&Principal>) -> [u8; 17] {
        let tagged = |tag: u8, bytes: &[u8; 16]| {
            let mut counted = [tag; 17];
            counted[1..].copy_from_slice(bytes);
            counted
        };
        let by_subject = |principal: &Principal| tagged(2, principal.subject.bytes());
        let by_caller = match (per, principal) {
            (Per::Rule, _) => return [0; 17],
            (Per::Ip, _) | (_, None) => None,
            (Per::Grant, Some(principal)) => principal.grant.map(|grant| tagged(1, grant.bytes())),
            (Per::Subject, Some(principal)) => Some(by_subject(principal)),
            (Per::Client, Some(principal)) => {
                Some(principal.client.map_or_else(|| by_subject(principal), |client| tagged(2, client.bytes())))
            }
            (Per::Org, Some(principal)) => {
                let org = principal.profile.as_ref().and_then(|profile| profile.org);
                Some(org.map_or_else(|| by_subject(principal), |org| tagged(3, org.bytes())))
            }
        };
        by_caller.unwrap_or_else(|| match self.request.client_ip.map(|ip| address::network(ip).network()) {
            // One address for IPv4, a /64 for IPv6: a client has as many of those as it likes.
            Some(std::net::IpAddr::V6(network)) => tagged(4, &network.octets()),
            _ => match self.request.client_ip {
                Some(std::net::IpAddr::V4(ip)) => tagged(5, &ip.to_ipv6_mapped().octets()),
                _ => [6; 17],
            },
        })
    }

    fn take(
        &mut self,
        policy: Arc<str>,
        counted: &impl std::hash::Hash,
        limit: &Limit,
        reason: Reason,
    ) -> Result<(), Reason> {
        let (realm, now_us) = (self.realm.realm.id, self.app.clock.monotonic_us());
        let state = match self.asking {
            Asking::Rehearsal => self.app.limiter.look(realm, counted, limit, now_us),
            Asking::Gateway | Asking::Service => self.app.limiter.take(realm, counted, limit, now_us),
        };
        self.decision.limits.push(LimitState { policy, limit: *limit, state });
        if state.admitted { Ok(()) } else { Err(reason) }
    }

    /// A rule that only observes admits whatever it would refuse, but for requests that cannot be judged at all.
    fn may_observe(&self, reason: Reason) -> bool {
        let is_judged = reason.code().status() != 400 && reason != Reason::RealmDisabled && !self.is_overdue();
        is_judged && self.question.is_none() && self.rule.is_some_and(|rule| rule.observe)
    }

    /// Whether the rule itself is too old to be believed.
    fn is_overdue(&self) -> bool {
        self.decision.stale.is_none() && self.realm.overdue(self.app).is_some()
    }

    /// Refusals carry the headers that let a browser application read them.
    fn add_cors(&mut self) {
        if self.decision.verdict == Verdict::Preflight {
            return;
        }
        if self.rule.is_none() {
            return;
        }
        let Some(cors) = self.realm.policy.cors(self.rule, &target_of(self.request)) else { return };
        let origin = self.request.headers.get(http::header::ORIGIN).and_then(|origin| origin.to_str().ok());
        if let Some(fields) = origin.and_then(|origin| cors.allow(origin)) {
            self.decision.cors = fields;
        }
    }
}
