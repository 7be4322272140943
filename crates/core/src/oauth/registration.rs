//! Applications that register themselves (RFC 7591, RFC 7592; OpenID Connect Registration 1.0): what one says of itself, the
//! client that it becomes, and what it is told of that.
//!
//! It becomes a client that asks people, never one that acts as itself: whoever may register applications hands out no rights
//! by it. What is said in words that are not known here is left out; what would be understood and not kept is refused. Knows
//! neither who registers nor any row.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::identity::{self, IdentityScope};
use super::{Error, ErrorCode, scope};
use crate::api::{Api, TokenAlg};
use crate::check::host::Host;
use crate::client::{AuthMethod, Client, ClientSpec, ClientType};
use crate::name::{self, Label, ScopeName};
use crate::policy::rule::Problem;
use crate::scope::{CHECK, Rights};

/// The longest name of one, in letters.
pub const NAME_MAX: usize = 100;

/// The words of grants that one may have.
const CODE: &str = "authorization_code";
const REFRESH: &str = "refresh_token";
/// RFC 8628 §3.4.
const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// What it says; whatever else it says counts as not said.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Metadata {
    redirect_uris: Option<Vec<String>>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
    token_endpoint_auth_method: Option<String>,
    application_type: Option<String>,
    client_name: Option<String>,
    client_uri: Option<String>,
    policy_uri: Option<String>,
    tos_uri: Option<String>,
    scope: Option<String>,
    jwks: Option<Value>,
    jwks_uri: Option<String>,
    post_logout_redirect_uris: Option<Vec<String>>,
    backchannel_logout_uri: Option<String>,
    id_token_signed_response_alg: Option<String>,
    default_max_age: Option<u32>,
    require_pushed_authorization_requests: Option<bool>,
    subject_type: Option<String>,
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

/// What is understood, and cannot be had here. Who asks for it relies on it.
const NOT_HERE: [&str; 7] = [
    "id_token_encrypted_response_alg",
    "userinfo_signed_response_alg",
    "userinfo_encrypted_response_alg",
    "request_object_signing_alg",
    "request_object_encryption_alg",
    "dpop_bound_access_tokens",
    "tls_client_certificate_bound_access_tokens",
];
/// What only the server says; of a client that repeats it, nothing may be made (RFC 7592 §2.2).
const OURS: [&str; 4] =
    ["registration_access_token", "registration_client_uri", "client_id_issued_at", "client_secret_expires_at"];

impl Metadata {
    /// The client that it becomes. Its name is as it was said: that nobody else has it is for others to see to.
    pub fn resolve(self, apis: &[Api]) -> Result<ClientSpec, Error> {
        if let Some(member) = NOT_HERE.into_iter().find(|member| self.wants(member)) {
            return Err(bad(member, "cannot be had here"));
        }
        if self.subject_type.as_deref().is_some_and(|kind| kind != "public") {
            return Err(bad("subject_type", "must be public"));
        }
        let kind = self.kind()?;
        let method = self.auth_method(kind)?;
        let name = self.name()?;
        let rights = rights(self.scope.as_deref().unwrap_or_default(), apis)?;
        let redirect_uris = self.redirect_uris.unwrap_or_default();
        let (jwks, jwks_uri) = (self.jwks.unwrap_or_default(), self.jwks_uri);
        if !jwks.is_null() && jwks_uri.is_some() {
            return Err(bad("jwks_uri", "and jwks exclude each other (RFC 7591 section 2)"));
        }
        let signs = method == Some(AuthMethod::PrivateKeyJwt);
        let origins = if kind == ClientType::Spa { origins(&redirect_uris) } else { Vec::new() };
        let algorithm = self.id_token_signed_response_alg.map(|word| TokenAlg::deserialize(Value::String(word)));
        let algorithm = algorithm.transpose();
        let spec = ClientSpec {
            kind,
            redirect_uris,
            origins,
            token_endpoint_auth_method: method,
            // Of who signs nothing they prove nothing.
            jwks: if signs { jwks } else { Value::Null },
            jwks_uri: jwks_uri.filter(|_| signs),
            post_logout_redirect_uris: self.post_logout_redirect_uris.unwrap_or_default(),
            backchannel_logout_uri: self.backchannel_logout_uri,
            id_token_signed_response_alg: algorithm
                .map_err(|_| bad("id_token_signed_response_alg", "must be ES256, RS256, PS256 or EdDSA"))?,
            require_pushed_authorization_requests: self.require_pushed_authorization_requests.unwrap_or_default(),
            default_max_age: self.default_max_age,
            client_uri: self.client_uri,
            policy_uri: self.policy_uri,
            tos_uri: self.tos_uri,
            dynamic: true,
            ..ClientSpec::service(name, rights)
        };
        judge_redirects(&spec)?;
        spec.resolve().map_err(|problems| told(&problems))
    }

