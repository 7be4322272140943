//! `cargo xtask test`: every test of the workspace, on a machine that has nothing but Rust and Python.
//!
//! All test programs are built at once and then run one after the other, so that each line tells how a program fared and the
//! closing lines tell which tests are slow. No test run at all is a failure too.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::tools::Tools;
use crate::{Outcome, cargo, check, root};

/// How long one test program may take.
const PATIENCE: Duration = Duration::from_secs(30 * 60);

/// The tests of the whole server, and those parts of them that are run on PostgreSQL too: what a caller and an operator
/// see. What is left out looks at the file of a store, or never comes to one.
const WHOLE_SERVER: &str = "crates/server (test it)";
const ON_POSTGRES: [&str; 11] = [
    "audit::",
    "check::",
    "fault::kill::",
    "fault::refresh::",
    "flood::storm::",
    "keys::",
    "manage::",
    "oauth::app::",
    "story::",
    "tenancy::idor::",
    "tenancy::rights::",
];

/// What is built apart, because everybody else shall do without.
const WITH_TRACES: [&str; 6] = ["--package", "admit", "--features", "otel", "--test", "otel"];

/// How many of the slowest tests are named at the end.
const SLOWEST: usize = 10;

/// How many lines of what a failed test said are repeated at the end.
const REASON: usize = 20;

/// `cargo xtask test [--only-tests | FILTER…]`.
pub fn run(arguments: &[String]) -> Outcome {
    let filters: Vec<&str> = arguments.iter().map(String::as_str).filter(|word| *word != "--only-tests").collect();
    if let Some(flag) = filters.iter().find(|word| word.starts_with('-')) {
        return Err(format!("test knows no flag {flag}: give --only-tests or parts of test names"));
    }
    // What comes over the network comes while the compiler has both hands full.
    let (tools, programs) = thread::scope(|scope| {
        let tools = scope.spawn(|| if filters.is_empty() { Tools::install() } else { Tools::find() });
        let checked = if arguments.is_empty() { check::run(&[]) } else { Ok(()) };
        let programs = checked.and_then(|()| build(&["--workspace"]));
        let tools = tools.join().unwrap_or_else(|_| Err("installing the tools broke off".to_owned()));
        Ok::<_, String>((tools?, programs?))
    })?;
    let mut tally = Tally::default();
    for program in programs {
        tally.add(&program.name, program.run(&tools, &filters)?);
        if filters.is_empty() && program.name == WHOLE_SERVER {
            tally.add(&format!("{WHOLE_SERVER} on PostgreSQL"), program.run_on_postgres(&tools)?);
        }
    }
    if filters.is_empty() {
        for program in build(&WITH_TRACES)? {
            tally.add(&format!("{} with traces", program.name), program.run(&tools, &[])?);
        }
        tally.add("doc tests", finish(cargo().args(["test", "--quiet", "--workspace", "--doc"]), "doc tests")?);
    }
    tally.close()
}

/// A test program that cargo built.
struct Program {
    name: String,
    file: PathBuf,
    package: PathBuf,
}

impl Program {
    /// Runs it as cargo would, with times; those need a switch that is unstable but has not changed in years.
    fn run(&self, tools: &Tools, filters: &[&str]) -> Result<Ended, String> {
        finish(&mut self.command(tools, filters), &self.name)
    }

    /// The same with stores on a server that the program starts.
    fn run_on_postgres(&self, tools: &Tools) -> Result<Ended, String> {
        finish(self.command(tools, &ON_POSTGRES).env("ADMIT_TEST_STORE", "postgres"), &self.name)
    }

    fn command(&self, tools: &Tools, filters: &[&str]) -> Command {
        let mut command = Command::new(&self.file);
        command.args(filters).args(["-Zunstable-options", "--report-time"]).env("RUSTC_BOOTSTRAP", "1");
        command.current_dir(&self.package).env("CARGO_MANIFEST_DIR", &self.package);
        if std::env::var_os("RUST_TEST_THREADS").is_none() {
            command.env("RUST_TEST_THREADS", threads().to_string());
        }
        tools.tell(&mut command);
        command
    }
}

