//! What must not be said, anywhere.

mod canary;
mod log;
mod metrics;
