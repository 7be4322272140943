//! Authorization requests (RFC 6749 §4.1, OpenID Connect Core §3.1.2): what one says, and what is to be done about it.
//!
//! A request goes through three types. A [`RawRequest`] is what was sent, pushed or sealed. With its client it gives the
//! [`Way`] back, which only a registered address opens: before there is one every error is a page of ours. A [`Request`] is
//! all of it, checked. With who is signed in, and what he decided before, it gives a [`Verdict`].
//!
//! Sends nobody anywhere, makes no code, and knows no page: see `server::oauth::authorize`.

mod claims;
mod flow;
mod raw;
mod redirect;
mod request;
pub mod scopes;
mod verdict;
mod way;

pub use claims::Claims;
pub use flow::{Carried, FLOW_LIFE, FLOW_MAX, Flow, SEALED_MAX};
pub use raw::{Hinted, RawRequest};
pub use redirect::{RedirectKind, RedirectUri};
pub use request::{Prompt, Request, Subject};
pub use verdict::{Person, Verdict, judge};
pub use way::{Mode, NoWay, Way};

#[cfg(test)]
mod tests;
