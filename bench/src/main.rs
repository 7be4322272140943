//! Measures Admit beside its references, in one run: `cargo xtask bench [scenario]`.
//!
//! A rate alone says more about the machine than about the program, so every figure is a ratio against a server that runs
//! in the same minute on the same cores, taken in turns. Traffic stays on 127.0.0.1; every loop ends by count or by time.
//! The references are this program too (`admit-bench hello`), so that they are built as Admit is, with its allocator.
#![expect(clippy::print_stdout, reason = "a command line program prints")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

mod load;
mod machine;
mod population;
mod reference;
mod report;
mod server;
mod start;
mod w1;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "\
admit-bench run [w1|start]… [--quick] [--keep] [--references] [--keys N]… [--admit FILE]
admit-bench hello | headers        serves a reference on a free port of 127.0.0.1 and prints it

  --quick        shorter rounds: good for a look, not for the record
  --keep         keep the seeded stores in target/bench, and use what is kept
  --references   only the references, without Admit
  --keys N       the number of keys in w1, in place of 1,000 and 1,000,000; may stand twice";

/// What can go wrong is told to a person, so text will do.
type Result<T> = std::result::Result<T, String>;

/// What to run.
struct Plan {
    scenarios: Vec<String>,
    keys: Vec<usize>,
    /// `None`: the references alone.
    admit: Option<PathBuf>,
    keep: bool,
    warm_up: Duration,
    round: Duration,
}

/// How often each server has its turn.
const ROUNDS: usize = 3;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.first().map(String::as_str) {
        Some("hello") => reference::serve(reference::Kind::Hello),
        Some("headers") => reference::serve(reference::Kind::Headers),
        Some("run") => Plan::read(&arguments[1..]).and_then(|plan| run(&plan)),
        _ => {
            println!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(plan: &Plan) -> Result<()> {
    for scenario in &plan.scenarios {
        match scenario.as_str() {
            "w1" => w1::run(plan)?,
            "start" => start::run(plan)?,
            other => return Err(format!("there is no scenario {other:?}\n\n{USAGE}")),
        }
    }
    Ok(())
}

impl Plan {
    fn read(arguments: &[String]) -> Result<Self> {
        let mut plan = Self {
            scenarios: Vec::new(),
            keys: Vec::new(),
            admit: Some(PathBuf::from("target/dist/admit")),
            keep: false,
            warm_up: Duration::from_secs(2),
            round: Duration::from_secs(10),
        };
        let mut is_alone = false;
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} wants a value\n\n{USAGE}"));
            match word.as_str() {
                "--quick" => (plan.warm_up, plan.round) = (Duration::from_secs(1), Duration::from_secs(3)),
                "--keep" => plan.keep = true,
                "--references" => is_alone = true,
                "--keys" => plan.keys.push(value()?.parse().map_err(|_| "--keys wants a number".to_owned())?),
                "--admit" => plan.admit = Some(PathBuf::from(value()?)),
                flag if flag.starts_with('-') => return Err(format!("there is no flag {flag}\n\n{USAGE}")),
                scenario => plan.scenarios.push(scenario.to_owned()),
            }
        }
        if is_alone {
            plan.admit = None;
        }
        if plan.scenarios.is_empty() {
            plan.scenarios = vec!["start".to_owned(), "w1".to_owned()];
        }
        if plan.keys.is_empty() {
            plan.keys = vec![1_000, 1_000_000];
        }
        Ok(plan)
    }
}
