//! A new client as it is sent: what a document says of it, and the id that it shall have where somebody else knows it
//! already.

use admit_core::client::ClientSpec;
use admit_core::id::ClientId;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::http::problem::Problem;

/// What is sent of a new client.
#[derive(Debug, Clone)]
pub struct NewClient {
    /// Drawn where it is not said.
    pub id: Option<ClientId>,
    spec: ClientSpec,
}

impl NewClient {
    /// The specification in canonical form, or everything that is wrong with it.
    pub fn resolve(self) -> Result<ClientSpec, Problem> {
        self.spec.resolve().map_err(Problem::invalid)
    }
}

/// By hand: serde takes an object apart for a part of it only where unknown members do not matter.
impl<'d> Deserialize<'d> for NewClient {
    fn deserialize<D: Deserializer<'d>>(deserializer: D) -> Result<Self, D::Error> {
        let mut members = Map::deserialize(deserializer)?;
        let id = members.remove("id").unwrap_or_default();
        let id = Option::deserialize(id).map_err(D::Error::custom)?;
        let spec = ClientSpec::deserialize(Value::Object(members)).map_err(D::Error::custom)?;
        Ok(Self { id, spec })
    }
}
