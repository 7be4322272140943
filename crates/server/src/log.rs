//! Logs: one JSON object a line, or lines for people. Text from outside is escaped by the formatter, never printed raw.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::LogFormat;

/// Begins to write logs to stderr. `ADMIT_LOG` filters them (`info` where absent).
pub fn start(format: LogFormat) {
    let filter = EnvFilter::try_from_env("ADMIT_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = fmt::Subscriber::builder().with_env_filter(filter).with_writer(std::io::stderr);
    let begun = match format {
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).finish().try_init(),
        LogFormat::Human => {
            let is_plain =
                std::env::var_os("NO_COLOR").is_some() || !std::io::IsTerminal::is_terminal(&std::io::stderr());
            builder.with_ansi(!is_plain).with_target(false).finish().try_init()
        }
    };
    // A second server in one process (tests) keeps the first one's log.
    drop(begun);
}
