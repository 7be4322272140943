//! Changing and rolling a key: what is asked for, and what comes of it. Pure; the store settles races by version.

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize};

use crate::api::Api;
use crate::grant::{Grant, Subject};
use crate::key::{Key, KeyRequest, KeySecret, overlap};
use crate::limit::Rate;
use crate::name::{ExternalId, Label, ScopeName};
use crate::policy::rule::Problem;
use crate::role::Role;
use crate::time::{Span, Time};

/// The most secrets of a key that work at the same time.
pub const LIVE_SECRETS_MAX: usize = 20;

/// What shall change: the body of `PATCH keys/{id}`. What is absent stays; `null` ends what can end.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyPatch {
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Label>,
    /// What may be done with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<ScopeName>>,
    /// Where it may be used from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<Vec<IpNet>>,
    /// Its own limit.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub limit: Option<Option<Rate>>,
    /// The id of the same thing elsewhere.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub external_id: Option<Option<ExternalId>>,
    /// Free JSON of at most 4 kB, as a whole.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub metadata: Option<serde_json::Value>,
    /// Seconds from now until it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_s: Option<i64>,
    /// True for a key that shall never end by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub never_expires: bool,
}

/// `null` is something that was said.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// What a key and its grant become.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    /// The key.
    pub key: Key,
    /// The scopes of its grant, sorted.
    pub scopes: Vec<ScopeName>,
    /// The end of its grant.
    pub expires_at: Option<Time>,
    /// The words of the patch that changed anything.
    pub fields: Vec<&'static str>,
}

impl KeyPatch {
    /// What the key becomes. The rules for a new key hold; scopes that stay are not asked about again.
    pub fn apply(
        &self,
        key: &Key,
        grant: &Grant,
        api: Option<&Api>,
        owner: Option<(&Subject, &[Role])>,
        now: Time,
    ) -> Result<Changed, Vec<Problem>> {
        let request = self.request(key, api);
        if api.is_none() && !request.scopes.is_empty() {
            let message = "this key is for no API. Make another: admit key create --name NAME --api URI --scope SCOPE";
            return Err(vec![Problem { path: "scopes".to_owned(), message: message.to_owned() }]);
        }
        let plan = request.plan(api.map_or(&[], std::slice::from_ref), owner)?;
        let says_end = self.expires_in_s.is_some() || self.never_expires;
        let scopes = if self.scopes.is_some() { plan.scopes } else { grant.scopes.clone() };
        let expires_at = if says_end { plan.lifetime.map(|lifetime| now + lifetime) } else { grant.expires_at };
        let changed = Key {
            name: request.name,
            lifetime: if says_end { plan.lifetime } else { key.lifetime },
            rate: request.limit,
            ip: request.ip,
            external_id: request.external_id,
            metadata: request.metadata,
            ..key.clone()
        };
        let differences = [
            ("name", changed.name != key.name),
            ("scopes", scopes != grant.scopes),
            ("ip", changed.ip != key.ip),
            ("limit", changed.rate != key.rate),
            ("external_id", changed.external_id != key.external_id),
            ("metadata", changed.metadata != key.metadata),
            ("expires_at", expires_at != grant.expires_at || changed.lifetime != key.lifetime),
        ];
        let fields = differences.into_iter().filter(|(_, differs)| *differs).map(|(field, _)| field).collect();
        Ok(Changed { key: changed, scopes, expires_at, fields })
    }

    /// The key as if it were asked for anew.
    fn request(&self, key: &Key, api: Option<&Api>) -> KeyRequest {
        KeyRequest {
            name: self.name.clone().unwrap_or_else(|| key.name.clone()),
            owner: None,
            api: api.map(|api| api.spec.uri.clone()),
            scopes: self.scopes.clone().unwrap_or_default(),
            expires_in_s: self.expires_in_s,
            never_expires: self.never_expires,
            ip: self.ip.clone().unwrap_or_else(|| key.ip.clone()),
            limit: self.limit.unwrap_or(key.rate),
            metadata: self.metadata.clone().unwrap_or_else(|| key.metadata.clone()),
            external_id: self.external_id.clone().unwrap_or_else(|| key.external_id.clone()),
        }
    }
}

