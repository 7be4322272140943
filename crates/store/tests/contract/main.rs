//! What every engine of the store must do, by feature. Each test asks [`fixture::TestStore`] for an empty store.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod engine;
mod event;
mod filter;
mod fixture;
mod grant;
mod idempotency;
mod isolation;
mod key;
mod race;
mod realm;
mod rule;
mod subject;
mod sweep;
mod text;
mod usage;
