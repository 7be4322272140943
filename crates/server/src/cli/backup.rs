//! `admit backup` and `admit restore`: copies of the store, made while the server runs and put back while it does not.
//!
//! Works on the files of this machine, not through a server. The master key is in no copy: it is kept elsewhere.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use admit_store::Location;
use serde_json::json;

use crate::app::Clock;
use crate::cli::failure::Failure;
use crate::cli::{Context, config};
use crate::config::MasterKeySource;
use crate::jobs::checkpoint;
use crate::serve::restore;

#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  admit backup admit-2026-11-22.db
  admit backup --config admit.toml --data /var/lib/admit /backup/admit.db")]
pub struct Backup {
    /// The file to write; nothing may be there
    file: PathBuf,
    /// The configuration of the server [default: ./admit.toml where it is]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  admit restore admit-2026-11-22.db --accept
  admit restore --accept")]
pub struct Restore {
    /// The copy to put back; without it, the store as it is
    #[arg(required_unless_present = "accept")]
    file: Option<PathBuf>,
    /// Accept that everything issued until now ends: keys have to be made anew
    #[arg(long)]
    accept: bool,
    /// The configuration of the server [default: ./admit.toml where it is]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Copies the store of a server that may go on running.
pub fn backup(context: &Context, command: &Backup) -> Result<(), Failure> {
    let config = config::load(context, command.config.as_deref())?;
    let store = match &config.store {
        Location::Sqlite(store) => store,
        Location::Postgres(url) => {
            return Err(Failure::failed(format!(
                "the store is {url}: its server copies it. Next: pg_dump --format=custom --file={} '{url}'",
                command.file.display()
            )));
        }
    };
    let (total, done) = (std::fs::metadata(store).map_or(0, |about| about.len()), AtomicBool::new(false));
    let copied = std::thread::scope(|scope| {
        let growing = |draft: &Path| {
            let draft = draft.to_owned();
            scope.spawn({
                let done = &done;
                move || watch(&draft, total, done)
            });
        };
        let copied = admit_store::back_up(store, &command.file, Clock::default().now(), growing);
        done.store(true, Ordering::Release);
        copied
    });
    let copied = copied.map_err(failed)?;
    if context.output.json {
        let made_at = copied.made_at;
        context.output.json(
            &json!({ "file": command.file, "bytes": copied.bytes, "position": copied.position, "made_at": made_at }),
        );
    }
    context.output.note(&format!("wrote {} ({})", command.file.display(), size(copied.bytes)));
    context.output.note(&match &config.master_key {
        MasterKeySource::File(file) => {
            format!(
                "it is of no use without the master key, which is not in it: keep a copy of {} elsewhere",
                file.display()
            )
        }
        _ => "it is of no use without the master key, which is not in it".to_owned(),
    });
    Ok(())
}

/// Says how far a copy has come, once a second. On a terminal only: in a log it is noise.
fn watch(draft: &Path, total: u64, done: &AtomicBool) {
    use std::io::{IsTerminal, Write};
    let mut terminal = std::io::stderr();
    if !terminal.is_terminal() {
        return;
    }
    for tick in 1.. {
        std::thread::sleep(Duration::from_millis(100));
        if done.load(Ordering::Acquire) {
            break;
        }
        if tick % 10 == 0 {
            let written = std::fs::metadata(draft).map_or(0, |about| about.len());
            let _ = write!(terminal, "\rcopying: {} of about {}", size(written), size(total));
        }
    }
    let _ = write!(terminal, "\r\x1b[K");
}

/// Puts a copy back, accepts a store that is older than it was, or both.
pub fn restore(context: &Context, command: &Restore) -> Result<(), Failure> {
    let config = config::load(context, command.config.as_deref())?;
    let now = Clock::default().now();
    if let Some(file) = &command.file {
        let store = match &config.store {
            Location::Sqlite(store) => store,
            Location::Postgres(url) => {
                return Err(Failure::failed(format!(
                    "the store is {url}: its server puts it back. Next: pg_restore --clean --if-exists --dbname='{url}' {}, then: admit restore --accept",
                    file.display()
                )));
            }
        };
        let copied = admit_store::inspect(file).map_err(failed)?;
        let mark = now.unix_ms().to_be_bytes();
        let aside = admit_store::put_back(file, store, &[(restore::PUT_BACK, &mark)], now).map_err(failed)?;
        let made = copied.made_at.map(|at| format!(" of {at}")).unwrap_or_default();
        context.output.note(&format!("{} is the copy{made} now", store.display()));
        if let Some(aside) = aside {
            context.output.note(&format!("what was there before is {}", aside.display()));
        }
    }
    if !command.accept {
        context.output.note(
            "it is not served before you accept that everything issued until now ends. Next: admit restore --accept",
        );
        return Ok(());
    }
    let accepted = restore::accept(&config, now).map_err(|failure| Failure::failed(failure.to_string()))?;
    checkpoint::forget(&config.data);
    if context.output.json {
        context.output.json(&json!({ "realms": accepted.realms, "valid_after": accepted.valid_after }));
    }
    if accepted.valid_after > now {
        context.output.note(&format!(
            "the clock of this machine says {now}, and the store knows a later time: set the clock before you make keys anew"
        ));
    }
    context.output.note(&format!(
        "accepted: in {} realms everything issued before {} has ended. Next: admit serve, then make keys anew: admit key list",
        accepted.realms, accepted.valid_after
    ));
    Ok(())
}

fn failed(error: admit_store::Error) -> Failure {
    match error {
        admit_store::Error::Unavailable(cause) => Failure::failed(cause),
        other => Failure::failed(other.to_string()),
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(1000)),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}
