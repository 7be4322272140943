//! HT-13: what a handshake may be, over real sockets. HTTP/2 (HT-02) and HTTP/3 are not spoken; client certificates are
//! not asked for, so there is no demand that a fragmented ClientHello or a missing SNI could take away.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use admit::http::limits::Limits;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, HandshakeKind, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::authority::{Made, make};
use crate::app::TestApp;

/// A server with HTTPS on a listener of its own, and its certificate.
pub async fn secure(more: &str) -> (TestApp, Made, SocketAddr) {
    let folder = tempfile::tempdir().unwrap();
    let made = make(90);
    let section = made.write(folder.path());
    let app = TestApp::in_folder(folder, &format!("{section}listen = '127.0.0.1:0'\n{more}")).await;
    let address = app.places.tls.unwrap();
    (app, made, address)
}

/// A client that trusts this certificate only.
pub fn trusting(made: &Made, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(made.der.clone())).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    builder.with_root_certificates(roots).with_no_client_auth()
}

pub async fn connect(config: &Arc<ClientConfig>, to: SocketAddr, name: &str) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(to).await.unwrap();
    TlsConnector::from(config.clone()).connect(ServerName::try_from(name.to_owned()).unwrap(), stream).await
}

pub async fn get(stream: &mut TlsStream<TcpStream>, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn ht_13_tls_1_2_and_1_3_are_spoken_with_http_1_1() {
    let (app, made, at) = secure("").await;
    for (version, expected) in
        [(&rustls::version::TLS12, ProtocolVersion::TLSv1_2), (&rustls::version::TLS13, ProtocolVersion::TLSv1_3)]
    {
        let mut config = trusting(&made, &[version]);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let mut stream = connect(&Arc::new(config), at, "localhost").await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(expected));
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        assert!(get(&mut stream, "/healthz").await.starts_with("HTTP/1.1 200"));
    }
    let mut only_h2 = trusting(&made, rustls::ALL_VERSIONS);
    only_h2.alpn_protocols = vec![b"h2".to_vec()];
    let refused = connect(&Arc::new(only_h2), at, "localhost").await.err().unwrap();
    assert!(refused.to_string().contains("NoApplicationProtocol"), "{refused}");
    assert_eq!(app.send("GET", "/healthz", &[], None).await.status, 200, "the plain listener stays as it is");
}

#[tokio::test]
async fn ht_13_the_name_that_a_client_asks_for_decides_nothing() {
    let (_app, made, at) = secure("").await;
    let config = Arc::new(trusting(&made, rustls::ALL_VERSIONS));
    // An address sends no SNI at all.
    assert!(get(&mut connect(&config, at, "127.0.0.1").await.unwrap(), "/healthz").await.starts_with("HTTP/1.1 200"));
    let other = connect(&config, at, "elsewhere.test").await.err().unwrap();
    assert!(
        other.to_string().contains("not valid for name"),
        "the same certificate, which the client refuses: {other}"
    );
    let mut stream = connect(&config, at, "localhost").await.unwrap();
    let request = "GET /v1/docs HTTP/1.1\r\nHost: elsewhere.test\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    assert!(answer.starts_with("HTTP/1.1 421"), "another Host than SNI: {answer}");
}

#[tokio::test]
async fn sessions_are_resumed() {
    let (_app, made, at) = secure("").await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let config = Arc::new(trusting(&made, &[version]));
        let mut kinds = Vec::new();
        for _ in 0..2 {
            let mut stream = connect(&config, at, "localhost").await.unwrap();
            get(&mut stream, "/healthz").await;
            kinds.push(stream.get_ref().1.handshake_kind().unwrap());
        }
        assert_eq!(kinds, [HandshakeKind::Full, HandshakeKind::Resumed], "{version:?}");
    }
}

/// A ClientHello of a version with these suites and no extension, as old clients sent it.
fn old_hello(version: u8, suites: &[u16]) -> Vec<u8> {
    let suites: Vec<u8> = suites.iter().flat_map(|suite| suite.to_be_bytes()).collect();
    let mut hello = [vec![3, version], vec![7; 32], vec![0]].concat();
    hello.extend(u16::try_from(suites.len()).unwrap().to_be_bytes());
    hello.extend([suites, vec![1, 0]].concat());
    let length = u8::try_from(hello.len()).unwrap();
    [vec![22, 3, 1, 0, length + 4, 1, 0, 0, length], hello].concat()
}

