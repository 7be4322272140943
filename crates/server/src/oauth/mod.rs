//! The authorization server (RFC 6749).

pub mod client;
