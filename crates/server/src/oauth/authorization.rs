//! What a person let an application do, from the moment at which it is exchanged: a grant, what is known beside it, a refresh
//! token and the first access token, all in one transaction with what they are exchanged for.
//!
//! Whatever is exchanged ([`super::grants::authorization_code`], a device code) ends in [`begin`]. Tokens are made and signed
//! before anything is written, so that nothing is used up where they cannot be; until the transaction is durable nobody has
//! them. Judges neither codes nor refresh tokens, and asks nobody.

use std::sync::Arc;

use admit_core::api::TokenAlg;
use admit_core::audit::Event;
use admit_core::client::Client;
use admit_core::grant::{Grant, GrantKind, Lineage, Subject};
use admit_core::id::{GrantId, SubjectId};
use admit_core::jose::algorithm::Algorithm;
use admit_core::login::session::Session;
use admit_core::oauth::approved::{Approved, ShownAt};
use admit_core::oauth::authorized::Authorized;
use admit_core::oauth::id_token::{self, at_hash};
use admit_core::oauth::identity::IdentityScope;
use admit_core::oauth::redeem::Why;
use admit_core::oauth::refresh::{self, Life, RefreshToken};
use admit_core::oauth::{Error, scope, userinfo};
use admit_core::principal::Standing;
use admit_core::secret::{self, Secret, SecretKind};
use admit_core::time::Time;
use admit_store::{AUTHORIZATIONS_MAX, End, Tx};
use serde_json::json;

use super::answer;
use super::call::Call;
use super::client::KnownClient;
use super::mint::{self, Drawn, Facts, Terms};
use super::token::{Given, Refused};
use crate::app::App;
use crate::check::policies::RealmPolicy;
use crate::login::session::Seen;
use crate::manage::work::BEHIND_MAX;

