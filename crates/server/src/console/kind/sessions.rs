//! Sessions: where people are signed in, and the browsers that are known to be theirs.

use http::Method;

use crate::console::resource::{Action, Change, Column, PLAIN, Resource, Show, Where};

/// All that the console knows of them.
pub const SESSIONS: Resource = Resource {
    name: "sessions",
    read: "sessions:read",
    write: "sessions:write",
    id: "id",
    called: &["/name"],
    search: "user",
    narrow: "user",
    has_ended: true,
    columns: &[
        Column("user", "/name", Show::Text),
        Column("kind", "/kind", Show::State),
        Column("host", "/host", Show::Code),
        Column("state", "/state", Show::State),
        Column("last_used_at", "/last_used_at", Show::When),
        Column("last_ip", "/last_ip", Show::Code),
    ],
    facts: &[
        Column("user", "/name", Show::Subject("/user")),
        Column("kind", "/kind", Show::State),
        Column("state", "/state", Show::State),
        Column("host", "/host", Show::Code),
        Column("signed_in_at", "/signed_in_at", Show::When),
        Column("amr", "/amr", Show::Words),
        Column("last_used_at", "/last_used_at", Show::When),
        Column("last_ip", "/last_ip", Show::Code),
        Column("last_user_agent", "/last_user_agent", Show::Text),
        Column("expires_at", "/expires_at", Show::When),
        Column("parent", "/parent", Show::To("sessions", "/parent")),
        Column("id", "/id", Show::Code),
    ],
    related: &[],
    fields: &[],
    change: Change::Never,
    is_made: false,
    actions: &[Action {
        name: "end",
        method: Method::DELETE,
        is_danger: true,
        when: Where::StateIsNone(&["ended"]),
        ..PLAIN
    }],
};
