//! What an answer says of the caller: the closed list of identity headers and the principal as JSON.
//!
//! Every identity header is always set, empty where nothing is known, so that a client's own copy never survives a
//! gateway. Text that a person typed is percent-encoded; ids, scopes, roles and realm names need no escaping.

use std::ops::Range;
use std::sync::LazyLock;

use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::check::decision::Decision;
use crate::credential::Upstream;
use crate::id::SubjectId;
use crate::limit;
use crate::login::session::Factor;
use crate::name::RealmName;
use crate::principal::{Principal, Profile, Standing};

/// How many headers the closed list has.
const IDENTITY_COUNT: usize = 16;

/// The closed list (contract §3.2). What comes later goes into `Admit-Token`.
pub const IDENTITY: [HeaderName; IDENTITY_COUNT] = [
    SUBJECT,
    KIND,
    NAME,
    EMAIL,
    CLIENT,
    ORG,
    EXTERNAL_ID,
    GRANT,
    KEY,
    SCOPE,
    ROLES,
    ACR,
    REALM,
    TOKEN,
    UPSTREAM_AUTHORIZATION,
    UPSTREAM_COOKIE,
];

const SUBJECT: HeaderName = HeaderName::from_static("admit-subject");
const KIND: HeaderName = HeaderName::from_static("admit-kind");
const NAME: HeaderName = HeaderName::from_static("admit-name");
const EMAIL: HeaderName = HeaderName::from_static("admit-email");
const CLIENT: HeaderName = HeaderName::from_static("admit-client");
const ORG: HeaderName = HeaderName::from_static("admit-org");
const EXTERNAL_ID: HeaderName = HeaderName::from_static("admit-external-id");
const GRANT: HeaderName = HeaderName::from_static("admit-grant");
const KEY: HeaderName = HeaderName::from_static("admit-key");
const SCOPE: HeaderName = HeaderName::from_static("admit-scope");
const ROLES: HeaderName = HeaderName::from_static("admit-roles");
const ACR: HeaderName = HeaderName::from_static("admit-acr");
const REALM: HeaderName = HeaderName::from_static("admit-realm");
const TOKEN: HeaderName = HeaderName::from_static("admit-token");
const UPSTREAM_AUTHORIZATION: HeaderName = HeaderName::from_static("admit-upstream-authorization");
const UPSTREAM_COOKIE: HeaderName = HeaderName::from_static("admit-upstream-cookie");

/// The id of the request, on every answer.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("admit-request-id");
/// How old the knowledge is that an answer rests on, in seconds; only where the store cannot be asked.
const STALE: HeaderName = HeaderName::from_static("admit-stale");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const EMPTY: HeaderValue = HeaderValue::from_static("");

/// The headers of an admission: request id, no-store, every header of the closed list, and the limits where there are any.
///
/// All values are written into one buffer and the map is a copy of one that has all names already: an answer to the hottest
/// question hashes no name and allocates a handful of times.
pub fn admission(decision: &Decision, realm: &RealmName, upstream: &Upstream<'_>) -> HeaderMap {
    static WITHOUT_LIMITS: LazyLock<HeaderMap> = LazyLock::new(|| all_names(false));
    static WITH_LIMITS: LazyLock<HeaderMap> = LazyLock::new(|| all_names(true));
    let mut headers = if decision.limits.is_empty() { WITHOUT_LIMITS.clone() } else { WITH_LIMITS.clone() };
    let mut sheet = Sheet::default();
    sheet.write(decision, realm, upstream);
    let text = Bytes::from(sheet.text);
    for (value, span) in headers.values_mut().zip(sheet.spans) {
        if !span.is_empty() {
            *value = HeaderValue::from_maybe_shared(text.slice(span)).unwrap_or(EMPTY);
        }
    }
    if let Some(age) = decision.stale {
        headers.insert(STALE, HeaderValue::from(age.as_seconds_up()));
    }
    headers
}

