//! Clients: applications. A service client acts only as itself; the one that is made along with a key owns it.

use serde::{Deserialize, Serialize};

use crate::api::check_metadata;
use crate::id::{ClientId, OrgId, RealmId};
use crate::metadata;
use crate::name::{ExternalId, Label, RoleName};
use crate::policy::rule::Problem;
use crate::role;
use crate::scope::{self, Rights};
use crate::time::Time;

/// One client of a realm.
#[derive(Debug, Clone, PartialEq)]
pub struct Client {
    /// Its id.
    pub id: ClientId,
    /// Where it belongs.
    pub realm: RealmId,
    /// The customer that owns it.
    pub org: Option<OrgId>,
    /// What it is.
    pub spec: ClientSpec,
    /// Since when it is switched off.
    pub disabled_at: Option<Time>,
    /// Grants made before this moment are dead.
    pub valid_after: Option<Time>,
    /// When it was made.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
    /// Counts its changes; the ETag.
    pub version: i64,
}

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

/// What an operator says of a client: the same words in JSON, in TOML and in the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientSpec {
    /// Its identity in files; unique within the realm.
    pub name: Label,
    /// What kind of application it is.
    #[serde(rename = "type")]
    pub kind: ClientType,
    /// What it may do as itself.
    #[serde(default, skip_serializing_if = "Rights::is_empty")]
    pub rights: Rights,
    /// The roles that it holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<RoleName>,
    /// Where browsers may be sent back to, compared byte for byte.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redirect_uris: Vec<String>,
    /// True for the operator's own applications.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub first_party: bool,
    /// The id of the same thing elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<ExternalId>,
    /// Free JSON of at most 4 kB.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub metadata: serde_json::Value,
}

/// The most places that one client may send browsers back to.
pub const REDIRECTS_MAX: usize = 50;
/// The longest of them, in bytes.
pub const REDIRECT_MAX: usize = 2048;

impl ClientSpec {
    /// The client with its roles in order, or everything that is wrong with it.
    pub fn resolve(mut self) -> Result<Self, Vec<Problem>> {
        let mut problems = scope::too_many(&self.rights);
        if ClientId::looks_like(self.name.as_str()) {
            problems.push(Problem::new("name", "must not look like an id"));
        }
        match role::resolve_held(self.roles) {
            Ok(roles) => self.roles = roles,
            Err(problem) => {
                self.roles = Vec::new();
                problems.push(problem);
            }
        }
        if self.redirect_uris.len() > REDIRECTS_MAX {
            let count = self.redirect_uris.len();
            problems.push(Problem::new("redirect_uris", format!("has {count}: at most {REDIRECTS_MAX} are allowed")));
        }
        for (place, _) in self.redirect_uris.iter().enumerate().filter(|(_, uri)| !is_redirect(uri)) {
            let message =
                format!("must be an absolute URI without fragment and wildcard, of at most {REDIRECT_MAX} bytes");
            problems.push(Problem::new(format!("redirect_uris[{place}]"), message));
        }
        if let Err(message) = check_metadata(&self.metadata) {
            problems.push(Problem::new("metadata", message));
        }
        self.metadata = metadata::canonical(self.metadata);
        if problems.is_empty() { Ok(self) } else { Err(problems) }
    }

    /// A service client of this name with these rights.
    pub fn service(name: Label, rights: Rights) -> Self {
        Self {
            name,
            kind: ClientType::Service,
            rights,
            roles: Vec::new(),
            redirect_uris: Vec::new(),
            first_party: false,
            external_id: None,
            metadata: serde_json::Value::Null,
        }
    }
}

/// RFC 6749 §3.1.2. A scheme of one's own (RFC 8252 §7.1) may stand for a native application.
fn is_redirect(uri: &str) -> bool {
    let letters_well = uri.bytes().all(|letter| letter.is_ascii_graphic() && !b"\"<>\\^`{|}#*".contains(&letter));
    let Some((scheme, rest)) = uri.split_once(':') else { return false };
    let scheme_well = scheme.starts_with(|letter: char| letter.is_ascii_lowercase())
        && scheme
            .bytes()
            .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || b"+-.".contains(&letter));
    let is_script = matches!(scheme, "javascript" | "data" | "vbscript" | "file" | "blob" | "about");
    uri.len() <= REDIRECT_MAX && letters_well && scheme_well && !is_script && !rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn client() -> ClientSpec {
        ClientSpec::service(Label::parse("shop").unwrap(), Rights::new())
    }

    fn refused(spec: ClientSpec) -> Vec<String> {
        spec.resolve()
            .map_or_else(|problems| problems.into_iter().map(|problem| problem.path).collect(), |_| Vec::new())
    }

    #[test]
    fn where_browsers_go_is_said_exactly() {
        for good in ["https://app.test/cb", "http://127.0.0.1:3000/cb?a=b", "com.example.app:/cb"] {
            assert!(is_redirect(good), "{good}");
        }
        for bad in [
            "",
            "app.test/cb",
            "https:",
            "https://app.test/#x",
            "https://*.app.test/",
            "javascript:alert(1)",
            "https://a b",
        ] {
            assert!(!is_redirect(bad), "{bad}");
        }
    }

    #[test]
    fn limits_hold_at_their_edge() {
        let with = |count: usize, length: usize| {
            let uri = format!("https://{}", "a".repeat(length - 8));
            refused(ClientSpec { redirect_uris: vec![uri; count], ..client() })
        };
        assert_eq!(with(REDIRECTS_MAX, REDIRECT_MAX), [""; 0]);
        assert_eq!(with(REDIRECTS_MAX + 1, 20), ["redirect_uris"]);
        assert_eq!(with(1, REDIRECT_MAX + 1), ["redirect_uris[0]"]);
        assert_eq!(refused(ClientSpec { name: Label::parse("cli_x").unwrap(), ..client() }), ["name"]);
        assert_eq!(refused(ClientSpec { metadata: serde_json::json!(1), ..client() }), ["metadata"]);
    }

    proptest! {
        #[test]
        fn any_text_is_a_place_or_refused(uri in ".{0,80}") {
            let _ = is_redirect(&uri);
        }
    }
}
