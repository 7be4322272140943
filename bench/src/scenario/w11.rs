//! W11: what a request costs over ever more keys: no more than what the processor's caches make of it.
//!
//! To ask for each of ten million keys once takes longer than all else, so a tenth of them is in use there, and the others are
//! asked for by a contender of its own: what it asks for was never asked for before, and each costs a read of the store.

use std::sync::Arc;

use super::w1;
use crate::admit::{Admit, must_judge};
use crate::contender::{Contender, compete, table};
use crate::load::Course;
use crate::population::Population;
use crate::report::{Goal, show};
use crate::{Plan, Result, machine};

/// Room for what is in use and for the misses beside it.
const CACHE: [(&str, &str); 1] = [("ADMIT__CACHE__MAX_BYTES", "2GiB")];

/// Runs it and shows the table.
pub fn run(plan: &Plan) -> Result<()> {
    let machine = machine::describe();
    let mut contenders = vec![w1::admit(plan, 1_000, &[])?, w1::admit(plan, plan.many, &[])?];
    if let Some(most) = plan.most {
        contenders.extend(most_keys(plan, most)?);
    }
    compete(plan, &mut contenders)?;
    let (shown, figures) = table(&contenders);
    let base = contenders.first().map_or(0.0, Contender::cpu_us);
    let others = contenders.iter().skip(1).take(2);
    let goals: Vec<_> = others
        .map(|contender| Goal::at_most(format!("{} of 1000", contender.name), 1.5, contender.cpu_us() / base))
        .collect();
    show("w11", &machine, &shown, figures, &goals)
}

fn most_keys(plan: &Plan, count: usize) -> Result<[Contender; 2]> {
    let keys = Arc::new(Population::new(count));
    let server = Arc::new(Admit::stocked(plan, &keys)?.serve(&CACHE)?.0);
    must_judge(&server, &keys)?;
    let used = Arc::new(keys.some(plan.many));
    let mut known = w1::known(format!("admit, {} of {count} keys in use", used.len()), &server, &used);
    known.run(&Course::Each(used))?;
    Ok([known, w1::known(format!("admit, any of {count} keys: misses"), &server, &keys)])
}
