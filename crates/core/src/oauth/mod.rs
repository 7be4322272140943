//! OAuth 2.1: what applications ask for, what they get, and how they are refused (RFC 6749 and what grew on it).
//!
//! Pure: requests that were read, rows that were loaded, and what follows. Knows no HTTP but its words, no store, no clock,
//! and signs nothing itself.

pub mod access_token;
pub mod approved;
pub mod assertion;
pub mod authorization;
pub mod authorized;
pub mod client_auth;
pub mod client_credentials;
pub mod device;
pub mod error;
pub mod id_token;
pub mod identity;
pub mod introspection;
pub mod logout;
pub mod pkce;
pub mod redeem;
pub mod refresh;
pub mod registration;
pub mod scope;
pub mod userinfo;

pub use error::{AUTHORIZATION_DETAILS, Error, ErrorCode};
