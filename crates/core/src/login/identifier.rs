//! The one form of a user name or e-mail address, by which people are found, throttled and written into the audit.
//!
//! Two texts that a person takes for the same (`Alice`, `ALICE`, `Ａlice`) have one form; two that only look alike have
//! two, or none. Names are those of RFC 8265 §3 with the profile UsernameCaseMapped, parts parted by single spaces; of an
//! address the domain is folded as domains are (RFC 5891).

use std::fmt;
use std::sync::Arc;

use precis_profiles::UsernameCaseMapped;
use precis_profiles::precis_core::profile::Profile;

use crate::name::BadName;

/// The longest text that is looked at, in bytes.
pub const IDENTIFIER_MAX: usize = 800;
/// How often a text is folded until it stays what it is. Two are needed by few, three by none that are known.
const ROUNDS: usize = 4;

/// A name or address in its one form.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identifier(Arc<str>);

impl Identifier {
    /// Reads what somebody typed. Spaces around it are not his fault.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        let bad =
            BadName { must: "be a name or an e-mail address, of letters, digits and marks that can be told apart" };
        let text = text.trim();
        if text.is_empty() || text.len() > IDENTIFIER_MAX {
            return Err(bad);
        }
        let mut folded = fold(text).ok_or(bad)?;
        for _ in 0..ROUNDS {
            let again = fold(&folded).ok_or(bad)?;
            if again == folded {
                return Ok(Self(folded.into()));
            }
            folded = again;
        }
        Err(bad)
    }

    /// The form as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is an address.
    pub fn is_email(&self) -> bool {
        self.0.contains('@')
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn fold(text: &str) -> Option<String> {
    let Some((local, domain)) = text.rsplit_once('@') else { return fold_name(text) };
    let (local, domain) = (fold_name(local)?, idna::domain_to_ascii_strict(domain).ok()?);
    // `a@b@c` is no address, and a domain that ends in a dot is another spelling of one that does not.
    let is_address = !local.contains('@') && !domain.is_empty() && !domain.ends_with('.');
    is_address.then(|| format!("{local}@{domain}"))
}

fn fold_name(name: &str) -> Option<String> {
    let profile = UsernameCaseMapped::new();
    let parts: Option<Vec<_>> = name.split(' ').map(|part| profile.enforce(part).ok()).collect();
    Some(parts?.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn form(text: &str) -> Option<String> {
        Identifier::parse(text).ok().map(|identifier| identifier.to_string())
    }

    #[test]
    fn pw_06_one_person_has_one_form() {
        for (typed, expected) in [
            ("alice", "alice"),
            (" ALICE\t", "alice"),
            ("Ａlice", "alice"),
            ("Alice Smith", "alice smith"),
            ("Alice@Example.COM", "alice@example.com"),
            ("élise", "e\u{301}lise"),
            ("mike@bücher.test", "MIKE@xn--bcher-kva.test"),
            ("Straße", "straße"),
        ] {
            assert!(form(typed).is_some(), "{typed}");
            assert_eq!(form(typed), form(expected), "{typed}");
        }
    }

    #[test]
    fn pw_06_two_that_look_alike_are_two_or_none() {
        let alike = [
            ("mike@example.com", "mıke@example.com"),
            ("alice", "аlice"),
            ("alice", "alice."),
            ("strasse", "straße"),
            ("bob", "b\u{200D}ob"),
            ("i", "ı"),
        ];
        for (one, other) in alike {
            assert!(form(one).is_some(), "{one}");
            assert_ne!(form(one), form(other), "{other}");
        }
        let none = [
            "",
            " ",
            "a  b",
            "a\u{200B}b",
            "a\nb",
            "a@b@c",
            "@example.com",
            "a@",
            "a@example.com.",
            "ᴮᴵᴳ",
            "\u{212A}im",
            "a\0b",
        ];
        for text in none {
            assert_eq!(form(text), None, "{text:?}");
        }
        assert!(form(&"a".repeat(IDENTIFIER_MAX)).is_some());
        assert_eq!(form(&"a".repeat(IDENTIFIER_MAX + 1)), None);
    }

    proptest! {
        #[test]
        fn a_form_is_its_own_form(text in "\\PC{0,40}", mixed in "[a-zA-ZÀ-ÿİıſK@. -]{0,20}") {
            for text in [text, mixed] {
                if let Some(folded) = form(&text) {
                    prop_assert_eq!(form(&folded), Some(folded));
                }
            }
        }
    }
}
