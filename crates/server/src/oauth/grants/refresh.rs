//! `grant_type=refresh_token` (RFC 6749 §6): tokens for what a person approved, for as long as that counts.
//!
//! What becomes of a token is ruled in core; here it is looked up, done, and settled by one guarded statement. Of many that
//! present the same one at once, one makes the successor, and the others are told the same. Tokens are made before anything
//! is written: where they cannot be, the one that was presented is as good as before.

use admit_core::api::TokenFormat;
use admit_core::audit::Event;
use admit_core::check::code::Reason;
use admit_core::grant::{Lineage, Subject};
use admit_core::oauth::refresh::reply::{self, Reply};
use admit_core::oauth::refresh::{self, Life, RefreshToken, Ruling, Shown, Why};
use admit_core::oauth::{Error, scope};
use admit_core::principal::Standing;
use admit_core::seal::NotOpened;
use admit_core::secret::{self, Secret, SecretKind};
use admit_core::text::Language;
use admit_store::{AuthorizationUse, End, FoundRefreshToken};
use serde_json::json;

use crate::app::App;
use crate::authn::freshness::Before;
use crate::login::session::Seen;
use crate::mail::{self, Mail, To};
use crate::master;
use crate::oauth::call::Call;
use crate::oauth::client::Caller;
use crate::oauth::mint::{self, Drawn, Issued, Terms};
use crate::oauth::token::{Given, Refused, must_act_for_people};
use crate::oauth::{answer, authorization, budget};

/// The word.
pub const GRANT_TYPE: &str = "refresh_token";

/// How often one looks again where another was first.
const TURNS: usize = 3;

/// What the application gets for a refresh token.
pub async fn post(app: &App, call: &Call, caller: &Caller) -> Result<Given, Refused> {
    must_act_for_people(caller)?;
    let text = call.form.value("refresh_token").ok_or_else(|| Error::request("refresh_token is missing."))?;
    let text = Secret::new(text);
    for _ in 0..TURNS {
        let shown = look_up(app, call, caller, text.expose())?;
        let shown = shown.ok_or_else(|| Refused::grant(Why::Unknown.as_str(), Why::Unknown))?;
        let ruling = refresh::judge(&shown, &caller.client.client, call.now);
        match ruling {
            Ruling::Refuse(why) => return Err(Refused::grant(why.as_str(), why)),
            Ruling::Revoke => return Err(revoke(app, call, caller, &shown).await),
            _ => {}
        }
        let standing = refresh::narrow(&shown.lineage, call.form.value("scope"), call.form.resources());
        let turn = Turn { app, call, caller, text: &text, standing: standing.map_err(authorization::too_much)? };
        let given = match ruling {
            Ruling::Keep { is_due } => turn.keep(&shown, is_due).await?,
            Ruling::Repeat => Some(turn.repeat(&shown).await?),
            _ => turn.rotate(&shown).await?,
        };
        if let Some(given) = given {
            return Ok(given);
        }
    }
    Err(Error::unavailable().into())
}

/// Whether a text can only be a refresh token.
pub fn looks_like(text: &str) -> bool {
    secret::read(text).is_ok_and(|opaque| opaque.kind == SecretKind::RefreshToken)
}

/// What is kept of a refresh token, whoever's it is; none where nothing is.
pub fn look_up(app: &App, call: &Call, caller: &Caller, text: &str) -> Result<Option<Shown>, Error> {
    if !looks_like(text) {
        return Ok(None);
    }
    let realm = call.realm.realm.id;
    let keys = app.master.keys();
    let hashes = keys.hashes(realm, SecretKind::RefreshToken, text);
    let before = Before::now(app);
    let found = budget::look_up(app, call, caller, |tx| {
        let Some(FoundRefreshToken { token, successor }) = tx.find_refresh_token(realm, &hashes)? else {
            master::must_judge(tx, &keys)?;
            return Ok(None);
        };
        let lineage = app.lineages.find(app, tx, (realm, token.grant), before)?;
        Ok(lineage.map(|lineage| Shown { token, successor, lineage }))
    })?;
    // One that is used up stays what it is: its successor is found by its hash.
    let older = found.as_ref().map(|shown| &shown.token).filter(|token| token.spent_at.is_none());
    if let Some(token) = older.filter(|token| !token.hash.is(&hashes[0])) {
        app.master.note_move(&keys, realm, token.hash, hashes[0]);
    }
    Ok(found)
}

