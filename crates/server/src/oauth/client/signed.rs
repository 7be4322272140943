//! Clients that sign to say who they are (RFC 7523 §2.2): the keys are found, the text is judged, and spent.
//!
//! What makes it good is [`admit_core::oauth::assertion`]'s to say. It is spent in the store by one statement, after
//! everything else was right, so that it is good once on all nodes together and over every restart.
//!
//! Wrong ones are counted like wrong secrets and never keep a right one out, whoever sends them: it is looked at all the same,
//! though in turn. What cannot be looked at, because the client's keys cannot be had, is neither right nor wrong.

use admit_core::client::AuthMethod;
use admit_core::jose::jwk::{self, KeySet};
use admit_core::jose::jws::Compact;
use admit_core::oauth::Error;
use admit_core::oauth::assertion::{self, Proved, Unproved};
use admit_core::secret::Secret;
use admit_store::End;
use tokio::sync::Semaphore;

use super::key_set::{self, Away};
use super::{Attempt, Caller, KnownClient, Refused, guess};
use crate::jobs::sign_in::Why;

/// Held while a signature is looked at of whom too many wrong ones were sent. Nothing is waited for meanwhile.
static TURN: Semaphore = Semaphore::const_new(1);

/// Nothing that is signed stands in a header.
impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        refused.told(false)
    }
}

impl From<Away> for Error {
    fn from(away: Away) -> Self {
        let told = "The keys of this client cannot be fetched from its jwks_uri right now.";
        Self { description: told.into(), retry_after_s: Some(away.retry_after_s), ..Self::unavailable() }
    }
}

impl Attempt<'_> {
    pub(super) async fn by_assertion(&self, id: Option<&str>, text: &Secret) -> Result<Caller, Error> {
        let (text, method) = (text.expose(), AuthMethod::PrivateKeyJwt);
        let claimed = assertion::claimed(text).map(|claimed| claimed.to_string());
        let named = match (id, claimed.as_deref()) {
            // The name beside it is the one in it (RFC 7521 §4.2).
            (Some(id), Some(claimed)) if id != claimed => return Err(self.wrong(id, None, Why::BadAssertion).into()),
            (id, claimed) => id.or(claimed).ok_or(Refused::Unproved)?,
        };
        let known = self.find(named)?;
        if let Some(why) = self.objection(known.as_deref(), |spec| spec.proves_by(method)) {
            return Err(self.wrong(named, known.as_deref(), why).into());
        }
        let Some(client) = known else { return Err(Refused::Unproved.into()) };
        let proved = match Compact::parse(text) {
            Ok(compact) => {
                let keys = self.keys(&client, compact.header().kid.as_deref()).await?;
                self.judge(&client, named, &compact, &keys).await
            }
            Err(flaw) => Err(flaw.into()),
        };
        let proved = proved.map_err(|why| {
            tracing::debug!(client.id = %client.client.id, "an assertion proves nothing: {why}");
            self.wrong(named, Some(&client), Why::BadAssertion)
        })?;
        if !self.spend(&client, proved).await? {
            return Err(self.wrong(named, Some(&client), Why::SpentAssertion).into());
        }
        Ok(Caller { client, method })
    }

    async fn keys(&self, client: &KnownClient, kid: Option<&str>) -> Result<KeySet, Away> {
        let spec = &client.client.spec;
        match &spec.jwks_uri {
            None => Ok(jwk::pick(&spec.jwks, kid)),
            Some(uri) => key_set::of(self.app, self.realm.realm.id, uri, kid).await,
        }
    }

    async fn judge(
        &self,
        client: &KnownClient,
        named: &str,
        text: &Compact<'_>,
        keys: &KeySet,
    ) -> Result<Proved, Unproved> {
        let issuer = self.app.issuer(&self.realm.realm);
        // A signature is dear to look at. Where too many were wrong it is done one after another, so that all who send wrong ones
        // together take one thread, and a right one among them is not refused (TK-17).
        let _turn = match guess::look(self.app, self.realm.realm.id, named, self.source) {
            Ok(()) => None,
            Err(_) => Some(TURN.acquire().await),
        };
        assertion::verify(text, keys, client.client.id, &issuer, self.now)
    }

    /// True for the first who shows it.
    async fn spend(&self, client: &KnownClient, proved: Proved) -> Result<bool, Refused> {
        let (realm, id) = (self.realm.realm.id, client.client.id);
        let Proved { digest, expires_at } = proved;
        let Some(_place) = self.app.lanes.enter(realm).await else { return Err(Refused::Unavailable) };
        let spent = self.app.store.write(move |tx| tx.spend_assertion(realm, id, &digest, expires_at).map(End::Commit));
        spent.await.map_err(|error| {
            tracing::warn!(error = %error, "an assertion cannot be spent");
            Refused::Unavailable
        })
    }
}
