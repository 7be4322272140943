//! The whole server, in process, over real connections. Folders mirror URLs; a test is a short conversation.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod app;
mod audit;
mod book;
mod browser;
mod check;
mod clients;
#[path = "../../../store/tests/contract/cluster.rs"]
#[expect(dead_code, reason = "the contract tests of the store use all of it")]
mod cluster;
mod console;
mod fault;
mod flood;
mod gateway;
#[path = "../../../store/tests/contract/hand.rs"]
mod hand;
mod input;
mod keys;
mod login;
mod logout;
mod mail;
mod manage;
mod nodes;
mod oauth;
#[path = "../../../store/tests/contract/outside.rs"]
mod outside;
mod pages;
mod parties;
mod people;
mod planted;
mod program;
mod secrecy;
mod signing;
mod store;
mod story;
mod tenancy;
mod tls;
mod token;
mod well_known;
