//! The scenarios, one file each, named as in the page about figures.

use crate::{Plan, Result};

mod pw01;
mod w1;
mod w10;
mod w11;
mod w13;
mod w15;
mod w16;
mod w17;
mod w18;
mod w2;
mod w3;
mod w3b;
mod w3c;
mod w4;
mod w5;
mod w5b;
mod w6;
mod w7;
mod w8;
mod w8b;
mod w9;
mod w9b;

/// What runs a scenario and shows its table.
type Run = fn(&Plan) -> Result<()>;

/// Each with its name and what it asks.
pub const SCENARIOS: [(&str, &str, Run); 22] = [
    ("w1", "/check with an API key, beside hyper, axum and better-auth", w1::run),
    ("w2", "/check with the cookie of a session, beside hyper and better-auth", w2::run),
    ("w3", "/check with access tokens that were seen before, beside hyper", w3::run),
    ("w3b", "/check with access tokens that were never seen, beside their signatures alone", w3b::run),
    ("w3c", "/check with what nobody has: unknown keys, garbage", w3c::run),
    ("w4", "opaque access tokens for 100,000 clients, beside oidc-provider", w4::run),
    ("w5", "the same as JWTs that ES256 signs", w5::run),
    ("w5b", "the same by EdDSA and RS256, beside their signatures alone", w5b::run),
    ("w6", "introspection of 1,000,000 opaque tokens, beside oidc-provider", w6::run),
    ("w7", "metadata and keys, beside axum and oidc-provider", w7::run),
    ("w8", "refresh tokens that are good once, each durable, beside rows that pgbench inserts", w8::run),
    ("w8b", "refresh tokens that stay, with an ID token, beside oidc-provider", w8b::run),
    ("w9", "sign-ins with a password, from 1, 8, 64 and 512 clients, beside hashing alone", w9::run),
    ("w9b", "/check during a storm of sign-ins", w9b::run),
    ("w10", "/check while 500 keys per second are created and revoked", w10::run),
    ("w11", "/check over a thousand, a million and ten million keys", w11::run),
    ("w13", "behind nginx and Caddy, beside an axum stub behind the same", w13::run),
    ("w15", "memory: idle, with all keys, after a minute of load", w15::run),
    ("w16", "from the start of the program to the first admitted request", w16::run),
    ("w17", "rate limits: what they cost, and whether they are exact", w17::run),
    ("w18", "twice the load that it can take, and afterwards", w18::run),
    ("pw01", "whether the time of a refused sign-in tells who is known", pw01::run),
];

/// Runs what is planned. One that fails does not hold up the next.
pub fn run(plan: &Plan) -> Result<()> {
    let mut failures = Vec::new();
    for (name, _, run) in SCENARIOS.iter().filter(|(name, ..)| plan.scenarios.iter().any(|planned| planned == name)) {
        eprintln!("== {name}");
        if let Err(message) = run(plan) {
            eprintln!("{name}: {message}");
            failures.push(*name);
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(format!("no figures for {}", failures.join(", "))) }
}
