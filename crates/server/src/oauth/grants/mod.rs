//! The kinds of grant that `POST /oauth/token` knows, a file each.

pub mod client_credentials;

/// Their words in `grant_type`.
pub const KNOWN: [&str; 1] = [client_credentials::GRANT_TYPE];
