//! From the raw table to [`Config`]: every check in one place, all problems at once.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use admit_core::check::address::TrustedProxies;
use admit_core::limit::{Limit, Per, Rate};
use admit_core::policy::rule::Problem;
use admit_core::time::Span;
use admit_store::{Location, PostgresUrl};
use ipnet::IpNet;
use toml::Table;

use super::raw::Reader;
use super::{Config, LogFormat, MasterKeySource, Overrides, UnknownBudget};

const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8420);

pub fn resolve(table: Table, overrides: &Overrides, password: Option<&str>) -> Result<Config, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut root = Reader::new(table, &mut problems);
    let listen = root.parsed::<SocketAddr>("listen");
    let listen = overrides.listen.or(listen).unwrap_or(DEFAULT_LISTEN);
    let public_url = public_url(&mut root, listen);
    let trusted_proxies = trusted_proxies(&mut root, listen);
    let trusts_anybody = !trusted_proxies.is_empty();
    let data =
        overrides.data.clone().unwrap_or_else(|| PathBuf::from(if overrides.dev { "admit-dev" } else { "admit-data" }));
    let store = store(&mut root, &data, password);
    let data = match (&overrides.data, &store) {
        (None, Location::Sqlite(file)) => file.parent().map_or(data, Path::to_path_buf),
        _ => data,
    };
    let (cache_max_bytes, max_staleness) = cache(&mut root);
    let mut ops_listen = None;
    root.section("ops", |ops| ops_listen = ops.parsed("listen"));
    let master_key = master_key(&mut root, &data);
    let (default_limit, unknown) = limits(&mut root);
    let mut log = if std::io::IsTerminal::is_terminal(&std::io::stderr()) { LogFormat::Human } else { LogFormat::Json };
    root.section("log", |section| match section.text("format").as_deref() {
        Some("json") => log = LogFormat::Json,
        Some("human") => log = LogFormat::Human,
        Some(_) => section.problem("format", "must be \"json\" or \"human\""),
        None => {}
    });
    root.finish();
    if !listen.ip().is_loopback() && !trusts_anybody {
        let message = format!(
            "plain HTTP is served on loopback only, or behind a declared proxy: {listen} needs \
             trusted_proxies = [\"<address of the proxy>/32\"], or listen = \"127.0.0.1:{}\"",
            listen.port()
        );
        problems.push(Problem { path: "listen".into(), message });
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Config {
        public_url,
        listen,
        trusted_proxies: Arc::new(TrustedProxies::new(trusted_proxies)),
        store,
        data,
        master_key,
        cache_max_bytes,
        max_staleness,
        ops_listen,
        default_limit,
        unknown,
        log,
    })
}

fn public_url(root: &mut Reader<'_>, listen: SocketAddr) -> String {
    let Some(text) = root.text("public_url") else { return format!("http://{listen}") };
    let text = text.trim_end_matches('/').to_owned();
    match check_public_url(&text) {
        Ok(()) => {}
        Err(message) => root.problem("public_url", message),
    }
    text
}

fn check_public_url(text: &str) -> Result<(), String> {
    let (scheme, rest) = text.split_once("://").ok_or("must be an absolute URL such as https://auth.example.com")?;
    let uri: http::Uri = text.parse().map_err(|_| "must be an absolute URL such as https://auth.example.com")?;
    let Some(authority) = uri.authority() else { return Err("has no host".to_owned()) };
    let is_loopback = matches!(authority.host(), "localhost" | "127.0.0.1" | "[::1]");
    match scheme {
        "https" => {}
        "http" if is_loopback => {}
        "http" => return Err(format!("must be https:// (plain http is for loopback only): https://{rest}")),
        _ => return Err("must begin with https://".to_owned()),
    }
    if authority.as_str().contains('@') || uri.query().is_some() {
        return Err("must have neither user nor query".to_owned());
    }
    if !matches!(uri.path(), "" | "/") {
        return Err("must have no path: the server answers at the root of its host".to_owned());
    }
    Ok(())
}

/// Host and port of a `public_url`, as a Host header spells them.
pub fn public_authority(public_url: &str) -> &str {
    public_url.split_once("://").map_or(public_url, |(_, authority)| authority)
}

