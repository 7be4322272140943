//! Admit: one server that answers, for every request to any API, *who is this, and may they?*
//!
//! The library behind the binary, so that tests can start a server in process. Glue only: rules are in `admit-core`, SQL
//! is in `admit-store`. The map is `docs/ARCHITECTURE.md`.

pub mod app;
pub mod authn;
pub mod check;
pub mod cli;
pub mod config;
pub mod console;
pub mod gateway;
pub mod generate;
pub mod http;
pub mod jobs;
pub mod log;
pub mod login;
pub mod mail;
pub mod manage;
pub mod master;
pub mod metrics;
pub mod oauth;
pub mod outbound;
pub mod pages;
pub mod realm;
pub mod relying_party;
pub mod serve;
pub mod signing;
#[cfg(feature = "otel")]
pub mod telemetry;
pub mod toml_flaw;
