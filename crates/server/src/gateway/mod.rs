//! Configurations for the gateways that ask Admit before they let a request through.
//!
//! Pure text: one [`Gateway`] goes in, a complete configuration comes out ([`nginx`], [`caddy`]). Knows nothing of
//! files, processes or the network, and does not answer the gateways' questions: see `server::check`. Every value is
//! checked in [`Gateway::new`], so that none can add a directive of its own; nothing is escaped afterwards.
//!
//! What all configurations have in common:
//! * every request is judged, by what the gateway saw and not by what the client says of it;
//! * no answer, a slow one, or one that is not Admit's, admits nothing;
//! * the application gets the whole list of [`IDENTITY`] from Admit's answer, and no credential that Admit judged.

pub mod caddy;
pub mod nginx;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The headers that tell the application who is asking: the closed list of an admitting answer.
pub const IDENTITY: &[&str] = &[
    "Admit-Subject",
    "Admit-Kind",
    "Admit-Name",
    "Admit-Email",
    "Admit-Client",
    "Admit-Org",
    "Admit-External-Id",
    "Admit-Grant",
    "Admit-Key",
    "Admit-Scope",
    "Admit-Roles",
    "Admit-Acr",
    "Admit-Realm",
    "Admit-Token",
];

/// Headers that only Admit or a gateway may write, beside [`IDENTITY`] and those that a gateway always sets: what a
/// client sends under these names reaches neither Admit nor the application.
pub const SPOOFABLE: &[&str] = &[
    "Admit-Status",
    "Admit-Code",
    "Admit-Login",
    "Admit-Stale",
    "Admit-Request-Id",
    "Admit-Upstream-Authorization",
    "Admit-Upstream-Cookie",
    "X-Original-Method",
    "X-Original-URI",
    "X-Original-URL",
    "X-Original-Host",
    "X-Original-Forwarded-For",
    "Client-Cert",
    "Client-Cert-Chain",
    "Forwarded",
    "X-Forwarded-Method",
    "X-Forwarded-Uri",
    "X-Forwarded-Prefix",
    "X-Forwarded-Port",
    "X-Forwarded-Server",
    "X-Forwarded-Scheme",
    "X-Forwarded-Ssl",
    "X-Forwarded-User",
    "X-Forwarded-Email",
    "X-Forwarded-Groups",
    "X-Forwarded-Preferred-Username",
    "X-Forwarded-Access-Token",
    "X-Forwarded-Client-Cert",
    "X-Forwarded-Tls-Client-Cert",
    "X-Forwarded-Tls-Client-Cert-Info",
    "X-Real-IP",
    "X-Rewrite-URL",
    // These would turn the request, once judged, into another one.
    "X-HTTP-Method",
    "X-HTTP-Method-Override",
    "X-Method-Override",
];

/// What a configuration is made for. Holds only values that are safe to write into one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    host: String,
    upstream: String,
    admit: String,
    realm: Option<String>,
    bind: Option<IpAddr>,
    port: u16,
}

impl Gateway {
    /// Checks what the operator typed. The error is one sentence that names the value and what it must be.
    ///
    /// * `host`: the protected host, a name or IPv4 address without port;
    /// * `upstream`, `admit`: `http://HOST[:PORT]`;
    /// * `realm`: `None` for the default realm;
    /// * `listen`: `PORT` or `ADDRESS:PORT`.
    pub fn new(host: &str, upstream: &str, admit: &str, realm: Option<&str>, listen: &str) -> Result<Self, String> {
        if !is_host(host) {
            return Err(must_be("the host", host, "a host name without port, such as shop.test"));
        }
        if let Some(realm) = realm.filter(|realm| !is_realm(realm)) {
            return Err(must_be(
                "the realm",
                realm,
                "1 to 63 of a-z, 0-9 and -, beginning and ending with a letter or digit",
            ));
        }
        let (bind, port) = read_listen(listen).ok_or_else(|| {
            must_be("the address to listen on", listen, "PORT or ADDRESS:PORT, such as 127.0.0.1:8080")
        })?;
        Ok(Self {
            host: host.to_ascii_lowercase(),
            upstream: read_origin(upstream).ok_or_else(|| {
                must_be("the upstream", upstream, "http://HOST[:PORT], such as http://127.0.0.1:9000")
            })?,
            admit: read_origin(admit)
                .ok_or_else(|| must_be("Admit's URL", admit, "http://HOST[:PORT], such as http://127.0.0.1:8420"))?,
            realm: realm.map(str::to_owned),
            bind,
            port,
        })
    }

