//! Which server a command talks to, and with which key.
//!
//! Both come from one source and are never mixed: the flags, else the environment, else the data folder of a server on
//! this machine. A half-given source is an error, and so are a folder of another user and a key that others can read.
//! Opens no connection but the one that tells whether a server is alive.

use std::fs;
use std::net::{IpAddr, TcpStream, ToSocketAddrs};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use admit_core::secret::Secret;
use reqwest::Url;

use crate::cli::failure::Failure;
use crate::config::{Config, Overrides};

/// Where `serve` keeps its data.
const DATA: &str = "admit-data";
/// The one setting that moves the data of a server.
const STORE_URL: &str = "ADMIT__STORE__URL";
/// Where `serve --dev` keeps its data.
pub const DEV_DATA: &str = "admit-dev";
/// How long a server on this machine may take to accept a connection.
const ALIVE: Duration = Duration::from_millis(300);
/// The longest key file, in bytes.
const KEY_FILE_MAX: u64 = 4096;

/// What the flags say.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// `--server`.
    pub server: Option<String>,
    /// `--operator-key-file`.
    pub operator_key_file: Option<PathBuf>,
    /// `--data`.
    pub data: Option<PathBuf>,
}

/// A server and the key for it.
#[derive(Debug)]
pub struct Target {
    /// Where it answers.
    pub url: Url,
    /// What the management API is asked with.
    pub key: Secret,
    /// The data folder, where that is the source.
    pub folder: Option<PathBuf>,
}

/// Settles on one source.
pub fn settle(given: &Given, env: &dyn Fn(&str) -> Option<String>, here: &Path) -> Result<Target, Failure> {
    match (&given.server, &given.operator_key_file) {
        (Some(_), Some(_)) if given.data.is_some() => {
            return Err(Failure::usage("--data names a server of its own; leave out --data or --server"));
        }
        (Some(server), Some(file)) => return target(server, read_key_file(file)?, None),
        (Some(_), None) => return Err(half("--server", "--operator-key-file FILE")),
        (None, Some(_)) => return Err(half("--operator-key-file", "--server URL")),
        (None, None) => {}
    }
    if given.data.is_none() {
        match (env("ADMIT_SERVER"), env("ADMIT_OPERATOR_KEY")) {
            (Some(server), Some(key)) => return target(&server, key_of_text(&key, "ADMIT_OPERATOR_KEY")?, None),
            (Some(_), None) => return Err(half("ADMIT_SERVER", "ADMIT_OPERATOR_KEY")),
            (None, Some(_)) => return Err(half("ADMIT_OPERATOR_KEY", "ADMIT_SERVER")),
            (None, None) => {}
        }
    }
    from_folder(&folder(given, env, here))
}

/// The data folder that the commands of this machine mean.
pub fn folder(given: &Given, env: &dyn Fn(&str) -> Option<String>, here: &Path) -> PathBuf {
    if let Some(data) = given.data.clone().or_else(|| env("ADMIT_DATA").map(PathBuf::from)) {
        return data;
    }
    let (plain, dev) = (here.join(DATA), here.join(DEV_DATA));
    if let Some(configured) = configured(env, here).filter(|folder| folder.exists()) {
        return configured;
    }
    let dev_is_meant = dev.exists() && (!plain.exists() || (!is_alive(&plain) && is_alive(&dev)));
    if dev_is_meant { dev } else { plain }
}

/// Where a `serve` in this folder keeps its data by its `admit.toml`.
fn configured(env: &dyn Fn(&str) -> Option<String>, here: &Path) -> Option<PathBuf> {
    let file = Config::file(None, here)?;
    let url = env(STORE_URL).map(|url| (STORE_URL.to_owned(), url));
    let config = Config::load(Some(&file), &Overrides::default(), url).ok()?;
    Some(here.join(config.data))
}

/// Reads a key from a file that only its owner can read.
pub fn read_key_file(file: &Path) -> Result<Secret, Failure> {
    let shown = file.display();
    let metadata = fs::metadata(file).map_err(|error| Failure::failed(format!("cannot read {shown}: {error}")))?;
    if metadata.mode() & 0o077 != 0 {
        return Err(Failure::failed(format!("{shown} can be read by others. Close it: chmod 600 {shown}")));
    }
    if metadata.len() > KEY_FILE_MAX {
        return Err(Failure::failed(format!("{shown} is no key file: it is longer than {KEY_FILE_MAX} bytes")));
    }
    let text = fs::read_to_string(file).map_err(|error| Failure::failed(format!("cannot read {shown}: {error}")))?;
    key_of_text(&text, &shown.to_string())
}

