//! Whatever the figures are, what is drawn is a picture within its bounds, and says what it shows.

use proptest::prelude::*;

use super::*;
use admit_core::text::Language;

const HOSTILE: &str = "</title><script>alert(1)</script>\" onload='x' & \u{202e}";

fn words() -> &'static Words {
    Words::of(Language::English)
}

fn plot(series: Vec<Series>, unit: Unit, shape: Shape) -> Plot<'static> {
    let until = Time::parse_rfc3339("2026-11-22T15:00:00Z").unwrap();
    Plot {
        title: "Requests",
        per: "per minute",
        summary: "So many.",
        unit,
        shape,
        series,
        until,
        step: Span::minutes(1),
    }
}

fn drawn(series: Vec<Series>, unit: Unit, shape: Shape) -> String {
    chart(words(), plot(series, unit, shape)).to_string()
}

fn counts(values: &[u64]) -> Series {
    Series::new("ok", Tone::Good, String::new(), values.iter().map(|value| Some(*value as f64)))
}

/// What stands in every attribute of this name.
fn attributes<'t>(text: &'t str, name: &str) -> Vec<&'t str> {
    text.split(&format!(" {name}=\"")).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

/// Every figure of a path.
fn figures(path: &str) -> Vec<i64> {
    let parts =
        path.split(|letter: char| letter.is_ascii_alphabetic() || letter == ' ').filter(|part| !part.is_empty());
    parts.map(|part| part.parse().unwrap_or_else(|_| panic!("{part} in {path}"))).collect()
}

fn assert_sound(text: &str) {
    for never in ["NaN", "inf", "style=", "<script", "onload=", "href="] {
        assert!(!text.contains(never), "{never} in {text}");
    }
    for path in attributes(text, "d") {
        assert!(figures(path).iter().all(|figure| (0..=1000).contains(figure)), "{path}");
    }
}

#[test]
fn small_bars_say_what_they_show_and_are_as_high_as_they_should_be() {
    let text = spark(&[0, 1, 10], "Uses: 11 in all").to_string();
    assert!(text.contains("role=\"img\"><title>Uses: 11 in all</title>"), "{text}");
    assert!(text.contains("viewBox=\"0 0 12 20\""), "{text}");
    assert_eq!(attributes(&text, "d"), ["M0 20V19h3V20zM4 20V17h3V20zM8 20V0h3V20z"]);
}

#[test]
fn no_figures_at_all_are_drawn_too() {
    assert_eq!(attributes(&spark(&[], "none").to_string(), "d"), [""]);
    for series in [Vec::new(), vec![counts(&[])], vec![Series::new("a", Tone::Bad, String::new(), [None, None])]] {
        let text = drawn(series, Unit::Count, Shape::Lines);
        assert_sound(&text);
        assert!(text.contains("Nothing to show yet."), "{text}");
    }
}

#[test]
fn one_figure_is_as_wide_as_there_is_room() {
    let text = drawn(vec![counts(&[3])], Unit::Count, Shape::Layers);
    assert_eq!(attributes(&text, "d"), ["M0 0L1000 0L1000 1000L0 1000z", "M0 0L1000 0"]);
}

#[test]
fn a_gap_is_a_gap() {
    let values = [Some(1.0), None, Some(1.0), Some(0.0), None];
    let text = drawn(vec![Series::new("a", Tone::Plain, String::new(), values)], Unit::Count, Shape::Lines);
    assert_eq!(attributes(&text, "d"), ["M0 0L125 0M500 0L750 1000"]);
    assert_eq!(text.matches("<tr>").count(), 1 + 3, "a time at which nobody looked is no row");
}

#[test]
fn layers_stand_on_each_other_and_lines_do_not() {
    let two = || vec![counts(&[1, 2]), counts(&[3, 2])];
    assert_eq!(
        attributes(&drawn(two(), Unit::Count, Shape::Layers), "d"),
        ["M0 750L1000 500L1000 1000L0 1000z", "M0 750L1000 500", "M0 0L1000 0L1000 500L0 750z", "M0 0L1000 0"]
    );
    assert_eq!(attributes(&drawn(two(), Unit::Count, Shape::Lines), "d"), ["M0 667L1000 333", "M0 0L1000 333"]);
}

