//! The charts of the overview, from its figures.

use admit_core::check::code::Code;
use admit_core::time::{Span, Time};

use crate::manage::overview::{Figures, Overview};
use crate::metrics::history::Reach;
use crate::pages::graph::{Chart, Plot, Series, Shape, Tone, Unit, chart, figure};
use crate::pages::text::Words;

/// What becomes of requests, by the status of their answers: each a layer, with what it is called.
const VERDICTS: [(&str, Tone, &[u16]); 5] = [
    ("console.home.admitted", Tone::Good, &[200]),
    ("console.home.unproved", Tone::Warn, &[401]),
    ("console.home.forbidden", Tone::Bad, &[403]),
    ("console.home.too_fast", Tone::Slow, &[429]),
    ("console.home.broken", Tone::Broken, &[400, 503]),
];

/// All of them.
pub fn of(words: &'static Words, overview: &Overview, reach: Reach, now: Time) -> Vec<Chart> {
    let draw = Draw { words, overview, until: overview.until.unwrap_or(now), per: per(words, reach) };
    vec![draw.requests(), draw.latency(), draw.sign_ins(), draw.levels()]
}

/// How many requests had an answer that this is true of.
pub fn sum(figures: &Figures, is_meant: impl Fn(Code) -> bool) -> u64 {
    let codes = Code::ALL.iter().filter(|code| is_meant(**code));
    codes.filter_map(|code| figures.requests.get(code.as_str())).sum()
}

/// A part of one, in per cent.
pub fn share(part: f64, point: &str) -> String {
    figure(part, Unit::Share, point)
}

/// A time, in the unit that fits.
pub fn time(seconds: f64, point: &str) -> String {
    figure(seconds, Unit::Seconds, point)
}

/// "per minute", "per 15 minutes".
fn per(words: &'static Words, reach: Reach) -> String {
    match reach {
        Reach::Minutes => words.with("console.home.per_seconds", "n", (reach.step().as_ms() / 1000).to_string()),
        Reach::Hour => words.say("console.home.per_minute").to_owned(),
        Reach::Day => words.with("console.home.per", "span", words.span(reach.step())),
    }
}

struct Draw<'d> {
    words: &'static Words,
    overview: &'d Overview,
    until: Time,
    per: String,
}

impl Draw<'_> {
    fn requests(&self) -> Chart {
        let all = sum(&self.overview.total, |_| true);
        let layer = |(name, tone, statuses): (&str, Tone, &'static [u16])| {
            let count = move |figures: &Figures| sum(figures, |code| statuses.contains(&code.status()));
            let note = super::grouped(count(&self.overview.total));
            self.series(name, tone, note, move |figures| Some(count(figures) as f64))
        };
        let series = VERDICTS.into_iter().map(layer).collect();
        let summary = self.words.with("console.home.requests_say", "n", super::grouped(all));
        self.chart("console.home.requests", &self.per, summary, Unit::Count, Shape::Layers, series)
    }

    fn latency(&self) -> Chart {
        let total = &self.overview.total;
        let point = self.words.say("graph.point");
        let note = |value: Option<f64>| value.map(|value| time(value, point)).unwrap_or_default();
        let series = vec![
            self.series("console.home.slowest", Tone::Plain, note(total.p99_s), |figures| figures.p99_s),
            self.series("console.home.median", Tone::Faint, note(total.p50_s), |figures| figures.p50_s),
        ];
        let summary =
            self.words.fill("console.home.latency_say", &[("p50", &note(total.p50_s)), ("p99", &note(total.p99_s))]);
        self.chart("console.home.latency", "", summary, Unit::Seconds, Shape::Lines, series)
    }

    fn sign_ins(&self) -> Chart {
        let total = &self.overview.total;
        let count = |name, tone, of: fn(&Figures) -> u64| {
            self.series(name, tone, super::grouped(of(total)), move |figures| Some(of(figures) as f64))
        };
        let series = vec![
            count("console.home.right", Tone::Good, |figures| figures.sign_ins_right),
            count("console.home.wrong", Tone::Warn, |figures| figures.sign_ins_wrong),
            count("console.home.turned_away", Tone::Slow, |figures| figures.sign_ins_refused),
        ];
        let (right, wrong) = (super::grouped(total.sign_ins_right), super::grouped(total.sign_ins_wrong));
        let summary = self.words.fill("console.home.sign_ins_say", &[("right", &right), ("wrong", &wrong)]);
        self.chart("console.home.sign_ins", &self.per, summary, Unit::Count, Shape::Layers, series)
    }

    fn levels(&self) -> Chart {
        let most = self.overview.total.feed_age_ms as f64 / 1000.0;
        let most = time(most, self.words.say("graph.point"));
        let lag = |figures: &Figures| Some(figures.feed_age_ms as f64 / 1000.0);
        let series = vec![self.series("console.home.feed_most", Tone::Plain, most.clone(), lag)];
        let summary = self.words.with("console.home.feed_say", "time", most);
        self.chart("console.home.feed", "", summary, Unit::Seconds, Shape::Lines, series)
    }

    fn series(&self, name: &str, tone: Tone, note: String, of: impl Fn(&Figures) -> Option<f64>) -> Series {
        let values = self.overview.steps.iter().map(|step| step.as_ref().and_then(&of));
        Series::new(self.words.say(name), tone, note, values)
    }

    fn chart(&self, title: &str, per: &str, summary: String, unit: Unit, shape: Shape, series: Vec<Series>) -> Chart {
        let step = Span::seconds(self.overview.step_s);
        let title = self.words.say(title);
        chart(self.words, Plot { title, per, summary: &summary, unit, shape, series, until: self.until, step })
    }
}

/// Every text that is asked for by a name kept here.
pub fn texts() -> Vec<String> {
    let names =
        ["requests", "latency", "sign_ins", "feed", "slowest", "median", "right", "wrong", "turned_away", "feed_most"];
    let verdicts = VERDICTS.iter().map(|(name, ..)| (*name).to_owned());
    names.iter().map(|name| format!("console.home.{name}")).chain(verdicts).collect()
}
