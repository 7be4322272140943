//! How people prove who they are: what they type, and what is kept of it.
//!
//! Pure: hashing takes its salt and its memory as arguments. Who may try how often, and what a sign-in leads to, is not
//! here.

pub mod hash;
pub mod identifier;
pub mod password;
