//! Measures Admit beside its references, in one run: `cargo xtask bench [SCENARIO]…`.
//!
//! A rate alone says more about the machine than about the program, so every figure is a ratio against a server that runs
//! in the same minute on the same cores, taken in turns. Traffic stays on 127.0.0.1; every loop ends by count or by time.
//! The references are this program too (`admit-bench hello`), so that they are built as Admit is, with its allocator. What
//! is not ours (gateways, better-auth) is found by `cargo xtask bench`, which tells by environment variables.
#![expect(clippy::print_stdout, reason = "a command line program prints")]

use std::process::ExitCode;

mod admit;
mod better_auth;
mod bulk;
mod clients;
mod contender;
mod crypto;
mod gateway;
mod histogram;
mod issuer;
mod load;
mod machine;
mod oidc_provider;
mod opaque;
mod open;
mod people;
mod plan;
mod population;
mod postgres;
mod question;
mod reference;
mod refresh;
mod report;
mod scenario;
mod server;
mod sessions;
mod storm;

use plan::Plan;
use reference::Kind;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What can go wrong is told to a person, so text will do.
type Result<T> = std::result::Result<T, String>;

/// How often each server has its turn.
const ROUNDS: usize = 3;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.first().map(String::as_str) {
        Some("hello") => reference::serve(Kind::Hello),
        Some("headers") => reference::serve(Kind::Headers),
        Some("axum") => reference::serve(Kind::Axum),
        Some("run") if !arguments.iter().any(|word| word == "--help" || word == "-h") => {
            Plan::read(&arguments[1..]).and_then(|plan| scenario::run(&plan))
        }
        _ => {
            println!("{}", plan::usage());
            return ExitCode::from(u8::from(arguments.len() < 2) * 2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}
