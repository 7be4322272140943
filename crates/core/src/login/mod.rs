//! How people prove who they are, what is kept of it, and what it leads to.
//!
//! Pure: hashing takes its salt and its memory as arguments. Who may try how often is not here.

pub mod browser;
pub mod cookie;
pub mod hash;
pub mod identifier;
pub mod password;
pub mod session;
