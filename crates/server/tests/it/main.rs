//! The whole server, in process, over real connections. Folders mirror URLs; a test is a short conversation.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod app;
mod book;
mod check;
mod fault;
mod flood;
mod gateway;
mod input;
mod keys;
mod manage;
mod program;
mod secrecy;
mod story;
mod tenancy;
mod tls;
