//! A request on its way through the pages: what travels sealed in their addresses.
//!
//! Bound to one browser, and good for minutes. A pushed request does not travel at all: only what it is found by does
//! (RFC 9126 §1). Seals and opens nothing.

use serde::{Deserialize, Serialize};

use super::raw::RawRequest;
use crate::time::{Span, Time};

/// How long people may take.
pub const FLOW_LIFE: Span = Span::minutes(10);
/// The longest of them, in bytes.
pub const FLOW_MAX: usize = 3 << 10;
/// The longest text of a sealed one: head and tag of the seal, and four letters for three octets.
pub const SEALED_MAX: usize = (FLOW_MAX + 64) * 4 / 3 + 4;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flow {
    /// The request.
    #[serde(rename = "q")]
    pub carried: Carried,
    /// Which browser; none where that could not be told yet.
    #[serde(rename = "b")]
    pub browser: Option<[u8; 16]>,
    #[serde(rename = "s")]
    started_at_ms: i64,
    /// No sign-in before this moment counts.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    login_after_ms: Option<i64>,
}

/// How a request travels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Carried {
    /// Itself.
    #[serde(rename = "r")]
    Plain(RawRequest),
    /// By the hash under which it was kept when it was pushed.
    #[serde(rename = "p")]
    Pushed([u8; 32]),
}

impl Flow {
    /// One that begins now, with or without a sign-in that must be new.
    pub fn begin(carried: Carried, must_sign_in: bool, now: Time) -> Self {
        let login_after_ms = must_sign_in.then_some(now.unix_ms());
        Self { carried, browser: None, started_at_ms: now.unix_ms(), login_after_ms }
    }

    /// The same for this browser.
    #[must_use]
    pub fn bound_to(self, browser: [u8; 16]) -> Self {
        Self { browser: Some(browser), ..self }
    }

    /// The same for another person than the one who is signed in.
    #[must_use]
    pub fn by_another(self, now: Time) -> Self {
        Self { login_after_ms: Some(now.unix_ms()), ..self }
    }

    /// What is sealed. None: it is too long to travel.
    pub fn octets(&self) -> Option<Vec<u8>> {
        serde_json::to_vec(self).ok().filter(|octets| octets.len() <= FLOW_MAX)
    }

    /// Reads what was sealed, while it may be used.
    pub fn read(octets: &[u8], now: Time) -> Option<Self> {
        let flow: Self = serde_json::from_slice(octets).ok()?;
        let started_at = flow.started_at();
        (started_at <= now && now < started_at + FLOW_LIFE).then_some(flow)
    }

    /// When it began.
    pub const fn started_at(&self) -> Time {
        Time::from_unix_ms(self.started_at_ms)
    }

    /// From when on a sign-in counts, where one must be new.
    pub fn login_after(&self) -> Option<Time> {
        self.login_after_ms.map(Time::from_unix_ms)
    }
}
