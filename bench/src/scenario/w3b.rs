//! W3b: `/check` with JWTs that were never seen: each is shown once. What the signature alone costs is measured in the same run.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use admit_core::jose::algorithm::Algorithm;
use serde_json::json;

use super::w3::must_judge;
use crate::contender::{Contender, compete, table};
use crate::issuer::{Format, Issuer};
use crate::load::Course;
use crate::question::Question;
use crate::report::{Goal, show};
use crate::server::Server;
use crate::{Plan, ROUNDS, Result, crypto, machine};

const ALGORITHMS: [Algorithm; 3] = [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256];
/// Whose tokens they are.
const CLIENTS: usize = 1_000;
/// What there may be beside the signature.
const BESIDE_US: f64 = 15.0;

/// Runs it and shows the table. The signatures alone have their turns before and after.
pub fn run(plan: &Plan) -> Result<()> {
    let machine = machine::describe();
    // One part to warm up, one for each round; as many in each as bring the clock's ticks below a hundredth.
    let size = (plan.many / 50).max(CLIENTS);
    let issuer = Issuer::stocked(plan, CLIENTS)?;
    let server = Arc::new(issuer.admit.serve(&[])?.0);
    let mut contenders = Vec::new();
    let before = alone()?;
    for algorithm in ALGORITHMS {
        contenders.push(never_seen(&issuer, &server, Format::Jwt(algorithm), size)?);
    }
    compete(plan, &mut contenders)?;
    let alone = crypto::medians(&[before, alone()?].concat());
    let (mut shown, mut figures) = table(&contenders);
    shown += "\n";
    let mut goals = Vec::new();
    for ((algorithm, contender), alone) in ALGORITHMS.iter().zip(&contenders).zip(&alone) {
        shown += &format!("Verifying one {algorithm} signature takes {alone:.2} µs\n");
        goals.push(Goal::at_most(
            format!("{algorithm}, µs beside the signature"),
            BESIDE_US,
            contender.cpu_us() - alone,
        ));
    }
    figures["verify_us"] =
        ALGORITHMS.iter().zip(&alone).map(|(name, us)| json!({ "alg": name.as_str(), "us": us })).collect();
    show("w3b", &machine, &shown, figures, &goals)
}

/// What verifying one signature costs by each algorithm, round by round.
fn alone() -> Result<Vec<[f64; 3]>> {
    let [first, second, third] = ALGORITHMS;
    let round = |_| Ok([crypto::verify_us(first)?, crypto::verify_us(second)?, crypto::verify_us(third)?]);
    (0..ROUNDS).map(round).collect()
}

/// Tokens of one algorithm, other ones in each turn.
fn never_seen(issuer: &Issuer, server: &Arc<Server>, format: Format, size: usize) -> Result<Contender> {
    let tokens = issuer.tokens(server, format, size * (ROUNDS + 1) + 1)?;
    must_judge(server, format, &tokens.some(1))?;
    let question = Question::check_at(&format.host(), tokens.key_len());
    let parts: Vec<_> = tokens.after(1).parts(size).into_iter().map(Arc::new).collect();
    let next = AtomicUsize::new(0);
    let course = move |_| Course::Each(parts[next.fetch_add(1, Ordering::Relaxed) % parts.len()].clone());
    Ok(Contender::new(format!("admit, {}", format.as_str()), vec![server.clone()], question, course))
}
