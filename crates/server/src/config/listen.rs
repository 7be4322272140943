//! An address to listen on: host and port, or a Unix socket.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// What stands before the path of a socket.
const UNIX: &str = "unix:";
/// The longest path of a socket, in bytes: `sun_path` of `sockaddr_un` (unix(7)) without its NUL.
const SOCKET_PATH_MAX: usize = 107;

/// Where connections are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// A TCP address.
    Tcp(SocketAddr),
    /// A Unix socket at this path.
    Unix(PathBuf),
}

impl Listen {
    /// The address without configuration.
    pub const DEFAULT: Self = Self::Tcp(SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8420));

    /// True where only programs of this machine can connect.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }

    /// The TCP address, where it is one.
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }
}

impl From<SocketAddr> for Listen {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

/// Text that is no address to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadListen;

impl fmt::Display for BadListen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "must be an address such as 127.0.0.1:8420, or a socket such as unix:/run/admit/admit.sock \
             (its path has at most {SOCKET_PATH_MAX} bytes)"
        )
    }
}

impl std::error::Error for BadListen {}

impl FromStr for Listen {
    type Err = BadListen;

    fn from_str(text: &str) -> Result<Self, BadListen> {
        let Some(path) = text.strip_prefix(UNIX) else { return text.parse().map(Self::Tcp).map_err(|_| BadListen) };
        let fits = (1..=SOCKET_PATH_MAX).contains(&path.len()) && !path.ends_with('/') && !path.contains('\0');
        if fits { Ok(Self::Unix(PathBuf::from(path))) } else { Err(BadListen) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_or_a_socket() {
        for text in ["127.0.0.1:8420", "[::1]:8420", "0.0.0.0:80", "unix:/run/admit/admit.sock", "unix:admit.sock"] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), text);
        }
        let local = |text: &str| text.parse::<Listen>().unwrap().is_local();
        assert!(local("127.0.0.9:1") && local("[::1]:1") && local("[::ffff:127.0.0.1]:1") && local("unix:x"));
        assert!(!local("0.0.0.0:1") && !local("10.0.0.1:1") && !local("[::]:1"));
    }

    #[test]
    fn anything_else_is_none_and_a_path_has_a_limit() {
        let long = |count: usize| format!("unix:{}", "a".repeat(count)).parse::<Listen>();
        assert!(long(SOCKET_PATH_MAX).is_ok());
        assert_eq!(long(SOCKET_PATH_MAX + 1), Err(BadListen));
        for bad in ["", "nowhere", "127.0.0.1", "localhost:80", "unix:", "unix:/run/", "UNIX:/x", "unix:a\0b", "/run/x"]
        {
            assert_eq!(bad.parse::<Listen>(), Err(BadListen), "{bad}");
        }
    }
}
