//! `/console`: how this node is doing, at a glance: what somebody should look at, requests, times, sign-ins, keys.
//!
//! Everything comes from `GET /v1/overview`. Who may not see that is led to the realms that he may work on. The page is
//! still: it is loaded again by a link, or by itself where somebody asked for that, and then not for ever.

mod attention;
mod charts;

use admit_core::check::code::Code;
use admit_core::time::Time;
use askama::Template;
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;

use super::PATH;
use super::operator::Operator;
use super::shell::Shell;
use super::trace::{text, tone};
use super::{query, refusals};
use crate::http::problem::Problem;
use crate::manage::inside::Ask;
use crate::manage::overview::{BusyKey, Overview};
use crate::metrics::history::Reach;
use crate::pages::form::Query;
use crate::pages::graph::Chart;
use crate::pages::text::Words;
use crate::pages::{Frame, page};
use attention::Notice;

/// How often the page may be loaded by itself, in seconds.
const EVERY: [u32; 3] = [10, 30, 60];
/// How often it does so before somebody has to ask again: a screen that is left alone is no use of the console, and shall
/// not keep a session alive.
const TIMES_MAX: u32 = 60;

/// A choice in a row of choices.
struct Choice {
    href: String,
    label: String,
    is_chosen: bool,
}

/// A figure that stands out.
struct Tile {
    label: &'static str,
    figure: String,
    note: String,
}

/// How often an answer was given.
struct AnswerLine {
    code: &'static str,
    tone: &'static str,
    count: String,
    share: String,
    href: Option<String>,
}

/// A key, and how often it was shown.
struct KeyLine {
    name: String,
    realm: String,
    href: Option<String>,
    uses: String,
    refused: String,
}

/// What stands on the page for who may see it.
struct Board {
    spans: Vec<Choice>,
    until: String,
    running: String,
    again: String,
    refreshing: Option<(u32, String)>,
    offers: Vec<Choice>,
    notices: Vec<Notice>,
    tiles: Vec<Tile>,
    charts: Vec<Chart>,
    answers: Vec<AnswerLine>,
    keys: Vec<KeyLine>,
}

#[derive(Template)]
#[template(path = "console/home.html")]
struct HomePage {
    frame: Frame,
    shell: Shell,
    board: Option<Board>,
}

/// `GET /console`
pub async fn get(operator: Operator, asked: Query) -> Result<Response, Problem> {
    let (frame, shell) = Shell::of(&operator, None, "home").await?;
    if !operator.may(None, "server:read") {
        return Ok(page(StatusCode::OK, &HomePage { frame, shell, board: None }));
    }
    let reach = Reach::ALL.into_iter().find(|reach| reach.as_str() == asked.text("span")).unwrap_or(Reach::Hour);
    let answer = operator.ask(Ask::get(&["overview"]).param("span", reach.as_str())).await?;
    let overview = answer.ok().map_err(|refused| Problem::unavailable(refused.code()))?;
    let overview = Overview::deserialize(&overview.json).map_err(Problem::unavailable)?;
    let board = Board::of(&operator, &overview, reach, Refresh::read(&asked), &shell.realm);
    Ok(page(StatusCode::OK, &HomePage { frame, shell, board: Some(board) }))
}

/// Whether the page is to be loaded again by itself, and how many times more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Refresh {
    every_s: u32,
    left: u32,
}

impl Refresh {
    fn read(query: &Query) -> Option<Self> {
        let every_s = query.text("every").parse().ok().filter(|every| EVERY.contains(every))?;
        let left = query.text("left");
        let left = if left.is_empty() { TIMES_MAX } else { left.parse().ok()? };
        (1..=TIMES_MAX).contains(&left).then_some(Self { every_s, left })
    }
}

impl Board {
    fn of(operator: &Operator, overview: &Overview, reach: Reach, refresh: Option<Refresh>, realm: &str) -> Self {
        let (words, now) = (operator.visit.words, operator.visit.now);
        let here = |reach: Reach| format!("{PATH}?span={}", reach.as_str());
        let own = here(reach);
        let span = |reach: &Reach| Choice {
            href: here(*reach),
            label: words.span(reach.span()),
            is_chosen: overview.span == reach.as_str(),
        };
        let offer = |every_s: &u32| Choice {
            href: format!("{own}&every={every_s}"),
            label: words.with("console.home.every", "n", every_s.to_string()),
            is_chosen: refresh.is_some_and(|refresh| refresh.every_s == *every_s),
        };
        let next =
            |refresh: Refresh| (refresh.every_s, format!("{own}&every={}&left={}", refresh.every_s, refresh.left - 1));
        Self {
            spans: Reach::ALL.iter().map(span).collect(),
            until: clock(overview.until.unwrap_or(now)),
            running: running(words, overview.running_since, now),
            again: own.clone(),
            refreshing: refresh.map(next),
            offers: EVERY.iter().map(offer).collect(),
            notices: attention::notices(words, overview, now),
            tiles: tiles(words, overview),
            charts: charts::of(words, overview, reach, now),
            answers: answers(overview, words.say("graph.point"), realm),
            keys: overview.keys.iter().map(KeyLine::of).collect(),
        }
    }
}

