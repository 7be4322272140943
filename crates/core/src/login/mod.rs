//! How people prove who they are, what is kept of it, and what it leads to.
//!
//! Pure: hashing takes its salt and its memory as arguments.

pub mod basic;
pub mod browser;
pub mod cookie;
pub mod guard;
pub mod hash;
pub mod identifier;
pub mod password;
pub mod session;
pub mod site;
