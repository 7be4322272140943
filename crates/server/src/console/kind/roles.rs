//! Roles: named sets of rights that users and clients hold.

use http::Method;

use crate::console::resource::{Action, Change, Column, Field, Input, PLAIN, Resource, Show};

/// All that the console knows of them.
pub const ROLES: Resource = Resource {
    name: "roles",
    read: "roles:read",
    write: "roles:write",
    id: "id",
    called: &["/name"],
    search: "q",
    narrow: "",
    has_ended: false,
    columns: &[
        Column("name", "/name", Show::Text),
        Column("description", "/description", Show::Text),
        Column("rights", "/rights", Show::Rights),
    ],
    facts: &[
        Column("description", "/description", Show::Text),
        Column("rights", "/rights", Show::Rights),
        Column("created_at", "/created_at", Show::When),
        Column("updated_at", "/updated_at", Show::When),
        Column("id", "/id", Show::Code),
    ],
    related: &[],
    fields: &[
        Field::new("name", "/name", Input::Line).needed(),
        Field::new("description", "/description", Input::Line),
        Field::new("rights", "/rights", Input::Rights),
    ],
    change: Change::Patch,
    is_made: true,
    actions: &[Action { name: "delete", method: Method::DELETE, is_danger: true, ends: true, ..PLAIN }],
};
