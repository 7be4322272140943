//! W17: rate limits. What counting for each of many keys costs in time and memory, and whether a limit lets through what it says.

use std::sync::Arc;

use serde_json::json;

use super::w1;
use crate::admit::{Admit, LIMITED};
use crate::contender::{Contender, table};
use crate::load::{self, Course};
use crate::population::Population;
use crate::question::Question;
use crate::report::{Goal, show};
use crate::server::Server;
use crate::{Plan, ROUNDS, Result, machine};

/// The limit of the exact part: so many at once, and so many each second after.
const RATE: u32 = 1_000;

/// One count for all keys.
const SHARED: &str = r#"limit = { per = "rule", rate = "1000000/1s" }"#;

/// Runs it and shows the table.
pub fn run(plan: &Plan) -> Result<()> {
    let machine = machine::describe();
    let keys = Arc::new(Population::new(plan.many));
    let admit = Admit::stocked(plan, &keys)?;
    let server = Arc::new(admit.serve(&[])?.0);
    let names = ["no limit", "one limit for all keys", "a limit for each key"];
    let mut contenders = names.map(|name| w1::known(name, &server, &keys));
    let bytes_per_key = bytes_of_counts(&admit, &server, &keys, &mut contenders[0])?;
    alternate(plan, &admit, &mut contenders)?;
    let exact = exactness(plan, &admit, &server, &keys)?;
    admit.rule(LIMITED)?;
    let (shown, mut figures) = table(&contenders);
    let [_, shared, own] = &contenders;
    let words = format!(
        "A count takes {bytes_per_key:.0} bytes. One key at {RATE}/1s from 64 connections: {} admitted, {:.0} expected\n",
        exact.admitted, exact.expected
    );
    figures["bytes_per_key"] = json!(bytes_per_key);
    figures["admitted"] = json!(exact.admitted);
    figures["expected"] = json!(exact.expected);
    let off = (exact.admitted as f64 / exact.expected - 1.0).abs();
    let goals = [
        Goal::at_most("µs for a count of each key's own", 1.0, own.cpu_us() - shared.cpu_us()),
        Goal::at_most("bytes for each count", 64.0, bytes_per_key),
        Goal::at_most("admitted beside what is expected", 0.01, off),
    ];
    show("w17", &machine, &format!("{shown}\n{words}"), figures, &goals)
}

/// What the memory grows by when every key that was asked for without a limit is asked for with one.
fn bytes_of_counts(admit: &Admit, server: &Server, keys: &Arc<Population>, asked: &mut Contender) -> Result<f64> {
    admit.rule("")?;
    // Twice: what else a second request of each key costs is there before the counts are.
    asked.run(&Course::Each(keys.clone()))?;
    asked.run(&Course::Each(keys.clone()))?;
    let before = server.resident_bytes()?;
    admit.rule(LIMITED)?;
    asked.run(&Course::Each(keys.clone()))?;
    let after = server.resident_bytes()?;
    asked.forget();
    Ok(after.saturating_sub(before) as f64 / keys.len() as f64)
}

/// The turns, with the rule that each of them wants.
fn alternate(plan: &Plan, admit: &Admit, contenders: &mut [Contender; 3]) -> Result<()> {
    for round in 1..=ROUNDS {
        eprintln!("round {round} of {ROUNDS}");
        for (contender, limit) in contenders.iter_mut().zip(["", SHARED, LIMITED]) {
            admit.rule(limit)?;
            contender.turn(plan.round)?;
        }
    }
    Ok(())
}

/// What passed a limit, and what should have.
struct Exact {
    admitted: u64,
    expected: f64,
}

fn exactness(plan: &Plan, admit: &Admit, server: &Server, keys: &Population) -> Result<Exact> {
    admit.rule(&format!("limit = {{ per = \"grant\", rate = \"{RATE}/1s\" }}"))?;
    let one = Arc::new(Population::of(&[keys.key(0).to_owned()])?);
    let question = Question::check(one.key_len());
    // 403 is how nginx is told 429.
    let seen = load::run(server.address, &question, &Course::Random(one, plan.round), &[200, 403])?;
    if let Some(surprise) = seen.first_surprise {
        return Err(format!("{}, where 200 and 403 were expected:\n{surprise}", seen.statuses.shown()));
    }
    let expected = f64::from(RATE) * (1.0 + seen.took.as_secs_f64());
    Ok(Exact { admitted: seen.statuses.of(200), expected })
}
