//! The Unix socket: behind the real nginx, with the lines of the book, and what happens to its file.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use admit::gateway;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::serve_at;
use super::served::wait_for;
use crate::fault::program::{Program, bare};
use crate::gateway::{Ask, Echo, Gateway, Kind};
use crate::program::free_address;

const PAGE: &str = include_str!("../../../../../docs/book/src/run-it-with-tls.md");

/// The program on a socket in the folder.
async fn on_socket(folder: &Path) -> Program {
    let file = folder.join("admit.toml");
    let text = format!("public_url = 'https://auth.example.com'\nlisten = 'unix:{}'\n", socket(folder));
    std::fs::write(&file, text).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_admit"));
    command.arg("serve").arg("--config").arg(&file).arg("--data").arg(folder.join("data"));
    bare(&mut command, folder);
    Program::run(command, &folder.join("data")).await
}

fn socket(folder: &Path) -> String {
    folder.join("admit.sock").display().to_string()
}

async fn ask(folder: &Path, request: &str) -> String {
    let mut stream = UnixStream::connect(socket(folder)).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

/// What nginx is told of Admit: the block of the book, with the socket of this test.
fn upstream(folder: &Path) -> String {
    let block = PAGE.split("```nginx\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert!(block.contains("unix:/run/admit/admit.sock"), "{block}");
    block.replace("/run/admit/admit.sock", &socket(folder))
}

#[tokio::test]
async fn nginx_asks_over_the_socket_with_the_lines_of_the_book() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let (program, echo) = (on_socket(folder.path()).await, Echo::new().await);
    program.shop().await;
    let request = serde_json::json!({"name": "reader", "api": "https://api.shop.test", "scopes": ["orders:read"],
        "ip": ["127.0.0.1/32"]});
    let key = program.manage("POST", "/v1/realms/default/keys", request).await.expect(201);

    let address = free_address();
    let upstream_url = format!("http://{}", echo.address);
    let shop =
        gateway::Gateway::new("shop.test", &upstream_url, "http://127.0.0.1:8420", None, &address.to_string()).unwrap();
    let config = gateway::nginx::config(&shop);
    let (before, rest) = config.split_once("    upstream admit {").unwrap();
    let (_, after) = rest.split_once("    }\n").unwrap();
    // Where the test runs as root, workers would run as somebody who may not open the socket.
    let config = format!("user root root;\n{before}{}\n{after}", upstream(folder.path()));
    let nginx = Gateway::with(Kind::Nginx, &config, address);
    let admitted = nginx.ask(&Ask::new("GET /orders/42").key(key["key"].as_str().unwrap())).await;
    assert_eq!(admitted.status, 200, "{}\n{}", nginx.printed(), program.said().join("\n"));
    assert_eq!(admitted.json()["headers"]["admit-name"], serde_json::json!(["reader"]));
    let nobody = nginx.ask(&Ask::new("GET /orders/42")).await;
    assert_eq!((nobody.status, nobody.code().as_str()), (401, "missing_credential"));
}

#[tokio::test]
async fn fa_16_the_client_is_who_the_proxy_says() {
    let folder = tempfile::tempdir().unwrap();
    let program = on_socket(folder.path()).await;
    program.shop().await;
    let request = serde_json::json!({"name": "reader", "api": "https://api.shop.test", "scopes": ["orders:read"],
        "ip": ["203.0.113.0/24"]});
    let key = program.manage("POST", "/v1/realms/default/keys", request).await.expect(201);
    let check = async |client: &str| {
        let headers = format!(
            "X-Original-Method: GET\r\nX-Original-URI: /orders/1\r\nX-Forwarded-Host: shop.test\r\nX-Forwarded-Proto: https\r\nX-Forwarded-For: {client}\r\nAuthorization: Bearer {}",
            key["key"].as_str().unwrap()
        );
        ask(folder.path(), &format!("GET /check/nginx HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n\r\n"))
            .await
    };
    assert!(check("203.0.113.9").await.starts_with("HTTP/1.1 200"));
    let elsewhere = check("198.51.100.9").await;
    assert!(elsewhere.starts_with("HTTP/1.1 403") && elsewhere.contains("wrong_ip"), "{elsewhere}");
}

#[tokio::test]
async fn fa_16_the_address_of_the_command_line_is_no_way_around_the_socket() {
    let folder = tempfile::tempdir().unwrap();
    let program = on_socket(folder.path()).await;
    program.shop().await;
    let headers = [("x-original-method", "GET"), ("x-original-uri", "/orders/1"), ("x-forwarded-host", "shop.test")];
    for path in ["/check/nginx", "/check/forward", "/realms/default/check/nginx", "/v1/whoami"] {
        let reply = program.try_send("GET", path, &headers, Value::Null).await.unwrap();
        assert_eq!((reply.status, reply.code().as_str()), (403, "untrusted_proxy"), "{path}: {}", reply.text);
    }
    let bare = program.try_send("GET", "/check/nginx", &[], Value::Null).await.unwrap();
    assert_eq!((bare.status, bare.code().as_str()), (404, "not_found"), "{}", bare.text);
    let checked = serde_json::json!({"credential": "admit_x", "require": {"api": "https://api.shop.test"}});
    let checked = program.manage("POST", "/v1/realms/default/check", checked).await.expect(200);
    assert_eq!(checked["admitted"], false, "`admit check` goes on working: {checked}");
}

#[tokio::test]
async fn the_socket_is_for_owner_and_group_and_goes_with_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = on_socket(folder.path()).await;
    let path = folder.path().join("admit.sock");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    let said = wait_for(&program, "ready").await;
    assert!(said.contains(&format!("listening on unix:{}", path.display())), "{said}");
    let healthy = ask(folder.path(), "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert!(healthy.starts_with("HTTP/1.1 200"), "{healthy}");
    program.manage("GET", "/v1/realms", Value::Null).await.expect(200);

    let second = folder.path().join("second");
    let mut other = serve_at(&format!("unix:{}", path.display()), &second);
    let refused = other.env("ADMIT__PUBLIC_URL", "https://a.example").output().unwrap();
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && words.contains("another server listens there"), "{words}");
    assert!(path.exists(), "the first one's socket stays");

    program.kill();
    assert!(path.exists(), "nobody removed it");
    let mut again = on_socket(folder.path()).await;
    assert!(again.stop().await);
    assert!(!path.exists(), "removed at the end");
}
