//! A key as answers show it: never its secret, only the hint.

use std::net::IpAddr;

use admit_core::id::{GrantId, KeyId, SubjectId};
use admit_core::key::state::{self, State, UsedSecret};
use admit_core::limit::Rate;
use admit_core::name::{ApiUri, ExternalId, Label, ScopeName};
use admit_core::time::Time;
use admit_store::{IssuedKey, LastUse, Tx};
use ipnet::IpNet;
use serde::Serialize;
use utoipa::ToSchema;

use crate::manage::answer;
use crate::manage::work::Stop;

/// How many secrets of a key are shown, the newest.
const SECRETS_SHOWN: usize = 20;

/// One API key.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Key)]
pub struct KeyView {
    #[schema(value_type = String)]
    pub id: KeyId,
    #[schema(value_type = String)]
    pub name: Label,
    /// What may be shown of its newest secret.
    pub hint: Option<String>,
    /// The id of its owner.
    pub owner: String,
    pub owner_name: Option<String>,
    /// `user` or `client`.
    pub owner_kind: &'static str,
    #[schema(value_type = String)]
    pub grant: GrantId,
    /// The API that it is for.
    #[schema(value_type = Option<String>)]
    pub api: Option<ApiUri>,
    /// What was granted.
    #[schema(value_type = Vec<String>)]
    pub scopes: Vec<ScopeName>,
    /// What may be done with it now.
    #[schema(value_type = Vec<String>)]
    pub effective_scopes: Vec<ScopeName>,
    /// `active`, `disabled`, `revoked` or `expired`.
    #[schema(value_type = String)]
    pub state: State,
    #[schema(value_type = Option<String>)]
    pub expires_at: Option<Time>,
    #[schema(value_type = String)]
    pub created_at: Time,
    #[schema(value_type = String)]
    pub updated_at: Time,
    pub created_by: String,
    /// Where it may be used from; empty is anywhere.
    #[schema(value_type = Vec<String>)]
    pub ip: Vec<IpNet>,
    /// Its own limit, such as `100/1m`.
    #[schema(value_type = Option<String>)]
    pub limit: Option<Rate>,
    #[schema(value_type = Option<String>)]
    pub external_id: Option<ExternalId>,
    pub metadata: serde_json::Value,
    #[schema(value_type = Option<String>)]
    pub disabled_at: Option<Time>,
    #[schema(value_type = Option<String>)]
    pub revoked_at: Option<Time>,
    #[schema(value_type = Option<String>)]
    pub seen_in_browser_at: Option<Time>,
    #[schema(value_type = Option<String>)]
    pub last_used_at: Option<Time>,
    /// The newest 20, by number.
    pub secrets: Vec<SecretView>,
    /// What its owner should look at.
    pub warnings: Vec<String>,
    #[serde(skip)]
    pub version: i64,
}

/// One secret of a key.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = KeySecret)]
pub struct SecretView {
    /// Counted from 1; each roll adds one.
    pub number: u32,
    pub hint: String,
    #[schema(value_type = String)]
    pub created_at: Time,
    #[schema(value_type = Option<String>)]
    pub expires_at: Option<Time>,
    /// Whether it still works, as far as the secret itself goes.
    pub live: bool,
    #[schema(value_type = Option<String>)]
    pub last_used_at: Option<Time>,
    #[schema(value_type = Option<String>)]
    pub last_ip: Option<IpAddr>,
    pub last_user_agent: Option<String>,
    pub uses: i64,
}

/// The key with all that one snapshot knows of it.
pub fn view(tx: &mut Tx<'_>, issued: IssuedKey, now: Time) -> Result<KeyView, Stop> {
    let IssuedKey { key, grant, api, owner, hint, last_used_at } = issued;
    let lineage = tx.find_lineage(key.realm, grant.id)?;
    let state = lineage.as_ref().map_or(State::Revoked, |lineage| state::state(&key, lineage, now));
    let effective = lineage.filter(|_| state == State::Active).map(|lineage| lineage.standing().scopes);
    let secrets = tx.list_secrets(key.realm, key.id)?;
    let uses = tx.last_use(key.realm, key.id)?;
    let used: Vec<_> = secrets
        .iter()
        .skip(secrets.len().saturating_sub(SECRETS_SHOWN))
        .map(|secret| UsedSecret { secret, last_used_at: last_use(&uses, secret.number).map(|last| last.at) })
        .collect();
    let is_live = |used: &UsedSecret<'_>| state == State::Active && used.is_live(&grant, now);
    Ok(KeyView {
        hint,
        owner: grant.subject.to_string(),
        owner_name: owner,
        owner_kind: kind_word(grant.subject),
        grant: grant.id,
        api,
        effective_scopes: effective.unwrap_or_default(),
        state,
        expires_at: grant.expires_at,
        revoked_at: grant.revoked_at,
        last_used_at,
        secrets: used
            .iter()
            .map(|used| {
                SecretView::of(used, used.expires_at(&grant), is_live(used), last_use(&uses, used.secret.number))
            })
            .collect(),
        warnings: state::warnings(&key, &grant, &used, now),
        scopes: grant.scopes,
        id: key.id,
        name: key.name,
        created_at: key.created_at,
        updated_at: key.updated_at,
        created_by: key.created_by,
        ip: key.ip,
        limit: key.rate,
        external_id: key.external_id,
        metadata: answer::shown(key.metadata),
        disabled_at: key.disabled_at,
        seen_in_browser_at: key.seen_in_browser_at,
        version: key.version,
    })
}

fn last_use(uses: &[LastUse], number: u32) -> Option<&LastUse> {
    uses.iter().find(|last| last.number == number)
}

fn kind_word(subject: SubjectId) -> &'static str {
    match subject {
        SubjectId::User(_) => "user",
        SubjectId::Client(_) => "client",
    }
}

impl SecretView {
    fn of(used: &UsedSecret<'_>, expires_at: Option<Time>, live: bool, last: Option<&LastUse>) -> Self {
        Self {
            number: used.secret.number,
            hint: used.secret.hint.clone(),
            created_at: used.secret.created_at,
            expires_at,
            live,
            last_used_at: used.last_used_at,
            last_ip: last.and_then(|last| last.ip),
            last_user_agent: last.and_then(|last| last.agent.clone()),
            uses: last.map_or(0, |last| last.count),
        }
    }
}
