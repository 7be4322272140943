//! W1: `/check` with an API key, beside servers that decide nothing and one that decides the same.

use std::sync::Arc;
use std::time::Instant;

use crate::admit::{Admit, must_judge};
use crate::contender::{Contender, compete, table};
use crate::load::Course;
use crate::population::Population;
use crate::question::Question;
use crate::report::{Goal, show};
use crate::server::Server;
use crate::{Plan, Result, better_auth, machine};

/// Runs it and shows the table.
pub fn run(plan: &Plan) -> Result<()> {
    let machine = machine::describe();
    let mut contenders = vec![reference("hello")?, reference("headers")?, reference("axum")?];
    if plan.admit.is_some() {
        contenders.push(admit(plan, 1_000, &[])?);
        contenders.push(admit(plan, plan.many, &[])?);
    }
    let (server, keys) = better_auth::serve(plan, better_auth::What::Keys)?;
    let question = Question::plain(keys.key_len());
    contenders.push(Contender::new("better-auth", vec![server], question, random(keys)));
    compete(plan, &mut contenders)?;
    let (shown, figures) = table(&contenders);
    let goals = match contenders.as_slice() {
        [hello, _, _, _, admit, better_auth] => vec![
            Goal::at_most("CPU of hello's", 2.2, admit.cpu_us() / hello.cpu_us()),
            Goal::at_least("cheaper than better-auth", 80.0, better_auth.cpu_us() / admit.cpu_us()),
        ],
        _ => Vec::new(),
    };
    show("w1", &machine, &shown, figures, &goals)
}

/// One of our own references.
pub fn reference(name: &str) -> Result<Contender> {
    let keys = Arc::new(Population::new(1_000));
    let server = Arc::new(Server::reference(name)?);
    Ok(Contender::new(name, vec![server], Question::check(keys.key_len()), random(keys)))
}

/// Admit with so many keys, each asked for once.
pub fn admit(plan: &Plan, count: usize, settings: &[(&str, &str)]) -> Result<Contender> {
    let keys = Arc::new(Population::new(count));
    let (server, _) = Admit::stocked(plan, &keys)?.serve(settings)?;
    must_judge(&server, &keys)?;
    let mut contender = known(format!("admit, {count} keys"), &Arc::new(server), &keys);
    let start = Instant::now();
    contender.run(&Course::Each(keys))?;
    eprintln!("asked for each of {count} keys once in {:.1} s", start.elapsed().as_secs_f64());
    Ok(contender)
}

/// A server that is asked with the keys that it knows.
pub fn known(name: impl Into<String>, server: &Arc<Server>, keys: &Arc<Population>) -> Contender {
    Contender::new(name, vec![server.clone()], Question::check(keys.key_len()), random(keys.clone()))
}

/// Any key each time.
pub fn random(keys: Arc<Population>) -> impl Fn(std::time::Duration) -> Course {
    move |time| Course::Random(keys.clone(), time)
}
