//! W6: introspection of opaque access tokens by the client that holds them, beside oidc-provider with a thousandth of them.

use std::sync::Arc;
use std::time::Instant;

use serde_json::json;

use super::w1::random;
use crate::contender::{Contender, compete, table};
use crate::issuer::{Format, INTROSPECT, Issuer, answer};
use crate::load::Course;
use crate::oidc_provider::OidcProvider;
use crate::population::Population;
use crate::question::Question;
use crate::report::{Goal, show};
use crate::server::Server;
use crate::{Plan, Result, machine, opaque};

/// Runs it and shows the table.
pub fn run(plan: &Plan) -> Result<()> {
    let machine = machine::describe();
    let theirs = OidcProvider::serve(plan, Format::Opaque.as_str())?;
    let question = Question::about_token("/token/introspection", theirs.clients.key(0), theirs.tokens.key_len());
    let label = format!("oidc-provider, {} tokens", theirs.tokens.len());
    let theirs = Contender::new(label, vec![theirs.server], question.for_others(), random(theirs.tokens));
    let mut contenders = [admit(plan)?, theirs];
    compete(plan, &mut contenders)?;
    let (shown, figures) = table(&contenders);
    let [admit, theirs] = &contenders;
    let goals = [Goal::at_least("cheaper than oidc-provider", 14.0, theirs.cpu_us() / admit.cpu_us())];
    show("w6", &machine, &shown, figures, &goals)
}

/// A store of its own: no other scenario has that many tokens. Each was asked about once.
fn admit(plan: &Plan) -> Result<Contender> {
    let issuer = Issuer::stocked_in(plan, &format!("tokens-{}", plan.many), 1)?;
    let (server, _) = issuer.admit.serve(&[])?;
    let pattern = issuer.tokens(&server, Format::Opaque, 1)?;
    server.stop()?;
    let (tokens, start) = (Arc::new(Population::access_tokens(plan.many)), Instant::now());
    let mark = "tokens-are-there";
    if !issuer.admit.folder().join(mark).exists() {
        opaque::insert(&issuer.admit.data(), &tokens, pattern.key(0))?;
        issuer.admit.write(mark, "")?;
        eprintln!("{} tokens were written in {:.1} s", tokens.len(), start.elapsed().as_secs_f64());
    }
    let server = Arc::new(issuer.admit.serve(&[])?.0);
    let question = Question::about_token(INTROSPECT, issuer.clients.key(0), tokens.key_len());
    must_tell(&server, &question, &tokens)?;
    let label = format!("admit, {} tokens", tokens.len());
    let mut contender = Contender::new(label, vec![server], question, random(tokens.clone()));
    let start = Instant::now();
    contender.run(&Course::Each(tokens.clone()))?;
    eprintln!("asked about each of {} tokens once in {:.1} s", tokens.len(), start.elapsed().as_secs_f64());
    Ok(contender)
}

/// A token must be active and a stranger not, else nothing is looked up here: both are answered with 200.
fn must_tell(server: &Server, question: &Question, tokens: &Population) -> Result<()> {
    let stranger = admit_core::secret::write("admit_at", &[7; 32]);
    let ask = |token: &str| answer(server, &question.clone().with(token));
    let (known, unknown) = (ask(tokens.key(tokens.len() - 1))?, ask(stranger.expose())?);
    if known["active"] == true && unknown == json!({ "active": false }) {
        return Ok(());
    }
    Err(format!("a token is told as {known}, a stranger as {unknown}: active and inactive expected"))
}
