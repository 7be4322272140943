//! Users: people, what they may do and how they sign in.

use http::Method;

use crate::console::resource::{Action, Change, Column, Field, Input, PLAIN, Resource, Show, Where};

/// All that the console knows of them.
pub const USERS: Resource = Resource {
    name: "users",
    read: "users:read",
    write: "users:write",
    id: "id",
    called: &["/name"],
    search: "q",
    narrow: "",
    has_ended: false,
    columns: &[
        Column("name", "/name", Show::Text),
        Column("email", "/email", Show::Text),
        Column("roles", "/roles", Show::Words),
        Column("state", "/disabled_at", Show::Switch),
        Column("created_at", "/created_at", Show::When),
    ],
    facts: &[
        Column("state", "/disabled_at", Show::Switch),
        Column("email", "/email", Show::Text),
        Column("email_verified_at", "/email_verified_at", Show::When),
        Column("roles", "/roles", Show::Words),
        Column("external_id", "/external_id", Show::Text),
        Column("metadata", "/metadata", Show::Json),
        Column("created_at", "/created_at", Show::When),
        Column("erased_at", "/erased_at", Show::When),
        Column("id", "/id", Show::Code),
    ],
    related: &["keys", "sessions", "grants"],
    fields: &[
        Field::new("name", "/name", Input::Line).needed(),
        Field::new("email", "/email", Input::Line),
        Field::new("roles", "/roles", Input::Roles),
        Field::new("new_password", "/password", Input::Password).hinted().when_made(),
        Field::new("external_id", "/external_id", Input::Line),
        Field::new("metadata", "/metadata", Input::Json).hinted(),
    ],
    change: Change::Patch,
    is_made: true,
    actions: &[
        Action { name: "invite", below: &["invite"], when: Where::Has("/email"), ..PLAIN },
        Action { name: "verify-email", below: &["verify-email"], when: Where::Lacks("/email_verified_at"), ..PLAIN },
        Action { name: "unlock", below: &["unlock"], when: Where::Lacks("/erased_at"), ..PLAIN },
        Action {
            name: "set-password",
            method: Method::PUT,
            below: &["password"],
            fields: &[Field::new("new_password", "/password", Input::Password).needed().hinted()],
            when: Where::Lacks("/erased_at"),
            ..PLAIN
        },
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
        Action {
            name: "revoke-all",
            below: &["revoke-all"],
            is_danger: true,
            hits: "keys",
            when: Where::Lacks("/erased_at"),
            ..PLAIN
        },
        Action {
            name: "erase",
            below: &["erase"],
            is_danger: true,
            hits: "keys",
            when: Where::Lacks("/erased_at"),
            ..PLAIN
        },
        Action {
            name: "delete",
            method: Method::DELETE,
            is_danger: true,
            hits: "keys",
            ends: true,
            when: Where::Lacks("/erased_at"),
            ..PLAIN
        },
    ],
};
