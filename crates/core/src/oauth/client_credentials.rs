//! What a client may have as itself (RFC 6749 §4.4, RFC 8707): for which API, and with which scopes.
//!
//! Nobody asks for more than he may do, and nobody gets it by not asking: without `scope` a token has all that its client
//! may do on the API, otherwise what was asked for, or none at all. Knows neither how a client showed who it is nor what a
//! token looks like.

use std::fmt;

use crate::api::Api;
use crate::check::code::Reason;
use crate::client::{Client, ClientType};
use crate::grant::{Lineage, Subject};
use crate::id::OrgId;
use crate::name::{self, ApiUri, ScopeName};
use crate::principal::Standing;
use crate::realm::Realm;
use crate::role::{self, Role};

use super::scope::{self, BadScope};
use super::{Error, ErrorCode};

/// The most APIs that a refusal names to choose from.
pub const CHOICES_MAX: usize = 10;

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked<'r> {
    /// `scope`, where it is there.
    pub scope: Option<&'r str>,
    /// Every `resource`.
    pub resources: Vec<&'r str>,
}

/// Why there is no token. For the audit and tests a word, for whoever asked a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The client is of a kind that does not act as itself.
    NotOfService,
    /// The client is switched off, or its realm.
    Disabled,
    /// `scope` is not names with one space between them.
    ScopeMalformed,
    /// `scope` has more names than a token may have.
    ScopeTooLong,
    /// A scope that only people have.
    ScopeOfPeople(ScopeName),
    /// A scope that the client may not have on this API, or that this does not define.
    ScopeNotHeld(ScopeName, ApiUri),
    /// A scope that no API defines on which the client may do anything.
    ScopeUnknown(ScopeName),
    /// None was said, and there is none that the client may have.
    ScopeNeeded,
    /// Several APIs: a token is for one.
    ResourceMany,
    /// No absolute URI without fragment (RFC 8707 §2).
    ResourceMalformed,
    /// No API of the realm.
    ResourceUnknown(ApiUri),
    /// The client may do nothing there.
    ResourceNotHeld(ApiUri),
    /// None was said, and it does not follow; these there are.
    ResourceNeeded(Vec<ApiUri>),
}

impl Refusal {
    /// The word of the audit, of metrics and of tests.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::NotOfService => "client_type",
            Self::Disabled => "disabled",
            Self::ScopeMalformed => "scope_malformed",
            Self::ScopeTooLong => "scope_too_long",
            Self::ScopeOfPeople(_) => "scope_of_people",
            Self::ScopeNotHeld(..) => "scope_not_held",
            Self::ScopeUnknown(_) => "scope_unknown",
            Self::ScopeNeeded => "scope_needed",
            Self::ResourceMany => "resource_many",
            Self::ResourceMalformed => "resource_malformed",
            Self::ResourceUnknown(_) => "resource_unknown",
            Self::ResourceNotHeld(_) => "resource_not_held",
            Self::ResourceNeeded(_) => "resource_needed",
        }
    }
}

/// One sentence in the letters of an `error_description` (RFC 6749 §5.2): no quotes, no backslashes.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOfService => f.write_str("Only clients of type service may use client_credentials"),
            Self::Disabled => f.write_str("The client or its realm is switched off"),
            Self::ScopeMalformed => f.write_str("The scope must be names of scopes with one space between them"),
            Self::ScopeTooLong => f.write_str("The scope names more scopes than a token may have"),
            Self::ScopeOfPeople(scope) => write!(f, "{scope} is for people, and there is none in client_credentials"),
            Self::ScopeNotHeld(scope, api) => write!(f, "This client may not have {scope} on {api}"),
            Self::ScopeUnknown(scope) => write!(f, "This client may not ask for {scope}"),
            Self::ScopeNeeded => f.write_str("Say with scope what is asked for, such as openid"),
            Self::ResourceMany => f.write_str("A token is for one API: send one resource"),
            Self::ResourceMalformed => f.write_str("The resource must be an absolute URI without fragment"),
            Self::ResourceUnknown(api) => write!(f, "There is no API {api}"),
            Self::ResourceNotHeld(api) => write!(f, "This client has no rights on {api}"),
            Self::ResourceNeeded(apis) if apis.is_empty() => f.write_str("This realm has no API yet"),
            Self::ResourceNeeded(apis) => {
                f.write_str("Say for which API with resource:")?;
                apis.iter().take(CHOICES_MAX).try_for_each(|api| write!(f, " {api}"))?;
                if apis.len() > CHOICES_MAX { f.write_str(" and others") } else { Ok(()) }
            }
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let code = match &refusal {
            Refusal::NotOfService => ErrorCode::UnauthorizedClient,
            Refusal::Disabled => ErrorCode::InvalidClient,
            Refusal::ScopeMalformed
            | Refusal::ScopeTooLong
            | Refusal::ScopeOfPeople(_)
            | Refusal::ScopeNotHeld(..)
            | Refusal::ScopeUnknown(_)
            | Refusal::ScopeNeeded => ErrorCode::InvalidScope,
            Refusal::ResourceMany
            | Refusal::ResourceMalformed
            | Refusal::ResourceUnknown(_)
            | Refusal::ResourceNotHeld(_)
            | Refusal::ResourceNeeded(_) => ErrorCode::InvalidTarget,
        };
        Self::new(code, format!("{refusal}."))
    }
}

