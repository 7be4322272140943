//! W13: Admit behind a gateway, beside a stub that lets everybody in behind the same gateway with the same configuration.
//!
//! Caddy believes only who writes all of Admit's headers, so its stub is another; the same behind nginx shows what it costs
//! to carry them on.

use std::sync::Arc;

use super::w1;
use crate::admit::{Admit, must_judge};
use crate::contender::{Contender, compete, table};
use crate::gateway::Gateway;
use crate::load::Course;
use crate::population::Population;
use crate::question::Question;
use crate::report::{Goal, show};
use crate::server::Server;
use crate::{Plan, Result, machine};

/// Runs it and shows the table.
pub fn run(plan: &Plan) -> Result<()> {
    let machine = machine::describe();
    let keys = Arc::new(Population::new(plan.many));
    let admit = Admit::stocked(plan, &keys)?;
    let judge = Arc::new(admit.serve(&[])?.0);
    must_judge(&judge, &keys)?;
    w1::known("admit", &judge, &keys).run(&Course::Each(keys.clone()))?;
    let (axum, headers) = (Arc::new(Server::reference("axum")?), Arc::new(Server::reference("headers")?));
    let application = Server::reference("hello")?;
    let mut contenders = Vec::new();
    let (axum, headers, admit_itself) = ((&axum, "axum"), (&headers, "headers"), (&judge, "admit"));
    for (gateway, checkers) in
        [(Gateway::Nginx, vec![axum, admit_itself, headers]), (Gateway::Caddy, vec![headers, admit_itself])]
    {
        for (checker, name) in checkers {
            let name = format!("{} -> {name}", gateway.name());
            let front = gateway.serve(&admit, &name.replace(" -> ", "-"), checker.address, application.address)?;
            let question = Question::plain(keys.key_len());
            let servers = vec![front, checker.clone()];
            contenders.push(Contender::new(name, servers, question, w1::random(keys.clone())));
        }
    }
    compete(plan, &mut contenders)?;
    let (shown, figures) = table(&contenders);
    let goals = match contenders.as_slice() {
        [stub, admit, ..] => vec![Goal::at_least("answers of those with the stub", 0.95, admit.rate() / stub.rate())],
        _ => Vec::new(),
    };
    show("w13", &machine, &shown, figures, &goals)
}
