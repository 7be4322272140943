//! better-auth's verification of API keys, on Node with its SQLite: a peer that is not ours.

use std::fs::{self, File};
use std::process::Command;
use std::sync::Arc;

use crate::plan::tool;
use crate::population::Population;
use crate::server::Server;
use crate::{Plan, Result};

/// How many keys it has: each costs it milliseconds to make.
const KEYS: usize = 1_000;

/// Starts it with an empty store and lets it make its keys.
pub fn serve(plan: &Plan) -> Result<(Arc<Server>, Arc<Population>)> {
    let (node, program) = (tool("ADMIT_BENCH_NODE")?, tool("ADMIT_BENCH_BETTER_AUTH")?);
    let folder = plan.stores.folder().join("better-auth");
    let make = || {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder)?;
        File::create(folder.join("serve.log"))
    };
    let log = make().map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    let mut command = Command::new(node);
    command.arg(program.join("server.mjs")).arg(folder.join("auth.db")).arg(KEYS.to_string());
    command.env("NODE_ENV", "production").stderr(log);
    let (server, keys) = Server::telling(&mut command, "better-auth")?;
    Ok((Arc::new(server), Arc::new(Population::of(&keys)?)))
}
