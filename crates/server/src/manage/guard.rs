//! Who may call the management API: the value that a handler must hold.
//!
//! Rules that guard `/v1` are built in: no data opens or closes them. A caller is the operator key of this start (as
//! Bearer, from a direct loopback peer), a key of the realm itself for its management API, a key of the realm of operators
//! for that realm's or the server's API, or an operator who is signed in at the console, whom only this process can name
//! ([`Insider`]): a cookie is worth nothing here. Refusals are counted and recorded like those of every other door.

use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use admit_core::check::code::Reason;
use admit_core::check::decision::{Decision, Verdict};
use admit_core::check::request::Request;
use admit_core::credential::{self, Accept, Place, Presented};
use admit_core::id::{RealmId, RequestId};
use admit_core::limit::Limit;
use admit_core::name::{self, RealmName, ScopeName};
use admit_core::principal::{CredentialKind, Principal, Standing};
use admit_core::realm::{OPERATORS, Realm};
use admit_core::scope::{self, Rights};
use admit_core::secret::{self, SecretKind};
use admit_core::time::Time;
use admit_core::token as core_token;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::response::{IntoResponse, Response};
use http::request::Parts;

use crate::app::App;
use crate::authn::resolve::{self, Ask};
use crate::authn::token;
use crate::check::pipeline::{self, Judged};
use crate::check::policies::RealmPolicy;
use crate::check::{Door, conclude, render};
use crate::http::Peer;
use crate::http::problem::Problem;
use crate::manage::inside::Insider;
use crate::manage::lane::InLane;

/// A scope of the management API, as a type.
pub trait Demand: Send + Sync + 'static {
    /// The scope of the realm's management API.
    const SCOPE: &'static str;
}

