//! `POST /v1/check` and `POST /v1/realms/{realm}/check`: the same decision as JSON (contract §3.1).
//!
//! Answers only for the APIs that the caller's grant names. Codes, refresh tokens and client secrets are never judged.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use admit_core::check::answer;
use admit_core::check::code::Reason;
use admit_core::check::decision::{Decision, Verdict};
use admit_core::check::request::Request;
use admit_core::credential::Place;
use admit_core::name::{self, ApiUri, RoleName, ScopeName};
use admit_core::policy::rule::{Audience, Demand, Problem as Flaw, RawMatch, RawRequire, RawRule};
use admit_core::principal::{CredentialKind, Standing};
use admit_core::shell::quote;
use axum::extract::{Query, State};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::pipeline::{self, Asking, Judged};
use super::policies::RealmPolicy;
use super::record::Record;
use super::{Door, conclude};
use crate::app::App;
use crate::authn::basic::Asked;
use crate::http::json::Json;
use crate::http::problem::Problem;
use crate::manage::decisions::trace_json;
use crate::manage::guard::{Access, Check, Permit};

/// The most headers of a described request.
const HEADERS_MAX: usize = 128;
/// The host that a request without `url` is described with; no rule is asked then.
const NOWHERE: &str = "https://check.invalid/";

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(post)).routes(routes!(post_realm))
}

/// What is asked.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckRequest {
    /// The secret itself; instead of `headers`.
    credential: Option<String>,
    /// The headers of the request as it arrived, each a text or a list of texts; instead of `credential`.
    #[schema(value_type = Option<BTreeMap<String, serde_json::Value>>)]
    headers: Option<BTreeMap<String, OneOrMany>>,
    /// The method; `GET` where absent.
    method: Option<String>,
    /// The absolute URL that was asked for.
    url: Option<String>,
    /// The client's address.
    #[schema(value_type = Option<String>)]
    ip: Option<IpAddr>,
    /// Replaces the rule.
    require: Option<Requirement>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// What replaces the rule.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// The API that the credential must be for.
    #[schema(value_type = Option<String>)]
    api: Option<ApiUri>,
    /// All of these.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    scopes: Vec<ScopeName>,
    /// One of these.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    roles: Vec<RoleName>,
}

/// How much is told. Asked for its steps, a check is a rehearsal: it takes nothing from limits and counts as no use.
#[derive(Debug, Default, Deserialize)]
pub struct Options {
    #[serde(default)]
    trace: bool,
}

/// Judges in the caller's own realm.
#[utoipa::path(post, path = "/v1/check", tag = "check", request_body = CheckRequest,
    params(("trace" = Option<bool>, Query, description = "add the steps of the decision")),
    responses((status = 200, description = "the decision, admitted or refused"), (status = 401, description = "who asks?"), (status = 403, description = "may not ask")))]
pub async fn post(
    State(app): State<App>,
    permit: Permit<Check>,
    Query(options): Query<Options>,
    Json(asked): Json<CheckRequest>,
) -> Result<Json<serde_json::Value>, Problem> {
    answer(&app, &permit, &asked, &options).await
}

/// Judges in a realm, for operators.
#[utoipa::path(post, path = "/v1/realms/{realm}/check", tag = "check", request_body = CheckRequest,
    params(("realm" = String, Path, description = "the name of the realm"), ("trace" = Option<bool>, Query, description = "add the steps of the decision")),
    responses((status = 200, description = "the decision, admitted or refused"), (status = 401, description = "who asks?"), (status = 403, description = "may not ask")))]
pub async fn post_realm(
    State(app): State<App>,
    permit: Permit<Check>,
    Query(options): Query<Options>,
    Json(asked): Json<CheckRequest>,
) -> Result<Json<serde_json::Value>, Problem> {
    answer(&app, &permit, &asked, &options).await
}

