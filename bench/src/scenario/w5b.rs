//! W5b: access tokens as JWTs that EdDSA and RS256 sign, beside what the signatures alone cost in the same run.

use std::time::Duration;

use admit_core::jose::algorithm::Algorithm;

use super::w5::compare;
use crate::issuer::Format;
use crate::report::{Goal, median};
use crate::{Plan, ROUNDS, Result, crypto};

/// How long signatures are made over and over.
const ALONE: Duration = Duration::from_secs(1);

/// Runs it and shows the table.
pub fn run(plan: &Plan) -> Result<()> {
    let alone = |algorithm| {
        Ok::<_, String>(median((0..ROUNDS).map(|_| crypto::sign_us(algorithm, ALONE)).collect::<Result<_>>()?))
    };
    let (edwards, rsa) = (alone(Algorithm::EdDsa)?, alone(Algorithm::Rs256)?);
    eprintln!("one signature by EdDSA takes {edwards:.2} µs, by RS256 {rsa:.2} µs");
    compare(plan, "w5b", &[Format::Jwt(Algorithm::EdDsa), Format::Jwt(Algorithm::Rs256)], |_, figures| {
        let [form, by_edwards, their_edwards, by_rsa, their_rsa] = figures else { return Vec::new() };
        let bound = form.cpu_us() + edwards;
        vec![
            Goal::at_least("EdDSA, of form and signature", 0.6, bound / by_edwards.cpu_us()),
            Goal::at_least("EdDSA, cheaper than oidc-provider", 5.0, their_edwards.cpu_us() / by_edwards.cpu_us()),
            Goal::at_least("RS256, of aws-lc's own rate", 0.8, rsa / by_rsa.cpu_us()),
            Goal::at_least("RS256, cheaper than oidc-provider", 1.7, their_rsa.cpu_us() / by_rsa.cpu_us()),
        ]
    })
}
