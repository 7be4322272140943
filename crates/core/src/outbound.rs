//! Where requests of this server itself may go: `https` only, and no address that only this network can reach.
//!
//! Whoever may register an address here could otherwise make the server ask for him what he cannot reach (SSRF). Names say
//! nothing: what counts is the address that is really connected to, and it is judged each time. Asks no DNS and opens no
//! connection.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::check::address::unified;
use crate::check::host::Host;
use crate::name::BadName;

/// The longest address, in bytes.
pub const TARGET_MAX: usize = 2048;

/// What an `https` address means.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    host: String,
    port: u16,
    path: String,
}

impl Target {
    /// Reads `https://host[:port][/path][?query]`. Addresses that are never asked are no targets.
    pub fn parse(uri: &str) -> Result<Self, BadName> {
        const BAD: BadName = BadName {
            must: "be an https:// address with a host, without user name and fragment, of at most 2048 bytes",
        };
        let letters_well = uri.bytes().all(|letter| letter.is_ascii_graphic() && !b"\"<>\\^`{|}#".contains(&letter));
        let rest = uri.strip_prefix("https://").ok_or(BAD)?;
        if uri.len() > TARGET_MAX || !letters_well {
            return Err(BAD);
        }
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let host = Host::parse(authority).map_err(|_| BAD)?;
        let port = match authority.rsplit_once(':') {
            Some((_, port)) if !port.ends_with(']') => port.parse().map_err(|_| BAD)?,
            _ => 443,
        };
        let target = Self {
            host: host.as_str().to_owned(),
            port,
            path: if path.starts_with('/') { path.to_owned() } else { format!("/{path}") },
        };
        let is_barred = target.literal().is_some_and(|ip| class(ip) == Class::Never) || host.is_loopback();
        if is_barred || port == 0 {
            return Err(BadName { must: "not be an address of this machine or of its link" });
        }
        Ok(target)
    }

    /// The host, an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Path and query.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The address that the host is, where it is no name.
    pub fn literal(&self) -> Option<IpAddr> {
        let bare = self.host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&self.host);
        bare.parse().ok()
    }
}

/// Why an address is not connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Barred {
    /// This machine, its link, or what tells it its own secrets: never.
    Never,
    /// Not everybody's, and no network that the operator has named.
    Private,
}

impl fmt::Display for Barred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Never => "an address of this machine or of its link is never asked",
            Self::Private => "a private address is asked only where [outbound] allow names its network",
        })
    }
}

/// Whether an address may be connected to.
pub fn judge(ip: IpAddr, allowed: &[IpNet]) -> Result<(), Barred> {
    let ip = unified(ip);
    match class(ip) {
        Class::Public => Ok(()),
        Class::Never => Err(Barred::Never),
        Class::Private if allowed.iter().any(|network| network.contains(&ip)) => Ok(()),
        Class::Private => Err(Barred::Private),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Public,
    Private,
    Never,
}

fn class(ip: IpAddr) -> Class {
    match unified(ip) {
        IpAddr::V4(ip) => class_of_v4(ip),
        IpAddr::V6(ip) => class_of_v6(ip),
    }
}

/// What clouds tell their machines stands at these, on networks that may be allowed for other reasons.
const METADATA: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(192, 0, 0, 192)];
const METADATA_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

