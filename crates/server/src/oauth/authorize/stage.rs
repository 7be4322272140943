//! A request with its client and its way back, wherever it stands between the application and its answer.

use std::sync::Arc;

use admit_core::audit::Event;
use admit_core::check::address;
use admit_core::consent::Consent;
use admit_core::name::ScopeName;
use admit_core::oauth::approved::{Approved, ShownAt};
use admit_core::oauth::authorization::{self, Carried, Flow, NoWay, Person, RawRequest, Request, Verdict, Way};
use admit_core::oauth::{Error, ErrorCode};
use admit_core::secret::SecretHash;
use admit_store::KeptConsent;
use axum::response::Response;

use super::{answer, flow, hint, pushed};
use crate::http::problem::Problem;
use crate::login::session::SignedIn;
use crate::oauth::client::{self, KnownClient};
use crate::oauth::code::{self, Along, Decided};
use crate::pages::text::Words;
use crate::pages::visit::Visit;

/// One of them.
pub struct Stage {
    /// As it travels.
    pub flow: Flow,
    /// What was asked.
    pub raw: RawRequest,
    /// By whom.
    pub client: Arc<KnownClient>,
    /// Where the answer goes.
    pub way: Way,
}

/// What comes next.
pub enum Next<'v> {
    /// The application is told an error.
    Refuse(Error),
    /// Somebody signs in.
    SignIn,
    /// The person is asked.
    Ask(Granted<'v>),
    /// The application gets a code.
    Issue(Granted<'v>),
}

/// What somebody may give to an application, or gives.
pub struct Granted<'v> {
    /// The request.
    pub request: Request<'v>,
    /// Who.
    pub person: SignedIn,
    /// What of it: scopes, and those that stand for claims.
    pub scopes: Vec<ScopeName>,
    /// What of that he declined before.
    pub declined: Vec<ScopeName>,
}

/// What somebody said when he was asked.
pub struct Answer {
    /// What he does not give of it.
    pub declined: Vec<ScopeName>,
    /// Who tells the audit.
    pub event: Event,
}

impl Stage {
    /// Of a request on its way. Everything that a person cannot be sent back with is a page. The pages of the visit are in the
    /// language that the request wants.
    pub fn of(visit: &mut Visit, flow: Flow) -> Result<Self, Problem> {
        let raw = match &flow.carried {
            Carried::Plain(raw) => raw.clone(),
            Carried::Pushed(hash) => pushed::find(visit, *hash)?,
        };
        if let Some(language) = raw.language() {
            visit.words = Words::of(language);
        }
        let id = raw.text("client_id").filter(|_| !raw.twice.contains("client_id")).unwrap_or_default();
        let found = client::named(&visit.app, &visit.realm, id, visit.ip.map(address::network))?;
        let client = found.ok_or_else(|| {
            let detail = "There is no client of this client_id, or it is switched off.";
            Problem::new(400, "unknown_client", detail).with_next("admit client list")
        })?;
        let way = Way::of(&raw, &client.client.spec).map_err(|why| {
            let next = format!("admit client show {}", client.client.id);
            let code = if why == NoWay::Elsewhere { "invalid_request" } else { "invalid_redirect" };
            Problem::new(400, code, format!("{why}.")).with_next(next)
        })?;
        Ok(Self { flow, raw, client, way })
    }

    /// The same as it begins: its hint says whom it names, and it says itself whether a sign-in must be new.
    pub(super) fn begun(mut self, visit: &Visit) -> Result<Self, Problem> {
        hint::settle(&visit.app, &visit.realm, &mut self.raw, &self.client)?;
        if let Carried::Plain(raw) = &mut self.flow.carried {
            raw.clone_from(&self.raw);
        }
        let must_sign_in = self.read(visit).is_ok_and(|request| request.prompt.login);
        let flow = if must_sign_in { self.flow.by_another(visit.now) } else { self.flow };
        Ok(Self { flow, ..self })
    }

