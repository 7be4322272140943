//! What Linux tells of a process and of the machine.

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::Result;

/// The processor time that a process and all that it started have used, all their threads together.
pub fn cpu_time(process: u32) -> Result<Duration> {
    let mut ticks = 0;
    for member in family(process) {
        let stat = read(&format!("/proc/{member}/stat"));
        ticks += match stat.ok().and_then(|stat| Stat::read(&stat)) {
            Some(stat) => stat.ticks,
            None if member == process => return Err(format!("cannot read /proc/{process}/stat")),
            None => 0,
        };
    }
    Ok(Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND))
}

/// The same of a process without those that it started.
pub fn own_cpu_time(process: u32) -> Result<Duration> {
    let stat = Stat::read(&read(&format!("/proc/{process}/stat"))?);
    let stat = stat.ok_or_else(|| format!("cannot read /proc/{process}/stat"))?;
    Ok(Duration::from_millis(stat.ticks * 1_000 / TICKS_PER_SECOND))
}

/// What `sysconf(_SC_CLK_TCK)` is on Linux.
const TICKS_PER_SECOND: u64 = 100;

/// A process and all that it started.
pub fn family(process: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let parents: Vec<(u32, u32)> = numbers
        .filter_map(|number| Some((number, Stat::read(&read(&format!("/proc/{number}/stat")).ok()?)?.parent)))
        .collect();
    let mut family = vec![process];
    let mut at = 0;
    while let Some(parent) = family.get(at).copied() {
        family.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(child, _)| child));
        at += 1;
    }
    family
}

/// What is read of `/proc/<pid>/stat`.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    /// `utime` and `stime`.
    ticks: u64,
}

impl Stat {
    /// Fields 4, 14 and 15, counted after the name in brackets, which may hold anything.
    fn read(stat: &str) -> Option<Self> {
        let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(1);
        let parent = fields.next()?.parse().ok()?;
        let mut fields = fields.skip(9);
        Some(Self { parent, ticks: fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()? })
    }
}

/// The memory that a process and all that it started hold, in bytes. What they share is counted for each.
pub fn resident_bytes(process: u32) -> Result<u64> {
    let own = own_resident_bytes(process)?;
    let children = family(process).into_iter().skip(1);
    Ok(own + children.filter_map(|child| own_resident_bytes(child).ok()).sum::<u64>())
}

fn own_resident_bytes(process: u32) -> Result<u64> {
    let status = read(&format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kilobytes.map(|kilobytes| kilobytes * 1024).ok_or_else(|| format!("cannot read /proc/{process}/status"))
}

/// Looks at the memory of a process every quarter of a second.
pub struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<u64>>,
}

impl Watch {
    /// Begins to look.
    pub fn start(process: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut seen = Vec::new();
            while !asked.load(Ordering::Relaxed) {
                seen.extend(resident_bytes(process));
                std::thread::sleep(Duration::from_millis(250));
            }
            seen
        });
        Self { stop, thread }
    }

    /// Ends, and tells what was seen.
    pub fn stop(self) -> Vec<u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

/// One line: processor, cores, load, date.
pub fn describe() -> String {
    let info = read("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|pair| pair.1));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = read("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default().to_owned();
    let date = Command::new("date").args(["--utc", "+%F"]).output().map(|output| output.stdout).unwrap_or_default();
    let date = String::from_utf8_lossy(&date).trim().to_owned();
    format!("{}, {cores} cores, load {load} at the start, {date}", model.unwrap_or("unknown processor"))
}

fn read(file: &str) -> Result<String> {
    fs::read_to_string(file).map_err(|error| format!("cannot read {file}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let stat = Stat::read("7 (a) b) S 1 2 3 4 5 6 7 8 9 10 300 40 0 0");
        assert_eq!(stat, Some(Stat { parent: 1, ticks: 340 }));
        assert_eq!(Stat::read("7 (a"), None);
    }

    #[test]
    fn a_child_is_of_the_family() {
        let mut child = Command::new("sleep").arg("10").spawn().unwrap();
        let family = family(std::process::id());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(family.contains(&std::process::id()) && family.contains(&child.id()));
    }

    #[test]
    fn this_process_can_be_read() {
        assert!(resident_bytes(std::process::id()).is_ok_and(|bytes| bytes > 100_000));
        assert!(cpu_time(std::process::id()).is_ok() && own_cpu_time(std::process::id()).is_ok());
    }
}
