//! From what an operator wrote to a rule: every word is read once, and all problems are told together, each with its key
//! and its remedy.
//!
//! Words of the vocabulary whose mechanism is not built in are refused by name, never passed over. Knows no APIs: whether
//! scopes exist and which API a rule is for is settled by [`super::index`].

use crate::limit::{Limit, Per, Rate};
use crate::name::{ApiUri, BadName, Label};
use crate::principal::{CredentialKind, SubjectKind};
use crate::time::Span;

use super::host::HostPattern;
use super::method::{self, Methods};
use super::pattern::PathPattern;
use super::raw::{RawAccept, RawLimit, RawMatch, RawRequire, RawRule, RawToken};
use super::rule::{
    AUDIENCE_MAX, Audience, DEFAULT_PRIORITY, Demand, MAX_PRIORITY, MAX_STALE_FOR, MAX_WORDS, Problem, Require, Rule,
    RuleLimit,
};

impl RawRule {
    /// The rule, or everything that is wrong with it.
    pub fn resolve(&self) -> Result<Rule, Vec<Problem>> {
        let (rule, problems) = self.read();
        if problems.is_empty() { Ok(rule) } else { Err(problems) }
    }

    /// The rule, or where something is wrong one that denies all it may have meant. For rules that are stored already:
    /// one that cannot be read any more must not let its requests fall to a later one.
    pub fn resolve_or_deny(&self) -> (Rule, Vec<Problem>) {
        let (mut rule, problems) = self.read();
        if !problems.is_empty() {
            rule.deny();
        }
        (rule, problems)
    }

    /// What cannot be read is left as wide as it can be.
    fn read(&self) -> (Rule, Vec<Problem>) {
        let mut reader = Reader { problems: Vec::new() };
        let (host, methods, path) = reader.read_match(self.matching.as_ref().unwrap_or(&RawMatch::default()));
        reader.refuse_unbuilt(self);
        let demand = reader.read_demand(self, &host, &path);
        let rule = Rule {
            name: reader.read_name(self.name.as_deref(), &format!("{methods} {host}{path}")),
            audience: reader.read_audience(self, &demand),
            cors: reader.read_cors(self),
            accept_query: self.accept.as_ref().and_then(|accept| reader.read_accept(accept)),
            authorization_upstream: reader.read_word("authorization", self.authorization.as_deref(), "upstream"),
            keep_encoded_slash: reader.read_word("encoded_slash", self.encoded_slash.as_deref(), "keep"),
            login: reader.read_login(self, &demand, &host),
            observe: reader.read_word("mode", self.mode.as_deref(), "observe"),
            token_audience: self.token.as_ref().and_then(|token| reader.read_token(token, &demand)),
            limit: self.limit.as_ref().and_then(|limit| reader.read_limit(limit, &demand)),
            stale_for: self.stale_for.as_deref().map_or(Span::ZERO, |text| reader.read_stale_for(text, &demand)),
            priority: reader.read_priority(self.priority),
            host,
            methods,
            path,
            demand,
        };
        if rule.authorization_upstream && rule.takes_basic() {
            let message =
                "leaves the header to the application, and require.credentials takes basic, which stands there";
            reader.problem("authorization", message);
        }
        (rule, reader.problems)
    }
}

impl Rule {
    /// Makes a rule that cannot be trusted refuse all it matches.
    pub(super) fn deny(&mut self) {
        (self.demand, self.audience, self.observe, self.limit) = (Demand::Deny, Audience::None, false, None);
        self.login = false;
        self.token_audience = None;
        self.stale_for = Span::ZERO;
    }
}

struct Reader {
    problems: Vec<Problem>,
}

impl Reader {
    fn problem(&mut self, path: &str, message: impl Into<String>) {
        self.problems.push(Problem::new(path, message));
    }

    /// The value, or a problem and none.
    fn note<T, E: std::fmt::Display>(&mut self, path: &str, read: Result<T, E>) -> Option<T> {
        read.map_err(|error| self.problem(path, error.to_string())).ok()
    }

