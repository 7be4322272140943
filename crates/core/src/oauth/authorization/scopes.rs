//! Which API an application asks about and for what, judged by its own row (RFC 6749 §3.3, RFC 8707): for whatever grant a
//! person is asked for.
//!
//! Says nothing of persons but [`Asked::of_person`]: what somebody may not do himself is left out silently.

use crate::api::Api;
use crate::client::Client;
use crate::name::{ApiUri, ScopeName};
use crate::oauth::client_credentials::Refusal;
use crate::oauth::identity::IdentityScope;
use crate::oauth::scope::{self, BadScope};
use crate::principal::Standing;
use crate::scope::{CHECK, SCOPES_MAX};

/// What an application asks for, and may.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked<'a> {
    /// The API; none where only identity is asked for.
    pub api: Option<&'a Api>,
    /// Scopes of the API and of identity; sorted.
    pub scopes: Vec<ScopeName>,
}

impl Asked<'_> {
    /// The URI of the API.
    pub fn api_uri(&self) -> Option<&ApiUri> {
        self.api.map(|api| &api.spec.uri)
    }

    /// What of it a person can give who may do this much on the API.
    pub fn of_person(&self, standing: Option<&Standing>) -> Vec<ScopeName> {
        let may_give = |scope: &&ScopeName| {
            IdentityScope::of(scope).is_some() || standing.is_some_and(|standing| standing.has_scope(scope))
        };
        self.scopes.iter().filter(may_give).cloned().collect()
    }
}

/// What a client asks for. Without `scope` it is all that it may do on the API.
pub fn judge<'a>(
    client: &Client,
    apis: &'a [Api],
    resources: &[&str],
    scope: Option<&str>,
) -> Result<Asked<'a>, Refusal> {
    let asked = scope.map(scope::parse).transpose().map_err(|bad| match bad {
        BadScope::Malformed => Refusal::ScopeMalformed,
        BadScope::TooMany => Refusal::ScopeTooLong,
    })?;
    let own = Own { client, apis };
    let named = own.named(resources)?;
    let Some(scopes) = asked else {
        let api = named.map_or_else(|| own.only(), Ok)?;
        let scopes: Vec<_> = own.on(api).take(SCOPES_MAX).cloned().collect();
        return if scopes.is_empty() { Err(Refusal::ScopeNeeded) } else { Ok(Asked { api: Some(api), scopes }) };
    };
    let of_api: Vec<_> = scopes.iter().filter(|scope| IdentityScope::of(scope).is_none()).collect();
    let api = match named {
        Some(api) => Some(api),
        None if of_api.is_empty() => None,
        None => Some(own.choose(&of_api)?),
    };
    if let Some(api) = api
        && let Some(scope) = of_api.iter().find(|scope| !own.has(api, scope))
    {
        return Err(Refusal::ScopeNotHeld((**scope).clone(), api.spec.uri.clone()));
    }
    Ok(Asked { api, scopes })
}

/// What the row of a client says that it may ask for.
struct Own<'c, 'a> {
    client: &'c Client,
    apis: &'a [Api],
}

impl<'a> Own<'_, 'a> {
    /// What it may ask for on an API, and the API still has.
    fn on<'o>(&'o self, api: &'a Api) -> impl Iterator<Item = &'o ScopeName> {
        let scopes = self.client.spec.rights.get(&api.spec.uri).into_iter().flatten();
        scopes.filter(|scope| scope.as_str() == CHECK || api.spec.scopes.contains_key(*scope))
    }

    fn has(&self, api: &'a Api, scope: &ScopeName) -> bool {
        self.on(api).any(|own| own == scope)
    }

    fn all(&self) -> impl Iterator<Item = &'a Api> {
        self.apis.iter().filter(|api| self.client.spec.rights.contains_key(&api.spec.uri))
    }

    /// The API that a request names.
    fn named(&self, resources: &[&str]) -> Result<Option<&'a Api>, Refusal> {
        let Some(first) = resources.first() else { return Ok(None) };
        if resources.iter().any(|other| other != first) {
            return Err(Refusal::ResourceMany);
        }
        let uri = ApiUri::parse(first).map_err(|_| Refusal::ResourceMalformed)?;
        let api = self.apis.iter().find(|api| api.spec.uri == uri).ok_or(Refusal::ResourceUnknown(uri))?;
        match self.client.spec.rights.contains_key(&api.spec.uri) {
            true => Ok(Some(api)),
            false => Err(Refusal::ResourceNotHeld(api.spec.uri.clone())),
        }
    }

    /// The only API there is for it.
    fn only(&self) -> Result<&'a Api, Refusal> {
        let all: Vec<_> = self.all().collect();
        match all.as_slice() {
            [] => Err(Refusal::ScopeNeeded),
            [only] => Ok(only),
            several => Err(needed(several)),
        }
    }

    /// The only API that has all of these.
    fn choose(&self, scopes: &[&ScopeName]) -> Result<&'a Api, Refusal> {
        if let Some(unknown) = scopes.iter().find(|scope| !self.all().any(|api| self.has(api, scope))) {
            return Err(Refusal::ScopeUnknown((**unknown).clone()));
        }
        let fitting: Vec<_> = self.all().filter(|api| scopes.iter().all(|scope| self.has(api, scope))).collect();
        match fitting.as_slice() {
            [] => Err(Refusal::ResourceMany),
            [only] => Ok(only),
            several => Err(needed(several)),
        }
    }
}

fn needed(apis: &[&Api]) -> Refusal {
    Refusal::ResourceNeeded(apis.iter().map(|api| api.spec.uri.clone()).collect())
}
