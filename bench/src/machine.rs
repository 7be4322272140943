//! What Linux tells of a process and of the machine.

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::Result;

/// The processor time that a process has used, all its threads together.
pub fn cpu_time(process: u32) -> Result<Duration> {
    let stat = read(&format!("/proc/{process}/stat"))?;
    let ticks = cpu_ticks(&stat).ok_or_else(|| format!("cannot read /proc/{process}/stat"))?;
    Ok(Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND))
}

/// What `sysconf(_SC_CLK_TCK)` is on Linux.
const TICKS_PER_SECOND: u64 = 100;

/// `utime` and `stime`: fields 14 and 15, counted after the name in brackets, which may hold anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

/// The memory that a process holds, in bytes.
pub fn resident_bytes(process: u32) -> Result<u64> {
    let status = read(&format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kilobytes.map(|kilobytes| kilobytes * 1024).ok_or_else(|| format!("cannot read /proc/{process}/status"))
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
        assert_eq!(cpu_ticks("7 (a) b) S 1 2 3 4 5 6 7 8 9 10 300 40 0 0"), Some(340));
        assert_eq!(cpu_ticks("7 (a"), None);
    }

    #[test]
    fn this_process_can_be_read() {
        assert!(resident_bytes(std::process::id()).is_ok_and(|bytes| bytes > 100_000));
        assert!(cpu_time(std::process::id()).is_ok());
    }
}
