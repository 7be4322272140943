//! The whole server, in process, over real connections. Folders mirror URLs; a test is a short conversation.

mod app;
mod check;
mod fault;
mod flood;
mod input;
mod keys;
mod manage;
mod secrecy;
mod tenancy;
