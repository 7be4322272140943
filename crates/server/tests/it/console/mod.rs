//! The operators' console: who gets in, what he sees and does there.

mod enter;
mod first;
mod home;
mod person;
mod refusals;
mod rights;
mod things;
mod view;
