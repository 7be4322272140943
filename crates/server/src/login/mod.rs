//! How people sign in, and what it leads to: sessions, their cookies, browsers that are known.

pub mod cookie;
pub mod device;
pub mod hashing;
pub mod session;
