//! A PostgreSQL server for one test program: made at the first use, gone with the program, every commit flushed.
//!
//! Its folder, socket and processes belong to the user `postgres` where root runs the tests: the server refuses root. A
//! shell watches over it, does to it what it is told, and stops it when this program ends, however it ends. A missing
//! server fails, never skips.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

/// `$1` is the folder of the server's programs, the rest its settings; `$DISK` is where its data shall be, if not beside
/// the log. Says its folder when it accepts connections, and a dot after each line that it was told.
const WATCH: &str = r#"
set -eu
programs=$1; shift
folder=$(mktemp -d /tmp/admit-postgres.XXXXXX)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
[ -z "${DISK:-}" ] || { mkdir -m 700 "$DISK/data"; ln -s "$DISK/data" data; }
"$programs/initdb" -D data ${INITDB:-} -U admit -A trust -E UTF8 --locale=C --no-sync >log 2>&1 || { cat log >&2; exit 1; }
for setting in "listen_addresses=''" "unix_socket_directories='$folder'" max_connections=400 shared_buffers=64MB "$@"; do
    echo "$setting" >>data/postgresql.conf
done
"$programs/pg_ctl" -D data -l log -w -s start || { cat log >&2; exit 1; }
trap '"$programs/pg_ctl" -D data -m immediate -w -s stop || :; rm -rf "$folder"' EXIT
echo "$folder"
processes() { first=$(head -n 1 data/postmaster.pid); echo "$first"; pgrep -P "$first" || :; }
while read -r line; do eval "$line" </dev/null >>told 2>&1 || { cat told >&2; exit 1; }; echo .; done
"#;

/// A running server.
pub struct Cluster {
    programs: PathBuf,
    folder: PathBuf,
    watch: Child,
    /// The standard input of the watch is what keeps the server up.
    talk: Mutex<Option<(ChildStdin, BufReader<ChildStdout>)>>,
}

impl Cluster {
    /// The server that all tests of this program share.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&[]))
    }

    /// A server of its own with settings, for tests that hurt it.
    pub fn start(settings: &[&str]) -> Self {
        Self::start_by(as_its_user("sh"), settings)
    }

    /// The same by a shell that its caller has chosen a place for.
    pub fn start_by(mut shell: Command, settings: &[&str]) -> Self {
        let programs = programs();
        shell.args(["-c", WATCH, "watch"]).arg(&programs).args(settings);
        let mut watch = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(watch.stdout.take().unwrap());
        let mut folder = String::new();
        said.read_line(&mut folder).unwrap();
        assert!(!folder.is_empty(), "PostgreSQL did not start");
        let talk = Mutex::new(watch.stdin.take().map(|stdin| (stdin, said)));
        Self { programs, folder: folder.trim().into(), watch, talk }
    }

    /// Has a line run by the user of the server, in its folder, with `$programs` and `processes`; it must succeed.
    pub fn tell(&self, line: &str) {
        let mut talk = self.talk.lock().unwrap();
        let (stdin, said) = talk.as_mut().unwrap();
        writeln!(stdin, "{line}").unwrap();
        let mut answer = String::new();
        said.read_line(&mut answer).unwrap();
        assert_eq!(answer.trim(), ".", "{line}");
    }

    /// The URL of a database.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://admit@{}/{database}", self.folder.display().to_string().replace('/', "%2F"))
    }

    /// Runs statements of an administrator and returns what they say.
    pub fn sql(&self, database: &str, text: &str) -> String {
        self.sql_at(5432, database, text)
    }

    /// The same of a server whose socket has another number.
    pub fn sql_at(&self, port: u16, database: &str, text: &str) -> String {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "admit", "-d", database, "-c", text]);
        let output = psql.args(["-p", &port.to_string(), "-h"]).arg(&self.folder).output().unwrap();
        assert!(output.status.success(), "{text}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// A new database, empty or like another one.
    pub fn database(&'static self, template: Option<&str>) -> Database {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let template = template.map_or_else(String::new, |template| format!(" TEMPLATE {template}"));
        self.sql("postgres", &format!("CREATE DATABASE {name}{template}"));
        Database { cluster: self, name }
    }

    /// Every process of the server stands still until [`Self::thaw`]: nothing is answered and nothing is closed.
    pub fn freeze(&self) {
        self.tell("kill -STOP $(processes)");
    }

    pub fn thaw(&self) {
        self.tell("kill -CONT $(processes)");
    }

    /// Ends the server at once, as a crash would.
    pub fn stop(&self) {
        self.tell(r#""$programs/pg_ctl" -D data -m immediate -w -s stop"#);
    }

    pub fn start_again(&self) {
        self.tell(r#""$programs/pg_ctl" -D data -l log -w -s start"#);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.talk.lock().map(|mut talk| talk.take()));
        let _ = self.watch.wait();
    }
}

/// A database that goes with its test.
pub struct Database {
    pub cluster: &'static Cluster,
    pub name: String,
}

impl Database {
    pub fn url(&self) -> String {
        self.cluster.url(&self.name)
    }

    pub fn sql(&self, text: &str) -> String {
        self.cluster.sql(&self.name, text)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.cluster.sql("postgres", &format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

/// A program as the user to whom the server belongs.
pub fn as_its_user(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let id = Command::new("id").arg("--user").output().unwrap();
    if id.stdout.trim_ascii() != b"0" {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
    command
}

/// The folder of `initdb` and `postgres`: what `ADMIT_TEST_POSTGRES` names, else the newest that Debian installed.
fn programs() -> PathBuf {
    let named = std::env::var_os("ADMIT_TEST_POSTGRES").map(PathBuf::from);
    let mut installed: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .collect();
    installed.sort_by_key(|folder| folder.parent().and_then(Path::file_name)?.to_str()?.parse::<u32>().ok());
    let found = named.or_else(|| installed.pop()).filter(|folder| folder.join("initdb").is_file());
    found.expect("PostgreSQL is missing. Install it: cargo xtask test, or apt-get install postgresql")
}
