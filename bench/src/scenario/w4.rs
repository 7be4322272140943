//! W4: opaque access tokens for clients that show a secret, each on disk before it is answered, beside an axum handler that reads
//! the form and oidc-provider, which keeps them in memory.

use super::w5::compare;
use crate::issuer::Format;
use crate::report::Goal;
use crate::{Plan, Result};

/// Runs it and shows the table.
pub fn run(plan: &Plan) -> Result<()> {
    compare(plan, "w4", &[Format::Opaque], |figures| {
        let [_, admit, theirs] = figures else { return Ok(Vec::new()) };
        Ok(vec![Goal::at_least("cheaper than oidc-provider", 10.0, theirs.cpu_us() / admit.cpu_us())])
    })
}
