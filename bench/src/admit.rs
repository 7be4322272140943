//! Admit's program on a data folder of its own, with as many keys as a scenario wants.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::population::{PATTERN, Population};
use crate::question::Question;
use crate::server::{Server, free_address, status};
use crate::{Plan, Result, bulk};

/// The API that the keys are for.
pub const API: &str = "https://api.shop.test";
/// What they may do there.
pub const SCOPE: &str = "orders:read";

/// The rule of most scenarios: a scope, and a limit of each key's own that nobody reaches.
pub const LIMITED: &str = r#"limit = { per = "grant", rate = "100000/1s" }"#;

/// Up to here keys are imported as an operator would; above, their rows are written with the server stopped.
const IMPORTED_MAX: usize = 10_000;

/// A program and a data folder.
pub struct Admit {
    program: PathBuf,
    folder: PathBuf,
}

impl Admit {
    /// An empty folder, or the one of this name that was kept.
    pub fn new(plan: &Plan, name: &str) -> Result<Self> {
        let program = plan.admit.as_deref().ok_or("this scenario measures Admit: leave --references out")?;
        if !program.is_file() {
            return Err(format!("{} is missing: cargo build --profile dist -p admit", program.display()));
        }
        let program = program.canonicalize().map_err(|error| error.to_string())?;
        let folder = plan.stores.folder().join(name);
        fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        Ok(Self { program, folder })
    }

    /// A folder with an API, a rule and all keys of the population. Made once in a run, or once for all runs where it is kept.
    pub fn stocked(plan: &Plan, keys: &Population) -> Result<Self> {
        let admit = Self::new(plan, &format!("keys-{}", keys.len()))?;
        let done = admit.folder.join("stocked");
        if done.exists() {
            return Ok(admit);
        }
        let start = Instant::now();
        let (server, _) = admit.serve(&[])?;
        admit.run(&["api", "create", API, "--scope", "orders:read=Read orders", "--host", "shop.test"])?;
        admit.rule(LIMITED)?;
        let hashes = admit.folder.join("hashes.ndjson");
        keys.write_hashes(IMPORTED_MAX, &hashes)?;
        admit.run(&[
            "key",
            "import",
            "--pattern",
            PATTERN,
            "--api",
            API,
            "--scope",
            SCOPE,
            &hashes.to_string_lossy(),
        ])?;
        server.stop()?;
        if keys.len() > IMPORTED_MAX {
            bulk::insert(&admit.data(), keys, IMPORTED_MAX)?;
        }
        admit.write("stocked", "")?;
        eprintln!("a store with {} keys was made in {:.1} s", keys.len(), start.elapsed().as_secs_f64());
        Ok(admit)
    }

    /// Starts it and says how long it took until `/readyz` answered 200 and the command line finds it.
    pub fn serve(&self, settings: &[(&str, &str)]) -> Result<(Server, Duration)> {
        self.serve_on(&mut self.command(), settings, |address| self.is_ready(address))
    }

    /// Starts it on one core.
    pub fn serve_on_core(&self, core: usize) -> Result<Server> {
        let mut command = self.clean(Command::new("taskset"));
        command.args(["-c", &core.to_string()]).arg(&self.program);
        self.serve_on(&mut command, &[], |address| self.is_ready(address)).map(|(server, _)| server)
    }

    fn is_ready(&self, address: SocketAddr) -> bool {
        let request = b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
        let description = || fs::read_to_string(self.data().join("server.json")).unwrap_or_default();
        status(address, request).is_ok_and(|status| status == 200) && description().contains(&address.to_string())
    }

    /// Starts it and says how long it took until it admitted this key.
    pub fn serve_until_admitted(&self, key: &str) -> Result<(Server, Duration)> {
        let question = Question::check(key.len()).with(key);
        let is_admitted = move |address| status(address, question.bytes()).is_ok_and(|status| status == 200);
        self.serve_on(&mut self.command(), &[], is_admitted)
    }

    fn serve_on(
        &self,
        command: &mut Command,
        settings: &[(&str, &str)],
        is_ready: impl Fn(SocketAddr) -> bool,
    ) -> Result<(Server, Duration)> {
        let address = free_address()?;
        let log_file = self.folder.join("serve.log");
        let log = File::create(&log_file).map_err(|error| format!("cannot write {}: {error}", log_file.display()))?;
        command.args(["serve", "--listen", &address.to_string(), "--data"]).arg(self.data());
        command.env("ADMIT__OPS__LISTEN", free_address()?.to_string()).envs(settings.iter().copied());
        command.stdout(Stdio::null()).stderr(log);
        Server::listening(command, address, is_ready, || fs::read_to_string(&log_file).unwrap_or_default())
    }

    /// Replaces the rules of a running server by the one for the orders, with `more` in it.
    pub fn rule(&self, more: &str) -> Result<()> {
        let rule = "[[rule]]\nname = \"read orders\"\n\
            match = { host = \"shop.test\", methods = [\"GET\"], path = \"/orders/**\" }\n\
            require = { scopes = [\"orders:read\"] }\n";
        let file = self.write("rules.toml", &format!("{rule}{more}\n"))?;
        self.run(&["apply", "-f", &file]).map(drop)
    }

    /// Runs a command of the program and returns its stdout.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        let output = self.command().args(arguments).env("ADMIT_DATA", self.data()).output();
        let output = output.map_err(|error| format!("cannot run admit: {error}"))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("`admit {}` ended with {}:\n{said}", arguments.join(" "), output.status))
    }

    /// The operator key of the server that runs.
    pub fn operator_key(&self) -> Result<String> {
        let file = self.data().join("operator.key");
        let key = fs::read_to_string(&file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        Ok(key.trim().to_owned())
    }

    /// The folder around the data folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Writes a file beside the data folder.
    pub fn write(&self, name: &str, text: &str) -> Result<String> {
        let file = self.folder.join(name);
        fs::write(&file, text).map_err(|error| format!("cannot write {}: {error}", file.display()))?;
        Ok(file.display().to_string())
    }

    fn command(&self) -> Command {
        self.clean(Command::new(&self.program))
    }

    /// Without what the caller's environment would tell the program.
    fn clean(&self, mut command: Command) -> Command {
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ADMIT_")) {
            command.env_remove(name);
        }
        command
    }
}

/// A known key must be admitted and an unknown one refused, else nothing is decided here.
pub fn must_judge(server: &Server, keys: &Population) -> Result<()> {
    let ask = |key: &str| status(server.address, Question::check(key.len()).with(key).bytes());
    let stranger = admit_core::secret::write("bench", &[7; 32]);
    match (ask(keys.key(keys.len() - 1))?, ask(stranger.expose())?) {
        (200, 401) => Ok(()),
        (known, unknown) => Err(format!("a known key gets {known}, an unknown one {unknown}: 200 and 401 expected")),
    }
}
