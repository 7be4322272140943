//! APIs: protected resources with their scopes and hosts.

use http::Method;

use crate::console::resource::{Action, Change, Column, Field, Input, PLAIN, Resource, Show, Where};

/// All that the console knows of them.
pub const APIS: Resource = Resource {
    name: "apis",
    read: "apis:read",
    write: "apis:write",
    id: "id",
    called: &["/name", "/uri"],
    search: "q",
    narrow: "",
    has_ended: false,
    columns: &[
        Column("uri", "/uri", Show::Code),
        Column("hosts", "/hosts", Show::Words),
        Column("scopes", "/scopes", Show::Members),
    ],
    facts: &[
        Column("uri", "/uri", Show::Code),
        Column("name", "/name", Show::Text),
        Column("hosts", "/hosts", Show::Words),
        Column("scopes", "/scopes", Show::Members),
        Column("token_format", "/token_format", Show::Code),
        Column("token_lifetime", "/token_lifetime_s", Show::Text),
        Column("token_alg", "/token_alg", Show::Code),
        Column("token_typ", "/token_typ", Show::Code),
        Column("external_id", "/external_id", Show::Text),
        Column("metadata", "/metadata", Show::Json),
        Column("created_at", "/created_at", Show::When),
        Column("id", "/id", Show::Code),
    ],
    related: &[],
    fields: &[
        Field::new("uri", "/uri", Input::Line).needed().hinted().when_made(),
        Field::new("name", "/name", Input::Line),
        Field::new("defined_scopes", "/scopes", Input::Members).hinted(),
        Field::new("hosts", "/hosts", Input::Lines).hinted(),
        Field::new("token_format", "/token_format", Input::Choice(&["jwt", "opaque"])),
        Field::new("token_lifetime", "/token_lifetime_s", Input::Number),
        Field::new("token_alg", "/token_alg", Input::Choice(&["ES256", "RS256", "PS256", "EdDSA"])),
        Field::new("token_typ", "/token_typ", Input::Choice(&["at+jwt", "JWT"])),
        Field::new("external_id", "/external_id", Input::Line),
        Field::new("metadata", "/metadata", Input::Json).hinted(),
    ],
    change: Change::Patch,
    is_made: true,
    actions: &[Action {
        name: "delete",
        method: Method::DELETE,
        is_danger: true,
        ends: true,
        when: Where::Always,
        ..PLAIN
    }],
};
