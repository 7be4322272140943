//! What the server or the line to it said, in our words, and what may be done about it.

use tokio_postgres::error::SqlState;

use crate::error::Error;

/// What became of a transaction in which something failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The statement was refused; the line is good.
    Refused,
    /// Others were in the way: the same may work from the beginning.
    Again,
    /// The line is gone, and with it whatever was not committed.
    Lost,
    /// No answer came in time. The line is of no use any more.
    Silent,
}

/// Our words carry the server's own sentence and its code, never its details: those quote values.
pub(super) fn translate(error: &tokio_postgres::Error) -> (Error, Trouble) {
    let Some(said) = error.as_db_error() else {
        // Beside what the server says there is what the driver could not read or write.
        let trouble = if error.is_closed() || is_of_the_line(error) { Trouble::Lost } else { Trouble::Refused };
        return (Error::unavailable(describe(error)), trouble);
    };
    let (code, text) = (said.code(), format!("{} ({})", said.message(), said.code().code()));
    match code {
        &SqlState::UNIQUE_VIOLATION => {
            (Error::Conflict { what: doubled(said.constraint().unwrap_or_default()) }, Trouble::Refused)
        }
        &SqlState::FOREIGN_KEY_VIOLATION => (Error::Conflict { what: "reference" }, Trouble::Refused),
        &SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED => (Error::Overloaded, Trouble::Again),
        &SqlState::READ_ONLY_SQL_TRANSACTION => {
            (Error::unavailable("attempt to write a readonly database"), Trouble::Refused)
        }
        &SqlState::DATA_CORRUPTED | &SqlState::INDEX_CORRUPTED => (Error::corrupt(text), Trouble::Refused),
        // The tables were changed, or the statement was forgotten, under a connection that had prepared it.
        &SqlState::FEATURE_NOT_SUPPORTED | &SqlState::INVALID_SQL_STATEMENT_NAME => {
            (Error::unavailable(text), Trouble::Lost)
        }
        code if is_an_end(code) => (Error::unavailable(text), Trouble::Lost),
        _ => (Error::unavailable(text), Trouble::Refused),
    }
}

/// A failed attempt to connect, without a value that anybody stored and without a password.
pub(super) fn describe(error: &tokio_postgres::Error) -> String {
    use std::error::Error as _;
    if let Some(said) = error.as_db_error() {
        return format!("{} ({})", said.message(), said.code().code());
    }
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

fn is_of_the_line(error: &tokio_postgres::Error) -> bool {
    use std::error::Error as _;
    error.source().is_some_and(|cause| cause.is::<std::io::Error>())
}

/// The server ends the connection, or is about to.
fn is_an_end(code: &SqlState) -> bool {
    let code = code.code();
    code.starts_with("08") || ["57P01", "57P02", "57P03", "57P05", "25P03", "25P04"].contains(&code)
}

/// What there would be two of: the constraint `client_realm_id_name_key` speaks of a name.
fn doubled(constraint: &str) -> &'static str {
    const WORDS: &[(&str, &str)] = &[
        ("_name_key", "name"),
        ("meta_pkey", "name"),
        ("_prefix_key", "prefix"),
        ("_host_key", "host"),
        ("_uri_key", "uri"),
        ("_email_folded_key", "email"),
        ("credential_pkey", "secret"),
        ("_number_key", "number"),
    ];
    WORDS.iter().find(|(name, _)| constraint.ends_with(name)).map_or("id", |(_, word)| word)
}
