//! W3: `/check` with JWTs that were seen before, beside a server that decides nothing.

use std::sync::Arc;

use super::w1::random;
use crate::contender::{Contender, compete, table};
use crate::issuer::{Format, Issuer};
use crate::load::Course;
use crate::population::Population;
use crate::question::Question;
use crate::report::{Goal, show};
use crate::server::{Server, status};
use crate::{Plan, Result, machine};
use admit_core::jose::algorithm::Algorithm;

/// How many tokens are shown again and again.
const TOKENS: usize = 10_000;
/// Whose they are.
const CLIENTS: usize = 1_000;
const FORMAT: Format = Format::Jwt(Algorithm::Es256);

/// Runs it and shows the table.
pub fn run(plan: &Plan) -> Result<()> {
    let machine = machine::describe();
    let issuer = Issuer::stocked(plan, CLIENTS)?;
    let server = Arc::new(issuer.admit.serve(&[])?.0);
    let tokens = Arc::new(issuer.tokens(&server, FORMAT, TOKENS)?);
    must_judge(&server, FORMAT, &tokens)?;
    let question = Question::check_at(&FORMAT.host(), tokens.key_len());
    let name = format!("admit, {TOKENS} tokens");
    let mut admit = Contender::new(name, vec![server], question.clone(), random(tokens.clone()));
    admit.run(&Course::Each(tokens.clone()))?;
    let hello = Contender::new("hello", vec![Arc::new(Server::reference("hello")?)], question, random(tokens));
    let mut contenders = [hello, admit];
    compete(plan, &mut contenders)?;
    let (shown, figures) = table(&contenders);
    let [hello, admit] = &contenders;
    let goals = [Goal::at_most("CPU of hello's", 2.5, admit.cpu_us() / hello.cpu_us())];
    show("w3", &machine, &shown, figures, &goals)
}

/// A token must be admitted, and one with another last letter refused, else nothing is verified here.
pub fn must_judge(server: &Server, format: Format, tokens: &Population) -> Result<()> {
    let question = Question::check_at(&format.host(), tokens.key_len());
    let ask = |token: &str| status(server.address, question.clone().with(token).bytes());
    let good = tokens.key(0);
    let (start, last) = good.split_at(good.rfind('.').map_or(0, |dot| dot + 1));
    let changed =
        format!("{start}{}{}", if last.starts_with('A') { 'B' } else { 'A' }, last.get(1..).unwrap_or_default());
    match (ask(good)?, ask(&changed)?) {
        (200, 401) => Ok(()),
        (good, bad) => Err(format!("a good token gets {good}, a changed one {bad}: 200 and 401 expected")),
    }
}
