//! API keys: what is asked for, what is made, how a key is rolled, and what a presented one resolves to.
//!
//! Draws no randomness and reads no clock. A key's rights are its grant's; the secrets of a key are numbered, so that
//! usage tells which one is still in use after a roll.

pub mod change;
pub mod import;
pub mod state;

use std::collections::BTreeSet;
use std::sync::Arc;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::api::{Api, check_metadata};
use crate::check::code::Reason;
use crate::grant::{Lineage, Subject};
use crate::id::{GrantId, KeyId, OrgId, RealmId};
use crate::limit::Rate;
use crate::name::{self, ApiUri, ExternalId, Label, ScopeName};
use crate::policy::rule::Problem;
use crate::principal::{CredentialKind, Principal, Profile};
use crate::role::Role;
use crate::scope::{CHECK, Rights, SCOPES_MAX};
use crate::secret::SecretHash;
use crate::shell::{flag, operand, quote};
use crate::time::{Span, Time};

/// How long a key lives where nobody says otherwise.
pub const LIFETIME: Span = Span::days(90);
/// The longest life that can be asked for without saying `never`.
pub const LIFETIME_MAX: Span = Span::days(3650);
/// How long the old secret of a rolled key goes on where nobody says otherwise.
pub const OVERLAP: Span = Span::hours(24);
/// The longest overlap.
pub const OVERLAP_MAX: Span = Span::days(30);
/// The most networks on a key's list.
pub const NETWORKS_MAX: usize = 50;

/// One API key.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// Its id.
    pub id: KeyId,
    /// Where it belongs.
    pub realm: RealmId,
    /// The customer that owns it.
    pub org: Option<OrgId>,
    /// What it proves.
    pub grant: GrantId,
    /// What people call it; need not be unique.
    pub name: Label,
    /// How long a secret of it lives from the moment it is made; none is for ever.
    pub lifetime: Option<Span>,
    /// Its own limit.
    pub rate: Option<Rate>,
    /// Where it may be used from; empty is anywhere.
    pub ip: Vec<IpNet>,
    /// The id of the same thing elsewhere.
    pub external_id: Option<ExternalId>,
    /// Free JSON of at most 4 kB.
    pub metadata: serde_json::Value,
    /// Since when it is switched off.
    pub disabled_at: Option<Time>,
    /// When it first arrived with a browser's headers.
    pub seen_in_browser_at: Option<Time>,
    /// Who made it: an id or `operator`.
    pub created_by: String,
    /// When it was made.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
    /// Counts its changes; the ETag.
    pub version: i64,
}

/// One secret of a key.
#[derive(Debug, Clone, PartialEq)]
pub struct KeySecret {
    /// What it is found by.
    pub hash: SecretHash,
    /// Which master key's hash that is.
    pub lookup_key: i64,
    /// Its key.
    pub key: KeyId,
    /// Counted from 1.
    pub number: u32,
    /// What a list may show of it.
    pub hint: String,
    /// When it was made.
    pub created_at: Time,
    /// When it ends though the key goes on: after a roll.
    pub expires_at: Option<Time>,
}

/// What is asked for: the body of `POST keys`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRequest {
    /// What people call it.
    pub name: Label,
    /// Id, name or e-mail address of the subject that shall own it; a new service client where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The API it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<ApiUri>,
    /// What may be done with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<ScopeName>,
    /// Seconds until it ends; 90 days where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_s: Option<i64>,
    /// True for a key that never ends by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub never_expires: bool,
    /// Where it may be used from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ip: Vec<IpNet>,
    /// Its own limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Rate>,
    /// Free JSON of at most 4 kB.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub metadata: serde_json::Value,
    /// The id of the same thing elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<ExternalId>,
}

/// A request that can be carried out.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyPlan<'a> {
    /// The API it is for.
    pub api: Option<&'a Api>,
    /// What may be done with it, sorted.
    pub scopes: Vec<ScopeName>,
    /// How long it lives.
    pub lifetime: Option<Span>,
}