fn trusted_proxies(root: &mut Reader<'_>, listen: SocketAddr) -> Vec<IpNet> {
    let loopback = ["127.0.0.0/8", "::1/128"];
    let default = || if listen.ip().is_loopback() { loopback.map(str::to_owned).to_vec() } else { Vec::new() };
    let mut networks = Vec::new();
    for text in root.texts("trusted_proxies").unwrap_or_else(default) {
        let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        match network {
            Ok(network) if network.prefix_len() == 0 => {
                root.problem("trusted_proxies", format!("{text} trusts everybody to say who he is; name the proxies"));
            }
            Ok(network) => networks.push(network),
            Err(_) => root.problem("trusted_proxies", format!("{text:?} is no network such as 10.0.0.5/32")),
        }
    }
    networks
}

/// The URL is not told where it cannot be used: it may hold a password.
fn store(root: &mut Reader<'_>, data: &Path, password: Option<&str>) -> Location {
    let mut location = Location::Sqlite(data.join("admit.db"));
    root.section("store", |store| {
        let Some(url) = store.text("url") else { return };
        match url.split_once(':') {
            Some(("sqlite", file)) if !file.is_empty() => location = Location::Sqlite(PathBuf::from(file)),
            Some(("postgres" | "postgresql", _)) => match PostgresUrl::parse(&url) {
                Ok(url) => location = Location::Postgres(password.map_or(url.clone(), |text| url.or_password(text))),
                Err(bad) => store.problem("url", bad.to_string()),
            },
            _ => store.problem("url", "must be sqlite:<file> or postgres://<user>@<host>/<database>"),
        }
    });
    location
}

fn cache(root: &mut Reader<'_>) -> (usize, Span) {
    let (mut max_bytes, mut max_staleness) = (256 << 20, Span::seconds(1));
    root.section("cache", |cache| {
        match cache.text("max_bytes").map(|text| bytes(&text)) {
            Some(Some(size)) if (1 << 20..=1 << 40).contains(&size) => max_bytes = size,
            Some(_) => cache.problem("max_bytes", "must be a size between 1MiB and 1TiB, such as \"256MiB\""),
            None => {}
        }
        match cache.parsed::<Span>("max_staleness") {
            Some(span) if (Span::ms(100)..=Span::minutes(5)).contains(&span) => max_staleness = span,
            Some(_) => cache.problem("max_staleness", "must be between 100ms and 5m"),
            None => {}
        }
    });
    (max_bytes, max_staleness)
}

fn bytes(text: &str) -> Option<usize> {
    let split = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (count, unit) = text.split_at(split);
    let shift = match unit.trim() {
        "" | "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return None,
    };
    count.parse::<usize>().ok()?.checked_mul(1 << shift)
}

fn master_key(root: &mut Reader<'_>, data: &Path) -> MasterKeySource {
    let mut found = Vec::new();
    root.section("master_key", |section| {
        found.extend(section.text("file").map(|file| MasterKeySource::File(file.into())));
        found.extend(section.text("env").map(MasterKeySource::Env));
        found.extend(section.texts("command").map(MasterKeySource::Command));
        if found.len() != 1 {
            section.problem("file", "say exactly one of file, env and command");
        }
    });
    found.pop().unwrap_or_else(|| MasterKeySource::File(data.join("master.key")))
}

