//! What an answer says of the caller: the closed list of identity headers and the principal as JSON.
//!
//! Every identity header is always set, empty where nothing is known, so that a client's own copy never survives a
//! gateway. Text that a person typed is percent-encoded; ids, scopes, roles and realm names need no escaping.

use std::fmt::Write as _;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::id::{Id, Kind, SubjectId};
use crate::name::RealmName;
use crate::principal::{Principal, Profile};

/// The closed list (contract §3.2). What comes later goes into `Admit-Token`.
pub const IDENTITY: [HeaderName; 16] = [
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

const EMPTY: HeaderValue = HeaderValue::from_static("");

/// What goes on to the application beside the identity.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Upstream {
    /// The `Authorization` value that the rule leaves to the application.
    pub authorization: Option<HeaderValue>,
    /// The request's cookies without ours.
    pub cookie: Option<HeaderValue>,
}

/// Sets every header of the closed list.
pub fn identify(headers: &mut HeaderMap, realm: &RealmName, principal: Option<&Principal>, upstream: Upstream) {
    headers.insert(ACR, EMPTY);
    headers.insert(TOKEN, EMPTY);
    headers.insert(UPSTREAM_AUTHORIZATION, upstream.authorization.unwrap_or(EMPTY));
    headers.insert(UPSTREAM_COOKIE, upstream.cookie.unwrap_or(EMPTY));
    let Some(principal) = principal else {
        for name in [SUBJECT, KIND, NAME, EMAIL, CLIENT, ORG, EXTERNAL_ID, GRANT, KEY, SCOPE, ROLES, REALM] {
            headers.insert(name, EMPTY);
        }
        return;
    };
    let profile = principal.profile.as_deref();
    let profile_text = |get: fn(&Profile) -> Option<&str>| profile.and_then(get).map_or(EMPTY, typed);
    headers.insert(SUBJECT, subject(principal.subject));
    headers.insert(KIND, HeaderValue::from_static(principal.subject_kind().as_str()));
    headers.insert(NAME, typed(&principal.name));
    headers.insert(EMAIL, profile_text(|profile| profile.email.as_deref()));
    headers.insert(CLIENT, acting_client(principal).map_or(EMPTY, subject));
    headers.insert(ORG, profile.and_then(|profile| profile.org).map_or(EMPTY, id));
    headers.insert(EXTERNAL_ID, profile_text(|profile| profile.external_id.as_deref()));
    headers.insert(GRANT, principal.grant.map_or(EMPTY, id));
    headers.insert(KEY, principal.key.map_or(EMPTY, id));
    headers.insert(SCOPE, list(principal.standing.scopes.iter().map(|scope| scope.as_str())));
    headers.insert(ROLES, list(principal.standing.roles.iter().map(|role| role.as_str())));
    headers.insert(REALM, HeaderValue::from_str(realm.as_str()).unwrap_or(EMPTY));
}

/// The application that acts: the subject itself where it is one.
pub fn acting_client(principal: &Principal) -> Option<SubjectId> {
    match (principal.client, principal.subject) {
        (Some(client), _) => Some(SubjectId::Client(client)),
        (None, client @ SubjectId::Client(_)) => Some(client),
        (None, SubjectId::User(_)) => None,
    }
}

/// An id as a header value.
pub fn id<K: Kind>(id: Id<K>) -> HeaderValue {
    value(id.to_string())
}

fn subject(id: SubjectId) -> HeaderValue {
    value(id.to_string())
}

/// Text that is known to be visible ASCII; anything else becomes empty rather than wrong.
pub fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(EMPTY)
}

fn list<'a>(words: impl Iterator<Item = &'a str>) -> HeaderValue {
    let mut text = String::new();
    for word in words {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word);
    }
    value(text)
}

/// Text that a person typed: everything but visible ASCII is percent-encoded, and `%` itself.
pub fn typed(text: &str) -> HeaderValue {
    let is_plain = |octet: u8| octet.is_ascii_graphic() && octet != b'%';
    if text.bytes().all(is_plain) {
        return HeaderValue::from_str(text).unwrap_or(EMPTY);
    }
    let mut encoded = String::with_capacity(text.len() * 2);
    for octet in text.bytes() {
        if is_plain(octet) {
            encoded.push(char::from(octet));
        } else {
            let _ = write!(encoded, "%{octet:02X}");
        }
    }
    value(encoded)
}

/// The principal as `/v1/check` and the records show it (contract §3.1).
pub fn principal_json(principal: &Principal, realm: &RealmName, issuer: &str) -> serde_json::Value {
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
        "credential": principal.credential.as_str(),
        "api": principal.standing.api,
        "scopes": principal.standing.scopes,
        "roles": principal.standing.roles,
        "acr": null,
        "amr": [],
        "expires_at": principal.expires_at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lo_01_what_a_person_typed_is_one_visible_word(text in ".{0,100}") {
            let written = typed(&text);
            prop_assert!(written.as_bytes().iter().all(u8::is_ascii_graphic));
            let back = percent_encoding::percent_decode(written.as_bytes()).decode_utf8().unwrap().into_owned();
            prop_assert_eq!(back, text);
        }
    }

    #[test]
    fn fa_03_every_identity_header_is_set_for_nobody_too() {
        let mut headers = HeaderMap::new();
        identify(&mut headers, &RealmName::parse("default").unwrap(), None, Upstream::default());
        for name in IDENTITY {
            assert_eq!(headers.get(&name).map(HeaderValue::as_bytes), Some(&b""[..]), "{name}");
        }
    }
}
