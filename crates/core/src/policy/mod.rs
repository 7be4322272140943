//! What a route demands, and whether a caller meets it.
//!
//! [`rule::RawRule`] is what an operator writes, [`rule::Rule`] what is judged by, [`index::Policy`] all rules of a realm.

pub mod cors;
pub mod host;
pub mod index;
pub mod judge;
pub mod loosen;
pub mod method;
pub mod pattern;
pub mod rule;

mod owner;
mod raw;
mod resolve;
mod tree;
