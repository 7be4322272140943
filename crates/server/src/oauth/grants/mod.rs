//! The kinds of grant that `POST /oauth/token` knows, a file each.

pub mod authorization_code;
pub mod client_credentials;
pub mod device_code;
pub mod refresh;

/// Their words in `grant_type`.
pub const KNOWN: [&str; 4] =
    [authorization_code::GRANT_TYPE, client_credentials::GRANT_TYPE, device_code::GRANT_TYPE, refresh::GRANT_TYPE];
