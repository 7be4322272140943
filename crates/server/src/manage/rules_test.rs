//! `rules/test`: rules tried on described requests, before they are stored or as they are. Stores nothing.

use admit_core::api::ApiSpec;
use admit_core::policy::index::{ApiRealm, Policy};
use admit_core::policy::rule::{Problem as Flaw, RawRule};
use admit_core::trial::{CASES_MAX, Case, Outcome};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::guard::{Permit, RulesRead};
use super::{rules, work};
use crate::app::App;
use crate::check::policies::all_apis;
use crate::http::json::{Json, Large};
use crate::http::problem::Problem;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(post))
}

/// What is tried.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// Instead of the realm's APIs.
    api: Option<Vec<ApiSpec>>,
    /// Instead of the realm's rules.
    rule: Option<Vec<RawRule>>,
    case: Vec<Case>,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub struct Outcomes {
    items: Vec<Outcome>,
    passed: usize,
    failed: usize,
}

/// The most rules, and the most APIs, that a trial brings along.
const GIVEN_MAX: usize = 1_000;

/// Tries rules on requests.
#[utoipa::path(post, path = "/v1/realms/{realm}/rules/test", tag = "rules", request_body(content = ref("#/components/schemas/Trial")),
    params(("realm" = String, Path, description = "the name of the realm")),
    responses((status = 200, description = "what came of each case", body = ref("#/components/schemas/Outcomes")), (status = 400, description = "the rules are no rules")))]
pub async fn post(
    State(app): State<App>,
    permit: Permit<RulesRead>,
    Large(trial): Large<Trial>,
) -> Result<Json<Outcomes>, Problem> {
    if trial.case.len() > CASES_MAX {
        return Err(Problem::invalid(vec![Flaw::new(
            "case",
            format!("has {} cases: at most {CASES_MAX} are tried at once", trial.case.len()),
        )]));
    }
    let given = [("rule", trial.rule.as_ref().map_or(0, Vec::len)), ("api", trial.api.as_ref().map_or(0, Vec::len))];
    if let Some((kind, count)) = given.into_iter().find(|(_, count)| *count > GIVEN_MAX) {
        return Err(Problem::invalid(vec![Flaw::new(
            kind,
            format!("has {count}: at most {GIVEN_MAX} are tried at once"),
        )]));
    }
    let realm = permit.realm_id();
    let (own_apis, own_policy) = work::read(&app, move |tx| {
        let apis: Vec<ApiRealm> = all_apis(tx, realm)?.iter().map(|api| api.owned()).collect();
        Ok((apis, rules::policy(tx, realm)?))
    })
    .await?;
    let policy = match (trial.api, trial.rule) {
        (None, None) => own_policy,
        (apis, given) => {
            let apis = apis.map_or(Ok(own_apis), resolve_apis)?;
            let given = given
                .map_or_else(|| Ok(own_policy.rules().map(|matched| matched.rule.clone()).collect()), resolve_rules)?;
            Policy::build(&apis, given).map_err(Problem::invalid)?
        }
    };
    let items: Vec<Outcome> = trial.case.iter().map(|case| case.run(&policy)).collect();
    let passed = items.iter().filter(|outcome| outcome.passed).count();
    Ok(Json(Outcomes { passed, failed: items.len() - passed, items }))
}

fn resolve_apis(specs: Vec<ApiSpec>) -> Result<Vec<ApiRealm>, Problem> {
    let resolved = specs.into_iter().map(|spec| spec.resolve().map(|spec| spec.owned()).map_err(Problem::invalid));
    resolved.collect()
}

/// All problems of all rules at once.
fn resolve_rules(raws: Vec<RawRule>) -> Result<Vec<admit_core::policy::rule::Rule>, Problem> {
    let (mut resolved, mut problems) = (Vec::with_capacity(raws.len()), Vec::new());
    for raw in raws {
        let (rule, found) = raw.resolve_or_deny();
        problems.extend(found.into_iter().map(|problem| problem.of_rule(rule.name.as_str())));
        resolved.push(rule);
    }
    if problems.is_empty() { Ok(resolved) } else { Err(Problem::invalid(problems)) }
}