    /// The members of a change that tell who it is of, and what only the server says.
    pub fn judge_change(&self, client: &Client) -> Result<(), Error> {
        if let Some(member) = OURS.into_iter().find(|member| self.others.contains_key(*member)) {
            return Err(bad(member, "is the server's to say: leave it out"));
        }
        match self.others.get("client_id").and_then(Value::as_str) {
            Some(id) if id == client.id.to_string() => Ok(()),
            Some(_) => Err(bad("client_id", "is another client's")),
            None => Err(bad("client_id", "is missing")),
        }
    }

    /// The secret that was sent along with a change.
    pub fn client_secret(&self) -> Option<&Value> {
        self.others.get("client_secret").filter(|secret| !secret.is_null())
    }

    fn wants(&self, member: &str) -> bool {
        self.others.get(member).is_some_and(|value| !matches!(value, Value::Null | Value::Bool(false)))
    }

    /// What kind of application it is: by what it asks for, and where browsers are to come back to.
    fn kind(&self) -> Result<ClientType, Error> {
        let default = [CODE.to_owned()];
        let grants = self.grant_types.as_deref().unwrap_or(&default);
        let has = |grant: &str| grants.iter().any(|known| known == grant);
        if let Some(other) = grants.iter().find(|grant| ![CODE, REFRESH, DEVICE].contains(&grant.as_str())) {
            let known = format!("has {other}: a client that registers itself may have {CODE}, {REFRESH} and {DEVICE}");
            return Err(bad("grant_types", &known));
        }
        let (has_code, has_device) = (has(CODE), has(DEVICE));
        self.judge_responses(has_code)?;
        if !has_code {
            return if has_device {
                Ok(ClientType::Device)
            } else {
                Err(bad("grant_types", &format!("must have {CODE} or {DEVICE}")))
            };
        }
        let uris = self.redirect_uris.as_deref().unwrap_or_default();
        let is_native = match self.application_type.as_deref() {
            Some("native") => true,
            Some("web") => false,
            Some(_) => return Err(bad("application_type", "must be web or native")),
            None => !uris.is_empty() && uris.iter().all(|uri| is_of_machine(uri)),
        };
        if is_native {
            return Ok(ClientType::Native);
        }
        if has_device {
            return Err(bad("grant_types", "has the device flow, which is for application_type native"));
        }
        let is_public = self.token_endpoint_auth_method.as_deref() == Some(AuthMethod::None.as_str());
        Ok(if is_public { ClientType::Spa } else { ClientType::Web })
    }

    /// `code` goes with the grant of that name, and nothing else goes with anything (RFC 7591 §2.1).
    fn judge_responses(&self, has_code: bool) -> Result<(), Error> {
        let Some(types) = &self.response_types else { return Ok(()) };
        if types.iter().any(|kind| kind != "code") {
            return Err(bad("response_types", "may have code only"));
        }
        if types.is_empty() == has_code {
            return Err(bad("response_types", &format!("must have code where grant_types has {CODE}, and only there")));
        }
        Ok(())
    }

