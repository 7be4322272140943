//! Pages: what they are made of, and who gets them.

mod account;
mod address;
mod demo;
mod error;
mod invite;
mod login;
mod mailbox;
mod name;
mod password;
pub mod person;
mod register;
mod roll;
