//! A new user and a new password as they are sent. What is secret in them cannot be printed.

use admit_core::name::{ExternalId, Label, RoleName};
use admit_core::policy::rule::Problem as Flaw;
use admit_core::secret::Secret;
use admit_core::user::UserSpec;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::http::problem::Problem;

/// What is sent of a new user: what a document says of one, and a password.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    name: Label,
    #[serde(default)]
    email: Option<Label>,
    #[serde(default)]
    roles: Vec<RoleName>,
    #[serde(default)]
    external_id: Option<ExternalId>,
    #[serde(default)]
    metadata: Value,
    #[serde(default, deserialize_with = "secret")]
    password: Option<Secret>,
    #[serde(default, deserialize_with = "secret")]
    password_hash: Option<Secret>,
}

/// What is sent of a new password.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewPassword {
    #[serde(default, deserialize_with = "secret")]
    password: Option<Secret>,
    #[serde(default, deserialize_with = "secret")]
    password_hash: Option<Secret>,
}

/// A password that somebody shall have.
#[derive(Debug)]
pub enum Chosen {
    /// As it will be typed.
    Password(Secret),
    /// The hash that another system kept.
    Hash(Secret),
}

impl NewUser {
    /// The specification in canonical form with the password, or everything that is wrong.
    pub fn resolve(self) -> Result<(UserSpec, Option<Chosen>), Problem> {
        let Self { name, email, roles, external_id, metadata, password, password_hash } = self;
        let chosen = one_of(password, password_hash)?;
        let spec = UserSpec { name, email, roles, external_id, metadata }.resolve().map_err(Problem::invalid)?;
        Ok((spec, chosen))
    }
}

impl NewPassword {
    /// The password; there must be one.
    pub fn resolve(self) -> Result<Chosen, Problem> {
        let chosen = one_of(self.password, self.password_hash)?;
        chosen.ok_or_else(|| Problem::invalid(vec![Flaw::new("password", "is needed, or password_hash")]))
    }
}

fn one_of(password: Option<Secret>, hash: Option<Secret>) -> Result<Option<Chosen>, Problem> {
    match (password, hash) {
        (Some(_), Some(_)) => {
            Err(Problem::invalid(vec![Flaw::new("password_hash", "stands beside password; send one of them")]))
        }
        (Some(password), None) => Ok(Some(Chosen::Password(password))),
        (None, Some(hash)) => Ok(Some(Chosen::Hash(hash))),
        (None, None) => Ok(None),
    }
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Secret::new))
}
