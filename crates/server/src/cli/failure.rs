//! How a command ends badly: what is said, and the exit code (0 done, 1 refused or failed, 2 usage).

use std::fmt;

/// Every message names the next command where there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub exit: u8,
    /// What is printed after `error: `; nothing where the output already says it.
    pub message: String,
}

impl Failure {
    /// The command was typed wrongly.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { exit: 2, message: message.into() }
    }

    /// The command was understood and could not be done.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { exit: 1, message: message.into() }
    }

    /// The answer is no, and the output already says so.
    pub fn no() -> Self {
        Self::failed("")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
