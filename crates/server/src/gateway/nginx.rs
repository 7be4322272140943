//! The configuration for nginx (`ngx_http_auth_request_module`; measured with 1.22).
//!
//! nginx takes any 2xx of the asked service for a yes and 401 or 403 for a no, and keeps no header of the answer that
//! it is not told to keep. So the yes is looked at again, by a map that yields no target for anything but Admit's 200,
//! and the true figure of a no is read from `Admit-Status`. The body of a refusal is made by nginx, which cannot pass
//! Admit's on.
//!
//! Does not do TLS, and does not know which rules there are.

use super::{Gateway, IDENTITY, SPOOFABLE, fill, lines};

/// A complete configuration file.
pub fn config(gateway: &Gateway) -> String {
    let listen = match gateway.bind {
        Some(address) => std::net::SocketAddr::new(address, gateway.port).to_string(),
        None => gateway.port.to_string(),
    };
    let asked_with = ["X-Original-Method", "X-Original-URI"];
    let all = || IDENTITY.iter().chain(SPOOFABLE).copied();
    let values = [
        ("host", gateway.host.clone()),
        ("host_pattern", gateway.host.replace('.', "\\.")),
        ("listen", listen),
        ("upstream", gateway.upstream.clone()),
        ("admit", gateway.admit.clone()),
        ("realm", gateway.realm_path()),
        ("identity_taken", lines(IDENTITY.iter().copied(), take)),
        ("identity_set", lines(IDENTITY.iter().copied(), set)),
        ("cleared_upstream", lines(SPOOFABLE.iter().copied(), clear)),
        ("cleared_check", lines(all().filter(|header| !asked_with.contains(header)), clear)),
        ("cleared_pages", lines(all(), clear)),
    ];
    fill(include_str!("nginx.conf.in"), &values)
}

fn take(header: &str) -> String {
    let variable = variable(header);
    format!("        auth_request_set ${variable} $upstream_http_{variable};")
}

fn set(header: &str) -> String {
    format!("            proxy_set_header {header} ${};", variable(header))
}

fn clear(header: &str) -> String {
    format!("            proxy_set_header {header} \"\";")
}

fn variable(header: &str) -> String {
    header.to_ascii_lowercase().replace('-', "_")
}
