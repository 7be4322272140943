//! How people prove who they are: what they type, and what is kept of it.
//!
//! Pure: hashing takes its salt and its memory as arguments. What a sign-in leads to is not here.

pub mod guard;
pub mod hash;
pub mod identifier;
pub mod password;
