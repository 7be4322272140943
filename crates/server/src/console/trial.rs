//! `/console/realms/{realm}/rules/test`: what would become of a request. Nothing is sent anywhere, and nothing is stored.

use admit_core::form::Form;
use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::PATH;
use super::operator::Operator;
use super::shell::Shell;
use super::told::Told;
use crate::http::problem::Problem;
use crate::manage::inside::Ask;
use crate::pages::form::Sent;
use crate::pages::{Frame, page};

/// What one may try.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// What came of it.
struct Outcome {
    is_admitted: bool,
    code: String,
    rule: String,
    why: String,
}

#[derive(Template)]
#[template(path = "console/trial.html")]
struct TrialPage<'p> {
    frame: Frame,
    shell: Shell,
    path: String,
    back: String,
    method: &'p str,
    url: &'p str,
    is_somebody: bool,
    scopes: &'p str,
    roles: &'p str,
    outcome: Option<Outcome>,
    told: Told,
}

/// `GET`
pub async fn get(operator: Operator, Path(realm): Path<String>) -> Result<Response, Problem> {
    let empty = Form::parse(b"").map_err(Problem::unavailable)?;
    show(&operator, &realm, &empty, None, Told::default(), StatusCode::OK).await
}

/// `POST`
pub async fn post(operator: Operator, Path(realm): Path<String>, Sent(form): Sent) -> Result<Response, Problem> {
    operator.judge(&form)?;
    let words = |name: &str| form.text(name).split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let request = format!("{} {}", method(&form), form.text("url").trim());
    let mut case = json!({ "request": request, "expect": "ok" });
    if form.has("somebody") {
        case["as"] = json!({ "scopes": words("scopes"), "roles": words("roles") });
    }
    let ask = Ask::new(Method::POST, &["realms", &realm, "rules", "test"]).body(json!({ "case": [case] }));
    let answer = operator.ask(ask).await?;
    if !answer.status.is_success() {
        return show(&operator, &realm, &form, None, Told::of(&answer), answer.status).await;
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let outcome = answer.items().first().map(|outcome| Outcome {
        is_admitted: outcome["got"] == "ok",
        code: text(&outcome["got"]),
        rule: text(&outcome["rule"]),
        why: text(&outcome["why"]),
    });
    show(&operator, &realm, &form, outcome, Told::default(), StatusCode::OK).await
}

fn method(form: &Form) -> &'static str {
    METHODS.into_iter().find(|known| *known == form.text("method")).unwrap_or(METHODS[0])
}

async fn show(
    operator: &Operator,
    realm: &str,
    form: &Form,
    outcome: Option<Outcome>,
    told: Told,
    status: StatusCode,
) -> Result<Response, Problem> {
    if !operator.may(Some(realm), "rules:read") {
        return Err(Problem::new(403, "insufficient_scope", "This needs rules:read, which you do not hold."));
    }
    let (frame, shell) = Shell::of(operator, Some(realm), "rules").await?;
    let back = format!("{PATH}/realms/{realm}/rules");
    let shown = TrialPage {
        path: format!("{back}/test"),
        back,
        method: method(form),
        url: form.text("url"),
        is_somebody: form.has("somebody"),
        scopes: form.text("scopes"),
        roles: form.text("roles"),
        frame,
        shell,
        outcome,
        told,
    };
    Ok(page(status, &shown))
}