    fn read_match(&mut self, raw: &RawMatch) -> (HostPattern, Methods, PathPattern) {
        let host = raw.host.as_deref().and_then(|text| self.note("match.host", HostPattern::parse(text)));
        let path = raw.path.as_deref().and_then(|text| self.note("match.path", PathPattern::parse(text)));
        let methods = raw.methods.as_deref().map_or(Methods::Registered, |list| self.read_methods(list));
        (host.unwrap_or(HostPattern::Any), methods, path.unwrap_or_else(PathPattern::any))
    }

    fn read_methods(&mut self, list: &[String]) -> Methods {
        let before = self.problems.len();
        let mut methods = Vec::new();
        for method in self.read_list("match.methods", list, "leave it out for all methods", method::parse) {
            if !methods.contains(&method) {
                methods.push(method);
            }
        }
        if self.problems.len() == before { Methods::Listed(methods) } else { Methods::Every }
    }

    fn read_name(&mut self, given: Option<&str>, default: &str) -> Label {
        let read = match given {
            Some(name) => Label::parse(name).map_err(|bad| bad.to_string()),
            None => Label::parse(default)
                .map_err(|_| "is needed: what the rule matches is too long or too odd to be its name".to_owned()),
        };
        self.note("name", read).unwrap_or_else(Label::unnamed)
    }

    fn refuse_unbuilt(&mut self, raw: &RawRule) {
        let require = raw.require.as_ref();
        let refused = [
            ("require.acr", require.is_some_and(|require| require.acr.is_some()), "step-up"),
            ("require.max_age", require.is_some_and(|require| require.max_age.is_some()), "step-up"),
        ];
        for (path, said, mechanism) in refused {
            if said {
                self.problem(
                    path,
                    format!("needs {mechanism}, which this version of Admit does not have: leave it out"),
                );
            }
        }
    }

    fn read_demand(&mut self, raw: &RawRule, host: &HostPattern, path: &PathPattern) -> Demand {
        let (public, deny) = (raw.public == Some(true), raw.deny == Some(true));
        if public && deny {
            self.problem("deny", "contradicts public: keep one of them");
        }
        if raw.require.is_some() && (public || deny) {
            let word = if public { "public" } else { "deny" };
            self.problem("require", format!("means nothing beside {word} = true: keep one of them"));
        }
        if deny {
            if raw.limit.is_some() {
                self.problem("limit", "means nothing beside deny = true, which admits nobody: leave it out");
            }
            return Demand::Deny;
        }
        if public {
            if host.literal().is_none() && !self.problems.iter().any(|known| known.path == "match.host") {
                self.problem("match.host", "must be one host, such as shop.test, in a rule with public = true");
            }
            return Demand::Public;
        }
        let Some(require) = &raw.require else {
            self.problem(
                "require",
                "is needed: say require = { scopes = […] }, require = { authenticated = true }, \
                 public = true or deny = true",
            );
            return Demand::Deny;
        };
        Demand::Require(self.read_require(require, path))
    }

    fn read_require(&mut self, raw: &RawRequire, path: &PathPattern) -> Require {
        if *raw == RawRequire::default() {
            self.problem("require", "is empty: say authenticated = true to let in every known caller");
        }
        if raw.authenticated == Some(false) {
            self.problem("require.authenticated", "cannot be false: say public = true beside match instead of require");
        }
        let named = |bad: BadName, text: &str| format!("has {text:?}, which must {}", bad.must);
        let mut require = Require {
            scopes: self.read_words("require.scopes", raw.scopes.as_deref(), |text| {
                text.parse().map_err(|bad| named(bad, text))
            }),
            roles: self
                .read_words("require.roles", raw.roles.as_deref(), |text| text.parse().map_err(|bad| named(bad, text))),
            subjects: self.read_words("require.subjects", raw.subjects.as_deref(), read_subject),
            credentials: self.read_credentials(raw.credentials.as_deref()),
            is_api_demanded: raw.api.is_some(),
            own: None,
        };
        require.scopes.sort_unstable();
        require.scopes.dedup();
        require.roles.sort_unstable();
        require.roles.dedup();
        if let Some(name) = raw.own.as_deref() {
            require.own = Some(name.into());
            if !path.captures().any(|known| known == name) {
                let remedy = "name a segment of it, such as path = \"/users/{id}/**\" and self = \"id\"";
                self.problem("require.self", format!("is {name:?}, which match.path does not have: {remedy}"));
            }
        }
        require
    }

