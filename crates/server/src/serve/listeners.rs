//! Every listener of a server, bound before anything is made.
//!
//! The command line speaks plain HTTP to a loopback address. Where no listener of the configuration is that (a Unix
//! socket, HTTPS, an address of the network), one more is opened for it, on a port that the system chooses.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use admit_core::shell::quote;
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::net::TcpListener;

use super::Failure;
use crate::config::{Config, Listen};
use crate::http::listen::Listener;
use crate::http::socket::Bound;

/// Bound listeners.
pub struct Listeners {
    pub(super) main: Listener,
    pub(super) main_has_tls: bool,
    pub(super) tls: Option<TcpListener>,
    pub(super) local: Option<TcpListener>,
    pub(super) ops: Option<TcpListener>,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// `listen`, with the port that the system chose where it was asked to.
    pub main: Listen,
    /// `[tls] listen`.
    pub tls: Option<SocketAddr>,
    /// The loopback address of the command line.
    pub local: SocketAddr,
    /// True where that is a listener of its own.
    pub has_own_local: bool,
}

impl Listeners {
    /// Binds what the configuration says.
    pub async fn bind(config: &Config) -> Result<Self, Failure> {
        let main = match &config.listen {
            Listen::Tcp(address) => Listener::Tcp(bind(*address, "listen").await?),
            Listen::Unix(path) => Listener::Unix(bind_socket(path).await?),
        };
        Self::around(main, config).await
    }

    /// Binds the others beside one that is bound already.
    pub async fn around(main: Listener, config: &Config) -> Result<Self, Failure> {
        let main_has_tls = config.listens_with_tls();
        let tls = match config.tls.as_ref().and_then(|tls| tls.listen) {
            Some(address) => Some(bind(address, "tls.listen").await?),
            None => None,
        };
        let local = match plain_local(&main, main_has_tls)? {
            Some(_) => None,
            None => Some(bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), "the command line").await?),
        };
        let ops = match config.ops_listen {
            Some(address) => Some(bind(address, "ops.listen").await?),
            None => None,
        };
        Ok(Self { main, main_has_tls, tls, local, ops })
    }

    /// Where they are.
    pub fn places(&self) -> Result<Places, Failure> {
        let main = match &self.main {
            Listener::Tcp(listener) => Listen::Tcp(address_of(listener)?),
            Listener::Unix(bound) => Listen::Unix(bound.path().to_owned()),
        };
        let local = match &self.local {
            Some(listener) => Some(address_of(listener)?),
            None => plain_local(&self.main, self.main_has_tls)?,
        };
        let local = local.ok_or_else(|| Failure("no listener is left for the command line".to_owned()))?;
        let tls = self.tls.as_ref().map(address_of).transpose()?;
        Ok(Places { main, tls, local, has_own_local: self.local.is_some() })
    }
}

/// The address by which this machine reaches the listener without TLS, if it does.
fn plain_local(listener: &Listener, has_tls: bool) -> Result<Option<SocketAddr>, Failure> {
    let Listener::Tcp(listener) = listener else { return Ok(None) };
    let address = address_of(listener)?;
    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, address.port()));
    Ok(match address.ip().to_canonical() {
        _ if has_tls => None,
        ip if ip.is_unspecified() => Some(loopback),
        ip => ip.is_loopback().then_some(address),
    })
}

fn address_of(listener: &TcpListener) -> Result<SocketAddr, Failure> {
    listener.local_addr().map_err(|error| Failure(format!("the listener has no address: {error}")))
}

async fn bind(address: SocketAddr, key: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let next = SocketAddr::new(address.ip(), address.port().saturating_add(1));
        let next = match key {
            "listen" => format!("admit serve --listen {next}"),
            key => format!("{key} = \"{next}\""),
        };
        Failure(format!("cannot listen on {address}: {error}. Another address: {next}"))
    })
}

async fn bind_socket(path: &Path) -> Result<Bound, Failure> {
    Bound::bind(path).await.map_err(|error| {
        let shown = path.display();
        let next = match (error.kind(), path.parent()) {
            (std::io::ErrorKind::NotFound, Some(folder)) => {
                format!("install -d -m 0750 {}", quote(&folder.display().to_string()))
            }
            _ => "admit serve --listen unix:PATH with another path".to_owned(),
        };
        Failure(format!("cannot listen on unix:{shown}: {error}. Next: {next}"))
    })
}

/// How many files this process may have open, after asking for as many as it may ask for.
pub fn open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let (Some(current), most) = (limit.current, limit.maximum) else { return u64::MAX };
    let raised = rustix::process::Rlimit { current: most, maximum: most };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => most.unwrap_or(u64::MAX),
        Err(_) => current,
    }
}
