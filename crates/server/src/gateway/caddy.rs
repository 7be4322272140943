//! The configuration for Caddy (measured with 2.11).
//!
//! `forward_auth` would take any 2xx for a yes; here the reverse proxy that it stands for is written out, and the way
//! to the application lies inside the branch for Admit's own 200. Everything that Admit refuses reaches the client as
//! Admit said it. Caddy leaves a placeholder without value standing as text, so an answer that lacks a header of the
//! list counts as none.
//!
//! Does not do TLS (Caddy does, when asked for a name without `http://`), and does not know which rules there are.

use super::{Gateway, IDENTITY, SPOOFABLE, fill, lines};

/// Families of headers that are cleared as a whole, with the spellings that some applications take for the same name.
pub const CLEARED_BY_PREFIX: &[&str] = &["Admit-", "Admit_", "Admit.", "X-Original-", "X_Original_", "X_Forwarded_"];

/// A complete configuration file.
pub fn config(gateway: &Gateway) -> String {
    let single =
        SPOOFABLE.iter().copied().filter(|header| !CLEARED_BY_PREFIX.iter().any(|prefix| header.starts_with(prefix)));
    let families = lines(CLEARED_BY_PREFIX.iter().copied(), |prefix| format!("\t\trequest_header -{prefix}*"));
    let cleared = families + "\n" + &lines(single, |header| format!("\t\trequest_header -{header}"));
    let realm = gateway.realm_path();
    let own_rewrite = if realm.is_empty() { String::new() } else { format!("\t\t\trewrite * {realm}{{uri}}\n") };
    let values = [
        ("host", gateway.host.clone()),
        ("port", gateway.port.to_string()),
        ("bind", gateway.bind.map(|address| format!("\tbind {address}\n")).unwrap_or_default()),
        ("upstream", gateway.upstream.clone()),
        ("admit", gateway.admit.clone()),
        ("realm", realm),
        ("own_rewrite", own_rewrite),
        ("cleared", cleared),
        ("identity_required", lines(IDENTITY.iter().copied(), require)),
        ("identity_set", lines(IDENTITY.iter().copied(), set)),
    ];
    fill(include_str!("Caddyfile.in"), &values)
}

fn require(header: &str) -> String {
    format!("\t\t\t\t\theader {header} *")
}

fn set(header: &str) -> String {
    format!("\t\t\t\t\t\t\theader_up {header} {{rp.header.{header}}}")
}
