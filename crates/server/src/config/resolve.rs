//! From the raw table to [`Config`]: every check in one place, all problems at once.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use admit_core::check::address::TrustedProxies;
use admit_core::limit::{Limit, Per, Rate};
use admit_core::outbound::{Barred, judge};
use admit_core::policy::rule::Problem;
use admit_core::time::Span;
use admit_store::{Location, PostgresUrl};
use ipnet::IpNet;
use toml::Table;

use super::raw::Reader;
use super::{Config, Listen, LogFormat, MasterKeySource, Overrides, Tls, UnknownBudget, login, mail, telemetry};
use crate::http::certificate::Pair;

pub fn resolve(table: Table, overrides: &Overrides, password: Option<&str>) -> Result<Config, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut root = Reader::new(table, &mut problems);
    let listen = root.parsed::<Listen>("listen");
    let listen = overrides.listen.clone().or(listen).unwrap_or(Listen::DEFAULT);
    let mut tls = None;
    let wants_tls = root.section("tls", |section| tls = read_tls(section, &listen));
    let public_url = public_url(&mut root, &listen, tls.as_ref());
    let trusted_proxies = trusted_proxies(&mut root, &listen);
    let is_clear = !wants_tls || tls.as_ref().is_some_and(|tls| tls.listen.is_some());
    if let Listen::Tcp(address) = &listen
        && !listen.is_local()
        && is_clear
        && trusted_proxies.is_empty()
    {
        root.problem("listen", plain_off_loopback(*address));
    }
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
    let outbound_allow = outbound_allow(&mut root);
    let mail = mail::read(&mut root);
    let login = login::read(&mut root);
    let telemetry = telemetry::read(&mut root);
    let mut log = if std::io::IsTerminal::is_terminal(&std::io::stderr()) { LogFormat::Human } else { LogFormat::Json };
    root.section("log", |section| match section.text("format").as_deref() {
        Some("json") => log = LogFormat::Json,
        Some("human") => log = LogFormat::Human,
        Some(_) => section.problem("format", "must be \"json\" or \"human\""),
        None => {}
    });
    root.finish();
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Config {
        public_url,
        listen,
        tls,
        trusted_proxies: Arc::new(TrustedProxies::new(trusted_proxies)),
        store,
        data,
        master_key,
        cache_max_bytes,
        max_staleness,
        ops_listen,
        default_limit,
        unknown,
        outbound_allow,
        mail,
        login,
        log,
        telemetry,
    })
}

