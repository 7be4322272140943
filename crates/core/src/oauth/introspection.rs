//! What is told of a token to who asks (RFC 7662, RFC 9701): all of it or nothing at all.
//!
//! A token is its holder's and its API's. Who asks sees it where he is the client that holds it, or where he may judge the
//! credentials of its API (`check`); to everybody else it is a text like any other, and so is one that does not count.

use serde::{Serialize, Serializer};

use super::access_token::{date, line, text};
use crate::id::{ClientId, SubjectId, TokenId};
use crate::name::{self, ApiUri, RealmName, RoleName, ScopeName};
use crate::principal::Standing;
use crate::role::Role;
use crate::scope::{CHECK, Rights};
use crate::time::Time;

/// The media type of the answer as a JWT (RFC 9701 §4).
pub const JWT_MEDIA_TYPE: &str = "application/token-introspection+jwt";
/// Its `typ`.
pub const JWT_TYP: &str = "token-introspection+jwt";

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub enum Asker<'a> {
    /// A client that showed who it is, with its rights and roles.
    Client(ClientId, &'a Rights, &'a [Role]),
    /// The holder of a credential, by what it may do.
    Holder(&'a Standing),
}

/// Whose a token is and for which API.
#[derive(Debug, Clone, Copy)]
pub struct Token<'t> {
    /// Who acts with it.
    pub subject: SubjectId,
    /// The client that holds it, where that is not the subject.
    pub client: Option<ClientId>,
    /// The API that it is for.
    pub api: Option<&'t ApiUri>,
}

impl Token<'_> {
    /// True where this client holds it.
    pub fn is_of(&self, client: ClientId) -> bool {
        match self.client {
            Some(holder) => holder == client,
            None => self.subject == SubjectId::Client(client),
        }
    }
}

impl Asker<'_> {
    /// Whether a token of the realm may be shown to him.
    pub fn may_see(&self, token: &Token<'_>, realm: &RealmName) -> bool {
        let checks = |api: &ApiUri| self.has_check_on(api);
        let is_own = matches!(self, Self::Client(id, ..) if token.is_of(*id));
        is_own || checks(&name::management_api(realm)) || token.api.is_some_and(checks)
    }

    fn has_check_on(&self, api: &ApiUri) -> bool {
        let is_check = |scope: &ScopeName| scope.as_str() == CHECK;
        let gives = |rights: &Rights| rights.get(api).is_some_and(|scopes| scopes.iter().any(is_check));
        match self {
            Self::Client(_, rights, roles) => gives(rights) || roles.iter().any(|role| gives(&role.spec.rights)),
            Self::Holder(standing) => standing.api.as_ref() == Some(api) && standing.scopes.iter().any(is_check),
        }
    }
}

/// The answer.
#[derive(Debug, Clone)]
pub enum Answer<'t> {
    /// It is nothing, or nothing for who asks: `{"active":false}` and no more (RFC 7662 §2.2).
    Inactive,
    /// What it is.
    Active(Box<Active<'t>>),
}

/// What is told of a token that counts: the same as it says itself, where it is a JWT.
#[derive(Debug, Clone, Serialize)]
pub struct Active<'t> {
    /// What may be done with it.
    #[serde(serialize_with = "line", skip_serializing_if = "<[ScopeName]>::is_empty")]
    pub scope: &'t [ScopeName],
    /// The application that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
    /// What people call who acts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<&'t str>,
    /// How it is shown; of a refresh token, that it is one.
    pub token_type: &'static str,
    /// When it ends.
    #[serde(serialize_with = "date")]
    pub exp: Time,
    /// When it was issued.
    #[serde(serialize_with = "date")]
    pub iat: Time,
    /// From when it counts.
    #[serde(serialize_with = "date")]
    pub nbf: Time,
    /// Who acts.
    #[serde(serialize_with = "text")]
    pub sub: SubjectId,
    /// The API that it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aud: Option<&'t ApiUri>,
    /// Whose it is.
    pub iss: &'t str,
    /// Its name; refresh tokens have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<TokenId>,
    /// The roles that go along with it.
    #[serde(skip_serializing_if = "<[RoleName]>::is_empty")]
    pub roles: &'t [RoleName],
}

impl Serialize for Answer<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Whole<'a, 't> {
            active: bool,
            #[serde(flatten)]
            rest: Option<&'a Active<'t>>,
        }
        let rest = match self {
            Self::Inactive => None,
            Self::Active(active) => Some(&**active),
        };
        Whole { active: rest.is_some(), rest }.serialize(serializer)
    }
}

