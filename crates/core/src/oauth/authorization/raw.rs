//! What an authorization request says, before anything of it is believed.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::form::Form;
use crate::id::UserId;
use crate::oauth::AUTHORIZATION_DETAILS;

/// The parameters that are heard; what is not among them is ignored (RFC 6749 §3.1).
const HEARD: [&str; 20] = [
    "acr_values",
    AUTHORIZATION_DETAILS,
    "claims",
    "client_id",
    "code_challenge",
    "code_challenge_method",
    "id_token_hint",
    "login_hint",
    "max_age",
    "nonce",
    "prompt",
    "redirect_uri",
    "registration",
    "request",
    "request_uri",
    "response_mode",
    "response_type",
    "scope",
    "state",
    "ui_locales",
];
/// The most `resource` that are kept: more than one is an error, which is to be told as one.
const RESOURCES_MAX: usize = 4;

/// A request as it was sent, or as it was pushed or sealed when it was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawRequest {
    #[serde(rename = "p")]
    parameters: BTreeMap<Cow<'static, str>, String>,
    #[serde(rename = "r", default, skip_serializing_if = "Vec::is_empty")]
    resources: Vec<String>,
    /// Whom `id_token_hint` names, once that was verified; it is not kept itself.
    #[serde(rename = "h", default, skip_serializing_if = "Option::is_none")]
    pub hinted: Option<Hinted>,
    /// What stood there twice. A request that has anything of it is refused, and never kept.
    #[serde(skip)]
    pub twice: BTreeSet<String>,
}

/// Whom a verified `id_token_hint` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hinted {
    /// This person.
    Of(UserId),
    /// Nobody can say any more: the key that signed it is gone.
    Unknown,
}

impl RawRequest {
    /// What a query or a form says.
    pub fn of(form: &Form, twice: BTreeSet<String>) -> Self {
        let heard = |name: &&'static str| form.value(name).map(|value| (Cow::Borrowed(*name), value.to_owned()));
        let resources = form.resources().take(RESOURCES_MAX).map(str::to_owned).collect();
        let twice = twice.into_iter().filter(|name| HEARD.contains(&name.as_str())).collect();
        Self { parameters: HEARD.iter().filter_map(heard).collect(), resources, hinted: None, twice }
    }

    /// The value of a parameter, where it is there.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// Takes a parameter out.
    pub fn take(&mut self, name: &str) -> Option<String> {
        self.parameters.remove(name)
    }

    /// Says which client it is, where that was shown and not only said (RFC 9126 §2.1).
    pub fn set_client(&mut self, id: String) {
        self.parameters.insert(Cow::Borrowed("client_id"), id);
    }

    /// Every `resource`.
    pub fn resources(&self) -> Vec<&str> {
        self.resources.iter().map(String::as_str).collect()
    }
}