/// One look at a token that is good.
struct Turn<'a> {
    app: &'a App,
    call: &'a Call,
    caller: &'a Caller,
    text: &'a Secret,
    standing: Standing,
}

impl Turn<'_> {
    /// Another takes its place. None: somebody was first.
    async fn rotate(&self, shown: &Shown) -> Result<Option<Given>, Refused> {
        let (app, now) = (self.app, self.call.now);
        let (drawn, id_token) = self.tokens(&shown.lineage, None).await?;
        let (secret, next) = authorization::draw(app, &shown.lineage, &self.caller.client.client, now);
        let next = self.with_reply(next, &secret, &drawn.issued);
        let (old, kept, used) = (shown.token.hash, drawn.clone(), self.used(&shown.lineage));
        let is_noted = used.is_some();
        let _place = app.lanes.enter(next.realm).await.ok_or_else(Error::unavailable)?;
        let rotated = app.store.write(move |tx| {
            if !tx.rotate_refresh_token(&old, &next, now)? {
                return Ok(End::Rollback(false));
            }
            kept.write(tx)?;
            used.as_ref().map_or(Ok(()), |used| tx.touch_authorization(used))?;
            Ok(End::Commit(true))
        });
        let is_first = rotated.await.map_err(|error| answer::unread(&error))?;
        if is_noted {
            self.forget(shown);
        }
        Ok(is_first.then(|| self.given(drawn.hand_out(app), secret, id_token)))
    }

    /// It stays. None: it did not.
    async fn keep(&self, shown: &Shown, is_due: bool) -> Result<Option<Given>, Refused> {
        let (app, now) = (self.app, self.call.now);
        let (drawn, id_token) = self.tokens(&shown.lineage, None).await?;
        if is_due || drawn.is_kept() {
            let RefreshToken { realm, hash, .. } = shown.token;
            let (kept, used) = (drawn.clone(), self.used(&shown.lineage));
            let is_noted = used.is_some();
            let _place = app.lanes.enter(realm).await.ok_or_else(Error::unavailable)?;
            let written = app.store.write(move |tx| {
                if is_due && !tx.touch_refresh_token(realm, &hash, now)? {
                    return Ok(End::Rollback(false));
                }
                kept.write(tx)?;
                used.as_ref().map_or(Ok(()), |used| tx.touch_authorization(used))?;
                Ok(End::Commit(true))
            });
            if !written.await.map_err(|error| answer::unread(&error))? {
                return Ok(None);
            }
            if is_noted {
                self.forget(shown);
            }
        }
        Ok(Some(self.given(drawn.hand_out(app), self.text.clone(), id_token)))
    }

    /// The same again, signed anew; where something else is asked for now, a token for that beside the same successor.
    async fn repeat(&self, shown: &Shown) -> Result<Given, Refused> {
        let (app, now) = (self.app, self.call.now);
        let reply = self.open(shown)?;
        let is_same = reply.scopes == self.standing.scopes && reply.expires_at > now;
        if !is_same {
            let (drawn, id_token) = self.tokens(&shown.lineage, None).await?;
            let kept = drawn.clone();
            if drawn.is_kept() {
                mint::write(app, shown.token.realm, move |tx| kept.write(tx)).await?;
            }
            return Ok(self.given(drawn.hand_out(app), reply.successor, id_token));
        }
        let terms = Terms { id: reply.id, issued_at: reply.issued_at, expires_at: reply.expires_at };
        let Some(text) = reply.opaque else {
            let (drawn, id_token) = self.tokens(&shown.lineage, Some(terms)).await?;
            return Ok(self.given(drawn.hand_out(app), reply.successor, id_token));
        };
        let id_token =
            authorization::id_token(app, &self.call.realm, &shown.lineage, &self.standing, &text, None, now).await?;
        Ok(self.given(Issued::again(text, terms, now), reply.successor, id_token))
    }

    fn open(&self, shown: &Shown) -> Result<Reply, Refused> {
        let spent = || Refused::grant(Why::Spent.as_str(), Why::Spent);
        let sealed = shown.successor.as_ref().and_then(|next| next.reply.as_deref()).ok_or_else(spent)?;
        let place = reply::place(&shown.token, &shown.token.grant);
        match self.app.master.keys().open_with(self.text, &place, sealed) {
            Ok(octets) => Reply::read(&octets).ok_or_else(spent),
            Err(NotOpened::NoKey(_)) => Err(answer::cannot(Reason::StoreUnavailable).into()),
            Err(NotOpened::Forged) => {
                tracing::error!("what a refresh token was answered cannot be read: somebody changed it");
                Err(spent())
            }
        }
    }

    /// The successor with what its predecessor is answered, for that one only.
    fn with_reply(&self, next: RefreshToken, secret: &Secret, issued: &Issued) -> RefreshToken {
        let reply = Reply {
            successor: secret.clone(),
            id: issued.id,
            opaque: (issued.format == TokenFormat::Opaque).then(|| issued.text.clone()),
            issued_at: issued.issued_at,
            expires_at: issued.expires_at,
            scopes: self.standing.scopes.clone(),
        };
        let keys = self.app.master.keys();
        let key = keys.active().text_seal.of(self.text);
        let sealed = key.seal(&reply::place(&next, &next.grant), self.app.random(), &reply.octets());
        let reply_ends = refresh::reply_ends(&self.caller.client.client.spec, self.call.now);
        RefreshToken { reply: Some(sealed), reply_ends, ..next }
    }

    async fn tokens(&self, lineage: &Lineage, terms: Option<Terms>) -> Result<(Drawn, Option<Secret>), Refused> {
        authorization::tokens(self.app, &self.call.realm, lineage, &self.standing, terms, None, self.call.now).await
    }

    /// That the authorization was used, where that is worth a write.
    fn used(&self, lineage: &Lineage) -> Option<AuthorizationUse> {
        let (authorized, now) = (lineage.authorized.as_ref()?, self.call.now);
        let life = Life::of(&lineage.realm, &self.caller.client.client.spec);
        if !refresh::is_due(authorized.last_at, life, now) {
            return None;
        }
        let Seen { ip, agent } = Seen::of(&self.call.headers, self.call.ip);
        Some(AuthorizationUse { realm: authorized.realm, grant: authorized.grant, at: now, ip, agent })
    }

    /// What was read of the authorization says that it was not used for long.
    fn forget(&self, shown: &Shown) {
        self.app.lineages.forget(shown.token.realm, shown.token.grant);
    }

    fn given(&self, token: Issued, refresh_token: Secret, id_token: Option<Secret>) -> Given {
        let scope = scope::join(&self.standing.scopes);
        Given { token, scope, refresh_token: Some(refresh_token), id_token }
    }
}

