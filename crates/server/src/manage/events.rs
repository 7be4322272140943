//! `events`: the audit of a realm, to look back in or to follow. Only what is sealed can be followed: its order is final.

use admit_core::audit::Event;
use admit_store::EventFilter;
use axum::extract::State;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::guard::{EventsRead, Permit};
use super::page::{Ignored, List, Paging, Parameters};
use super::work;
use crate::app::App;
use crate::http::json::Json;
use crate::http::problem::Problem;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Which events, in which order.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    order: Option<Order>,
    after: Option<i64>,
    kind: Option<String>,
    actor: Option<String>,
    target: Option<String>,
    #[serde(rename = "limit")]
    _limit: Ignored,
    #[serde(rename = "cursor")]
    _cursor: Ignored,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Order {
    Newest,
    Oldest,
}

impl Filter {
    /// Who says after which number wants what comes next, oldest first.
    fn order(&self) -> Result<Order, Problem> {
        match (self.order, self.after) {
            (Some(Order::Newest), Some(_)) => {
                Err(Problem::new(400, "invalid_request", "after goes with order=oldest: it follows what happens."))
            }
            (None, Some(_)) => Ok(Order::Oldest),
            (order, _) => Ok(order.unwrap_or(Order::Newest)),
        }
    }
}

/// What happened in the realm, the newest first. With `after=<number>` what came after that event, the oldest first, in the
/// order of the seals: about a second late, and nothing is missed.
#[utoipa::path(get, path = "/v1/realms/{realm}/events", tag = "events",
    params(("realm" = String, Path, description = "the name of the realm"),
           ("order" = Option<String>, Query, description = "`newest` or `oldest`"), ("after" = Option<i64>, Query, description = "a number"),
           ("kind" = Option<String>, Query, description = "`key.created`, or `key.` for all that begin so"),
           ("actor" = Option<String>, Query), ("target" = Option<String>, Query),
           ("limit" = Option<u32>, Query, description = "1 to 200, 50 where absent"), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "a page of events")))]
pub async fn list(
    State(app): State<App>,
    permit: Permit<EventsRead>,
    paging: Paging<8>,
    Parameters(filter): Parameters<Filter>,
) -> Result<Json<List<Event>>, Problem> {
    let order = filter.order()?;
    let rows = work::read(&app, move |tx| {
        let (realm, place) = (permit.realm_id(), paging.after().map(i64::from_be_bytes));
        let (kind, actor, target) = (filter.kind.clone(), filter.actor.clone(), filter.target.clone());
        let wanted = EventFilter { kind, actor, target };
        Ok(match order {
            Order::Newest => tx.list_latest_events(realm, &wanted, place, paging.rows())?,
            Order::Oldest => tx.list_events(realm, &wanted, place.or(filter.after).unwrap_or(0), paging.rows())?,
        })
    });
    Ok(Json(paging.list(rows.await?, |event| event.number.to_be_bytes(), &app)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(query: &str) -> Result<Order, Problem> {
        let uri = format!("/?{query}").parse().unwrap();
        axum::extract::Query::<Filter>::try_from_uri(&uri).unwrap().0.order()
    }

    #[test]
    fn to_follow_is_to_read_the_oldest_first() {
        assert_eq!(order("limit=3&cursor=x").unwrap(), Order::Newest);
        assert_eq!(order("after=7").unwrap(), Order::Oldest);
        assert_eq!(order("order=oldest").unwrap(), Order::Oldest);
        assert_eq!(order("order=newest&after=7").unwrap_err().status(), 400);
    }
}