impl KeyPlan<'_> {
    /// The rights that the key stands for.
    pub fn rights(&self) -> Rights {
        let scopes = || self.scopes.iter().cloned().collect::<BTreeSet<_>>();
        self.api.filter(|_| !self.scopes.is_empty()).map(|api| (api.spec.uri.clone(), scopes())).into_iter().collect()
    }
}

impl KeyRequest {
    /// Settles API, scopes and lifetime, and says everything that is wrong at once.
    ///
    /// A key without an API is for the only API of the realm; where there are several and scopes are asked for, it is
    /// refused with the list. Without scopes and API it says who, not what.
    pub fn plan<'a>(&self, apis: &'a [Api], owner: Option<(&Subject, &[Role])>) -> Result<KeyPlan<'a>, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut problem = |path: &str, message: String| problems.push(Problem { path: path.to_owned(), message });
        let lifetime = self.lifetime().unwrap_or_else(|message| {
            problem("expires_in_s", message);
            None
        });
        let api = self.choose_api(apis).unwrap_or_else(|message| {
            problem("api", message);
            None
        });
        let mut scopes = self.scopes.clone();
        scopes.sort();
        scopes.dedup();
        if scopes.len() > SCOPES_MAX {
            problem("scopes", format!("a key may have at most {SCOPES_MAX} scopes"));
        }
        for scope in api.into_iter().flat_map(|api| unknown_scopes(api, &scopes)) {
            let uri = self.api.as_ref().map_or_else(|| "it".to_owned(), ToString::to_string);
            let uri = api.map_or(uri, |api| api.spec.uri.to_string());
            problem(
                "scopes",
                format!(
                    "{uri} defines no scope \"{scope}\". Add it: admit api update {}{}",
                    quote(&uri),
                    flag("scope", scope.as_str())
                ),
            );
        }
        if let (Some(api), Some((subject, roles))) = (api, owner) {
            let rights = subject.rights(roles);
            let lacks = |scope: &&ScopeName| !rights.get(&api.spec.uri).is_some_and(|own| own.contains(*scope));
            for scope in scopes.iter().filter(lacks) {
                problem("owner", lacking_right(subject, &api.spec.uri, scope));
            }
        }
        if self.ip.len() > NETWORKS_MAX {
            problem("ip", format!("a key may list at most {NETWORKS_MAX} networks"));
        }
        if let Err(message) = check_metadata(&self.metadata) {
            problem("metadata", message);
        }
        if problems.is_empty() { Ok(KeyPlan { api, scopes, lifetime }) } else { Err(problems) }
    }

    fn lifetime(&self) -> Result<Option<Span>, String> {
        match (self.expires_in_s, self.never_expires) {
            (Some(_), true) => Err("expires_in_s and never_expires exclude each other".to_owned()),
            (None, true) => Ok(None),
            (None, false) => Ok(Some(LIFETIME)),
            (Some(seconds), false) if seconds >= 1 && Span::seconds(seconds) <= LIFETIME_MAX => {
                Ok(Some(Span::seconds(seconds)))
            }
            (Some(_), false) => {
                Err(format!("must be between 1 second and {LIFETIME_MAX}; a key without end: never_expires"))
            }
        }
    }

    fn choose_api<'a>(&self, apis: &'a [Api]) -> Result<Option<&'a Api>, String> {
        if let Some(uri) = &self.api {
            let known = apis.iter().find(|api| api.spec.uri == *uri);
            let missing = || format!("there is no API {uri}. Create it: admit api create {}", quote(uri.as_str()));
            return known.map(Some).ok_or_else(missing);
        }
        let Some(scope) = self.scopes.first() else { return Ok(None) };
        let ordinary: Vec<_> = apis.iter().filter(|api| !name::is_built_in(&api.spec.uri)).collect();
        match ordinary.as_slice() {
            [only] => Ok(Some(only)),
            [] => Err(format!(
                "scope \"{scope}\" needs an API. Create it: admit api create https://api.example.com --scope {scope}"
            )),
            several => {
                let list: Vec<_> = several.iter().map(|api| api.spec.uri.as_str()).collect();
                Err(format!("there are several APIs; say which with --api: {}", list.join(", ")))
            }
        }
    }
}

