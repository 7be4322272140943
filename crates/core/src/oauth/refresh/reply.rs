//! What a refresh token was answered: kept sealed for as long as the same may be told again.
//!
//! Sealed under the text of the token that was answered, so that nobody reads it who does not present that; of a JWT what
//! it says and no signature.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::id::{GrantId, TokenId};
use crate::name::ScopeName;
use crate::seal::Place;
use crate::secret::Secret;
use crate::time::Time;

use super::RefreshToken;

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The refresh token that takes the place of the one that was answered.
    pub successor: Secret,
    /// The name of the access token.
    pub id: TokenId,
    /// Its text, where that is not made of what it says.
    pub opaque: Option<Secret>,
    /// When it was issued.
    pub issued_at: Time,
    /// When it ends.
    pub expires_at: Time,
    /// What may be done with it, sorted.
    pub scopes: Vec<ScopeName>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept<'k> {
    successor: &'k str,
    id: TokenId,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    opaque: Option<&'k str>,
    issued_at: i64,
    expires_at: i64,
    scopes: Vec<ScopeName>,
}

impl Reply {
    /// What is sealed.
    pub fn octets(&self) -> Zeroizing<Vec<u8>> {
        let kept = Kept {
            successor: self.successor.expose(),
            id: self.id,
            opaque: self.opaque.as_ref().map(Secret::expose),
            issued_at: self.issued_at.unix_ms(),
            expires_at: self.expires_at.unix_ms(),
            scopes: self.scopes.clone(),
        };
        Zeroizing::new(serde_json::to_vec(&kept).unwrap_or_default())
    }

    /// What was sealed.
    pub fn read(octets: &[u8]) -> Option<Self> {
        let kept: Kept<'_> = serde_json::from_slice(octets).ok()?;
        Some(Self {
            successor: Secret::new(kept.successor),
            id: kept.id,
            opaque: kept.opaque.map(Secret::new),
            issued_at: Time::from_unix_ms(kept.issued_at),
            expires_at: Time::from_unix_ms(kept.expires_at),
            scopes: kept.scopes,
        })
    }
}

/// Where the answer stands that leads to a token.
pub fn place<'p>(token: &RefreshToken, grant: &'p GrantId) -> Place<'p> {
    Place { table: "refresh_token", column: "reply", row: grant.bytes(), realm: token.realm }
}