/// Every name in the order of the sheet's spans, with empty values but for what never changes.
fn all_names(with_limits: bool) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(NAMES);
    headers.insert(REQUEST_ID, EMPTY);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for name in IDENTITY {
        headers.insert(name, EMPTY);
    }
    if with_limits {
        headers.insert(RATE_LIMIT_POLICY, EMPTY);
        headers.insert(RATE_LIMIT, EMPTY);
    }
    headers
}

/// Request id, no-store, the closed list, two for limits.
const NAMES: usize = 2 + IDENTITY_COUNT + 2;

/// The values of an answer in one buffer; a span each, in the order of [`all_names`].
struct Sheet {
    text: Vec<u8>,
    spans: [Range<usize>; NAMES],
    next: usize,
}

impl Default for Sheet {
    fn default() -> Self {
        Self { text: Vec::with_capacity(384), spans: [const { 0..0 }; NAMES], next: 0 }
    }
}

impl Sheet {
    fn write(&mut self, decision: &Decision, realm: &RealmName, upstream: &Upstream<'_>) {
        self.put(|text| decision.request_id.append_to(text));
        self.put(|_| {}); // no-store stands already
        match decision.identity() {
            Some(principal) => {
                self.write_principal(principal, decision.standing().unwrap_or(&principal.standing), realm);
                self.put(|text| {
                    decision.token.iter().for_each(|token| text.extend_from_slice(token.expose().as_bytes()))
                });
            }
            None => self.next += IDENTITY_COUNT - 2,
        }
        self.put(|text| text.extend_from_slice(upstream.authorization.unwrap_or_default().as_bytes()));
        self.put(|text| text.extend_from_slice(upstream.cookie.as_bytes()));
        if !decision.limits.is_empty() {
            let limits = || decision.limits.iter();
            self.put(|text| limit::append_policies(text, limits().map(|limit| (&*limit.policy, &limit.limit))));
            self.put(|text| limit::append_states(text, limits().map(|limit| (&*limit.policy, &limit.state))));
        }
    }

    /// In the order of [`IDENTITY`], up to `Admit-Realm`.
    fn write_principal(&mut self, principal: &Principal, standing: &Standing, realm: &RealmName) {
        let profile = principal.profile.as_deref();
        let profile_text = |get: fn(&Profile) -> Option<&str>| profile.and_then(get).unwrap_or_default();
        self.put(|text| principal.subject.append_to(text));
        self.put(|text| text.extend_from_slice(principal.subject_kind().as_str().as_bytes()));
        self.put(|text| append_typed(text, &principal.name));
        self.put(|text| append_typed(text, profile_text(|profile| profile.email.as_deref())));
        self.put(|text| acting_client(principal).into_iter().for_each(|client| client.append_to(text)));
        self.put(|text| profile.and_then(|profile| profile.org).into_iter().for_each(|org| org.append_to(text)));
        self.put(|text| append_typed(text, profile_text(|profile| profile.external_id.as_deref())));
        self.put(|text| principal.grant.into_iter().for_each(|grant| grant.append_to(text)));
        self.put(|text| principal.key.into_iter().for_each(|key| key.append_to(text)));
        self.put(|text| append_list(text, standing.scopes.iter().map(|scope| scope.as_str())));
        self.put(|text| append_list(text, standing.roles.iter().map(|role| role.as_str())));
        self.put(|text| text.extend_from_slice(acr_of(principal).unwrap_or_default().as_bytes()));
        self.put(|text| text.extend_from_slice(realm.as_str().as_bytes()));
    }

    fn put(&mut self, append: impl FnOnce(&mut Vec<u8>)) {
        let begin = self.text.len();
        append(&mut self.text);
        self.spans[self.next] = begin..self.text.len();
        self.next += 1;
    }
}