/// What a client may do on one API as itself: what does not depend on a single request, to be remembered.
#[derive(Debug, Clone, PartialEq)]
pub struct Held<'a> {
    /// The API.
    pub api: &'a Api,
    /// All that may be done there.
    pub whole: Standing,
    /// The customer that owns the client.
    pub org: Option<OrgId>,
}

/// Which API it is for that the client asks, and all that it may do there.
pub fn hold<'a>(
    realm: &Realm,
    client: &Client,
    roles: &[Role],
    apis: &'a [Api],
    resources: &[&str],
) -> Result<Held<'a>, Refusal> {
    if client.spec.kind != ClientType::Service {
        return Err(Refusal::NotOfService);
    }
    let subject = Subject::Client(client.clone());
    let lineage = Lineage::of_subject(realm.clone(), subject, roles.to_vec(), client.created_at);
    if matches!(lineage.halted(), Some(Reason::RealmDisabled | Reason::OwnerDisabled)) || client.disabled_at.is_some() {
        return Err(Refusal::Disabled);
    }
    let named: Vec<ApiUri> = lineage.rights_on().collect();
    let api = choose(apis, &named, resources)?;
    if !named.contains(&api.spec.uri) {
        return Err(Refusal::ResourceNotHeld(api.spec.uri.clone()));
    }
    Ok(Held { api, whole: lineage.standing_on(api), org: client.org })
}

/// The API that is named; else the only one on which the client has rights; else the only one there is.
fn choose<'a>(apis: &'a [Api], named: &[ApiUri], resources: &[&str]) -> Result<&'a Api, Refusal> {
    let find = |uri: &ApiUri| apis.iter().find(|api| api.spec.uri == *uri);
    if let Some(first) = resources.first() {
        if resources.iter().any(|other| other != first) {
            return Err(Refusal::ResourceMany);
        }
        let uri = ApiUri::parse(first).map_err(|_| Refusal::ResourceMalformed)?;
        return find(&uri).ok_or(Refusal::ResourceUnknown(uri));
    }
    let mut own: Vec<_> = named.iter().filter_map(find).collect();
    if own.is_empty() {
        own = apis.iter().filter(|api| !name::is_built_in(&api.spec.uri)).collect();
    }
    match own.as_slice() {
        [only] => Ok(only),
        several => Err(Refusal::ResourceNeeded(several.iter().map(|api| api.spec.uri.clone()).collect())),
    }
}

/// What of all that a client may do on an API a token has: what was asked for. None where that is all of it.
pub fn narrow(whole: &Standing, roles: &[Role], asked: Option<&str>) -> Result<Option<Standing>, Refusal> {
    let Some(asked) = asked else { return Ok(None) };
    let scopes = scope::parse(asked).map_err(|bad| match bad {
        BadScope::Malformed => Refusal::ScopeMalformed,
        BadScope::TooMany => Refusal::ScopeTooLong,
    })?;
    if let Some(scope) = scopes.iter().find(|scope| scope::is_of_people(scope)) {
        return Err(Refusal::ScopeOfPeople(scope.clone()));
    }
    if let Some(scope) = scopes.iter().find(|scope| !whole.has_scope(scope)) {
        let api = whole.api.clone().ok_or(Refusal::ResourceMalformed)?;
        return Err(Refusal::ScopeNotHeld(scope.clone(), api));
    }
    if scopes == whole.scopes {
        return Ok(None);
    }
    let roles = role::carried(roles, whole.api.as_ref(), &scopes);
    Ok(Some(Standing { api: whole.api.clone(), scopes, roles }))
}

#[cfg(test)]
#[path = "client_credentials_tests.rs"]
mod tests;