    /// What stands before `/check/…` in Admit's URLs: nothing for the default realm, which is the issuer itself.
    fn realm_path(&self) -> String {
        self.realm.as_ref().map(|name| format!("/realms/{name}")).unwrap_or_default()
    }
}

/// Puts the values in the places of a template that are marked `<<name>>`.
fn fill(template: &str, values: &[(&str, String)]) -> String {
    values.iter().fold(template.to_owned(), |text, (name, value)| text.replace(&format!("<<{name}>>"), value))
}

/// One line for each of the headers, written by `line`.
fn lines<'a>(headers: impl IntoIterator<Item = &'a str>, line: impl Fn(&str) -> String) -> String {
    headers.into_iter().map(line).collect::<Vec<_>>().join("\n")
}

fn must_be(what: &str, value: &str, form: &str) -> String {
    let shown: String = value.chars().take(80).collect();
    format!("{what} {shown:?} must be {form}")
}

fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|letter| letter.is_ascii_alphanumeric() || letter == b'-' || letter == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

fn is_realm(text: &str) -> bool {
    text.len() <= 63
        && !text.is_empty()
        && text.bytes().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// `host:port` of an `http://host[:port]`. TLS towards the application would need a decision about whom to trust, which
/// nobody made here.
fn read_origin(text: &str) -> Option<String> {
    let authority = text.strip_prefix("http://")?;
    let authority = authority.strip_suffix('/').unwrap_or(authority);
    if let Some(rest) = authority.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let address: Ipv6Addr = address.parse().ok()?;
        let port = if port.is_empty() { 80 } else { read_port(port.strip_prefix(':')?)? };
        return Some(format!("[{address}]:{port}"));
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, read_port(port)?),
        None => (authority, 80),
    };
    is_host(host).then(|| format!("{}:{port}", host.to_ascii_lowercase()))
}

fn read_listen(text: &str) -> Option<(Option<IpAddr>, u16)> {
    let Some((address, port)) = text.rsplit_once(':') else { return Some((None, read_port(text)?)) };
    let address: IpAddr = match address.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?.into(),
        None => address.parse::<Ipv4Addr>().ok()?.into(),
    };
    Some((Some(address), read_port(port)?))
}

