//! Tables for people and JSON for programs.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

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

/// Prints a scenario's table, and keeps the figures as `target/bench/<name>.json`.
pub fn show(name: &str, machine: &str, table: &str, mut figures: Value) -> Result<()> {
    println!("\n{name}: {machine}\n\n{table}");
    figures["scenario"] = name.into();
    figures["machine"] = machine.into();
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
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(vec![]), 0.0);
    }
}
