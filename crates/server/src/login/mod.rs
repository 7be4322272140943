//! How people sign in, and what it leads to: sessions, their cookies, browsers that are known.

pub mod address;
pub mod breached;
pub mod cookie;
pub mod device;
pub mod ending;
pub mod first_operator;
pub mod guard;
pub mod hashing;
pub mod link;
pub mod naming;
pub mod password;
pub mod register;
pub mod rename;
pub mod session;
pub mod site;
pub mod strict;
pub mod verify;
pub mod visit;