/// What comes back for raw bytes until the server closes.
async fn raw(at: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let _ = tokio::time::timeout(Duration::from_secs(10), read).await.unwrap();
    answer
}

#[tokio::test]
async fn ht_13_old_versions_weak_suites_and_plain_http_are_refused() {
    let (app, made, at) = secure("").await;
    let alert = |description: u8| vec![21, 3, 3, 0, 2, 2, description];
    // TLS 1.0, 1.1, and 1.2 with RC4, 3DES and CBC: handshake_failure or protocol_version (RFC 8446 §6.2), nothing else.
    for (version, suites) in [
        (1, &[0xC013, 0x000A, 0x002F][..]),
        (2, &[0xC013, 0x000A, 0x002F]),
        (3, &[0x0005, 0x000A, 0x002F, 0xC011, 0xC013]),
    ] {
        let answer = raw(at, &old_hello(version, suites)).await;
        assert!(answer == alert(40) || answer == alert(70), "3.{version}: {answer:?}");
    }
    let plain = raw(at, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(!plain.starts_with(b"HTTP"), "{plain:?}");
    let config = Arc::new(trusting(&made, rustls::ALL_VERSIONS));
    assert!(get(&mut connect(&config, at, "localhost").await.unwrap(), "/healthz").await.starts_with("HTTP/1.1 200"));
    assert!(app.app.metrics.page(&app.app).contains("admit_tls_handshakes_failed_total 4"), "each is counted");
}

#[tokio::test]
async fn pages_over_https_ask_to_be_visited_so_for_ever() {
    let (_app, made, at) = secure("").await;
    let config = Arc::new(trusting(&made, rustls::ALL_VERSIONS));
    let own = get(&mut connect(&config, at, "localhost").await.unwrap(), "/v1/docs").await;
    assert!(own.to_lowercase().contains("\r\nstrict-transport-security: max-age=31536000\r\n"), "{own}");
    let check = get(&mut connect(&config, at, "localhost").await.unwrap(), "/check/nginx").await;
    assert!(!check.to_lowercase().contains("strict-transport-security"), "a gateway's own business: {check}");
    assert!(check.starts_with("HTTP/1.1 403") || check.starts_with("HTTP/1.1 400"), "{check}");
}

/// Sends some bytes and waits until the server closes.
async fn half(at: SocketAddr, bytes: &[u8]) -> Duration {
    let begun = Instant::now();
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let closed = tokio::time::timeout(Duration::from_secs(10), read).await;
    assert!(closed.is_ok() && answer.is_empty(), "never closed, or answered: {answer:?}");
    begun.elapsed()
}

#[tokio::test]
async fn ht_01_half_open_handshakes_and_slow_heads_under_tls_are_cut() {
    let ms = Duration::from_millis;
    let limits = Limits { look_every: ms(20), handshake: ms(300), head: ms(300), ..Limits::default() };
    let folder = tempfile::tempdir().unwrap();
    let made = make(90);
    let section = made.write(folder.path());
    let app = TestApp::with_limits(&format!("{section}listen = '127.0.0.1:0'"), limits).await;
    let at = app.places.tls.unwrap();
    let hello = old_hello(3, &[0xC02B]);
    for bytes in [&b""[..], &hello[..1], &hello[..20]] {
        assert!(half(at, bytes).await >= ms(300), "{} bytes", bytes.len());
    }
    let config = Arc::new(trusting(&made, rustls::ALL_VERSIONS));
    let mut slow = connect(&config, at, "localhost").await.unwrap();
    let mut answer = Vec::new();
    let dripping = async {
        while slow.write_all(b"G").await.is_ok() && slow.flush().await.is_ok() {
            tokio::time::sleep(ms(30)).await;
        }
        let _ = slow.read_to_end(&mut answer).await;
    };
    tokio::time::timeout(Duration::from_secs(10), dripping).await.unwrap();
    assert!(answer.is_empty(), "{answer:?}");
    let page = app.app.metrics.page(&app.app);
    for (why, count) in [("handshake", 3), ("head", 1)] {
        assert!(page.contains(&format!("admit_connections_cut_total{{why=\"{why}\"}} {count}\n")), "{page}");
    }
    assert!(get(&mut connect(&config, at, "localhost").await.unwrap(), "/healthz").await.starts_with("HTTP/1.1 200"));
}
