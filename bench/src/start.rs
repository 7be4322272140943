//! Start: how long until Admit is ready, and what it holds when nobody asks.

use std::time::Duration;

use serde_json::json;

use crate::report::{median, megabytes, show, table};
use crate::server::{Admit, Server};
use crate::{Plan, Result, machine};

/// How often it is started.
const TIMES: usize = 5;

/// How long it is left alone before its memory is read.
const IDLE: Duration = Duration::from_secs(2);

/// Runs it and shows the table.
pub fn run(plan: &Plan) -> Result<()> {
    let machine = machine::describe();
    let hello = Server::reference("hello")?;
    let mut rows = vec![vec!["hello".to_owned(), String::new(), String::new(), megabytes(hello.resident_bytes()?)]];
    let mut figures = json!({});
    if let Some(program) = &plan.admit {
        let (mut first, mut again, mut idle) = (Vec::new(), Vec::new(), 0);
        for number in 0..TIMES {
            let folder = Admit::new(program, &format!("start-{number}"), false)?;
            let (server, ready) = folder.serve("admit")?;
            first.push(ready.as_secs_f64() * 1e3);
            server.stop()?;
            let (server, ready) = folder.serve("admit")?;
            again.push(ready.as_secs_f64() * 1e3);
            if number + 1 == TIMES {
                std::thread::sleep(IDLE);
                idle = server.resident_bytes()?;
            }
        }
        let (first, again) = (median(first), median(again));
        rows.push(vec!["admit".to_owned(), format!("{first:.0}"), format!("{again:.0}"), megabytes(idle)]);
        figures = json!({ "ready_first_ms": first, "ready_again_ms": again, "idle_resident_bytes": idle });
    }
    let head = ["server", "ready, making its store, ms", "ready, empty store, ms", "idle MB"];
    show("start", &machine, &table(&head, &rows), figures)
}
