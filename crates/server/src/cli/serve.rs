//! `admit serve`.

use std::path::PathBuf;

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::config::Listen;
use crate::serve::{self, ServeOptions};

#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  admit serve
  admit serve --dev
  admit serve --config admit.toml --data /var/lib/admit")]
pub struct Serve {
    /// Use ./admit-dev, and set up a demo there
    #[arg(long)]
    dev: bool,
    /// The configuration [default: ./admit.toml, where that is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to listen: an address, or unix:PATH [default: 127.0.0.1:8420]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<Listen>,
}

/// Runs until it is told to stop.
pub async fn run(context: &Context, command: Serve) -> Result<(), Failure> {
    let Serve { dev, config, listen } = command;
    let data = context.given.data.clone().or_else(|| (context.env)("ADMIT_DATA").map(PathBuf::from));
    let options = ServeOptions { dev, config, data, listen };
    serve::run(options).await.map_err(|failure| Failure::failed(failure.to_string()))
}
