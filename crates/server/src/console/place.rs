//! Which page of the console a path means: a kind of thing, in which realm, which one, what is to be done with it.

use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;

use super::resource::{Action, Resource};
use super::{PATH, kind};
use crate::app::App;
use crate::http::problem::Problem;

/// What a path means.
pub struct Place {
    /// The kind of thing.
    pub resource: &'static Resource,
    /// Which one.
    pub id: Option<String>,
    /// The realm; none where realms are the things.
    pub realm: Option<String>,
    action: Option<String>,
}

impl Place {
    /// Reads the parameters of a route: `realm`, `kind`, `id` and `action`, as far as it has them.
    fn read(params: &RawPathParams) -> Option<Self> {
        let of = |name: &str| params.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_owned());
        let (realm, action) = (of("realm"), of("action"));
        match of("kind") {
            Some(kind) => Some(Self { resource: kind::find(&kind)?, id: of("id"), realm, action }),
            None => Some(Self { resource: &kind::REALMS, id: realm, realm: None, action }),
        }
    }

    /// The one that is meant.
    pub fn id(&self) -> Result<&str, Problem> {
        self.id.as_deref().ok_or_else(nothing)
    }

    /// What is to be done.
    pub fn action(&self) -> Result<&'static Action, Problem> {
        self.action.as_deref().and_then(|name| self.resource.action(name)).ok_or_else(nothing)
    }

    /// The realm whose rights count: of a realm its own, of all realms the server's.
    pub fn judged_in(&self) -> Option<&str> {
        self.realm.as_deref().or(self.id.as_deref())
    }

    /// The scope that making one needs. A realm is made by who manages the server.
    pub fn scope_to_make(&self) -> &'static str {
        if self.realm.is_none() { "server:write" } else { self.resource.write }
    }

    /// The part of the navigation where it is.
    pub fn section(&self) -> &'static str {
        match (&self.realm, &self.id) {
            (None, Some(_)) => "realm",
            _ => self.resource.name,
        }
    }

    /// The segments of the list, or of one of it, at the management API.
    pub fn segments<'p>(&'p self, one: Option<&'p str>) -> Vec<&'p str> {
        let of_realm = self.realm.iter().flat_map(|realm| ["realms", realm.as_str()]);
        of_realm.chain([self.resource.name]).chain(one).collect()
    }

    /// The path of the list.
    pub fn list(&self) -> String {
        match &self.realm {
            Some(realm) => format!("{PATH}/realms/{realm}/{}", self.resource.name),
            None => format!("{PATH}/realms"),
        }
    }

    /// The path of the form that makes one. `new` might be the name of a realm.
    pub fn new_one(&self) -> String {
        if self.realm.is_none() { format!("{PATH}/new-realm") } else { format!("{}/new", self.list()) }
    }

    /// The path of one.
    pub fn one(&self, id: &str) -> String {
        format!("{}/{id}", self.list())
    }
}

fn nothing() -> Problem {
    Problem::new(404, "not_found", "There is nothing at this path.")
}

impl FromRequestParts<App> for Place {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let params = RawPathParams::from_request_parts(parts, app).await.map_err(|_| nothing())?;
        Self::read(&params).ok_or_else(nothing)
    }
}
