//! oidc-provider on Node, with its state in memory: a peer that is not ours.

use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::plan::tool;
use crate::population::Population;
use crate::server::Server;
use crate::{Plan, Result};

/// How many clients it has.
const CLIENTS: usize = 1_000;
/// How many tokens it is asked about: it keeps a thousand things, and forgets the oldest.
const TOKENS: usize = 900;

/// What each asks for: the same as of Admit.
pub const FORM: &str = "grant_type=client_credentials&scope=orders:read";

/// A server, and what it can be asked with.
pub struct OidcProvider {
    pub server: Arc<Server>,
    /// What its clients show as HTTP Basic.
    pub clients: Arc<Population>,
    /// Tokens that it made.
    pub tokens: Arc<Population>,
}

impl OidcProvider {
    /// One whose access tokens are of this format: `opaque`, or what they are signed by.
    pub fn serve(plan: &Plan, format: &str) -> Result<Self> {
        let (node, program) = (tool("ADMIT_BENCH_NODE")?, tool("ADMIT_BENCH_OIDC_PROVIDER")?);
        std::fs::create_dir_all(plan.stores.folder()).map_err(|error| error.to_string())?;
        let mut command = Command::new(node);
        command.arg(program.join("server.mjs")).args([format, &CLIENTS.to_string(), &TOKENS.to_string()]);
        command.env("NODE_ENV", "production").stderr(Stdio::null());
        let (server, made) = Server::telling(&mut command, "oidc-provider")?;
        let (clients, tokens) = made.split_at_checked(CLIENTS).ok_or("oidc-provider made too few clients")?;
        Ok(Self {
            server: Arc::new(server),
            clients: Arc::new(Population::of(clients)?),
            tokens: Arc::new(Population::of(tokens)?),
        })
    }
}

/// One client of it with refresh tokens that stay, whose tokens are signed by ES256.
pub struct Refreshing {
    pub server: Arc<Server>,
    /// What the client shows as HTTP Basic.
    pub basic: String,
    /// Its refresh tokens.
    pub tokens: Arc<Population>,
}

impl Refreshing {
    /// A server with so many.
    pub fn serve(plan: &Plan, count: usize) -> Result<Self> {
        let (node, program) = (tool("ADMIT_BENCH_NODE")?, tool("ADMIT_BENCH_OIDC_PROVIDER")?);
        std::fs::create_dir_all(plan.stores.folder()).map_err(|error| error.to_string())?;
        let mut command = Command::new(node);
        command.arg(program.join("refresh.mjs")).arg(count.to_string());
        command.env("NODE_ENV", "production").stderr(Stdio::null());
        let (server, made) = Server::telling(&mut command, "oidc-provider")?;
        let (basic, tokens) = made.split_first().ok_or("oidc-provider made no client")?;
        Ok(Self { server: Arc::new(server), basic: basic.clone(), tokens: Arc::new(Population::of(tokens)?) })
    }
}
