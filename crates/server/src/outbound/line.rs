//! One line to another host: its addresses, those of them that may be asked, TLS with a certificate for its name.
//!
//! The name is looked up once and connected to by address, so that no second answer of the DNS can lead elsewhere.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use admit_core::check::address::unified;
use admit_core::outbound::{self, Barred, Target};
use ipnet::IpNet;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Failed, Outbound};

/// How many addresses of one name are tried.
const TRIES: usize = 4;

/// The addresses of a name.
type Resolve = Box<dyn Fn(&str) -> Vec<IpAddr> + Send + Sync>;

/// Other names, addresses and roots than the world's: for tests, which have no host of their own in it.
pub struct StandIn {
    /// The addresses of a name.
    pub resolve: Resolve,
    /// Connected to whatever the rule says.
    pub open: HashSet<SocketAddr>,
    /// Whose certificates are good.
    pub roots: RootCertStore,
}

impl Outbound {
    pub(super) async fn connect(&self, target: &Target, allowed: &[IpNet]) -> Result<TlsStream<TcpStream>, Failed> {
        let connector = TlsConnector::from(self.tls().ok_or(Failed::NotReached)?);
        let bare = target.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(bare).map_err(|_| Failed::NotReached)?;
        let mut failed = Failed::NoAddress;
        for address in self.addresses(target).await?.into_iter().take(TRIES) {
            match self.reach(address, allowed).await {
                Ok(stream) => return connector.connect(name, stream).await.map_err(|_| Failed::NotReached),
                Err(why) => failed = why,
            }
        }
        Err(failed)
    }

    async fn addresses(&self, target: &Target) -> Result<Vec<SocketAddr>, Failed> {
        if let Some(ip) = target.literal() {
            return Ok(vec![SocketAddr::new(ip, target.port())]);
        }
        if let Some(stand_in) = self.stand_in.get() {
            let addresses = (stand_in.resolve)(target.host()).into_iter();
            return Ok(addresses.map(|ip| SocketAddr::new(ip, target.port())).collect());
        }
        let found = lookup_host((target.host(), target.port())).await.map_err(|_| Failed::NoAddress)?;
        Ok(found.collect())
    }

    async fn reach(&self, address: SocketAddr, allowed: &[IpNet]) -> Result<TcpStream, Failed> {
        self.judge(address, allowed).map_err(Failed::Barred)?;
        let stream = TcpStream::connect(address).await.map_err(|_| Failed::NotReached)?;
        let peer = stream.peer_addr().map_err(|_| Failed::NotReached)?;
        self.judge(peer, allowed).map_err(Failed::Barred)?;
        Ok(stream)
    }

    fn judge(&self, address: SocketAddr, allowed: &[IpNet]) -> Result<(), Barred> {
        let is_open =
            |stand_in: &StandIn| stand_in.open.contains(&SocketAddr::new(unified(address.ip()), address.port()));
        if self.stand_in.get().is_some_and(is_open) {
            return Ok(());
        }
        outbound::judge(address.ip(), allowed)
    }

    /// Made at the first request, since it reads the machine's certificates; none where that cannot be.
    fn tls(&self) -> Option<Arc<ClientConfig>> {
        self.tls.get_or_init(|| made(self.stand_in.get()).map(Arc::new)).clone()
    }
}

fn made(stand_in: Option<&StandIn>) -> Option<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
    let builder = match stand_in {
        Some(stand_in) => builder.with_root_certificates(stand_in.roots.clone()),
        None => match builder.with_platform_verifier() {
            Ok(builder) => builder,
            Err(error) => {
                tracing::error!(error = %error, "the certificates that this machine trusts cannot be read");
                return None;
            }
        },
    };
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Some(config)
}
