//! A PostgreSQL server of this run, every commit flushed as it comes, and what `pgbench` inserts into it.
//!
//! Its folder and processes belong to the user `postgres` where root runs this: the server refuses root. A shell watches over
//! it and stops it when this program ends.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use crate::Result;

/// `$1` is the folder of the server's programs. Says its folder when it accepts connections.
const WATCH: &str = r#"
set -eu
folder=$(mktemp -d /tmp/admit-bench-postgres.XXXXXX)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"$1/initdb" -D data -U admit -A trust -E UTF8 --locale=C >log 2>&1 || { cat log >&2; exit 1; }
for setting in "listen_addresses=''" "unix_socket_directories='$folder'" max_connections=400 shared_buffers=256MB; do
    echo "$setting" >>data/postgresql.conf
done
"$1/pg_ctl" -D data -l log -w -s start || { cat log >&2; exit 1; }
trap '"$1/pg_ctl" -D data -m fast -w -s stop || :; rm -rf "$folder"' EXIT
echo "CREATE TABLE inserted (id bigserial PRIMARY KEY, at bigint NOT NULL, what text NOT NULL)" |
    "$1/psql" -X -q -h "$folder" -U admit postgres
echo "INSERT INTO inserted (at, what) VALUES (1, repeat('x', 64))" >insert.sql
chmod 755 "$folder"; chmod 644 insert.sql
echo "$folder"
cat >/dev/null
"#;

/// A running server.
pub struct Postgres {
    programs: PathBuf,
    folder: PathBuf,
    watch: Child,
    /// What keeps the server up.
    talk: Option<ChildStdin>,
}

impl Postgres {
    /// A new one.
    pub fn start() -> Result<Self> {
        let programs = programs()?;
        let mut shell = as_its_user()?;
        shell.args(["-c", WATCH, "watch"]).arg(&programs).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut watch = shell.spawn().map_err(|error| format!("cannot start PostgreSQL: {error}"))?;
        let (talk, said) = (watch.stdin.take(), watch.stdout.take().ok_or("PostgreSQL says nothing")?);
        let mut folder = String::new();
        BufReader::new(said).read_line(&mut folder).map_err(|error| error.to_string())?;
        if folder.trim().is_empty() {
            return Err("PostgreSQL did not start".to_owned());
        }
        Ok(Self { programs, folder: folder.trim().into(), watch, talk })
    }

    /// The URL of its database.
    pub fn url(&self) -> String {
        format!("postgres://admit@{}/postgres", self.folder.display().to_string().replace('/', "%2F"))
    }

    /// How many single rows so many clients insert in a second, each durable before it is acknowledged.
    pub fn inserts_per_s(&self, clients: usize, time: Duration) -> Result<f64> {
        let mut pgbench = Command::new(self.programs.join("pgbench"));
        pgbench.args(["-n", "-M", "prepared", "-U", "admit", "-h"]).arg(&self.folder);
        pgbench.args(["-c", &clients.to_string(), "-j", "1", "-T", &time.as_secs().max(1).to_string(), "-f"]);
        let output = pgbench.arg(self.folder.join("insert.sql")).arg("postgres").output();
        let output = output.map_err(|error| format!("cannot run pgbench: {error}"))?;
        let said = String::from_utf8_lossy(&output.stdout);
        let rate = said.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
        rate.ok_or_else(|| format!("pgbench tells no rate: {said}{}", String::from_utf8_lossy(&output.stderr)))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.talk.take());
        let _ = self.watch.wait();
    }
}

fn as_its_user() -> Result<Command> {
    let id = Command::new("id").arg("--user").output().map_err(|error| error.to_string())?;
    if id.stdout.trim_ascii() != b"0" {
        return Ok(Command::new("sh"));
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--", "sh"]);
    Ok(command)
}

/// The folder of `initdb` and `pgbench`: what `ADMIT_TEST_POSTGRES` names, else the newest that Debian installed.
fn programs() -> Result<PathBuf> {
    let named = std::env::var_os("ADMIT_TEST_POSTGRES").map(PathBuf::from);
    let entries = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut installed: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path().join("bin"))).collect();
    installed.sort_by_key(|folder| folder.parent().and_then(Path::file_name)?.to_str()?.parse::<u32>().ok());
    let has_all = |folder: &PathBuf| ["initdb", "pgbench"].iter().all(|name| folder.join(name).is_file());
    let found = named.or_else(|| installed.pop()).filter(has_all);
    found.ok_or_else(|| "PostgreSQL with pgbench is missing. Install it: apt-get install postgresql".to_owned())
}
