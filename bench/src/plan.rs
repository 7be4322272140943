//! What to run, as the command line says it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Result;
use crate::scenario::SCENARIOS;

const USAGE: &str = "\
cargo xtask bench [SCENARIO]… [--quick] [--keep] [--keys N] [--samples N] [--references] [--profile NAME] [--admit FILE]

Without a scenario all of them run, one after the other:";

const FLAGS: &str = "
  --quick          short rounds, 100,000 keys in place of 1,000,000: good for a look, not for the record
  --keep           keep the stores in target/bench, and use what is kept
  --keys N         so many keys in place of 1,000,000 (and no 10,000,000 in w11)
  --samples N      so many of each kind in pw01, in place of 1,000
  --references     only the references of w1, without Admit
  --profile NAME   build with this profile of cargo; dist unless said
  --admit FILE     measure this program; Admit is not built then

Figures go to target/bench/<scenario>.json. What each scenario measures and aims at stands in
docs/book/src/reference/performance.md. `admit-bench hello | headers | axum` serves a reference on a free port of 127.0.0.1.";

/// How to call it.
pub fn usage() -> String {
    let scenarios = SCENARIOS.iter().map(|(name, what, _)| format!("\n  {name:<6} {what}"));
    USAGE.to_owned() + &scenarios.collect::<String>() + "\n" + FLAGS
}

/// What to run.
pub struct Plan {
    /// Names of scenarios, none of them unknown.
    pub scenarios: Vec<String>,
    /// `None`: the references alone.
    pub admit: Option<PathBuf>,
    /// Where stores are made.
    pub stores: Stores,
    /// The large population.
    pub many: usize,
    /// The largest population, where there is time for it.
    pub most: Option<usize>,
    /// How often each kind of people is asked for.
    pub samples: usize,
    /// How long each is asked before anything counts.
    pub warm_up: Duration,
    /// One turn.
    pub round: Duration,
    /// What must be watched for longer: a minute.
    pub long: Duration,
}

impl Plan {
    /// Reads the arguments.
    pub fn read(arguments: &[String]) -> Result<Self> {
        let (mut scenarios, mut keys, mut samples) = (Vec::new(), None, None);
        let mut admit = Some(PathBuf::from("target/dist/admit"));
        let (mut is_quick, mut is_kept, mut is_alone) = (false, false, false);
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} wants a value\n\n{}", usage()));
            match word.as_str() {
                "--quick" => is_quick = true,
                "--keep" => is_kept = true,
                "--references" => is_alone = true,
                "--keys" => keys = Some(number(word, value()?)?),
                "--samples" => samples = Some(number(word, value()?)?),
                "--admit" => admit = Some(PathBuf::from(value()?)),
                flag if flag.starts_with('-') => return Err(format!("there is no flag {flag}\n\n{}", usage())),
                name if SCENARIOS.iter().any(|(known, ..)| *known == name) => scenarios.push(name.to_owned()),
                name => return Err(format!("there is no scenario {name:?}\n\n{}", usage())),
            }
        }
        if is_alone {
            (admit, scenarios) = (None, vec!["w1".to_owned()]);
        }
        if scenarios.is_empty() {
            scenarios = SCENARIOS.iter().map(|(name, ..)| (*name).to_owned()).collect();
        }
        let seconds = |quick: u64, whole: u64| Duration::from_secs(if is_quick { quick } else { whole });
        Ok(Self {
            scenarios,
            admit,
            stores: Stores { is_kept },
            many: keys.unwrap_or(if is_quick { 100_000 } else { 1_000_000 }),
            most: (keys.is_none() && !is_quick).then_some(10_000_000),
            samples: samples.unwrap_or(if is_quick { 200 } else { 1_000 }),
            warm_up: seconds(1, 2),
            round: seconds(3, 10),
            long: seconds(6, 60),
        })
    }
}

fn number(flag: &str, text: &str) -> Result<usize> {
    text.parse().map_err(|_| format!("{flag} wants a number"))
}

/// Where the data folders are; they are removed when this goes, unless they are to be kept.
pub struct Stores {
    is_kept: bool,
}

impl Stores {
    /// On the disk of the build.
    pub fn folder(&self) -> PathBuf {
        let folder = Path::new("target/bench");
        if self.is_kept { folder.join("kept") } else { folder.join(format!("run-{}", std::process::id())) }
    }
}

impl Drop for Stores {
    fn drop(&mut self) {
        if !self.is_kept {
            let _ = fs::remove_dir_all(self.folder());
        }
    }
}

/// A program that is not ours: as the environment names it.
pub fn tool(variable: &str) -> Result<PathBuf> {
    let file = std::env::var_os(variable).map(PathBuf::from);
    let file = file.filter(|file| file.exists());
    file.ok_or_else(|| {
        format!("{variable} names nothing that is there: `cargo xtask bench` installs it and says where")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Plan> {
        Plan::read(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn without_a_name_all_scenarios_run() {
        assert_eq!(read("").map(|plan| plan.scenarios.len()), Ok(SCENARIOS.len()));
        assert_eq!(read("w3c w1 --quick").map(|plan| plan.scenarios), Ok(vec!["w3c".to_owned(), "w1".to_owned()]));
    }

    #[test]
    fn what_is_unknown_is_named_with_what_is_known() {
        let said = read("w99").err().unwrap_or_default();
        assert!(said.starts_with("there is no scenario \"w99\"") && said.contains("w3c"), "{said}");
        assert!(read("--slow").err().unwrap_or_default().starts_with("there is no flag --slow"));
        assert!(read("--keys").err().unwrap_or_default().starts_with("--keys wants a value"));
    }
}