/// Declares the demands, one per line.
macro_rules! demands {
    ($($name:ident = $scope:literal;)*) => {$(
        #[doc = concat!("`", $scope, "`")]
        pub enum $name {}
        impl Demand for $name { const SCOPE: &'static str = $scope; }
    )*};
}

demands! {
    ApisRead = "apis:read"; ApisWrite = "apis:write";
    ClientsRead = "clients:read"; ClientsWrite = "clients:write"; ClientsRegister = "clients:register";
    UsersRead = "users:read"; UsersWrite = "users:write";
    RolesRead = "roles:read"; RolesWrite = "roles:write";
    RulesRead = "rules:read"; RulesWrite = "rules:write";
    KeysRead = "keys:read"; KeysWrite = "keys:write";
    GrantsRead = "grants:read"; GrantsWrite = "grants:write";
    SessionsRead = "sessions:read"; SessionsWrite = "sessions:write";
    SigningKeysRead = "signing-keys:read"; SigningKeysWrite = "signing-keys:write";
    EventsRead = "events:read";
    DecisionsRead = "decisions:read";
    RealmRead = "realm:read"; RealmWrite = "realm:write";
    Check = "check";
    ServerRead = "server:read"; ServerWrite = "server:write";
}

/// What an authorized call may build on.
pub struct Access {
    /// The realm that is managed.
    pub realm: Arc<RealmPolicy>,
    /// Who calls.
    pub caller: Arc<Principal>,
    /// The realm that the caller belongs to.
    pub caller_realm: RealmName,
    /// The id of this request.
    pub request_id: RequestId,
    /// The moment of this request.
    pub now: Time,
    /// Held while the realm is changed: see [`lane`](crate::manage::lane).
    _lane: Option<InLane>,
}

impl Access {
    /// A person who does something for himself, in his own realm, on a page.
    pub fn of_person(realm: &Arc<RealmPolicy>, caller: &Arc<Principal>, request_id: RequestId, now: Time) -> Self {
        let caller_realm = realm.realm.name.clone();
        Self { realm: realm.clone(), caller: caller.clone(), caller_realm, request_id, now, _lane: None }
    }

    /// The realm that is managed.
    pub fn realm_id(&self) -> RealmId {
        self.realm.realm.id
    }

    /// Who calls, as the audit names him.
    pub fn actor(&self) -> String {
        match self.caller.credential {
            CredentialKind::OperatorKey => "operator".to_owned(),
            CredentialKind::ApiKey => {
                self.caller.key.map_or_else(|| self.caller.subject.to_string(), |key| key.to_string())
            }
            CredentialKind::Session | CredentialKind::Basic | CredentialKind::AccessToken => {
                self.caller.subject.to_string()
            }
        }
    }

    /// True for those who may do everything: the operator key, and operators that manage the whole server.
    pub fn may_do_everything(&self) -> bool {
        let standing = &self.caller.standing;
        let manages_server = standing.api.as_ref() == Some(&name::server_api())
            && standing.scopes.iter().any(|scope| scope.as_str() == ServerWrite::SCOPE);
        self.caller.credential == CredentialKind::OperatorKey
            || (self.caller_realm.as_str() == OPERATORS && manages_server)
    }

    /// Nobody hands out a right over Admit that he does not hold.
    pub fn must_hold(&self, wanted: &Rights) -> Result<(), Problem> {
        if self.may_do_everything() {
            return Ok(());
        }
        let excess = scope::exceeding(wanted, &own_rights(&self.caller));
        let Some((api, scopes)) = excess.iter().next() else { return Ok(()) };
        let scopes: Vec<_> = scopes.iter().map(ScopeName::as_str).collect();
        let detail = format!("This would hand out {} on {api}, which you do not hold yourself.", scopes.join(" "));
        Err(Problem::new(403, "exceeds_own_rights", detail))
    }
}

/// What a caller may do himself: a person who signed in on every API, everybody else on the one of his credential.
fn own_rights(caller: &Principal) -> Rights {
    let on_each = caller.everywhere().into_iter().flat_map(|sign_in| sign_in.standings.iter());
    let mut rights = Rights::new();
    for standing in on_each.chain([&caller.standing]) {
        let Some(api) = &standing.api else { continue };
        rights.entry(api.clone()).or_default().extend(standing.scopes.iter().cloned());
    }
    rights
}

/// A call on one realm that its caller may make.
pub struct Permit<S> {
    access: Access,
    scope: PhantomData<fn() -> S>,
}

impl<S> Permit<S> {
    /// The same without the place in the realm's lane: what is done takes one itself, and who held one while he waits for
    /// another could wait for ever.
    pub fn without_lane(self) -> Access {
        Access { _lane: None, ..self.access }
    }
}

impl<S> Deref for Permit<S> {
    type Target = Access;

    fn deref(&self) -> &Access {
        &self.access
    }
}

impl<S: Demand> FromRequestParts<App> for Permit<S> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let params = RawPathParams::from_request_parts(parts, app).await.map_err(IntoResponse::into_response)?;
        let name = params.iter().find(|(key, _)| *key == "realm").map(|(_, value)| value.to_owned());
        let (caller, caller_realm) = authenticate(parts, app)?;
        let target = match &name {
            Some(name) => app.policies.named(app, Some(name)),
            None => app.policies.named(app, Some(caller_realm.realm.name.as_str())),
        };
        let realm = match target {
            Ok(Some(realm)) => realm,
            // Only who could see every realm learns which there are.
            Ok(None) => {
                let call = Call { app, parts, caller: &caller, caller_realm: &caller_realm, now: app.now() };
                call.authorize(None, S::SCOPE)?;
                return Err(Problem::new(
                    404,
                    "not_found",
                    format!("There is no realm \"{}\".", name.unwrap_or_default()),
                )
                .with_next("admit realm list")
                .into_response());
            }
            Err(_) => return Err(Problem::unavailable("the realm cannot be read").into_response()),
        };
        let call = Call { app, parts, caller: &caller, caller_realm: &caller_realm, now: app.now() };
        let ((request_id, caller), now) = (call.authorize(Some(&realm), S::SCOPE)?, call.now);
        let _lane = lane_of(app, realm.realm.id, S::SCOPE).await?;
        let access = Access { realm, caller, caller_realm: caller_realm.realm.name.clone(), request_id, now, _lane };
        Ok(Self { access, scope: PhantomData })
    }
}

/// A call on the whole server that its caller may make.
pub struct ServerPermit<S>(Permit<S>);

impl<S> Deref for ServerPermit<S> {
    type Target = Access;

    fn deref(&self) -> &Access {
        &self.0.access
    }
}