fn unknown_scopes<'a>(api: &'a Api, scopes: &'a [ScopeName]) -> impl Iterator<Item = &'a ScopeName> {
    scopes.iter().filter(|scope| scope.as_str() != CHECK && !api.spec.scopes.contains_key(*scope))
}

fn lacking_right(subject: &Subject, api: &ApiUri, scope: &ScopeName) -> String {
    let name = subject.name();
    match subject {
        Subject::Client(_) => format!(
            "client \"{name}\" may not {scope} on {api}. Allow it: admit client update{}{} {}",
            flag("api", api.as_str()),
            flag("scope", scope.as_str()),
            operand(name)
        ),
        Subject::User(_) => format!(
            "user \"{name}\" holds no role with {scope} on {api}. Give one: admit user update --role ROLE {}",
            operand(name)
        ),
    }
}

/// How the old secrets end when a key is rolled.
pub fn overlap(asked: Option<Span>, compromised: bool) -> Result<Span, Problem> {
    let problem = |message: &str| Err(Problem { path: "overlap_s".to_owned(), message: message.to_owned() });
    match asked {
        Some(span) if compromised && span > Span::ZERO => problem("a compromised secret gets no overlap"),
        Some(span) if span > OVERLAP_MAX => problem("must be at most 30 days"),
        Some(span) => Ok(span),
        None if compromised => Ok(Span::ZERO),
        None => Ok(OVERLAP),
    }
}

