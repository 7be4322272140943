//! W5: access tokens as JWTs that ES256 signs, beside an axum handler that reads the form and oidc-provider, which signs by the same.

use std::sync::Arc;
use std::time::Instant;

use admit_core::jose::algorithm::Algorithm;
use data_encoding::BASE64;

use super::w1::random;
use crate::contender::{Contender, compete, table};
use crate::issuer::{Format, Issuer};
use crate::load::Course;
use crate::oidc_provider::{self, OidcProvider};
use crate::question::Question;
use crate::report::{Goal, show};
use crate::server::{Server, status};
use crate::{Plan, Result, machine};

/// Runs it and shows the table.
pub fn run(plan: &Plan) -> Result<()> {
    compare(plan, "w5", &[Format::Jwt(Algorithm::Es256)], |figures| {
        let [_, admit, theirs] = figures else { return Ok(Vec::new()) };
        Ok(vec![Goal::at_least("cheaper than oidc-provider", 9.0, theirs.cpu_us() / admit.cpu_us())])
    })
}

/// The form handler, then Admit and oidc-provider with tokens of each format in turn.
pub fn compare(
    plan: &Plan,
    name: &str,
    formats: &[Format],
    goals: impl Fn(&[Contender]) -> Result<Vec<Goal>>,
) -> Result<()> {
    let machine = machine::describe();
    let issuer = Issuer::stocked(plan, plan.many / 10)?;
    let server = Arc::new(issuer.admit.serve(&[])?.0);
    let mut contenders = vec![form(&issuer)?];
    for format in formats {
        contenders.push(admit(&issuer, &server, *format)?);
        let theirs = OidcProvider::serve(plan, format.as_str())?;
        let question = Question::form("/token", theirs.clients.key_len(), oidc_provider::FORM).for_others();
        let label = format!("oidc-provider, {}", format.as_str());
        contenders.push(Contender::new(label, vec![theirs.server], question, random(theirs.clients)));
    }
    compete(plan, &mut contenders)?;
    let (shown, figures) = table(&contenders);
    let goals = goals(&contenders)?;
    show(name, &machine, &shown, figures, &goals)
}

/// The handler that reads the form and makes nothing of it.
fn form(issuer: &Issuer) -> Result<Contender> {
    let question = Question::form("/token", issuer.clients.key_len(), oidc_provider::FORM);
    let server = Arc::new(Server::reference("axum")?);
    Ok(Contender::new("form", vec![server], question, random(issuer.clients.clone())))
}

/// Admit, where each client had a token already: the first one of each is made with its grant.
fn admit(issuer: &Issuer, server: &Arc<Server>, format: Format) -> Result<Contender> {
    let (question, clients) = (issuer.question(format), &issuer.clients);
    let wrong = with_another_secret(clients.key(0))?;
    let ask = |basic: &str| status(server.address, question.clone().with(basic).bytes());
    match (ask(clients.key(0))?, ask(&wrong)?) {
        (200, 401) => {}
        (known, unknown) => {
            return Err(format!("a known client gets {known}, another {unknown}: 200 and 401 expected"));
        }
    }
    let label = format!("admit, {}, {} clients", format.as_str(), clients.len());
    let mut contender = Contender::new(label, vec![server.clone()], question, random(clients.clone()));
    let start = Instant::now();
    contender.run(&Course::Each(clients.clone()))?;
    eprintln!("a first token for each of {} clients in {:.1} s", clients.len(), start.elapsed().as_secs_f64());
    Ok(contender)
}

fn with_another_secret(basic: &str) -> Result<String> {
    let text = BASE64.decode(basic.as_bytes()).ok().and_then(|text| String::from_utf8(text).ok()).unwrap_or_default();
    let (id, _) = text.split_once(':').ok_or("what a client shows is no HTTP Basic")?;
    Ok(BASE64.encode(format!("{id}:{}", admit_core::secret::write("admit_cs", &[7; 32]).expose()).as_bytes()))
}
