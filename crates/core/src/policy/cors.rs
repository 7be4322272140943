//! To come.

/// To come.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Cors {
    /// To come.
    pub origins: Vec<String>,
}