    /// The request, checked.
    pub fn read<'v>(&self, visit: &'v Visit) -> Result<Request<'v>, Error> {
        let must_push = self.client.client.spec.require_pushed_authorization_requests;
        if must_push && matches!(self.flow.carried, Carried::Plain(_)) {
            return Err(Error::request("This client pushes its requests (RFC 9126)."));
        }
        Request::read(&self.raw, &self.client.client, &visit.realm.apis)
    }

    /// What comes next, as it stands now.
    pub fn next<'v>(&self, visit: &'v Visit) -> Result<Next<'v>, Problem> {
        let request = match self.read(visit) {
            Ok(request) => request,
            Err(error) => return Ok(Next::Refuse(error)),
        };
        let (client, signed_in) = (&self.client.client, visit.signed_in()?);
        let kept = self.decided(visit, signed_in.as_ref())?;
        let sign_in = signed_in.as_ref().and_then(|person| person.principal.sign_in.as_deref());
        let person = signed_in.as_ref().zip(sign_in).map(|(person, sign_in)| Person {
            user: person.user,
            signed_in_at: person.signed_in_at,
            factors: sign_in.factors,
            standing: request.asked.api_uri().and_then(|api| sign_in.standing_on(api)).map(Arc::as_ref),
            consent: kept.as_ref(),
        });
        let (redirect, now) = (&self.way.redirect, visit.now);
        let verdict = authorization::judge(&request, redirect, &client.spec, &self.flow, person.as_ref(), now);
        let api = request.asked.api_uri();
        let is_declined = |scope: &&ScopeName| kept.as_ref().is_some_and(|kept| kept.declines(api, scope));
        let verdict = match (verdict, signed_in) {
            (Verdict::Refuse(error), _) => Next::Refuse(error),
            (Verdict::Ask(scopes), Some(person)) => {
                let declined = scopes.iter().filter(is_declined).cloned().collect();
                Next::Ask(Granted { request, person, scopes, declined })
            }
            (Verdict::Issue(scopes), Some(person)) => {
                Next::Issue(Granted { request, person, scopes, declined: Vec::new() })
            }
            (_, _) => Next::SignIn,
        };
        Ok(verdict)
    }

    /// Back to the application with an error that nobody has chosen. One that registered itself, and that the person has not let in
    /// before, would send browsers wherever it likes by asking for what there is not (RFC 9700 §4.11.2): there he chooses now.
    pub fn refuse_unasked(&self, visit: &Visit, error: &Error) -> Result<Response, Problem> {
        if !self.client.client.spec.dynamic || self.decided(visit, visit.signed_in()?.as_ref())?.is_some() {
            return Ok(self.refuse(visit, error));
        }
        Ok(answer::offer(visit, self, &self.way.refused(&visit.app.issuer(visit.row()), error)))
    }

    /// What somebody decided about the application before. One that registered itself may have become another since: by its name,
    /// or by where it is.
    fn decided(&self, visit: &Visit, person: Option<&SignedIn>) -> Result<Option<Consent>, Problem> {
        let (Some(person), client) = (person, &self.client.client) else { return Ok(None) };
        let kept = visit.app.store.point(|tx| tx.find_consent(visit.row().id, person.user, client.id))?;
        let is_of_it = |kept: &KeptConsent| !client.spec.dynamic || client.updated_at <= kept.updated_at;
        Ok(kept.filter(is_of_it).map(|kept| kept.consent))
    }

    /// Back to the application with an error.
    pub fn refuse(&self, visit: &Visit, error: &Error) -> Response {
        let fields = self.way.refused(&visit.app.issuer(visit.row()), error);
        answer::send(visit, self, &fields)
    }

    /// Back to the application because the person does not want it. What was pushed is answered by that, like by a code.
    pub async fn deny(&self, visit: &Visit, told: &'static str) -> Result<Response, Problem> {
        if let Carried::Pushed(hash) = self.flow.carried {
            pushed::end(visit, hash).await?;
        }
        Ok(self.refuse(visit, &Error::new(ErrorCode::AccessDenied, told)))
    }

    /// Back to the application with a code; where the person was asked, what he said is remembered with it.
    pub async fn issue(
        &self,
        visit: &Visit,
        granted: Granted<'_>,
        answer: Option<Answer>,
    ) -> Result<Response, Problem> {
        let Granted { request, person, scopes: given, .. } = granted;
        // What stands for claims only was never asked for as a scope, and is none of the grant.
        let scopes = given.iter().filter(|scope| request.asked.scopes.contains(scope)).cloned().collect();
        let factors = person.principal.sign_in.as_deref().map(|sign_in| sign_in.factors).unwrap_or_default();
        let approved = Approved {
            client: self.client.client.id,
            user: person.user,
            session: person.grant,
            api: request.asked.api.map(|api| api.id),
            scopes,
            redirect_uri: self.way.is_said.then(|| self.way.redirect.as_str().to_owned()),
            challenge: request.challenge.as_ref().map(|challenge| challenge.as_str().to_owned()),
            nonce: request.nonce.clone(),
            sign_in: ShownAt { at: person.signed_in_at, factors },
            claims: request.claims.within(&given),
        };
        let pushed = match self.flow.carried {
            Carried::Pushed(hash) => Some(SecretHash(hash)),
            Carried::Plain(_) => None,
        };
        let api = request.asked.api_uri().cloned();
        let decided = answer.map(|Answer { declined, event }| Decided { api, given, declined, event });
        let by_consent = decided.is_none() && !self.client.client.spec.first_party;
        let along = Along { decided, pushed, by_consent };
        match code::issue(&visit.app, visit.row(), approved, along, visit.now).await? {
            Some(code) => {
                let fields = self.way.granted(&visit.app.issuer(visit.row()), &code);
                Ok(answer::send(visit, self, &fields))
            }
            None => Err(flow::stale()),
        }
    }

    /// Who the application thinks it is, to be filled in. What it pushed it told to the server and to no browser (RFC 9126 §1).
    pub fn login_hint(&self) -> &str {
        match self.flow.carried {
            Carried::Plain(_) => self.raw.text("login_hint").unwrap_or_default(),
            Carried::Pushed(_) => "",
        }
    }

    /// What the application is called, as much of it as a page shows.
    pub fn app_name(&self) -> String {
        const SHOWN_MAX: usize = 100;
        let name = self.client.client.spec.name.as_str();
        match name.char_indices().nth(SHOWN_MAX) {
            Some((end, _)) => format!("{}…", &name[..end]),
            None => name.to_owned(),
        }
    }
}
