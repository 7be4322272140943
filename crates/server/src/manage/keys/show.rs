//! `GET keys` and `GET keys/{key}`.

use admit_core::time::Span;
use admit_store::{KeyFilter, Searched};
use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;

use super::find;
use super::view::{KeyView, view};
use crate::app::App;
use crate::http::json::Json;
use crate::http::problem::Problem;
use crate::jobs::flush;
use crate::manage::etag::with_key_etag;
use crate::manage::filter::WithMetadata;
use crate::manage::guard::{KeysRead, Permit};
use crate::manage::page::{Ignored, List, Paging};
use crate::manage::search;
use crate::manage::subject;
use crate::manage::work;

/// Which keys.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    owner: Option<String>,
    name: Option<String>,
    q: Option<String>,
    external_id: Option<String>,
    expiring: Option<Span>,
    #[serde(default)]
    state: Which,
    #[serde(rename = "limit")]
    _limit: Ignored,
    #[serde(rename = "cursor")]
    _cursor: Ignored,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Which {
    #[default]
    Live,
    All,
}

/// Keys by age. Without `state=all` those that are neither revoked nor past their end.
#[utoipa::path(get, path = "/v1/realms/{realm}/keys", tag = "keys",
    params(("realm" = String, Path, description = "the name of the realm"),
           ("owner" = Option<String>, Query, description = "id, name or e-mail address"), ("name" = Option<String>, Query),
           ("external_id" = Option<String>, Query), ("metadata.<name>" = Option<String>, Query, description = "a member of the metadata; of several all"),
           ("expiring" = Option<String>, Query, description = "within `30d`"),
           ("state" = Option<String>, Query, description = "`live` or `all`"),
           ("q" = Option<String>, Query, description = "an id, or a part of a name or an address; letters of ASCII case aside"), ("limit" = Option<u32>, Query, description = "1 to 200, 50 where absent"), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "a page of keys", body = List<KeyView>)))]
pub async fn list(
    State(app): State<App>,
    permit: Permit<KeysRead>,
    paging: Paging,
    WithMetadata { parameters: filter, metadata }: WithMetadata<Filter>,
) -> Result<Json<List<KeyView>>, Problem> {
    flush::now(&app).await;
    let search = search::parse(filter.q.as_deref())?;
    let id = search.as_ref().and_then(|search| search.text().parse().ok());
    let rows = work::read(&app, move |tx| {
        let (realm, now) = (permit.realm_id(), permit.now);
        if let Some(id) = id {
            let found = tx.find_key(realm, id)?.map(|issued| view(tx, issued, now)).transpose()?;
            return Ok((found.into_iter().collect(), None));
        }
        let sought = search::reach(tx, Searched::Keys, realm, search.clone(), &paging.page())?;
        let until = sought.as_ref().and_then(|sought| sought.until);
        let owner = match &filter.owner {
            Some(text) => Some(subject::find(tx, realm, text, "owner")?.id()),
            None => None,
        };
        let wanted = KeyFilter {
            owner,
            name: filter.name.clone(),
            external_id: filter.external_id.clone(),
            metadata: metadata.clone(),
            expiring_before: filter.expiring.map(|span| now + span),
            live_only: filter.state == Which::Live,
            sought,
        };
        let issued = tx.list_keys(realm, &wanted, &paging.page(), now)?;
        let views = issued.into_iter().map(|issued| view(tx, issued, now)).collect::<Result<Vec<_>, _>>()?;
        Ok((views, until))
    });
    let (keys, until) = rows.await?;
    Ok(Json(paging.list_until(keys, until, |key| *key.id.bytes(), &app)))
}

/// One key, with the last use of each of its secrets.
#[utoipa::path(get, path = "/v1/realms/{realm}/keys/{key}", tag = "keys",
    params(("realm" = String, Path, description = "the name of the realm"), ("key" = String, Path, description = "id or name")),
    responses((status = 200, description = "the key", body = KeyView), (status = 404, description = "there is none"),
              (status = 409, description = "several have this name")))]
pub async fn get(
    State(app): State<App>,
    permit: Permit<KeysRead>,
    Path((_realm, key)): Path<(String, String)>,
) -> Result<Response, Problem> {
    flush::now(&app).await;
    let shown = work::read(&app, move |tx| {
        let issued = find(tx, permit.realm_id(), &key, permit.now)?;
        view(tx, issued, permit.now)
    });
    let shown = shown.await?;
    Ok(with_key_etag(shown.version, shown.state, &shown, Json(&shown)))
}