    /// None where it may show a secret in either place: RFC 7591 has a default, and libraries do as they like.
    fn auth_method(&self, kind: ClientType) -> Result<Option<AuthMethod>, Error> {
        let Some(said) = &self.token_endpoint_auth_method else {
            return Ok((!kind.is_confidential()).then_some(AuthMethod::None));
        };
        let method = AuthMethod::deserialize(Value::String(said.clone()));
        let method = method.map_err(|_| bad("token_endpoint_auth_method", "is none that is known here"))?;
        Ok(Some(method))
    }

    fn name(&self) -> Result<Label, Error> {
        let Some(said) = &self.client_name else {
            let first = self.client_uri.iter().chain(self.redirect_uris.iter().flatten()).find_map(|uri| host(uri));
            return Ok(first.and_then(|host| Label::parse(host.as_str()).ok()).unwrap_or_else(Label::unnamed));
        };
        if said.chars().count() > NAME_MAX {
            return Err(bad("client_name", "may have at most 100 letters"));
        }
        Label::parse(said).map_err(|wrong| bad("client_name", &wrong.to_string()))
    }
}

/// What it may ask people for: scopes of APIs of the realm. Scopes about who somebody is every client may ask for, and those
/// over Admit none that registered itself.
fn rights(scope: &str, apis: &[Api]) -> Result<Rights, Error> {
    let mut rights = Rights::new();
    if scope.is_empty() {
        return Ok(rights);
    }
    let scopes =
        scope::parse(scope).map_err(|_| bad("scope", "must be names with one space between them, at most 200"))?;
    for scope in scopes.into_iter().filter(|scope| !identity::is_reserved(scope)) {
        let has = |api: &&Api| !name::is_built_in(&api.spec.uri) && api.spec.scopes.contains_key(&scope);
        let mut of = apis.iter().filter(has).filter(|_| scope.as_str() != CHECK).peekable();
        if of.peek().is_none() {
            return Err(bad("scope", &format!("has {scope}, which no API here defines")));
        }
        for api in of {
            rights.entry(api.spec.uri.clone()).or_default().insert(scope.clone());
        }
    }
    Ok(rights)
}

/// OpenID Connect Registration §2: applications on the web are elsewhere than on the machine of who uses them.
fn judge_redirects(spec: &ClientSpec) -> Result<(), Error> {
    let uris = &spec.redirect_uris;
    let asks_by_browser = spec.kind != ClientType::Device;
    if asks_by_browser && uris.is_empty() {
        return Err(redirect("redirect_uris: is missing: authorization_code needs one"));
    }
    let is_web = matches!(spec.kind, ClientType::Web | ClientType::Spa);
    let is_away = |uri: &String| uri.starts_with("https://") && host(uri).is_some_and(|host| !is_loopback(&host));
    if is_web && !uris.iter().all(is_away) {
        let told = "redirect_uris: must be https and not on localhost for application_type web; native may have others";
        return Err(redirect(told));
    }
    Ok(())
}

/// Whether a URI leads back to a program on somebody's machine: by a scheme of its own, or on the machine itself.
fn is_of_machine(uri: &str) -> bool {
    match uri.split_once(':') {
        Some(("https", _)) | None => false,
        Some(("http", _)) => host(uri).is_some_and(|host| is_loopback(&host)),
        Some(_) => true,
    }
}

fn is_loopback(host: &str) -> bool {
    Host::parse(host).is_ok_and(|host| host.is_loopback())
}

/// The host of an address, without its port.
fn host(uri: &str) -> Option<String> {
    let rest = uri.strip_prefix("https://").or_else(|| uri.strip_prefix("http://"))?;
    let authority = rest.split(['/', '?']).next()?;
    Host::parse(authority).ok().map(|host| host.as_str().to_owned())
}