/// The rest of the registry of special addresses (RFC 6890), as far as it is not everybody's.
const PRIVATE: [Ipv4Net; 10] = [
    Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 8),
    Ipv4Net::new_assert(Ipv4Addr::new(100, 64, 0, 0), 10),
    Ipv4Net::new_assert(Ipv4Addr::new(172, 16, 0, 0), 12),
    Ipv4Net::new_assert(Ipv4Addr::new(192, 0, 0, 0), 24),
    Ipv4Net::new_assert(Ipv4Addr::new(192, 0, 2, 0), 24),
    Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 0, 0), 16),
    Ipv4Net::new_assert(Ipv4Addr::new(198, 18, 0, 0), 15),
    Ipv4Net::new_assert(Ipv4Addr::new(198, 51, 100, 0), 24),
    Ipv4Net::new_assert(Ipv4Addr::new(203, 0, 113, 0), 24),
    Ipv4Net::new_assert(Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// What is everybody's (RFC 4291 §2.4), and what of it is not: tunnels that end at another address, and examples.
const GLOBAL: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
const NOT_GLOBAL: [Ipv6Net; 4] = [
    Ipv6Net::new_assert(Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    Ipv6Net::new_assert(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    Ipv6Net::new_assert(Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    Ipv6Net::new_assert(Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];
/// Translates to the IPv4 address in its last octets (RFC 6052 §2.1).
const TRANSLATED: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);
/// The same in an old form (RFC 4291 §2.5.5.1).
const COMPATIBLE: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 96);

fn class_of_v4(ip: Ipv4Addr) -> Class {
    let [first, ..] = ip.octets();
    let is_never = first == 0
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_multicast()
        || ip.is_broadcast()
        || METADATA.contains(&ip);
    match PRIVATE.iter().any(|network| network.contains(&ip)) {
        _ if is_never => Class::Never,
        true => Class::Private,
        false => Class::Public,
    }
}

fn class_of_v6(ip: Ipv6Addr) -> Class {
    if ip.is_loopback()
        || ip.is_unspecified()
        || ip.is_multicast()
        || ip.is_unicast_link_local()
        || METADATA_V6.contains(&ip)
    {
        return Class::Never;
    }
    if TRANSLATED.contains(&ip) || COMPATIBLE.contains(&ip) {
        let [.., a, b, c, d] = ip.octets();
        return class_of_v4(Ipv4Addr::new(a, b, c, d));
    }
    if GLOBAL.contains(&ip) && !NOT_GLOBAL.iter().any(|network| network.contains(&ip)) {
        Class::Public
    } else {
        Class::Private
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn judged(ip: &str, allowed: &[&str]) -> Result<(), Barred> {
        let allowed: Vec<_> = allowed.iter().map(|network| network.parse().unwrap()).collect();
        judge(ip.parse().unwrap(), &allowed)
    }

    #[test]
    fn ir_10_this_machine_its_link_and_its_cloud_are_never_asked() {
        let everything = ["0.0.0.0/0", "::/0"];
        for ip in [
            "127.0.0.1",
            "127.8.8.8",
            "::1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "0.0.0.0",
            "0.1.2.3",
            "::",
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "fe80::1",
            "fd00:ec2::254",
            "100.100.100.200",
            "168.63.129.16",
            "224.0.0.1",
            "255.255.255.255",
            "ff02::1",
        ] {
            assert_eq!(judged(ip, &everything), Err(Barred::Never), "{ip}");
        }
    }

    #[test]
    fn ir_10_private_networks_are_asked_where_they_are_named() {
        for (ip, network) in [
            ("10.1.2.3", "10.0.0.0/8"),
            ("::ffff:10.1.2.3", "10.0.0.0/8"),
            ("172.31.0.1", "172.16.0.0/12"),
            ("192.168.1.1", "192.168.1.0/24"),
            ("100.64.0.1", "100.64.0.0/10"),
            ("198.18.0.1", "198.18.0.0/15"),
            ("fd00::1", "fd00::/8"),
            ("2002:7f00:1::1", "2002::/16"),
            ("2001:0:1::1", "2001::/32"),
            ("64:ff9b:1::1", "64:ff9b:1::/48"),
            ("fec0::1", "fec0::/10"),
        ] {
            assert_eq!(judged(ip, &[]), Err(Barred::Private), "{ip}");
            assert_eq!(judged(ip, &[network]), Ok(()), "{ip}");
            assert_eq!(judged(ip, &["10.9.0.0/16"]), Err(Barred::Private), "{ip} beside another network");
        }
        for public in ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "64:ff9b::101:101", "172.32.0.1", "100.128.0.1"] {
            assert_eq!(judged(public, &[]), Ok(()), "{public}");
        }
    }

    #[test]
    fn ir_10_only_https_addresses_are_targets() {
        let target = Target::parse("https://Keys.Example.com/jwks?a=b").unwrap();
        assert_eq!((target.host(), target.port(), target.path()), ("keys.example.com", 443, "/jwks?a=b"));
        let target = Target::parse("https://[2606:4700::1]:8443").unwrap();
        assert_eq!((target.host(), target.port(), target.path()), ("[2606:4700::1]", 8443, "/"));
        assert_eq!(target.literal(), Some("2606:4700::1".parse().unwrap()));
        assert_eq!(Target::parse("https://a.test?x").unwrap().path(), "/?x");
        for bad in [
            "",
            "http://a.test/",
            "HTTPS://a.test/",
            "gopher://a.test/",
            "file:///etc/passwd",
            "https://",
            "https:///x",
            "https://u@a.test/",
            "https://u:p@a.test/",
            "https://a.test/#x",
            "https://a.test:0/",
            "https://a.test:99999/",
            "https://a b.test/",
            "https://localhost/",
            "https://127.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://169.254.169.254/latest/meta-data",
            "https://0.0.0.0/",
        ] {
            assert!(Target::parse(bad).is_err(), "{bad}");
        }
        assert!(Target::parse("https://10.0.0.1/").is_ok(), "judged when it is connected to");
        let long = |length: usize| format!("https://a.test/{}", "a".repeat(length - 15));
        assert!(Target::parse(&long(TARGET_MAX)).is_ok() && Target::parse(&long(TARGET_MAX + 1)).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_a_target_or_refused(text in "(https://)?.{0,60}") {
            if let Ok(target) = Target::parse(&text) {
                prop_assert!(target.literal().is_none_or(|ip| judge(ip, &[]) != Err(Barred::Never)));
            }
        }

        #[test]
        fn what_is_mapped_is_judged_as_what_it_is(ip: [u8; 4]) {
            let ip = Ipv4Addr::from(ip);
            prop_assert_eq!(class(ip.to_ipv6_mapped().into()), class(ip.into()));
        }
    }
}
