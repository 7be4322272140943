//! How a client is refused: a registered code, and a sentence for who reads the log of the client.
//!
//! The codes are those of RFC 6749 §4.1.2.1 and §5.2, RFC 7009 §2.2.1, RFC 7591 §3.2.2, RFC 8628 §3.5, RFC 8707 §2, RFC 9396 §5
//! and OpenID Connect Core §3.1.2.6, and the one for requirements that are not met. What a sentence says is in printable ASCII
//! without `"` and `\` (RFC 6749 §5.2), whatever the client had sent.

use std::borrow::Cow;
use std::fmt;

/// Declares the codes with their text and status, so that each stands once.
macro_rules! codes {
    ($($(#[$doc:meta])* $code:ident = $text:literal $status:literal,)*) => {
        /// A registered code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ErrorCode { $($(#[$doc])* $code,)* }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$code,)*];

            /// The word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$code => $text,)* }
            }

            /// The HTTP status.
            pub const fn status(self) -> u16 {
                match self { $(Self::$code => $status,)* }
            }
        }
    };
}

codes! {
    /// The request is malformed: a parameter is missing, there twice, or not what it must be.
    InvalidRequest = "invalid_request" 400,
    /// Who calls is not known here, or did not prove it.
    InvalidClient = "invalid_client" 401,
    /// What was presented for tokens is not good, or not this client's.
    InvalidGrant = "invalid_grant" 400,
    /// The client may not use this grant type.
    UnauthorizedClient = "unauthorized_client" 400,
    /// The grant type is not known here.
    UnsupportedGrantType = "unsupported_grant_type" 400,
    /// A scope is not known, malformed, or more than the client may have.
    InvalidScope = "invalid_scope" 400,
    /// The resource is not known, malformed, or none that one token could be for (RFC 8707).
    InvalidTarget = "invalid_target" 400,
    /// The person, or the server for him, said no.
    AccessDenied = "access_denied" 400,
    /// Something else than a code was asked for.
    UnsupportedResponseType = "unsupported_response_type" 400,
    /// Somebody has to sign in, and no page may be shown.
    LoginRequired = "login_required" 400,
    /// Somebody has to be asked, and no page may be shown.
    ConsentRequired = "consent_required" 400,
    /// Requests in a signed object are not read here (OpenID Connect Core §6).
    RequestNotSupported = "request_not_supported" 400,
    /// Requests are not fetched from anywhere (OpenID Connect Core §6).
    RequestUriNotSupported = "request_uri_not_supported" 400,
    /// Nobody registers within a request (OpenID Connect Core §7.2.1).
    RegistrationNotSupported = "registration_not_supported" 400,
    /// The sign-in is not of the assurance that was said to be essential.
    UnmetAuthenticationRequirements = "unmet_authentication_requirements" 400,
    /// What exactly is to be done was said in words that are not known here (RFC 9396).
    InvalidAuthorizationDetails = "invalid_authorization_details" 400,
    /// Nobody has confirmed the device yet (RFC 8628).
    AuthorizationPending = "authorization_pending" 400,
    /// The same, and the device did not wait for so long as it was told to.
    PollingTooFast = "slow_down" 400,
    /// Nobody confirmed the device in time (RFC 8628).
    ExpiredToken = "expired_token" 400,
    /// Where browsers are to be sent back to is no place for that (RFC 7591).
    InvalidRedirectUri = "invalid_redirect_uri" 400,
    /// Something else that a client says of itself cannot be (RFC 7591).
    InvalidClientMetadata = "invalid_client_metadata" 400,
    /// Tokens of this type cannot be revoked here (RFC 7009).
    UnsupportedTokenType = "unsupported_token_type" 400,
    /// Too many wrong secrets.
    SlowDown = "slow_down" 429,
    /// It cannot be done now.
    TemporarilyUnavailable = "temporarily_unavailable" 503,
    /// Something went wrong here.
    ServerError = "server_error" 500,
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What narrows a request beyond scopes (RFC 9396). No type of it is known here, and none may be overlooked.
pub const AUTHORIZATION_DETAILS: &str = "authorization_details";

/// A refusal of an OAuth endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What the client's program looks at.
    pub code: ErrorCode,
    /// What its author reads.
    pub description: Cow<'static, str>,
    /// After how many seconds it may come again, where that is known.
    pub retry_after_s: Option<u32>,
    /// It came with `Authorization: Basic`, and is told that this was not it (RFC 6749 §5.2).
    pub by_basic: bool,
}

impl Error {
    /// With a sentence.
    pub fn new(code: ErrorCode, description: impl Into<Cow<'static, str>>) -> Self {
        let description = match description.into() {
            Cow::Owned(text) => Cow::Owned(printable(&text)),
            known => known,
        };
        Self { code, description, retry_after_s: None, by_basic: false }
    }

    /// [`ErrorCode::InvalidRequest`].
    pub fn request(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::InvalidRequest, description)
    }

    /// [`ErrorCode::InvalidClient`]: one sentence for every cause.
    pub fn client(by_basic: bool) -> Self {
        let told = "The client is not known, or did not prove that it is the one.";
        Self { by_basic, ..Self::new(ErrorCode::InvalidClient, told) }
    }

    /// [`ErrorCode::InvalidAuthorizationDetails`].
    pub fn details() -> Self {
        let told = "No type of authorization_details is known here: ask with scope and resource.";
        Self::new(ErrorCode::InvalidAuthorizationDetails, told)
    }

    /// [`ErrorCode::TemporarilyUnavailable`].
    pub fn unavailable() -> Self {
        Self { retry_after_s: Some(1), ..Self::new(ErrorCode::TemporarilyUnavailable, "Try again in a moment.") }
    }
}

/// What a description may hold; the rest becomes `?`.
fn printable(text: &str) -> String {
    let letter = |letter: char| match letter {
        '"' => '\'',
        ' '..='~' if letter != '\\' => letter,
        _ => '?',
    };
    text.chars().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_6749_a_description_is_printable_whatever_was_sent() {
        let error = Error::new(ErrorCode::InvalidScope, "\"orders\\read\"\r\nSet-Cookie: ä".to_owned());
        assert_eq!(error.description, "'orders?read'??Set-Cookie: ?");
    }

    #[test]
    fn only_what_the_client_did_not_prove_is_a_401() {
        for code in ErrorCode::ALL {
            assert_eq!(code.status() == 401, *code == ErrorCode::InvalidClient, "{code}");
        }
    }
}