/// Where its scripts run: where browsers come back to.
fn origins(redirects: &[String]) -> Vec<String> {
    let origin = |uri: &String| {
        let rest = uri.strip_prefix("https://")?;
        let authority = rest.split(['/', '?']).next()?;
        Some(format!("https://{}", authority.strip_suffix(":443").unwrap_or(authority)))
    };
    redirects.iter().filter_map(origin).collect::<BTreeSet<_>>().into_iter().collect()
}

/// The same name, told from that of another client.
pub fn told_apart(name: &Label, client: &Client) -> Label {
    let id = client.id.to_string();
    let end = id.len().saturating_sub(6);
    let short: String = name.as_str().chars().take(NAME_MAX).collect();
    Label::parse(&format!("{} ({})", short.trim_end(), &id[end..])).unwrap_or_else(|_| name.clone())
}

/// What a client is told of itself (RFC 7591 §3.2.1): all that holds, said or not. No secret is in it.
pub fn tell(client: &Client) -> Map<String, Value> {
    let spec = &client.spec;
    let (application, grants): (_, &[&str]) = match spec.kind {
        ClientType::Web | ClientType::Spa => ("web", &[CODE, REFRESH]),
        ClientType::Native => ("native", &[CODE, REFRESH, DEVICE]),
        ClientType::Device => ("native", &[DEVICE, REFRESH]),
        ClientType::Service => ("web", &["client_credentials"]),
    };
    let usual = spec.kind.usual_auth_methods().first().copied().unwrap_or(AuthMethod::None);
    let scopes: BTreeSet<ScopeName> = spec.rights.values().flatten().cloned().collect();
    let identity = IdentityScope::ALL.iter().map(|scope| scope.as_str());
    let scopes: Vec<&str> = identity.chain(scopes.iter().map(ScopeName::as_str)).collect();
    let whole = json!({
        "client_id": client.id,
        "client_id_issued_at": client.created_at.unix_ms() / 1_000,
        "client_name": spec.name,
        "application_type": application,
        "redirect_uris": spec.redirect_uris,
        "grant_types": grants,
        "response_types": if grants.contains(&CODE) { &["code"][..] } else { &[] },
        "token_endpoint_auth_method": spec.token_endpoint_auth_method.unwrap_or(usual),
        "scope": scopes.join(" "),
        "subject_type": "public",
        "id_token_signed_response_alg": spec.id_token_alg(),
        "require_pushed_authorization_requests": spec.require_pushed_authorization_requests,
        "post_logout_redirect_uris": spec.post_logout_redirect_uris,
        "backchannel_logout_uri": spec.backchannel_logout_uri,
        "default_max_age": spec.default_max_age,
        "client_uri": spec.client_uri,
        "policy_uri": spec.policy_uri,
        "tos_uri": spec.tos_uri,
        "jwks": spec.jwks,
        "jwks_uri": spec.jwks_uri,
    });
    let Value::Object(whole) = whole else { return Map::new() };
    whole.into_iter().filter(|(_, value)| !value.is_null()).collect()
}

/// Everything that is wrong with a client, in the words of RFC 7591 §3.2.2.
fn told(problems: &[Problem]) -> Error {
    let is_redirect = problems.first().is_some_and(|problem| problem.path.starts_with("redirect_uris"));
    let code = if is_redirect { ErrorCode::InvalidRedirectUri } else { ErrorCode::InvalidClientMetadata };
    let each = problems.iter().take(5).map(|problem| format!("{}: {}", problem.path, problem.message));
    Error::new(code, each.collect::<Vec<_>>().join("; "))
}

fn redirect(told: &'static str) -> Error {
    Error::new(ErrorCode::InvalidRedirectUri, told)
}

fn bad(member: &str, what: &str) -> Error {
    Error::new(ErrorCode::InvalidClientMetadata, format!("{member}: {what}"))
}

#[cfg(test)]
#[path = "registration_tests.rs"]
mod tests;
