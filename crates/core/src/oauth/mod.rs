//! OAuth 2.1: what a client may ask an authorization server for, and how it is refused (RFC 6749 and what grew around it).
//!
//! Knows no HTTP but its words, no store, no clock.

pub mod assertion;
pub mod client_auth;
pub mod error;

pub use error::{Error, ErrorCode};
