//! Grants: everything that can act.

use http::Method;

use crate::console::resource::{Action, Change, Column, PLAIN, Resource, Show, Where};

/// All that the console knows of them.
pub const GRANTS: Resource = Resource {
    name: "grants",
    read: "grants:read",
    write: "grants:write",
    id: "id",
    called: &[],
    search: "subject",
    narrow: "subject",
    has_ended: false,
    columns: &[
        Column("id", "/id", Show::Code),
        Column("kind", "/kind", Show::State),
        Column("subject", "/subject", Show::Subject("/subject")),
        Column("api", "/api", Show::Code),
        Column("scopes", "/scopes", Show::Words),
        Column("state", "/state", Show::State),
        Column("created_at", "/created_at", Show::When),
    ],
    facts: &[
        Column("kind", "/kind", Show::State),
        Column("state", "/state", Show::State),
        Column("subject", "/subject", Show::Subject("/subject")),
        Column("client", "/client", Show::To("clients", "/client")),
        Column("api", "/api", Show::Code),
        Column("scopes", "/scopes", Show::Words),
        Column("parent", "/parent", Show::To("grants", "/parent")),
        Column("created_at", "/created_at", Show::When),
        Column("expires_at", "/expires_at", Show::When),
        Column("revoked_at", "/revoked_at", Show::When),
        Column("id", "/id", Show::Code),
    ],
    related: &[],
    fields: &[],
    change: Change::Never,
    is_made: false,
    actions: &[Action {
        name: "revoke",
        method: Method::DELETE,
        is_danger: true,
        when: Where::StateIsNone(&["revoked"]),
        ..PLAIN
    }],
};
