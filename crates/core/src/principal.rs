//! The resolved caller: facts about who acts and with what, never a verdict.
//!
//! Only `server::authn::resolve` makes one. A principal is kept in the cache for as long as nothing it depends on
//! changes; expiry, address, binding and rule are judged at each request ([`Principal::usable`]).

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::check::code::Reason;
use crate::id::{ClientId, GrantId, KeyId, OrgId, SubjectId, TokenId};
use crate::jose::claims::LEEWAY;
use crate::limit::Rate;
use crate::login::session::SignIn;
use crate::name::{ApiUri, RoleName, ScopeName};
use crate::time::{Span, Time};

/// How the caller proved who he is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CredentialKind {
    /// An API key.
    ApiKey,
    /// The operator key of this start of the server.
    OperatorKey,
    /// A cookie of somebody who signed in.
    Session,
    /// A person's name and password, or a client's id and secret, with each request.
    Basic,
    /// An access token, opaque or a JWT.
    AccessToken,
}

impl CredentialKind {
    /// The word of `require.credentials` and of answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::OperatorKey => "operator_key",
            Self::Session => "session",
            Self::Basic => "basic",
            Self::AccessToken => "access_token",
        }
    }

    /// The kind that a rule may name with this word.
    pub fn of_rule(word: &str) -> Option<Self> {
        [Self::ApiKey, Self::Session, Self::Basic, Self::AccessToken].into_iter().find(|kind| kind.as_str() == word)
    }
}

/// What many callers share and is kept once: the API and what may be done there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Standing {
    /// The API that the grant is for; none says who, not what.
    pub api: Option<ApiUri>,
    /// Effective scopes, sorted.
    pub scopes: Vec<ScopeName>,
    /// Effective roles, sorted.
    pub roles: Vec<RoleName>,
}

impl Standing {
    /// True where the effective scopes have this one.
    pub fn has_scope(&self, scope: &ScopeName) -> bool {
        self.scopes.binary_search(scope).is_ok()
    }
}

/// What few callers have.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Profile {
    /// The e-mail address of a user.
    pub email: Option<String>,
    /// The id of the same subject in another system.
    pub external_id: Option<String>,
    /// The customer inside the realm.
    pub org: Option<OrgId>,
    /// Free JSON of at most 4 kB; `null` where there is none.
    pub metadata: serde_json::Value,
    /// Where the credential may be used from; empty is anywhere.
    pub ip: Vec<IpNet>,
    /// The limit of the credential itself.
    pub rate: Option<Rate>,
}

/// The access token that was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// Its name: the `jti`.
    pub id: TokenId,
    /// When it was issued.
    pub issued_at: Time,
    /// When it ends by itself; its grant may end before.
    pub expires_at: Time,
}

/// The facts.
#[derive(Debug, Clone, PartialEq)]
pub struct Principal {
    /// Who acts.
    pub subject: SubjectId,
    /// The application that acts for the subject; none where the subject acts itself.
    pub client: Option<ClientId>,
    /// What is acted on; none for the operator key.
    pub grant: Option<GrantId>,
    /// The API key.
    pub key: Option<KeyId>,
    /// Which of the key's secrets was shown, counted from 1.
    pub secret_number: u32,
    /// How it was proved.
    pub credential: CredentialKind,
    /// The name of the subject.
    pub name: Arc<str>,
    /// API, scopes and roles; of who signed in, what he is on no API: see [`SignIn::standings`].
    pub standing: Arc<Standing>,
    /// When the credential ends by itself.
    pub expires_at: Option<Time>,
    /// True where the end of [`Self::expires_at`] is that of a rolled key's overlap.
    pub rolled: bool,
    /// Why it is not to be used at all: revoked, switched off, its owner gone.
    pub halted: Option<Reason>,
    /// What few callers have.
    pub profile: Option<Arc<Profile>>,
    /// What is known of a sign-in, where that is how it was proved.
    pub sign_in: Option<Box<SignIn>>,
    /// The access token, where that is how it was proved.
    pub token: Option<Box<Token>>,
}

impl Principal {
    /// Whether the credential may be used at this moment from this address, whatever for.
    pub fn usable(&self, client_ip: Option<IpAddr>, now: Time) -> Result<(), Reason> {
        if let Some(reason) = self.halted {
            return Err(reason);
        }
        // Nodes issue by their own clocks, and others read `exp` by theirs.
        let leeway = if self.token.is_some() { LEEWAY } else { Span::ZERO };
        if self.expires_at.is_some_and(|end| end + leeway <= now) {
            return Err(if self.rolled { Reason::RolledOver } else { Reason::Expired });
        }
        if self.sign_in.as_ref().is_some_and(|sign_in| sign_in.is_idle(now)) {
            return Err(Reason::Idle);
        }
        let networks = self.profile.as_ref().map_or(&[][..], |profile| &profile.ip);
        match client_ip {
            _ if networks.is_empty() => Ok(()),
            None => Err(Reason::IpUnknown),
            Some(ip) if networks.iter().any(|network| network.contains(&ip)) => Ok(()),
            Some(_) => Err(Reason::IpNotAllowed),
        }
    }

    /// The sign-in of who is himself there and may what he may on every API; a token is good for its own only.
    pub fn everywhere(&self) -> Option<&SignIn> {
        self.sign_in.as_deref().filter(|_| self.credential != CredentialKind::AccessToken)
    }

    /// `user` or `client`.
    pub fn subject_kind(&self) -> SubjectKind {
        match self.subject {
            SubjectId::User(_) => SubjectKind::User,
            SubjectId::Client(_) => SubjectKind::Client,
        }
    }
}

/// A person or an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SubjectKind {
    /// A person.
    User,
    /// An application.
    Client,
}

impl SubjectKind {
    /// The word of `require.subjects` and of answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Client => "client",
        }
    }
}
