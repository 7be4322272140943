//! What kind of application a client is, and how it may prove who it is.
//!
//! Who can keep a secret is confidential, everybody else is public (RFC 6749 §2.1). One table says it for the registration
//! and for the endpoints.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What kind of application it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientType {
    /// Runs on a server and serves browsers.
    Web,
    /// Runs in a browser.
    Spa,
    /// Runs on a person's machine.
    Native,
    /// Acts only as itself.
    Service,
    /// Has no browser of its own.
    Device,
}

/// How a client proves who it is (RFC 7591 §2, `token_endpoint_auth_method`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// Not at all: it is public.
    None,
    /// A secret in `Authorization` (RFC 6749 §2.3.1).
    ClientSecretBasic,
    /// A secret in the form (RFC 6749 §2.3.1).
    ClientSecretPost,
    /// A JWT that it signed (RFC 7523 §2.2).
    PrivateKeyJwt,
}

impl ClientType {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Web, Self::Spa, Self::Native, Self::Service, Self::Device];

    /// The word in documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Spa => "spa",
            Self::Native => "native",
            Self::Service => "service",
            Self::Device => "device",
        }
    }

    /// Whether it can keep a secret.
    pub const fn is_confidential(self) -> bool {
        matches!(self, Self::Web | Self::Service)
    }

    /// How it may prove who it is.
    pub const fn auth_methods(self) -> &'static [AuthMethod] {
        match self.is_confidential() {
            true => &[AuthMethod::ClientSecretBasic, AuthMethod::ClientSecretPost, AuthMethod::PrivateKeyJwt],
            false => &[AuthMethod::None],
        }
    }

    /// How it does where nobody said: RFC 6749 §2.3.1 has a secret in `Authorization` or in the form, and libraries differ
    /// in which they choose.
    pub const fn usual_auth_methods(self) -> &'static [AuthMethod] {
        match self.is_confidential() {
            true => &[AuthMethod::ClientSecretBasic, AuthMethod::ClientSecretPost],
            false => &[AuthMethod::None],
        }
    }
}

impl AuthMethod {
    /// Its registered name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }
}

impl fmt::Display for AuthMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_cannot_keep_a_secret_has_none() {
        for kind in ClientType::ALL {
            let usual = kind.usual_auth_methods();
            assert!(usual.iter().all(|method| kind.auth_methods().contains(method)), "{kind:?}");
            assert_eq!(kind.auth_methods().contains(&AuthMethod::None), !kind.is_confidential(), "{kind:?}");
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        for method in [AuthMethod::None, AuthMethod::ClientSecretBasic, AuthMethod::PrivateKeyJwt] {
            assert_eq!(serde_json::to_value(method).unwrap(), method.as_str());
        }
    }
}