fn read_port(text: &str) -> Option<u16> {
    let digits_only = text.bytes().all(|letter| letter.is_ascii_digit());
    text.parse().ok().filter(|port| digits_only && *port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shop() -> Gateway {
        Gateway::new("shop.test", "http://127.0.0.1:9000", "http://127.0.0.1:8420", None, "8080").unwrap()
    }

    fn with_realm() -> Gateway {
        Gateway::new("Shop.test", "http://app:9000/", "http://[::1]:8420", Some("acme"), "[::1]:8081").unwrap()
    }

    /// What a value must not do, wherever it stands.
    const HOSTILE: &[&str] = &[
        "",
        " ",
        "a; return 200",
        "shop.test;",
        "shop.test\nreturn 200;",
        "shop.test\r\n",
        "shop.test {",
        "shop.test }",
        "shop.test # x",
        "$host",
        "{env.HOME}",
        "\"shop.test\"",
        "shop'test",
        "shop`test",
        "shop\\test",
        "shop.test/..",
        "http://a b",
        "http://a;return",
        "http://a\n:80",
        "http://a:80\n",
        "http://a:80;",
        "http://a:80/path",
        "http://a:80?x",
        "http://user@a:80",
        "http://$a:80",
        "http://{a}:80",
        "http://[::1;]:80",
        "http://[fe80::1%eth0]:80",
        "http://a:65536",
        "http://a:0",
        "http://a:+80",
        "http://a:",
        "http://",
        "http://unix:/x",
        "https://a:443",
        "<<admit>>",
        "80;",
        "80 default_server",
        "*:80",
        "a:80",
        "0",
        "65536",
        "+80",
        "::1:80",
        "[127.0.0.1]:80",
        "127.0.0.1:80 ssl",
    ];

    #[test]
    fn hostile_text_is_refused_in_every_place() {
        let (good, port) = ("http://127.0.0.1:9000", "8080");
        for text in HOSTILE {
            let refused = |gateway: Result<Gateway, String>, what: &str| {
                let error = gateway.expect_err(&format!("{text:?} as {what}"));
                assert!(error.starts_with(what), "{error}");
                assert!(!error.contains('\n'), "{error:?}");
            };
            let numeric = text.bytes().all(|letter| letter.is_ascii_digit()) && !text.is_empty();
            if !numeric {
                refused(Gateway::new(text, good, good, None, port), "the host");
            }
            refused(Gateway::new("shop.test", text, good, None, port), "the upstream");
            refused(Gateway::new("shop.test", good, text, None, port), "Admit's URL");
            if !numeric {
                refused(Gateway::new("shop.test", good, good, Some(text), port), "the realm");
            }
            refused(Gateway::new("shop.test", good, good, None, text), "the address to listen on");
        }
    }

    #[test]
    fn lengths_end_where_dns_ends_them() {
        let (good, port) = ("http://127.0.0.1:9000", "8080");
        let made = |host: &str, realm: &str| Gateway::new(host, good, good, Some(realm), port);
        let label = |length| "a".repeat(length);
        let name = |last| format!("{0}.{0}.{0}.{1}", label(63), label(last));
        assert!(made(&label(63), &label(63)).is_ok());
        assert!(made(&label(64), "r").unwrap_err().starts_with("the host"));
        assert!(made("h", &label(64)).unwrap_err().starts_with("the realm"));
        assert_eq!(name(61).len(), 253);
        assert!(made(&name(61), "r").is_ok());
        assert!(made(&name(62), "r").unwrap_err().starts_with("the host"));
    }

    #[test]
    fn values_are_written_in_one_form() {
        let gateway = with_realm();
        assert_eq!(gateway.host, "shop.test");
        assert_eq!(gateway.upstream, "app:9000");
        assert_eq!(gateway.admit, "[::1]:8420");
        assert_eq!(gateway.realm_path(), "/realms/acme");
        assert_eq!((gateway.bind, gateway.port), ("::1".parse().ok(), 8081));
        assert_eq!(shop().realm_path(), "");
    }

    #[test]
    fn the_examples_are_what_is_printed() {
        let nginx = include_str!("../../../../examples/nginx.conf");
        let caddy = include_str!("../../../../examples/Caddyfile");
        assert!(nginx == nginx::config(&shop()), "write it anew: admit gateway-config nginx > examples/nginx.conf");
        assert!(caddy == caddy::config(&shop()), "write it anew: admit gateway-config caddy > examples/Caddyfile");
    }

    #[test]
    fn nothing_is_left_to_fill_in() {
        for text in [&shop(), &with_realm()].map(|gateway| nginx::config(gateway) + &caddy::config(gateway)) {
            assert!(!text.contains("<<") && !text.contains(">>"), "{text}");
        }
    }

    #[test]
    fn fa_03_every_identity_header_is_set_from_the_answer() {
        let (nginx, caddy) = (nginx::config(&shop()), caddy::config(&shop()));
        for header in IDENTITY {
            let variable = header.to_ascii_lowercase().replace('-', "_");
            assert!(nginx.contains(&format!("auth_request_set ${variable} $upstream_http_{variable};")), "{header}");
            assert!(nginx.contains(&format!("proxy_set_header {header} ${variable};")), "{header}");
            assert!(caddy.contains(&format!("header {header} *\n")), "{header} is demanded of the answer");
            assert!(caddy.contains(&format!("header_up {header} {{rp.header.{header}}}\n")), "{header}");
        }
    }

    #[test]
    fn fa_01_spoofable_headers_are_cleared_on_every_way() {
        let (nginx, caddy) = (nginx::config(&shop()), caddy::config(&shop()));
        let places: Vec<_> = nginx.split("\n        location ").collect();
        let [_, application, check, pages, ..] = &places[..] else { panic!("locations are missing") };
        for header in SPOOFABLE {
            let cleared = format!("proxy_set_header {header} \"\";\n");
            let set = format!("proxy_set_header {header} $request_");
            assert!(application.contains(&cleared) && pages.contains(&cleared), "{header}");
            assert!(check.contains(&cleared) != check.contains(&set), "{header}");
            let wildcard = caddy::CLEARED_BY_PREFIX.iter().any(|prefix| header.starts_with(prefix));
            assert!(wildcard || caddy.contains(&format!("request_header -{header}\n")), "{header}");
        }
        for header in IDENTITY {
            let cleared = format!("proxy_set_header {header} \"\";\n");
            assert!(check.contains(&cleared) && pages.contains(&cleared), "{header}");
        }
        for header in ["X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-For"] {
            let set = format!("proxy_set_header {header} $");
            assert!([application, check, pages].iter().all(|place| place.contains(&set)), "{header}");
        }
    }

    #[test]
    fn the_realm_is_in_the_path_that_is_asked() {
        let (nginx, caddy) = (nginx::config(&with_realm()), caddy::config(&with_realm()));
        assert!(nginx.contains("proxy_pass http://admit/realms/acme/check/nginx;"), "{nginx}");
        assert!(nginx.contains("proxy_pass http://admit/realms/acme/.admit/;"), "{nginx}");
        assert!(nginx.contains("listen [::1]:8081;"), "{nginx}");
        assert!(caddy.contains("rewrite /realms/acme/check/forward?\n"), "{caddy}");
        assert!(caddy.contains("rewrite * /realms/acme{uri}\n"), "{caddy}");
        assert!(caddy.contains("bind ::1\n"), "{caddy}");
    }

    #[test]
    fn fa_08_a_second_host_in_the_request_line_is_refused() {
        let nginx = nginx::config(&shop());
        assert!(
            nginx.contains("if ($http_host !~* \"^shop\\.test\\.?(:[0-9]+)?$\") {\n            return 421;\n"),
            "{nginx}"
        );
    }

    proptest::proptest! {
        #[test]
        fn what_is_accepted_has_no_letter_with_a_meaning(
            host in "\\PC{0,20}|[a-zA-Z0-9._-]{1,20}",
            origin in "\\PC{0,20}|http://[a-z0-9.:_/@;{}$ -]{0,20}|http://\\[[0-9a-f:]{2,20}\\](:[0-9]{1,6})?",
            realm in "\\PC{0,20}|[a-z0-9-]{1,20}",
            listen in "\\PC{0,20}|[0-9.:\\[\\]]{1,20}|[0-9]{1,6}",
        ) {
            let good = "http://127.0.0.1:9000";
            let plain = |letter: u8| letter.is_ascii_alphanumeric() || b"._-:[]".contains(&letter);
            let harmless = |text: &str| text.bytes().all(plain);
            for gateway in [
                Gateway::new(&host, good, good, None, "80"),
                Gateway::new("h", &origin, good, None, "80"),
                Gateway::new("h", good, &origin, None, "80"),
                Gateway::new("h", good, good, Some(&realm), "80"),
                Gateway::new("h", good, good, None, &listen),
            ].into_iter().flatten() {
                proptest::prop_assert!(harmless(&gateway.host) && !gateway.host.contains(':'));
                proptest::prop_assert!(harmless(&gateway.upstream) && harmless(&gateway.admit));
                proptest::prop_assert!(gateway.realm.as_deref().is_none_or(harmless));
                let again = Gateway::new(&gateway.host, &format!("http://{}", gateway.upstream), good, None, "80");
                proptest::prop_assert_eq!(again.map(|again| again.upstream), Ok(gateway.upstream));
            }
        }
    }
}
