//! Keys of another system, taken over by the SHA-256 of their text, so that nobody has to hand out new ones.
//!
//! Only secrets of high entropy may be stored so; slow hashes are those of passwords and cannot be looked up. The shape of
//! the keys is declared once, so that a text that has it is looked up though it carries no checksum of ours.

use serde::{Deserialize, Serialize};

use crate::api::check_metadata;
use crate::key::KeyRequest;
use crate::name::{ApiUri, ExternalId, Label, ScopeName};
use crate::policy::rule::Problem;

/// The most keys of one call.
pub const KEYS_MAX: usize = 1000;
/// The longest beginning of a pattern, in bytes.
pub const BEGINNING_MAX: usize = 40;

/// The body of `POST keys/import`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyImport {
    /// The shape of the keys: `sk_*`.
    pub pattern: String,
    /// The API that they are for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<ApiUri>,
    /// What may be done with them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<ScopeName>,
    /// Who shall own them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Seconds until they end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_s: Option<i64>,
    /// True for keys that never end by themselves.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub never_expires: bool,
    /// The keys.
    pub keys: Vec<RawImportedKey>,
}

/// One key as it was sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawImportedKey {
    /// 64 hexadecimal digits: SHA-256 of the key's text.
    pub sha256: String,
    /// What people call it; its external id, else the pattern, where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The id of the same thing elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Free JSON of at most 4 kB.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub metadata: serde_json::Value,
}

/// One key that can be taken over.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportedKey {
    /// SHA-256 of its text.
    pub digest: [u8; 32],
    /// What people call it.
    pub name: Label,
    /// The id of the same thing elsewhere.
    pub external_id: Option<ExternalId>,
    /// Free JSON of at most 4 kB.
    pub metadata: serde_json::Value,
}

