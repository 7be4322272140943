//! How people sign in.

pub mod hashing;
