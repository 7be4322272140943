//! To come.

/// To come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate;
