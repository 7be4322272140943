//! How people sign in.

pub mod breached;
pub mod guard;
pub mod hashing;
pub mod naming;
pub mod password;
pub mod verify;
