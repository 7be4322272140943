//! The rules of Admit: pure functions over credentials, grants, rules and requests.
//!
//! Knows no clock, no randomness, no I/O and no SQL: all of them are arguments. Start at [`check`] for the path of a
//! request and at [`policy`] for what a rule demands.

pub mod check;
pub mod credential;
pub mod id;
pub mod limit;
pub mod name;
pub mod policy;
pub mod principal;
pub mod secret;
pub mod time;
