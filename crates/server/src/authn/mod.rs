//! From credentials to a principal: the one place, for every door.
//!
//! [`resolve`] is the only maker of principals, with [`token`] beside it for those that are signed. What it found is kept in [`cache`] (facts about known credentials) and
//! [`unknown`] (those that are not), both honest by [`epoch`]: an entry counts only while no later change names an id that
//! it depends on. What is read whole of a realm (its rules, its signing keys) is kept by [`realms`] in the same way. Whether a person's password is the right one takes a while and is asked by [`basic`].

pub mod activity;
pub mod basic;
pub mod cache;
pub mod directory;
pub mod epoch;
pub mod freshness;
pub mod realms;
pub mod resolve;
pub mod revoked;
pub mod shared;
pub mod token;
pub mod unknown;