#[test]
fn figures_beside_a_graph_are_round() {
    let said = |unit, highest: f64| {
        let axis = Axis::of(unit, highest);
        assert!(axis.top >= highest * (1.0 - 1e-9), "{highest} has no room below {}", axis.top);
        axis.ticks(unit, ".").into_iter().map(|tick| tick.text).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(said(Unit::Count, 0.0), "0 1");
    assert_eq!(said(Unit::Count, 3.0), "0 1 2 3");
    assert_eq!(said(Unit::Count, 7.0), "0 2 4 6 8");
    assert_eq!(said(Unit::Count, 1_234.0), "0 500 1k 1.5k");
    assert_eq!(said(Unit::Count, 4_000_000.0), "0 1M 2M 3M 4M");
    assert_eq!(said(Unit::Seconds, 0.000_09), "0 50 µs 100 µs");
    assert_eq!(said(Unit::Seconds, 0.034), "0 10 ms 20 ms 30 ms 40 ms");
    assert_eq!(said(Unit::Seconds, 3.0), "0 1 s 2 s 3 s");
    assert_eq!(said(Unit::Share, 0.3), "0 % 25 % 50 % 75 % 100 %");
    assert_eq!(scale::whole(0.123_456, Unit::Share, ","), "12,3 %");
    assert_eq!(scale::whole(1_234_567.0, Unit::Count, ","), "1234567");
}

#[test]
fn times_below_a_graph_are_round_and_few() {
    let said = |until: &str, step, count| {
        let window = scale::Window { until: Time::parse_rfc3339(until).unwrap(), step, count };
        window.ticks().into_iter().map(|tick| format!("{}@{}", tick.text, tick.x)).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(said("2026-11-22T15:07:30Z", Span::minutes(1), 61), "14:15@12.5 14:30@37.5 14:45@62.5 15:00@87.5");
    assert_eq!(
        said("2026-11-22T12:00:00Z", Span::minutes(15), 97),
        "12:00@0.0 18:00@25.0 00:00@50.0 06:00@75.0 12:00@100.0"
    );
    assert_eq!(
        said("2026-11-22T12:00:00Z", Span::seconds(10), 4),
        "11:59:30@0.0 11:59:40@33.3 11:59:50@66.7 12:00:00@100.0"
    );
    assert_eq!(said("2026-11-22T12:00:00Z", Span::seconds(10), 1), "");
    assert_eq!(said("2026-11-22T00:00:00Z", Span::days(1), 4), "11-19@0.0 11-20@33.3 11-21@66.7 11-22@100.0");
}

#[test]
fn se_12_nothing_that_is_filled_in_becomes_markup() {
    let series = vec![Series::new(HOSTILE, Tone::Good, HOSTILE.to_owned(), [Some(1.0)])];
    let text = chart(
        words(),
        Plot { title: HOSTILE, per: HOSTILE, summary: HOSTILE, ..plot(series, Unit::Count, Shape::Lines) },
    );
    for text in [text.to_string(), spark(&[1], HOSTILE).to_string()] {
        assert_eq!((text.contains("<script"), text.contains("' onload")), (false, false), "{text}");
        assert!(text.contains("&#60;/title&#62;&#60;script&#62;"), "{text}");
    }
}

#[test]
fn there_are_no_more_bars_points_and_series_than_can_be_told_apart() {
    for (given, kept) in [(BARS_MAX, BARS_MAX), (BARS_MAX + 1, BARS_MAX)] {
        assert_eq!(spark(&vec![1; given], "x").to_string().matches('z').count(), kept);
    }
    for (given, kept) in [(POINTS_MAX, POINTS_MAX), (POINTS_MAX + 1, POINTS_MAX)] {
        assert_eq!(counts(&vec![1; given]).values.len(), kept);
    }
    for (given, kept) in [(SERIES_MAX, SERIES_MAX), (SERIES_MAX + 1, SERIES_MAX)] {
        let text = drawn((0..given).map(|_| counts(&[1])).collect(), Unit::Count, Shape::Lines);
        assert_eq!(text.matches("class=\"line").count(), kept);
    }
}

fn any_value() -> impl Strategy<Value = Option<f64>> {
    prop_oneof![
        Just(None),
        Just(Some(f64::NAN)),
        Just(Some(f64::INFINITY)),
        Just(Some(-1.0)),
        Just(Some(0.0)),
        Just(Some(f64::MAX)),
        Just(Some(f64::MIN_POSITIVE)),
        (0.0..1e12).prop_map(Some),
    ]
}

proptest! {
    #[test]
    fn whatever_the_figures_are_a_chart_is_sound(
        series in proptest::collection::vec(proptest::collection::vec(any_value(), 0..30), 0..8),
        unit in prop_oneof![Just(Unit::Count), Just(Unit::Seconds), Just(Unit::Share)],
        shape in prop_oneof![Just(Shape::Layers), Just(Shape::Lines)],
    ) {
        let series = series.into_iter().map(|values| Series::new("a", Tone::Good, String::new(), values)).collect();
        let text = drawn(series, unit, shape);
        assert_sound(&text);
        let ticks = attributes(&text, "y1");
        prop_assert!((2..=8).contains(&ticks.len()), "{} ticks", ticks.len());
    }

    #[test]
    fn whatever_the_values_are_bars_are_sound(values in proptest::collection::vec(any::<u64>(), 0..200), label in ".{0,40}") {
        let text = spark(&values, &label).to_string();
        let (_, bars) = text.split_once(" d=\"").unwrap();
        prop_assert!(bars.split(|letter: char| !letter.is_ascii_digit()).filter_map(|part| part.parse::<usize>().ok()).all(|part| part <= BARS_MAX * path::BAR));
        prop_assert_eq!(text.matches("<path").count(), 1);
    }
}
