//! Mails to people: written in their language, queued in memory, sent by SMTP.
//!
//! [`send`] never waits: who asks for a mail must not learn by the time of the answer whether one was sent, and a mail
//! server that is slow holds nobody up. What waits is bounded, for a realm and for an address, and is tried again for as
//! long as the link in it is good. A restart forgets what waits: people ask again. With `--dev` nothing is sent; mails go
//! to the catcher behind `/dev/mail`.
//!
//! No log, event or metric has the address or the text of a mail: one of them is personal, the other one a secret.

pub mod catcher;
mod letter;
mod post;
mod sender;
mod smtp;
mod throttle;

use admit_core::id::{RealmId, UserId};
use admit_core::realm::Realm;
use admit_core::text::Language;
use admit_core::time::{Span, Time};
use lettre::Address;

use crate::app::App;
use crate::config::public_authority;

pub use letter::Letter;
pub use post::Post;
pub use sender::run;

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mail<'m> {
    /// A link to set a new password.
    PasswordReset(Link<'m>),
    /// A link to choose the first password.
    Invitation(Link<'m>),
    /// A link to make an account.
    Registration(Link<'m>),
    /// Somebody wants to use the address, and its owner does already. The link leads to signing in.
    AddressInUse(Link<'m>),
    /// A link that shows whose the address is.
    AddressProof(Link<'m>),
    /// Another address has taken the place of this one.
    AddressChanged,
    /// The password is another one now.
    PasswordChanged,
    /// A key that acts as them was made.
    KeyCreated {
        /// What its person called it.
        name: &'m str,
    },
    /// A key that acts as them has another secret now.
    KeyRolled {
        /// What its person called it.
        name: &'m str,
    },
    /// An application's access was ended: somebody else had what renews it.
    AppEnded {
        /// What the application is called.
        name: &'m str,
    },
}

/// A link, and for how long it is good from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link<'m> {
    /// Where to.
    pub to: &'m str,
    /// For how long.
    pub good_for: Span,
}

/// How long a mail without a link is worth sending.
const NOTICE_LIFE: Span = Span::hours(24);

impl<'m> Mail<'m> {
    /// Under which the catalogues keep the words of each, and whether these stand around a link.
    pub const KEYS: [(&'static str, bool); 10] = [
        ("password-reset", true),
        ("invitation", true),
        ("registration", true),
        ("address-in-use", true),
        ("address-proof", true),
        ("address-changed", false),
        ("password-changed", false),
        ("key-created", false),
        ("key-rolled", false),
        ("app-ended", false),
    ];

    /// Its key among those.
    pub const fn key(&self) -> &'static str {
        let place = match self {
            Self::PasswordReset(_) => 0,
            Self::Invitation(_) => 1,
            Self::Registration(_) => 2,
            Self::AddressInUse(_) => 3,
            Self::AddressProof(_) => 4,
            Self::AddressChanged => 5,
            Self::PasswordChanged => 6,
            Self::KeyCreated { .. } => 7,
            Self::KeyRolled { .. } => 8,
            Self::AppEnded { .. } => 9,
        };
        Self::KEYS[place].0
    }

    /// The link in it.
    pub const fn link(&self) -> Option<Link<'m>> {
        match *self {
            Self::PasswordReset(link)
            | Self::Invitation(link)
            | Self::Registration(link)
            | Self::AddressInUse(link)
            | Self::AddressProof(link) => Some(link),
            Self::AddressChanged
            | Self::PasswordChanged
            | Self::KeyCreated { .. }
            | Self::KeyRolled { .. }
            | Self::AppEnded { .. } => None,
        }
    }

    /// The name in it.
    const fn name(&self) -> &'m str {
        match *self {
            Self::KeyCreated { name } | Self::KeyRolled { name } | Self::AppEnded { name } => name,
            _ => "",
        }
    }
}

/// To whom.
#[derive(Debug, Clone, Copy)]
pub struct To<'t> {
    /// The address that is stored, never one that was typed (PW-06).
    pub address: &'t str,
    /// Whose it is, for the audit.
    pub user: Option<UserId>,
    /// In which language.
    pub language: Language,
}

/// What became of a mail. Whoever asked for it is told the same in every case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It will be sent, or be tried for as long as it is worth it.
    Queued,
    /// The address had enough of them in this hour.
    Limited,
    /// Too many wait.
    Full,
    /// There is no mail server, or the address is none.
    NoWay,
}

/// Whether mails go anywhere.
pub fn is_there(app: &App) -> bool {
    app.dev || app.config.load().mail.is_some()
}

/// Has a mail sent, sometime soon.
pub fn send(app: &App, realm: &Realm, to: To<'_>, mail: &Mail<'_>, now: Time) -> Outcome {
    let outcome = try_send(app, realm, to, mail, now);
    app.metrics.mail.count(outcome);
    if outcome != Outcome::Queued {
        tracing::warn!(mail = mail.key(), realm = %realm.name, outcome = ?outcome, "a mail is not sent");
    }
    outcome
}

fn try_send(app: &App, realm: &Realm, to: To<'_>, mail: &Mail<'_>, now: Time) -> Outcome {
    let Ok(address) = to.address.parse::<Address>() else { return Outcome::NoWay };
    if !is_there(app) {
        return Outcome::NoWay;
    }
    if !app.mail.throttle.lock().admit(realm.id, to.address, mail.link().is_some(), now) {
        return Outcome::Limited;
    }
    let issuer = app.issuer(realm);
    let letter = Letter::write(mail, to.language, public_authority(&issuer));
    if app.dev {
        app.mail.catch(&address, letter, now);
        return Outcome::Queued;
    }
    let good_until = now + mail.link().map_or(NOTICE_LIFE, |link| link.good_for);
    app.mail.put(post::Waiting::new(realm.id, address, to.user, mail.key(), letter, good_until, now))
}

/// Where a mail belongs, for the audit.
#[derive(Debug, Clone, Copy)]
struct About {
    realm: RealmId,
    user: Option<UserId>,
    kind: &'static str,
}
