//! Whose address a request came from: the first hop, from the right, that is no trusted proxy.
//!
//! `X-Forwarded-For` counts only as far as trusted proxies wrote it. What stands further left is the client's own claim
//! and is not even read. IPv4 in IPv6 clothes (RFC 4291 §2.5.5.2) is IPv4. Knows neither `Forwarded` (RFC 7239) nor
//! `X-Real-IP`.

use std::net::IpAddr;

use http::HeaderValue;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::code::Reason;

/// The most hops that are walked.
pub const HOPS_MAX: usize = 32;

/// The networks whose word about the original request counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Takes the networks of the configuration.
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> Self {
        Self(networks.into_iter().map(unified_network).collect())
    }

    /// The networks.
    pub fn networks(&self) -> &[IpNet] {
        &self.0
    }

    /// True where the address is a trusted proxy's.
    pub fn trusts(&self, ip: IpAddr) -> bool {
        let ip = unified(ip);
        self.0.iter().any(|network| network.contains(&ip))
    }
}

/// The address with IPv4-mapped IPv6 turned into IPv4.
pub fn unified(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(ip, IpAddr::V4),
        IpAddr::V4(_) => ip,
    }
}

/// The client's address: the peer, or while that is a trusted proxy, whom it says it speaks for. `forwarded_for` are
/// the values of all `X-Forwarded-For` lines in order.
pub fn client_ip<'h>(
    peer: IpAddr,
    forwarded_for: impl DoubleEndedIterator<Item = &'h HeaderValue>,
    trusted: &TrustedProxies,
) -> Result<IpAddr, Reason> {
    let mut client = unified(peer);
    let entries = forwarded_for.rev().flat_map(|line| line.as_bytes().rsplit(|octet| *octet == b','));
    for (hop, entry) in entries.enumerate() {
        if !trusted.trusts(client) {
            break;
        }
        if hop == HOPS_MAX {
            return Err(Reason::BadForwardedFor);
        }
        let entry = entry.trim_ascii();
        // RFC 9110 §5.6.1.2: empty elements of a list are ignored.
        if !entry.is_empty() {
            client = unified(read_entry(entry).ok_or(Reason::BadForwardedFor)?);
        }
    }
    Ok(client)
}

/// The network that shares one budget: /24, or /64 because one subscriber has that many addresses.
pub fn network(ip: IpAddr) -> IpNet {
    match unified(ip) {
        IpAddr::V4(v4) => Ipv4Net::new_assert(v4, 24).trunc().into(),
        IpAddr::V6(v6) => Ipv6Net::new_assert(v6, 64).trunc().into(),
    }
}

fn unified_network(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    match (v6.network().to_ipv4_mapped(), v6.prefix_len()) {
        (Some(v4), 96..) => Ipv4Net::new_assert(v4, v6.prefix_len() - 96).into(),
        _ => network,
    }
}

