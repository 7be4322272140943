//! Rules: who may do what, in the order in which they are tried.

use http::Method;

use crate::console::resource::{Action, Change, Column, Field, Input, PLAIN, Resource, Show};

/// All that the console knows of them.
pub const RULES: Resource = Resource {
    name: "rules",
    read: "rules:read",
    write: "rules:write",
    id: "id",
    called: &["/name"],
    search: "q",
    narrow: "",
    has_ended: false,
    columns: &[
        Column("name", "/name", Show::Text),
        Column("priority", "/priority", Show::Text),
        Column("methods", "/match/methods", Show::Words),
        Column("host", "/match/host", Show::Code),
        Column("path", "/match/path", Show::Code),
        Column("lets_in", "", Show::Access),
        Column("scopes", "/require/scopes", Show::Words),
    ],
    facts: &[
        Column("host", "/match/host", Show::Code),
        Column("methods", "/match/methods", Show::Words),
        Column("path", "/match/path", Show::Code),
        Column("lets_in", "", Show::Access),
        Column("require", "/require", Show::Json),
        Column("login", "/login", Show::Yes),
        Column("rate", "/limit", Show::Json),
        Column("mode", "/mode", Show::Code),
        Column("priority", "/priority", Show::Text),
        Column("created_at", "/created_at", Show::When),
        Column("updated_at", "/updated_at", Show::When),
        Column("id", "/id", Show::Code),
    ],
    related: &[],
    fields: &[
        Field::new("name", "/name", Input::Line),
        Field::new("host", "/match/host", Input::Line).hinted(),
        Field::new("path", "/match/path", Input::Line).hinted(),
        Field::new("methods", "/match/methods", Input::Words).hinted(),
        Field::new("access", "", Input::Access),
        Field::new("scopes", "/require/scopes", Input::Words).hinted(),
        Field::new("api", "/require/api", Input::Line).hinted(),
        Field::new("one_role", "/require/roles", Input::Words).hinted(),
        Field::new("authenticated", "/require/authenticated", Input::Box),
        Field::new("login", "/login", Input::Box).hinted(),
        Field::new("rate", "/limit/rate", Input::Line).hinted(),
        Field::new("per", "/limit/per", Input::Choice(&["", "grant", "subject", "client", "org", "ip", "rule"])),
        Field::new("observe", "/mode", Input::Word("observe")).hinted(),
        Field::new("priority", "/priority", Input::Number).hinted(),
        Field::new("rest", "", Input::Rest).hinted(),
    ],
    change: Change::Put,
    is_made: true,
    actions: &[Action { name: "delete", method: Method::DELETE, is_danger: true, ends: true, ..PLAIN }],
};
