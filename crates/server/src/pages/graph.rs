//! Graphs as inline SVG: small bars for one line of a list, and lines or layers over time with axes.
//!
//! Pure: figures in, markup out. Colours are classes of the style sheet and sizes are shares of the room there is, so a
//! graph needs no script and no style of its own. Whoever does not see it hears its title and what it says, and opens the
//! same figures as a table. Knows nothing of where figures come from.

mod path;
mod scale;

use askama::Template;
use askama::filters::HtmlSafe;

use super::text::Words;
use admit_core::time::{Span, Time};
use scale::Axis;

/// The most bars of one line.
pub const BARS_MAX: usize = 120;
/// The most figures of one series.
pub const POINTS_MAX: usize = 400;
/// The most series of one chart: there are no more colours that can be told apart.
pub const SERIES_MAX: usize = 6;

/// Small bars, one for each value, the last ones where there are too many. The label says in words what they show.
pub fn spark(values: &[u64], label: &str) -> Spark {
    let values = &values[values.len().saturating_sub(BARS_MAX)..];
    Spark { label: label.to_owned(), width: path::BAR * values.len().max(1), bars: path::bars(values) }
}

/// Small bars; written into a page as they are.
#[derive(Template)]
#[template(path = "graph/spark.html")]
pub struct Spark {
    label: String,
    width: usize,
    bars: String,
}

// What is filled into the template is escaped there.
impl HtmlSafe for Spark {}

/// What colour something has, by what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// Proof was missing.
    Warn,
    /// A right was missing.
    Bad,
    /// Too fast.
    Slow,
    /// Broken.
    Broken,
    /// Neither good nor bad.
    Plain,
    /// Neither, and of less weight.
    Faint,
}

impl Tone {
    /// The class in the style sheet.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Good => "tone-good",
            Self::Warn => "tone-warn",
            Self::Bad => "tone-bad",
            Self::Slow => "tone-slow",
            Self::Broken => "tone-broken",
            Self::Plain => "tone-plain",
            Self::Faint => "tone-faint",
        }
    }
}

/// Figures over time, one for each step; none where nobody looked.
pub struct Series {
    name: String,
    tone: Tone,
    /// What stands beside its name: a sum, the latest figure.
    note: String,
    values: Vec<Option<f64>>,
}

impl Series {
    /// What is no figure is none; nothing is less than nothing.
    pub fn new(name: &str, tone: Tone, note: String, values: impl IntoIterator<Item = Option<f64>>) -> Self {
        let known =
            |value: Option<f64>| value.filter(|value| value.is_finite()).map(|value| value.clamp(0.0, scale::MOST));
        let mut values: Vec<_> = values.into_iter().map(known).collect();
        values.drain(..values.len().saturating_sub(POINTS_MAX));
        Self { name: name.to_owned(), tone, note, values }
    }
}

/// What figures are figures of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Whole things.
    Count,
    /// Seconds.
    Seconds,
    /// Parts of one, shown as per cent.
    Share,
}

/// A figure as it is said in a sentence.
pub fn figure(value: f64, unit: Unit, point: &str) -> String {
    scale::whole(value, unit, point)
}

/// How series stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Each on top of the one before: together they are the whole.
    Layers,
    /// Each for itself.
    Lines,
}

/// A chart to be drawn.
pub struct Plot<'p> {
    /// What it shows.
    pub title: &'p str,
    /// Of what one figure is: "per minute".
    pub per: &'p str,
    /// What it says, in a sentence.
    pub summary: &'p str,
    /// What figures are figures of.
    pub unit: Unit,
    /// How series stand to each other.
    pub shape: Shape,
    /// The series, the lowest layer first.
    pub series: Vec<Series>,
    /// When the last step ends.
    pub until: Time,
    /// How long a step is.
    pub step: Span,
}

/// Draws a chart.
pub fn chart(words: &'static Words, plot: Plot<'_>) -> Chart {
    let mut series = plot.series;
    series.truncate(SERIES_MAX);
    let count = series.iter().map(|series| series.values.len()).max().unwrap_or_default();
    for short in &mut series {
        short.values.splice(0..0, std::iter::repeat_n(None, count - short.values.len()));
    }
    let values: Vec<&[Option<f64>]> = series.iter().map(|series| series.values.as_slice()).collect();
    let bands = path::bands(&values, plot.shape);
    let axis = Axis::of(plot.unit, path::highest(&bands));
    let drawn = series.iter().zip(&bands).map(|(series, band)| Drawn {
        class: series.tone.class(),
        area: if plot.shape == Shape::Layers { path::area(band, axis.top) } else { String::new() },
        line: path::line(band, axis.top),
    });
    let window = scale::Window { until: plot.until, step: plot.step, count };
    let point = words.say("graph.point");
    Chart {
        title: plot.title.to_owned(),
        per: plot.per.to_owned(),
        summary: plot.summary.to_owned(),
        drawn: drawn.collect(),
        ticks: axis.ticks(plot.unit, point),
        times: window.ticks(),
        rows: rows(&series, &window, plot.unit, point),
        legend: series
            .into_iter()
            .map(|series| Mark { class: series.tone.class(), name: series.name, note: series.note })
            .collect(),
        words,
    }
}

/// The newest first; times at which nobody looked are left out.
fn rows(series: &[Series], window: &scale::Window, unit: Unit, point: &str) -> Vec<Row> {
    let row = |place: usize| {
        let values: Vec<_> = series.iter().map(|series| series.values[place]).collect();
        values.iter().any(Option::is_some).then(|| Row {
            at: window.clock(place),
            values: values
                .iter()
                .map(|value| value.map_or_else(|| "–".to_owned(), |value| scale::whole(value, unit, point)))
                .collect(),
        })
    };
    (0..window.count).rev().filter_map(row).collect()
}

/// A chart; written into a page as it is.
#[derive(Template)]
#[template(path = "graph/chart.html")]
pub struct Chart {
    words: &'static Words,
    title: String,
    per: String,
    summary: String,
    legend: Vec<Mark>,
    drawn: Vec<Drawn>,
    ticks: Vec<scale::Tick>,
    times: Vec<scale::TimeTick>,
    rows: Vec<Row>,
}

// What is filled into the template is escaped there.
impl HtmlSafe for Chart {}

struct Mark {
    class: &'static str,
    name: String,
    note: String,
}

struct Drawn {
    class: &'static str,
    area: String,
    line: String,
}

struct Row {
    at: String,
    values: Vec<String>,
}

#[cfg(test)]
mod tests;
