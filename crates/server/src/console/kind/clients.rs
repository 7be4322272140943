//! Clients: applications, and the services that own keys.

use http::Method;

use crate::console::resource::{Action, Change, Column, Field, Input, PLAIN, Resource, Show, Where};

/// All that the console knows of them.
pub const CLIENTS: Resource = Resource {
    name: "clients",
    read: "clients:read",
    write: "clients:write",
    id: "id",
    called: &["/name"],
    search: "q",
    narrow: "",
    has_ended: false,
    columns: &[
        Column("name", "/name", Show::Text),
        Column("type", "/type", Show::Code),
        Column("roles", "/roles", Show::Words),
        Column("state", "/disabled_at", Show::Switch),
        Column("created_at", "/created_at", Show::When),
    ],
    facts: &[
        Column("state", "/disabled_at", Show::Switch),
        Column("type", "/type", Show::Code),
        Column("rights", "/rights", Show::Rights),
        Column("roles", "/roles", Show::Words),
        Column("redirect_uris", "/redirect_uris", Show::Words),
        Column("first_party", "/first_party", Show::Yes),
        Column("external_id", "/external_id", Show::Text),
        Column("metadata", "/metadata", Show::Json),
        Column("created_at", "/created_at", Show::When),
        Column("id", "/id", Show::Code),
    ],
    related: &["keys", "grants"],
    fields: &[
        Field::new("name", "/name", Input::Line).needed(),
        Field::new("type", "/type", Input::Choice(&["service", "web", "spa", "native", "device"])),
        Field::new("rights", "/rights", Input::Rights),
        Field::new("roles", "/roles", Input::Roles),
        Field::new("redirect_uris", "/redirect_uris", Input::Lines),
        Field::new("first_party", "/first_party", Input::Box),
        Field::new("external_id", "/external_id", Input::Line),
        Field::new("metadata", "/metadata", Input::Json).hinted(),
    ],
    change: Change::Patch,
    is_made: true,
    actions: &[
        Action {
            name: "disable",
            method: Method::PATCH,
            body: r#"{"disabled":true}"#,
            when: Where::Lacks("/disabled_at"),
            is_danger: true,
            hits: "keys",
            ..PLAIN
        },
        Action {
            name: "enable",
            method: Method::PATCH,
            body: r#"{"disabled":false}"#,
            when: Where::Has("/disabled_at"),
            ..PLAIN
        },
        Action { name: "revoke-all", below: &["revoke-all"], is_danger: true, hits: "keys", ..PLAIN },
        Action { name: "delete", method: Method::DELETE, is_danger: true, hits: "keys", ends: true, ..PLAIN },
    ],
};