async fn answer(
    app: &App,
    access: &Access,
    asked: &CheckRequest,
    options: &Options,
) -> Result<Json<serde_json::Value>, Problem> {
    let headers = asked.headers()?;
    let method = asked.method.as_deref().unwrap_or("GET");
    let url = asked.url.as_deref().unwrap_or(NOWHERE);
    let realm = &access.realm;
    let request = match Request::direct(method, url, &headers, asked.ip) {
        Ok(request) => request,
        Err(reason) => {
            let judged = conclude::refuse(app, Some(realm), reason, Door::Check, access.now);
            let mut body = decision_json(app, realm, &judged.decision);
            if options.trace && !is_narrow(access) {
                body["trace"] =
                    trace_json(app, &Record::unread(Some(realm), Door::Check, &judged.decision, access.now));
            }
            return Ok(Json(body));
        }
    };
    let replaced = asked.replaced(realm)?;
    let policy = replaced.as_ref().unwrap_or(realm);
    let asking = if options.trace { Asking::Rehearsal } else { Asking::Service };
    let judge = |password: Option<&Asked>| pipeline::judge(app, policy, &request, password, asking, access.now);
    let mut judged = judge(None);
    // A guess counts as one, in a rehearsal too: else it would be a way to guess.
    // Who may ask for one API only does not learn whether a password is right where another's rule stands.
    let may_ask = asking_for(access).is_none_or(|asking| is_for(&judged, asking));
    if may_ask && let Some(question) = judged.question.take() {
        judged = judge(question.settle(app, None).await.as_ref());
    }
    withhold(access, &mut judged);
    let mut body = decision_json(app, realm, &judged.decision);
    // The story names rules of the whole realm: not for who may ask for one API only.
    if options.trace && !is_narrow(access) {
        body["trace"] = trace_json(app, &Record::of(policy, &request, Door::Check, &judged, access.now));
    }
    if replaced.is_some() {
        // What is kept refers to the realm's own rules, and none of them was asked.
        judged.rule = None;
    }
    if !options.trace {
        conclude::judged(app, realm, &request, Door::Check, &judged, access.now);
    }
    Ok(Json(body))
}

/// The one API that a caller may ask about. A grant on the realm's own API names the realm and so every API in it.
fn asking_for(access: &Access) -> Option<&ApiUri> {
    let is_operator = access.caller.credential == CredentialKind::OperatorKey;
    access.caller.standing.api.as_ref().filter(|api| !is_operator && !name::is_built_in(api))
}

fn is_narrow(access: &Access) -> bool {
    asking_for(access).is_some()
}

/// A caller whose grant names one API learns nothing of credentials of another.
fn withhold(access: &Access, judged: &mut Judged<'_>) {
    let Some(asking) = asking_for(access) else { return };
    let of_other = |standing: &Standing| standing.api.as_ref() != Some(asking);
    // What could not be asked first stays unknown.
    if judged.question.take().is_some() || judged.decision.standing().is_some_and(of_other) {
        judged.decision = Decision::of(judged.decision.request_id, Verdict::Refused(Reason::NotAskedFor));
        judged.credential = None;
    }
}

/// Whether the matched rule is for this API.
fn is_for(judged: &Judged<'_>, asking: &ApiUri) -> bool {
    judged.rule.is_some_and(|matched| matched.rule.audience == Audience::Api(asking.clone()))
}

impl CheckRequest {
    /// The described headers; a bare credential is one in `Authorization`.
    fn headers(&self) -> Result<HeaderMap, Problem> {
        let invalid = |detail: &str| Problem::new(400, "invalid_request", detail.to_owned());
        let mut headers = HeaderMap::new();
        if let Some(credential) = &self.credential {
            if self.headers.is_some() {
                return Err(invalid("Send credential or headers, not both."));
            }
            let value = HeaderValue::try_from(format!("Bearer {credential}"));
            headers
                .insert(http::header::AUTHORIZATION, value.map_err(|_| invalid("credential is not visible ASCII."))?);
            return Ok(headers);
        }
        for (name, values) in self.headers.iter().flatten() {
            let name = HeaderName::try_from(name.as_str())
                .map_err(|_| invalid("headers has a name that is no header name."))?;
            let values = match values {
                OneOrMany::One(value) => std::slice::from_ref(value),
                OneOrMany::Many(values) => values,
            };
            for value in values {
                let value = HeaderValue::try_from(value.as_str())
                    .map_err(|_| invalid("headers has a value that no header may have."))?;
                headers.append(name.clone(), value);
            }
            if headers.len() > HEADERS_MAX {
                return Err(Problem::new(
                    400,
                    "invalid_request",
                    format!("headers may have at most {HEADERS_MAX} lines."),
                ));
            }
        }
        Ok(headers)
    }

