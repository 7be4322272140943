//! Pages: what they are made of, and who gets them.

mod error;
mod mailbox;
