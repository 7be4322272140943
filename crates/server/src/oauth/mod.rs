//! The authorization server of each realm, seen from outside.
//!
//! What it says of itself is public and the same for everybody: [`well_known`] answers with ready bytes, before the router.
//! [`metadata`], [`jwks`] and [`resource`] write them.

pub mod client;
pub mod jwks;
pub mod metadata;
pub mod resource;
pub mod well_known;
