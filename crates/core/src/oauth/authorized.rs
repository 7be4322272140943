//! What a grant of the kind `authorization` knows beside the grant: the sign-in behind it and what its application asked to
//! be told.
//!
//! [`super::approved::Approved`] becomes one when it is exchanged. Says nothing of what may be done: that is the grant's.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::approved::{Approved, ShownAt};
use crate::id::{ClientId, GrantId, RealmId, UserId};
use crate::time::Time;

/// One of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Authorized {
    /// The grant.
    pub grant: GrantId,
    /// Where it belongs.
    pub realm: RealmId,
    /// Who let it act.
    pub user: UserId,
    /// The application.
    pub client: ClientId,
    /// In which session: the `sid` of ID tokens, long after that has ended, too.
    pub session: GrantId,
    /// How he showed who he is, and what else was asked.
    pub spec: AuthorizedSpec,
    /// When it was last used, to within a part of the life of an unused one.
    pub last_at: Time,
    /// From where.
    pub last_ip: Option<IpAddr>,
    /// By what.
    pub last_agent: Option<String>,
}

/// What is kept as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorizedSpec {
    /// The sign-in, as tokens tell it.
    pub sign_in: ShownAt,
    /// The parameter `claims` (OpenID Connect Core §5.5), checked.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub claims: Value,
}

impl Authorized {
    /// What was approved, under the grant that it becomes.
    pub fn of(approved: &Approved, realm: RealmId, grant: GrantId, now: Time) -> Self {
        let spec = AuthorizedSpec { sign_in: approved.sign_in, claims: approved.claims.clone() };
        Self {
            grant,
            realm,
            user: approved.user,
            client: approved.client,
            session: approved.session,
            spec,
            last_at: now,
            last_ip: None,
            last_agent: None,
        }
    }

    /// What was asked of a place (`userinfo` or `id_token`) by the parameter `claims`.
    pub fn asked_of(&self, place: &str) -> &Value {
        &self.spec.claims[place]
    }
}
