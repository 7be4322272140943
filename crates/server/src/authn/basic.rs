//! People who send name and password with each request (RFC 7617), where the rule takes that.
//!
//! To hash at each request would be to hash for whoever sends many. So the right password is remembered for a while: its
//! principal lies in the cache under a keyed hash of realm, name and password that is of this start only, and goes with
//! everything that it depends on, the password itself among it. A wrong one is remembered by nobody: it is asked for again,
//! as far as those who guess may ([`crate::login::verify`]). Of many who ask the same at the same time one is hashed for.
//!
//! A client shows its id and its secret in the same place. Nothing slow is hashed for it, so that it is known at once.
//!
//! The pipeline does not wait; it says what is to be asked ([`Question`]), and is run again with what came of it
//! ([`Asked`]). Decides nothing but who it is.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use admit_core::check::address;
use admit_core::check::code::Reason;
use admit_core::credential::NamePassword;
use admit_core::grant::{Lineage, Subject};
use admit_core::id::RequestId;
use admit_core::login::basic::{Person, is_believed};
use admit_core::login::identifier::Identifier;
use admit_core::login::password::Password;
use admit_core::principal::Principal;
use admit_core::time::{Span, Time};
use ipnet::IpNet;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::cache::Tag;
use super::freshness;
use super::resolve::{self, Resolved};
use crate::app::App;
use crate::check::policies::RealmPolicy;
use crate::login::verify::{self, Asker, Refused};
use crate::oauth;

/// What must be asked before a request can be judged: whether this is the password. Printing it shows nothing of it.
pub struct Question {
    realm: Arc<RealmPolicy>,
    typed: NamePassword,
    tag: Tag,
    source: Option<IpNet>,
    request_id: RequestId,
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question").field("request_id", &self.request_id).finish_non_exhaustive()
    }
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The request for which it was asked.
    pub request_id: RequestId,
    /// What came of it.
    pub outcome: Outcome,
}

/// Whose password it is, or why that cannot be said.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// It is the right one.
    Proved(Arc<Principal>),
    /// It is not, or cannot be asked now.
    Refused {
        /// Why.
        reason: Reason,
        /// When it may be tried again, where that was too fast.
        guess_after_s: Option<u32>,
    },
}

impl From<Reason> for Outcome {
    fn from(reason: Reason) -> Self {
        Self::Refused { reason, guess_after_s: None }
    }
}

/// Who asks the same from the same network at the same time.
type Flight = ([u8; 16], Option<IpNet>);

/// The questions that are being answered. No more than there are places for hashing.
#[derive(Default)]
pub struct Flights(Mutex<HashMap<Flight, watch::Receiver<Option<Outcome>>>>);

/// Who that is, where his password was the right one a while ago.
pub fn known(app: &App, realm: &RealmPolicy, typed: &NamePassword, now: Time) -> Option<Arc<Principal>> {
    believed(app, &tag_of(app, realm, typed), now).filter(|_| freshness::overdue(app).is_none())
}

/// The same where the store cannot be asked, and the rule lets older knowledge serve.
pub fn known_before(
    app: &App,
    realm: &RealmPolicy,
    typed: &NamePassword,
    stale_for: Span,
    now: Time,
) -> Option<Resolved> {
    let stale = freshness::overdue(app)?.within(stale_for)?;
    let principal = believed(app, &tag_of(app, realm, typed), now)?;
    Some(Resolved { principal, stale: Some(stale) })
}

/// A client by its id and secret. What keeps it out, and after how many seconds it may try again where that was too fast.
pub fn client(
    app: &App,
    realm: &Arc<RealmPolicy>,
    shown: &NamePassword,
    client_ip: Option<IpAddr>,
    stale_for: Span,
    now: Time,
) -> Result<Resolved, (Reason, Option<u32>)> {
    let tag = app.tagger.tag_person(realm.realm.id, shown.name.expose(), shown.password.expose());
    let (kept, overdue) = (app.principals.get(&tag, &app.epochs), freshness::overdue(app));
    if let (Some(principal), None) = (&kept, overdue) {
        return Ok(principal.clone().into());
    }
    let proved = match oauth::client::by_secret(app, realm, &shown.name, &shown.password, client_ip, now) {
        Ok(proved) => proved,
        Err(oauth::client::Refused::Unproved) => return Err((Reason::WrongPassword, None)),
        Err(oauth::client::Refused::Later(seconds)) => return Err((Reason::GuessRate, Some(seconds))),
        Err(oauth::client::Refused::Unavailable) => {
            let stale = overdue.and_then(|overdue| overdue.within(stale_for));
            let older = kept.zip(stale).map(|(principal, stale)| Resolved { principal, stale: Some(stale) });
            return older.ok_or((Reason::StoreUnavailable, None));
        }
    };
    let (realm_row, known) = (realm.realm.clone(), &proved.client);
    // It was given nothing at some moment that a cutoff could be after: it shows with each request who it is.
    let since = now.max(realm_row.valid_after.max(known.client.valid_after).unwrap_or(now));
    let subject = Subject::Client(known.client.clone());
    let lineage = Lineage::of_subject(realm_row, subject, known.roles.to_vec(), since);
    let person = Person { lineage, apis: realm.apis.clone() };
    let position = known.position().min(realm.position(app));
    Ok(resolve::client(app, tag, position, &person, proved.expires_at, now).into())
}