/// The application that acts: the subject itself where it is one.
pub fn acting_client(principal: &Principal) -> Option<SubjectId> {
    match (principal.client, principal.subject) {
        (Some(client), _) => Some(SubjectId::Client(client)),
        (None, client @ SubjectId::Client(_)) => Some(client),
        (None, SubjectId::User(_)) => None,
    }
}

/// How well the caller signed in, where he did.
fn acr_of(principal: &Principal) -> Option<&'static str> {
    principal.sign_in.as_ref().and_then(|sign_in| sign_in.factors.acr())
}

/// The two fields that tell of limits; none where there is no limit.
pub fn limit_fields(decision: &Decision) -> Vec<(HeaderName, HeaderValue)> {
    if decision.limits.is_empty() {
        return Vec::new();
    }
    let (mut policies, mut states) = (Vec::new(), Vec::new());
    limit::append_policies(&mut policies, decision.limits.iter().map(|limit| (&*limit.policy, &limit.limit)));
    limit::append_states(&mut states, decision.limits.iter().map(|limit| (&*limit.policy, &limit.state)));
    let value = |text: Vec<u8>| HeaderValue::try_from(text).unwrap_or(EMPTY);
    vec![(RATE_LIMIT_POLICY, value(policies)), (RATE_LIMIT, value(states))]
}

fn append_list<'a>(text: &mut Vec<u8>, words: impl Iterator<Item = &'a str>) {
    for (place, word) in words.enumerate() {
        if place > 0 {
            text.push(b' ');
        }
        text.extend_from_slice(word.as_bytes());
    }
}

/// Text that a person typed: everything but visible ASCII is percent-encoded, and `%` itself.
fn append_typed(text: &mut Vec<u8>, typed: &str) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for octet in typed.bytes() {
        if octet.is_ascii_graphic() && octet != b'%' {
            text.push(octet);
        } else {
            text.extend_from_slice(&[b'%', DIGITS[usize::from(octet >> 4)], DIGITS[usize::from(octet & 15)]]);
        }
    }
}

