//! `admit gateway-config`: prints what `crate::gateway` writes.

use crate::cli::failure::Failure;
use crate::cli::{Context, source};
use crate::gateway::{Gateway, caddy, nginx};

/// Where a server is that was told nothing.
const ADMIT: &str = "http://127.0.0.1:8420";

#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  admit gateway-config nginx --host shop.test --upstream http://127.0.0.1:9000 > nginx.conf
  admit gateway-config caddy --host shop.test --upstream http://127.0.0.1:9000 --listen 8080 > Caddyfile")]
pub struct GatewayConfig {
    /// Which gateway
    #[arg(value_parser = ["nginx", "caddy"])]
    gateway: String,
    /// The host that is protected
    #[arg(long)]
    host: String,
    /// Where admitted requests go
    #[arg(long, value_name = "URL")]
    upstream: String,
    /// Where the gateway listens: a port or an address with a port
    #[arg(long, default_value = "8080", value_name = "ADDRESS")]
    listen: String,
    /// Where the gateway reaches Admit [default: the server that is named otherwise, else http://127.0.0.1:8420]
    #[arg(long, value_name = "URL")]
    admit: Option<String>,
}

/// Prints it.
pub fn run(context: &Context, command: &GatewayConfig) -> Result<(), Failure> {
    let settled = || source::settle(&context.given, &*context.env, &context.here);
    let known =
        || settled().map_or_else(|_| ADMIT.to_owned(), |target| target.url.as_str().trim_end_matches('/').to_owned());
    let admit = command.admit.clone().or_else(|| context.given.server.clone()).unwrap_or_else(known);
    let realm = Some(context.realm.as_str()).filter(|realm| *realm != admit_core::realm::DEFAULT);
    let gateway =
        Gateway::new(&command.host, &command.upstream, &admit, realm, &command.listen).map_err(Failure::usage)?;
    let text = if command.gateway == "caddy" { caddy::config(&gateway) } else { nginx::config(&gateway) };
    context.output.text(&text);
    Ok(())
}