/// What a presented key resolves to: facts only.
pub fn principal(key: &Key, secret: &KeySecret, lineage: &Lineage) -> Principal {
    let halted = lineage.halted().or(key.disabled_at.map(|_| Reason::KeyDisabled));
    let grant_end = lineage.expires_at();
    let expires_at = grant_end.into_iter().chain(secret.expires_at).min();
    let (email, subject_external, subject_metadata, subject_org) = match &lineage.subject {
        Some(Subject::User(user)) => {
            (user.spec.email.as_ref(), user.spec.external_id.as_ref(), &user.spec.metadata, user.org)
        }
        Some(Subject::Client(client)) => (None, client.spec.external_id.as_ref(), &client.spec.metadata, client.org),
        None => (None, None, &serde_json::Value::Null, None),
    };
    let profile = Profile {
        email: email.map(ToString::to_string),
        external_id: key.external_id.as_ref().or(subject_external).map(ToString::to_string),
        org: key.org.or(subject_org),
        metadata: if key.metadata.is_null() { subject_metadata.clone() } else { key.metadata.clone() },
        ip: key.ip.clone(),
        rate: key.rate,
    };
    Principal {
        subject: lineage.grant.subject,
        client: lineage.grant.client,
        grant: Some(key.grant),
        key: Some(key.id),
        secret_number: secret.number,
        credential: CredentialKind::ApiKey,
        name: lineage.subject.as_ref().map_or("", Subject::name).into(),
        standing: Arc::new(lineage.standing()),
        expires_at,
        rolled: secret.expires_at.is_some() && expires_at == secret.expires_at,
        halted,
        profile: (profile != Profile::default()).then(|| Arc::new(profile)),
        sign_in: None,
        token: None,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::api::ApiSpec;
    use crate::client::{Client, ClientSpec};
    use crate::grant::{Grant, GrantKind};
    use crate::id::{ApiId, ClientId, SubjectId};
    use crate::name::RealmName;
    use crate::realm::Realm;
    use crate::secret::Prefix;

    const URI: &str = "https://api.example.com";
    const REALM: RealmId = RealmId::from_bytes([1; 16]);

    fn scope(name: &str) -> ScopeName {
        ScopeName::parse(name).unwrap()
    }

    pub(crate) fn api() -> Api {
        let scopes = ["orders:read", "orders:write"].map(|name| (scope(name), String::new()));
        let spec = ApiSpec::new(ApiUri::parse(URI).unwrap(), BTreeMap::from(scopes));
        let (id, now) = (ApiId::from_bytes([2; 16]), Time::default());
        Api { id, realm: REALM, spec, created_at: now, updated_at: now, version: 1 }
    }

    pub(crate) fn client(scopes: &[&str]) -> Subject {
        let rights = Rights::from([(ApiUri::parse(URI).unwrap(), scopes.iter().map(|name| scope(name)).collect())]);
        Subject::Client(Client {
            id: ClientId::from_bytes([3; 16]),
            realm: REALM,
            org: None,
            spec: ClientSpec::service(Label::parse("ci").unwrap(), rights),
            disabled_at: None,
            valid_after: None,
            created_at: Time::default(),
            updated_at: Time::default(),
            version: 1,
        })
    }

    pub(crate) fn grant() -> Grant {
        let id = GrantId::from_bytes([4; 16]);
        Grant {
            id,
            realm: REALM,
            org: None,
            kind: GrantKind::Key,
            subject: SubjectId::Client(ClientId::from_bytes([3; 16])),
            client: None,
            parent: None,
            root: id,
            api: Some(ApiId::from_bytes([2; 16])),
            scopes: vec![scope("orders:read")],
            created_at: Time::default(),
            expires_at: Some(Time::default() + LIFETIME),
            revoked_at: None,
        }
    }

    pub(crate) fn key() -> Key {
        Key {
            id: KeyId::from_bytes([5; 16]),
            realm: REALM,
            org: None,
            grant: GrantId::from_bytes([4; 16]),
            name: Label::parse("ci").unwrap(),
            lifetime: Some(LIFETIME),
            rate: None,
            ip: Vec::new(),
            external_id: None,
            metadata: serde_json::Value::Null,
            disabled_at: None,
            seen_in_browser_at: None,
            created_by: "operator".to_owned(),
            created_at: Time::default(),
            updated_at: Time::default(),
            version: 1,
        }
    }

    pub(crate) fn secret(number: u32) -> KeySecret {
        KeySecret {
            hash: SecretHash([6; 32]),
            lookup_key: 1,
            key: KeyId::from_bytes([5; 16]),
            number,
            hint: "admit_…AbCd".to_owned(),
            created_at: Time::default(),
            expires_at: None,
        }
    }

    pub(crate) fn lineage() -> Lineage {
        let (name, prefix) = (RealmName::parse("default").unwrap(), Prefix::parse("admit").unwrap());
        let realm = Realm::new(REALM, name, prefix, Time::default());
        let subject = Some(client(&["orders:read"]));
        Lineage {
            realm,
            grant: grant(),
            ancestors: Vec::new(),
            subject,
            roles: Vec::new(),
            api: Some(api()),
            delegate: None,
            authorized: None,
            session: None,
        }
    }

    #[test]
    fn ak_01_a_key_has_no_more_than_its_owner() {
        let request = |scopes: &[&str]| KeyRequest {
            name: Label::parse("ci").unwrap(),
            owner: Some("ci".to_owned()),
            api: None,
            scopes: scopes.iter().map(|name| scope(name)).collect(),
            expires_in_s: None,
            never_expires: false,
            ip: Vec::new(),
            limit: None,
            metadata: serde_json::Value::Null,
            external_id: None,
        };
        let (apis, owner) = ([api()], client(&["orders:read"]));
        let plan = request(&["orders:read"]);
        let plan = plan.plan(&apis, Some((&owner, &[]))).unwrap();
        assert_eq!(
            plan.rights(),
            Rights::from([(ApiUri::parse(URI).unwrap(), BTreeSet::from([scope("orders:read")]))])
        );
        let refused = request(&["orders:write"]).plan(&apis, Some((&owner, &[]))).unwrap_err();
        assert_eq!(refused[0].path, "owner");
    }
}