/// Begins what was approved, if the sign-in behind it is still there when it is written. `spend` uses up, for this grant and in the
/// same transaction, what it is exchanged for; none where it says that somebody was first.
pub async fn begin(
    app: &App,
    call: &Call,
    client: &KnownClient,
    approved: Approved,
    spend: impl Fn(&mut Tx<'_>, GrantId) -> admit_store::Result<bool> + Send + 'static,
) -> Result<Option<Given>, Refused> {
    let (now, realm) = (call.now, call.realm.realm.id);
    let lineage = before_it_is_there(app, call, &client.client, &approved)?;
    let standing = refresh::narrow(&lineage, None, call.form.resources()).map_err(too_much)?;
    let (drawn, id_token) = tokens(app, &call.realm, &lineage, &standing, None, approved.nonce.as_deref(), now).await?;
    let (secret, token) = draw(app, &lineage, &client.client, now);
    let detail = json!({
        "kind": lineage.grant.kind.as_str(), "client": client.client.id, "scopes": lineage.grant.scopes,
        "api": lineage.api.as_ref().map(|api| &api.spec.uri),
    });
    let event = Event::new(app.id(now), realm, "grant.created", now).by(approved.user).on(lineage.grant.id);
    let event = Event { detail, ..event.asked_by(call.request_id) };
    let Some(authorized) = lineage.authorized.clone() else { return Err(Error::unavailable().into()) };
    let seen = Seen::of(&call.headers, call.ip);
    let authorized = Authorized { last_ip: seen.ip, last_agent: seen.agent, ..authorized };
    let (kept, grant) = (drawn.clone(), lineage.grant.clone());
    let _place = app.lanes.enter(realm).await.ok_or_else(Error::unavailable)?;
    let begun = app.store.write(move |tx| {
        // What was read is of a moment ago: who signed out since then lets nobody in, and who does after this is heard of.
        let is_there = tx.lock_subject(realm, grant.subject)?;
        if !is_there || tx.hold_session(realm, authorized.session, now)?.is_none() {
            return Ok(End::Rollback(Begun::Ended));
        }
        if tx.newest_grant()?.is_some_and(|newest| newest > now + BEHIND_MAX) {
            return Ok(End::Rollback(Begun::Behind));
        }
        if !spend(tx, grant.id)? {
            return Ok(End::Rollback(Begun::ByAnother));
        }
        make_room(tx, &authorized, now)?;
        tx.insert_authorization(&grant, &authorized)?;
        tx.insert_refresh_token(&token)?;
        kept.write(tx)?;
        tx.insert_event(&event)?;
        Ok(End::Commit(Begun::Here))
    });
    match begun.await.map_err(|error| answer::unread(&error))? {
        Begun::ByAnother => Ok(None),
        Begun::Ended => Err(Refused::grant(Why::Ended.as_str(), Why::Ended)),
        Begun::Behind => {
            tracing::error!(
                "the clock is behind what is stored: nothing is issued until it is not. Next: admit doctor"
            );
            Err(Error::unavailable().into())
        }
        Begun::Here => Ok(Some(Given {
            token: drawn.hand_out(app),
            scope: scope::join(&standing.scopes),
            refresh_token: Some(secret),
            id_token,
        })),
    }
}

/// What became of it.
enum Begun {
    Here,
    ByAnother,
    Ended,
    Behind,
}

/// One more than there may be ends the oldest: an application that never renews would leave one behind each time.
fn make_room(tx: &mut Tx<'_>, new: &Authorized, now: Time) -> admit_store::Result<()> {
    let live = tx.list_authorizations_of_client(new.realm, new.user, new.client, now)?;
    let over = (live.len() + 1).saturating_sub(AUTHORIZATIONS_MAX as usize);
    live.iter().take(over).try_for_each(|oldest| tx.revoke_grant(new.realm, *oldest, now).map(drop))
}

/// What was approved as it will be, if the sign-in behind it is still there: whoever was disabled, or signed out, since then
/// begins nothing.
fn before_it_is_there(app: &App, call: &Call, client: &Client, approved: &Approved) -> Result<Lineage, Refused> {
    let (now, realm) = (call.now, call.realm.realm.id);
    let (session, sign_in) = (approved.session, (approved.user, GrantKind::Session));
    let read = app.store.point(|tx| Ok((tx.find_session(realm, session, now)?, tx.find_lineage(realm, session)?)));
    let (known, line) = read.map_err(|error| answer::unread(&error))?;
    let known = known.filter(|known| known.is_live && (known.session.user, known.grant.kind) == sign_in);
    let known = known.filter(|known| known.session.pending.is_empty());
    let line = line.filter(|line| line.halted().is_none() && line.subject.as_ref().is_some_and(is_person));
    let (Some(known), Some(line)) = (known, line) else {
        return Err(Refused::grant(Why::Ended.as_str(), Why::Ended));
    };
    let api = match approved.api {
        None => None,
        Some(id) => match call.realm.apis.iter().find(|api| api.id == id) {
            Some(api) => Some(api.clone()),
            None => return Err(Refused::grant(Why::Ended.as_str(), Why::Ended)),
        },
    };
    let is_offline = IdentityScope::OfflineAccess.is_in(&approved.scopes);
    let ends = now + Life::of(&line.realm, &client.spec).absolute;
    let grant = grant_of(app.id(now), approved, client, now);
    let (grant, ancestors, session): (Grant, Vec<Grant>, Option<Session>) = match is_offline {
        true => (Grant { expires_at: Some(ends), ..grant }, Vec::new(), None),
        false => {
            let expires_at = line.expires_at().map_or(ends, |end| end.min(ends));
            let grant =
                Grant { parent: Some(line.grant.id), root: line.grant.root, expires_at: Some(expires_at), ..grant };
            (grant, [line.grant].into_iter().chain(line.ancestors).collect(), Some(known.session))
        }
    };
    let authorized = Some(Authorized::of(approved, realm, grant.id, now));
    let delegate = Some(client.clone());
    Ok(Lineage { grant, ancestors, api, delegate, authorized, session, ..line })
}

const fn is_person(subject: &Subject) -> bool {
    matches!(subject, Subject::User(_))
}

fn grant_of(id: GrantId, approved: &Approved, client: &Client, now: Time) -> Grant {
    Grant {
        id,
        realm: client.realm,
        org: None,
        kind: GrantKind::Authorization,
        subject: SubjectId::User(approved.user),
        client: Some(client.id),
        parent: None,
        root: id,
        api: approved.api,
        scopes: approved.scopes.clone(),
        created_at: now,
        expires_at: None,
        revoked_at: None,
    }
}

/// A refresh token of an authorization, and what is kept of it.
pub fn draw(app: &App, lineage: &Lineage, client: &Client, now: Time) -> (Secret, RefreshToken) {
    let secret = secret::write("admit_rt", &app.random());
    let keys = app.master.keys();
    let active = keys.active();
    let token = RefreshToken {
        hash: active.lookup.hash(client.realm, SecretKind::RefreshToken, secret.expose()),
        lookup_key: active.number,
        realm: client.realm,
        grant: lineage.grant.id,
        created_at: now,
        expires_at: refresh::ends_at(lineage, &client.spec, now),
        last_at: now,
        spent_at: None,
        successor: None,
        reply: None,
        reply_ends: None,
    };
    (secret, token)
}

/// The access token of an authorization, and the ID token beside it where it asks who somebody is. `terms`: which access token
/// it is, where it was issued before.
pub async fn tokens(
    app: &App,
    realm: &Arc<RealmPolicy>,
    lineage: &Lineage,
    standing: &Standing,
    terms: Option<Terms>,
    nonce: Option<&str>,
    now: Time,
) -> Result<(Drawn, Option<Secret>), Refused> {
    let Some(Authorized { client, spec, .. }) = &lineage.authorized else { return Err(Error::unavailable().into()) };
    let ancestors: Vec<_> = lineage.ancestors.iter().map(|ancestor| ancestor.id).collect();
    let facts = Facts {
        api: lineage.api.as_ref(),
        grant: lineage.grant.id,
        ancestors: &ancestors,
        grant_ends: lineage.expires_at(),
        subject: lineage.grant.subject,
        client: *client,
        org: lineage.grant.org,
        sign_in: Some(spec.sign_in),
        scopes: &standing.scopes,
        roles: &standing.roles,
    };
    let terms = terms.unwrap_or_else(|| Terms::new(app, &facts, now));
    let drawn = mint::draw(app, realm, &facts, terms, now).await?;
    let id_token = id_token(app, realm, lineage, standing, &drawn.issued.text, nonce, now).await?;
    Ok((drawn, id_token))
}

/// Who signed in, where that is asked for.
pub async fn id_token(
    app: &App,
    realm: &Arc<RealmPolicy>,
    lineage: &Lineage,
    standing: &Standing,
    beside: &Secret,
    nonce: Option<&str>,
    now: Time,
) -> Result<Option<Secret>, Error> {
    let (Some(authorized), Some(Subject::User(user))) = (&lineage.authorized, &lineage.subject) else {
        return Ok(None);
    };
    if !IdentityScope::OpenId.is_in(&standing.scopes) {
        return Ok(None);
    }
    let alg = lineage.delegate.as_ref().and_then(|client| client.spec.id_token_signed_response_alg);
    let algorithm = alg.map_or(Algorithm::Rs256, TokenAlg::algorithm);
    let issuer = app.issuer(&realm.realm);
    let ShownAt { at, factors } = authorized.spec.sign_in;
    let claims = id_token::Claims {
        iss: &issuer,
        sub: user.id,
        aud: authorized.client,
        exp: now + id_token::LIFE,
        iat: now,
        auth_time: at,
        nonce,
        acr: factors.acr(),
        amr: factors.amr(),
        at_hash: at_hash(beside.expose(), algorithm),
        sid: authorized.session,
        asked: userinfo::claims(user, &[], authorized.asked_of("id_token")),
    };
    mint::jwt(app, realm, algorithm, id_token::TYP, &claims, now).await.map(Some)
}

/// Why less is given than was asked for.
pub fn too_much(much: refresh::TooMuch) -> Refused {
    Refused { why: Some(much.as_str()), error: much.into() }
}