fn limits(root: &mut Reader<'_>) -> (Option<(Per, Limit)>, UnknownBudget) {
    let mut unknown = UnknownBudget::default();
    let mut default = None;
    root.section("limits", |limits| {
        limits.section("default", |section| {
            let per = section.text("per").unwrap_or_else(|| "grant".to_owned());
            let per = Per::parse(&per);
            let (rate, burst) = (section.parsed::<Rate>("rate"), section.number("burst"));
            match (per, rate) {
                (Some(per), Some(rate)) => match Limit::new(rate, burst) {
                    Ok(limit) => default = Some((per, limit)),
                    Err(problem) => section.problem("burst", problem.to_string()),
                },
                (None, _) => section.problem("per", "must be one of grant, subject, client, org, ip, rule"),
                (_, None) => section.problem("rate", "is needed, such as \"100/1m\""),
            }
        });
        limits.section("unknown", |section| {
            if let Some(rate) = section.parsed::<Rate>("network") {
                unknown.network = Limit::from(rate);
            }
            if let Some(rate) = section.parsed::<Rate>("realm") {
                unknown.realm = Limit::from(rate);
            }
        });
    });
    (default, unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str, env: &[(&str, &str)]) -> Result<Config, Vec<String>> {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::parse(text, &Overrides::default(), env).map_err(|problems| {
            problems.into_iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect()
        })
    }

    #[test]
    fn nothing_at_all_is_a_configuration() {
        let config = load("", &[]).unwrap();
        assert_eq!(config.public_url, "http://127.0.0.1:8420");
        assert!(config.trusted_proxies.trusts("127.0.0.1".parse().unwrap()));
        assert_eq!(config.issuer("default"), "http://127.0.0.1:8420");
        assert_eq!(config.issuer("acme"), "http://127.0.0.1:8420/realms/acme");
    }

    #[test]
    fn ad_07_all_problems_are_reported_at_once_with_their_key_paths() {
        let text = "public_url = 'http://auth.example.com'\nlisten = 'nowhere'\ntrusted_proxies = ['0.0.0.0/0']\n\
                    surprise = 1\n[cache]\nmax_bytes = 'many'\n[store]\nurl = 'mysql:x'\n[master_key]\nfile = 'a'\nenv = 'B'";
        let problems = load(text, &[]).unwrap_err();
        for path in [
            "public_url:",
            "listen:",
            "trusted_proxies:",
            "surprise:",
            "cache.max_bytes:",
            "store.url:",
            "master_key.file:",
        ] {
            assert_eq!(
                problems.iter().filter(|problem| problem.starts_with(path)).count(),
                1,
                "{path} in {problems:#?}"
            );
        }
    }

    #[test]
    fn the_environment_lies_over_the_file() {
        let env = [("ADMIT__CACHE__MAX_BYTES", "64MiB"), ("ADMIT__TRUSTED_PROXIES", "['10.0.0.5']"), ("OTHER", "x")];
        let config = load("[cache]\nmax_bytes = '1MiB'", &env).unwrap();
        assert_eq!(config.cache_max_bytes, 64 << 20);
        assert!(config.trusted_proxies.trusts("10.0.0.5".parse().unwrap()));
    }

    #[test]
    fn lo_02_a_store_elsewhere_is_named_without_its_password() {
        let store = |url: &str, env: &[(&str, &str)]| {
            let config = load(&format!("[store]\nurl = '{url}'"), env).unwrap();
            (config.store.to_string(), format!("{config:?}"), config)
        };
        let (shown, debug, config) = store("postgres://admit:canary@db.test/admit", &[]);
        assert_eq!(shown, "postgres://admit@db.test/admit");
        assert!(!debug.contains("canary"));
        assert_eq!(config.data, PathBuf::from("admit-data"));
        let (_, debug, by_environment) = store("postgresql://admit@db.test/admit", &[("PGPASSWORD", "canary")]);
        assert!(!debug.contains("canary"));
        assert_eq!(by_environment.store, config.store);
        assert_eq!(store("sqlite:here/x.db", &[]).0, "sqlite:here/x.db");
        let problems = load("[store]\nurl = 'postgres://a:canary@b:x/c'", &[]).unwrap_err();
        assert!(problems[0].starts_with("store.url:") && !problems[0].contains("canary"), "{problems:?}");
    }

    #[test]
    fn plain_http_off_loopback_needs_a_declared_proxy() {
        let problems = load("listen = '0.0.0.0:80'\npublic_url = 'https://a.example'", &[]).unwrap_err();
        assert!(problems[0].contains("trusted_proxies = ["), "{problems:?}");
        let text = "listen = '0.0.0.0:80'\npublic_url = 'https://a.example'\ntrusted_proxies = ['10.0.0.5/32']";
        assert!(load(text, &[]).is_ok());
    }
}
