//! W7: the documents that everybody fetches, beside an axum handler that answers five letters, and oidc-provider.

use std::sync::Arc;

use super::w1::random;
use crate::contender::{Contender, compete, table};
use crate::issuer::{Format, Issuer};
use crate::oidc_provider::OidcProvider;
use crate::population::Population;
use crate::question::Question;
use crate::report::{Goal, show};
use crate::server::Server;
use crate::{Plan, Result, machine};

const METADATA: &str = "/.well-known/openid-configuration";
const KEYS: &str = "/.well-known/jwks.json";

/// Runs it and shows the table.
pub fn run(plan: &Plan) -> Result<()> {
    let machine = machine::describe();
    let issuer = Issuer::stocked(plan, 1)?;
    let admit = Arc::new(issuer.admit.serve(&[])?.0);
    // One key of each kind, as oidc-provider has them.
    for format in Format::ALL {
        issuer.tokens(&admit, format, 1)?;
    }
    let theirs = OidcProvider::serve(plan, Format::Opaque.as_str())?.server;
    let mut contenders = [
        asked("axum hello", &Arc::new(Server::reference("axum")?), Question::get("/hello")),
        asked("admit, metadata", &admit, Question::get(METADATA)),
        asked("admit, keys", &admit, Question::get(KEYS)),
        asked("oidc-provider, metadata", &theirs, Question::get(METADATA).for_others()),
        asked("oidc-provider, keys", &theirs, Question::get("/jwks").for_others()),
    ];
    compete(plan, &mut contenders)?;
    let (shown, figures) = table(&contenders);
    let [hello, metadata, keys, their_metadata, their_keys] = &contenders;
    let goals = [
        Goal::at_least("metadata, of axum hello's rate", 0.8, hello.cpu_us() / metadata.cpu_us()),
        Goal::at_least("keys, of axum hello's rate", 0.8, hello.cpu_us() / keys.cpu_us()),
        Goal::at_least("metadata, cheaper than oidc-provider", 12.0, their_metadata.cpu_us() / metadata.cpu_us()),
        Goal::at_least("keys, cheaper than oidc-provider", 12.0, their_keys.cpu_us() / keys.cpu_us()),
    ];
    show("w7", &machine, &shown, figures, &goals)
}

fn asked(name: &str, server: &Arc<Server>, question: Question) -> Contender {
    Contender::new(name, vec![server.clone()], question, random(Arc::new(Population::nothing())))
}
