//! The whole server, in process, over real connections. Folders mirror URLs; a test is a short conversation.

mod app;
mod book;
mod check;
mod gateway;
mod program;
mod story;