    fn read_credentials(&mut self, list: Option<&[String]>) -> Vec<CredentialKind> {
        let before = self.problems.len();
        let kinds: Vec<_> =
            self.read_words("require.credentials", list, read_credential).into_iter().flatten().collect();
        if list.is_some() && kinds.is_empty() && self.problems.len() == before {
            self.problem(
                "require.credentials",
                "names only kinds that this version of Admit does not have, so nobody could be admitted: add api_key",
            );
        }
        kinds
    }

    /// A browser that is sent away must know where to come back to, and what it brings must be taken.
    fn read_login(&mut self, raw: &RawRule, demand: &Demand, host: &HostPattern) -> bool {
        if raw.login != Some(true) {
            return false;
        }
        let Demand::Require(require) = demand else {
            self.problem("login", "means nothing beside public or deny: leave it out");
            return false;
        };
        if host.literal().is_none() && !self.problems.iter().any(|known| known.path == "match.host") {
            self.problem("match.host", "must be one host, such as shop.test, in a rule with login = true");
        }
        let is_listed = require.credentials.is_empty() || require.credentials.contains(&CredentialKind::Session);
        if !is_listed {
            self.problem("login", "leads to a session, which require.credentials does not take: add session there");
        }
        if !(require.subjects.is_empty() || require.subjects.contains(&SubjectKind::User)) {
            self.problem("login", "is for people, whom require.subjects does not take: add user there");
        }
        true
    }

    fn read_audience(&mut self, raw: &RawRule, demand: &Demand) -> Audience {
        let any = self.read_word("audience", raw.audience.as_deref(), "any");
        let api = raw.require.as_ref().and_then(|require| require.api.as_deref());
        if any && api.is_some() {
            self.problem("audience", "contradicts require.api: keep one of them");
        }
        if any && !matches!(demand, Demand::Require(_)) {
            self.problem("audience", "means nothing beside public or deny: leave it out");
        }
        let api = api.and_then(|text| self.note("require.api", ApiUri::parse(text)));
        match (demand, api) {
            (Demand::Public | Demand::Deny, _) => Audience::None,
            (Demand::Require(_), Some(api)) => Audience::Api(api),
            (Demand::Require(_), None) if any => Audience::Any,
            (Demand::Require(_), None) => Audience::None,
        }
    }

    fn read_cors(&mut self, raw: &RawRule) -> Option<super::cors::Cors> {
        match raw.cors.as_ref()?.resolve() {
            Ok(cors) => Some(cors),
            Err(problems) => {
                problems.into_iter().for_each(|message| self.problem("cors.origins", message));
                None
            }
        }
    }

    fn read_accept(&mut self, raw: &RawAccept) -> Option<Box<str>> {
        let Some(name) = raw.query.as_deref() else {
            self.problem("accept", "is empty: say query = \"api_key\", or leave it out");
            return None;
        };
        let letters_well = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
        if !(1..=64).contains(&name.len()) || !letters_well {
            self.problem("accept.query", "must be 1 to 64 of A-Z, a-z, 0-9, _ and -, such as api_key");
            return None;
        }
        Some(name.into())
    }

