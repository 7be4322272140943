//! One realm is not another, and nobody hands out more than he has.

mod config;
mod idor;
mod place;
mod rights;