/// The answer as a JWT: for one reader, and no token that anybody could show (RFC 9701 §5: neither `sub` nor `exp`).
#[derive(Debug, Clone, Serialize)]
pub struct Signed<'t> {
    /// Who says so.
    pub iss: &'t str,
    /// Who asked.
    pub aud: &'t str,
    /// When.
    #[serde(serialize_with = "date")]
    pub iat: Time,
    /// The answer.
    pub token_introspection: &'t Answer<'t>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::UserId;
    use serde_json::json;
    use std::collections::BTreeSet;

    fn uri(text: &str) -> ApiUri {
        ApiUri::parse(text).unwrap()
    }

    fn rights(api: &str, scope: &str) -> Rights {
        Rights::from([(uri(api), BTreeSet::from([ScopeName::parse(scope).unwrap()]))])
    }

    fn client(number: u8) -> ClientId {
        ClientId::from_bytes([number; 16])
    }

    #[test]
    fn ir_01_a_token_is_shown_to_its_holder_and_to_who_judges_for_its_api() {
        let (realm, shop) = ("acme".parse().unwrap(), uri("https://shop"));
        let token = Token { subject: SubjectId::Client(client(1)), client: None, api: Some(&shop) };
        let nothing = Rights::new();
        let sees = |id: u8, rights: &Rights| Asker::Client(client(id), rights, &[]).may_see(&token, &realm);
        assert!(sees(1, &nothing), "its own");
        assert!(!sees(2, &nothing) && sees(2, &rights("https://shop", "check")));
        assert!(sees(2, &rights("urn:admit:realm:acme", "check")), "of every API of the realm");
        for (api, scope) in
            [("https://other", "check"), ("https://shop", "orders:read"), ("urn:admit:realm:other", "check")]
        {
            assert!(!sees(2, &rights(api, scope)), "{scope} on {api}");
        }
        let holder = |api: &str, scope: &str| {
            let scopes = vec![ScopeName::parse(scope).unwrap()];
            let standing = Standing { api: Some(uri(api)), scopes, roles: Vec::new() };
            Asker::Holder(&standing).may_see(&token, &realm)
        };
        assert!(holder("https://shop", "check") && holder("urn:admit:realm:acme", "check"));
        assert!(!holder("https://other", "check") && !holder("https://shop", "orders:read"));
    }

    #[test]
    fn ir_01_a_token_that_an_application_holds_for_a_person_is_the_application_s() {
        let person = SubjectId::User(UserId::from_bytes([1; 16]));
        let token = Token { subject: person, client: Some(client(2)), api: None };
        assert!(token.is_of(client(2)) && !token.is_of(client(1)));
    }

    #[test]
    fn rfc_7662_2_2_what_does_not_count_is_told_in_one_word() {
        assert_eq!(serde_json::to_string(&Answer::Inactive).unwrap(), r#"{"active":false}"#);
        let (api, at) = (uri("https://shop"), Time::from_unix_ms(1_700_000_000_000));
        let active = Active {
            scope: &[ScopeName::parse("a").unwrap()],
            client_id: Some(client(1)),
            username: None,
            token_type: "Bearer",
            exp: at,
            iat: at,
            nbf: at,
            sub: SubjectId::Client(client(1)),
            aud: Some(&api),
            iss: "https://auth",
            jti: Some(TokenId::from_bytes([9; 16])),
            roles: &[],
        };
        let answer = Answer::Active(Box::new(active));
        let told = serde_json::to_value(&answer).unwrap();
        assert_eq!(
            told,
            json!({"active": true, "scope": "a", "client_id": client(1), "token_type": "Bearer", "exp": 1_700_000_000,
                "iat": 1_700_000_000, "nbf": 1_700_000_000, "sub": client(1), "aud": "https://shop", "iss": "https://auth",
                "jti": TokenId::from_bytes([9; 16])})
        );
        let signed = Signed { iss: "https://auth", aud: "cli_x", iat: at, token_introspection: &answer };
        let signed = serde_json::to_value(signed).unwrap();
        assert_eq!(signed["token_introspection"], told);
        let members: Vec<_> = signed.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["aud", "iat", "iss", "token_introspection"], "rfc_9701_5: neither sub nor exp");
    }
}
