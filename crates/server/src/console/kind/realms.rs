//! Realms: isolated populations. Their pages are those of the whole server.

use http::Method;

use crate::console::resource::{Action, Change, Column, Field, Input, PLAIN, Resource, Show, Where};

/// All that the console knows of them.
pub const REALMS: Resource = Resource {
    name: "realms",
    read: "realm:read",
    write: "realm:write",
    id: "name",
    called: &["/name"],
    search: "q",
    narrow: "",
    has_ended: false,
    columns: &[
        Column("name", "/name", Show::Text),
        Column("issuer", "/issuer", Show::Code),
        Column("prefix", "/prefix", Show::Code),
        Column("state", "/disabled_at", Show::Switch),
        Column("created_at", "/created_at", Show::When),
    ],
    facts: &[
        Column("state", "/disabled_at", Show::Switch),
        Column("issuer", "/issuer", Show::Code),
        Column("prefix", "/prefix", Show::Code),
        Column("host", "/host", Show::Code),
        Column("settings", "/settings", Show::Json),
        Column("metadata", "/metadata", Show::Json),
        Column("created_at", "/created_at", Show::When),
        Column("updated_at", "/updated_at", Show::When),
        Column("id", "/id", Show::Code),
    ],
    related: &[],
    fields: &[
        Field::new("realm_name", "/name", Input::Line).needed().hinted().when_made(),
        Field::new("prefix", "/prefix", Input::Line).hinted().when_made(),
        Field::new("own_host", "/host", Input::Line).hinted(),
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
            ..PLAIN
        },
        Action {
            name: "enable",
            method: Method::PATCH,
            body: r#"{"disabled":false}"#,
            when: Where::Has("/disabled_at"),
            ..PLAIN
        },
        Action {
            name: "open-registration",
            method: Method::PATCH,
            body: r#"{"settings":{"client_registration":true}}"#,
            when: Where::Is("/settings/client_registration", &["false"]),
            ..PLAIN
        },
        Action {
            name: "close-registration",
            method: Method::PATCH,
            body: r#"{"settings":{"client_registration":false}}"#,
            when: Where::Is("/settings/client_registration", &["true"]),
            ..PLAIN
        },
        Action { name: "revoke-all", below: &["revoke-all"], is_danger: true, ..PLAIN },
    ],
};