/// The caller as `/v1/check` and the records show it (contract §3.1), with what he may do where he asked.
pub fn principal_json(
    principal: &Principal,
    standing: &Standing,
    realm: &RealmName,
    issuer: &str,
) -> serde_json::Value {
    let profile = principal.profile.as_deref();
    let metadata = profile.map(|profile| &profile.metadata).filter(|metadata| !metadata.is_null());
    serde_json::json!({
        "realm": realm,
        "issuer": issuer,
        "subject": principal.subject.to_string(),
        "kind": principal.subject_kind(),
        "name": &*principal.name,
        "email": profile.and_then(|profile| profile.email.as_deref()),
        "org": profile.and_then(|profile| profile.org),
        "external_id": profile.and_then(|profile| profile.external_id.as_deref()),
        "metadata": metadata.cloned().unwrap_or_else(|| serde_json::json!({})),
        "client": acting_client(principal).map(|client| client.to_string()),
        "grant": principal.grant,
        "key": principal.key,
        "token": principal.token.as_ref().map(|token| token.id),
        "credential": principal.credential.as_str(),
        "api": standing.api,
        "scopes": standing.scopes,
        "roles": standing.roles,
        "acr": acr_of(principal),
        "amr": principal.sign_in.iter().flat_map(|sign_in| sign_in.factors.iter()).map(Factor::as_str).collect::<Vec<_>>(),
        "auth_time": principal.sign_in.as_ref().map(|sign_in| sign_in.at),
        "expires_at": principal.expires_at,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::check::decision::{LimitState, Verdict};
    use crate::id::{ClientId, GrantId, KeyId, OrgId, RequestId, UserId};
    use crate::limit::{Limit, Rate};
    use crate::name::{RoleName, ScopeName};
    use crate::principal::{CredentialKind, Standing};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lo_01_what_a_person_typed_is_one_visible_word(text in ".{0,100}") {
            let mut written = Vec::new();
            append_typed(&mut written, &text);
            prop_assert!(written.iter().all(u8::is_ascii_graphic));
            let back = percent_encoding::percent_decode(&written).decode_utf8().unwrap().into_owned();
            prop_assert_eq!(back, text);
        }
    }

    fn decision(principal: Option<Principal>) -> Decision {
        let mut decision = Decision::of(RequestId::from_bytes([3; 16]), Verdict::Admitted);
        decision.is_identified = principal.is_some();
        decision.principal = principal.map(Arc::new);
        decision
    }

    #[test]
    fn fa_03_every_identity_header_is_set_for_nobody_too() {
        let realm = RealmName::parse("default").unwrap();
        let headers = admission(&decision(None), &realm, &Upstream::default());
        for name in IDENTITY {
            assert_eq!(headers.get(&name).map(HeaderValue::as_bytes), Some(&b""[..]), "{name}");
        }
        assert_eq!(headers.len(), IDENTITY.len() + 2);
    }

    #[test]
    fn each_value_stands_under_its_name() {
        let principal = Principal {
            subject: SubjectId::User(UserId::from_bytes([1; 16])),
            client: Some(ClientId::from_bytes([2; 16])),
            grant: Some(GrantId::from_bytes([4; 16])),
            key: Some(KeyId::from_bytes([5; 16])),
            secret_number: 1,
            credential: CredentialKind::ApiKey,
            name: "Al Ice".into(),
            standing: Arc::new(Standing {
                api: None,
                scopes: ["a", "b"].map(|scope| ScopeName::parse(scope).unwrap()).to_vec(),
                roles: ["r"].map(|role| RoleName::parse(role).unwrap()).to_vec(),
            }),
            expires_at: None,
            rolled: false,
            halted: None,
            profile: Some(Arc::new(Profile {
                email: Some("a@b".to_owned()),
                external_id: Some("x1".to_owned()),
                org: Some(OrgId::from_bytes([6; 16])),
                ..Profile::default()
            })),
            sign_in: None,
            token: None,
        };
        let mut decision = decision(Some(principal.clone()));
        decision.limits.push(LimitState {
            policy: "orders".into(),
            limit: Limit::from(Rate::per_minute(100)),
            state: limit::Verdict { admitted: true, remaining: 99, reset_s: 1, retry_after_s: 0 },
        });
        let upstream = Upstream { authorization: Some("Basic x"), cookie: "c=1".into() };
        let headers = admission(&decision, &RealmName::parse("default").unwrap(), &upstream);
        let text = |name: &str| headers.get(name).unwrap().to_str().unwrap().to_owned();
        let rows = [
            ("admit-request-id", decision.request_id.to_string()),
            ("cache-control", "no-store".to_owned()),
            ("admit-subject", principal.subject.to_string()),
            ("admit-kind", "user".to_owned()),
            ("admit-name", "Al%20Ice".to_owned()),
            ("admit-email", "a@b".to_owned()),
            ("admit-client", ClientId::from_bytes([2; 16]).to_string()),
            ("admit-org", OrgId::from_bytes([6; 16]).to_string()),
            ("admit-external-id", "x1".to_owned()),
            ("admit-grant", GrantId::from_bytes([4; 16]).to_string()),
            ("admit-key", KeyId::from_bytes([5; 16]).to_string()),
            ("admit-scope", "a b".to_owned()),
            ("admit-roles", "r".to_owned()),
            ("admit-acr", String::new()),
            ("admit-realm", "default".to_owned()),
            ("admit-token", String::new()),
            ("admit-upstream-authorization", "Basic x".to_owned()),
            ("admit-upstream-cookie", "c=1".to_owned()),
            ("ratelimit-policy", "\"orders\";q=100;w=60".to_owned()),
            ("ratelimit", "\"orders\";r=99;t=1".to_owned()),
        ];
        for (name, value) in rows {
            assert_eq!(text(name), value, "{name}");
        }
        assert_eq!(headers.len(), NAMES);
    }
}
