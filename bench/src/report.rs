//! Tables for people and JSON for programs.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::Result;

/// A table in Markdown, its columns as wide as they must be.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([head[column].chars().count(), 3]).max().unwrap_or(3)
    };
    let line = |cells: Vec<String>| {
        let padded = cells.iter().enumerate().map(|(column, cell)| {
            let gap = " ".repeat(width(column) - cell.chars().count());
            if column == 0 { format!("{cell}{gap}") } else { format!("{gap}{cell}") }
        });
        format!("| {} |\n", padded.collect::<Vec<_>>().join(" | "))
    };
    let rule = (0..head.len()).map(|column| "-".repeat(width(column) - usize::from(column > 0)));
    let rule = rule.enumerate().map(|(column, rule)| if column == 0 { rule } else { rule + ":" }).collect();
    let mut text = line(head.iter().map(ToString::to_string).collect()) + &line(rule);
    text.extend(rows.iter().map(|row| line(row.clone())));
    text
}

/// What a figure should be, and is.
pub struct Goal {
    what: String,
    is: f64,
    bound: Bound,
}

enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Goal {
    /// A figure that should not be higher.
    pub fn at_most(what: impl Into<String>, most: f64, is: f64) -> Self {
        Self { what: what.into(), is, bound: Bound::AtMost(most) }
    }

    /// A figure that should not be lower.
    pub fn at_least(what: impl Into<String>, least: f64, is: f64) -> Self {
        Self { what: what.into(), is, bound: Bound::AtLeast(least) }
    }

    /// What cannot be told is not met.
    fn is_met(&self) -> bool {
        match self.bound {
            Bound::AtMost(most) => self.is <= most,
            Bound::AtLeast(least) => self.is >= least,
        }
    }

    fn shown(&self) -> String {
        let (word, bound) = match self.bound {
            Bound::AtMost(most) => ("at most", most),
            Bound::AtLeast(least) => ("at least", least),
        };
        let verdict = if self.is_met() { "met" } else { "MISSED" };
        format!("{verdict}: {}: {:.3}, should be {word} {bound}", self.what, self.is)
    }

    fn figures(&self) -> Value {
        let (least, most) = match self.bound {
            Bound::AtMost(most) => (None, Some(most)),
            Bound::AtLeast(least) => (Some(least), None),
        };
        json!({ "what": self.what, "is": self.is, "at_least": least, "at_most": most, "is_met": self.is_met() })
    }
}

/// Prints a scenario's table and goals, and keeps the figures as `target/bench/<name>.json`.
pub fn show(name: &str, machine: &str, table: &str, mut figures: Value, goals: &[Goal]) -> Result<()> {
    println!("\n{name}: {machine}\n\n{table}");
    goals.iter().for_each(|goal| println!("{}", goal.shown()));
    figures["scenario"] = name.into();
    figures["machine"] = machine.into();
    figures["goals"] = goals.iter().map(Goal::figures).collect();
    let file = PathBuf::from(format!("target/bench/{name}.json"));
    let write = || {
        fs::create_dir_all("target/bench")?;
        fs::write(&file, format!("{figures:#}\n"))
    };
    write().map_err(|error: std::io::Error| format!("cannot write {}: {error}", file.display()))?;
    println!("as JSON: {}", file.display());
    Ok(())
}

/// The middle one; of an even number the mean of both.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        count if count % 2 == 1 => values[count / 2],
        count => (values[count / 2 - 1] + values[count / 2]) / 2.0,
    }
}

/// Bytes in millions, as memory is told.
pub fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_straight_columns() {
        let text = table(&["server", "µs"], &[vec!["hello".into(), "5.1".into()], vec!["a".into(), "10.25".into()]]);
        assert_eq!(text, "| server |    µs |\n| ------ | ----: |\n| hello  |   5.1 |\n| a      | 10.25 |\n");
    }

    #[test]
    fn a_goal_is_met_at_its_bound_and_not_beyond() {
        let met = |goal: Goal| goal.is_met();
        assert!(met(Goal::at_most("x", 2.0, 2.0)) && met(Goal::at_least("x", 2.0, 2.0)));
        assert!(!met(Goal::at_most("x", 2.0, 2.01)) && !met(Goal::at_least("x", 2.0, 1.99)));
        assert!(!met(Goal::at_most("x", 2.0, f64::NAN)), "what was not measured is not met");
        assert_eq!(Goal::at_most("p99", 2.0, 2.5).shown(), "MISSED: p99: 2.500, should be at most 2");
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(vec![]), 0.0);
    }
}
