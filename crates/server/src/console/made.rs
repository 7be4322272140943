//! A secret, shown this once: on the answer to the form that made it, which no cache keeps.

use askama::Template;
use axum::response::Response;
use http::StatusCode;

use super::operator::Operator;
use super::place::Place;
use super::shell::Shell;
use crate::http::problem::Problem;
use crate::manage::inside::Answer;
use crate::pages::text::Words;
use crate::pages::{Frame, page};

#[derive(Template)]
#[template(path = "console/made.html")]
struct MadePage<'p> {
    frame: Frame,
    shell: Shell,
    title: &'static str,
    lead: &'static str,
    secret: &'p str,
    one: String,
}

/// The secret in an answer of the management API, where it carries one.
pub struct Shown<'a> {
    secret: &'a str,
    title: &'static str,
    lead: &'static str,
}

impl<'a> Shown<'a> {
    /// A new key, a client's new secret, or the link of an invitation that no mail took along.
    pub fn of(answer: &'a Answer, words: &'static Words) -> Option<Self> {
        if let Some(secret) = answer.json["key"].as_str() {
            return Some(Self { secret, title: words.say("key_made.title"), lead: words.say("key_made.lead") });
        }
        if let Some(secret) = answer.json["secret"].as_str() {
            return Some(Self {
                secret,
                title: words.say("console.secret.title"),
                lead: words.say("console.secret.lead"),
            });
        }
        let secret = answer.json["link"].as_str()?;
        Some(Self { secret, title: words.say("console.link.title"), lead: words.say("console.link.lead") })
    }
}

/// The page.
pub async fn show(
    operator: &Operator,
    place: &Place,
    id: &str,
    Shown { secret, title, lead }: Shown<'_>,
    status: StatusCode,
) -> Result<Response, Problem> {
    let (frame, shell) = Shell::of(operator, place.judged_in(), place.section()).await?;
    Ok(page(status, &MadePage { frame, shell, title, lead, secret, one: place.one(id) }))
}
