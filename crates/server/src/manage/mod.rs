//! The management API: one file per resource, every handler behind a permit.

pub mod decisions;
pub mod guard;
