//! W5b: access tokens as JWTs that EdDSA and RS256 sign, beside what the signatures alone cost in the same run.

use admit_core::jose::algorithm::Algorithm;

use super::w5::compare;
use crate::issuer::Format;
use crate::report::Goal;
use crate::{Plan, ROUNDS, Result, crypto};

/// Runs it and shows the table. The signatures alone have their turns before and after.
pub fn run(plan: &Plan) -> Result<()> {
    let before = alone()?;
    compare(plan, "w5b", &[Format::Jwt(Algorithm::EdDsa), Format::Jwt(Algorithm::Rs256)], |figures| {
        let [form, by_edwards, their_edwards, by_rsa, their_rsa] = figures else { return Ok(Vec::new()) };
        let [edwards, rsa] = crypto::medians(&[before.clone(), alone()?].concat());
        println!("One signature by EdDSA takes {edwards:.2} µs, by RS256 {rsa:.2} µs");
        let bound = form.cpu_us() + edwards;
        Ok(vec![
            Goal::at_least("EdDSA, of form and signature", 0.6, bound / by_edwards.cpu_us()),
            Goal::at_least("EdDSA, cheaper than oidc-provider", 5.0, their_edwards.cpu_us() / by_edwards.cpu_us()),
            Goal::at_least("RS256, of aws-lc's own rate", 0.8, rsa / by_rsa.cpu_us()),
            Goal::at_least("RS256, cheaper than oidc-provider", 1.7, their_rsa.cpu_us() / by_rsa.cpu_us()),
        ])
    })
}

/// What one signature costs by EdDSA and by RS256, round by round.
fn alone() -> Result<Vec<[f64; 2]>> {
    let round = |_| Ok([crypto::sign_us(Algorithm::EdDsa)?, crypto::sign_us(Algorithm::Rs256)?]);
    (0..ROUNDS).map(round).collect()
}
