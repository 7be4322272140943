//! Keys that sign: seen, followed by another, taken back. Their private halves are shown nowhere.

use http::Method;

use crate::console::resource::{Action, Change, Column, Field, Input, PLAIN, Resource, Show, Where};

/// All that the console knows of them.
pub const SIGNING_KEYS: Resource = Resource {
    name: "signing-keys",
    read: "signing-keys:read",
    write: "signing-keys:write",
    id: "id",
    called: &[],
    search: "q",
    narrow: "",
    has_ended: false,
    columns: &[
        Column("id", "/id", Show::Code),
        Column("algorithm", "/algorithm", Show::Code),
        Column("purpose", "/purpose", Show::State),
        Column("state", "/state", Show::State),
        Column("signs_from", "/signs_from", Show::When),
        Column("published_until", "/published_until", Show::When),
    ],
    facts: &[
        Column("state", "/state", Show::State),
        Column("algorithm", "/algorithm", Show::Code),
        Column("purpose", "/purpose", Show::State),
        Column("created_at", "/created_at", Show::When),
        Column("signs_from", "/signs_from", Show::When),
        Column("published_until", "/published_until", Show::When),
        Column("revoked_at", "/revoked_at", Show::When),
        Column("kid", "/kid", Show::Code),
        Column("id", "/id", Show::Code),
    ],
    related: &[],
    fields: &[
        Field::new("algorithm", "/algorithm", Input::Choice(&["", "ES256", "RS256", "PS256", "EdDSA"])).hinted(),
        Field::new("purpose", "/purpose", Input::Choice(&["issuer", "upstream"])),
        Field::new("signs_now", "/now", Input::Box).hinted(),
    ],
    change: Change::Never,
    is_made: true,
    actions: &[Action {
        name: "revoke",
        method: Method::DELETE,
        is_danger: true,
        when: Where::StateIsNone(&["revoked"]),
        ..PLAIN
    }],
};
