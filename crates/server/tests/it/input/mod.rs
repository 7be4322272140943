//! What no well-behaved client sends.

mod http;
mod json;
mod noise;
mod slow;
pub mod wire;
