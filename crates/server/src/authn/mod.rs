//! From credentials to a principal: the one place, for every door.
//!
//! [`resolve`] is the only maker of principals, with [`token`] beside it for those that are signed. What it found is kept in [`cache`] (facts about known credentials) and
//! [`unknown`] (those that are not), both honest by [`epoch`]: an entry counts only while no later change names an id that
//! it depends on. Whether a person's password is the right one takes a while and is asked by [`basic`].

pub mod activity;
pub mod basic;
pub mod cache;
pub mod directory;
pub mod epoch;
pub mod freshness;
pub mod resolve;
pub mod revoked;
pub mod shared;
pub mod token;
pub mod unknown;