impl<S: Demand> FromRequestParts<App> for ServerPermit<S> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let (caller, caller_realm) = authenticate(parts, app)?;
        let call = Call { app, parts, caller: &caller, caller_realm: &caller_realm, now: app.now() };
        let ((request_id, caller), now) = (call.authorize(None, S::SCOPE)?, call.now);
        let realm = app.policies.of(app, app.operators).ok().flatten();
        let realm =
            realm.ok_or_else(|| Problem::unavailable("the realm of operators cannot be read").into_response())?;
        let _lane = lane_of(app, realm.realm.id, S::SCOPE).await?;
        let access = Access { realm, caller, caller_realm: caller_realm.realm.name.clone(), request_id, now, _lane };
        Ok(Self(Permit { access, scope: PhantomData }))
    }
}

/// A place in the realm's lane for those who may change something.
async fn lane_of(app: &App, realm: RealmId, scope: &str) -> Result<Option<InLane>, Response> {
    if !scope.ends_with(":write") {
        return Ok(None);
    }
    let place = app.lanes.enter(realm).await;
    place.map(Some).ok_or_else(|| {
        app.metrics.overloaded.inc();
        Problem::overloaded().into_response()
    })
}

/// A call at a door elsewhere, on a realm that is settled already. It holds no place in the realm's lane.
pub fn access<S: Demand>(parts: &Parts, app: &App, realm: &Arc<RealmPolicy>) -> Result<Access, Response> {
    let (caller, caller_realm) = authenticate_in(parts, app, realm.realm.id)?;
    let call = Call { app, parts, caller: &caller, caller_realm: &caller_realm, now: app.now() };
    let ((request_id, caller), now) = (call.authorize(Some(realm), S::SCOPE)?, call.now);
    let caller_realm = caller_realm.realm.name.clone();
    Ok(Access { realm: realm.clone(), caller, caller_realm, request_id, now, _lane: None })
}

/// Who calls, whatever he may do: for `whoami` and idempotency.
pub fn authenticate(parts: &Parts, app: &App) -> Result<(Arc<Principal>, Arc<RealmPolicy>), Response> {
    authenticate_in(parts, app, app.default_realm)
}

/// The same where what does not say whose it is is of a realm.
fn authenticate_in(parts: &Parts, app: &App, home: RealmId) -> Result<(Arc<Principal>, Arc<RealmPolicy>), Response> {
    if let Some(insider) = parts.extensions.get::<Insider>() {
        return Ok(insider.caller());
    }
    let now = app.now();
    let Some(peer) = parts.extensions.get::<Peer>().copied() else {
        return Err(Problem::unavailable("the peer of a connection is not known").into_response());
    };
    let config = app.config.load();
    let own = Request::own(parts.method.clone(), &parts.uri, &parts.headers, peer.0.ip(), &config.trusted_proxies);
    let request = own.map_err(|reason| {
        render::refused(app, OPERATORS, &conclude::refuse(app, None, reason, Door::Manage, now).decision)
    })?;
    let caller = Caller { app, request: &request, is_direct: peer.is_direct(&parts.headers), home, now };
    caller.authenticate()
}

struct Caller<'c> {
    app: &'c App,
    request: &'c Request<'c>,
    is_direct: bool,
    home: RealmId,
    now: Time,
}

type Authenticated = (Arc<Principal>, Arc<RealmPolicy>);

