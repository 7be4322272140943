//! `postgres://user@host/database?…`: what an operator writes, with defaults that keep what is sent to themselves.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

/// Where a PostgreSQL database is and how to get in. Shows itself without its password.
#[derive(Clone, PartialEq)]
pub struct PostgresUrl {
    config: Box<Config>,
    tls: Option<Roots>,
}

/// Whose certificates a server may show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Roots {
    /// Those that this machine trusts.
    Machine,
    /// Those of this file, in PEM.
    File(PathBuf),
}

/// What is wrong with a URL; never the URL itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadUrl(String);

impl fmt::Display for BadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is ours to read; the rest is the driver's.
#[derive(Default)]
struct Ours {
    mode: Option<String>,
    roots: Option<PathBuf>,
    password_file: Option<PathBuf>,
}

impl PostgresUrl {
    /// Reads a URL, and the file that it may name for the password.
    pub fn parse(text: &str) -> Result<Self, BadUrl> {
        let (rest, ours) = take_ours(text)?;
        let mut config: Config = rest.parse().map_err(|error| BadUrl(format!("cannot be read: {}", told(&error))))?;
        if config.get_hosts().is_empty() {
            return Err(BadUrl("names no host: postgres://user@host/database".to_owned()));
        }
        if let Some(file) = &ours.password_file {
            config.password(read_password(file)?);
        }
        let tls = ours.tls(&config)?;
        config.ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable });
        config.application_name("admit");
        config.connect_timeout(Duration::from_secs(2)).tcp_user_timeout(Duration::from_secs(5));
        config.keepalives(true).keepalives_idle(Duration::from_secs(10));
        config.keepalives_interval(Duration::from_secs(3)).keepalives_retries(3);
        if config.get_hosts().len() > 1 {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        Ok(Self { config: Box::new(config), tls })
    }

    /// The same with this password, if any, unless it has one.
    #[must_use]
    pub fn or_password(mut self, password: Option<&str>) -> Self {
        if let (None, Some(password)) = (self.config.get_password(), password) {
            self.config.password(password);
        }
        self
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    pub(super) fn tls(&self) -> Option<&Roots> {
        self.tls.as_ref()
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://")?;
        if let Some(user) = self.config.get_user() {
            write!(f, "{user}@")?;
        }
        let ports = self.config.get_ports();
        for (place, host) in self.config.get_hosts().iter().enumerate() {
            f.write_str(if place == 0 { "" } else { "," })?;
            match host {
                Host::Tcp(name) => f.write_str(name)?,
                Host::Unix(folder) => write!(f, "{}", folder.display())?,
            }
            if let Some(port) = ports.get(place).or(ports.first()) {
                write!(f, ":{port}")?;
            }
        }
        write!(f, "/{}", self.config.get_dbname().or(self.config.get_user()).unwrap_or_default())
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Ours {
    /// Plain lines stay on this machine, unless they are asked for. A server elsewhere must prove who it is: there is no
    /// mode that encrypts to anybody.
    fn tls(self, config: &Config) -> Result<Option<Roots>, BadUrl> {
        let roots = self.roots.map_or(Roots::Machine, Roots::File);
        match self.mode.as_deref() {
            None if config.get_hosts().iter().all(is_here) => Ok(None),
            None | Some("require" | "verify-ca" | "verify-full") => Ok(Some(roots)),
            Some("disable") => Ok(None),
            Some(_) => Err(BadUrl("has an sslmode that is none of disable, require, verify-full".to_owned())),
        }
    }
}

fn is_here(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()),
    }
}

/// Splits off the parameters that the driver does not know.
fn take_ours(text: &str) -> Result<(String, Ours), BadUrl> {
    let mut ours = Ours::default();
    let Some((base, query)) = text.split_once('?') else { return Ok((text.to_owned(), ours)) };
    let mut rest = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = || {
            let text = percent_decode_str(value).decode_utf8();
            text.map(String::from).map_err(|_| BadUrl(format!("has a value for {name} that is no UTF-8")))
        };
        match name {
            "sslmode" => ours.mode = Some(value()?),
            "sslrootcert" => ours.roots = Some(value()?.into()),
            "password_file" => ours.password_file = Some(value()?.into()),
            _ => rest.push(pair),
        }
    }
    Ok((if rest.is_empty() { base.to_owned() } else { format!("{base}?{}", rest.join("&")) }, ours))
}

/// The driver names what it does not know; it never quotes values.
fn told(error: &tokio_postgres::Error) -> String {
    use std::error::Error as _;
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

fn read_password(file: &Path) -> Result<String, BadUrl> {
    let text = std::fs::read_to_string(file);
    let text = text.map_err(|error| BadUrl(format!("names {}, which cannot be read: {error}", file.display())))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> PostgresUrl {
        PostgresUrl::parse(text).unwrap()
    }

    #[test]
    fn lo_02_a_url_never_shows_its_password() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("p w");
        std::fs::write(&file, "canary\n").unwrap();
        let by_file = format!("postgres://admit@db.test/admit?password_file={}", file.display()).replace(' ', "%20");
        for text in ["postgres://admit:canary@db.test:5433/admit", &by_file] {
            let url = parse(text);
            assert_eq!(url.config().get_password(), Some(b"canary".as_slice()));
            assert!(!format!("{url} {url:?}").contains("canary"));
        }
        assert_eq!(
            parse("postgres://admit:canary@db.test:5433/shop").to_string(),
            "postgres://admit@db.test:5433/shop"
        );
        let error = PostgresUrl::parse("postgres://admit:canary@db.test:x/shop").unwrap_err();
        assert!(!error.to_string().contains("canary"), "{error}");
    }

    #[test]
    fn a_password_of_the_environment_stands_back() {
        let password = |text: &str| parse(text).or_password(Some("env")).config().get_password().map(<[u8]>::to_vec);
        assert_eq!(password("postgres://a@b/c"), Some(b"env".to_vec()));
        assert_eq!(password("postgres://a:url@b/c"), Some(b"url".to_vec()));
    }

    #[test]
    fn what_leaves_the_machine_is_encrypted_to_a_proven_server_unless_said_otherwise() {
        for here in
            ["postgres://a@127.0.0.1/b", "postgres://a@localhost/b", "postgres://%2Frun%2Fpg/b", "postgres://a@[::1]/b"]
        {
            assert_eq!(parse(here).tls(), None, "{here}");
        }
        assert_eq!(parse("postgres://a@db.test/b").tls(), Some(&Roots::Machine));
        assert_eq!(parse("postgres://a@db.test/b?sslmode=disable").tls(), None);
        let own = parse("postgres://a@db.test/b?sslmode=require&sslrootcert=/etc/ca.pem");
        assert_eq!(own.tls(), Some(&Roots::File("/etc/ca.pem".into())));
        assert_eq!(parse("postgres://a@localhost/b?sslmode=verify-full").tls(), Some(&Roots::Machine));
    }

    #[test]
    fn what_cannot_be_used_is_said() {
        for (text, told) in [
            ("postgres://a@b/c?sslmode=prefer", "sslmode"),
            ("postgres://a@b/c?password_file=/nonexistent", "/nonexistent"),
            ("postgres:///c", "names no host"),
            ("postgres://a@b/c?surprise=1", "surprise"),
        ] {
            let error = PostgresUrl::parse(text).unwrap_err().to_string();
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}
