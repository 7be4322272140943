//! The operators' console: who gets in, what he sees and does there.

mod enter;
mod first;
mod people;
mod rights;
mod things;
mod view;
