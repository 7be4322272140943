//! better-auth's verification of API keys and its look-up of sessions, on Node with its SQLite: a peer that is not ours.

use std::fs::{self, File};
use std::process::Command;
use std::sync::Arc;

use crate::plan::tool;
use crate::population::Population;
use crate::server::Server;
use crate::{Plan, Result};

/// What its cookie is called.
pub const COOKIE: &str = "better-auth.session_token";

/// What it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// API keys.
    Keys,
    /// Sessions, by their cookie.
    Sessions,
}

impl What {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Sessions => "sessions",
        }
    }

    /// How many it has. A key costs it milliseconds to make, and a sign-in a tenth of a second.
    const fn count(self) -> usize {
        match self {
            Self::Keys => 1_000,
            Self::Sessions => 50,
        }
    }
}

/// Starts it with an empty store and lets it make what it is asked for.
pub fn serve(plan: &Plan, what: What) -> Result<(Arc<Server>, Arc<Population>)> {
    let (node, program) = (tool("ADMIT_BENCH_NODE")?, tool("ADMIT_BENCH_BETTER_AUTH")?);
    let folder = plan.stores.folder().join("better-auth");
    let make = || {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder)?;
        File::create(folder.join("serve.log"))
    };
    let log = make().map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    let mut command = Command::new(node);
    command.arg(program.join("server.mjs")).arg(folder.join("auth.db"));
    command.args([what.as_str(), &what.count().to_string()]);
    command.env("NODE_ENV", "production").stderr(log);
    let (server, made) = Server::telling(&mut command, "better-auth")?;
    Ok((Arc::new(server), Arc::new(Population::of(&made)?)))
}
