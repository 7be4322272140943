//! What can go wrong with a store. None of it means "not found".

use std::fmt;
use std::path::PathBuf;

/// The result of every verb.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a unit of work was not done. Carries no value that anybody stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The engine could not, and nothing was changed.
    Unavailable(String),
    /// More units of work wait, or are in each other's way, than can be done.
    Overloaded,
    /// The engine is set up so that it cannot keep what is promised, or is not one that can be written to.
    Unfit {
        /// What is wrong.
        why: String,
        /// What to do about it.
        next: &'static str,
    },
    /// Something of this realm has it already (`name`, `uri`, `email`, …), or refers to what is not there (`role`, `reference`).
    Conflict {
        /// What there would be two of.
        what: &'static str,
    },
    /// Text with a NUL in it, which one of the engines cannot keep.
    NulInText,
    /// Something stored cannot be read as what it should be.
    Corrupt {
        /// Where.
        what: String,
    },
    /// The store was migrated by a newer Admit.
    Newer {
        /// The first migration that this program does not know.
        found: String,
    },
    /// A migration is not what it was when it was applied.
    Changed {
        /// The file.
        file: String,
    },
    /// Another process has the store.
    InUse {
        /// The file of the store.
        path: PathBuf,
        /// Who, as far as it said so.
        by: String,
    },
}

impl Error {
    pub(crate) fn unavailable(cause: impl fmt::Display) -> Self {
        Self::Unavailable(cause.to_string())
    }

    pub(crate) fn corrupt(what: impl fmt::Display) -> Self {
        Self::Corrupt { what: what.to_string() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(cause) => write!(f, "the store is unavailable: {cause}"),
            Self::Overloaded => f.write_str("the store has too much to do; try again"),
            Self::Unfit { why, next } => write!(f, "the store cannot be used: {why}. Next: {next}"),
            Self::Conflict { what } => write!(f, "the store refuses a second or unknown {what}"),
            Self::NulInText => f.write_str("text with a NUL character cannot be stored"),
            Self::Corrupt { what } => write!(f, "the store holds what cannot be read: {what}. Check it: admit doctor"),
            Self::Newer { found } => {
                write!(
                    f,
                    "the store was made by a newer Admit: migration {found} is not known here. Install that version, or: admit restore FILE"
                )
            }
            Self::Changed { file } => {
                write!(
                    f,
                    "migrations/{file} is not what was applied to the store. Install the version that made the store, or: admit restore FILE"
                )
            }
            Self::InUse { path, by } => {
                write!(
                    f,
                    "{} is in use by {by}. Stop that process, or choose another folder: --data DIR",
                    path.display()
                )
            }
        }
    }
}

impl std::error::Error for Error {}
