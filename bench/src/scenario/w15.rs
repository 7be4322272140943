//! W15: the memory that Admit holds: idle, with all keys in its cache, and after a minute of load.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::w1;
use crate::admit::Admit;
use crate::load::Course;
use crate::population::Population;
use crate::report::{Goal, megabytes, show, table};
use crate::{Plan, Result, machine};

/// How long a server is left alone before its memory is read.
const IDLE: Duration = Duration::from_secs(2);

/// Runs it and shows the table.
pub fn run(plan: &Plan) -> Result<()> {
    let machine = machine::describe();
    let (server, _) = Admit::stocked(plan, &Population::new(1))?.serve(&[])?;
    std::thread::sleep(IDLE);
    let idle = server.resident_bytes()?;
    server.stop()?;
    let keys = Arc::new(Population::new(plan.many));
    let server = Arc::new(Admit::stocked(plan, &keys)?.serve(&[])?.0);
    let started = server.resident_bytes()?;
    let mut contender = w1::known("admit", &server, &keys);
    contender.run(&Course::Each(keys.clone()))?;
    let asked = server.resident_bytes()?;
    contender.turn(plan.long)?;
    let loaded = server.resident_bytes()?;
    let per_key = (asked.saturating_sub(started)) as f64 / keys.len() as f64;
    let rows = [
        ("idle, one key".to_owned(), idle),
        (format!("started over a store of {} keys", keys.len()), started),
        ("after each was asked for once".to_owned(), asked),
        (format!("after {} s of w1", plan.long.as_secs()), loaded),
    ];
    let rows: Vec<_> = rows.into_iter().map(|(what, bytes)| vec![what, megabytes(bytes)]).collect();
    let figures = json!({
        "idle_bytes": idle, "started_bytes": started, "asked_bytes": asked, "loaded_bytes": loaded, "bytes_per_key": per_key,
    });
    let goals = [
        Goal::at_most("MB idle", 20.0, idle as f64 / 1e6),
        Goal::at_most("bytes for each key", 200.0, per_key),
        Goal::at_most("growth under load", 1.2, loaded as f64 / asked as f64),
    ];
    show("w15", &machine, &table(&["admit", "MB"], &rows), figures, &goals)
}