/// Hours, minutes and seconds, in UTC.
fn clock(at: Time) -> String {
    at.to_string().get(11..19).unwrap_or_default().to_owned()
}

fn running(words: &'static Words, since: Time, now: Time) -> String {
    let age = now.since(since).as_ms() / 1000;
    match age {
        ..60 => words.say("console.home.just_started").to_owned(),
        _ => words.with("console.home.running", "when", words.ago(since, now)),
    }
}

fn tiles(words: &'static Words, overview: &Overview) -> Vec<Tile> {
    let (total, state) = (&overview.total, &overview.state);
    let (all, refused) = (charts::sum(total, |_| true), charts::sum(total, |code| code != Code::Ok));
    let point = words.say("graph.point");
    let time = |time: Option<f64>| time.map_or_else(|| "–".to_owned(), |time| charts::time(time, point));
    let share = |part: u64, all: u64| charts::share(part as f64 / all.max(1) as f64, point);
    let tile = |label, figure, note| Tile { label: words.say(label), figure, note };
    let ended = total.sign_ins_wrong + total.sign_ins_refused;
    vec![
        tile(
            "console.home.requests",
            grouped(all),
            words.with("console.home.of_refused", "share", share(refused, all)),
        ),
        tile("console.home.p99", time(total.p99_s), words.with("console.home.of_p50", "time", time(total.p50_s))),
        tile(
            "console.home.sign_ins",
            grouped(total.sign_ins_right),
            words.with("console.home.of_failed", "n", grouped(ended)),
        ),
        tile(
            "console.home.memory",
            total.from_memory.map_or_else(|| "–".to_owned(), |part| charts::share(part, point)),
            words.say("console.home.of_memory").to_owned(),
        ),
        tile(
            "console.home.feed",
            charts::time(state.feed_age_ms as f64 / 1000.0, point),
            words.with("console.home.of_feed", "time", charts::time(total.feed_age_ms as f64 / 1000.0, point)),
        ),
    ]
}

/// Every answer that was given, the most frequent first. Refusals lead to those of the realm that is looked at.
fn answers(overview: &Overview, point: &str, realm: &str) -> Vec<AnswerLine> {
    let all = charts::sum(&overview.total, |_| true);
    let mut given: Vec<_> =
        Code::ALL.iter().map(|code| (*code, charts::sum(&overview.total, |one| one == *code))).collect();
    given.retain(|(_, count)| *count > 0);
    given.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let line = |(code, count): (Code, u64)| AnswerLine {
        code: code.as_str(),
        tone: tone(code.status().into()).class(),
        count: grouped(count),
        share: charts::share(count as f64 / all as f64, point),
        href: (code != Code::Ok && !realm.is_empty())
            .then(|| query::write(&refusals::list_path(realm), &[("code", code.as_str())])),
    };
    given.into_iter().map(line).collect()
}

impl AnswerLine {
    /// Where it may be broken.
    fn parts(&self) -> impl Iterator<Item = &'static str> {
        self.code.split_inclusive('_')
    }
}

impl KeyLine {
    fn of(key: &BusyKey) -> Self {
        let show = |name: &Option<String>| name.as_ref().map(|name| text(&name.as_str().into())).unwrap_or_default();
        let (realm, name) = (show(&key.realm), show(&key.name));
        let href = (!realm.is_empty()).then(|| format!("{PATH}/realms/{realm}/keys/{}", key.id));
        let name = if name.is_empty() { key.id.clone() } else { name };
        Self { name, realm, href, uses: grouped(key.uses), refused: grouped(key.refused) }
    }
}

/// A number with a narrow space between its thousands, as every language reads it (ISO 80000-1).
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join("\u{202F}")
}

/// Every text that is asked for by a name kept here.
pub fn texts() -> Vec<String> {
    let tiles = ["p99", "memory"].iter().map(|name| format!("console.home.{name}"));
    charts::texts().into_iter().chain(tiles).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_in_groups() {
        for (number, said) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1\u{202F}000"),
            (u64::from(u32::MAX), "4\u{202F}294\u{202F}967\u{202F}295"),
        ] {
            assert_eq!(grouped(number), said);
        }
    }
}
