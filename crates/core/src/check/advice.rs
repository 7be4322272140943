//! The commands that would change a verdict, as somebody can paste them.
//!
//! Everything that came with a request or from a person goes through [`shell`]. Words in capitals are for the reader to
//! fill in. Knows what the command line takes, not whether the reader may do it.

use super::answer;
use super::code::Reason;
use super::trace::Case;
use crate::credential::Place;
use crate::name::{ApiUri, ScopeName};
use crate::policy::index::{Missed, NearMiss};
use crate::policy::rule::{Audience, Demand, Rule};
use crate::policy::{method, pattern};
use crate::principal::{CredentialKind, Principal, SubjectKind};
use crate::realm;
use crate::shell::{flag, operand};
use crate::token::JWT_HINT;

/// The commands, the likeliest first.
pub(super) fn commands(case: &Case<'_>, reason: Reason) -> Vec<String> {
    let other = case.realm.map(|realm| realm.as_str()).filter(|realm| *realm != realm::DEFAULT);
    let program = format!("admit{}", other.map(|realm| flag("realm", realm)).unwrap_or_default());
    let commands = for_reason(case, reason).into_iter();
    commands.map(|command| format!("{program} {command}")).chain(deed(case, reason)).collect()
}

/// What is done elsewhere than on this command line.
fn deed(case: &Case<'_>, reason: Reason) -> Option<String> {
    let deed = match reason {
        Reason::PeerNotTrusted => "in admit.toml: add \"<address of the gateway>/32\" to trusted_proxies",
        Reason::SecretInWrongPlace if is_token_beside_bearer(case) => "send it as Authorization: Bearer TOKEN",
        Reason::SecretInWrongPlace => "find out who sends it: that secret is leaked where it goes",
        Reason::TwoCredentials | Reason::DoubledCredential => "send one credential, in one place, once",
        _ => return None,
    };
    Some(deed.to_owned())
}

/// An access token where only keys stand.
fn is_token_beside_bearer(case: &Case<'_>) -> bool {
    case.credential.is_some_and(|(place, hint)| {
        let is_token = hint == JWT_HINT || hint.contains("_at_");
        is_token && matches!(place, Place::ApiKey | Place::XApiKey)
    })
}

