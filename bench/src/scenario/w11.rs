//! W11: what a request costs over ever more keys. What a key costs must not depend on how many others there are.

use super::w1;
use crate::contender::{Contender, compete, table};
use crate::report::{Goal, show};
use crate::{Plan, Result, machine};

/// From here on the facts of all keys do not fit into the cache as it is by default.
const LARGE: usize = 1_000_000;

/// Runs it and shows the table.
pub fn run(plan: &Plan) -> Result<()> {
    let machine = machine::describe();
    let counts = [Some(1_000), Some(plan.many), plan.most];
    let contenders = counts.into_iter().flatten().map(|count| admit(plan, count)).collect::<Result<Vec<_>>>();
    let mut contenders = contenders?;
    compete(plan, &mut contenders)?;
    let (shown, figures) = table(&contenders);
    let base = contenders.first().map_or(0.0, Contender::cpu_us);
    let others = contenders.iter().skip(1);
    let goals: Vec<_> = others
        .map(|contender| Goal::at_most(format!("{} of 1000", contender.name), 1.5, contender.cpu_us() / base))
        .collect();
    show("w11", &machine, &shown, figures, &goals)
}

fn admit(plan: &Plan, count: usize) -> Result<Contender> {
    if count <= LARGE {
        return w1::admit(plan, count, &[]);
    }
    let mut contender = w1::admit(plan, count, &[("ADMIT__CACHE__MAX_BYTES", "8GiB")])?;
    contender.name += ", cache of 8 GiB";
    Ok(contender)
}
