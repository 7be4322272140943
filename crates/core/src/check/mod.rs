//! One request and what is said of it: the request as it was meant, the codes, the decision, the answer, the reasons.

pub mod address;
mod advice;
pub mod answer;
pub mod code;
pub mod decision;
pub mod guard;
pub mod host;
pub mod path;
pub mod request;
pub mod trace;
