//! The operators' console: who gets in, what he sees and does there.

mod enter;
mod person;