/// Without the program's name.
fn for_reason(case: &Case<'_>, reason: Reason) -> Vec<String> {
    let key = case.decision.principal.as_ref().and_then(|principal| principal.key).map(|key| key.to_string());
    let key = key.as_deref().unwrap_or("KEY");
    if let Some(commands) = for_token(case, reason) {
        return commands;
    }
    match reason {
        Reason::NothingMatched => for_no_rule(case),
        Reason::ScopeMissing => for_scope(case, key),
        Reason::NoCredential
        | Reason::OtherAudience
        | Reason::Revoked
        | Reason::IssuedBeforeCutoff
        | Reason::ParentEnded
        | Reason::OwnerGone => vec![create_key(case)],
        Reason::RoleMissing => {
            let role = case.decision.missing_roles.first().map_or("ROLE", |role| role.as_str());
            let (noun, id) = owner(case);
            vec![format!("{noun} update {id}{}", flag("role", role))]
        }
        Reason::Expired | Reason::RolledOver | Reason::PlainHttp => vec![format!("key roll {key}")],
        Reason::KeyDisabled => vec![format!("key enable {key}")],
        Reason::OwnerDisabled => {
            let (noun, id) = owner(case);
            vec![format!("{noun} enable {id}")]
        }
        Reason::RealmDisabled => {
            vec![format!("realm update {} --enable", case.realm.map_or("REALM", |realm| realm.as_str()))]
        }
        Reason::IpNotAllowed => {
            let ip = case.client_ip.map_or_else(|| "CIDR".to_owned(), |ip| ip.to_string());
            vec![format!("key update {key}{}", flag("ip", ip))]
        }
        Reason::KeyLimit => vec![format!("key update {key} --rate 1000/1m")],
        Reason::UnknownSecret | Reason::Checksum | Reason::UnknownShape => {
            vec!["key inspect   # paste the key: says what it is".to_owned(), "key list".to_owned()]
        }
        Reason::WrongPassword => {
            vec!["events   # sign_in.failed says whose".to_owned(), "user set-password NAME".to_owned()]
        }
        Reason::SubjectKind | Reason::CredentialKind | Reason::RuleLimit => case
            .rule
            .map(|rule| format!("rule show {}   # what it asks for", operand(rule.name.as_str())))
            .into_iter()
            .collect(),
        Reason::LinkNeeded => vec!["user unlock NAME".to_owned()],
        Reason::DenyRule => {
            case.rule.map(|rule| format!("rule remove {}", operand(rule.name.as_str()))).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// Where an access token was shown: another takes its place, and nothing is said of keys.
fn for_token(case: &Case<'_>, reason: Reason) -> Option<Vec<String>> {
    let decode = || "token decode   # paste the token: says what it says".to_owned();
    match reason {
        Reason::TokenForm
        | Reason::TokenType
        | Reason::TokenAlgorithm
        | Reason::OtherIssuer
        | Reason::TokenSignature
        | Reason::TokenClaims
        | Reason::NotYet => return Some(vec![decode()]),
        Reason::UnknownSigningKey => return Some(vec![decode(), "signing-key list".to_owned()]),
        _ => {}
    }
    let principal = case.decision.principal.as_ref().filter(|it| it.credential == CredentialKind::AccessToken)?;
    let client = answer::acting_client(principal)?.to_string();
    if matches!(principal.subject_kind(), SubjectKind::User) {
        return for_person(case, principal, reason, &client);
    }
    let made_for = principal.standing.api.as_ref();
    let asked = match case.rule.map(|rule| &rule.audience) {
        Some(Audience::Api(api)) if reason == Reason::OtherAudience => Some(api),
        _ => made_for,
    };
    let issue = format!("token issue{}{}", flag("client", &client), asked.map(api_flag).unwrap_or_default());
    match reason {
        Reason::Expired
        | Reason::Revoked
        | Reason::IssuedBeforeCutoff
        | Reason::ParentEnded
        | Reason::OtherAudience => Some(vec![issue]),
        Reason::RightsShrunk => {
            let scopes = scope_flags(&principal.standing.scopes);
            let api = principal.standing.api.as_ref().map(api_flag).unwrap_or_default();
            Some(vec![issue, format!("client update {client}{api}{scopes}")])
        }
        Reason::ScopeMissing if principal.subject_kind() == SubjectKind::Client => {
            let scopes = scope_flags(&case.decision.missing_scopes);
            let api = principal.standing.api.as_ref().map(api_flag).unwrap_or_default();
            Some(vec![format!("client update {client}{api}{scopes}"), issue])
        }
        _ => None,
    }
}

/// What somebody let an application do is given anew by himself only; what the application may ask for is an operator's, and
/// so is what he may do himself.
fn for_person(case: &Case<'_>, principal: &Principal, reason: Reason, client: &str) -> Option<Vec<String>> {
    let person = || format!("user show {}   # what he may do himself", principal.subject);
    match reason {
        Reason::ClientDisabled => Some(vec![format!("client enable {client}")]),
        Reason::Expired
        | Reason::Revoked
        | Reason::IssuedBeforeCutoff
        | Reason::ParentEnded
        | Reason::OtherAudience => Some(vec![format!("client show {client}   # its person signs in there again")]),
        Reason::ClientGone => Some(vec!["client list   # it was deleted: its people sign in to another".to_owned()]),
        Reason::RightsShrunk => Some(vec![person(), format!("client show {client}   # what it may ask for")]),
        Reason::ScopeMissing => {
            let api = principal.standing.api.as_ref().map(api_flag).unwrap_or_default();
            let scopes = scope_flags(&case.decision.missing_scopes);
            let asks =
                format!("client update {client}{api}{scopes}   # then it asks for it, and its person signs in again");
            Some(vec![asks, person()])
        }
        _ => None,
    }
}

/// A rule like the nearest, or one for this place alone; before it the API that the rule would be for.
fn for_no_rule(case: &Case<'_>) -> Vec<String> {
    if method::parse(case.method).is_err() {
        return Vec::new(); // No rule can be for it.
    }
    let near = case.near_misses();
    let by_method = near.iter().find(|miss| miss.why == Missed::Method);
    let this = || if kept(case.path, "").is_empty() { "PATH".to_owned() } else { pattern::of_path(case.path) };
    let path = by_method.map_or_else(this, |miss| miss.rule.path.to_string());
    let place = format!("{}{}", flag("host", kept(case.host, "HOST")), flag("path", path));
    let like = |miss: &NearMiss<'_>| demanded_scopes(miss.rule);
    let demand = by_method.map(like).filter(|scopes| !scopes.is_empty());
    let demand = demand.unwrap_or_else(|| " --authenticated".to_owned());
    let rule = format!("rule add{place}{}{demand}", flag("method", case.method));
    let is_owned = case.policy.is_none_or(|policy| policy.owner_api(case.host, case.path).is_some());
    let host = kept(case.host, "HOST");
    let api = (!is_owned).then(|| {
        let uri = crate::shell::quote(&format!("https://{host}")).into_owned();
        format!("api create {uri}{}", flag("host", host))
    });
    api.into_iter().chain([rule]).collect()
}

/// What was cut off when it was kept is no part of a command.
fn kept<'a>(text: &'a str, placeholder: &'a str) -> &'a str {
    if text.is_empty() || text.ends_with('…') { placeholder } else { text }
}

fn for_scope(case: &Case<'_>, key: &str) -> Vec<String> {
    let Some(principal) = &case.decision.principal else { return Vec::new() };
    let Some(api) = case.decision.standing().and_then(|standing| standing.api.as_ref()) else {
        return vec![create_key(case)];
    };
    let scopes = scope_flags(&case.decision.missing_scopes);
    if principal.key.is_none() {
        return vec![format!("user update {} --role ROLE", owner(case).1)];
    }
    let grown = format!("key update {key}{scopes}");
    match principal.subject_kind() {
        SubjectKind::Client => vec![format!("client update {}{}{scopes}", owner(case).1, api_flag(api)), grown],
        SubjectKind::User => vec![format!("user update {} --role ROLE", owner(case).1), grown],
    }
}

/// A key that the rule would admit.
fn create_key(case: &Case<'_>) -> String {
    let api = match case.rule.map(|rule| &rule.audience) {
        Some(Audience::Api(api)) => api_flag(api),
        _ => String::new(),
    };
    format!("key create --name NAME{api}{}", case.rule.map(demanded_scopes).unwrap_or_default())
}

/// The word of his commands, and his id.
fn owner(case: &Case<'_>) -> (&'static str, String) {
    match &case.decision.principal {
        Some(principal) => (principal.subject_kind().as_str(), principal.subject.to_string()),
        None => (SubjectKind::Client.as_str(), "NAME".to_owned()),
    }
}

fn demanded_scopes(rule: &Rule) -> String {
    match &rule.demand {
        Demand::Require(require) => scope_flags(&require.scopes),
        Demand::Public | Demand::Deny => String::new(),
    }
}

fn scope_flags(scopes: &[ScopeName]) -> String {
    scopes.iter().map(|scope| flag("scope", scope.as_str())).collect()
}

fn api_flag(api: &ApiUri) -> String {
    flag("api", api.as_str())
}
