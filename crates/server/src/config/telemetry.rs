//! `[telemetry]`: where traces go. Refused by a program that was built without them, rather than ignored.

use super::raw::Reader;

/// Traces to an OpenTelemetry collector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telemetry {
    /// The collector, for OTLP over HTTP: `http://127.0.0.1:4318`.
    pub otlp: String,
    /// Of the requests that come without a `traceparent`, one in so many is kept.
    pub one_in: u32,
}

/// Reads the section; none where it is absent.
pub fn read(root: &mut Reader<'_>) -> Option<Telemetry> {
    let mut telemetry = None;
    root.section("telemetry", |section| {
        let (otlp, one_in) = (section.text("otlp"), section.number("one_in").unwrap_or(1));
        if one_in == 0 {
            section.problem("one_in", "must be 1 or more: 1 keeps every request, 100 one in a hundred");
        }
        let Some(otlp) = otlp else {
            return section.problem("otlp", "is needed, such as otlp = \"http://127.0.0.1:4318\"");
        };
        if cfg!(not(feature = "otel")) {
            let next = "cargo build --release --features otel";
            return section
                .problem("otlp", format!("this admit was built without traces. Build one that has them: {next}"));
        }
        let url = reqwest::Url::parse(&otlp).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let is_base = |url: &reqwest::Url| {
            url.has_host()
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none()
        };
        match url.filter(is_base) {
            Some(url) => telemetry = Some(Telemetry { otlp: url.as_str().trim_end_matches('/').to_owned(), one_in }),
            None => section
                .problem("otlp", "must be an http or https URL without a query, such as \"http://127.0.0.1:4318\""),
        }
    });
    telemetry
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Overrides};

    fn load(text: &str) -> Result<Config, Vec<String>> {
        let said = |problem: admit_core::policy::rule::Problem| format!("{}: {}", problem.path, problem.message);
        Config::parse(text, &Overrides::default(), []).map_err(|problems| problems.into_iter().map(said).collect())
    }

    #[test]
    #[cfg(not(feature = "otel"))]
    fn a_program_without_traces_says_how_to_build_one_with_them() {
        let problems = load("[telemetry]\notlp = 'http://127.0.0.1:4318'").unwrap_err();
        assert!(problems[0].starts_with("telemetry.otlp: ") && problems[0].contains("--features otel"), "{problems:?}");
        assert_eq!(load("").unwrap().telemetry, None);
    }

    #[test]
    fn every_problem_names_its_key() {
        let problems = load("[telemetry]\none_in = 0").unwrap_err();
        assert!(
            problems.iter().any(|problem| problem.starts_with("telemetry.one_in: must be 1 or more")),
            "{problems:?}"
        );
        assert!(problems.iter().any(|problem| problem.starts_with("telemetry.otlp: is needed")), "{problems:?}");
    }
}