/// True where nothing but this machine hears what is sent to the URL.
pub fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.map_or(host == "localhost", |address| address.to_canonical().is_loopback())
}

/// What is wrong with who owns or may read a data folder and its two files; nothing where there is no folder.
pub fn exposure(folder: &Path) -> Vec<String> {
    let parts = [folder.to_owned(), folder.join("operator.key"), folder.join("server.json")];
    let open = |part: &&PathBuf| fs::metadata(part).is_ok_and(|metadata| metadata.mode() & 0o077 != 0);
    let mode = |part: &PathBuf| if part.is_dir() { "700" } else { "600" };
    parts.iter().filter(open).map(|part| format!("chmod {} {}", mode(part), part.display())).collect()
}

fn half(there: &str, missing: &str) -> Failure {
    Failure::usage(format!(
        "{there} is given without {missing}: server and key come from one source. Give both or neither"
    ))
}

fn target(server: &str, key: Secret, folder: Option<PathBuf>) -> Result<Target, Failure> {
    let bad = |why: &str| Failure::usage(format!("{server:?} {why}. Use a URL such as https://auth.example.com"));
    let url = Url::parse(server).map_err(|_| bad("is no URL"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(bad("is no http or https URL"));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err(bad("has more than scheme, host, port and path"));
    }
    if url.scheme() == "http" && !is_loopback(&url) {
        return Err(bad("is not encrypted: the operator key would travel in clear"));
    }
    Ok(Target { url, key, folder })
}

fn key_of_text(text: &str, origin: &str) -> Result<Secret, Failure> {
    let key = text.trim();
    let is_key =
        !key.is_empty() && key.len() as u64 <= KEY_FILE_MAX && key.bytes().all(|letter| letter.is_ascii_graphic());
    if is_key { Ok(Secret::new(key)) } else { Err(Failure::failed(format!("{origin} holds no key"))) }
}

fn from_folder(folder: &Path) -> Result<Target, Failure> {
    let shown = folder.display();
    let Ok(metadata) = fs::metadata(folder) else {
        return Err(Failure::failed(format!(
            "there is no data folder {shown}, so no server to talk to; if one keeps its data elsewhere, say --data DIR. Start one: admit serve"
        )));
    };
    let server_file = folder.join("server.json");
    let owner_is_other = |metadata: &fs::Metadata| own_uid().is_none_or(|uid| uid != metadata.uid());
    if owner_is_other(&metadata) || fs::metadata(&server_file).is_ok_and(|metadata| owner_is_other(&metadata)) {
        return Err(Failure::failed(format!(
            "{shown} belongs to another user. Run the command as that user, or name the server: --server URL --operator-key-file FILE"
        )));
    }
    let Some(url) = server_url(folder) else {
        return Err(Failure::failed(format!("no server runs in {shown}. Start one: admit serve")));
    };
    target(&url, read_key_file(&folder.join("operator.key"))?, Some(folder.to_owned()))
}

/// What `serve` left about itself.
fn server_url(folder: &Path) -> Option<String> {
    let text = fs::read_to_string(folder.join("server.json")).ok()?;
    let said: serde_json::Value = serde_json::from_str(&text).ok()?;
    said.get("url")?.as_str().map(str::to_owned)
}

/// True where a server of this folder accepts connections.
pub fn is_alive(folder: &Path) -> bool {
    let url = server_url(folder).and_then(|url| Url::parse(&url).ok());
    let Some(url) = url.filter(is_loopback) else { return false };
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else { return false };
    let addresses = (host.trim_start_matches('[').trim_end_matches(']'), port).to_socket_addrs();
    addresses.is_ok_and(|mut addresses| addresses.any(|address| TcpStream::connect_timeout(&address, ALIVE).is_ok()))
}

/// The user that runs this process: the owner of its entry in /proc, else of a file that it makes.
fn own_uid() -> Option<u32> {
    if let Ok(metadata) = fs::metadata("/proc/self") {
        return Some(metadata.uid());
    }
    let probe = std::env::temp_dir().join(format!("admit-owner-{}", std::process::id()));
    let uid = fs::File::create_new(&probe).and_then(|file| file.metadata()).map(|metadata| metadata.uid()).ok();
    let _ = fs::remove_file(&probe);
    uid
}

#[cfg(test)]
mod tests;
