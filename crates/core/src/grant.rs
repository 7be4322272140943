//! Grants: everything that can act. What grew out of an ended grant dies by evaluation, never by cascade.
//!
//! Effective scopes = granted ∩ parents' ∩ the subject's rights *now* ∩ what the API still defines; of what a person lets an
//! application do, also ∩ what that may ask for *now*. A session that something grew from narrows it by no scope, and ends it.
//! Rights that come back, come back.

use crate::api::Api;
use crate::check::code::Reason;
use crate::client::Client;
use crate::id::{ApiId, ClientId, GrantId, OrgId, RealmId, SubjectId};
use crate::login::session::Session;
use crate::name::{ApiUri, RoleName, ScopeName};
use crate::oauth::authorized::Authorized;
use crate::oauth::identity::IdentityScope;
use crate::principal::Standing;
use crate::realm::Realm;
use crate::role::{self, Role};
use crate::scope::{self, CHECK, Rights};
use crate::time::Time;
use crate::user::User;

/// How deep grants may grow out of one another.
pub const DEPTH_MAX: usize = 8;

/// What made a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GrantKind {
    /// An API key.
    Key,
    /// A sign-in at the issuer.
    Session,
    /// The same person on one protected host.
    Site,
    /// A browser in which somebody signed in before.
    Device,
    /// What a client does as itself (RFC 6749 §4.4): lends all that it may do on the API.
    Client,
    /// What a person lets an application do: one per code or device flow.
    Authorization,
}

impl GrantKind {
    const ALL: [Self; 6] = [Self::Key, Self::Session, Self::Site, Self::Device, Self::Client, Self::Authorization];

    /// The word in the store and in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Session => "session",
            Self::Site => "site",
            Self::Device => "device",
            Self::Client => "client",
            Self::Authorization => "authorization",
        }
    }

    /// The kind that a stored word names.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// "Subject S lets the holder act, on API A, with scopes X, until T."
#[derive(Debug, Clone, PartialEq)]
pub struct Grant {
    /// Its id.
    pub id: GrantId,
    /// Where it belongs.
    pub realm: RealmId,
    /// The customer that owns it.
    pub org: Option<OrgId>,
    /// What made it.
    pub kind: GrantKind,
    /// Whose rights it lends.
    pub subject: SubjectId,
    /// The application that holds it, where it is another than the subject.
    pub client: Option<ClientId>,
    /// The grant that it grew from.
    pub parent: Option<GrantId>,
    /// The first of its line; itself where it has no parent.
    pub root: GrantId,
    /// The API it is for.
    pub api: Option<ApiId>,
    /// What was granted, sorted.
    pub scopes: Vec<ScopeName>,
    /// When it was made.
    pub created_at: Time,
    /// When it ends by itself.
    pub expires_at: Option<Time>,
    /// When it was ended.
    pub revoked_at: Option<Time>,
}

/// A subject as it is now.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a lineage has one, and is much larger itself")]
pub enum Subject {
    /// A person.
    User(User),
    /// An application.
    Client(Client),
}

impl Subject {
    /// Its id.
    pub fn id(&self) -> SubjectId {
        match self {
            Self::User(user) => SubjectId::User(user.id),
            Self::Client(client) => SubjectId::Client(client.id),
        }
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        match self {
            Self::User(user) => user.spec.name.as_str(),
            Self::Client(client) => client.spec.name.as_str(),
        }
    }

    /// What it may do itself: the rights of its roles and, for a client, those of its own row.
    pub fn rights(&self, roles: &[Role]) -> Rights {
        let mut rights = match self {
            Self::User(_) => Rights::new(),
            Self::Client(client) => client.spec.rights.clone(),
        };
        roles.iter().for_each(|role| scope::unite(&mut rights, &role.spec.rights));
        rights
    }

    fn disabled_at(&self) -> Option<Time> {
        match self {
            Self::User(user) => user.disabled_at,
            Self::Client(client) => client.disabled_at,
        }
    }

    fn valid_after(&self) -> Option<Time> {
        match self {
            Self::User(user) => user.valid_after,
            Self::Client(client) => client.valid_after,
        }
    }
}

/// Everything that a grant's worth depends on, as one snapshot of the store saw it.
#[derive(Debug, Clone)]
pub struct Lineage {
    /// Its realm.
    pub realm: Realm,
    /// The grant.
    pub grant: Grant,
    /// What it grew from, nearest first.
    pub ancestors: Vec<Grant>,
    /// Whose rights it lends; none where the row is gone.
    pub subject: Option<Subject>,
    /// The roles that the subject holds.
    pub roles: Vec<Role>,
    /// The API it is for; none where it names none, or the API is gone.
    pub api: Option<Api>,
    /// The application that holds it, where it names one; none where that is gone.
    pub delegate: Option<Client>,
    /// What an authorization knows besides.
    pub authorized: Option<Authorized>,
    /// The session that it grew from, where it is an authorization that ends with one.
    pub session: Option<Session>,
}

impl Lineage {
    /// Of somebody who shows with each request who he is: a grant of all that he may do, begun at this moment, that is
    /// written nowhere.
    pub fn of_subject(realm: Realm, subject: Subject, roles: Vec<Role>, now: Time) -> Self {
        let id = GrantId::from_bytes([0; 16]);
        let grant = Grant {
            id,
            realm: realm.id,
            org: None,
            kind: GrantKind::Session,
            subject: subject.id(),
            client: None,
            parent: None,
            root: id,
            api: None,
            scopes: Vec::new(),
            created_at: now,
            expires_at: None,
            revoked_at: None,
        };
        Self {
            realm,
            grant,
            ancestors: Vec::new(),
            subject: Some(subject),
            roles,
            api: None,
            delegate: None,
            authorized: None,
            session: None,
        }
    }

