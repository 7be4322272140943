//! What every engine of the store must do, by feature. Each test asks [`fixture::TestStore`] for an empty store.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[macro_use]
mod fixture;

mod account;
mod authorization;
mod client_secret;
mod cluster;
mod device;
mod engine;
mod event;
mod filter;
mod grant;
#[expect(dead_code, reason = "the tests of the server use all of it")]
mod hand;
mod idempotency;
mod isolation;
mod key;
mod logout_notice;
mod postgres;
mod race;
mod realm;
mod rule;
mod seal;
mod session;
mod signing_key;
mod sqlite;
mod subject;
mod sweep;
mod text;
mod tls;
mod token;
mod usage;