/// Two for each processor: tests wait for programs, browsers and disks more than they compute.
fn threads() -> usize {
    2 * thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Builds test programs, cargo's messages going to stderr as always.
fn build(which: &[&str]) -> Result<Vec<Program>, String> {
    eprintln!("building the tests");
    let mut command = cargo();
    command.arg("test").args(which).args(["--no-run", "--message-format=json-render-diagnostics"]);
    let output = command.stderr(Stdio::inherit()).output().map_err(|error| format!("cannot run cargo: {error}"))?;
    if !output.status.success() {
        return Err("the tests do not build".to_owned());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let mut programs: Vec<Program> = text.lines().filter_map(program_of).collect();
    programs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(programs)
}

/// The test program that a message of cargo tells of, if it does.
fn program_of(message: &str) -> Option<Program> {
    let message: Value = serde_json::from_str(message).ok()?;
    if message["reason"] != "compiler-artifact" || message["profile"]["test"] != true {
        return None;
    }
    let package = PathBuf::from(message["manifest_path"].as_str()?).parent()?.to_owned();
    let folder = package.strip_prefix(root()).unwrap_or(&package).display().to_string();
    let target = &message["target"];
    let name = format!("{folder} ({} {})", target["kind"][0].as_str()?, target["name"].as_str()?);
    Some(Program { name, file: message["executable"].as_str()?.into(), package })
}

/// How a program ended and what it printed.
struct Ended {
    status: Option<ExitStatus>,
    output: String,
    took: Duration,
}

/// Runs a program to its end or to the end of patience.
fn finish(command: &mut Command, name: &str) -> Result<Ended, String> {
    let start = Instant::now();
    let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().map_err(|error| format!("cannot start {name}: {error}"))?;
    let stdout = child.stdout.take().map(collect);
    let stderr = child.stderr.take().map(collect);
    let status = loop {
        match child.try_wait().map_err(|error| format!("cannot wait for {name}: {error}"))? {
            Some(status) => break Some(status),
            None if start.elapsed() > PATIENCE => {
                let _ = child.kill();
                let _ = child.wait();
                break None;
            }
            None => thread::sleep(Duration::from_millis(10)),
        }
    };
    let took = start.elapsed();
    let output = [stdout, stderr].into_iter().flatten().filter_map(|reader| reader.join().ok()).collect();
    Ok(Ended { status, output, took })
}

/// Reads a pipe to its end on a thread of its own, so that the other one cannot fill up meanwhile.
fn collect(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// The sum over all programs.
#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
    times: Vec<(f64, String)>,
    failures: Vec<String>,
}

impl Tally {
    /// Counts a program, prints its line and, when something failed, all that it printed.
    fn add(&mut self, name: &str, ended: Ended) {
        let (passed, mut failed) = counts(&ended.output);
        let is_success = ended.status.is_some_and(|status| status.success());
        if !is_success && failed == 0 {
            failed = 1;
        }
        println!("{name}: {passed} passed, {failed} failed in {:.1} s", ended.took.as_secs_f64());
        if failed > 0 {
            println!("{}", ended.output.trim_end());
            let how = ended.status.map_or_else(|| "took too long".to_owned(), |status| status.to_string());
            println!("{name}: {how}");
            let told = |test: &str| format!("{name}: {test}\n{}", reason(&ended.output, test));
            self.failures.extend(failed_tests(&ended.output).map(told));
        }
        self.passed += passed;
        self.failed += failed;
        self.times.extend(ended.output.lines().filter_map(timed).map(|(time, test)| (time, format!("{test}, {name}"))));
    }

    /// The slowest tests, what failed and why, and the line that counts.
    fn close(mut self) -> Outcome {
        self.times.sort_by(|a, b| b.0.total_cmp(&a.0));
        println!("\nThe slowest tests:");
        for (time, test) in self.times.iter().take(SLOWEST) {
            println!("{time:>8.2} s  {test}");
        }
        if !self.failures.is_empty() {
            println!("\nFailed:\n{}", self.failures.join("\n\n"));
        }
        println!("\n{} passed, {} failed", self.passed, self.failed);
        match (self.passed, self.failed) {
            (0, 0) => Err("no test ran".to_owned()),
            (_, 0) => Ok(()),
            (_, failed) => Err(format!("{failed} tests failed")),
        }
    }
}

/// The figures of all closing lines: `test result: ok. 3 passed; 0 failed; …`.
fn counts(output: &str) -> (usize, usize) {
    let lines = output.lines().filter_map(|line| line.strip_prefix("test result: "));
    lines.fold((0, 0), |(passed, failed), line| {
        (passed + number_before(line, " passed"), failed + number_before(line, " failed"))
    })
}

fn number_before(line: &str, word: &str) -> usize {
    let before = line.split(word).next().unwrap_or_default();
    before.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// `test name ... ok <0.012s>`.
fn timed(line: &str) -> Option<(f64, &str)> {
    let (name, rest) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    let time = rest.rsplit_once('<')?.1.strip_suffix("s>")?;
    Some((time.parse().ok()?, name))
}

/// `test name ... FAILED`.
fn failed_tests(output: &str) -> impl Iterator<Item = &str> {
    output.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
        rest.starts_with("FAILED").then_some(name)
    })
}

/// What a failed test said: its last words before the stack.
fn reason(output: &str, test: &str) -> String {
    let said = output.split(&format!("---- {test} stdout ----\n")).nth(1).unwrap_or_default();
    let own = said.split("\n---- ").next().unwrap_or_default();
    let words = own.split("\nfailures:\n").next().unwrap_or_default();
    let lines: Vec<_> = words.lines().take_while(|line| *line != "stack backtrace:").collect();
    let last = lines.iter().skip(lines.len().saturating_sub(REASON)).map(|line| format!("    {line}"));
    last.collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "test a::b ... ok <0.012s>\ntest c ... FAILED <1.500s>\n\n\
        test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured\ntest result: ok. 12 passed; 0 failed; 0 ignored";

    #[test]
    fn closing_lines_are_summed() {
        assert_eq!(counts(OUTPUT), (13, 1));
        assert_eq!(counts("nothing"), (0, 0));
    }

    #[test]
    fn times_and_failures_are_read() {
        let times: Vec<_> = OUTPUT.lines().filter_map(timed).collect();
        assert_eq!(times, [(0.012, "a::b"), (1.5, "c")]);
        assert_eq!(failed_tests(OUTPUT).collect::<Vec<_>>(), ["c"]);
    }

    #[test]
    fn why_a_test_failed_is_read() {
        let output = "failures:\n\n---- a stdout ----\nmany\npanicked at x:\nleft: 1\nstack backtrace:\n   0: rust\n\n\
            ---- b stdout ----\npanicked at y\n\n\nfailures:\n    a\n    b\n";
        assert_eq!(reason(output, "a"), "    many\n    panicked at x:\n    left: 1");
        assert_eq!(reason(output, "b"), "    panicked at y");
        assert_eq!(reason(output, "c"), "");
        let long: String = (0..100).map(|line| format!("{line}\n")).collect();
        let told = reason(&format!("---- a stdout ----\n{long}"), "a");
        assert_eq!((told.lines().count(), told.lines().last()), (REASON, Some("    99")));
    }

    #[test]
    fn a_program_that_dies_counts_as_failed() {
        let ended = finish(Command::new("sh").args(["-c", "echo partial; kill -9 $$"]), "sh").unwrap();
        assert_eq!(ended.output, "partial\n");
        let mut tally = Tally::default();
        tally.add("sh", ended);
        assert_eq!((tally.passed, tally.failed), (0, 1));
    }

    #[test]
    fn no_test_at_all_is_a_failure() {
        assert_eq!(Tally::default().close(), Err("no test ran".to_owned()));
    }

    #[test]
    fn a_test_program_is_read_from_cargo_s_message() {
        let manifest = root().join("crates/core/Cargo.toml");
        let message = serde_json::json!({
            "reason": "compiler-artifact", "manifest_path": manifest, "profile": { "test": true },
            "target": { "kind": ["lib"], "name": "admit_core" }, "executable": "/x/admit_core-1",
        });
        let program = program_of(&message.to_string()).unwrap();
        assert_eq!(program.name, "crates/core (lib admit_core)");
        assert!(program_of(r#"{"reason":"build-finished"}"#).is_none());
    }
}