    /// The realm with one rule in place of its own: where `require` replaces it, or where there is no URL to match and
    /// only the credential is judged.
    fn replaced(&self, realm: &Arc<RealmPolicy>) -> Result<Option<Arc<RealmPolicy>>, Problem> {
        if self.require.is_none() && self.url.is_some() {
            return Ok(None);
        }
        let nothing = Requirement::default();
        let wanted = self.require.as_ref().unwrap_or(&nothing);
        wanted.judge(realm)?;
        let raw = RawRule {
            name: Some("require".to_owned()),
            matching: Some(RawMatch::default()),
            require: Some(RawRequire {
                authenticated: Some(true),
                api: wanted.api.as_ref().map(ToString::to_string),
                scopes: (!wanted.scopes.is_empty()).then(|| wanted.scopes.iter().map(ToString::to_string).collect()),
                roles: (!wanted.roles.is_empty()).then(|| wanted.roles.iter().map(ToString::to_string).collect()),
                ..RawRequire::default()
            }),
            audience: wanted.api.is_none().then(|| "any".to_owned()),
            ..RawRule::default()
        };
        let (mut rule, _) = raw.resolve_or_deny();
        if let (Demand::Require(_), Some(api)) = (&rule.demand, &wanted.api) {
            rule.audience = Audience::Api(api.clone());
        }
        Ok(Some(Arc::new(realm.with_only(rule))))
    }
}

impl Requirement {
    /// What is demanded must be something that the realm has; else nobody could ever meet it.
    fn judge(&self, realm: &RealmPolicy) -> Result<(), Problem> {
        let invalid = |path: &str, message: String| Err(Problem::invalid(vec![Flaw::new(path, message)]));
        let apis = || realm.apis.iter().filter(|api| self.api.as_ref().is_none_or(|wanted| api.spec.uri == *wanted));
        if let Some(api) = self.api.as_ref().filter(|_| apis().next().is_none()) {
            let create = format!("admit api create {}", quote(api.as_str()));
            return invalid("require.api", format!("there is no API {api}. Create it: {create}"));
        }
        let is_defined = |scope: &&ScopeName| apis().any(|api| api.spec.scopes.contains_key(*scope));
        match self.scopes.iter().find(|scope| !is_defined(scope)) {
            Some(scope) => invalid("require.scopes", format!("no API that is asked for defines the scope {scope}")),
            None => Ok(()),
        }
    }
}

/// The answer (contract §3.1).
pub fn decision_json(app: &App, realm: &RealmPolicy, decision: &Decision) -> serde_json::Value {
    let issuer = app.issuer(&realm.realm);
    let told = decision.told();
    let mut body = serde_json::json!({
        "admitted": decision.status() < 300,
        "status": decision.status(),
        "code": told,
        "request_id": decision.request_id,
        "principal": decision.principal.as_ref().filter(|_| !decision.is_admitted() || decision.is_identified).map(|principal| answer::principal_json(principal, decision.standing().unwrap_or(&principal.standing), &realm.realm.name, &issuer)),
        "missing": {},
        "limits": decision.limits.iter().map(|limit| serde_json::json!({
            "policy": &*limit.policy,
            "limit": limit.limit.rate().count(),
            "remaining": limit.state.remaining,
            "reset_s": limit.state.reset_s,
        })).collect::<Vec<_>>(),
    });
    if !decision.missing_scopes.is_empty() {
        body["missing"]["scopes"] = serde_json::json!(decision.missing_scopes);
    }
    if !decision.missing_roles.is_empty() {
        body["missing"]["roles"] = serde_json::json!(decision.missing_roles);
    }
    if let Some(seconds) = decision.retry_after_s() {
        body["retry_after_s"] = seconds.into();
    }
    if let Some(observed) = decision.observed {
        body["observed"] = serde_json::json!(observed.code());
    }
    if !decision.cors.is_empty() {
        let fields = decision.cors.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap_or_default()));
        body["cors"] = serde_json::json!(fields.collect::<BTreeMap<_, _>>());
    }
    body
}

/// The word for a place where a credential stood.
pub const fn place_word(place: Place) -> &'static str {
    match place {
        Place::Bearer => "bearer",
        Place::ApiKey => "api_key",
        Place::XApiKey => "x_api_key",
        Place::Basic => "basic",
        Place::Query => "query",
        Place::Cookie => "cookie",
    }
}
