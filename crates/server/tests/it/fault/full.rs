//! A file system that is full: writes are 503, nothing acknowledged is lost, and room is all that it takes to go on (ST-03).
//!
//! The file system is one of a few MB in memory, which only the programs see that are started on it: a mount namespace of
//! their own. That takes root, or a system that lets users have namespaces.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::history::{KEYS, wanted};
use super::program::{Program, serve};
use crate::cluster::{self, Cluster};

/// Room that is left when the disk is called full: a few writes more and it is.
const LEFT: &str = "1M";
/// How soon all is well again.
const BACK: Duration = Duration::from_secs(3);

/// `$1` is its size, `$2` its place; `$3` and `$4` are the user whom a namespace must give back to the program.
const MOUNT: &str = r#"mount -t tmpfs -o "size=$1,mode=0777" none "$2"
user=$3 group=$4; shift 4
[ "$user" = 0 ] && exec "$@"
exec unshare --user --map-user="$user" --map-group="$group" -- "$@""#;

struct SmallDisk(TempDir);

impl SmallDisk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self(folder)
    }

    fn path(&self) -> String {
        self.0.path().display().to_string()
    }

    /// The program on a disk of this size, which goes with it.
    fn around(&self, program: &Command, size: &str) -> Command {
        let own = fs::metadata("/proc/self").unwrap();
        let mut command = Command::new("unshare");
        command.args(if own.uid() == 0 { ["--mount"].as_slice() } else { &["--map-root-user", "--mount"] });
        command.args(["sh", "-ec", MOUNT, "mount", size, &self.path(), &own.uid().to_string(), &own.gid().to_string()]);
        command.arg(program.get_program()).args(program.get_args());
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.current_dir(program.get_current_dir().unwrap_or(self.0.path())).env("DISK", self.0.path());
        command
    }
}

/// The test does not skip where it cannot be run: it says what to allow.
fn must_be_allowed() {
    let disk = SmallDisk::new();
    let tried = disk.around(&Command::new("true"), "1M").output().unwrap();
    let said = String::from_utf8_lossy(&tried.stderr).into_owned();
    assert!(
        tried.status.success(),
        "this test mounts a small file system: run it as root, in a container with --cap-add SYS_ADMIN, or allow \
         namespaces (sysctl user.max_user_namespaces=10000 kernel.unprivileged_userns_clone=1): {said}"
    );
}

/// Fills the disk, writes until nothing goes any more, makes room, and looks whether all is there.
async fn suffer(program: &Program, fill: impl Fn(), make_room: impl Fn()) -> usize {
    program.shop().await;
    let wanted = |name: String| {
        let mut wanted = wanted(&name);
        wanted["metadata"] = json!({"fill": "x".repeat(3000)});
        wanted
    };
    let known = program.manage("POST", KEYS, wanted("known".to_owned())).await.expect(201);
    let known = known["key"].as_str().unwrap();
    assert_eq!(program.ask("GET", "/orders/1", known).await.status, 200);

    fill();
    let (mut made, mut refused, begun) = (Vec::new(), 0, Instant::now());
    while refused < 30 {
        let reply = program.manage("POST", KEYS, wanted(format!("k{}", made.len()))).await;
        match reply.status {
            201 => made.push(reply.json()["key"].as_str().unwrap().to_owned()),
            503 => {
                assert_eq!((reply.code().as_str(), reply.header("retry-after").as_str()), ("unavailable", "1"));
                let text = reply.text.to_lowercase();
                assert!(!text.contains("disk") && !text.contains("space") && !text.contains("sql"), "lo_03: {text}");
                refused += 1;
            }
            _ => panic!("{} {}", reply.status, reply.text),
        }
        assert!(made.len() < 5_000 && begun.elapsed() < Duration::from_secs(60), "the disk never filled up");
    }
    let asked = program.ask("GET", "/orders/1", known).await;
    assert!(asked.status == 200 || asked.header("admit-status") == "503", "{} {}", asked.status, asked.text);

    make_room();
    let begun = Instant::now();
    loop {
        let reply = program.manage("POST", KEYS, wanted("after".to_owned())).await;
        if reply.status == 201 {
            break;
        }
        assert_eq!(reply.status, 503, "{}", reply.text);
        assert!(begun.elapsed() < BACK, "not back in time: {}\n{}", reply.text, program.said().join("\n"));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for secret in &made {
        assert_eq!(program.ask("GET", "/orders/1", secret).await.status, 200, "acknowledged and lost");
    }
    program.manage("DELETE", &format!("{KEYS}/known"), Value::Null).await.expect(204);
    assert_eq!(program.ask("GET", "/orders/1", known).await.status, 401);
    assert!(!program.said().iter().any(|line| line.contains("panicked")), "{:?}", program.said());
    made.len()
}

#[tokio::test]
async fn st_03_sqlite_on_a_file_system_that_fills_up() {
    must_be_allowed();
    let (disk, folder) = (SmallDisk::new(), tempfile::tempdir().unwrap());
    let mut plain = serve(folder.path());
    plain.env("ADMIT__STORE__URL", format!("sqlite:{}/admit.db", disk.path()));
    let mut program = Program::run(disk.around(&plain, "8M"), folder.path()).await;
    // The disk as its program sees it.
    let ballast = PathBuf::from(format!("/proc/{}/root{}/ballast", program.pid(), disk.path()));
    let sh = |line: &str| {
        let run = Command::new("sh").args(["-c", line]).env("BALLAST", &ballast).output().unwrap();
        assert!(run.status.success(), "{line}: {}", String::from_utf8_lossy(&run.stderr));
    };
    let made = suffer(&program, || sh(&fill("$BALLAST")), || sh("rm \"$BALLAST\"")).await;
    assert!(made > 5, "the disk was full at once: nothing was proved");
    assert!(program.stop().await, "{:?}", program.said());
}

/// Takes all that there is, and gives a little back.
fn fill(ballast: &str) -> String {
    format!(r#"cat /dev/zero >"{ballast}" 2>/dev/null || :; truncate -s -{LEFT} "{ballast}""#)
}

#[tokio::test]
async fn st_03_postgres_on_a_file_system_that_fills_up() {
    must_be_allowed();
    let (disk, folder) = (SmallDisk::new(), tempfile::tempdir().unwrap());
    let mut shell = disk.around(&cluster::as_its_user("sh"), "80M");
    shell.env("INITDB", "--wal-segsize=1");
    let cluster = Cluster::start_by(shell, &["max_wal_size=4MB", "min_wal_size=2MB"]);
    let program = Program::start_on(folder.path(), &cluster.url("postgres")).await;
    // A database that could not write its log has ended; whoever looks after it starts it when there is room.
    let make_room = r#"rm "$DISK/ballast"; "$programs/pg_ctl" -D data status >/dev/null || "$programs/pg_ctl" -D data -l log -w -s start"#;
    suffer(&program, || cluster.tell(&fill("$DISK/ballast")), || cluster.tell(make_room)).await;
}
