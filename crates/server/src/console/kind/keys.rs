//! API keys. A secret is shown once, where it is made.

use http::Method;

use crate::console::resource::{Action, Change, Column, Field, Input, PLAIN, Resource, Show, Where};

const SECRETS: &[Column] = &[
    Column("number", "/number", Show::Text),
    Column("hint", "/hint", Show::Code),
    Column("created_at", "/created_at", Show::When),
    Column("live", "/live", Show::Yes),
    Column("last_used_at", "/last_used_at", Show::When),
    Column("last_ip", "/last_ip", Show::Code),
    Column("uses", "/uses", Show::Text),
];

/// All that the console knows of them.
pub const KEYS: Resource = Resource {
    name: "keys",
    read: "keys:read",
    write: "keys:write",
    id: "id",
    called: &["/name"],
    search: "q",
    narrow: "owner",
    has_ended: true,
    columns: &[
        Column("name", "/name", Show::Text),
        Column("hint", "/hint", Show::Code),
        Column("owner", "/owner_name", Show::Subject("/owner")),
        Column("scopes", "/scopes", Show::Words),
        Column("state", "/state", Show::State),
        Column("last_used_at", "/last_used_at", Show::When),
        Column("expires_at", "/expires_at", Show::When),
    ],
    facts: &[
        Column("state", "/state", Show::State),
        Column("owner", "/owner_name", Show::Subject("/owner")),
        Column("api", "/api", Show::Code),
        Column("scopes", "/scopes", Show::Words),
        Column("effective_scopes", "/effective_scopes", Show::Words),
        Column("expires_at", "/expires_at", Show::When),
        Column("ip", "/ip", Show::Words),
        Column("limit", "/limit", Show::Code),
        Column("warnings", "/warnings", Show::Words),
        Column("secrets", "/secrets", Show::Rows(SECRETS)),
        Column("external_id", "/external_id", Show::Text),
        Column("metadata", "/metadata", Show::Json),
        Column("created_by", "/created_by", Show::Code),
        Column("created_at", "/created_at", Show::When),
        Column("grant", "/grant", Show::To("grants", "/grant")),
        Column("id", "/id", Show::Code),
    ],
    related: &[],
    fields: &[
        Field::new("name", "/name", Input::Line).needed(),
        Field::new("owner", "/owner", Input::Line).hinted().when_made(),
        Field::new("granted", "/scopes", Input::OfOneApi),
        Field::new("life", "", Input::Life),
        Field::new("ip", "/ip", Input::Lines).hinted(),
        Field::new("limit", "/limit", Input::Line).hinted(),
        Field::new("external_id", "/external_id", Input::Line),
        Field::new("metadata", "/metadata", Input::Json).hinted(),
    ],
    change: Change::Patch,
    is_made: true,
    actions: &[
        Action {
            name: "roll",
            below: &["roll"],
            fields: &[
                Field::new("overlap", "/overlap_s", Input::Seconds(&[0, 3_600, 86_400, 604_800])),
                Field::new("compromised", "/compromised", Input::Box).hinted(),
            ],
            when: Where::StateIsNone(&["revoked"]),
            ..PLAIN
        },
        Action { name: "disable", below: &["disable"], when: Where::StateIs("active"), ..PLAIN },
        Action { name: "enable", below: &["enable"], when: Where::Has("/disabled_at"), ..PLAIN },
        Action {
            name: "revoke",
            method: Method::DELETE,
            when: Where::StateIsNone(&["revoked"]),
            is_danger: true,
            ..PLAIN
        },
    ],
};
