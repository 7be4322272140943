//! W8b: refresh tokens that stay, with an access token and an ID token that ES256 signs, beside oidc-provider with the same.

use std::sync::Arc;

use data_encoding::BASE64;
use serde_json::Value;

use super::w1::random;
use crate::admit::Admit;
use crate::bulk::{lookup_key, open};
use crate::contender::{Contender, compete, table};
use crate::issuer::TOKEN;
use crate::machine;
use crate::oidc_provider::Refreshing;
use crate::population::Population;
use crate::question::Question;
use crate::refresh::{DOCUMENT, plant};
use crate::report::{Goal, show};
use crate::{Plan, Result};

const CLIENT: &str = "on a server";
/// How many authorizations are renewed in turn: oidc-provider forgets the oldest of a thousand things.
const COUNT: usize = 300;

/// Runs it and shows the table.
pub fn run(plan: &Plan) -> Result<()> {
    let machine = machine::describe();
    let theirs = Refreshing::serve(plan, COUNT)?;
    let question = Question::form_of(&theirs.basic, "/token", FORM, theirs.tokens.key_len()).for_others();
    let mut contenders =
        vec![admit(plan)?, Contender::new("oidc-provider", vec![theirs.server], question, random(theirs.tokens))];
    compete(plan, &mut contenders)?;
    let (shown, figures) = table(&contenders);
    let [admit, theirs] = &contenders[..] else { return Ok(()) };
    let goals = [Goal::at_least("cheaper than oidc-provider", 8.0, theirs.cpu_us() / admit.cpu_us())];
    show("w8b", &machine, &shown, figures, &goals)
}

const FORM: &str = "grant_type=refresh_token&refresh_token=";

fn admit(plan: &Plan) -> Result<Contender> {
    let admit = Admit::new(plan, &format!("refresh-{}", std::process::id()))?;
    let (server, _) = admit.serve(&[])?;
    let file = admit.write("refresh.toml", DOCUMENT)?;
    admit.run(&["apply", "-f", &file])?;
    let made: Value = serde_json::from_str(&admit.run(&["client", "secret", "add", CLIENT, "--json"])?)
        .map_err(|error| error.to_string())?;
    let secret = made["secret"].as_str().ok_or("a secret was made and not told")?.to_owned();
    server.stop()?;
    let store = open(&admit.data())?;
    let scopes = ["offline_access", "openid", "orders:read"];
    let (client, tokens) = plant(&store, &lookup_key(&admit.data())?, CLIENT, &scopes, COUNT)?;
    store.close();
    let (server, _) = admit.serve(&[])?;
    let basic = BASE64.encode(format!("{client}:{secret}").as_bytes());
    let tokens = Arc::new(Population::of(&tokens)?);
    let question = Question::form_of(&basic, TOKEN, FORM, tokens.key_len());
    Ok(Contender::new("admit", vec![Arc::new(server)], question, random(tokens)))
}
