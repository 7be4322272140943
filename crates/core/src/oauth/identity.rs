//! Scopes that ask who somebody is, and to act while he is away: the same in every realm, and no API's (OpenID Connect Core
//! §5.4, §11).
//!
//! On the wire and in grants they stand among the scopes of an API; no API may define one of their names.

use std::fmt;

use crate::name::ScopeName;

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IdentityScope {
    /// An ID token, and what userinfo says.
    OpenId,
    /// How somebody is called.
    Profile,
    /// His address.
    Email,
    /// Going on when he has signed out.
    OfflineAccess,
}

/// Names that no API may define: ours, and those that OpenID Connect has besides.
const RESERVED: [&str; 6] = ["openid", "profile", "email", "address", "phone", "offline_access"];

impl IdentityScope {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::OpenId, Self::Profile, Self::Email, Self::OfflineAccess];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenId => "openid",
            Self::Profile => "profile",
            Self::Email => "email",
            Self::OfflineAccess => "offline_access",
        }
    }

    /// The one of this name.
    pub fn of(name: &ScopeName) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name.as_str())
    }

    /// Whether it is among these.
    pub fn is_in(self, scopes: &[ScopeName]) -> bool {
        scopes.iter().any(|name| name.as_str() == self.as_str())
    }
}

impl fmt::Display for IdentityScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether no API may define a scope of this name.
pub fn is_reserved(name: &ScopeName) -> bool {
    RESERVED.contains(&name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_identity_scope_is_nobody_else_s_name() {
        for scope in IdentityScope::ALL {
            let name = ScopeName::parse(scope.as_str()).unwrap();
            assert!(is_reserved(&name), "{scope}");
            assert_eq!(IdentityScope::of(&name), Some(scope));
            assert!(scope.is_in(&[name]));
        }
        assert!(!is_reserved(&ScopeName::parse("orders:read").unwrap()));
    }
}