    /// Whom the application's token is for: any word that it takes for its own name, but never an API ([`super::index`]).
    fn read_token(&mut self, raw: &RawToken, demand: &Demand) -> Option<Box<str>> {
        if !matches!(demand, Demand::Require(_)) {
            self.problem(
                "token",
                "says who the caller is, whom a rule with public or deny does not know: leave it out",
            );
        }
        let audience = raw.audience.as_deref().unwrap_or_default();
        let letters_well = audience.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte));
        if !(1..=AUDIENCE_MAX).contains(&audience.len()) || !letters_well {
            let must = format!("must be 1 to {AUDIENCE_MAX} visible letters, such as https://shop.internal");
            self.problem("token.audience", must);
            return None;
        }
        Some(audience.into())
    }

    fn read_limit(&mut self, raw: &RawLimit, demand: &Demand) -> Option<RuleLimit> {
        let default = if matches!(demand, Demand::Public) { Per::Ip } else { Per::Grant };
        let per = match raw.per.as_deref() {
            None => Some(default),
            Some(text) => {
                self.note("limit.per", Per::parse(text).ok_or("must be grant, subject, client, org, ip or rule"))
            }
        };
        if matches!(demand, Demand::Public) && per.is_some_and(Per::needs_caller) {
            self.problem("limit.per", "counts callers, whom a public rule does not know: say ip or rule");
        }
        let rate = match raw.rate.as_deref() {
            None => self.note("limit.rate", Err("is needed, such as 100/1m")),
            Some(text) => self.note("limit.rate", text.parse::<Rate>()),
        };
        let burst = raw.burst.map(|burst| u32::try_from(burst).unwrap_or(0));
        let limit = self.note("limit.burst", Limit::new(rate?, burst))?;
        Some(RuleLimit { per: per?, limit })
    }

    fn read_stale_for(&mut self, text: &str, demand: &Demand) -> Span {
        if *demand == Demand::Deny {
            self.problem("stale_for", "means nothing beside deny = true, which admits nobody: leave it out");
        }
        let read = text.parse::<Span>().ok().filter(|span| (Span::seconds(1)..=MAX_STALE_FOR).contains(span));
        let read = read.ok_or("must be between 1s and 5m, such as 30s; leave it out to refuse when the store is away");
        self.note("stale_for", read).unwrap_or(Span::ZERO)
    }

    fn read_priority(&mut self, given: Option<i64>) -> u32 {
        let priority = given.map_or(Some(DEFAULT_PRIORITY), |number| u32::try_from(number).ok());
        let Some(priority) = priority.filter(|number| *number <= MAX_PRIORITY) else {
            self.problem(
                "priority",
                format!("must be 0 to {MAX_PRIORITY}; lower is tried first, {DEFAULT_PRIORITY} unless said"),
            );
            return 0;
        };
        priority
    }

    /// Whether the one word that a key knows is said.
    fn read_word(&mut self, path: &str, given: Option<&str>, word: &str) -> bool {
        if given.is_some_and(|text| text != word) {
            self.problem(path, format!("can only be {word:?}: write that or leave it out"));
        }
        given.is_some()
    }

    fn read_words<T>(
        &mut self,
        path: &str,
        list: Option<&[String]>,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        list.map(|list| self.read_list(path, list, "leave it out if any will do", read)).unwrap_or_default()
    }

    fn read_list<T>(
        &mut self,
        path: &str,
        list: &[String],
        empty: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        if list.is_empty() {
            self.problem(path, format!("is an empty list: {empty}"));
        }
        if list.len() > MAX_WORDS {
            self.problem(path, format!("has {} words: at most {MAX_WORDS} are allowed", list.len()));
            return Vec::new();
        }
        list.iter().filter_map(|text| self.note(path, read(text))).collect()
    }
}

fn read_subject(text: &str) -> Result<SubjectKind, String> {
    match text {
        "user" => Ok(SubjectKind::User),
        "client" => Ok(SubjectKind::Client),
        _ => Err(format!("has {text:?}: the kinds are user and client")),
    }
}

/// None for the kinds that are known words but not built.
fn read_credential(text: &str) -> Result<Option<CredentialKind>, String> {
    match (CredentialKind::of_rule(text), text) {
        (Some(kind), _) => Ok(Some(kind)),
        (None, "certificate") => Ok(None),
        _ => Err(format!("has {text:?}: the kinds are api_key, session, access_token, basic and certificate")),
    }
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
