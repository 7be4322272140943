//! What no well-behaved client sends.

mod http;
mod json;
mod noise;
pub mod wire;
