//! Names that people choose, each parsed once into a type that says so.
//!
//! Ids, roles, scopes and realm names are `[A-Za-z0-9._:/-]`, so that they need no escaping in a header. What a person
//! types (the name of a key, a client or a person) is a [`Label`]: any text of a line.

use std::fmt;
use std::sync::Arc;

/// Text that is no name of its kind, with what would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadName {
    /// One sentence that completes "must …".
    pub must: &'static str,
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "must {}", self.must)
    }
}

impl std::error::Error for BadName {}

/// Declares a kind of name: its type, its rule and what the rule demands.
macro_rules! names {
    ($($(#[$doc:meta])* $name:ident: $rule:ident, $must:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the text against the rule of this kind of name.
            pub fn parse(text: &str) -> Result<Self, BadName> {
                if $rule(text) { Ok(Self(text.into())) } else { Err(BadName { must: $must }) }
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The name as text that is shared and not copied.
            pub fn shared(&self) -> Arc<str> {
                self.0.clone()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = BadName;
            fn from_str(text: &str) -> Result<Self, BadName> {
                Self::parse(text)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    )*};
}

names! {
    /// The name of a realm: part of URLs and cookie names.
    RealmName: is_realm_name, "be 1 to 63 of a-z, 0-9 and -, beginning and ending with a letter or digit";
    /// The name of a scope within its API (RFC 6749 §3.3, narrowed).
    ScopeName: is_token, "be 1 to 128 of A-Z, a-z, 0-9 and . _ : / -";
    /// The name of a role.
    RoleName: is_token, "be 1 to 128 of A-Z, a-z, 0-9 and . _ : / -";
    /// The audience of an API: an absolute URI without fragment (RFC 8707 §2).
    ApiUri: is_api_uri, "be an absolute URI without fragment, such as https://api.example.com, of at most 512 letters";
    /// What a person calls a key, a client, a rule or himself: one line of at most 200 letters.
    Label: is_label, "be one line of 1 to 200 letters, without control characters";
    /// The id of the same thing in another system.
    ExternalId: is_label, "be one line of 1 to 200 letters, without control characters";
}

fn is_token_letter(letter: u8) -> bool {
    letter.is_ascii_alphanumeric() || b"._:/-".contains(&letter)
}

fn is_token(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(is_token_letter)
}

fn is_realm_name(text: &str) -> bool {
    let edge = |letter: Option<&u8>| letter.is_some_and(|letter| *letter != b'-');
    (1..=63).contains(&text.len())
        && text.bytes().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'-')
        && edge(text.as_bytes().first())
        && edge(text.as_bytes().last())
}

fn is_api_uri(text: &str) -> bool {
    let letters_well = text.bytes().all(|letter| letter.is_ascii_graphic() && !b"\"<>\\^`{|}#".contains(&letter));
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let scheme_well = scheme.starts_with(|letter: char| letter.is_ascii_lowercase())
        && scheme
            .bytes()
            .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || b"+-.".contains(&letter));
    let rest_well = match scheme {
        "http" | "https" => rest.strip_prefix("//").is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/')),
        _ => !rest.is_empty(),
    };
    text.len() <= 512 && letters_well && scheme_well && rest_well
}

fn is_label(text: &str) -> bool {
    let letters = text.chars().count();
    (1..=200).contains(&letters) && text.trim() == text && !text.chars().any(is_unprintable)
}

/// Control characters, and the marks that make text read otherwise than it is written.
pub fn is_unprintable(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}')
}

impl Label {
    /// Stands for a label that cannot be read.
    pub fn unnamed() -> Self {
        Self("unnamed".into())
    }
}

/// The API that guards the management of one realm.
pub fn management_api(realm: &RealmName) -> ApiUri {
    ApiUri(format!("urn:admit:realm:{realm}").into())
}

/// The API of the whole server, known in the control realm only.
pub fn server_api() -> ApiUri {
    ApiUri("urn:admit:server".into())
}

/// True for the APIs that Admit itself is.
pub fn is_built_in(api: &ApiUri) -> bool {
    api.as_str().starts_with("urn:admit:")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_name_that_is_a_token_is_safe_in_a_header(text in ".{0,140}") {
            if let Ok(name) = ScopeName::parse(&text) {
                prop_assert!(name.as_str().bytes().all(|letter| letter.is_ascii_graphic() && letter != b'"'));
            }
        }
    }

    #[test]
    fn limits_hold_at_their_edge() {
        assert!(ScopeName::parse(&"a".repeat(128)).is_ok());
        assert!(ScopeName::parse(&"a".repeat(129)).is_err());
        assert!(RealmName::parse(&"a".repeat(63)).is_ok());
        assert!(RealmName::parse(&"a".repeat(64)).is_err());
        assert!(Label::parse(&"é".repeat(200)).is_ok());
        assert!(Label::parse(&"é".repeat(201)).is_err());
        assert!(ApiUri::parse(&format!("https://{}", "a".repeat(504))).is_ok());
        assert!(ApiUri::parse(&format!("https://{}", "a".repeat(505))).is_err());
    }

    #[test]
    fn lo_01_a_label_is_one_printable_line() {
        for bad in ["", " a", "a\nb", "a\u{1b}[31m", "a\u{202e}b", "a\0"] {
            assert!(Label::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_api_is_named_by_an_absolute_uri() {
        for good in ["https://api.example.com", "https://api.example.com/v1", "urn:admit:realm:default"] {
            assert!(ApiUri::parse(good).is_ok(), "{good}");
        }
        for bad in ["api.example.com", "https://", "https:///x", "https://a#b", "https://a b", ":x", "HTTPS://a"] {
            assert!(ApiUri::parse(bad).is_err(), "{bad}");
        }
    }
}