impl Caller<'_> {
    fn authenticate(&self) -> Result<Authenticated, Response> {
        let presented = credential::present(self.request.headers, None, &Accept::default());
        let presented = match presented {
            Ok(Some(presented)) => presented,
            Ok(None) => return Err(self.refuse(None, Reason::NoCredential, None, None)),
            Err(reason) => return Err(self.refuse(None, reason, None, None)),
        };
        let shown = Some((presented.place, core_token::hint(&presented.text)));
        let realm = self.realm_of(&presented).map_err(|reason| self.refuse(None, reason, None, shown.clone()))?;
        if let Some(operator) = self.operator(&presented) {
            return Ok((operator, realm));
        }
        let ask = Ask::at(self.request.client_ip, self.now);
        let principal = resolve::resolve(self.app, &realm, &presented, &ask)
            .map_err(|reason| self.refuse(Some(&realm), reason, None, shown.clone()))?
            .principal;
        let usable = principal.usable(self.request.client_ip, self.now);
        let usable = usable.and(if self.request.is_plain_http() { Err(Reason::PlainHttp) } else { Ok(()) });
        let usable = usable.and_then(|()| self.limit(realm.realm.id, &principal));
        match usable {
            Ok(()) => Ok((principal, realm)),
            Err(reason) => Err(self.refuse(Some(&realm), reason, Some(principal), shown)),
        }
    }

    /// A key's own limit holds here too.
    fn limit(&self, realm: RealmId, principal: &Principal) -> Result<(), Reason> {
        let Some(rate) = principal.profile.as_ref().and_then(|profile| profile.rate) else { return Ok(()) };
        let now_us = self.app.clock.monotonic_us();
        let taken = self.app.limiter.take(realm, &pipeline::of_key(principal), &Limit::from(rate), now_us);
        if taken.admitted { Ok(()) } else { Err(Reason::KeyLimit) }
    }

    fn operator(&self, presented: &Presented<'_>) -> Option<Arc<Principal>> {
        let may_be = presented.place == Place::Bearer && self.is_direct;
        may_be.then(|| resolve::operator(self.app, &presented.text)).flatten()
    }

    /// The prefix of a key says whose it is, and a JWT names its issuer; an opaque token is of the realm that the path names.
    /// Text that says nothing is judged in the realm that the door is of, `default` for most.
    fn realm_of(&self, presented: &Presented<'_>) -> Result<Arc<RealmPolicy>, Reason> {
        let app = self.app;
        if core_token::is_jwt(&presented.text) {
            let realm = token::realm_of_text(app, &presented.text)?;
            return app.policies.of(app, realm.unwrap_or(self.home))?.ok_or(Reason::UnknownShape);
        }
        let id = match secret::read(&presented.text) {
            Ok(opaque) if opaque.kind == SecretKind::OperatorKey => Some(app.operators),
            Ok(opaque) if opaque.kind == SecretKind::AccessToken => {
                let named =
                    self.request.path.as_str().strip_prefix("/v1/realms/").and_then(|rest| rest.split('/').next());
                let found = named.map(|name| app.directory.named(name, &app.store)).transpose();
                found.map_err(|_| Reason::StoreUnavailable)?.flatten()
            }
            Ok(opaque) => app.directory.of_prefix(opaque.prefix, &app.store).map_err(|_| Reason::StoreUnavailable)?,
            Err(_) => None,
        };
        app.policies.of(app, id.unwrap_or(self.home))?.ok_or(Reason::UnknownShape)
    }

    fn refuse(
        &self,
        realm: Option<&Arc<RealmPolicy>>,
        reason: Reason,
        principal: Option<Arc<Principal>>,
        credential: Option<(Place, String)>,
    ) -> Response {
        let mut decision = Decision::of(self.app.request_id(self.now), Verdict::Refused(reason));
        decision.principal = principal;
        let name = realm.map_or(OPERATORS, |realm| realm.realm.name.as_str());
        let response = render::refused(self.app, name, &decision);
        let operators = self.app.policies.of(self.app, self.app.operators).ok().flatten();
        if let Some(realm) = realm.cloned().or(operators) {
            let judged = Judged { decision, rule: None, credential, question: None };
            conclude::judged(self.app, &realm, self.request, Door::Manage, &judged, self.now);
        }
        response
    }
}

/// One authenticated call, before it is authorized.
struct Call<'c> {
    app: &'c App,
    parts: &'c Parts,
    caller: &'c Arc<Principal>,
    caller_realm: &'c Arc<RealmPolicy>,
    now: Time,
}