fn believed(app: &App, tag: &Tag, now: Time) -> Option<Arc<Principal>> {
    app.principals.get(tag, &app.epochs).filter(|principal| is_believed(principal, now))
}

/// The same for every spelling of a name, and for a password from every keyboard.
fn tag_of(app: &App, realm: &RealmPolicy, typed: &NamePassword) -> Tag {
    let (name, password) = (typed.name.expose(), typed.password.expose());
    let name = Identifier::parse(name).map_or_else(|_| name.to_owned(), |name| name.as_str().to_owned());
    match Password::parse(password) {
        Ok(password) => app.tagger.tag_person(realm.realm.id, &name, password.expose()),
        Err(_) => app.tagger.tag_person(realm.realm.id, &name, password),
    }
}

impl Question {
    /// Asks for a request of this realm.
    pub fn new(
        app: &App,
        realm: &Arc<RealmPolicy>,
        typed: &NamePassword,
        client_ip: Option<IpAddr>,
        request_id: RequestId,
    ) -> Self {
        let (tag, source) = (tag_of(app, realm, typed), client_ip.map(address::network));
        Self { realm: realm.clone(), typed: typed.clone(), tag, source, request_id }
    }
}

/// Asks. Takes as long as hashing takes, and a place in its queue.
pub async fn ask(app: &App, question: Question) -> Asked {
    let request_id = question.request_id;
    let mut answer = join(app, question);
    let outcome = match answer.wait_for(Option::is_some).await {
        Ok(outcome) => outcome.clone(),
        Err(_) => None,
    };
    Asked { request_id, outcome: outcome.unwrap_or_else(|| Reason::StoreUnavailable.into()) }
}

/// Waits with those who ask the same, or begins.
fn join(app: &App, question: Question) -> watch::Receiver<Option<Outcome>> {
    let flight = (question.tag.octets(), question.source);
    let mut flights = app.basic.0.lock();
    if let Some(answer) = flights.get(&flight) {
        return answer.clone();
    }
    let (tell, answer) = watch::channel(None);
    flights.insert(flight, answer.clone());
    drop(flights);
    let landing = Landing { app: app.clone(), flight };
    // On its own: who began it may leave, and others wait for it.
    tokio::spawn(async move {
        let outcome = prove(&landing.app, &question).await;
        drop(landing);
        let _ = tell.send(Some(outcome));
    });
    answer
}

/// Ends a flight, also where it broke.
struct Landing {
    app: App,
    flight: Flight,
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.app.basic.0.lock().remove(&self.flight);
    }
}

async fn prove(app: &App, question: &Question) -> Outcome {
    let Question { realm, typed, tag, source, request_id } = question;
    // Somebody may have asked the same a moment ago.
    if let Some(principal) = believed(app, tag, app.now()).filter(|_| freshness::overdue(app).is_none()) {
        return Outcome::Proved(principal);
    }
    // Before the password is read: if it changes meanwhile, what is kept now is worth nothing.
    let position = app.epochs.position();
    let asker = Asker { source: *source, known: None, request_id: *request_id };
    let proved = verify::password(app, &realm.realm, typed.name.expose(), &typed.password, asker).await;
    let user = match proved {
        Ok(proved) => proved.user,
        Err(refused) => return refused.into(),
    };
    let now = app.now();
    match app.store.point(|tx| tx.find_person(realm.realm.id, user, now)) {
        Ok(Some(person)) => Outcome::Proved(resolve::person(app, *tag, position, &person, now)),
        Ok(None) => Reason::WrongPassword.into(),
        Err(error) => {
            freshness::log_unread(app, &error, "a person");
            resolve::unreadable(&error).into()
        }
    }
}

impl From<Refused> for Outcome {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Wrong => Reason::WrongPassword.into(),
            Refused::NeedsLink => Reason::LinkNeeded.into(),
            Refused::Later { retry_after_s } => {
                Self::Refused { reason: Reason::GuessRate, guess_after_s: Some(retry_after_s) }
            }
            Refused::Full => Reason::QueueFull.into(),
            Refused::Unavailable => Reason::StoreUnavailable.into(),
        }
    }
}