/// `ip`, `ip:port`, `[v6]` or `[v6]:port`. A zone means nothing outside its own machine.
fn read_entry(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?;
    if text.contains('%') {
        return None;
    }
    if let Ok(ip) = text.parse() {
        return Some(ip);
    }
    if let Some(v6) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return v6.parse().ok().map(IpAddr::V6);
    }
    text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn trusted(networks: &[&str]) -> TrustedProxies {
        TrustedProxies::new(networks.iter().map(|text| text.parse().unwrap()))
    }

    fn client(peer: &str, lines: &[&str]) -> Result<String, Reason> {
        let lines: Vec<_> = lines.iter().map(|line| HeaderValue::from_bytes(line.as_bytes()).unwrap()).collect();
        let proxies = trusted(&["127.0.0.0/8", "::1/128", "10.0.0.0/8"]);
        client_ip(peer.parse().unwrap(), lines.iter(), &proxies).map(|ip| ip.to_string())
    }

    proptest! {
        #[test]
        fn any_list_is_read_or_refused(lines in prop::collection::vec("[0-9a-f.:, %\\[\\]]{0,40}|[ -~]{0,20}", 0..4)) {
            let lines: Vec<_> = lines.iter().map(String::as_str).collect();
            let _ = client("127.0.0.1", &lines);
        }

        #[test]
        fn fa_16_what_stands_left_of_the_client_changes_nothing(spoof in "[ -~]{0,80}") {
            prop_assert_eq!(client("127.0.0.1", &[&spoof, "203.0.113.9, 10.1.1.1"]), Ok("203.0.113.9".to_owned()));
            prop_assert_eq!(client("203.0.113.9", &[&spoof]), Ok("203.0.113.9".to_owned()));
        }
    }

    #[test]
    fn fa_16_the_client_is_the_first_untrusted_hop_from_the_right() {
        for (peer, lines, expected) in [
            ("127.0.0.1", &[][..], "127.0.0.1"),
            ("203.0.113.9", &[], "203.0.113.9"),
            ("203.0.113.9", &["198.51.100.1"], "203.0.113.9"),
            ("127.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            ("127.0.0.1", &["198.51.100.1, 203.0.113.9"], "203.0.113.9"),
            ("127.0.0.1", &["198.51.100.1", "203.0.113.9,10.0.0.7"], "203.0.113.9"),
            ("127.0.0.1", &["198.51.100.1, 203.0.113.9", "10.0.0.7"], "203.0.113.9"),
            ("127.0.0.1", &["10.0.0.1, 10.0.0.2"], "10.0.0.1"),
            ("127.0.0.1", &["10.0.0.1, 127.0.0.2, "], "10.0.0.1"),
            ("127.0.0.1", &[""], "127.0.0.1"),
            ("127.0.0.1", &["203.0.113.9:4711"], "203.0.113.9"),
            ("127.0.0.1", &["[2001:DB8::1]:4711"], "2001:db8::1"),
            ("127.0.0.1", &["[2001:db8::1]"], "2001:db8::1"),
            ("127.0.0.1", &["2001:DB8:0::1"], "2001:db8::1"),
            ("127.0.0.1", &["::ffff:203.0.113.9"], "203.0.113.9"),
            ("::ffff:127.0.0.1", &["::FFFF:10.0.0.1", "::ffff:203.0.113.9"], "203.0.113.9"),
            ("::1", &["203.0.113.9, ::ffff:10.0.0.1"], "203.0.113.9"),
        ] {
            assert_eq!(client(peer, lines).as_deref(), Ok(expected), "{peer} {lines:?}");
        }
    }

    #[test]
    fn fa_16_what_a_proxy_cannot_have_written_is_refused() {
        for bad in [
            "unknown",
            "_hidden",
            "fe80::1%eth0",
            "fe80::1%1",
            "[fe80::1%1]:80",
            "1.2.3",
            "01.2.3.4",
            "1.2.3.4:99999",
            "1.2.3.4:",
            "[::1",
            "[1.2.3.4]",
            "unix:",
            "1.2.3.4 5.6.7.8",
            "\"1.2.3.4\"",
            "for=1.2.3.4",
            "café",
            "0x7f.1",
        ] {
            assert_eq!(client("127.0.0.1", &[bad]), Err(Reason::BadForwardedFor), "{bad}");
        }
    }

    #[test]
    fn fa_16_the_walk_is_bounded() {
        let line = vec!["10.0.0.1"; HOPS_MAX].join(",");
        assert_eq!(client("127.0.0.1", &[&line]).as_deref(), Ok("10.0.0.1"));
        assert_eq!(client("127.0.0.1", &["10.0.0.1", &line]), Err(Reason::BadForwardedFor));
    }

    #[test]
    fn mapped_networks_are_ipv4_networks() {
        let proxies = trusted(&["::ffff:10.0.0.0/104", "2001:db8::/32"]);
        for (ip, expected) in [
            ("10.9.9.9", true),
            ("::ffff:10.9.9.9", true),
            ("11.0.0.1", false),
            ("2001:db8::1", true),
            ("2001:db9::1", false),
        ] {
            assert_eq!(proxies.trusts(ip.parse().unwrap()), expected, "{ip}");
        }
        assert!(!TrustedProxies::default().trusts("127.0.0.1".parse().unwrap()), "nobody is trusted unasked");
    }

    #[test]
    fn fa_16_neighbours_share_a_budget() {
        for (ip, expected) in [
            ("203.0.113.9", "203.0.113.0/24"),
            ("::ffff:203.0.113.200", "203.0.113.0/24"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ] {
            assert_eq!(network(ip.parse().unwrap()).to_string(), expected);
        }
    }
}
