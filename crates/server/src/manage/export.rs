//! `export`: a realm as a document that `apply` takes. What Admit itself is, secrets, and clients that registered themselves, stand in no document.

use admit_core::document::Document;
use admit_core::name;
use admit_core::policy::rule::RawRule;
use admit_core::role;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer;
use super::apply::{all_clients, all_users};
use super::guard::{Permit, RealmRead};
use super::work;
use super::{roles, rules};
use crate::app::App;
use crate::check::policies::{all_apis, all_rules};
use crate::http::json::Json;
use crate::http::problem::Problem;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get))
}

/// Writes down a realm.
#[utoipa::path(get, path = "/v1/realms/{realm}/export", tag = "apply",
    params(("realm" = String, Path, description = "the name of the realm")),
    responses((status = 200, description = "the document", body = ref("#/components/schemas/Document")), (status = 409, description = "there is too much for one document")))]
pub async fn get(State(app): State<App>, permit: Permit<RealmRead>) -> Result<Json<Document>, Problem> {
    answer::must_also_have(&permit, &["apis:read", "roles:read", "clients:read", "users:read", "rules:read"])?;
    let realm = permit.realm_id();
    let document = work::read(&app, move |tx| {
        let apis = all_apis(tx, realm)?.into_iter().map(|api| api.spec).filter(|spec| !name::is_built_in(&spec.uri));
        let roles = roles::all(tx, realm)?.into_iter().map(|role| role.spec).filter(|spec| !role::is_ready(&spec.name));
        let rules = all_rules(tx, realm)?;
        let rules = rules.iter().map(|stored| RawRule { name: Some(stored.name.clone()), ..rules::raw(stored) });
        Ok(Document {
            api: Some(apis.collect()),
            role: Some(roles.collect()),
            client: Some(
                all_clients(tx, realm)?.into_iter().map(|client| client.spec).filter(|spec| !spec.dynamic).collect(),
            ),
            user: Some(all_users(tx, realm)?.into_iter().map(|user| user.spec).collect()),
            rule: Some(rules.collect()),
        })
    });
    document.await.map(Json)
}
