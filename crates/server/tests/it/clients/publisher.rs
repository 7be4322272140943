//! A host that publishes keys over HTTPS, under a name that only one server of a test knows.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use admit::outbound::StandIn;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::app::TestApp;
use crate::tls::authority::{Made, make_named};

const NAME: &str = "keys.test";

/// What it answers.
#[derive(Clone)]
pub struct Said {
    pub head: String,
    pub body: Vec<u8>,
    pub after: Duration,
}

impl Said {
    /// 200 with this body.
    pub fn ok(body: &str) -> Self {
        Self { head: "HTTP/1.1 200 OK\r\n".to_owned(), body: body.as_bytes().to_vec(), after: Duration::ZERO }
    }

    /// Nothing but this status.
    pub fn status(line: &str) -> Self {
        Self { head: format!("HTTP/1.1 {line}\r\n"), body: Vec::new(), after: Duration::ZERO }
    }

    /// The same with another header.
    pub fn with(self, header: &str) -> Self {
        Self { head: format!("{}{header}\r\n", self.head), ..self }
    }
}

/// The host.
pub struct Publisher {
    pub address: SocketAddr,
    made: Made,
    said: Arc<Mutex<Said>>,
    asked: Arc<AtomicUsize>,
    /// The last request, as it was sent.
    pub request: Arc<Mutex<String>>,
}

impl Publisher {
    pub async fn start(said: Said) -> Self {
        let made = make_named(NAME);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let this =
            Self { address, made, said: Arc::new(Mutex::new(said)), asked: Arc::default(), request: Arc::default() };
        let (said, asked, request) = (this.said.clone(), this.asked.clone(), this.request.clone());
        let acceptor = this.acceptor();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                asked.fetch_add(1, Ordering::Relaxed);
                let (acceptor, said, request) = (acceptor.clone(), said.clone(), request.clone());
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut read = Vec::new();
                    while !read.ends_with(b"\r\n\r\n") {
                        let Ok(octet) = stream.read_u8().await else { return };
                        read.push(octet);
                    }
                    let head = String::from_utf8_lossy(&read).to_ascii_lowercase();
                    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split('\r').next());
                    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
                    if stream.read_exact(&mut body).await.is_err() {
                        return;
                    }
                    read.extend(body);
                    *request.lock().unwrap() = String::from_utf8_lossy(&read).into_owned();
                    let Said { head, body, after } = said.lock().unwrap().clone();
                    tokio::time::sleep(after).await;
                    let head = format!("{head}Content-Length: {}\r\n\r\n", body.len());
                    let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        this
    }

    fn acceptor(&self) -> TlsAcceptor {
        let certificate = CertificateDer::from(self.made.der.clone());
        let key = PrivateKeyDer::from_pem_slice(self.made.key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        TlsAcceptor::from(Arc::new(builder.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap()))
    }

    pub fn say(&self, said: Said) {
        *self.said.lock().unwrap() = said;
    }

    /// How many connections there were.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    pub fn uri(&self) -> String {
        self.at("/jwks")
    }

    pub fn at(&self, path: &str) -> String {
        format!("https://{NAME}:{}{path}", self.address.port())
    }

    /// Makes it known to a server, which may connect to it though it is on this machine.
    pub fn introduce(&self, app: &TestApp) {
        self.introduce_at(app, |_| vec![IpAddr::V4(Ipv4Addr::LOCALHOST)], true);
    }

    /// The same with other addresses, and perhaps no leave to connect.
    pub fn introduce_at(
        &self,
        app: &TestApp,
        resolve: impl Fn(&str) -> Vec<IpAddr> + Send + Sync + 'static,
        is_open: bool,
    ) {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(self.made.der.clone())).unwrap();
        let open = is_open.then_some(self.address).into_iter().collect();
        app.app.outbound.stand_in(StandIn { resolve: Box::new(resolve), open, roots });
    }
}