/// Two have it who cannot both be the client: everything that came of it ends, and its person hears of it.
async fn revoke(app: &App, call: &Call, caller: &Caller, shown: &Shown) -> Refused {
    let (realm, now, grant) = (call.realm.realm.id, call.now, shown.token.grant);
    let client = &caller.client.client;
    let event = Event::new(app.id(now), realm, "refresh_token.reused", now).by(client.id).on(grant);
    let detail = json!({ "client": client.id, "subject": shown.lineage.grant.subject.to_string() });
    let event = Event { detail, ..event.asked_by(call.request_id) };
    let ended = app.store.write(move |tx| {
        let is_new = tx.revoke_grant(realm, grant, now)?;
        if is_new {
            tx.insert_event(&event)?;
        }
        Ok(End::Commit(is_new))
    });
    match ended.await {
        Ok(true) => tell(app, call, shown, client.spec.name.as_str()),
        Ok(false) => {}
        Err(error) => return answer::unread(&error).into(),
    }
    Refused::grant(Why::Reused.as_str(), Why::Reused)
}

fn tell(app: &App, call: &Call, shown: &Shown, name: &str) {
    let Some(Subject::User(user)) = &shown.lineage.subject else { return };
    let Some(email) = user.spec.email.as_ref().filter(|_| mail::is_there(app)) else { return };
    // Which language its person reads is not known to the application.
    let to = To { address: email.as_str(), user: Some(user.id), language: Language::default() };
    mail::send(app, &call.realm.realm, to, &Mail::AppEnded { name }, call.now);
}
