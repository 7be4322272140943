//! The commands of the book, run as they stand.
//!
//! Blocks marked `sh` run in order in one folder; each must succeed. In blocks marked `console`, each line that begins
//! with `$ ` is a program that stays: it runs until the page is done. Only the ports are other ones, since tests run side
//! by side: what listens on a port by default is told another one.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::browser::Tab;
use crate::cluster::Cluster;
use crate::outside;
use crate::parties;
use crate::program::{Program, free_address, tool};
use crate::story::Desk;

const ADMIT: &str = "8420";
const OPS: &str = "8421";
const GATEWAY: &str = "8080";
const APPLICATION: &str = "9000";
const PAGES: &str = "9001";

/// Somebody who follows a page.
struct Reader {
    /// Stopped before the folder goes.
    programs: Vec<Program>,
    desk: Desk,
    ports: [(&'static str, SocketAddr); 5],
    /// What is elsewhere than the page says, and where.
    places: Vec<(&'static str, String)>,
    printed: String,
}

impl Reader {
    fn new() -> Self {
        let desk = Desk::new();
        // Workers of nginx run as another user where the test runs as root.
        fs::set_permissions(desk.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let others = [OPS, GATEWAY, APPLICATION, PAGES].map(|written| (written, free_address()));
        let ports = [[(ADMIT, desk.address)].as_slice(), &others].concat().try_into().unwrap();
        Self { programs: Vec::new(), desk, ports, places: Vec::new(), printed: String::new() }
    }

    fn address(&self, written: &str) -> SocketAddr {
        self.ports.iter().find(|(known, _)| *known == written).unwrap().1
    }

    /// The text with the ports of this test. By way of marks: a free port may have one of the page's in it.
    fn here(&self, text: &str) -> String {
        let mark = |place: usize| format!("\u{1}{}\u{1}", ["a", "b", "c", "d", "e"][place]);
        let ports = self.ports.iter().enumerate();
        let text =
            ports.clone().fold(text.to_owned(), |text, (place, (written, _))| text.replace(written, &mark(place)));
        let mut text = self.places.iter().fold(text, |text, (from, to)| text.replace(from, to));
        for (command, port) in
            [("admit serve", ADMIT), ("gateway-config nginx", GATEWAY), ("gateway-config caddy", GATEWAY)]
        {
            text = text.replace(command, &format!("{command} --listen {}", self.address(port)));
        }
        ports.fold(text, |text, (place, (_, free))| text.replace(&mark(place), &free.port().to_string()))
    }

    fn command(&self, text: &str) -> Command {
        let mut command = self.desk.sh(&self.here(text));
        let caddy = tool("ADMIT_TEST_CADDY", "target/tools/python/bin/caddy");
        let path = command.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, path)| path).unwrap().to_owned();
        let own = self.desk.path().join("bin");
        let [caddy, node] = [caddy, parties::node_file()].map(|file| file.parent().unwrap().display().to_string());
        let path = format!("{}:{}:{caddy}:{node}", own.display(), path.display());
        command.env("PATH", path).env("HOME", self.desk.path()).env_remove("ADMIT_DATA");
        command
    }

    /// Follows the page to its end.
    fn follow(&mut self, page: &str) {
        let blocks = blocks(page);
        assert!(blocks.iter().any(|(kind, _)| *kind == "sh"), "the page has no commands");
        for (kind, text) in blocks {
            match kind {
                "sh" => self.run(&text),
                "console" => text.lines().filter_map(|line| line.strip_prefix("$ ")).for_each(|line| self.start(line)),
                _ => {}
            }
        }
    }

    fn run(&mut self, text: &str) {
        let output = self.command(text).output().unwrap();
        let printed = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert!(output.status.success(), "{}\n{text}\n{printed}", output.status);
        self.printed.push_str(&printed);
    }

    fn start(&mut self, line: &str) {
        let port = match line {
            line if line.starts_with("admit serve") => ADMIT,
            line if line.contains(APPLICATION) => APPLICATION,
            line if line.contains(PAGES) => PAGES,
            _ => GATEWAY,
        };
        let log = self.desk.path().join(format!("{port}.log"));
        let mut program = Program::start(&mut self.command(&format!("exec {line}")), &log);
        match port {
            ADMIT => program.wait_until("ready", |program| program.printed().contains("ready\n")),
            _ => program.wait_until_listening(self.address(port)),
        }
        self.programs.push(program);
    }

    /// The figures of all answers that `curl --include` showed.
    fn statuses(&self) -> Vec<&str> {
        // The body of the answer before may end without a line end.
        self.printed.split("HTTP/1.1 ").skip(1).map(|rest| rest.split([' ', '\r']).next().unwrap()).collect()
    }
}

/// The fenced blocks of a page, each with its mark.
fn blocks(page: &str) -> Vec<(&str, String)> {
    let mut blocks: Vec<(&str, String)> = Vec::new();
    let mut is_open = false;
    for line in page.lines() {
        match (line.strip_prefix("```"), is_open) {
            (Some(kind), false) => {
                blocks.push((kind, String::new()));
                is_open = true;
            }
            (Some(_), true) => is_open = false,
            (None, true) => blocks.last_mut().unwrap().1.extend([line, "\n"]),
            (None, false) => {}
        }
    }
    assert!(!is_open, "a block of the page has no end");
    blocks
}

#[test]
fn the_first_five_minutes() {
    let mut reader = Reader::new();
    reader.follow(include_str!("../../../../docs/book/src/first-five-minutes.md"));
    assert_eq!(reader.statuses(), ["200", "403", "401"], "{}", reader.printed);
    for told in ["nearly: rule \"GET first.test/orders/**\"", "admit rule add --host first.test", "it was revoked"] {
        assert!(reader.printed.contains(told), "{told}\n{}", reader.printed);
    }
}

fn behind_a_gateway(page: &str) {
    let mut reader = Reader::new();
    reader.start("admit serve");
    reader.follow(page);
    assert_eq!(reader.statuses(), ["200", "401", "403"], "{}", reader.printed);
    let printed = &reader.printed;
    assert!(printed.contains("{\"order\": 42}"), "{printed}");
    assert!(printed.contains("nearly: rule \"GET shop.test/orders/**\""), "{printed}");
    assert!(
        printed.contains("without a credential the gateway answers 401 Unauthorized, and Admit judged it"),
        "{printed}"
    );
    assert!(printed.contains("spoofed identity headers: ignored"), "{printed}");
}

#[test]
fn protect_an_api_with_nginx() {
    behind_a_gateway(include_str!("../../../../docs/book/src/protect-nginx.md"));
}

#[test]
fn protect_an_api_with_caddy() {
    behind_a_gateway(include_str!("../../../../docs/book/src/protect-caddy.md"));
}

#[test]
fn protect_a_web_app_with_a_login() {
    let mut reader = Reader::new();
    reader.start("admit serve");
    reader.follow(include_str!("../../../../docs/book/src/protect-a-web-app.md"));
    let printed = &reader.printed;
    assert!(printed.contains("1 redirect to http://127.0.0.1:"), "{printed}");
    // The form, the sign-in page that knows her now, the app's host with the code, and the page; later twice the page.
    assert_eq!(reader.statuses(), ["303", "303", "303", "200", "200", "403"], "{printed}");
    assert_eq!(printed.matches("Members only").count(), 2, "{printed}");
}

#[test]
fn verify_our_tokens() {
    let mut reader = Reader::new();
    reader.start("admit serve");
    let installed = parties::installed("examples/verify-express");
    reader.places.push(("examples/verify-express", installed.display().to_string()));
    reader.follow(include_str!("../../../../docs/book/src/verify-our-tokens.md"));
    assert_eq!(reader.statuses(), ["200", "401"], "{}", reader.printed);
    assert!(reader.printed.contains("{\"subject\":\"cli_"), "{}", reader.printed);
}

#[tokio::test(flavor = "multi_thread")]
async fn add_sign_in_to_an_app() {
    let mut reader = Reader::new();
    for example in ["examples/sign-in-web", "examples/sign-in-spa"] {
        reader.places.push((example, parties::installed(example).display().to_string()));
    }
    reader.follow(include_str!("../../../../docs/book/src/add-sign-in-to-an-app.md"));
    let password = fs::read_to_string(reader.desk.path().join("alice.password")).unwrap();
    let mut tab = Tab::open().await;
    for (port, hello) in [(APPLICATION, "p"), (PAGES, "#hello")] {
        let home = format!("http://{}/", reader.address(port));
        to_consent(&mut tab, &home, password.trim()).await;
        tab.click("#consent-allow").await;
        tab.until(hello, "Hello, alice.").await;
        assert_eq!(tab.url().await, home, "neither code nor state is left in it");
        tab.until("#sign-out", "Sign out").await;
        tab.click("#sign-out").await;
    }
    let home = format!("http://{}/", reader.address(PAGES));
    to_consent(&mut tab, &home, password.trim()).await;
    tab.click("#consent-deny").await;
    tab.until("#hello", "That did not work: access_denied").await;
}

/// From an application that knows nobody to what it asks for. Whoever signed out has to sign in.
async fn to_consent(tab: &mut Tab, home: &str, password: &str) {
    tab.go(home).await;
    tab.until("#sign-in", "Sign in").await;
    tab.click("#sign-in").await;
    tab.fill("#identifier", "alice").await;
    tab.fill("#password", password).await;
    tab.click("#login").await;
}

/// What the machine of a test must not be asked for: nobody is made, nothing is given away, nothing is started for good.
const STUBS: [&str; 3] = ["useradd", "chown", "systemctl"];

/// A reader on a machine of his own: its folders, its database and its units are below the desk.
fn on_a_machine(cluster: &Cluster) -> Reader {
    let mut reader = Reader::new();
    let root = reader.desk.path().display().to_string();
    fs::create_dir_all(format!("{root}/etc/systemd/system")).unwrap();
    fs::create_dir_all(format!("{root}/var")).unwrap();
    fs::create_dir(format!("{root}/bin")).unwrap();
    for stub in STUBS {
        let file = format!("{root}/bin/{stub}");
        fs::write(&file, "#!/bin/sh\nexit 0\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let url = cluster.url("postgres");
    let host = url.split(['@', '/']).nth(3).unwrap().to_owned();
    let socket = host.replace("%2F", "/");
    reader.places = vec![
        ("psql --dbname", format!("psql --host {socket} --username admit --dbname")),
        ("--host db.example.com", format!("--host {socket}")),
        ("db.example.com", host),
        ("&sslrootcert=/etc/admit/db-ca.pem", String::new()),
        ("examples/", concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/").to_owned()),
        ("/etc/", format!("{root}/etc/")),
        ("/var/", format!("{root}/var/")),
    ];
    reader
}

#[test]
fn run_it_for_real() {
    let cluster = Cluster::start(&[]);
    let mut reader = on_a_machine(&cluster);
    reader.follow(include_str!("../../../../docs/book/src/run-it-for-real.md"));
    let (root, printed) = (reader.desk.path(), &reader.printed);
    for told in ["admitted 200", "The store is postgres://", "admit_build_info{"] {
        assert!(printed.contains(told), "{told}\n{printed}");
    }
    assert!(!printed.contains("master key lies beside"), "{printed}");
    assert!(!printed.lines().any(|line| line.starts_with('✗')), "{printed}");
    let dump = fs::read(root.join("var/backups/admit/admit.dump")).unwrap();
    assert!(dump.starts_with(b"PGDMP"));

    assert_eq!(
        outside::owners(&cluster, "admit"),
        "admit_server",
        "it needs no rights but those over its own database"
    );
}

/// As the units stand, but for the place of the program.
#[test]
fn the_units_are_well_and_hardened() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let names = ["admit.service", "admit-backup.service", "admit-backup.timer"];
    for name in names {
        let text = fs::read_to_string(format!("{}/../../examples/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        fs::write(file(name), text.replace("/usr/local/bin/admit", env!("CARGO_BIN_EXE_admit"))).unwrap();
    }
    let analyze = |arguments: &[&str], names: &[&str]| {
        let mut command = Command::new("systemd-analyze");
        let output = command.args(arguments).args(names.iter().map(|name| file(name))).output();
        let output = output.expect("systemd-analyze is missing. Install it: apt-get install systemd");
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert!(output.status.success(), "{said}");
        said
    };
    assert_eq!(analyze(&["verify", "--man=no"], &names), "", "not even a warning");
    // Of 100; what is not hardened at all has 96.
    analyze(&["security", "--offline=true", "--no-pager", "--threshold=20"], &["admit.service"]);
    let exposed = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager", "--threshold=20", &file("admit-backup.service")])
        .output();
    assert!(!exposed.unwrap().status.success(), "the threshold tells one from the other");
}

#[test]
fn people() {
    let mut reader = Reader::new();
    reader.start("admit serve");
    reader.follow(include_str!("../../../../docs/book/src/concepts/people.md"));
    for told in ["user alice was not locked", "everything personal of user alice is gone"] {
        assert!(reader.printed.contains(told), "{told}\n{}", reader.printed);
    }
}

#[test]
fn operate_admit() {
    let mut reader = Reader::new();
    reader.start("admit serve");
    reader.follow(include_str!("../../../../docs/book/src/operate-admit.md"));
    for told in ["/realms/operators/invite?token=", "user alice was not locked", "The store is sqlite:", "seals"] {
        assert!(reader.printed.contains(told), "{told}\n{}", reader.printed);
    }
}

#[test]
fn signing_keys() {
    let mut reader = Reader::new();
    reader.follow(include_str!("../../../../docs/book/src/signing-keys.md"));
    let states = ["old", "signing"].map(|state| reader.printed.contains(&format!("  issuer   {state} ")));
    assert_eq!(states, [true, true], "{}", reader.printed);
}

#[test]
fn machine_to_machine() {
    let mut reader = Reader::new();
    reader.follow(include_str!("../../../../docs/book/src/machine-to-machine.md"));
    assert_eq!(reader.statuses(), ["200"], "{}", reader.printed);
    for told in ["\"scope\":\"orders:read\"", "at+jwt", "\"active\":true", "refused", "Nothing was verified"] {
        assert!(reader.printed.contains(told), "{told}\n{}", reader.printed);
    }
}

#[test]
fn connect_a_device() {
    let mut reader = Reader::new();
    reader.follow(include_str!("../../../../docs/book/src/connect-a-device.md"));
    for told in ["\"user_code\":\"", "/device?user_code=", "\"error\":\"authorization_pending\""] {
        assert!(reader.printed.contains(told), "{told}\n{}", reader.printed);
    }
}

#[test]
fn register_applications() {
    let mut reader = Reader::new();
    reader.follow(include_str!("../../../../docs/book/src/register-applications.md"));
    for told in ["\"registration_access_token\":\"admit_ra_", "Photo prints", "401"] {
        assert!(reader.printed.contains(told), "{told}\n{}", reader.printed);
    }
}

#[test]
fn take_a_token_back() {
    let mut reader = Reader::new();
    reader.follow(include_str!("../../../../docs/book/src/take-a-token-back.md"));
    assert_eq!(reader.statuses(), ["200", "202", "401"], "{}", reader.printed);
    for told in ["error=\"invalid_token\"", "it is token tok_", "it was revoked", "admit token issue --client"] {
        assert!(reader.printed.contains(told), "{told}\n{}", reader.printed);
    }
}

#[test]
fn rotate_the_master_key() {
    let mut reader = Reader::new();
    reader.start("admit serve");
    reader.follow(include_str!("../../../../docs/book/src/rotate-the-master-key.md"));
    let words = |line: &str| line.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
    let table: Vec<_> = reader.printed.lines().map(words).collect();
    assert!(table.contains(&"2 active 0".to_owned()) && table.contains(&"1 old 0".to_owned()), "{}", reader.printed);
}