/// The body of `POST keys/{id}/roll`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollRequest {
    /// How many seconds the old secret goes on; 24 hours where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap_s: Option<i64>,
    /// True where the old secret is in the wrong hands: it ends at once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub compromised: bool,
}

/// What comes of rolling a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roll {
    /// The number of the new secret.
    pub number: u32,
    /// When the old secrets end at the latest.
    pub old_secrets_end: Time,
    /// When the secret that was newest until now ends.
    pub old_secret_ends_at: Time,
    /// When the key ends from now on.
    pub expires_at: Option<Time>,
}

/// Why a key is not rolled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RollRefusal {
    /// The request is not as it should be.
    Invalid(Problem),
    /// The key was revoked: a new secret would revive what somebody ended.
    Revoked,
    /// [`LIVE_SECRETS_MAX`] secrets work already.
    TooMany,
}

/// A new secret, with the key's whole lifetime before it; the older ones end by the overlap and never later than they would
/// have. A key past its end comes to life by it, its old secrets do not.
pub fn roll(
    key: &Key,
    grant: &Grant,
    secrets: &[KeySecret],
    request: RollRequest,
    now: Time,
) -> Result<Roll, RollRefusal> {
    if grant.revoked_at.is_some() {
        return Err(RollRefusal::Revoked);
    }
    if request.overlap_s.is_some_and(|seconds| seconds < 0) {
        let message = "must be 0 or more".to_owned();
        return Err(RollRefusal::Invalid(Problem { path: "overlap_s".to_owned(), message }));
    }
    let overlap = overlap(request.overlap_s.map(Span::seconds), request.compromised).map_err(RollRefusal::Invalid)?;
    let ends = |secret: &KeySecret| grant.expires_at.into_iter().chain(secret.expires_at).min();
    let live = secrets.iter().filter(|secret| ends(secret).is_none_or(|end| end > now)).count();
    if live >= LIVE_SECRETS_MAX && overlap > Span::ZERO {
        return Err(RollRefusal::TooMany);
    }
    let newest = secrets.iter().max_by_key(|secret| secret.number);
    let old_secrets_end = now + overlap;
    Ok(Roll {
        number: newest.map_or(1, |secret| secret.number.saturating_add(1)),
        old_secrets_end,
        old_secret_ends_at: newest.and_then(ends).map_or(old_secrets_end, |end| end.min(old_secrets_end)),
        expires_at: key.lifetime.map(|lifetime| now + lifetime),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{api, client, grant, key, secret};
    use super::*;

    fn at(hours: i64) -> Time {
        Time::default() + Span::hours(hours)
    }

    fn patch(json: &str) -> KeyPatch {
        serde_json::from_str(json).unwrap()
    }

    fn apply(json: &str) -> Result<Changed, Vec<Problem>> {
        patch(json).apply(&key(), &grant(), Some(&api()), Some((&client(&["orders:read"]), &[])), at(1))
    }

    #[test]
    fn what_is_absent_stays() {
        let changed = apply("{}").unwrap();
        assert_eq!((changed.key, changed.scopes), (key(), grant().scopes));
        assert!(changed.fields.is_empty());
    }

    #[test]
    fn null_ends_what_can_end() {
        let mut limited = key();
        limited.rate = Some("100/1m".parse().unwrap());
        limited.external_id = Some(ExternalId::parse("cus_42").unwrap());
        limited.metadata = serde_json::json!({ "plan": "pro" });
        let patch = patch(r#"{"limit":null,"external_id":null,"metadata":null}"#);
        let changed = patch.apply(&limited, &grant(), None, None, at(1)).unwrap();
        assert_eq!((changed.key.rate, &changed.key.external_id), (None, &None));
        assert!(changed.key.metadata.is_null());
        assert_eq!(changed.fields, ["limit", "external_id", "metadata"]);
        assert!(serde_json::from_str::<KeyPatch>(r#"{"name":null,"owner":"x"}"#).is_err());
    }

    #[test]
    fn an_end_counts_from_now() {
        let changed = apply(r#"{"expires_in_s":3600}"#).unwrap();
        assert_eq!((changed.expires_at, changed.key.lifetime), (Some(at(2)), Some(Span::hours(1))));
        assert_eq!(apply(r#"{"never_expires":true}"#).unwrap().expires_at, None);
        assert_eq!(apply(r#"{"expires_in_s":0}"#).unwrap_err()[0].path, "expires_in_s");
        assert!(apply(r#"{"expires_in_s":315360000}"#).is_ok(), "ten years");
        assert_eq!(apply(r#"{"expires_in_s":315360001}"#).unwrap_err()[0].path, "expires_in_s");
        assert_eq!(apply(r#"{"expires_in_s":1,"never_expires":true}"#).unwrap_err()[0].path, "expires_in_s");
    }

    #[test]
    fn ak_01_scopes_widen_no_further_than_the_owner_s() {
        assert!(apply(r#"{"scopes":["orders:read"]}"#).is_ok());
        let refused = apply(r#"{"scopes":["orders:read","orders:write"]}"#).unwrap_err();
        assert!(refused[0].message.contains("may not orders:write"), "{refused:?}");
        assert!(apply(r#"{"scopes":["stock:read"]}"#).unwrap_err()[0].message.contains("defines no scope"));
        let of_no_api = patch(r#"{"scopes":["orders:read"]}"#).apply(&key(), &grant(), None, None, at(1)).unwrap_err();
        assert!(of_no_api[0].message.contains("for no API"));
    }

    #[test]
    fn ak_06_the_old_secret_goes_on_for_the_overlap() {
        let ask = |overlap_s, compromised| {
            roll(&key(), &grant(), &[secret(1)], RollRequest { overlap_s, compromised }, at(1))
        };
        let rolled = ask(None, false).unwrap();
        assert_eq!((rolled.number, rolled.old_secret_ends_at), (2, at(25)));
        assert_eq!(rolled.expires_at, Some(at(1) + Span::days(90)));
        assert_eq!(ask(None, true).unwrap().old_secret_ends_at, at(1));
        assert_eq!(ask(Some(0), true).unwrap().old_secret_ends_at, at(1));
        for (overlap_s, compromised) in [(Some(1), true), (Some(-1), false), (Some(30 * 86_400 + 1), false)] {
            assert!(
                matches!(ask(overlap_s, compromised), Err(RollRefusal::Invalid(problem)) if problem.path == "overlap_s")
            );
        }
        assert!(ask(Some(30 * 86_400), false).is_ok());
    }

    #[test]
    fn a_roll_lengthens_no_old_secret() {
        let (mut ending, mut rolled_before) = (grant(), secret(3));
        ending.expires_at = Some(at(2));
        assert_eq!(
            roll(&key(), &ending, &[secret(1)], RollRequest::default(), at(1)).unwrap().old_secret_ends_at,
            at(2)
        );
        rolled_before.expires_at = Some(at(3));
        let rolled = roll(&key(), &grant(), &[secret(2), rolled_before], RollRequest::default(), at(1)).unwrap();
        assert_eq!((rolled.number, rolled.old_secret_ends_at), (4, at(3)));
    }

    #[test]
    fn a_revoked_key_is_not_rolled() {
        let mut revoked = grant();
        revoked.revoked_at = Some(at(0));
        assert_eq!(roll(&key(), &revoked, &[secret(1)], RollRequest::default(), at(1)), Err(RollRefusal::Revoked));
    }

    #[test]
    fn twenty_secrets_may_work_at_a_time() {
        let many: Vec<_> = (1..=20).map(secret).collect();
        let ask = |secrets: &[KeySecret], compromised| {
            roll(&key(), &grant(), secrets, RollRequest { overlap_s: None, compromised }, at(1))
        };
        assert!(ask(&many[..19], false).is_ok());
        assert_eq!(ask(&many, false), Err(RollRefusal::TooMany));
        assert!(ask(&many, true).is_ok(), "a leak is always answered");
    }
}