    /// Why nothing may be done with the grant whatever its scopes, judged without a clock: expiry is looked at per request.
    pub fn halted(&self) -> Option<Reason> {
        let Some(subject) = &self.subject else { return Some(Reason::OwnerGone) };
        let holder = self.delegate.as_ref();
        if self.grant.client.is_some() && holder.is_none() {
            return Some(Reason::ClientGone);
        }
        let cutoff = self.realm.valid_after.max(subject.valid_after()).max(holder.and_then(|it| it.valid_after));
        let api_is_gone = self.grant.api.is_some() && self.api.is_none();
        if self.realm.disabled_at.is_some() {
            Some(Reason::RealmDisabled)
        } else if self.grant.revoked_at.is_some() {
            Some(Reason::Revoked)
        } else if api_is_gone || self.ancestors.iter().any(|ancestor| ancestor.revoked_at.is_some()) {
            Some(Reason::ParentEnded)
        } else if cutoff.is_some_and(|cutoff| self.grant.created_at < cutoff) {
            Some(Reason::IssuedBeforeCutoff)
        } else if subject.disabled_at().is_some() {
            Some(Reason::OwnerDisabled)
        } else if holder.is_some_and(|client| client.disabled_at.is_some()) {
            Some(Reason::ClientDisabled)
        } else {
            None
        }
    }

    /// When the grant ends by itself: the earliest end of its line.
    pub fn expires_at(&self) -> Option<Time> {
        self.ancestors.iter().chain([&self.grant]).filter_map(|grant| grant.expires_at).min()
    }

    /// What may be done with it now.
    pub fn standing(&self) -> Standing {
        let Some(subject) = &self.subject else { return Standing::default() };
        let Some(api) = &self.api else { return self.standing_on_none() };
        if self.grant.kind == GrantKind::Client {
            return self.standing_on(api);
        }
        let rights = subject.rights(&self.roles);
        let own = rights.get(&api.spec.uri);
        let is_defined = |scope: &ScopeName| scope.as_str() == CHECK || api.spec.scopes.contains_key(scope);
        let is_held = |scope: &ScopeName| own.is_some_and(|own| own.contains(scope));
        let is_given = |scope: &ScopeName| {
            is_held(scope) && is_defined(scope) && self.is_inherited(scope) && self.is_for_client(api, scope)
        };
        let is_of_person = |scope: &ScopeName| self.is_identity(scope);
        let given = self.grant.scopes.iter().filter(|scope| is_of_person(scope) || is_given(scope));
        let mut scopes: Vec<_> = given.cloned().collect();
        scopes.sort();
        scopes.dedup();
        Standing { roles: self.roles_of(Some(api), &scopes), api: Some(api.spec.uri.clone()), scopes }
    }

    /// What may be done on no API. An application that was told who somebody is does not speak with the weight of his roles.
    fn standing_on_none(&self) -> Standing {
        if self.grant.kind != GrantKind::Authorization {
            return Standing { roles: self.roles_of(None, &[]), ..Standing::default() };
        }
        let mut scopes: Vec<_> = self.grant.scopes.iter().filter(|scope| self.is_identity(scope)).cloned().collect();
        scopes.sort();
        scopes.dedup();
        Standing { scopes, ..Standing::default() }
    }

    /// Whether what it grew from has a scope too; sessions have none, and give all that their person may do.
    fn is_inherited(&self, scope: &ScopeName) -> bool {
        let narrows = |ancestor: &&Grant| !matches!(ancestor.kind, GrantKind::Session | GrantKind::Site);
        self.ancestors.iter().filter(narrows).all(|ancestor| ancestor.scopes.contains(scope))
    }

    /// Whether the application that holds it may ask for a scope.
    fn is_for_client(&self, api: &Api, scope: &ScopeName) -> bool {
        if self.grant.client.is_none() {
            return true;
        }
        let rights = self.delegate.as_ref().and_then(|client| client.spec.rights.get(&api.spec.uri));
        rights.is_some_and(|rights| rights.contains(scope))
    }

    /// Scopes about who somebody is are the person's to give, to applications only.
    fn is_identity(&self, scope: &ScopeName) -> bool {
        self.grant.kind == GrantKind::Authorization && IdentityScope::of(scope).is_some()
    }

    /// What a grant that lends all of its subject's rights may do on an API now.
    pub fn standing_on(&self, api: &Api) -> Standing {
        let rights = self.subject.as_ref().map(|subject| subject.rights(&self.roles)).unwrap_or_default();
        let is_defined = |scope: &&ScopeName| scope.as_str() == CHECK || api.spec.scopes.contains_key(*scope);
        let own = rights.get(&api.spec.uri);
        let scopes: Vec<_> = own.into_iter().flatten().filter(is_defined).cloned().collect();
        Standing { roles: self.roles_of(Some(api), &scopes), api: Some(api.spec.uri.clone()), scopes }
    }

    /// The APIs that the subject's rights name.
    pub fn rights_on(&self) -> impl Iterator<Item = ApiUri> {
        self.subject.as_ref().map(|subject| subject.rights(&self.roles)).unwrap_or_default().into_keys()
    }

    /// What a grant carries of its subject's roles: see [`role::carried`].
    pub(crate) fn roles_of(&self, api: Option<&Api>, scopes: &[ScopeName]) -> Vec<RoleName> {
        role::carried(&self.roles, api.map(|api| &api.spec.uri), scopes)
    }
}