/// The shape of another system's keys: a beginning and `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// Checks the form, and that no key of this server's own has the shape: `own` are the prefixes of its realms.
    pub fn parse(text: &str, own: &[&str]) -> Result<Self, Problem> {
        let problem = |message: String| Problem { path: "pattern".to_owned(), message };
        let letters_well =
            |text: &str| text.bytes().all(|letter| letter.is_ascii_alphanumeric() || b"_-.".contains(&letter));
        let beginning = text
            .strip_suffix('*')
            .filter(|beginning| (2..=BEGINNING_MAX).contains(&beginning.len()) && letters_well(beginning))
            .ok_or_else(|| {
                problem(format!(
                    "must be 2 to {BEGINNING_MAX} of A-Z, a-z, 0-9 and . _ - with * at the end, such as sk_*"
                ))
            })?;
        // All of Admit's own kinds begin with `admit_`.
        for prefix in own.iter().copied().chain(["admit"]) {
            let own = format!("{prefix}_");
            if own.starts_with(beginning) || beginning.starts_with(&own) {
                return Err(problem(format!("would also cover credentials of this server, which begin with {own}")));
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// `sk_*`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What a list may show of a key of which only the hash is known: `sk_…`.
    pub fn hint(&self) -> String {
        self.0.replace('*', "…")
    }
}

impl KeyImport {
    /// What all the keys have in common, as a request for a key.
    pub fn request(&self, name: Label) -> KeyRequest {
        KeyRequest {
            name,
            owner: self.owner.clone(),
            api: self.api.clone(),
            scopes: self.scopes.clone(),
            expires_in_s: self.expires_in_s,
            never_expires: self.never_expires,
            ip: Vec::new(),
            limit: None,
            metadata: serde_json::Value::Null,
            external_id: None,
        }
    }

    /// The keys that can be taken over, and what is wrong with the others.
    pub fn read(&self, fallback: &Label) -> (Vec<ImportedKey>, Vec<Problem>) {
        let (mut keys, mut problems) = (Vec::new(), Vec::new());
        for (place, raw) in self.keys.iter().enumerate() {
            match raw.read(fallback) {
                Ok(key) => keys.push(key),
                Err((field, message)) => problems.push(Problem { path: format!("keys[{place}].{field}"), message }),
            }
        }
        (keys, problems)
    }
}

impl RawImportedKey {
    fn read(&self, fallback: &Label) -> Result<ImportedKey, (&'static str, String)> {
        let digest = read_digest(&self.sha256).map_err(|message| ("sha256", message.to_owned()))?;
        let external_id = self.external_id.as_deref().map(ExternalId::parse).transpose();
        let external_id = external_id.map_err(|bad| ("external_id", bad.to_string()))?;
        let called = self.name.as_deref().or(self.external_id.as_deref());
        let name = called.map(Label::parse).transpose().map_err(|bad| ("name", bad.to_string()))?;
        check_metadata(&self.metadata).map_err(|message| ("metadata", message))?;
        let metadata = self.metadata.clone();
        Ok(ImportedKey { digest, name: name.unwrap_or_else(|| fallback.clone()), external_id, metadata })
    }
}

/// 32 bytes from 64 hexadecimal digits. Never repeats what was sent: it may be the secret itself.
fn read_digest(text: &str) -> Result<[u8; 32], &'static str> {
    if text.starts_with('$') || text.starts_with("pbkdf2") || text.starts_with("{SSHA") {
        return Err("this is a slow or salted hash, as passwords have; such a key cannot be found by it. \
                    Create a new one for its holder: admit key create --name NAME");
    }
    let mut digest = [0; 32];
    let decoded = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok();
    match decoded {
        Some(bytes) if bytes.len() == 32 => {
            digest.copy_from_slice(&bytes);
            Ok(digest)
        }
        Some(_) => Err("must be 64 hexadecimal digits: SHA-256 of the key's text, without salt"),
        None => Err("must be 64 hexadecimal digits: SHA-256 of the key's text. \
                     If this is a key itself, do not send it; hash it where it is: admit key import --plain"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    fn raw(sha256: &str) -> RawImportedKey {
        RawImportedKey { sha256: sha256.to_owned(), name: None, external_id: None, metadata: serde_json::Value::Null }
    }

    fn read(raw: &RawImportedKey) -> Result<ImportedKey, (&'static str, String)> {
        raw.read(&Label::parse("sk_*").unwrap())
    }

    #[test]
    fn a_key_is_known_by_its_sha_256() {
        let key = read(&raw(DIGEST)).unwrap();
        assert_eq!((key.digest, key.name.as_str()), (crate::secret::digest("test"), "sk_*"));
        assert!(read(&raw(&DIGEST.to_uppercase())).is_ok());
        let named = RawImportedKey { external_id: Some("cus_42".to_owned()), ..raw(DIGEST) };
        assert_eq!(read(&named).unwrap().name.as_str(), "cus_42");
    }

    #[test]
    fn plain_secrets_and_slow_hashes_are_refused_with_the_way_out() {
        let refused = |text: &str| read(&raw(text)).unwrap_err().1;
        assert!(refused("$2b$12$abcdefghijklmnopqrstuv").contains("admit key create"));
        assert!(refused("$argon2id$v=19$m=19456").contains("admit key create"));
        assert!(refused("sk_live_hunter2").contains("admit key import --plain"));
        assert!(!refused("sk_live_hunter2").contains("hunter2"));
        assert!(refused(&DIGEST[2..]).contains("64"));
        assert!(refused(&format!("{DIGEST}00")).contains("64"));
    }

    #[test]
    fn each_key_says_what_is_wrong_with_it() {
        let import = KeyImport {
            pattern: "sk_*".to_owned(),
            api: None,
            scopes: Vec::new(),
            owner: None,
            expires_in_s: None,
            never_expires: false,
            keys: vec![
                raw(DIGEST),
                RawImportedKey { name: Some("a\nb".to_owned()), ..raw(DIGEST) },
                RawImportedKey { metadata: serde_json::json!([]), ..raw(DIGEST) },
            ],
        };
        let (keys, problems) = import.read(&Label::parse("x").unwrap());
        let paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!((keys.len(), paths), (1, vec!["keys[1].name", "keys[2].metadata"]));
    }

    #[test]
    fn a_pattern_covers_nothing_of_ours() {
        let parse = |text: &str| Pattern::parse(text, &["acme_live", "admit"]);
        assert_eq!(parse("sk_*").unwrap().hint(), "sk_…");
        for ours in ["admit_*", "ad*", "admit_rt_*", "acme_live_*", "acme_*", "acme_live_x*"] {
            assert!(parse(ours).unwrap_err().message.contains("of this server"), "{ours}");
        }
        assert!(parse("acme_test_*").is_ok() && parse("admiral_*").is_ok());
        for bad in ["*", "s*", "sk_", "s*k", "sk_**", "sk *", "sk/*", ""] {
            assert!(parse(bad).unwrap_err().message.contains("such as sk_*"), "{bad}");
        }
        assert!(parse(&format!("{}*", "b".repeat(40))).is_ok());
        assert!(parse(&format!("{}*", "b".repeat(41))).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_a_digest_or_refused(text in ".{0,80}") {
            if let Err(message) = read_digest(&text) {
                prop_assert!(text.len() < 20 || !message.contains(&text));
            }
        }

        #[test]
        fn any_pattern_is_read_or_refused(text in ".{0,50}", own in "[a-z]{1,9}") {
            if let Ok(pattern) = Pattern::parse(&text, &[&own]) {
                let beginning = pattern.as_str().trim_end_matches('*');
                let ours = format!("{own}_x");
                prop_assert!(!ours.starts_with(beginning));
            }
        }
    }
}
