//! W3c: `/check` with what nobody has. It must cost no more than what is known, and leave nothing behind.
//!
//! An unknown key of the form of an imported one is the dearest: nothing but the store tells that it is unknown. The budget of
//! unknown credentials bounds how often it is asked; how dear it would be otherwise is shown, too.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::w1;
use crate::admit::{Admit, must_judge};
use crate::contender::{Contender, compete, table};
use crate::load::Course;
use crate::machine::{self, Watch};
use crate::population::{Population, Stranger};
use crate::question::Question;
use crate::report::{Goal, megabytes, show};
use crate::server::Server;
use crate::{Plan, Result};

/// A budget that nobody spends.
const NO_BUDGET: [(&str, &str); 2] =
    [("ADMIT__LIMITS__UNKNOWN__NETWORK", "1000000/1s"), ("ADMIT__LIMITS__UNKNOWN__REALM", "1000000/1s")];

/// Runs it and shows the table.
pub fn run(plan: &Plan) -> Result<()> {
    let machine = machine::describe();
    let keys = Arc::new(Population::new(plan.many));
    let server = Arc::new(Admit::stocked(plan, &keys)?.serve(&[])?.0);
    must_judge(&server, &keys)?;
    let few = Population::new(1_000);
    let open = Arc::new(Admit::stocked(plan, &few)?.serve(&NO_BUDGET)?.0);
    let mut known = w1::known("known keys", &server, &keys);
    known.run(&Course::Each(keys.clone()))?;
    let mut contenders = [
        known,
        unknown("unknown keys", &server, Stranger::Key),
        unknown("garbage", &server, Stranger::Token),
        unknown("unknown keys, no budget", &open, Stranger::Key),
    ];
    compete(plan, &mut contenders)?;
    let held = held_over(plan.long, &server, &mut contenders[1])?;
    let held_open = held_over(plan.long, &open, &mut contenders[3])?;
    let (shown, mut figures) = table(&contenders);
    let [known, unknown, garbage, _] = &contenders;
    let growth = |(first, last): (u64, u64)| last as f64 / first as f64;
    let in_words = |(first, last)| format!("{} MB, then {} MB", megabytes(first), megabytes(last));
    let minute = format!(
        "Unknown keys for {} s: {}; without a budget: {}\n",
        plan.long.as_secs(),
        in_words(held),
        in_words(held_open)
    );
    figures["resident_growth"] = json!({ "with_budget": growth(held), "without": growth(held_open) });
    let goals = [
        Goal::at_most("unknown keys of known ones", 1.0, unknown.cpu_us() / known.cpu_us()),
        Goal::at_most("garbage of known keys", 1.0, garbage.cpu_us() / known.cpu_us()),
        Goal::at_most("memory after a minute of unknown keys", 1.02, growth(held)),
        Goal::at_most("the same without a budget", 1.02, growth(held_open)),
    ];
    show("w3c", &machine, &format!("{shown}\n{minute}"), figures, &goals)
}

fn unknown(name: &str, server: &Arc<Server>, stranger: Stranger) -> Contender {
    let course = move |time| Course::Strangers(stranger, time);
    // 403 is how nginx is told 429: the budget is spent, and the store is not asked.
    Contender::new(name, vec![server.clone()], Question::check(stranger.len()), course).expecting(&[401, 403])
}

/// The memory after the first sixth of so long a time, and at its end.
fn held_over(time: Duration, server: &Server, contender: &mut Contender) -> Result<(u64, u64)> {
    let watch = Watch::start(server.process());
    contender.turn(time)?;
    let seen = watch.stop();
    let first = seen.get(seen.len() / 6).ok_or("the memory was not seen")?;
    Ok((*first, *seen.last().ok_or("the memory was not seen")?))
}
