//! What handlers of resources share: a patched resource, and the answers to making and removing one.

use std::fmt::Display;

use admit_core::name;
use admit_core::patch;
use admit_core::policy::rule::Problem as Flaw;
use admit_core::shell::operand;
use admit_core::time::Time;
use admit_store::Tx;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::etag::with_etag;
use super::guard::Access;
use super::idempotency::Pledge;
use super::work::Stop;
use crate::http::json::{self, Json};
use crate::http::problem::Problem;

/// What is left of a resource's members after a merge patch (RFC 7396), read as strictly as a new one.
pub fn patched<T: Serialize + DeserializeOwned>(spec: &T, patch: &Map<String, Value>) -> Result<T, Problem> {
    let mut whole = serde_json::to_value(spec).map_err(Problem::unavailable)?;
    patch::merge(&mut whole, Value::Object(patch.clone()));
    T::deserialize(&whole).map_err(|_| Problem::invalid(vec![json::flaw::<T>(whole.clone())]))
}

/// Takes the switch `disabled`, which is no part of what a resource is, out of its patch.
pub fn take_switch(patch: &mut Map<String, Value>) -> Result<Option<bool>, Problem> {
    match patch.remove("disabled") {
        None => Ok(None),
        Some(Value::Bool(disabled)) => Ok(Some(disabled)),
        Some(_) => Err(Problem::invalid(vec![Flaw::new("disabled", "must be true or false")])),
    }
}

/// Keeps what answers the making of a resource, for a repetition of the request.
pub fn keep<T: Serialize>(pledge: &Pledge, tx: &mut Tx<'_>, view: &T) -> Result<(), Stop> {
    let body = serde_json::to_string(view).map_err(Problem::unavailable)?;
    pledge.keep(tx, StatusCode::CREATED, body)
}

/// Metadata as it is shown: an object, also where there is none.
pub fn shown(metadata: Value) -> Value {
    if metadata.is_null() { Value::Object(Map::new()) } else { metadata }
}

/// 200 with the moment before which everything issued is worth nothing; a repetition gets the same moment.
pub fn revoked(pledge: &Pledge, tx: &mut Tx<'_>, cutoff: Time) -> Result<Response, Stop> {
    let body = serde_json::json!({ "revoked_before": cutoff });
    pledge.keep(tx, StatusCode::OK, body.to_string())?;
    Ok(Json(body).into_response())
}

/// 201 with the resource.
pub fn created<T: Serialize>(version: i64, view: T) -> Response {
    (StatusCode::CREATED, with_etag(version, Json(view))).into_response()
}

/// Refuses who has not all of these scopes of the realm's management API: for calls that need more than one.
pub fn must_also_have(access: &Access, scopes: &[&str]) -> Result<(), Problem> {
    let standing = &access.caller.standing;
    let reads_server =
        standing.api.as_ref() == Some(&name::server_api()) && scopes.iter().all(|scope| scope.ends_with(":read"));
    // A permit was given already: of the server's API that says at least `server:read`.
    if reads_server || access.may_do_everything() {
        return Ok(());
    }
    let on_realm = standing.api.as_ref() == Some(&name::management_api(&access.realm.realm.name));
    let has = |scope: &str| on_realm && standing.scopes.iter().any(|held| held.as_str() == scope);
    match scopes.iter().find(|scope| !has(scope)) {
        None => Ok(()),
        Some(scope) => {
            Err(Problem::new(403, "insufficient_scope", format!("This needs {scope}, which you do not hold.")))
        }
    }
}

/// Refuses a second thing of one name, URI or address; `noun` is the word of its commands.
pub fn must_be_free<T>(found: Option<T>, noun: &str, what: &str, value: impl Display) -> Result<(), Problem> {
    if found.is_none() {
        return Ok(());
    }
    let shown = if noun == "api" { "API" } else { noun };
    let detail = format!("Another {shown} has the {what} \"{value}\" already. Choose another {what}, or see that one.");
    Err(Problem::new(409, "already_exists", detail)
        .with_next(format!("admit {noun} show {}", operand(&value.to_string()))))
}

/// 409: Admit itself needs it as it is.
pub fn built_in(what: &str) -> Problem {
    Problem::new(409, "built_in", format!("{what} is part of Admit and stays as it is."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use admit_core::role::RoleSpec;
    use serde_json::json;

    fn patch(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_patch_is_read_as_strictly_as_a_new_resource() {
        let role: RoleSpec =
            serde_json::from_value(json!({"name": "a", "description": "b", "rights": {"https://a": ["x"]}})).unwrap();
        let changed =
            patched(&role, &patch(json!({"description": null, "rights": {"https://a": null, "https://b": ["y"]}})))
                .unwrap();
        assert_eq!(serde_json::to_value(changed).unwrap(), json!({"name": "a", "rights": {"https://b": ["y"]}}));
        let refused = |value| patched(&role, &patch(value)).unwrap_err();
        assert!(refused(json!({"descripton": "c"})).detail().contains("unknown field"));
        assert!(refused(json!({"name": null})).detail().contains("missing field `name`"));
        assert!(refused(json!({"name": "a b"})).detail().contains("must be 1 to 128"));
    }

    #[test]
    fn the_switch_is_a_boolean() {
        let mut both = patch(json!({"disabled": true, "name": "a"}));
        assert_eq!(take_switch(&mut both).unwrap(), Some(true));
        assert_eq!(both, patch(json!({"name": "a"})));
        assert_eq!(take_switch(&mut both).unwrap(), None);
        assert_eq!(take_switch(&mut patch(json!({"disabled": null}))).unwrap_err().code(), "invalid_request");
    }
}
