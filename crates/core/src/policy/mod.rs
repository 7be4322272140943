//! What a route demands, and whether a caller meets it.

pub mod cors;
pub mod index;
pub mod judge;
pub mod pattern;
pub mod rule;
