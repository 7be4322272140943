//! W16: from the start of the program to the first request that it admits.

use serde_json::json;

use crate::admit::Admit;
use crate::population::Population;
use crate::report::{Goal, median, show, table};
use crate::{Plan, Result, machine};

/// How often it is started.
const TIMES: usize = 5;

/// Runs it and shows the table.
pub fn run(plan: &Plan) -> Result<()> {
    let machine = machine::describe();
    let first = (0..TIMES).map(|number| {
        let admit = Admit::new(plan, &format!("new-{number}-{}", std::process::id()))?;
        let (server, ready) = admit.serve(&[])?;
        server.stop()?;
        // Also where stores are kept: this one is only ever made.
        let _ = std::fs::remove_dir_all(admit.folder());
        Ok(ready.as_secs_f64() * 1e3)
    });
    let first = median(first.collect::<Result<Vec<_>>>()?);
    let (few, many) = (admitted(plan, 1)?, admitted(plan, plan.many)?);
    let row = |what: String, ms: f64| vec![what, format!("{ms:.0}")];
    let rows = [
        row("ready (/readyz), making its store".to_owned(), first),
        row("admits, one key".to_owned(), few),
        row(format!("admits, {} keys", plan.many), many),
    ];
    let figures = json!({ "ready_making_store_ms": first, "admits_one_key_ms": few, "admits_many_keys_ms": many });
    let goals = [Goal::at_most("ms with one key", 100.0, few), Goal::at_most("ms with many keys", 1_000.0, many)];
    show("w16", &machine, &table(&["from the start until it", "ms"], &rows), figures, &goals)
}

/// Milliseconds until the last of so many keys is admitted.
fn admitted(plan: &Plan, count: usize) -> Result<f64> {
    let keys = Population::new(count);
    let admit = Admit::stocked(plan, &keys)?;
    let times = (0..TIMES).map(|_| {
        let (server, took) = admit.serve_until_admitted(keys.key(keys.len() - 1))?;
        server.stop()?;
        Ok(took.as_secs_f64() * 1e3)
    });
    Ok(median(times.collect::<Result<Vec<_>>>()?))
}
