//! Plain HTTP is for this machine and for declared proxies (design §4, rule 8): at the start, and for each request.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use serde_json::Value;

use super::serve_at;
use crate::fault::program::{Program, send};

#[test]
fn ad_07_plain_http_to_the_network_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let refused = serve_at("0.0.0.0:0", &folder.path().join("data")).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success(), "{said}");
    for line in ["cert_file = ", "trusted_proxies = [", "listen = \"unix:/run/admit/admit.sock\""] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(!folder.path().join("data").exists());
}

/// An address of this machine that is not loopback, where it has one.
fn address_of_a_network() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // Sends nothing: only the route is looked up (RFC 5737 address).
    socket.connect("192.0.2.1:9").ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
}

#[tokio::test]
async fn a_stranger_in_the_clear_is_refused_and_told_why() {
    let Some(ip) = address_of_a_network() else {
        // Without a network there is no stranger; `http::tests` has the judgement itself.
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut command = serve_at("0.0.0.0:0", folder.path());
    command.env("ADMIT__TRUSTED_PROXIES", "['203.0.113.7']");
    let program = Program::run(command, folder.path()).await;
    let port = program.url.rsplit(':').next().unwrap().parse().unwrap();
    let at = SocketAddr::new(ip, port);
    let http = reqwest::Client::new();
    let bearer = format!("Bearer {}", program.operator);
    let ask = async |path: &str| {
        let headers = [("authorization", bearer.as_str())];
        send(&http, &format!("http://{at}{path}"), "GET", &headers, Value::Null).await.unwrap()
    };
    for path in ["/v1/docs", "/v1/realms", "/nowhere"] {
        let answer = ask(path).await;
        assert_eq!((answer.status, answer.code().as_str()), (403, "insecure_transport"), "{path}: {}", answer.text);
        assert!(answer.text.contains(&format!("trusted_proxies = [\\\"{ip}\\\"]")), "{}", answer.text);
    }
    let check = ask("/check/nginx").await;
    assert_eq!((check.status, check.code().as_str()), (403, "untrusted_proxy"), "{}", check.text);
    assert_eq!(ask("/healthz").await.status, 200, "probes learn nothing");
    program.manage("GET", "/v1/realms", Value::Null).await.expect(200);
}
