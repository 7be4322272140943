//! To come.

/// One thing wrong with what an operator wrote.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// Where, as a key path: `match.path`.
    pub path: String,
    /// What, and what would be right.
    pub message: String,
}
