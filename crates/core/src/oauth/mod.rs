//! OAuth 2.0: what applications ask for, and what they get (RFC 6749 and what grew on it).
//!
//! Pure: requests that were read, rows that were loaded, and what follows. Knows neither HTTP nor the store, and signs nothing
//! itself.

pub mod access_token;
pub mod client_credentials;
pub mod introspection;
pub mod scope;
