//! Pages: what they are made of, and who gets them.

mod account;
mod error;
mod login;
mod mailbox;
mod password;
pub mod person;
