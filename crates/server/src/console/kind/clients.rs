//! Clients: applications, and the services that own keys.

use http::Method;

use crate::console::resource::{Action, Change, Column, Field, Input, PLAIN, Resource, Show, Where};

const SECRETS: &[Column] = &[
    Column("hint", "/hint", Show::Code),
    Column("live", "/live", Show::Yes),
    Column("created_at", "/created_at", Show::When),
    Column("expires_at", "/expires_at", Show::When),
    Column("last_used_at", "/last_used_at", Show::When),
    Column("id", "/id", Show::Code),
];

/// How it proves who it is; empty is what suits its type.
const METHODS: &[&str] = &["", "client_secret_basic", "client_secret_post", "private_key_jwt", "none"];

/// What signs ID tokens; empty is RS256.
const ALGS: &[&str] = &["", "RS256", "ES256", "PS256", "EdDSA"];

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
        Column("token_endpoint_auth_method", "/token_endpoint_auth_method", Show::Code),
        Column("secrets", "/secrets", Show::Rows(SECRETS)),
        Column("jwks_uri", "/jwks_uri", Show::Code),
        Column("jwks", "/jwks", Show::Json),
        Column("redirect_uris", "/redirect_uris", Show::Words),
        Column("post_logout_redirect_uris", "/post_logout_redirect_uris", Show::Words),
        Column("backchannel_logout_uri", "/backchannel_logout_uri", Show::Code),
        Column("origins", "/origins", Show::Words),
        Column("id_token_alg", "/id_token_signed_response_alg", Show::Code),
        Column("require_pkce", "/require_pkce", Show::Yes),
        Column("require_par", "/require_pushed_authorization_requests", Show::Yes),
        Column("rotate_refresh_tokens", "/rotate_refresh_tokens", Show::Yes),
        Column("default_max_age", "/default_max_age", Show::Text),
        Column("client_uri", "/client_uri", Show::Code),
        Column("policy_uri", "/policy_uri", Show::Code),
        Column("tos_uri", "/tos_uri", Show::Code),
        Column("first_party", "/first_party", Show::Yes),
        Column("dynamic", "/dynamic", Show::Yes),
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
        Field::new("redirect_uris", "/redirect_uris", Input::Lines).hinted(),
        Field::new("origins", "/origins", Input::Lines).hinted(),
        Field::new("post_logout_redirect_uris", "/post_logout_redirect_uris", Input::Lines).hinted(),
        Field::new("backchannel_logout_uri", "/backchannel_logout_uri", Input::Line).hinted(),
        Field::new("token_endpoint_auth_method", "/token_endpoint_auth_method", Input::Choice(METHODS)),
        Field::new("jwks_uri", "/jwks_uri", Input::Line).hinted(),
        Field::new("jwks", "/jwks", Input::Json).hinted(),
        Field::new("id_token_alg", "/id_token_signed_response_alg", Input::Choice(ALGS)),
        Field::new("require_pkce", "/require_pkce", Input::Whether).hinted(),
        Field::new("require_par", "/require_pushed_authorization_requests", Input::Box),
        Field::new("rotate_refresh_tokens", "/rotate_refresh_tokens", Input::Whether).hinted(),
        Field::new("default_max_age", "/default_max_age", Input::Number).hinted(),
        Field::new("client_uri", "/client_uri", Input::Line),
        Field::new("policy_uri", "/policy_uri", Input::Line),
        Field::new("tos_uri", "/tos_uri", Input::Line),
        Field::new("first_party", "/first_party", Input::Box).hinted(),
        Field::new("external_id", "/external_id", Input::Line),
        Field::new("metadata", "/metadata", Input::Json).hinted(),
    ],
    change: Change::Patch,
    is_made: true,
    actions: &[
        Action {
            name: "add-secret",
            below: &["secrets"],
            fields: &[Field::new("secret_life", "/expires_in_s", Input::Seconds(&[2_592_000, 7_776_000, 31_536_000]))
                .hinted()],
            when: Where::Is("/type", &["service", "web"]),
            ..PLAIN
        },
        Action {
            name: "revoke-secret",
            method: Method::DELETE,
            below: &["secrets"],
            chosen: "secret",
            fields: &[Field::new("secret", "", Input::Pick { from: "/secrets", called: "hint" })],
            when: Where::Has("/secrets/0"),
            is_danger: true,
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
        Action { name: "revoke-all", below: &["revoke-all"], is_danger: true, hits: "keys", ..PLAIN },
        Action { name: "delete", method: Method::DELETE, is_danger: true, hits: "keys", ends: true, ..PLAIN },
    ],
};
