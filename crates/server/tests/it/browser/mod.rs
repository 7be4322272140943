//! What people see, in a real browser without a window: every test has one of its own, with an empty profile.
//!
//! A test fails where the browser complains of anything. Pictures go to `target/screenshots`, to be looked at.

mod cdp;
mod tab;
mod view;

pub use tab::Tab;