impl Call<'_> {
    /// The id of the request and the caller as it judges him, if he may make it. `realm` is none for calls on the whole
    /// server.
    fn authorize(
        &self,
        realm: Option<&Arc<RealmPolicy>>,
        scope: &'static str,
    ) -> Result<(RequestId, Arc<Principal>), Response> {
        let mut decision = Decision::of(self.app.request_id(self.now), Verdict::Admitted);
        decision.principal = Some(self.caller.clone());
        let judged = judge(self.app, self.caller, &self.caller_realm.realm, realm.map(|realm| &realm.realm), scope);
        if let Err(reason) = &judged {
            decision.verdict = Verdict::Refused(*reason);
            if *reason == Reason::ScopeMissing {
                decision.missing_scopes = ScopeName::parse(scope).into_iter().collect();
            }
        }
        let response =
            decision.reason().map(|_| render::refused(self.app, self.caller_realm.realm.name.as_str(), &decision));
        let request_id = decision.request_id;
        self.conclude(decision);
        match (response, judged) {
            (None, Ok(standing)) => Ok((request_id, by_standing(self.caller, standing))),
            (Some(response), _) => Err(response),
            (None, Err(_)) => Err(Problem::unavailable("a refusal without an answer").into_response()),
        }
    }

    fn conclude(&self, decision: Decision) {
        let peer = self.parts.extensions.get::<Peer>().copied();
        let config = self.app.config.load();
        let request = peer.and_then(|peer| {
            Request::own(
                self.parts.method.clone(),
                &self.parts.uri,
                &self.parts.headers,
                peer.0.ip(),
                &config.trusted_proxies,
            )
            .ok()
        });
        let Some(request) = request else { return };
        let judged = Judged { decision, rule: None, credential: None, question: None };
        conclude::judged(self.app, self.caller_realm, &request, Door::Manage, &judged, self.now);
    }
}

/// By which standing a caller may do this, in a realm or, with none, on the whole server. Who signed in has one on each API,
/// and the first that suffices counts; everybody else has one, and the operator key needs none.
pub fn judge(
    app: &App,
    caller: &Principal,
    caller_realm: &Realm,
    realm: Option<&Realm>,
    scope: &'static str,
) -> Result<Option<Arc<Standing>>, Reason> {
    if caller.credential == CredentialKind::OperatorKey {
        return Ok(None);
    }
    let is_operator = caller_realm.id == app.operators;
    let own_realm = realm.is_some_and(|realm| realm.id == caller_realm.id);
    if !is_operator && !own_realm {
        return Err(Reason::OtherRealm);
    }
    let judge = |standing: &Standing| judge_standing(standing, is_operator, own_realm, realm, scope);
    let Some(sign_in) = caller.everywhere() else { return judge(&caller.standing).map(|()| None) };
    let of_realm = realm.map(|realm| name::management_api(&realm.name));
    let apis = [Some(name::server_api()), of_realm].into_iter().flatten();
    let sufficing = apis.filter_map(|api| sign_in.standing_on(&api)).find(|standing| judge(standing).is_ok());
    sufficing.map(|standing| Some(standing.clone())).ok_or(Reason::ScopeMissing)
}

fn judge_standing(
    standing: &Standing,
    is_operator: bool,
    own_realm: bool,
    realm: Option<&Realm>,
    scope: &str,
) -> Result<(), Reason> {
    let has = |scope: &str| standing.scopes.iter().any(|held| held.as_str() == scope);
    let Some(api) = &standing.api else { return Err(Reason::ScopeMissing) };
    if is_operator && *api == name::server_api() {
        let reads = scope.ends_with(":read") || scope == Check::SCOPE;
        let suffices = has(ServerWrite::SCOPE) || (reads && has(ServerRead::SCOPE));
        return if suffices { Ok(()) } else { Err(Reason::ScopeMissing) };
    }
    let is_management = realm.is_some_and(|realm| *api == name::management_api(&realm.name));
    // `check` may be held on a single API: then decisions are given for that API only.
    let is_narrow_check = scope == Check::SCOPE && own_realm && !name::is_built_in(api);
    if !is_management && !is_narrow_check {
        return Err(Reason::OtherAudience);
    }
    if has(scope) { Ok(()) } else { Err(Reason::ScopeMissing) }
}

/// The caller with the standing that he was admitted by: what he may do besides is measured by it.
fn by_standing(caller: &Arc<Principal>, standing: Option<Arc<Standing>>) -> Arc<Principal> {
    match standing {
        Some(standing) => Arc::new(Principal { standing, ..Principal::clone(caller) }),
        None => caller.clone(),
    }
}