/// All ways out, each as the lines to add.
fn plain_off_loopback(address: SocketAddr) -> String {
    let port = address.port();
    format!(
        "{address} would serve plain HTTP to the network. Say one of these:
    a certificate of its own:      [tls]
                                   cert_file = \"/etc/admit/tls.crt\"
                                   key_file = \"/etc/admit/tls.key\"
    a proxy that speaks HTTPS:     trusted_proxies = [\"<address of the proxy>/32\"]
    a proxy on this machine:       listen = \"127.0.0.1:{port}\"
    the same by a Unix socket:     listen = \"unix:/run/admit/admit.sock\""
    )
}

fn read_tls(section: &mut Reader<'_>, listen: &Listen) -> Option<Tls> {
    let own = section.parsed::<SocketAddr>("listen");
    if own.is_none() && matches!(listen, Listen::Unix(_)) {
        section.problem("listen", "is needed beside a Unix socket, such as listen = \"0.0.0.0:443\"");
    }
    let [cert_file, key_file] = ["cert_file", "key_file"].map(|key| {
        let file = section.text(key);
        if file.is_none() {
            section.problem(key, format!("is needed in [tls], such as {key} = \"/etc/admit/tls.pem\""));
        }
        file
    });
    let tls = Tls { cert_file: cert_file?.into(), key_file: key_file?.into(), listen: own };
    if let Err(wrong) = Pair::read(&tls) {
        section.problem(wrong.key, wrong.message);
    }
    Some(tls)
}

fn public_url(root: &mut Reader<'_>, listen: &Listen, tls: Option<&Tls>) -> String {
    let Some(text) = root.text("public_url") else {
        return match (tls.map(|tls| tls.listen.or(listen.tcp())), listen) {
            (Some(Some(address)), _) => format!("https://{address}"),
            (_, Listen::Tcp(address)) => format!("http://{address}"),
            (_, Listen::Unix(_)) => {
                root.problem("public_url", "is needed with a Unix socket, such as \"https://auth.example.com\"");
                String::new()
            }
        };
    };
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

fn trusted_proxies(root: &mut Reader<'_>, listen: &Listen) -> Vec<IpNet> {
    let loopback = || ["127.0.0.0/8", "::1/128"].map(str::to_owned).to_vec();
    let default = || if listen.is_local() { loopback() } else { Vec::new() };
    let mut texts = root.texts("trusted_proxies").unwrap_or_else(default);
    if matches!(listen, Listen::Unix(_)) {
        // Who may open the socket is the proxy; such a peer has no address and counts as this machine.
        texts.extend(loopback());
    }
    let mut networks = Vec::new();
    for text in texts {
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

/// Networks that are never asked cannot be allowed.
fn outbound_allow(root: &mut Reader<'_>) -> Vec<IpNet> {
    let mut networks = Vec::new();
    root.section("outbound", |outbound| {
        for text in outbound.texts("allow").unwrap_or_default() {
            let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
            match network {
                Ok(network) if judge(network.network(), &[]) == Err(Barred::Never) => {
                    outbound.problem("allow", format!("{text} is of this machine or its link, which is never asked"));
                }
                Ok(network) => networks.push(network),
                Err(_) => outbound.problem("allow", format!("{text:?} is no network such as 10.0.0.0/8")),
            }
        }
    });
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
                Ok(url) => location = Location::Postgres(url.or_password(password)),
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

/// A size such as `256MiB`.
pub fn bytes(text: &str) -> Option<usize> {
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
    fn what_this_version_does_not_have_is_said_to_be_that() {
        let problems = load("[grpc]\nlisten = '127.0.0.1:8422'", &[]).unwrap_err();
        assert_eq!(problems, ["grpc: is something that this version of Admit does not have: leave it out"]);
    }

    #[test]
    fn lo_02_a_file_that_is_no_configuration_is_told_of_by_its_place() {
        let secret = admit_core::secret::write("admit", &[7; 32]);
        let problems = load(&format!("[mail]\npassword = {}\n", secret.expose()), &[]).unwrap_err();
        assert!(problems[0].starts_with("(file): line 2, column 12: "), "{problems:?}");
        assert!(!problems[0].contains(secret.expose()), "{problems:?}");
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
        assert_eq!(shown, "postgres://admit@db.test:5432/admit");
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
    fn plain_http_off_loopback_is_refused_with_the_lines_to_add() {
        for address in ["0.0.0.0:8420", "[::]:8420", "10.0.0.1:8420"] {
            let text = format!("listen = '{address}'\npublic_url = 'https://a.example'");
            let problems = load(&text, &[]).unwrap_err();
            assert_eq!(problems.len(), 1, "{problems:?}");
            for line in
                ["[tls]", "cert_file = ", "trusted_proxies = [", "listen = \"unix:", "listen = \"127.0.0.1:8420\""]
            {
                assert!(problems[0].starts_with("listen: ") && problems[0].contains(line), "{line}: {problems:?}");
            }
            assert!(load(&format!("{text}\ntrusted_proxies = ['10.0.0.5/32']"), &[]).is_ok());
        }
        for local in ["127.0.0.1:8420", "[::1]:8420", "unix:/run/admit/admit.sock"] {
            assert!(load(&format!("listen = '{local}'\npublic_url = 'https://a.example'"), &[]).is_ok(), "{local}");
        }
    }

    #[test]
    fn the_peer_of_a_socket_is_a_trusted_proxy() {
        let text = "listen = 'unix:admit.sock'\npublic_url = 'https://a.example'\ntrusted_proxies = ['10.0.0.5']";
        let config = load(text, &[]).unwrap();
        for ip in ["127.0.0.1", "::1", "10.0.0.5"] {
            assert!(config.trusted_proxies.trusts(ip.parse().unwrap()), "{ip}");
        }
        let nameless = load("listen = 'unix:admit.sock'", &[]).unwrap_err();
        assert!(nameless[0].starts_with("public_url: is needed"), "{nameless:?}");
    }

    #[test]
    fn ir_10_what_is_never_asked_cannot_be_allowed() {
        let config = load("[outbound]\nallow = ['10.0.0.0/8', '192.168.1.7', 'fd00::/8']", &[]).unwrap();
        assert_eq!(config.outbound_allow.len(), 3);
        assert!(load("", &[]).unwrap().outbound_allow.is_empty());
        for never in ["127.0.0.0/8", "::1", "169.254.0.0/16", "fe80::/10", "0.0.0.0/0", "nothing"] {
            let problems = load(&format!("[outbound]\nallow = ['{never}']"), &[]).unwrap_err();
            assert!(problems.len() == 1 && problems[0].starts_with("outbound.allow: "), "{never}: {problems:?}");
        }
    }

    #[test]
    fn every_problem_of_the_certificate_names_its_key() {
        let problems = load("[tls]\nlisten = '0.0.0.0'", &[]).unwrap_err();
        let paths: Vec<_> = problems.iter().map(|problem| problem.split(": ").next().unwrap()).collect();
        assert_eq!(paths, ["tls.listen", "tls.cert_file", "tls.key_file"], "{problems:?}");
        let missing = load("[tls]\ncert_file = '/nowhere/a.crt'\nkey_file = '/nowhere/a.key'", &[]).unwrap_err();
        assert!(missing[0].starts_with("tls.cert_file: cannot read /nowhere/a.crt"), "{missing:?}");
    }
}
