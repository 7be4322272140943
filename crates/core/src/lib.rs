//! The rules of Admit: pure functions over credentials, grants, rules and requests.
//!
//! Knows no clock, no randomness, no I/O and no SQL: all of them are arguments. Start at [`check`] for the path of a
//! request, at [`policy`] for what a rule demands, and at [`grant`] for what a credential is worth.

pub mod api;
pub mod audit;
pub mod certificate;
pub mod check;
pub mod client;
pub mod consent;
pub mod credential;
pub mod der;
pub mod document;
pub mod form;
pub mod grant;
pub mod id;
pub mod jose;
pub mod json;
pub mod key;
pub mod limit;
pub mod login;
pub mod master;
pub mod metadata;
pub mod name;
pub mod oauth;
pub mod outbound;
pub mod patch;
pub mod policy;
pub mod principal;
pub mod realm;
pub mod role;
pub mod scope;
pub mod seal;
pub mod search;
pub mod secret;
pub mod shell;
pub mod signing_key;
pub mod text;
pub mod time;
pub mod token;
pub mod trial;
pub mod upstream;
pub mod user;
