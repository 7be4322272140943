//! `admit config check`, and how commands on the files of this machine read the configuration.

use std::path::{Path, PathBuf};

use admit_core::policy::rule::Problem;

use crate::app::Clock;
use crate::cli::failure::Failure;
use crate::cli::output::clean;
use crate::cli::{Context, source};
use crate::config::{Config, Overrides};
use crate::http::certificate::Pair;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Say everything that is wrong with a configuration
    #[command(before_help = "Examples:\n  admit config check\n  admit config check --config admit.toml")]
    Check {
        /// The configuration; without it ./admit.toml as for serve, and where that is absent the environment alone
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

/// Reads a configuration as `serve` would and reports every problem.
pub fn run(context: &Context, command: Command) -> Result<(), Failure> {
    let Command::Check { config } = command;
    let overrides = Overrides { data: context.given.data.clone(), ..Overrides::default() };
    let env =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let file = Config::file(config.as_deref(), &context.here);
    let source = file.as_ref().map_or_else(
        || "no file: the defaults and the environment".to_owned(),
        |file| clean(&file.display().to_string()),
    );
    let loaded = Config::load(file.as_deref(), &overrides, env);
    let store = loaded.as_ref().ok().map(|config| config.store.to_string());
    let problems = match loaded {
        Ok(config) => of_certificate(context, &config),
        Err(problems) => problems,
    };
    if context.output.json {
        let items: Vec<_> = problems
            .iter()
            .map(|problem| serde_json::json!({ "path": problem.path, "message": problem.message }))
            .collect();
        context.output.json(&serde_json::json!({ "problems": items, "store": store, "file": file }));
    }
    if problems.is_empty() {
        context.output.note(&format!("the configuration is good ({source})"));
        store.iter().for_each(|store| context.output.note(&format!("the store is {store}")));
        return Ok(());
    }
    let lines: Vec<_> = problems.iter().map(|problem| format!("\n  {}: {}", problem.path, problem.message)).collect();
    Err(Failure::failed(format!("the configuration ({source}) has {} problem(s){}", problems.len(), lines.concat())))
}

/// The configuration as `serve` would read it in this folder.
pub fn load(context: &Context, file: Option<&Path>) -> Result<Config, Failure> {
    let data = context.given.data.clone().or_else(|| (context.env)("ADMIT_DATA").map(PathBuf::from));
    let file = Config::file(file, &context.here);
    let is_unsaid = data.is_none() && file.is_none();
    let dev = is_unsaid.then(|| source::folder(&context.given, &*context.env, &context.here));
    let data = data.or(dev.filter(|folder| folder.ends_with(source::DEV_DATA)));
    let overrides = Overrides { data, ..Overrides::default() };
    let env =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Config::load(file.as_deref(), &overrides, env)
        .map_err(|problems| Failure::failed(crate::serve::Failure::from(problems).to_string()))
}

/// What only the moment tells of a certificate; whether it can be read at all is asked while loading.
fn of_certificate(context: &Context, config: &Config) -> Vec<Problem> {
    let Some(tls) = &config.tls else { return Vec::new() };
    match Pair::read(tls).and_then(|pair| pair.judge(tls, Clock::default().now())) {
        Ok(pair) => {
            let file = tls.key_file.display();
            context.output.note(&format!("the certificate {} ends at {}", tls.cert_file.display(), pair.ends_at()));
            if pair.is_key_open {
                context.output.note(&format!("everybody on this machine can read {file}. Next: chmod 600 {file}"));
            }
            Vec::new()
        }
        Err(wrong) => vec![Problem { path: format!("tls.{}", wrong.key), message: wrong.message }],
    }
}
